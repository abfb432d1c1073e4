"""The public log: what there is of it, and its files as C2SP tlog-tiles names them.

``/log/`` lists the logs, oldest first, as a page or as JSON; ``/log/<origin>/checkpoint`` and
``/log/<origin>/tile/…`` are the files, for whoever monitors or mirrors the log. Nobody signs in.
A file is served once a checkpoint covers it, and never changes then.
"""

from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from evidence import log, stamping, succession, testimony, tile
from evidence.errors import LogMissing, Malformed, NotStored
from evidence.vault import Vault
from web.setting import Setting
from web.templating import page

_TEXT: Final = "text/plain; charset=utf-8"
_BYTES: Final = "application/octet-stream"
_FOREVER: Final = "public, max-age=31536000, immutable"
_BRIEFLY: Final = "public, max-age=2"
_ANYBODY: Final = {"access-control-allow-origin": "*"}


def _setting(request: Request) -> Setting:
    setting: Setting = request.app.state.setting
    return setting


async def listing(request: Request) -> Response:
    """All logs with their sizes, roots and verifier keys."""
    vault = _setting(request).office.vault
    async with _setting(request).office.connected() as conn:
        known = await log.states(conn)
        words = {one.origin: await testimony.words(conn, one.origin) for one in known}
        own = {one.origin: await succession.history(conn, one.origin) for one in known}
        stamps = {one.origin: await stamping.words(conn, one.origin) for one in known}
    logs = [
        {
            "origin": state.origin,
            "size": state.size,
            "root": state.root.hex(),
            "publishedAt": state.published.isoformat() if state.published else None,
            "sealedAt": state.sealed.isoformat() if state.sealed else None,
            "previous": state.previous,
            "verifierKeys": _keys(state, own[state.origin], vault),
            "history": [
                {"index": one.index, "salt": one.salt.hex(), "body": one.body}
                for one in own[state.origin]
            ],
            "witnesses": [
                {"name": one.name, "size": one.size, "cosignedAt": one.time.isoformat()}
                for one in words[state.origin]
            ],
            "timestamps": [
                {"authority": one.authority, "size": one.size, "stampedAt": one.time.isoformat()}
                for one in stamps[state.origin]
            ],
        }
        for state in known
    ]
    if "application/json" in request.headers.get("accept", ""):
        answer = {"logs": logs, "receiptKey": str(vault.receipt_key)}
        return JSONResponse(answer, headers=_ANYBODY | {"cache-control": _BRIEFLY})
    return page(request, "log.html", logs=logs, states=known, receipt_key=str(vault.receipt_key))


def _keys(state: log.State, told: list[succession.Own], vault: Vault) -> list[str]:
    """The keys by which a log's checkpoints are verified now: those that it told last."""
    known = succession.keys_told(told)
    return known[-1] if known else succession.keys(vault, state.origin)


async def checkpoint(request: Request) -> Response:
    """The newest checkpoint, a signed note with its cosignatures."""
    state = await _state(request)
    if state is None or state.checkpoint is None:
        return _missing()
    headers = _ANYBODY | {"cache-control": _BRIEFLY}
    return Response(state.checkpoint, media_type=_TEXT, headers=headers)


async def file(request: Request) -> Response:
    """A tile or an entry bundle that a checkpoint covers."""
    state = await _state(request)
    try:
        one = tile.read_path("tile/" + request.path_params["path"])
    except Malformed:
        return _missing()
    if state is None or not _covered(one, state.size):
        return _missing()
    store = _setting(request).office.vault.store
    try:
        data = await log.read(store, state.origin, one.path)
    except NotStored:  # a partial one that was tidied away; the wider one is there
        return _missing()
    return Response(data, media_type=_BYTES, headers=_ANYBODY | {"cache-control": _FOREVER})


async def _state(request: Request) -> log.State | None:
    async with _setting(request).office.connected() as conn:
        try:
            known = await log.state(conn, request.path_params["origin"])
            return await log.cosigned(conn, known)
        except LogMissing:
            return None


def _missing() -> Response:
    """For programs, which no page would help."""
    return Response("not there\n", 404, media_type=_TEXT, headers=_ANYBODY)


def _covered(one: tile.Tile | tile.Bundle, size: int) -> bool:
    """Whether all of a file's hashes or entries are within a tree of ``size``."""
    level = one.level if isinstance(one, tile.Tile) else 0
    return one.number * tile.WIDTH + one.width <= size >> (tile.HEIGHT * level)

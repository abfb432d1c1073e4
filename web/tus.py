"""Uploads that survive a lost connection: tus 1.0.0 at ``/uploads/tus``, over ``odr.instalments``.

The core protocol with creation, creation-with-upload, termination, expiration and checksum (sha256,
and sha1, which the protocol wants). ``Upload-Metadata`` says ``filename``, ``filetype`` and, if the
client has it, the ``sha256`` (hex) of the whole file. Who may, is asked as for ``PUT /uploads``: a
bearer token, or the session with ``X-CSRF-Token``.

The last bytes finish it: the answer (and from then on that to HEAD) names the upload in
``X-Upload-Id``, and GET tells it in JSON, as PUT does. A file that is refused is told as PUT tells
it, by whatever request finished it, and by GET afterwards. What the words of the protocol mean
stands in ``web/README.md``.
"""

import asyncio
import base64
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import datetime
from email.utils import format_datetime
from typing import Final
from uuid import UUID

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from evidence.deposit import Declared
from odr import instalments
from odr.errors import Invalid, Late, Refused, Stale, TooMuch, Unavailable
from odr.instalments import Checksum, Standing
from schema import ids
from web import errors, refusals, session, uploads
from web.setting import Setting

VERSION: Final = "1.0.0"
EXTENSIONS: Final = "creation,creation-with-upload,termination,expiration,checksum"
OFFSET: Final = "application/offset+octet-stream"
PATH: Final = "/uploads/tus"
METHODS: Final = ("GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS")
"""POST only with ``X-HTTP-Method-Override``."""

IDLE_SECONDS: Final = 60.0
"""After so long without a byte a connection counts as lost; what came is kept."""

_TAG: Final = "pu"
_TOLD_MAX: Final = 4000
_DIGITS: Final = re.compile(r"0|[1-9][0-9]{0,15}")
_NAME: Final = re.compile(r"[!-+\--~]+")  # ASCII but space and comma
_HEX: Final = re.compile(r"[0-9a-fA-F]{64}")
_MALFORMED, _UNKNOWN, _FORBIDDEN, _METHOD, _PRECONDITION = 400, 401, 403, 405, 412
_TOO_LARGE, _TYPE, _CHECKSUM = 413, 415, 460
_SAFE: Final = {"GET", "HEAD"}
_SIZES: Final = {"file_bytes", "upload_length"}

Answer = Callable[[Request], Awaitable[Response]]


class _Turned(Exception):  # noqa: N818 - said as one would say it
    """A request that is not as the protocol wants it."""

    def __init__(self, status: int, said: str, headers: Mapping[str, str] | None = None) -> None:
        self.status, self.said, self.headers = status, said, headers
        super().__init__(said)


async def collection(request: Request) -> Response:
    """Begin an upload, or say what is spoken here."""
    return await _answered(request, {"POST": _create})


async def one(request: Request) -> Response:
    """Go on with an upload, ask how far it is, or take it back."""
    acts = {"HEAD": _head, "GET": _get, "PATCH": _patch, "DELETE": _delete}
    return await _answered(request, acts)


async def _answered(request: Request, acts: Mapping[str, Answer]) -> Response:
    method = request.headers.get("x-http-method-override", request.method).upper()
    try:
        response = await _allowed(request, method, acts)
    except _Turned as turned:
        response = JSONResponse({"error": {"message": turned.said}}, turned.status, turned.headers)
    except session.Forged:
        response = JSONResponse({"error": {"message": "X-CSRF-Token is missing."}}, _FORBIDDEN)
    except Refused as refused:
        response = _refused(request, refused)
    response.headers["tus-resumable"] = VERSION
    response.headers["cache-control"] = "no-store"
    return response


async def _allowed(request: Request, method: str, acts: Mapping[str, Answer]) -> Response:
    """The act's answer, if the protocol's version, who asks and where from are right."""
    if method == "OPTIONS":
        return _spoken(request)
    if method not in acts:
        allow = ", ".join((*acts, "OPTIONS"))
        raise _Turned(_METHOD, f"{method} does nothing here.", {"allow": allow})
    if method != "GET" and request.headers.get("tus-resumable") != VERSION:
        raise _Turned(_PRECONDITION, f"Tus-Resumable: {VERSION}", {"tus-version": VERSION})
    if request.state.viewer is None:
        return Response(status_code=_UNKNOWN, headers={"www-authenticate": "Bearer"})
    if method not in _SAFE and not session.by_token(request):
        session.check(request, request.headers.get("x-csrf-token"))
    return await acts[method](request)


def _spoken(request: Request) -> Response:
    return Response(
        status_code=204,
        headers={
            "tus-version": VERSION,
            "tus-extension": EXTENSIONS,
            "tus-max-size": str(max(_setting(request).upload_sizes.values())),
            "tus-checksum-algorithm": ",".join(sorted(instalments.DIGESTS)),
        },
    )


async def _create(request: Request) -> Response:
    setting, viewer = _setting(request), session.viewer_of(request)
    if "upload-defer-length" in request.headers:
        raise _Turned(_MALFORMED, "Upload-Length is to be known.")
    size = _number(request, "upload-length")
    if size > (most := max(setting.upload_sizes.values())):
        raise TooMuch(limit="file_bytes", maximum=most)
    said = request.headers.get("upload-metadata", "")
    told = _metadata(said)
    with_bytes = request.headers.get("content-type") == OFFSET
    checksum = _checksum(request) if with_bytes else None
    _check_length(request, size if with_bytes else 0)
    declared = Declared(
        size=size,
        media_type=told.get("filetype") or "application/octet-stream",
        sha256=_digest(told.get("sha256")),
    )
    filename = told.get("filename") or "file"
    standing = await instalments.begin(setting.office, viewer, declared, filename, said)
    place = {"location": f"{PATH}/{ids.write(_TAG, standing.id)}"} | _until(standing.expires_at)
    if not with_bytes:
        return Response(status_code=201, headers=place)
    try:
        received = await instalments.add(
            setting.office, viewer, standing.id, 0, _coming(request), checksum
        )
    except Unavailable:  # the client can go on from what came
        return Response(status_code=201, headers=place | {"upload-offset": "0"})
    except Refused:
        await instalments.withdraw(setting.office, viewer, standing.id)
        raise
    more = {"upload-offset": str(received)}
    if received == size:
        more |= await _finished(request, standing.id)
    return Response(status_code=201, headers=place | more)


async def _head(request: Request) -> Response:
    standing = await _standing(request)
    headers = {"upload-offset": str(standing.received), "upload-length": str(standing.size)}
    if standing.told:
        headers["upload-metadata"] = standing.told
    if standing.is_whole:
        headers |= await _finished(request, standing.id)
    return Response(headers=headers | _until(standing.expires_at))


async def _get(request: Request) -> Response:
    standing = await _standing(request)
    upload = None
    if standing.is_whole:
        office, viewer = _setting(request).office, session.viewer_of(request)
        upload = await instalments.finish(office, viewer, standing.id)
    if upload is not None:
        return JSONResponse({"id": ids.write(uploads.TAG, upload)})
    coming = {"received": standing.received, "size": standing.size}
    return JSONResponse(coming, 202, {"retry-after": refusals.AGAIN_SECONDS})


async def _patch(request: Request) -> Response:
    if request.headers.get("content-type") != OFFSET:
        raise _Turned(_TYPE, f"Content-Type: {OFFSET}")
    start = _number(request, "upload-offset")
    checksum = _checksum(request)
    standing = await _standing(request)
    if start != standing.received:
        raise Stale(expected=start, version=standing.received)
    _check_length(request, standing.size - start)
    received = start
    if start < standing.size:
        office, viewer = _setting(request).office, session.viewer_of(request)
        coming = _coming(request)
        received = await instalments.add(office, viewer, standing.id, start, coming, checksum)
    headers = {"upload-offset": str(received)} | _until(standing.expires_at)
    if received == standing.size:
        headers |= await _finished(request, standing.id)
    return Response(status_code=204, headers=headers)


async def _delete(request: Request) -> Response:
    office, viewer = _setting(request).office, session.viewer_of(request)
    await instalments.withdraw(office, viewer, _id(request))
    return Response(status_code=204)


async def _finished(request: Request, partial: UUID) -> dict[str, str]:
    """Finish what is whole; the header that names the upload, unless another is at it."""
    office, viewer = _setting(request).office, session.viewer_of(request)
    upload = await instalments.finish(office, viewer, partial)
    return {} if upload is None else {"x-upload-id": ids.write(uploads.TAG, upload)}


def _refused(request: Request, refused: Refused) -> Response:
    error = dict(uploads.user_error(refused))
    error["said"] = errors.said([error], request.state.wording)[0]
    headers = {}
    if isinstance(refused, Unavailable):
        headers["retry-after"] = refusals.AGAIN_SECONDS
    return JSONResponse({"error": error}, _status(refused), headers)


def _status(refused: Refused) -> int:
    """What the protocol has for it, else what a page would have."""
    match refused:
        case Late():
            return 410
        case Stale():
            return 409
        case TooMuch() if refused.limit in _SIZES:
            return _TOO_LARGE
        case Invalid() if refused.path == ("checksum",):
            return _CHECKSUM
        case _:
            return refusals.said(refused).status


async def _standing(request: Request) -> Standing:
    office, viewer = _setting(request).office, session.viewer_of(request)
    return await instalments.find(office, viewer, _id(request))


def _id(request: Request) -> UUID:
    return ids.key(request.path_params["id"], _TAG)


def _setting(request: Request) -> Setting:
    setting: Setting = request.app.state.setting
    return setting


async def _coming(request: Request) -> AsyncIterator[bytes]:
    """The body, which just ends where its connection is lost, or silent for IDLE_SECONDS."""
    body = request.stream()
    try:
        while True:
            async with asyncio.timeout(IDLE_SECONDS):
                piece = await anext(body, None)
            if piece is None:
                return
            yield piece
    except (ClientDisconnect, TimeoutError):
        return


def _check_length(request: Request, left: int) -> None:
    """Refuse more than there is room for before it is read."""
    length = request.headers.get("content-length")
    if length is not None and length.isdecimal() and int(length) > left:
        raise TooMuch(limit="upload_length", maximum=left)


def _until(expires: datetime) -> dict[str, str]:
    return {"upload-expires": format_datetime(expires, usegmt=True)}


def _number(request: Request, name: str) -> int:
    said = request.headers.get(name, "")
    if not _DIGITS.fullmatch(said):
        raise _Turned(_MALFORMED, f"{name} is no number.")
    return int(said)


def _metadata(said: str) -> dict[str, str]:
    """Names and values: a name, a space, base64 of UTF-8, with commas between the pairs."""
    told: dict[str, str] = {}
    if len(said) > _TOLD_MAX:
        raise _Turned(_MALFORMED, f"Upload-Metadata has more than {_TOLD_MAX} characters.")
    for pair in said.split(",") if said else ():
        name, _, value = pair.strip().partition(" ")
        try:
            decoded = base64.b64decode(value, validate=True).decode()
        except ValueError as error:
            raise _Turned(_MALFORMED, "Upload-Metadata is not base64 of UTF-8.") from error
        if not _NAME.fullmatch(name) or name in told:
            raise _Turned(_MALFORMED, "Upload-Metadata names something twice, or nothing.")
        told[name] = decoded
    return told


def _digest(said: str | None) -> bytes | None:
    if said is None:
        return None
    if not _HEX.fullmatch(said):
        raise _Turned(_MALFORMED, "sha256 in Upload-Metadata has 64 hexadecimal digits.")
    return bytes.fromhex(said)


def _checksum(request: Request) -> Checksum | None:
    said = request.headers.get("upload-checksum")
    if said is None:
        return None
    algorithm, _, value = said.partition(" ")
    try:
        digest = base64.b64decode(value, validate=True)
    except ValueError as error:
        raise _Turned(_MALFORMED, "Upload-Checksum is not base64.") from error
    if algorithm not in instalments.DIGESTS:
        raise _Turned(_MALFORMED, "Upload-Checksum is by no algorithm that is known here.")
    return Checksum(algorithm, digest)

"""An entry of a record: what stands behind it, as text, as files, and checked in the browser.

Its receipt stands for it until it is in the public log; from then on its proof does.
"""

import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from evidence import checkpoint as checkpoints
from evidence import note, proof, receipt
from odr.errors import NotFound
from web import reading, uploads
from web.templating import page
from web.words import WORDS

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_JSON: Final = "application/json"
_TEXT: Final = "text/plain; charset=utf-8"
_PARTS: Final = {
    "entry.json": ("entry", _JSON),
    "before.json": ("before", _JSON),
    "after.json": ("after", _JSON),
    "body.json": ("body", _JSON),
    "salt.hex": ("salt", _TEXT),
    "receipt.note": ("receipt", _TEXT),
    "entry.tlog-proof": ("proof", _TEXT),
}
"""The files of an entry, by their names in a bundle, with the member of the API that each is."""

ALL: Final = "attestation.json"


async def _entry(request: Request) -> dict[str, Any]:
    data = await reading.read(request, "entry", id=request.path_params["id"])
    entry: dict[str, Any] | None = data["node"]
    if not entry or entry["attestation"] is None:
        raise NotFound
    return entry


async def show(request: Request) -> Response:
    """The page of one entry."""
    entry = await _entry(request)
    now = await uploads.now(request)
    return page(request, "entry.html", entry=entry, told=told(entry, now), words=WORDS, now=now)


async def part(request: Request) -> Response:
    """A file of the entry, byte for byte as it is bound or signed; or all in one JSON object."""
    entry = await _entry(request)
    attested, name = entry["attestation"], request.path_params["name"]
    if name == ALL:
        return JSONResponse(attested | {"sequence": entry["sequence"], "leaf": entry["leaf"]})
    member, media_type = _PARTS.get(name, ("", _TEXT))
    data = attested.get(member)
    if data is None:
        raise NotFound
    ending = "\n" if member == "salt" else ""
    headers = {"content-disposition": f'attachment; filename="{entry["sequence"]:06d}-{name}"'}
    return Response(data + ending, media_type=media_type, headers=headers)


def told(entry: dict[str, Any], now: datetime) -> dict[str, Any] | None:
    """The facts behind an entry, in the words' order of the page; None if there are none."""
    attested = entry["attestation"]
    if attested is None:
        return None
    bound = json.loads(attested["entry"])
    found = {
        "path": f"/record/{entry['id']}",
        "sequence": entry["sequence"],
        "leaf": entry["leaf"],
        "prev": bound["prev"] if bound["seq"] else None,
        "commitment": bound["body"],
        "followed": attested["after"] is not None,
        "log": bound["origin"],
        "index": attested["index"],
        "proof": None,
        "latest": None,
        "late": False,
        "keys": attested["keys"],
        "parts": {name for name, (member, _) in _PARTS.items() if attested[member] is not None},
    }
    if attested["proof"] is not None:
        signed = note.parse(proof.read(attested["proof"].encode()).checkpoint)
        said = checkpoints.read(signed.text)
        names = dict.fromkeys(one.name for one in signed.signatures)
        found["proof"] = {"size": said.size, "root": said.root.hex(), "signers": list(names)}
    elif attested["index"] is None and attested["receipt"] is not None:
        latest = receipt.read(note.parse(attested["receipt"].encode()).text).latest
        if latest:
            due = _EPOCH + timedelta(microseconds=latest)
            found |= {"latest": due.isoformat(), "late": due < now}
    return found

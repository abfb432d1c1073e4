"""A case's record to take away: the bundle, with the record on paper in its reader's language.

The paper is written from the same document as any page, executed as whoever asks, so it holds no
more than they may see; the bundle's manifest binds it, and nothing else does.
"""

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import text

from evidence import log, note, succession
from evidence.errors import PartFailed
from evidence.signature import ED25519
from odr import bundles, exhibits
from odr.errors import Gone, NotFound, Unavailable
from odr.policy import Viewer
from schema import ids
from web import paper, reading, typesetting
from web.paper import Proof
from web.setting import Setting
from web.wording import Wording

PAPER: Final = "record.pdf"
_PICTURES_MAX: Final = 200
_NOW: Final = text("SELECT service_now()")


async def export(setting: Setting, viewer: Viewer, wording: Wording, number: str) -> Path:
    """Write a case's bundle with its paper to a file of its own; whoever asked removes it.

    ``NotFound`` for whoever may not have it, ``Unavailable`` if the store or database is away.
    """
    written = await write(setting, viewer, wording, number)
    return await bundles.export(setting.office, viewer, number, {PAPER: written})


async def write(setting: Setting, viewer: Viewer, wording: Wording, number: str) -> bytes:
    """Write a case's record on paper, a PDF, as far as the viewer may see it."""
    case = await _case(setting, viewer, number)
    pictures = await _pictures(setting, viewer, case)
    proof = await proof_of(setting)
    composed = paper.compose(case, wording, proof, pictures)
    return await asyncio.to_thread(typesetting.typeset, composed)


async def proof_of(setting: Setting) -> Proof:
    """The keys by which records are verified today, and the time."""
    vault = setting.office.vault
    async with setting.office.connected() as conn:
        made: datetime = (await conn.execute(_NOW)).scalar_one()
        told = [
            key
            for state in await log.states(conn)
            for key in await succession.signing(conn, vault, state.origin)
        ]
    keys = [note.read_verifier_key(one) for one in told]
    plain = tuple(str(key) for key in keys if key.kind == ED25519)
    return Proof(str(vault.receipt_key), plain, made)


async def _case(setting: Setting, viewer: Viewer, number: str) -> dict[str, Any]:
    """The whole record: the document is asked for each page of its entries."""
    after: str | None = None
    whole: dict[str, Any] | None = None
    while True:
        given = {"number": number, "after": after}
        case = (await reading.ask(setting, viewer, "record", given))["case"]
        if case is None:
            raise NotFound
        if whole is None:
            whole = case
        else:
            whole["record"]["nodes"] += case["record"]["nodes"]
        page = case["record"]["pageInfo"]
        if not page["hasNextPage"]:
            return whole
        after = page["endCursor"]


async def _pictures(setting: Setting, viewer: Viewer, case: dict[str, Any]) -> dict[str, bytes]:
    """The small copies of exhibits' pictures, where there are; an original is never opened."""
    office = setting.office
    found: dict[str, bytes] = {}
    for one in case["exhibits"][:_PICTURES_MAX]:
        key = ids.key(one["id"], "ex")
        try:
            async with office.work(viewer, key) as work:
                blob = await exhibits.opened(work, key, "thumbnail")
            found[one["id"]] = b"".join([piece async for piece in office.vault.open_blob(blob)])
        except (Gone, NotFound):
            continue
        except PartFailed as error:
            raise Unavailable(error.part) from error
    return found

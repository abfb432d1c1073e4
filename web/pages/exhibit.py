"""An exhibit's page, and its file: served by the service only, so that nothing active ever runs."""

import re
import secrets
from collections.abc import AsyncGenerator
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Send

from evidence.blob import Blob
from evidence.errors import PartFailed
from odr import exhibits
from odr.errors import NotFound, Unavailable
from odr.procedure.acts import Act
from odr.work import Work
from schema import ids
from web import reading, session, uploads
from web.pages import entry
from web.setting import Setting
from web.templating import page
from web.words import WORDS

_SAFE: Final = {"image/jpeg", "image/png", "image/webp"}
"""What a browser may show in a page; everything else is downloaded."""
_SCREEN: Final = {"application/pdf": "page-1", "video/mp4": "poster"}
"""Which copy is shown at the size of a screen, of what is no picture."""
_COPY: Final = re.compile(r"thumbnail|screen|poster|page-[1-9][0-9]?")
_DRAWN: Final = {*_SAFE, "image/heic", *_SCREEN}
_ENDINGS: Final = {
    "image/jpeg": (".jpg", ".jpeg"),
    "image/png": (".png",),
    "image/webp": (".webp",),
    "image/heic": (".heic", ".heif"),
    "application/pdf": (".pdf",),
    "video/mp4": (".mp4", ".m4v", ".mov"),
    "text/plain": (".txt", ".log", ".md"),
    "message/rfc822": (".eml",),
    "application/json": (".json",),
    "text/csv": (".csv",),
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": (".xlsx",),
}
"""How the names of files end, by what they really are; the first is added where none stands."""

_POLICY: Final = "default-src 'none'; sandbox; frame-ancestors 'none'"
_PLAIN: Final = re.compile(r"[^A-Za-z0-9._ -]")


async def _exhibit(request: Request) -> dict[str, Any]:
    data = await reading.read(request, "exhibit", id=request.path_params["id"])
    exhibit: dict[str, Any] | None = data["node"]
    if not exhibit:
        raise NotFound
    return exhibit


async def show(request: Request) -> Response:
    """The viewer: the picture large, its facts, what was found, what the sides say of it."""
    exhibit = await _exhibit(request)
    now = await uploads.now(request)
    entries = [told for each in exhibit["record"] if (told := entry.told(each, now))]
    return page(
        request,
        "exhibit.html",
        exhibit=exhibit,
        told=entries[0] if entries else None,
        answers=_answering(exhibit),
        voucher=VOUCHER,
        words=WORDS,
        drawn=_DRAWN,
        now=now,
    )


def _answering(exhibit: dict[str, Any]) -> dict[str, Any] | None:
    """What a form needs by which the viewer answers a finding; None if they cannot now."""
    case = exhibit["case"]
    acts = {each["act"] for each in case["availableActs"]} if case else set()
    if Act.ANSWER_EXHIBIT.name not in acts:
        return None
    keys = {each["id"]: secrets.token_urlsafe(16) for each in exhibit["findings"]}
    return {**case, "key_of": keys}


VOUCHER: Final = {
    "issuer": "Issued by",
    "number": "Number",
    "issued": "Date",
    "carrier": "Carrier",
    "service": "Service",
    "trackingNumber": "Tracking number",
    "shippedAt": "Shipped on",
    "deliveredAt": "Delivered on",
    "sentFrom": "Sent from",
    "place": "Place",
    "sender": "Sender",
    "recipient": "Recipient",
    "weightGrams": "Weight",
    "customsNumber": "Customs number",
    "orderReference": "Order",
    "amountMinor": "Total",
    "note": "Note",
}
"""What a document says of itself, with labels, in the order of the page."""


async def file(request: Request) -> Response:
    """The file itself, or a derived copy of it, checked while it streams.

    ``?copy=thumbnail``, ``screen`` or ``page-2`` … asks for a smaller picture without metadata;
    where none was derived it is the file. The reading is noted for the parties, but for a
    thumbnail's.
    """
    exhibit = await _exhibit(request)
    setting: Setting = request.app.state.setting
    office = setting.office
    key = ids.key(exhibit["id"], "ex")
    copy = request.query_params.get("copy", "")
    if copy == "screen":
        copy = _SCREEN.get(exhibit["mediaType"], copy)
    async with office.work(session.viewer_of(request), key) as work:
        blob = await _opened(work, key, copy if _COPY.fullmatch(copy) else None)
    media_type = blob.plaintext.media_type
    kept = media_type in _SAFE and "download" not in request.query_params
    headers = {
        "content-disposition": _disposition(exhibit["filename"], media_type, inline=kept),
        "content-length": str(blob.plaintext.size),
        "content-security-policy": _POLICY,
        "x-content-type-options": "nosniff",
        "cache-control": "private, no-store",
    }
    pieces = await _begun(office.vault.open_blob(blob))
    return _Streamed(pieces, headers=headers, media_type=media_type)


async def _opened(work: Work, key: UUID, copy: str | None) -> Blob:
    try:
        return await exhibits.opened(work, key, copy)
    except NotFound:
        if copy is None:
            raise
        return await exhibits.opened(work, key)


async def _begun(pieces: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """The same pieces, the first of them read: a store that is away is told before the headers.

    ``Unavailable``; what was tampered with goes through.
    """
    try:
        first = await anext(pieces)
    except BaseException as error:
        await pieces.aclose()
        if isinstance(error, PartFailed):
            raise Unavailable(error.part) from error
        raise

    async def all_pieces() -> AsyncGenerator[bytes, None]:
        try:
            yield first
            async for piece in pieces:
                yield piece
        finally:
            await pieces.aclose()

    return all_pieces()


class _Streamed(StreamingResponse):
    """Bytes whose source is closed at once when the reader goes away, not when it is collected."""

    async def stream_response(self, send: Send) -> None:
        """Send the pieces."""
        try:
            await super().stream_response(send)
        finally:
            if isinstance(self.body_iterator, AsyncGenerator):
                await self.body_iterator.aclose()


def _disposition(filename: str, media_type: str, *, inline: bool) -> str:
    """RFC 6266: a plain name for old programs, and the real one encoded.

    It ends as files of its type do, so that no system opens a picture as a program.
    """
    endings = _ENDINGS.get(media_type, (".bin",))
    if not filename.lower().endswith(endings):
        filename += endings[0]
    plain = _PLAIN.sub("_", filename)
    kind = "inline" if inline else "attachment"
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"

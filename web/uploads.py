"""Files on their way in: from a form, or as the body of a request of their own.

The bytes stream to the vault in constant memory; limits are told before. ``PUT /uploads`` takes a
file as a body (with ``Content-Length``, ``Content-Type`` and, if the client has it, its digest in
``Repr-Digest``, RFC 9530); ``GET /uploads/limits`` says what is taken.
"""

import base64
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from evidence.deposit import Declared
from odr import uploads
from odr.errors import Invalid, Refused, TooMuch
from schema import ids, payloads
from web import session
from web.setting import Setting

_PIECE: Final = 256 * 1024
TAG: Final = "up"
_CREATED: Final = 201
_UNKNOWN: Final = 401
_NOW: Final = text("SELECT service_now()")


def _setting(request: Request) -> Setting:
    setting: Setting = request.app.state.setting
    return setting


async def now(request: Request) -> datetime:
    """The service's time: the database's."""
    return await _setting(request).office.read(_now)


async def _now(conn: AsyncConnection) -> datetime:
    at: datetime = (await conn.execute(_NOW)).scalar_one()
    return at


def user_error(refused: Refused) -> Mapping[str, Any]:
    """A refusal as the API's payloads would tell it."""
    told = payloads.refused(refused)
    return {
        "code": told.code.name,
        "rule": told.rule,
        "path": told.path,
        "message": told.message,
        "retryable": told.retryable,
        "facts": [{"name": fact.name, "values": fact.values} for fact in told.facts],
    }


async def deposit(request: Request, file: UploadFile | str) -> str:
    """Deposit a file of a form; the upload's global id. One that was sent ahead has its own."""
    if isinstance(file, str):
        return file
    size = file.size or 0
    declared = Declared(size=size, media_type=file.content_type or "application/octet-stream")
    office, viewer = _setting(request).office, session.viewer_of(request)
    upload = await uploads.deposit(office, viewer, _pieces(file), declared, file.filename or "file")
    return ids.write(TAG, upload)


async def _pieces(file: UploadFile) -> AsyncIterator[bytes]:
    while piece := await file.read(_PIECE):
        yield piece


async def put(request: Request) -> Response:
    """Take a file as the body of a request, from a page's script or a program with a token."""
    if request.state.viewer is None:
        return Response(status_code=_UNKNOWN, headers={"www-authenticate": "Bearer"})
    if not session.by_token(request):
        session.check(request, request.headers.get("x-csrf-token"))
    length = request.headers.get("content-length", "")
    if not length.isdecimal():
        raise Invalid(("size",), "missing")
    declared = Declared(
        size=int(length),
        media_type=request.headers.get("content-type", "application/octet-stream"),
        sha256=_digest(request.headers.get("repr-digest")),
    )
    filename = request.headers.get("x-filename", "file")
    office, viewer = _setting(request).office, session.viewer_of(request)
    try:
        upload = await uploads.deposit(office, viewer, request.stream(), declared, filename)
    except (Invalid, TooMuch) as refused:
        return JSONResponse({"error": dict(user_error(refused))}, 422)
    return JSONResponse({"id": ids.write(TAG, upload)}, _CREATED)


def _digest(field: str | None) -> bytes | None:
    """SHA-256 from ``Repr-Digest: sha-256=:…:``; ``Invalid`` if it is malformed."""
    if field is None:
        return None
    value = field.strip()
    if not (value.startswith("sha-256=:") and value.endswith(":")):
        raise Invalid(("digest",), "malformed")
    try:
        return base64.b64decode(value[9:-1], validate=True)
    except ValueError as error:  # also what is not ASCII
        raise Invalid(("digest",), "malformed") from error


async def limits(request: Request) -> Response:
    """Say what is taken, and how large it may be."""
    told = uploads.limits(_setting(request).office.vault)
    partial = {"max": told.partial_max, "hours": told.partial_hours}
    return JSONResponse({"bytesMax": dict(_setting(request).upload_sizes), "partial": partial})

"""The operator's page about keeping: erasures that wait for a second person, holds in force."""

import secrets
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from odr.errors import NotFound
from web import errors, reading, session, uploads
from web.templating import page
from web.words import WORDS

_SEE_OTHER: Final = 303
_UNPROCESSABLE: Final = 422
_LISTED: Final = 100
_ACTS: Final = {
    "approve": ("approve_erasure", "erasureId"),
    "decline": ("decline_erasure", "erasureId"),
    "lift": ("lift_legal_hold", "holdId"),
}
"""What the forms do: by which document, and which of its members names the row."""


async def show(request: Request) -> Response:
    """What waits and what is held, with the forms; for nobody but the operator."""
    return await _page(request, [])


async def _page(request: Request, wrong: list[str]) -> Response:
    data = await reading.read(request, "keeping", first=_LISTED)
    kinds = {each["kind"] for each in (data["me"] or {"organisations": ()})["organisations"]}
    if "OPERATOR" not in kinds:
        raise NotFound
    return page(
        request,
        "keeping.html",
        status=_UNPROCESSABLE if wrong else 200,
        erasures=data["erasures"]["nodes"],
        holds=data["legalHolds"]["nodes"],
        words=WORDS,
        wrong=wrong,
        key=lambda: secrets.token_urlsafe(16),
        now=await uploads.now(request),
    )


async def decide(request: Request) -> Response:
    """Approve or decline an erasure, or lift a hold."""
    form = await session.form(request)
    if (act := _ACTS.get(str(form.get("act")))) is None:
        raise NotFound
    document, named = act
    values: dict[str, Any] = {
        named: str(form.get("id", "")),
        "idempotencyKey": str(form.get("key") or secrets.token_urlsafe(16)),
    }
    if document == "lift_legal_hold":
        values["reason"] = str(form.get("reason", ""))
    payload = await reading.act(request, document, values)
    if payload["userErrors"]:
        return await _page(request, errors.said(payload["userErrors"], request.state.wording))
    return RedirectResponse("/keeping", _SEE_OTHER)

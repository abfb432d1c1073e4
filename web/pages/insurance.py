"""The insurer's pages: settled claims with filters, one claim with all behind it, its decision."""

import secrets
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from odr import money
from odr.errors import Invalid, NotFound, Refused
from odr.models.states import SETTLED
from odr.words import Peril
from web import errors, reading, session, uploads
from web.templating import page
from web.words import WORDS

_SEE_OTHER: Final = 303
_UNPROCESSABLE: Final = 422
_PAGE: Final = 50

DENIALS: Final = {
    "not_covered": "Not covered",
    "no_loss": "No loss is shown",
    "late_notice": "Notified too late",
    "fraud": "Fraud",
}
"""Why an insurer may deny, by the code that the API keeps; to be translated."""


async def settled(request: Request) -> Response:
    """The settled claims of the viewer's covers, narrowed by the filters of the address."""
    asked = request.query_params
    narrowed = _filter(dict(asked))
    after = asked.get("after") or None
    data = await reading.read(request, "settled", first=_PAGE, after=after, filter=narrowed)
    return page(
        request,
        "settled.html",
        claims=data["settledClaims"],
        covers=data["covers"]["nodes"],
        asked=asked,
        words=WORDS,
        perils=[peril.name for peril in Peril],
        outcomes=[state.name for state in SETTLED],
        now=await uploads.now(request),
    )


def _filter(asked: dict[str, str]) -> dict[str, Any]:
    """The API's filter from what the form asked; what is empty does not narrow."""
    narrowed: dict[str, Any] = {}
    if cover := asked.get("cover"):
        narrowed["cover"] = cover
    if peril := asked.get("peril"):
        narrowed["perils"] = [peril]
    if state := asked.get("state"):
        narrowed["states"] = [state]
    for name in ("from", "until"):
        if day := asked.get(name):
            narrowed[f"settled{name.capitalize()}"] = f"{day}T00:00:00Z"
    if number := asked.get("case", "").strip():
        narrowed["caseNumber"] = number
    return narrowed


async def _claim(request: Request) -> dict[str, Any]:
    data = await reading.read(request, "insurance_claim", number=request.path_params["number"])
    found = data["insuranceClaims"]["nodes"]
    if not found:
        raise NotFound
    claim: dict[str, Any] = found[0]
    return claim


async def show(request: Request) -> Response:
    """One claim: amounts side by side, case, exhibits, ruling, money; and what can be done."""
    return await _page(request, await _claim(request))


async def _page(
    request: Request,
    claim: dict[str, Any],
    *,
    wrong: list[str] | None = None,
    given: Mapping[str, Any] = MappingProxyType({}),
) -> Response:
    data = await reading.read(request, "standing")
    mine = {each["id"] for each in data["organisations"]}
    return page(
        request,
        "insurance_claim.html",
        status=_UNPROCESSABLE if wrong else 200,
        claim=claim,
        decides=claim["insurer"]["id"] in mine,
        denials=DENIALS,
        given=dict.fromkeys(("decision", "amount", "reason", "grounds"), "") | dict(given),
        words=WORDS,
        wrong=wrong,
        key=secrets.token_urlsafe(16),
        now=await uploads.now(request),
    )


async def decide(request: Request) -> Response:
    """Approve, approve in part, or deny; or pay what was approved."""
    form = await session.form(request)
    claim = await _claim(request)
    values: dict[str, Any] = {
        "insuranceClaimId": claim["id"],
        "expectedVersion": claim["version"],
        "idempotencyKey": str(form.get("key") or secrets.token_urlsafe(16)),
    }
    document = "pay_insurance_claim"
    if form.get("act") == "decide":
        document = "decide_insurance_claim"
        try:
            values |= _decision(dict(form), claim)
        except Refused as refused:
            wrong = errors.said([uploads.user_error(refused)], request.state.wording)
            return await _page(request, claim, wrong=wrong, given=form)
    payload = await reading.act(request, document, values)
    if payload["userErrors"]:
        wrong = errors.said(payload["userErrors"], request.state.wording)
        return await _page(request, claim, wrong=wrong, given=form)
    return RedirectResponse(f"/insurance/{claim['number']}", _SEE_OTHER)


def _decision(form: dict[str, Any], claim: dict[str, Any]) -> dict[str, Any]:
    grounds = str(form.get("grounds", "")).strip()
    if not grounds:
        raise Invalid(("grounds",), "missing")
    if form.get("decision") == "deny":
        return {"denialReason": str(form.get("reason", "")), "grounds": grounds}
    currency = claim["claimed"]["currency"]
    amount = money.parse(str(form.get("amount", "")), currency, path=("approveMinor",))
    return {"approveMinor": amount.amount_minor, "grounds": grounds}

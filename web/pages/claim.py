"""A new claim as a guided form: order, reason, what is wanted, the evidence, review, receipt.

Each step is a page of its own and works without JavaScript: what was said before travels along in
hidden fields, files are deposited at their step, and nothing is filed before the last button.
"""

import secrets
from typing import Any, Final

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from odr.errors import NotFound, Refused
from web import errors, forms, reading, session, uploads
from web.templating import page
from web.words import WORDS

STEPS: Final = ("order", "reason", "wish", "evidence", "review")
_SEE_OTHER: Final = 303
_UNPROCESSABLE: Final = 422
_CARRIED: Final = ("order", "reason", "statement", "key")


async def begin(request: Request) -> Response:
    """The first step, or the second if the link names an order."""
    order = request.query_params.get("order", "")
    step = "reason" if order else "order"
    return await _step(request, step, {"order": order, "key": secrets.token_urlsafe(16)})


async def go_on(request: Request) -> Response:
    """Take what a step said and show the next one; the last one files the claim."""
    form = await session.form(request, files_max=session.FILES_MAX)
    held = _held(form)
    step = str(form.get("step", ""))
    if step not in STEPS:
        raise NotFound
    if form.get("back"):
        return await _step(request, STEPS[max(0, STEPS.index(step) - 1)], held)
    try:
        await _take(request, step, form, held)
    except Refused as refused:
        wrong = errors.said([uploads.user_error(refused)], request.state.wording)
        return await _step(request, step, held, wrong=wrong)
    if step == "evidence" and form.get("add"):
        return await _step(request, "evidence", held)
    if step != STEPS[-1]:
        return await _step(request, STEPS[STEPS.index(step) + 1], held)
    return await _file(request, form, held)


def _held(form: FormData) -> dict[str, Any]:
    """What the steps before have said."""
    held: dict[str, Any] = {name: str(form.get(name, "")) for name in _CARRIED}
    held |= {key: str(value) for key, value in form.multi_items() if key.startswith("terms-")}
    held["exhibits"] = [
        dict(zip(("uploadId", "kind", "title"), str(each).split("\t", 2), strict=False))
        for each in form.getlist("exhibit")
    ]
    return held


async def _take(request: Request, step: str, form: FormData, held: dict[str, Any]) -> None:
    if step == "evidence":
        for each in forms.attached(form):
            upload = await uploads.deposit(request, each.file)
            held["exhibits"].append({"uploadId": upload, "kind": each.kind, "title": each.title})
    if step == "wish":
        order = await _order(request, held)
        forms.terms(form, order["total"]["currency"])


async def _order(request: Request, held: dict[str, Any]) -> dict[str, Any]:
    data = await reading.read(request, "order", id=held["order"])
    order: dict[str, Any] | None = data["order"]
    if order is None:
        raise NotFound
    return order


async def _step(
    request: Request, step: str, held: dict[str, Any], *, wrong: list[str] | None = None
) -> Response:
    data = await reading.read(request, "claimable")
    order = await _order(request, held) if held["order"] else None
    rules = {each["reason"]: each for each in order["reasons"]} if order else {}
    asked = rules.get(held.get("reason", ""))
    return page(
        request,
        "claim.html",
        status=_UNPROCESSABLE if wrong else 200,
        step=step,
        steps=STEPS,
        held=_Known(held),
        order=order,
        orders=data["orders"]["nodes"],
        rules=rules,
        asked=asked,
        asked_lines=_checklist(asked, held) if asked else [],
        words=WORDS,
        largest=max(request.app.state.setting.upload_sizes.values()),
        wrong=wrong,
        now=await uploads.now(request),
    )


def _checklist(asked: dict[str, Any], held: dict[str, Any]) -> list[dict[str, Any]]:
    """What the claimant is asked to show for a reason, and whether it is there."""
    given = {exhibit["kind"] for exhibit in held.get("exhibits", ())}
    return [
        {**line, "satisfied": not given.isdisjoint(line["kinds"])}
        for line in asked["checklist"]
        if line["side"] == "CLAIMANT"
    ]


class _Known(dict[str, Any]):
    def __missing__(self, _: str) -> str:
        return ""


async def _file(request: Request, form: FormData, held: dict[str, Any]) -> Response:
    order = await _order(request, held)
    try:
        terms = forms.terms(form, order["total"]["currency"])
    except Refused as refused:
        wrong = errors.said([uploads.user_error(refused)], request.state.wording)
        return await _step(request, "wish", held, wrong=wrong)
    values = {
        "orderId": held["order"],
        "reason": held["reason"],
        "statement": held["statement"],
        "terms": terms,
        "exhibits": held["exhibits"],
        "idempotencyKey": held["key"] or secrets.token_urlsafe(16),
    }
    payload = await reading.act(request, "acts/file", values)
    if payload["userErrors"]:
        wrong = errors.said(payload["userErrors"], request.state.wording)
        return await _step(request, "review", held, wrong=wrong)
    return RedirectResponse(f"/cases/{payload['case']['number']}?done=file", _SEE_OTHER)

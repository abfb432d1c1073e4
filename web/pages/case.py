"""The case page: one page for all roles, and the forms of the acts that can be done now."""

import secrets
from itertools import groupby
from typing import Any, Final

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from odr import money, numbers
from odr.errors import Invalid, NotFound, Refused
from odr.procedure.acts import Act
from web import errors, forms, reading, session, uploads
from web.templating import page
from web.wording import Wording
from web.words import WORDS

_SEE_OTHER: Final = 303
_UNPROCESSABLE: Final = 422
_DIGITS_MAX: Final = 9
_TALK: Final = frozenset(
    {Act.SEND_MESSAGE, Act.SEND_CAUCUS_MESSAGE, Act.SUBMIT_EXHIBIT, Act.ANSWER_EXHIBIT}
)
_AWAY: Final = frozenset({Act.WITHDRAW, Act.DECLINE_CONSENT, Act.DECLARE_IMPASSE})


async def show(request: Request) -> Response:
    """The page of one case."""
    done = request.query_params.get("done", "").upper()
    return await _page(request, done=WORDS.act.get(done))


async def _page(
    request: Request,
    *,
    done: str | None = None,
    tried: str | None = None,
    wrong: list[str] | None = None,
    given: dict[str, Any] | None = None,
    status: int = 200,
) -> Response:
    case = await _case(request)
    return page(
        request,
        "case.html",
        status=status,
        here=f"/cases/{case['number']}",
        case=case,
        words=WORDS,
        forms={act.name: form for act, form in forms.FORMS.items()},
        keys={each["act"]: secrets.token_urlsafe(16) for each in case["availableActs"]},
        money_line=request.state.wording.gettext(_money_line(case)),
        largest=max(request.app.state.setting.upload_sizes.values()),
        now=await uploads.now(request),
        done=done,
        tried=tried,
        wrong=wrong,
        given=_Given(given or {}),
        nothing=_Given(),
        started=_started(case),
        voucher=forms.VOUCHER,
    )


def _started(case: dict[str, Any]) -> dict[str, "_Given"]:
    """What forms hold at first, where it is not nothing: a claim is changed from what it is."""
    claim = case["claim"]
    if claim is None:
        return {}
    held = _Given(statement=claim["statement"])
    for n, item in enumerate(claim["terms"]["items"][: forms.ROWS]):
        held[f"terms-{n}-remedy"] = item["remedy"]
        if item["amount"] is not None:
            amount = money.Money(item["amount"]["amountMinor"], item["amount"]["currency"])
            held[f"terms-{n}-amount"] = str(amount.decimal)
        held[f"terms-{n}-line"] = str(item["orderLine"] or "")
        held[f"terms-{n}-note"] = item["note"] or ""
    return {Act.MODIFY_CLAIM.name: held}


class _Given(dict[str, Any]):
    """What a form held, empty where it held nothing."""

    def __missing__(self, _: str) -> str:
        return ""


async def _case(request: Request) -> dict[str, Any]:
    """The case as the viewer sees it, with what only a page needs."""
    try:
        number = numbers.parse_case(request.path_params["number"])
    except Invalid as error:
        raise NotFound from error
    data = await reading.read(request, "case", number=number)
    case: dict[str, Any] | None = data["case"]
    if case is None:
        raise NotFound
    await _add_evidence(request, case)
    roles = set(case["viewerRoles"])
    for clock in case["clocks"]:
        awaited = clock["side"] in (None, case["viewerSide"])
        clock["mine"] = awaited and bool(roles & set(clock["awaits"]))
    case["names"] = {"CLAIMANT": None, "RESPONDENT": None}
    for seat in case["seats"]:
        if seat["side"] in case["names"]:
            case["names"][seat["side"]] = seat["name"]
    case["caucus"] = _caucus(case, roles)
    case["clocks"].sort(key=lambda clock: (not clock["mine"], clock["due"]))
    for available in case["availableActs"]:
        available["first"] = _first(available)[0] == 0
    case["availableActs"].sort(key=_first)
    wording: Wording = request.state.wording
    days = groupby(case["record"]["nodes"], lambda entry: wording.weekday(entry["at"]))
    case["days"] = [(day, list(entries)) for day, entries in days]
    return case


async def _add_evidence(request: Request, case: dict[str, Any]) -> None:
    """What was found and tracked, and which codes were asked for, beside what the case says."""
    data = await reading.read(request, "case_evidence", number=case["number"])
    found = data["case"] or {"exhibits": [], "messages": {"nodes": []}}
    exhibits = {each["id"]: each for each in found["exhibits"]}
    for exhibit in case["exhibits"]:
        more = exhibits.get(exhibit["id"], {})
        exhibit["findings"] = more.get("findings") or []
        exhibit["tracking"] = more.get("tracking") or []
    codes = {each["id"]: each for each in found["messages"]["nodes"]}
    for message in case["messages"]["nodes"]:
        more = codes.get(message["id"], {})
        message["code"], message["asks"] = more.get("code"), more.get("asks")


def _first(available: dict[str, Any]) -> tuple[int, str]:
    """What decides comes first, the soonest due at the top; then talking; then giving up."""
    act = Act[available["act"]]
    return 2 if act in _AWAY else 1 if act in _TALK else 0, available["dueBy"] or "9"


def _caucus(case: dict[str, Any], roles: set[str]) -> list[str]:
    """Whose caucus the viewer sits in: a side in its own, the mediator in both."""
    said = {message["withSide"] for message in case["caucusMessages"]}
    if case["state"] == "MEDIATING":
        if "MEDIATOR" in roles:
            return ["CLAIMANT", "RESPONDENT"]
        if case["viewerSide"] in {"CLAIMANT", "RESPONDENT"}:
            return [case["viewerSide"]]
    return sorted(said)


def _money_line(case: dict[str, Any]) -> str:
    """Where the money is, in one line."""
    payouts = [payout["state"] for payout in case["payouts"]]
    if not payouts:
        if case["stage"] == "CLOSED":
            return "The case is closed; no payment was granted in it."
        if case["granted"] is not None:
            return "Granted; it is sent when the decision can no longer be set aside."
        return "It is held safely in escrow until the case is settled or decided."
    if all(state == "PAID" for state in payouts):
        return "It was paid out to the buyer."
    if any(state in {"SUBMITTED", "SUBMITTING"} for state in payouts):
        return "It is on its way to the buyer."
    return "It is granted to the buyer and about to be sent."


MONEY_LINES: Final = (
    "The case is closed; no payment was granted in it.",
    "Granted; it is sent when the decision can no longer be set aside.",
    "It is held safely in escrow until the case is settled or decided.",
    "It was paid out to the buyer.",
    "It is on its way to the buyer.",
    "It is granted to the buyer and about to be sent.",
)


async def act(request: Request) -> Response:
    """Do an act by its form: done, the page is shown anew; refused, the form is shown again."""
    form = await session.form(request, files_max=session.FILES_MAX)
    name = request.path_params["act"]
    try:
        wanted = Act(name)
    except ValueError as error:
        raise NotFound from error
    if wanted not in forms.FORMS:
        raise NotFound
    case = await _case(request)
    wrong = await _try(request, wanted, case, form)
    if wrong is None:
        return RedirectResponse(f"/cases/{case['number']}?done={name}#acts", _SEE_OTHER)
    held: dict[str, Any] = {
        key: form.getlist(key) if key.endswith("-exhibits") else value
        for key, value in form.multi_items()
        if isinstance(value, str)
    }
    return await _page(request, tried=wanted.name, wrong=wrong, given=held, status=_UNPROCESSABLE)


async def _try(
    request: Request, wanted: Act, case: dict[str, Any], form: FormData
) -> list[str] | None:
    """None if the act was done, else what was wrong, in words."""
    try:
        values = forms.read(wanted, form, case["currency"])
        version = _version(form) or case["version"]
        attached = forms.attached(form, case["currency"], request.state.wording.zone)
        given = [await _given(request, each) for each in attached]
    except Refused as refused:
        return errors.said([uploads.user_error(refused)], request.state.wording)
    kinds = {field.kind for field in forms.FORMS[wanted].fields}
    if "files" in kinds and given:
        values["exhibits"] = given
    if "file" in kinds and given:
        values["exhibit"] = given[0]
    if not kinds & {"offer", "own_offer", "proposal", "request", "exhibit", "walled"}:
        values["caseId"] = case["id"]
    values["expectedVersion"] = version
    values["idempotencyKey"] = str(form.get("key") or secrets.token_urlsafe(16))
    payload = await reading.act(request, f"acts/{wanted.value}", values)
    wrong = payload["userErrors"]
    return errors.said(wrong, request.state.wording) if wrong else None


def _version(form: FormData) -> int | None:
    """The version of the case that the form was made for, if it says so (``Invalid``)."""
    said = str(form.get("version") or "")
    if said and not (said.isascii() and said.isdecimal() and len(said) < _DIGITS_MAX):
        raise Invalid(("version",), "malformed")
    return int(said) if said else None


async def _given(request: Request, each: forms.Attached) -> dict[str, Any]:
    """Deposit an attached file; the input that names it as an exhibit."""
    upload = await uploads.deposit(request, each.file)
    return {"uploadId": upload, "kind": each.kind, "title": each.title, **each.more}

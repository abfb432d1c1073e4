"""Pages for everybody: how it works, the rulebook in words; and one's notices and profile."""

import secrets
from typing import Final
from zoneinfo import available_timezones

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from odr import rulebook
from odr.errors import NotFound
from odr.procedure import clocks
from odr.procedure.acts import State
from web import archive, errors, reading, session, uploads
from web.templating import page
from web.wording import chosen
from web.words import WORDS

_SEE_OTHER: Final = 303
_UNPROCESSABLE: Final = 422
_REGIONS: Final = frozenset(
    {
        *("Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia"),
        *("Europe", "Indian", "Pacific"),
    }
)
"""The IANA database's regions; its other names are old ones of the same zones."""

_BOOKS: Final = rulebook.load_all()


async def how(request: Request) -> Response:
    """How it works: the stages, the windows with what happens by default, who sees what."""
    book = max(_BOOKS, key=lambda each: each.in_force_from)
    rows = [
        (state, clocks.TIMERS[clock], book.windows[clocks.TIMERS[clock].window], clock)
        for state, clock in clocks.STAGE_CLOCKS.items()
    ]
    proof = await archive.proof_of(request.app.state.setting)
    keys = [proof.receipt_key, *proof.log_keys]
    return page(
        request, "how.html", rows=rows, book=book, words=WORDS, states=list(State), keys=keys
    )


async def notices(request: Request) -> Response:
    """What one was told; opening the page marks it as read."""
    data = await reading.read(request, "notices")
    unread = [each["id"] for each in data["notices"]["nodes"] if each["readAt"] is None]
    for notice in unread:
        values = {"noticeId": notice, "idempotencyKey": f"read-{notice}"}
        await reading.act(request, "read_notice", values)
    return page(
        request,
        "notices.html",
        notices=data["notices"]["nodes"],
        words=WORDS,
        now=await uploads.now(request),
    )


async def profile(request: Request) -> Response:
    """Who one is here, for whom one acts, and how things are shown to one."""
    done = "done" in request.query_params
    return await _profile(request, done=done)


async def _profile(
    request: Request, *, done: bool = False, wrong: list[str] | None = None
) -> Response:
    data = await reading.read(request, "profile")
    me = data["me"]
    if me is None:  # a program's token has no profile
        raise NotFound
    return page(
        request,
        "profile.html",
        status=_UNPROCESSABLE if wrong else 200,
        me=me,
        language=chosen(me["language"], ""),
        zones=_zones(me["zone"]),
        key=secrets.token_urlsafe(16),
        done=done,
        wrong=wrong,
    )


def _zones(current: str) -> list[tuple[str, list[tuple[str, str]]]]:
    """The zones of the IANA database by region, each with its city; UTC and the viewer's first."""
    first = [(zone, zone) for zone in dict.fromkeys((current, "UTC")) if "/" not in zone]
    found: dict[str, list[tuple[str, str]]] = {"": first} if first else {}
    for zone in sorted(available_timezones() | {current}):
        region, _, city = zone.partition("/")
        if region in _REGIONS and city:
            found.setdefault(region, []).append((zone, city.replace("_", " ")))
    return list(found.items())


async def set_preferences(request: Request) -> Response:
    """Choose language and time zone; this browser speaks the language from now on too."""
    form = await session.form(request)
    language, zone = str(form.get("language", "")), str(form.get("zone", ""))
    values = {"language": language, "zone": zone}
    values["idempotencyKey"] = str(form.get("key") or secrets.token_urlsafe(16))
    payload = await reading.act(request, "set_preferences", values)
    if payload["userErrors"]:
        wrong = errors.said(payload["userErrors"], request.state.wording)
        return await _profile(request, wrong=wrong)
    response = RedirectResponse("/profile?done=1", _SEE_OTHER)
    secure = request.app.state.setting.secure
    session.remember(response, session.LANGUAGE, chosen(language, ""), secure=secure)
    return response

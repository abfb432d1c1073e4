"""Home, by role: what needs one first, each with its due time and what happens by default."""

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from odr.errors import NotFound
from web import reading, uploads
from web.templating import page
from web.words import WORDS

_URGENCY: Final = {"YOUR_TURN": 0, "WITH_NEUTRAL": 1, "THEIR_TURN": 2, "DONE": 3}


async def show(request: Request) -> Response:
    """The first page: for a stranger what this is, for everybody else what waits for them."""
    if request.state.viewer is None:
        return page(request, "welcome.html")
    data = await reading.read(request, "home")
    if data["me"] is None:  # a program's token is nobody who could be at home here
        raise NotFound
    cases = data["cases"]["nodes"]
    for case in cases:
        case["clock"] = _clock(case)
    cases.sort(key=_first)
    return page(
        request,
        "home.html",
        cases=[case for case in cases if case["stage"] != "CLOSED"],
        closed=[case for case in cases if case["stage"] == "CLOSED"],
        orders=data["orders"]["nodes"],
        claims=data["insuranceClaims"]["nodes"],
        me=data["me"],
        words=WORDS,
        now=await uploads.now(request),
    )


def _clock(case: dict[str, Any]) -> dict[str, Any] | None:
    """The clock that counts for the viewer: the first that awaits them, else the first."""
    roles = set(case["viewerRoles"])
    mine = [
        clock
        for clock in case["clocks"]
        if clock["side"] in (None, case["viewerSide"]) and roles & set(clock["awaits"])
    ]
    found = min(mine or case["clocks"], key=lambda clock: clock["due"], default=None)
    return {**found, "mine": bool(mine)} if found else None


def _first(case: dict[str, Any]) -> tuple[int, str]:
    clock = case["clock"]
    return _URGENCY.get(case["viewerState"], 9), clock["due"] if clock else "9"

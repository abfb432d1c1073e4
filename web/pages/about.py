"""Pages for everybody: how it works, the rulebook in words; and one's notices and profile."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from odr import rulebook
from odr.procedure import clocks
from odr.procedure.acts import State
from web import reading, uploads
from web.templating import page
from web.words import WORDS

_BOOKS: Final = rulebook.load_all()


async def how(request: Request) -> Response:
    """How it works: the stages, the windows with what happens by default, who sees what."""
    book = max(_BOOKS, key=lambda each: each.in_force_from)
    rows = [
        (state, clocks.TIMERS[clock], book.windows[clocks.TIMERS[clock].window], clock)
        for state, clock in clocks.STAGE_CLOCKS.items()
    ]
    return page(request, "how.html", rows=rows, book=book, words=WORDS, states=list(State))


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
    """Who one is here, and for whom one acts."""
    data = await reading.read(request, "profile")
    return page(request, "profile.html", me=data["me"])

"""How a refusal is said on a page: its HTTP status and its words, one line for each kind."""

from collections.abc import Mapping
from functools import partial
from typing import Final, NamedTuple

from sqlalchemy.exc import InterfaceError, OperationalError
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from odr import errors
from odr.errors import Refused
from odr.work import is_lost
from schema.payloads import ErrorCode
from web import headers
from web.reading import Busy
from web.templating import page


class Said(NamedTuple):
    """A status, a heading and what to do."""

    status: int
    title: str
    advice: str


AWAY: Final = Said(503, "We cannot do this right now", "Nothing was done. Try again in a moment.")
SAID: Final[Mapping[type[Refused], Said]] = {
    errors.NotFound: Said(
        404, "There is nothing here", "It may have moved, or it is not yours to see."
    ),
    errors.NotAllowed: Said(409, "That cannot be done now", "Go back and see what can be done."),
    errors.Unmet: Said(409, "That cannot be done yet", "Go back and see what can be done."),
    errors.Late: Said(409, "The time for this is over", "Go back and see what happened."),
    errors.Early: Said(409, "It is too early for this", "Come back when the time has come."),
    errors.Stale: Said(409, "Somebody was faster", "Go back and read what is new."),
    errors.Conflict: Said(409, "This was done before", "Go back and see what is there."),
    errors.Invalid: Said(422, "Something is not filled in as it should be", "Go back and mend it."),
    errors.Gone: Said(410, "This was erased", "The record says when, and on what ground."),
    errors.TooMuch: Said(429, "That is too much", "A limit is reached. Wait, or do with less."),
    errors.Unfunded: Said(409, "There is not enough money for this", "The operator is told."),
    errors.Unavailable: AWAY,
}
"""Every kind of refusal; a test compares it with the tree in ``odr.errors``."""

FORGED: Final = Said(
    403, "This form has expired", "Nothing was done. Go back, reload the page and send it again."
)
TOO_LARGE: Final = Said(
    413, "That is too much at once", "Nothing was done. Send less, or smaller files."
)
BUSY: Final = Said(
    429, "You are faster than we are", "Nothing was done. Wait a moment, then try again."
)
AGAIN_SECONDS: Final = "1"
"""When to try again."""

BUG: Final = Said(
    500, "Something went wrong on our side", "Nothing was lost. We are told; try again later."
)

OTHERS: Final = (FORGED, TOO_LARGE, BUSY, BUG)
"""What is said beside the refusals of the law of the house."""


def said(refused: Refused) -> Said:
    """The words for a refusal, by its nearest kind."""
    for kind in type(refused).__mro__:
        if kind in SAID:
            return SAID[kind]
    return BUG


async def refused(request: Request, error: Exception) -> Response:
    """A refusal that no page put into words of its own; strangers are asked to sign in."""
    kind = said(error) if isinstance(error, Refused) else BUG
    if kind is AWAY:
        return away(request)
    stranger = request.state.viewer is None and request.method == "GET"
    if stranger and isinstance(error, errors.NotFound):
        return RedirectResponse(f"/sign-in?next={request.url.path}", 303)
    return page(request, "refused.html", status=kind.status, said=kind)


def away(request: Request) -> Response:
    """A part that we depend on is away: a page for people, for programs what the API says too."""
    again = {"retry-after": AGAIN_SECONDS}
    if "text/html" in request.headers.get("accept", ""):
        response = page(request, "refused.html", status=AWAY.status, said=AWAY)
        response.headers.update(again)
        return response
    code = {"code": ErrorCode.UNAVAILABLE.name, "retryable": True}
    error = {"message": ErrorCode.UNAVAILABLE.meaning, "extensions": code}
    return JSONResponse({"errors": [error]}, AWAY.status, again)


async def forged(request: Request, _: Exception) -> Response:
    """A form without its token."""
    return page(request, "refused.html", status=FORGED.status, said=FORGED)


async def too_large(request: Request, _: Exception) -> Response:
    """A form with more than it may hold."""
    return page(request, "refused.html", status=TOO_LARGE.status, said=TOO_LARGE)


async def busy(request: Request, error: Exception) -> Response:
    """Somebody's bucket is empty: the page says when to come again, to browsers as well."""
    assert isinstance(error, Busy)
    response = page(request, "refused.html", status=BUSY.status, said=BUSY, seconds=error.seconds)
    response.headers["retry-after"] = error.seconds
    return response


async def missing(request: Request, _: Exception) -> Response:
    """No such page."""
    nothing = SAID[errors.NotFound]
    return page(request, "refused.html", status=nothing.status, said=nothing)


async def broken(request: Request, error: Exception) -> Response:
    """A bug: reported where it was raised, masked here; without the database it is no bug."""
    lost = isinstance(error, OSError | InterfaceError | OperationalError) or is_lost(error)
    bug = partial(page, request, "refused.html", status=BUG.status, said=BUG)
    response = away(request) if lost else bug()
    # What is raised past the other handlers is answered outside of ``Headers``.
    headers.add(response.headers, secure=request.app.state.setting.secure)
    return response

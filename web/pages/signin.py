"""Signing in: by a link in an e-mail that works once and only by a POST; and out again."""

from typing import Final
from uuid import UUID

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from odr import people, signin
from odr.errors import Invalid, NotFound, TooMuch
from odr.policy import SERVICE, Viewer
from web import reading, session, uploads
from web.setting import Setting
from web.templating import page
from web.wording import LANGUAGES

_SEE_OTHER: Final = 303
_ASKED: Final = 3600
"""So many seconds a browser remembers where somebody wanted to go when asked to sign in."""
_DAYS: Final = frozenset({"1", "3", "7", "30"})
_NO_ADDRESS: Final = "This is no e-mail address."
_TOO_MANY: Final = "Too many links were asked for. Wait an hour, then try again."
_USED: Final = "This link was used, or it is too old. Ask for a new one."

MESSAGES: Final = (_NO_ADDRESS, _TOO_MANY, _USED)
"""What can go wrong, to be translated."""


def _setting(request: Request) -> Setting:
    setting: Setting = request.app.state.setting
    return setting


def _local(path: object) -> str:
    """A path of this site to go on to; anything else is home."""
    text = str(path or "/")
    return text if text.startswith("/") and not text.startswith(("//", "/\\")) else "/"


async def ask(request: Request) -> Response:
    """The form that asks for an address, and what happens when it is sent."""
    if request.method == "GET":
        onward = _local(request.query_params.get("next"))
        shown = page(request, "signin.html", asked=False, wrong=None, email="", onward=onward)
        if onward != "/":  # the letter knows nothing of it, this browser does
            secure = _setting(request).secure
            session.remember(shown, session.ONWARD, onward, secure=secure, seconds=_ASKED)
        return shown
    form = await session.form(request)
    email = str(form.get("email", ""))
    setting = _setting(request)
    origin = request.client.host if request.client else ""
    try:
        async with setting.office.work(SERVICE, SERVICE.account_id) as work:
            await signin.request_link(work.conn, email, origin, work.at)
    except Invalid:
        wrong, status = _NO_ADDRESS, 422

    except TooMuch:
        wrong, status = _TOO_MANY, 429
    else:
        return page(request, "signin.html", asked=True, wrong=None, email=email, onward="/")
    return page(
        request, "signin.html", status=status, asked=False, wrong=wrong, email=email, onward="/"
    )


async def link(request: Request) -> Response:
    """The page behind the link: a button, since a mail scanner that follows it must not sign in."""
    if request.method == "GET":
        secret = request.path_params["secret"]
        return page(request, "link.html", secret=secret, wrong=None)
    await session.form(request)
    onward = _local(request.cookies.get(session.ONWARD))
    return await _redeem(request, request.path_params["secret"], onward)


async def _redeem(request: Request, secret: str, onward: str) -> Response:
    setting = _setting(request)
    try:
        async with setting.office.work(SERVICE, SERVICE.account_id) as work:
            opened = await signin.redeem(work.conn, secret, work.at)
    except NotFound:
        return page(request, "link.html", status=410, secret=secret, wrong=_USED)
    response = RedirectResponse(onward, _SEE_OTHER)
    session.sign_in(response, opened, secure=setting.secure)
    response.delete_cookie(session.ONWARD)
    return response


async def out(request: Request) -> Response:
    """Sign out."""
    await session.form(request)
    setting = _setting(request)
    cookie = request.cookies.get(session.named(session.SESSION, secure=setting.secure))
    if cookie:
        async with setting.office.engine.begin() as conn:
            await signin.sign_out(conn, cookie)
    response = RedirectResponse("/", _SEE_OTHER)
    session.sign_out(response, secure=setting.secure)
    return response


async def appearance(request: Request) -> Response:
    """Choose the language or the theme, and go back."""
    form = await session.form(request)
    response = RedirectResponse(_local(form.get("back")), _SEE_OTHER)
    secure = _setting(request).secure
    if (language := str(form.get("language", ""))) in LANGUAGES:
        session.remember(response, session.LANGUAGE, language, secure=secure)
    if (theme := str(form.get("theme", ""))) in {"light", "dark"}:
        session.remember(response, session.THEME, theme, secure=secure)
    return response


def _demo(request: Request) -> Setting:
    setting = _setting(request)
    if setting.demo is None:
        raise NotFound
    return setting


async def demo(request: Request) -> Response:
    """In a demonstration: sign in as one of its people, without a mail."""
    people_ = _demo(request).demo
    if request.method == "GET":
        onward = _local(request.query_params.get("next"))
        now = await uploads.now(request)
        return page(request, "demo.html", people=people_, onward=onward, now=now)
    form = await session.form(request)
    wanted = str(form.get("account", ""))
    chosen = next((p for p in people_ or () if str(p.account_id) == wanted), None)
    if chosen is None:
        raise NotFound
    return await _as(request, chosen.account_id, _local(form.get("next")))


async def _as(request: Request, account_id: UUID, onward: str) -> Response:
    """Go on as somebody of the demonstration."""
    async with _setting(request).office.work(SERVICE, SERVICE.account_id) as work:
        await people.viewer_of(work.conn, account_id)
        secret = await signin.demo_link(work.conn, account_id, work.at, demo=True)
    return await _redeem(request, secret, onward)


async def move_time(request: Request) -> Response:
    """In a demonstration: let days pass, so that clocks can be watched; one stays signed in."""
    _demo(request)
    form = await session.form(request)
    days = str(form.get("days", ""))
    if days not in _DAYS:
        raise Invalid(("days",), "out_of_bounds")
    values = {"days": int(days), "hours": 0}
    await reading.act(request, "move_time", values, viewer=SERVICE)
    viewer: Viewer | None = request.state.viewer
    if viewer is None:
        return RedirectResponse("/demo", _SEE_OTHER)
    return await _as(request, viewer.account_id, "/demo")

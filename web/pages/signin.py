"""Signing in: by a link in an e-mail that works once and only by a POST; and out again."""

from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from odr import people, signin
from odr.errors import Invalid, NotFound, TooMuch
from odr.policy import SERVICE
from web import session
from web.setting import Setting
from web.templating import page
from web.wording import LANGUAGES

_SEE_OTHER: Final = 303
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
        return page(request, "signin.html", asked=False, wrong=None, email="")
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
        return page(request, "signin.html", asked=True, wrong=None, email=email)
    return page(request, "signin.html", status=status, asked=False, wrong=wrong, email=email)


async def link(request: Request) -> Response:
    """The page behind the link: a button, since a mail scanner that follows it must not sign in."""
    if request.method == "GET":
        secret = request.path_params["secret"]
        return page(request, "link.html", secret=secret, wrong=None)
    form = await session.form(request)
    return await _redeem(request, request.path_params["secret"], _local(form.get("next")))


async def _redeem(request: Request, secret: str, onward: str) -> Response:
    setting = _setting(request)
    try:
        async with setting.office.work(SERVICE, SERVICE.account_id) as work:
            opened = await signin.redeem(work.conn, secret, work.at)
    except NotFound:
        return page(request, "link.html", status=410, secret=secret, wrong=_USED)
    response = RedirectResponse(onward, _SEE_OTHER)
    session.sign_in(response, opened, secure=setting.secure)
    return response


async def out(request: Request) -> Response:
    """Sign out."""
    await session.form(request)
    cookie = request.cookies.get(session.SESSION)
    if cookie:
        async with _setting(request).office.engine.begin() as conn:
            await signin.sign_out(conn, cookie)
    response = RedirectResponse("/", _SEE_OTHER)
    response.delete_cookie(session.SESSION)
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


async def demo(request: Request) -> Response:
    """In a demonstration: sign in as one of its people, without a mail."""
    setting = _setting(request)
    if setting.demo is None:
        raise NotFound
    if request.method == "GET":
        return page(request, "demo.html", people=setting.demo)
    form = await session.form(request)
    wanted = str(form.get("account", ""))
    chosen = next((p for p in setting.demo if str(p.account_id) == wanted), None)
    if chosen is None:
        raise NotFound
    async with setting.office.work(SERVICE, SERVICE.account_id) as work:
        await people.viewer_of(work.conn, chosen.account_id)
        secret = await signin.demo_link(work.conn, chosen.account_id, work.at, demo=True)
    return await _redeem(request, secret, "/")

"""Who looks at a page: read from the session's cookie once for each request, before the page.

``request.state`` then has ``viewer`` (None for a stranger), ``csrf`` and ``wording``. What a form
posts must carry the token: that of the session, or for a stranger one in a cookie of its own. A
token in place of the cookie (``Authorization: Bearer``) is for the API and for uploads.
"""

import hmac
import secrets
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from starlette.datastructures import FormData
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from odr import signin, tokens
from odr.errors import NotFound, Unavailable
from odr.policy import Viewer
from web.setting import Setting
from web.wording import Wording, chosen

SESSION: Final = "concord_session"
STRANGER: Final = "concord_form"
LANGUAGE: Final = "concord_language"
THEME: Final = "concord_theme"
ONWARD: Final = "concord_onward"
FIELD: Final = "csrf"
_FORM: Final = "posted"
_YEAR: Final = 365 * 86_400
_TOKEN_BYTES: Final = 24


class Forged(Exception):  # noqa: N818 - said as one would say it
    """A form came without its token: from another site, or from a session that is over."""


Refuse = Callable[[Request, Exception], Awaitable[Response]]


class Sessions:
    """Reads the cookie, and tells the request's state who is there.

    ``refused`` answers where that cannot be known, since the database is away.
    """

    def __init__(self, app: ASGIApp, *, setting: Setting, refused: Refuse) -> None:
        self._app = app
        self._setting = setting
        self._refused = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        # Known as a stranger first: what goes wrong below is still said in the reader's language.
        _know(connection, None, None)
        if not scope["path"].startswith("/static/"):
            try:
                _know(connection, *await self._signed_in(connection))
            except Unavailable as lost:
                answer = await self._refused(Request(scope, receive), lost)
                await answer(scope, receive, send)
                return
        try:
            await self._app(scope, receive, send)
        finally:
            if _FORM in scope["state"]:  # its files lie in the temporary folder
                await scope["state"][_FORM].close()

    async def _signed_in(self, connection: HTTPConnection) -> tuple[Viewer | None, str | None]:
        kind, _, token = connection.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            asked = partial(tokens.viewer, token=token.strip())
            return await self._setting.office.read(asked), None
        cookie = connection.cookies.get(SESSION)
        if not cookie:
            return None, None
        found = await self._setting.office.read(partial(signin.session, cookie=cookie))
        return (found.viewer, found.csrf) if found is not None else (None, None)


def _know(connection: HTTPConnection, viewer: Viewer | None, csrf: str | None) -> None:
    state = connection.scope.setdefault("state", {})
    state.update(
        viewer=viewer,
        csrf=csrf or connection.cookies.get(STRANGER) or secrets.token_urlsafe(_TOKEN_BYTES),
        wording=_wording(connection, viewer),
        theme=connection.cookies.get(THEME),
    )


def _wording(connection: HTTPConnection, viewer: Viewer | None) -> Wording:
    accepted = connection.headers.get("accept-language", "")
    wanted = connection.cookies.get(LANGUAGE) or (viewer.language if viewer else None)
    return Wording(chosen(wanted, accepted), viewer.zone if viewer else "UTC")


def viewer_of(request: Request) -> Viewer:
    """Who is signed in; ``NotFound`` for a stranger: a page that needs one asks to sign in."""
    viewer: Viewer | None = request.state.viewer
    if viewer is None:
        raise NotFound
    return viewer


def by_token(request: Request) -> bool:
    """Whether a program asks, by an organisation's token: no foreign page can make a browser."""
    viewer: Viewer | None = request.state.viewer
    return viewer is not None and viewer.scopes is not None


def check(request: Request, given: str | None) -> None:
    """Refuse a form without its token (``Forged``)."""
    if not hmac.compare_digest(str(given or "").encode(), request.state.csrf.encode()):
        raise Forged
    own = request.url.netloc
    origin = request.headers.get("origin")
    if origin is not None and not origin.endswith(f"//{own}"):
        raise Forged


async def form(request: Request) -> FormData:
    """The posted form, its token checked."""
    given = await request.form(max_files=20, max_fields=500)
    request.scope["state"][_FORM] = given
    token = given.get(FIELD)
    check(request, token if isinstance(token, str) else None)
    return given


def remember(
    response: Response, name: str, value: str, *, secure: bool, seconds: int = _YEAR
) -> None:
    """Keep a choice of the reader's (language, theme) in the browser."""
    response.set_cookie(name, value, max_age=seconds, secure=secure, samesite="lax", httponly=True)


def sign_in(response: Response, opened: signin.Opened, *, secure: bool) -> None:
    """Give the browser its session."""
    response.set_cookie(
        SESSION, opened.cookie, secure=secure, samesite="lax", httponly=True, path="/"
    )

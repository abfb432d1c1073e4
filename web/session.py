"""Who looks at a page: read from the session's cookie once for each request, before the page.

``request.state`` then has ``viewer`` (None for a stranger), ``csrf`` and ``wording``. What a form
posts must carry the token: that of the session, or for a stranger one in a cookie of its own. A
token in place of the cookie (``Authorization: Bearer``) is for the API and for uploads.
"""

import hmac
import secrets
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final

from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from odr import signin, tokens
from odr.errors import Invalid, NotFound, Unavailable
from odr.policy import Viewer
from web.setting import Setting
from web.wording import Wording, chosen

SESSION: Final = "concord_session"
STRANGER: Final = "concord_form"
LANGUAGE: Final = "concord_language"
THEME: Final = "concord_theme"
ONWARD: Final = "concord_onward"
FIELD: Final = "csrf"
STRANGERS_BYTES_MAX: Final = 64 * 1024
FORM_BYTES_MAX: Final = 1024 * 1024
FILES_MAX: Final = 20
"""What a form may hold: a stranger's, anybody else's without its files, and how many files."""

_FORM: Final = "posted"
_YEAR: Final = 365 * 86_400
_TOKEN_BYTES: Final = 24


class Forged(Exception):  # noqa: N818 - said as one would say it
    """A form came without its token: from another site, or from a session that is over."""


class TooLarge(Exception):  # noqa: N818 - said as one would say it
    """A form of more than ``maximum`` bytes; what is above is not read."""

    def __init__(self, maximum: int) -> None:
        self.maximum = maximum
        super().__init__(f"a form of more than {maximum} bytes")


class _Full(MultiPartException):
    """Ends the parsing of a form that is too large, so that its files are closed."""


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
        secure = self._setting.secure
        _know(connection, None, None, secure=secure)
        if not scope["path"].startswith("/static/"):
            try:
                _know(connection, *await self._signed_in(connection), secure=secure)
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
        cookie = connection.cookies.get(named(SESSION, secure=self._setting.secure))
        if not cookie:
            return None, None
        found = await self._setting.office.read(partial(signin.session, cookie=cookie))
        return (found.viewer, found.csrf) if found is not None else (None, None)


def named(name: str, *, secure: bool) -> str:
    """The name of a cookie that no other host may set (RFC 6265bis, 4.1.3.2), where we have TLS."""
    return f"__Host-{name}" if secure else name


def _know(
    connection: HTTPConnection, viewer: Viewer | None, csrf: str | None, *, secure: bool
) -> None:
    state = connection.scope.setdefault("state", {})
    kept = connection.cookies.get(named(STRANGER, secure=secure))
    state.update(
        viewer=viewer,
        csrf=csrf or kept or secrets.token_urlsafe(_TOKEN_BYTES),
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
    if not is_own(request):
        raise Forged


def is_own(request: Request) -> bool:
    """Whether a request comes from a page of ours, as far as a browser says where it comes from."""
    origin = request.headers.get("origin")
    return origin is None or origin.endswith(f"//{request.url.netloc}")


async def form(request: Request, *, files_max: int = 0) -> FormData:
    """The posted form, its token checked.

    ``TooLarge`` beyond what it may hold, before more than that was read: ``files_max`` files of
    the largest kind and ``FORM_BYTES_MAX``; of a stranger ``STRANGERS_BYTES_MAX`` and no file.
    """
    maximum = STRANGERS_BYTES_MAX
    if request.state.viewer is not None:
        sizes: Mapping[str, int] = request.app.state.setting.upload_sizes
        maximum = FORM_BYTES_MAX + files_max * max(sizes.values())
    length = request.headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > maximum:
        raise TooLarge(maximum)
    bounded = Request(request.scope, _bounded(request.receive, maximum))
    try:
        given = await bounded.form(max_files=FILES_MAX, max_fields=500)
    except HTTPException as error:
        if isinstance(error.__context__, _Full):
            raise TooLarge(maximum) from error
        raise Invalid(("form",), "malformed") from error
    request.scope["state"][_FORM] = given
    token = given.get(FIELD)
    check(request, token if isinstance(token, str) else None)
    return given


def _bounded(receive: Receive, maximum: int) -> Receive:
    """The same messages, until their bodies are longer than ``maximum``."""
    left = maximum

    async def received() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise _Full("too large")
        return message

    return received


def remember(
    response: Response, name: str, value: str, *, secure: bool, seconds: int = _YEAR
) -> None:
    """Keep a choice of the reader's (language, theme) in the browser."""
    response.set_cookie(name, value, max_age=seconds, secure=secure, samesite="lax", httponly=True)


def sign_in(response: Response, opened: signin.Opened, *, secure: bool) -> None:
    """Give the browser its session."""
    response.set_cookie(
        named(SESSION, secure=secure),
        opened.cookie,
        secure=secure,
        samesite="lax",
        httponly=True,
        path="/",
    )


def sign_out(response: Response, *, secure: bool) -> None:
    """Take the session from the browser."""
    response.delete_cookie(named(SESSION, secure=secure), secure=secure, httponly=True)

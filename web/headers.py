"""Response headers that every page carries: nothing from elsewhere runs here, nothing leaks."""

from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "manifest-src 'self'"
)
_ALWAYS: Final = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "geolocation=(), microphone=(), payment=()",
}
_HTTPS_ONLY: Final = "max-age=31536000; includeSubDomains"


def add(headers: MutableHeaders, *, secure: bool, kept: bool = False) -> None:
    """Add what an answer does not say itself; what is not ``kept`` stays out of caches."""
    for name, value in _ALWAYS.items():
        headers.setdefault(name, value)
    if secure:
        headers.setdefault("strict-transport-security", _HTTPS_ONLY)
    if not kept:
        headers.setdefault("cache-control", "no-store")


class Headers:
    """Adds the headers to whatever does not say otherwise; ``secure`` adds HSTS."""

    def __init__(self, app: ASGIApp, *, secure: bool) -> None:
        self._app = app
        self._secure = secure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                kept = scope["path"].startswith("/static/")
                add(MutableHeaders(scope=message), secure=self._secure, kept=kept)
            await send(message)

        await self._app(scope, receive, with_headers)

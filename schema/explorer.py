"""The API's explorer for development: one page, without a request to anybody else.

A document, its variables, the answer, the schema's types read by introspection, and example
operations. The page is `explorer.html`; scripts and styles run by a nonce only.
"""

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import orjson
from starlette.responses import Response

_PAGE: Final = Path(__file__).with_name("explorer.html").read_text(encoding="utf-8")
_ESCAPED: Final = ((b"<", b"\\u003c"), (b">", b"\\u003e"), (b"&", b"\\u0026"))


class Explorer:
    """The page, with its examples: documents by name."""

    def __init__(self, examples: Mapping[str, str]) -> None:
        told = orjson.dumps(dict(examples))
        for character, escaped in _ESCAPED:
            told = told.replace(character, escaped)
        self._page = _PAGE.replace("__EXAMPLES__", told.decode())

    def page(self) -> Response:
        """Give the page, with a nonce of its own."""
        nonce = secrets.token_urlsafe(16)
        policy = (
            "default-src 'none'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
            f"frame-ancestors 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'"
        )
        return Response(
            self._page.replace("__NONCE__", nonce),
            headers={
                "content-security-policy": policy,
                "cache-control": "no-store",
                "x-content-type-options": "nosniff",
                "referrer-policy": "no-referrer",
            },
            media_type="text/html; charset=utf-8",
        )

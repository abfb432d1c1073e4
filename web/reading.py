"""Running the pages' documents: the web shows and does nothing that the API cannot.

A document lies in ``operations/<name>.graphql`` and is executed in process as the signed-in viewer.
An integrator finds there a tested document for everything that the pages do.
"""

import logging
import secrets
from functools import cache
from pathlib import Path
from typing import Any, Final

from starlette.requests import Request

from odr.errors import Invalid, NotFound, Unavailable
from odr.policy import Viewer
from schema import scopes
from schema.context import Context
from schema.reader.document import BAD_VARIABLES
from schema.reader.page import BAD_CURSOR, BAD_PAGE
from web.session import viewer_of
from web.setting import Setting

OPERATIONS: Final = Path(__file__).parent / "operations"
_OK: Final = 200
_TOO_MANY: Final = 429
_UNAVAILABLE: Final = 503
_OF_THE_ASKER: Final = frozenset({BAD_VARIABLES, BAD_PAGE, BAD_CURSOR})
"""What is wrong with what an address or a form said, not with our document."""

log = logging.getLogger(__name__)


class Broken(RuntimeError):  # noqa: N818 - said as one would say it
    """A document of ours failed: a bug, reported and masked."""


class Busy(Exception):  # noqa: N818 - said as one would say it
    """Somebody asks faster than their share; again after so many ``seconds``."""

    def __init__(self, seconds: str) -> None:
        self.seconds = seconds
        super().__init__(f"again in {seconds} s")


@cache
def document(name: str) -> str:
    """The text of an operation."""
    return (OPERATIONS / f"{name}.graphql").read_text(encoding="utf-8")


def context(setting: Setting, viewer: Viewer) -> Context:
    """What a document is executed with."""
    return Context(setting.office, viewer)


async def read(request: Request, name: str, **variables: Any) -> dict[str, Any]:
    """The data of the document ``name``, as the signed-in viewer."""
    return await _run(request, name, variables, viewer_of(request))


async def _run(
    request: Request, name: str, variables: dict[str, Any], viewer: Viewer
) -> dict[str, Any]:
    return await ask(request.app.state.setting, viewer, name, variables)


async def ask(
    setting: Setting, viewer: Viewer, name: str, variables: dict[str, Any]
) -> dict[str, Any]:
    """The data of the document ``name``, as ``viewer``, where there is no request."""
    result = await setting.endpoint.execute(
        document(name), variables, context=context(setting, viewer)
    )
    answer = result.parsed()
    if result.status == _UNAVAILABLE:
        raise Unavailable("database")
    if result.status == _TOO_MANY:
        raise Busy(result.headers["retry-after"])
    codes = {(error.get("extensions") or {}).get("code") for error in answer.get("errors") or ()}
    if codes and codes <= _OF_THE_ASKER:
        raise Invalid((name,), "malformed")
    if codes == {scopes.CODE}:  # a token that may not read
        raise NotFound
    if result.status != _OK or answer.get("errors"):
        log.error("the document %s failed: %s", name, answer.get("errors"))
        raise Broken(name)
    data: dict[str, Any] = answer["data"]
    return data


async def act(
    request: Request, name: str, values: dict[str, Any], *, viewer: Viewer | None = None
) -> dict[str, Any]:
    """Run a mutation's document; its payload, with ``userErrors`` to be shown at the form.

    ``values`` is the input; the form's own key makes a repeated post harmless. Done by ``viewer``,
    or by whoever is signed in.
    """
    values.setdefault("idempotencyKey", secrets.token_urlsafe(16))
    data = await _run(request, name, {"input": values}, viewer or viewer_of(request))
    payload: dict[str, Any] | None = next(iter(data.values()))
    if payload is None:
        raise NotFound
    return payload

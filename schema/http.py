"""GraphQL over HTTP, and the same in process for pages.

Follows the "GraphQL over HTTP" specification (GraphQL Foundation, stage 2 draft): POST with
`application/json`; GET for queries only; `application/graphql-response+json` with the status of
the outcome, or `application/json` where that is all a client accepts, with 200 for whatever was
well-formed. A body of another type is refused, so that no foreign page can post a form here; a
batch is refused as well.

Errors that a document or its variables deserve are told in full, without suggesting names.
Anything unexpected is logged with an id and answered as "internal error" with that id. Refusals
of acts are data in payloads and never come here; one that a resolver lets out is put into words
by ``refused``.

This module knows no environment and no sign-in: ``context`` makes, of a request, who asks.
"""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, cast

import orjson
from asyncpg import CharacterNotInRepertoireError
from graphql import GraphQLError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from odr.errors import Refused as OdrRefused
from odr.errors import Unavailable
from schema import explorer, limits, scopes
from schema.limits import Buckets, Cost, Limits
from schema.reader.document import BAD_VARIABLES, Document, Documents, Refused
from schema.reader.reading import Answer, Reader
from schema.reader.viewer import Context

RESPONSE: Final = "application/graphql-response+json"
JSON: Final = "application/json"
INTERNAL: Final = "INTERNAL"
UNAVAILABLE: Final = "UNAVAILABLE"
TIMEOUT: Final = "TIMEOUT"
RATE: Final = "RATE_LIMITED"
INTROSPECTION: Final = "INTROSPECTION_OFF"
_OK, _BAD_REQUEST, _TOO_MANY, _UNAVAILABLE = 200, 400, 429, 503
_KEYS: Final = {"query", "variables", "operationName", "extensions"}

log = logging.getLogger(__name__)

MakeContext: TypeAlias = Callable[[Request], Awaitable[Context]]


class TurnedAway(Exception):  # noqa: N818 - named as one would say it
    """A request that is answered before it is read: malformed, or from nobody we know.

    ``context`` may raise it, with the status and code that its edge has for it.
    """

    def __init__(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.headers = dict(headers or {})


class _Unpaid(Exception):  # noqa: N818 - as above
    """The actor's bucket did not pay; it will in so many seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


@dataclass(frozen=True)
class Asked:
    """What a request asks."""

    document: str
    variables: Mapping[str, Any] | None = None
    operation_name: str | None = None


@dataclass(frozen=True)
class Result:
    """An answer: its bytes, and what HTTP would say of it."""

    status: int
    body: bytes
    executed: bool = True
    headers: Mapping[str, str] = field(default_factory=dict)

    def parsed(self) -> dict[str, Any]:
        """Give the answer as Python's values: `data`, `errors`, `extensions`."""
        return cast("dict[str, Any]", orjson.loads(self.body))


class Endpoint:
    """The GraphQL endpoint: an ASGI application, and ``execute`` for pages in process.

    ``introspection`` says for a context whether it may ask for the schema. ``examples`` are the
    explorer's documents by name; None serves no explorer. ``actor`` names whose bucket pays,
    ``reads`` says who may do more than act (``schema.scopes``).
    """

    def __init__(  # noqa: PLR0913 - an endpoint's parts
        self,
        reader: Reader,
        context: MakeContext,
        *,
        limits_: Limits | None = None,
        introspection: Callable[[Any], bool] = lambda _context: False,
        examples: Mapping[str, str] | None = None,
        buckets: Buckets | None = None,
        actor: Callable[[Any], str] = lambda _context: "",
        reads: Callable[[Any], bool] = lambda _context: True,
        refused: Callable[[OdrRefused], GraphQLError | None] = lambda _refused: None,
        documents_max: int = 512,
    ) -> None:
        self.limits = limits_ or Limits()
        self._reader = reader
        self._context = context
        self._introspection = introspection
        self._explorer = None if examples is None else explorer.Explorer(examples)
        self._buckets = buckets
        self._actor = actor
        self._reads = reads
        self._refused = refused
        self._documents = Documents(
            reader.catalogue.core,
            most=documents_max,
            check_text=lambda text: limits.check_text(self.limits, text),
            check_node=lambda node: limits.check_document(self.limits, node),
            tokens_max=self.limits.tokens_max,
        )

    async def execute(
        self,
        document: str,
        variables: Mapping[str, Any] | None = None,
        operation_name: str | None = None,
        *,
        context: Context,
        only_query: bool = False,
    ) -> Result:
        """Answer a document as ``context``'s viewer; never raises for what the document asks.

        With ``only_query`` an operation that acts is turned away (``TurnedAway``, 405).
        """
        try:
            if not self._documents.knows(document, operation_name):
                await self._pay(context, limits.fee(document))
            found = self._document(document, operation_name, context, only_query=only_query)
            values = found.values(variables)
            cost = limits.measure(self.limits, self._reader.catalogue, found, values)
            await self._pay(context, cost.requested)
            async with asyncio.timeout(self.limits.execution_seconds_max):
                answer = await self._reader.execute(found, values, context, variables)
        except _Unpaid as unpaid:
            return self._slow_down(unpaid.seconds)
        except Refused as refused:
            return self._failed(_BAD_REQUEST, refused.errors)
        except (GraphQLError, CharacterNotInRepertoireError) as error:
            told = error if isinstance(error, GraphQLError) else _NO_TEXT
            return self._failed(_BAD_REQUEST, [told])
        except (Unavailable, TimeoutError) as error:
            return self._failed(_UNAVAILABLE, [self._unavailable(error)], {"retry-after": "1"})
        except TurnedAway:
            raise
        except Exception as error:  # noqa: BLE001 - the wall: whatever is left is a bug, masked
            return self._failed(500, [self._masked(error)])
        return self._answered(answer, cost)

    async def _pay(self, context: Context, cost: int) -> None:
        """Take the cost from the actor's bucket; ``_Unpaid`` if it does not hold as much."""
        if self._buckets is not None:
            taken = await self._buckets.take(self._actor(context), cost)
            if not taken.paid:
                raise _Unpaid(taken.retry_after_seconds)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request."""
        request = Request(scope, receive)
        response = await self._respond(request)
        await response(scope, receive, send)

    def _document(
        self, text: str, operation_name: str | None, context: Context, *, only_query: bool
    ) -> Document:
        found = self._documents.get(text, operation_name)
        if not self._reads(context):
            scopes.check(found)
        if only_query and not found.is_query:
            raise TurnedAway(405, "METHOD", "GET only reads.", {"allow": "POST"})
        if limits.introspects(found) and not self._introspection(context):
            extensions = {"code": INTROSPECTION}
            raise Refused([GraphQLError(_NO_INTROSPECTION, extensions=extensions)])
        return found

    async def _respond(self, request: Request) -> Response:
        try:
            if self._explorer is not None and _wants_page(request):
                return self._explorer.page()
            plain = _accepts_plain_only(request)
            asked = await self._asked(request)
            context = await self._context(request)
            result = await self.execute(
                asked.document,
                asked.variables,
                asked.operation_name,
                context=context,
                only_query=request.method != "POST",
            )
        except TurnedAway as turned:
            body = _body_of_errors([GraphQLError(turned.message, extensions={"code": turned.code})])
            return Response(body, turned.status, turned.headers, RESPONSE)
        except Unavailable as error:
            body = _body_of_errors([self._unavailable(error)])
            return Response(body, _UNAVAILABLE, {"retry-after": "1"}, RESPONSE)
        well_formed = plain and result.status in {_OK, _BAD_REQUEST}
        return Response(
            result.body,
            _OK if well_formed else result.status,
            {**result.headers, "cache-control": "no-store"},
            f"{JSON}; charset=utf-8" if plain else f"{RESPONSE}; charset=utf-8",
        )

    async def _asked(self, request: Request) -> Asked:
        if request.method == "GET":
            query = request.scope["query_string"]
            if len(query) > self.limits.body_bytes_max:
                raise _too_large(self.limits)
            return _of_parameters(request)
        if request.method != "POST":
            raise TurnedAway(405, "METHOD", "Use POST.", {"allow": "GET, POST"})
        kind, _, parameters = request.headers.get("content-type", "").partition(";")
        charset = parameters.strip().lower()
        if kind.strip().lower() != JSON or charset not in {"", "charset=utf-8"}:
            raise TurnedAway(415, "CONTENT_TYPE", f"Send {JSON} in UTF-8.")
        return _of_body(await self._body(request))

    async def _body(self, request: Request) -> bytes:
        length = request.headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self.limits.body_bytes_max:
            raise _too_large(self.limits)
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > self.limits.body_bytes_max:
                raise _too_large(self.limits)
        return bytes(body)

    # Answers

    def _answered(self, answer: Answer, cost: Cost) -> Result:
        told = orjson.dumps({"cost": {"requested": cost.requested, "limit": self.limits.cost_max}})
        body = b'{"data":' + answer.data.encode()
        if answer.errors:
            shown = [self._shown(error) for error in answer.errors]
            body += b',"errors":' + orjson.dumps([error.formatted for error in shown])
        return Result(_OK, body + b',"extensions":' + told + b"}")

    def _failed(
        self, status: int, errors: Sequence[GraphQLError], headers: Mapping[str, str] | None = None
    ) -> Result:
        body = _body_of_errors([self._shown(error) for error in errors])
        return Result(status, body, executed=False, headers=headers or {})

    def _slow_down(self, seconds: float) -> Result:
        error = GraphQLError("Slow down.", extensions={"code": RATE, "retryAfter": seconds})
        headers = {"retry-after": str(max(1, round(seconds + 0.5)))}
        return self._failed(_TOO_MANY, [error], headers)

    def _shown(self, error: GraphQLError) -> GraphQLError:
        """Give what the client is told of an error."""
        cause = error.original_error
        while isinstance(cause, GraphQLError) and cause.original_error is not None:
            cause = cause.original_error
        if cause is None or isinstance(cause, GraphQLError):
            return error
        if (error.extensions or {}).get("code") is not None:
            return error  # a malformed variable, whose cause is the scalar's own refusal
        if isinstance(cause, Unavailable):
            told = self._unavailable(cause)
        else:
            told = (self._refused(cause) if isinstance(cause, OdrRefused) else None) or (
                self._masked(cause)
            )
        return GraphQLError(told.message, error.nodes, path=error.path, extensions=told.extensions)

    def _unavailable(self, error: Exception) -> GraphQLError:
        code = TIMEOUT if isinstance(error, TimeoutError) else UNAVAILABLE
        log.warning("a reading failed: %s", error or code, exc_info=error)
        extensions = {"code": code, "retryable": True}
        return GraphQLError("Temporarily unavailable. Try again.", extensions=extensions)

    def _masked(self, error: Exception) -> GraphQLError:
        number = secrets.token_hex(8)
        log.error("internal error %s", number, exc_info=error)
        return GraphQLError("internal error", extensions={"code": INTERNAL, "id": number})


_NO_TEXT: Final = GraphQLError(
    "A text holds a character that no text can hold: U+0000.", extensions={"code": BAD_VARIABLES}
)
_NO_INTROSPECTION: Final = "The schema is public as a file; introspection is off here."


def _wants_page(request: Request) -> bool:
    return (
        request.method == "GET"
        and "query" not in request.query_params
        and "text/html" in request.headers.get("accept", "")
    )


def _accepts_plain_only(request: Request) -> bool:
    """Say that a client accepts `application/json` and not the newer type; 406 for neither."""
    accept = request.headers.get("accept", "").lower()
    offered = {
        kind.partition(";")[0].strip()
        for kind in accept.split(",")
        if not kind.replace(" ", "").endswith(";q=0")
    } - {""}
    if not accept.strip() or offered & {RESPONSE, "application/*", "*/*"}:
        return False
    if JSON in offered:
        return True
    raise TurnedAway(406, "NOT_ACCEPTABLE", f"The answer is {RESPONSE} or {JSON}.")


def _of_parameters(request: Request) -> Asked:
    found = request.query_params
    if len(found.multi_items()) != len(found):
        raise TurnedAway(_BAD_REQUEST, "BAD_REQUEST", "A parameter is given twice.")
    told: dict[str, Any] = dict(found)
    for name in ("variables", "extensions"):
        if name in told:
            told[name] = _loaded(told[name].encode())
    return _checked(told)


def _of_body(body: bytes) -> Asked:
    told = _loaded(body)
    if isinstance(told, list):
        raise TurnedAway(_BAD_REQUEST, "BATCH", "One operation for each request.")
    return _checked(told)


def _checked(told: Any) -> Asked:
    if not isinstance(told, dict):
        raise TurnedAway(_BAD_REQUEST, "BAD_REQUEST", "The body is an object.")
    document, variables = told.get("query"), told.get("variables")
    name, extensions = told.get("operationName"), told.get("extensions")
    if not isinstance(document, str):
        raise TurnedAway(_BAD_REQUEST, "BAD_REQUEST", "`query` is the document, a string.")
    if not isinstance(variables, dict | None) or not isinstance(extensions, dict | None):
        raise TurnedAway(_BAD_REQUEST, "BAD_REQUEST", "`variables` is an object.")
    if not isinstance(name, str | None):
        raise TurnedAway(_BAD_REQUEST, "BAD_REQUEST", "`operationName` is a string.")
    return Asked(document, variables, name or None)


def _loaded(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise TurnedAway(_BAD_REQUEST, "BAD_REQUEST", "This is no JSON in UTF-8.") from error


def _too_large(limits_: Limits) -> TurnedAway:
    maximum = limits_.body_bytes_max
    return TurnedAway(413, limits.LIMIT, f"A request has at most {maximum} bytes.")


def _body_of_errors(errors: Sequence[GraphQLError]) -> bytes:
    return orjson.dumps({"errors": [error.formatted for error in errors]})

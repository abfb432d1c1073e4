"""What is asked of both servers: the pages' own documents and two mutations, and their limits."""

from collections.abc import Callable, Iterator
from typing import Any, Final
from uuid import UUID

import orjson

from infra.bench import writes
from infra.bench.client import request
from infra.bench.data import TOTAL_MINOR, Ground, Person
from infra.bench.figures import AnswerError
from schema import ids
from web import reading

FILE: Final = (
    "mutation File($input: FileInput!) { file(input: $input) {"
    " case { id number state version } userErrors { code message path } } }"
)
OFFER: Final = (
    "mutation Offer($input: MakeOfferInput!) { makeOffer(input: $input) {"
    " offer { id state } case { id state version } userErrors { code message path } } }"
)
_JSON: Final = {"content-type": "application/json", "accept": "application/graphql-response+json"}
_OK: Final = 200


def to_ours(person: Person, document: str, variables: dict[str, Any]) -> bytes:
    """A GraphQL request."""
    body = orjson.dumps({"query": document, "variables": variables})
    return request("POST", "/graphql/", body, _JSON | person.headers)


def to_limit(person: Person, path: str, given: dict[str, Any]) -> bytes:
    """The same, as the limit takes it."""
    return request("POST", path, orjson.dumps(given), _JSON | person.headers)


def reads(ground: Ground) -> dict[str, tuple[bytes, bytes]]:
    """By figure: what is asked of ours and of the limit."""
    asked = (
        ("read_case", ground.buyer, "case", {"number": ground.case_number}),
        ("list_settled_claims", ground.insurer, "settled", {"first": 100}),
    )
    return {
        figure: (
            to_ours(person, reading.document(name), given),
            to_limit(person, f"/{name}", given),
        )
        for figure, person, name, given in asked
    }


def filing(order: UUID) -> dict[str, Any]:
    """The input by which the buyer opens a case."""
    item = {"remedy": "FULL_REFUND", "amountMinor": TOTAL_MINOR}
    return {
        "idempotencyKey": writes.key(),
        "orderId": ids.write("or", order),
        "reason": "DAMAGED_IN_TRANSIT",
        "statement": "It arrived broken.",
        "terms": {"currency": "EUR", "items": [item]},
    }


def offering(case: str) -> dict[str, Any]:
    """The input by which the buyer makes an offer."""
    item = {"remedy": "PARTIAL_REFUND", "amountMinor": 3_000}
    return {
        "idempotencyKey": writes.key(),
        "caseId": case,
        "message": "Half and half.",
        "terms": {"currency": "EUR", "items": [item]},
    }


def files(ground: Ground, orders: Iterator[UUID]) -> dict[str, Callable[[], bytes]]:
    """Requests that open a case each, by side."""
    buyer = ground.buyer
    return {
        "ours": lambda: to_ours(buyer, FILE, {"input": filing(next(orders))}),
        "limit": lambda: to_limit(buyer, "/file", filing(next(orders))),
    }


def offers(ground: Ground, cases: dict[str, list[str]]) -> dict[str, Callable[[], bytes]]:
    """Requests that make an offer each, in cases that the same side opened."""
    buyer = ground.buyer
    return {
        "ours": lambda: to_ours(buyer, OFFER, {"input": offering(cases["ours"].pop())}),
        "limit": lambda: to_limit(buyer, "/offer", offering(cases["limit"].pop())),
    }


def read(status: int, body: bytes) -> Any:
    """The data of an answer; ``AnswerError`` if it has none, or a refusal."""
    answer = orjson.loads(body) if status == _OK else {}
    data = answer.get("data")
    if data is None or "errors" in answer:
        raise AnswerError(f"{status} {body[:500]!r}")
    for payload in data.values():
        if isinstance(payload, dict) and payload.get("userErrors"):
            raise AnswerError(repr(payload["userErrors"]))
    return data


def answered(status: int, body: bytes) -> None:
    """Look at an answer as cheaply as that can be."""
    if status != _OK or not body.startswith(b'{"data":{') or b'"errors":' in body[-2000:]:
        raise AnswerError(f"{status} {body[:500]!r}")

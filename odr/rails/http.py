"""A rail that is spoken to over HTTP, and the reading of its webhooks.

The protocol, which ``infra.rail`` serves as well::

    POST /payments                 Idempotency-Key: <key>
         {"reference", "payee", "purpose", "amount_minor", "currency"}
    200  {"id", "reference", "amount_minor", "currency", "state", "reason"}
    GET  /payments?reference=<reference>
    200  {"payments": [as above]}
    webhook, signed: Rail-Signature: <hex of HMAC-SHA-256 over the body>
         {"event": <id>, "payment": as above}

Any other status, an answer that is cut, late, too long, or about another reference is
``Unanswered``. The client is handed in with its address and its time limits; a redirect is not
followed. The module knows no payout.
"""

import hmac
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

import httpx
import orjson

from odr import money
from odr.errors import Invalid
from odr.money import Money
from odr.rails.rail import Event, Instruction, Report, Standing, Unanswered

ANSWER_BYTES_MAX: Final = 65_536
NAME_MAX: Final = 100
REASON_MAX: Final = 200
"""Characters of a rail's ids, and of its reasons (longer ones are cut)."""


@dataclass(frozen=True, slots=True)
class HttpRail:
    """A rail at the client's base address. ``name`` is kept with each payout."""

    client: httpx.AsyncClient = field(repr=False)
    name: str

    async def find(self, reference: str) -> Report | None:
        """Look a payment up; ``Unanswered`` also if the rail has two under one reference."""
        answer = await self._ask("GET", params={"reference": reference})
        payments = answer.get("payments")
        if not isinstance(payments, list) or len(payments) > 1:
            raise Unanswered(f"{reference}: no list of at most one payment")
        return _own(payments[0], reference) if payments else None

    async def send(self, instruction: Instruction) -> Report:
        """Ask for a payment under the instruction's key."""
        body = {
            "reference": instruction.reference,
            "payee": instruction.payee,
            "purpose": instruction.purpose,
            "amount_minor": instruction.amount.amount_minor,
            "currency": instruction.amount.currency,
        }
        headers = {"Idempotency-Key": instruction.key, "Content-Type": "application/json"}
        answer = await self._ask("POST", content=orjson.dumps(body), headers=headers)
        return _own(answer, instruction.reference)

    async def _ask(self, method: str, **request: Any) -> dict[str, Any]:
        """The JSON object that the rail answers with 200; anything else is no answer."""
        received = bytearray()
        try:
            async with self.client.stream(
                method, "payments", follow_redirects=False, **request
            ) as response:
                async for part in response.aiter_bytes():
                    received += part
                    if len(received) > ANSWER_BYTES_MAX:
                        raise Unanswered("the answer is too long")
        except httpx.HTTPError as error:
            raise Unanswered(type(error).__name__) from error
        if response.status_code != httpx.codes.OK:
            raise Unanswered(f"status {response.status_code}")
        try:
            answer = orjson.loads(received)
        except ValueError as error:
            raise Unanswered("the answer is no JSON") from error
        if not isinstance(answer, dict):
            raise Unanswered("the answer is no object")
        return answer


def _own(given: Any, reference: str) -> Report:
    """The report about the payment that was asked for."""
    try:
        report = _report(given)
    except Invalid as error:
        raise Unanswered(str(error)) from error
    if report.reference != reference:
        raise Unanswered("the answer is about another payment")
    return report


def sign(secret: bytes, body: bytes) -> str:
    """The signature of a webhook's body, in hex."""
    return hmac.digest(secret, body, sha256).hex()


def read_event(rail: str, secret: bytes, body: bytes, signature: str) -> Event:
    """Read a webhook of ``rail``; ``Invalid`` unless it is signed and spelled as agreed."""
    expected = sign(secret, body).encode()
    if not hmac.compare_digest(expected, signature.encode(errors="replace")):
        raise Invalid(("signature",), "wrong")
    if len(body) > ANSWER_BYTES_MAX:
        raise Invalid(("body",), "too_long", maximum=ANSWER_BYTES_MAX)
    try:
        given = orjson.loads(body)
    except ValueError:
        raise Invalid(("body",), "malformed") from None
    if not isinstance(given, dict) or given.keys() != {"event", "payment"}:
        raise Invalid(("body",), "malformed")
    return Event(rail, _name(given, "event"), _report(given["payment"]))


def _report(given: Any) -> Report:
    """Read a payment; fields that are not listed are left alone: a rail may add some."""
    if not isinstance(given, dict):
        raise Invalid(("payment",), "malformed")
    amount, currency = given.get("amount_minor"), given.get("currency")
    if type(amount) is not int or not 0 < amount <= money.AMOUNT_MINOR_MAX:
        raise Invalid(("payment", "amount_minor"), "malformed")
    if not isinstance(currency, str) or currency not in money.EXPONENTS:
        raise Invalid(("payment", "currency"), "unknown_currency")
    state, reason = given.get("state"), given.get("reason", "")
    if not isinstance(state, str) or state not in set(Standing):
        raise Invalid(("payment", "state"), "unknown_value")
    if not isinstance(reason, str):
        raise Invalid(("payment", "reason"), "malformed")
    return Report(
        rail_id=_name(given, "id"),
        reference=_name(given, "reference"),
        amount=Money(amount, currency),
        standing=Standing(state),
        reason=reason[:REASON_MAX].replace("\x00", ""),
    )


def _name(given: dict[str, Any], key: str) -> str:
    """A short printable name."""
    name = given.get(key)
    if not isinstance(name, str) or not 0 < len(name) <= NAME_MAX or not name.isprintable():
        raise Invalid((key,), "malformed", maximum=NAME_MAX)
    return name

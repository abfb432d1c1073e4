"""The desk: takes an input in, does the act once for its key, tells what was refused.

Every mutation passes here: the key is checked, the token's scope asked, the input hashed in its
canonical spelling, and the act done by the office in one transaction of its own. What is not
``Refused`` goes through: it is a bug, which the edge masks.
"""

import dataclasses
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import Enum
from hashlib import sha256
from typing import Any, Final, TypeAlias, cast
from uuid import UUID

import strawberry
from sqlalchemy import Table, select

from evidence import canonical
from evidence.errors import Malformed
from odr import ids as keys
from odr import policy, terms
from odr.errors import Invalid, NotFound, Refused
from odr.terms import Terms
from odr.work import Key, Work
from schema import ids, payloads
from schema.context import Context
from schema.payloads import UserError
from schema.scalars import Int64, write_instant
from schema.types.words import Party, Remedy

KEY_MAX: Final = 100
_KEY: Final = re.compile(r"[!-~]+")

Info: TypeAlias = strawberry.Info[Context, None]
Do: TypeAlias = Callable[[Work], Awaitable[Any]]


@strawberry.input(description="One remedy; see `availableActs` for what it may hold.")
class TermItemInput:
    """An item of terms."""

    remedy: Remedy
    amount_minor: Int64 | None = strawberry.field(
        default=None, description="In the currency's smallest unit."
    )
    order_line: int | None = strawberry.field(
        default=None, description="The line's number; left out for the whole order."
    )
    quantity: int | None = None
    freight_payer: Party | None = None
    difference_payer: Party | None = None
    until: date | None = None
    note: str | None = None


@strawberry.input(description="What one side gives the other, item by item.")
class TermsInput:
    """Terms."""

    currency: str = strawberry.field(description="The order's, by ISO 4217.")
    items: list[TermItemInput]


@strawberry.input(description="What every input has.")
class Input:
    """An input with its idempotency key."""

    idempotency_key: str = strawberry.field(
        description="Yours, 1 to 100 printable ASCII characters; the same key, the same answer."
    )


@strawberry.input(description="What every input of an act in a case has.")
class CaseInput(Input):
    """An input of an act in a case."""

    case_id: strawberry.ID
    expected_version: int | None = strawberry.field(
        default=None, description="Refused as stale if the case has another `version`."
    )


@dataclass(frozen=True)
class Outcome:
    """What became of an input: the keys of case, row and result, and what was refused.

    They are of any type because a payload's field takes a key where it shows the row.
    """

    case: Any = None
    row: Any = None
    result: Any = None
    errors: list[UserError] = field(default_factory=list)


async def act(
    info: Info, name: str, given: Any, do: Do, *, below: UUID | None = None, scope: str = "act"
) -> Outcome:
    """Do ``do`` once for the key of the input ``given``.

    ``below`` is the key of what the result belongs to; left out for what makes an id of its own.
    All refusals are told in the outcome.
    """
    try:
        return await _done(info, name, given, do, below, scope)
    except Refused as refused:
        return Outcome(errors=[payloads.refused(refused)])


async def upon(
    info: Info,
    name: str,
    given: Any,
    row: UUID | None,
    do: Callable[[Work, UUID], Any],
    *,
    scope: str,
) -> Outcome:
    """Do an act upon something that the input names, whatever it belongs to."""
    try:
        if row is None:
            raise NotFound
        done = await _done(info, name, given, lambda work: do(work, row), row, scope)
        return replace(done, row=row)
    except Refused as refused:
        return Outcome(row=row, errors=[payloads.refused(refused)])


async def in_case(info: Info, name: str, given: Any, do: Callable[[Work, UUID], Any]) -> Outcome:
    """Do an act in the case that the input names."""
    case = find(given.case_id, "ca")
    try:
        if case is None:
            raise NotFound
        done = await _done(info, name, given, lambda work: do(work, case), case, "act")
        return replace(done, case=case)
    except Refused as refused:
        return Outcome(case, errors=[payloads.refused(refused)])


async def on_row(
    info: Info,
    name: str,
    given: Any,
    row: UUID | None,
    table: Table,
    do: Callable[[Work, UUID], Any],
) -> Outcome:
    """Do an act upon a row of a case's; the outcome tells the case as well."""
    case = None
    try:
        if row is None:
            raise NotFound
        case = await _case_of(info, table, row)
        done = await _done(info, name, given, lambda work: do(work, row), case, "act")
        return replace(done, case=case, row=row)
    except Refused as refused:
        return Outcome(case, row, errors=[payloads.refused(refused)])


async def _done(
    info: Info, name: str, given: Any, do: Do, below: UUID | None, scope: str
) -> Outcome:
    context = info.context
    key_ = Key(_key(given.idempotency_key), name, digest(given))
    policy.require(context.actor, scope)
    kept = keys.child(_PLACE if below is None else below)
    return Outcome(result=await context.office.act(context.actor, key_, kept, do))


_PLACE: Final = keys.derive(UUID("00000000-0000-8000-8000-000000000000"), "no parent")
"""A registration makes its own id; this is kept until it has."""


def _key(text: str) -> str:
    if not text:
        raise Invalid(("idempotency_key",), "missing", maximum=KEY_MAX)
    if len(text) > KEY_MAX:
        raise Invalid(("idempotency_key",), "too_long", maximum=KEY_MAX)
    if not _KEY.fullmatch(text):
        raise Invalid(("idempotency_key",), "malformed")
    return text


def digest(given: Any) -> bytes:
    """Hash an input in its canonical spelling, without its key and without what is left out."""
    plain = _plain(given)
    plain.pop("idempotency_key")
    try:
        return sha256(canonical.encode(plain)).digest()
    except Malformed:
        raise Invalid((), "malformed") from None


def _plain(value: Any, path: tuple[str | int, ...] = ()) -> Any:
    if isinstance(value, str) and "\0" in value:
        raise Invalid(path, "malformed")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        named = {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
        given = {k: v for k, v in named.items() if v is not None and v is not strawberry.UNSET}
        return {name: _plain(each, (*path, name)) for name, each in given.items()}
    if isinstance(value, dict):
        return {name: _plain(each, (*path, name)) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each, (*path, number)) for number, each in enumerate(value)]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return write_instant(value)
    return value.isoformat() if isinstance(value, date) else value


def key(text: str, tag: str) -> UUID:
    """Read a global id that must name a row of ours; ``NotFound`` for any other."""
    found = ids.key(text, tag)
    try:
        keys.month(found)
    except ValueError:
        raise NotFound from None
    return found


def find(text: str, tag: str) -> UUID | None:
    """Read a global id, or None where it names nothing."""
    try:
        return key(text, tag)
    except NotFound:
        return None


async def _case_of(info: Info, table: Table, row: UUID) -> UUID:
    """Find the case to which a row belongs; grants nothing. ``NotFound``, ``Unavailable``."""
    async with info.context.office.connected() as connection:
        statement = select(table.c.case_id).where(table.c.id == row)
        found = (await connection.execute(statement)).scalar_one_or_none()
    if found is None:
        raise NotFound
    return cast("UUID", found)


def keyed(text: str, tag: str, path: Sequence[str | int]) -> UUID:
    """Read the global id of something that an input names; ``Invalid`` at its path."""
    found = ids.find(text, tag)
    if found is None:
        raise Invalid(tuple(path), "unknown")
    return found


def terms_of(given: TermsInput) -> Terms:
    """Read terms, with ``odr.terms``' own strictness; ``Invalid`` below ``terms``."""
    return terms.from_json(_plain(given), path=("terms",))

"""What an act answers: the changed objects, and what was refused, as data.

``ERRORS`` is the one table from the tree of refusals (``odr.errors``) to the API; a test compares
the two. A refusal carries facts; here they get their code, sentence and path.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, NamedTuple
from uuid import UUID

import strawberry

from evidence.tombstone import SOURCES
from odr import errors
from odr.errors import Refused
from odr.ledger import Kind
from odr.procedure.acts import Act, State
from odr.procedure.facts import Fact
from odr.words import Word
from schema import flags
from schema.scalars import write_instant
from schema.types import words


class ErrorCode(Word):
    """What kind of refusal it is."""

    NOT_FOUND = "not_found", "There is no such thing, or it is not yours."
    NOT_ALLOWED = "not_allowed", "The procedure does not allow this act to you now."
    UNMET = "unmet", "Something that the act requires is missing."
    LATE = "late", "The time for it has run out."
    EARLY = "early", "It is not possible yet."
    STALE = "stale", "Somebody else acted first: read again."
    CONFLICT = "conflict", "It was used before with other content."
    INVALID = "invalid", "An input is malformed or out of bounds: see `rule` and `path`."
    TOO_MUCH = "too_much", "A published limit is reached."
    UNFUNDED = "unfunded", "There is not enough money for it."
    GONE = "gone", "It was erased."
    UNAVAILABLE = "unavailable", "Nothing was done; the same request may be repeated."


words.show(ErrorCode)


@strawberry.type(description="A fact of a refusal, such as the highest amount or the due time.")
class ErrorFact:
    """A fact by name; several values where it is a list."""

    name: str
    values: list[str]


@strawberry.type(description="Why an act was refused, for programs and for people.")
class UserError:
    """An expected refusal; nothing was done."""

    code: ErrorCode
    rule: str | None = strawberry.field(
        description="With `INVALID`, the rule that is broken, such as `above_order`."
    )
    path: list[str] = strawberry.field(description="The field of the input that is concerned.")
    message: str = strawberry.field(description="A sentence in English.")
    retryable: bool = strawberry.field(description="The same request may succeed later.")
    facts: list[ErrorFact]


@strawberry.interface(description="What a mutation answers.")
class Payload:
    """Every payload tells what was refused."""

    user_errors: list[UserError] = strawberry.field(description="Empty where the act was done.")


class _Mapped(NamedTuple):
    code: ErrorCode
    sentence: Callable[[Any], str]


def _not_allowed(error: errors.NotAllowed) -> str:
    meaning = next((state.meaning for state in State if state == error.state), "")
    return f"This cannot be done now, or not by you. {meaning}".rstrip()


def _unmet(error: errors.Unmet) -> str:
    if error.fact in frozenset(Fact):
        return Fact(error.fact).meaning
    return FACTS.get(error.fact, error.fact)


FACTS: Final[Mapping[str, str]] = {
    "second_person": "Somebody else has to do this.",
    "no_legal_hold": "A legal hold is placed on this case: nothing of it is erased before that is"
    " lifted.",
    "hold_placed": "This hold was lifted before.",
    "erasure_asked": "This was decided before.",
    "not_erased_yet": "This is being erased already, or was.",
    "case_closed": "The case is open: on this ground nothing is erased before it is closed.",
}
"""Facts beside those of the procedure."""


def _late(error: errors.Late) -> str:
    return f"The time ran out on {_when(error.due)}."


def _early(error: errors.Early) -> str:
    return f"This is possible from {_when(error.opens)} on."


def _stale(error: errors.Stale) -> str:
    return (
        f"Somebody else acted first: the version is {error.version}, not {error.expected}."
        " Read again."
    )


def _conflict(error: errors.Conflict) -> str:
    return f"There is one already: {error.what}."


def _unfunded(error: errors.Unfunded) -> str:
    if error.account != Kind.BOND:
        return ErrorCode.UNFUNDED.meaning
    return (
        "Escrow and the seller's bond do not cover this, and nothing is lent to what is agreed:"
        " agree on less, or let a neutral decide."
    )


def _too_much(error: errors.TooMuch) -> str:
    return f"There may be {error.maximum} at most: {error.limit.replace('_', ' ')}."


def _when(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d at %H:%M} UTC"


_RULES: Final[Mapping[str, str]] = {
    "missing": "This is needed.",
    "malformed": "This is malformed.",
    "too_long": "This is too long.",
    "too_many": "There are too many.",
    "empty": "There has to be one at least.",
    "negative": "An amount is not negative.",
    "zero": "An amount is more than zero.",
    "fractional": "An amount is a whole number of the smallest unit.",
    "too_large": "This is too large.",
    "too_small": "This is too small.",
    "unknown_currency": "There is no such currency.",
    "other_currency": "The order is in another currency.",
    "above_order": "This is more than what is left of the order.",
    "above_line": "This is more than the line of the order.",
    "above_cap": "This is more than the rulebook allows.",
    "above_quantity": "There are fewer pieces on the line.",
    "not_full": "A full refund is the whole amount.",
    "remedy_not_allowed": "This cannot be asked for here.",
    "not_carried_out": "This cannot be carried out yet.",
    "not_applicable": "This does not belong here.",
    "unknown_line": "The order has no such line.",
    "duplicate": "This is there twice.",
    "contradictory": "This contradicts something else.",
    "out_of_bounds": "This is outside of its bounds.",
    "exhibit_left_out": "Every exhibit is cited, or named as not relied on.",
    "unknown_exhibit": "There is no such exhibit in the record.",
    "own_exhibit": "One answers the other side's exhibits.",
    "answered_already": "It was answered already.",
    "released_already": "It was released already.",
    "in_mediation_only": "This was given in mediation and is not on the record.",
    "neutrals_only": "A mediator or an arbitrator asks for this.",
    "not_a_party": "This is asked of one of the two sides.",
    "not_for_kind": "A document of this kind has no such field.",
    "currency_missing": "An amount has a currency.",
    "amount_missing": "A currency has an amount.",
    "dismissed_without_terms": "A claim that is dismissed has no terms.",
    "is_neutral": "A neutral of the roster acts for no organisation.",
    "not_for_this_party": "The other party files for this reason.",
    "unknown": "There is no such thing.",
    "disagrees": "This disagrees with the rest.",
    **{code.value: sentence for code, sentence in flags.SENTENCES.items()},
}


def _gone(error: errors.Gone) -> str:
    return f"It was erased on {error.at:%Y-%m-%d}: {SOURCES.get(error.ground, error.ground)}."


def _invalid(error: errors.Invalid) -> str:
    return _RULES.get(error.code, f"This is not accepted: {error.code.replace('_', ' ')}.")


ERRORS: Final[Mapping[type[Refused], _Mapped]] = {
    errors.NotFound: _Mapped(ErrorCode.NOT_FOUND, lambda _: ErrorCode.NOT_FOUND.meaning),
    errors.NotAllowed: _Mapped(ErrorCode.NOT_ALLOWED, _not_allowed),
    errors.Unmet: _Mapped(ErrorCode.UNMET, _unmet),
    errors.Late: _Mapped(ErrorCode.LATE, _late),
    errors.Early: _Mapped(ErrorCode.EARLY, _early),
    errors.Stale: _Mapped(ErrorCode.STALE, _stale),
    errors.Conflict: _Mapped(ErrorCode.CONFLICT, _conflict),
    errors.Invalid: _Mapped(ErrorCode.INVALID, _invalid),
    errors.Gone: _Mapped(ErrorCode.GONE, _gone),
    errors.TooMuch: _Mapped(ErrorCode.TOO_MUCH, _too_much),
    errors.Unfunded: _Mapped(ErrorCode.UNFUNDED, _unfunded),
    errors.Unavailable: _Mapped(ErrorCode.UNAVAILABLE, lambda _: ErrorCode.UNAVAILABLE.meaning),
}
"""How each refusal is told. A subclass that is not here is told as its nearest parent."""


def refused(error: Refused) -> UserError:
    """Tell a refusal; ``TypeError`` for one that ``ERRORS`` does not know."""
    found = next((ERRORS[kind] for kind in type(error).__mro__ if kind in ERRORS), None)
    if found is None:
        raise TypeError(f"{type(error).__name__} has no code")
    invalid = error if isinstance(error, errors.Invalid) else None
    facts = dict(invalid.bounds) if invalid else dict(error.facts)
    return UserError(
        code=found.code,
        rule=invalid.code if invalid else None,
        path=[_name(step) for step in invalid.path] if invalid else [],
        message=found.sentence(error),
        retryable=error.retryable,
        facts=[ErrorFact(name=_name(name), values=list(_values(v))) for name, v in facts.items()],
    )


def _name(step: str | int) -> str:
    """The name of a field as the API spells it."""
    return re.sub("_([a-z0-9])", lambda found: found[1].upper(), str(step))


def _values(value: Any) -> Iterable[str]:
    if isinstance(value, str | UUID) or not isinstance(value, Iterable):
        return () if value is None else (_spelled(value),)
    return (_spelled(each) for each in value)


def _spelled(value: object) -> str:
    """A fact as the API spells it: words of the procedure in capitals, instants in UTC."""
    if isinstance(value, Act | State | Word):
        return value.name
    if isinstance(value, datetime):
        return write_instant(value)
    if isinstance(value, timedelta):
        return str(int(value.total_seconds()))
    if isinstance(value, bool):
        return str(value).lower()
    return value.value if isinstance(value, StrEnum) else str(value)

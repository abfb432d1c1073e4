"""The rulebook: the numbers and switches of the procedure, as data with a version and a hash.

A rulebook is a TOML file, read strictly: every window, reason and cap must be there, an unknown
key is refused, and the refusal names the key. It never changes once a case is pinned to it; the
record cites its version and its hash, SHA-256 over ``concord/rulebook/1``, a zero byte and the
rulebook as RFC 8785 canonical JSON. Later rules are a later file. The module knows no case and
no clock; what the rules lead to is the procedure's.
"""

import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final, Literal

import orjson
import rfc8785
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationError,
)

from odr import calendar
from odr.calendar import Length
from odr.errors import Early, Late
from odr.words import ExhibitKind, Party, Peril, Reason, Remedy, Side, Word

FOLDER: Final = Path(__file__).parent / "rulebooks"
_DOMAIN: Final = b"concord/rulebook/1\x00"


class Window(StrEnum):
    """What is awaited, each for as long as the rulebook says."""

    FILING = "filing"
    ACKNOWLEDGE = "acknowledge"
    ANSWER = "answer"
    SET_ASIDE = "set_aside"
    OFFER = "offer"
    BLIND_BID = "blind_bid"
    NEGOTIATION = "negotiation"
    APPOINTMENT = "appointment"
    DISCLOSURE = "disclosure"
    OBJECTION = "objection"
    EVIDENCE = "evidence"
    EVIDENCE_ANSWER = "evidence_answer"
    MEDIATION = "mediation"
    RECORD = "record"
    INFORMATION = "information"
    RULING = "ruling"
    CORRECTION = "correction"
    APPEAL = "appeal"
    APPEAL_RULING = "appeal_ruling"
    RETURN_ADDRESS = "return_address"
    RETURN_SHIPMENT = "return_shipment"
    TRANSIT = "transit"
    INSPECTION = "inspection"
    RETURN_RULING = "return_ruling"
    REPLACEMENT_SHIPMENT = "replacement_shipment"
    REPAIR_TO = "repair_to"
    REPAIR = "repair"
    REPAIR_BACK = "repair_back"
    COUPON = "coupon"
    REPLACEMENT_CONFIRMATION = "replacement_confirmation"
    INSURER_OBJECTION = "insurer_objection"
    INSURER_DECISION = "insurer_decision"
    PAYOUT = "payout"
    PERFORMANCE = "performance"
    COMPLETION = "completion"
    STAY = "stay"
    REVIEW = "review"


class Need(Word):
    """How much an item of evidence is needed."""

    REQUIRED = "required", "This is needed."
    ONE_OF = "one_of", "One of these is needed."
    HELPFUL = "helpful", "This helps."


class Unreadable(ValueError):  # noqa: N818  # named as one would say it, like the refusals
    """A rulebook that does not hold; the message names the file and every key that is wrong."""


def _length(value: object) -> Length:
    if not isinstance(value, str):
        raise ValueError('write a length as "5 days" or "2 working days"')  # noqa: TRY004  # pydantic reports ValueErrors
    return calendar.parse(value)


def _natural(length: Length) -> Length:
    if length.working:
        raise ValueError("filing windows are in natural days")
    return length


def _utc(instant: datetime) -> datetime:
    return instant.astimezone(UTC)


def _once(items: tuple[object, ...]) -> tuple[object, ...]:
    if len(set(items)) != len(items):
        raise ValueError("something is listed twice")
    return items


_Length = Annotated[Length, PlainValidator(_length), PlainSerializer(str)]
_Natural = Annotated[_Length, AfterValidator(_natural)]
_Count = Annotated[int, Field(ge=0, le=1_000_000)]
_Percent = Annotated[int, Field(ge=0, le=1_000)]
_Kinds = Annotated[tuple[ExhibitKind, ...], AfterValidator(_once)]
_Choice = Annotated[_Kinds, Field(min_length=2)]
_Remedies = Annotated[tuple[Remedy, ...], AfterValidator(_once)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchase:
    """When things happened to an order, and what was promised; instants aware of a zone.

    ``return_days`` is the return window shown at purchase (none: nothing was shown; 0: returns
    were excluded), ``warranty_until`` the end of a warranty that was promised.
    """

    paid_at: datetime
    promised_at: datetime | None = None
    dispatched_at: datetime | None = None
    delivered_at: datetime | None = None
    return_days: int | None = None
    warranty_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Filing:
    """From when (UTC, included) until when (UTC, excluded) a claim can be filed."""

    opens: datetime
    closes: datetime


class AfterPayment(_Strict):
    """For so long from payment."""

    rule: Literal["after_payment"]
    length: _Natural

    def window(self, purchase: Purchase) -> Filing:
        """Apply the rule."""
        paid = purchase.paid_at.astimezone(UTC)
        return Filing(paid, paid + _span(self.length))


class AfterPromise(_Strict):
    """From some grace after the promised date, or long after dispatch; then for so long.

    Where nothing was promised, ``unpromised`` runs from dispatch, or from payment where nothing
    was dispatched either. The window lasts ``length`` from payment or from its own opening,
    whichever is later, so that something promised for next year can be claimed then.
    """

    rule: Literal["after_promise"]
    grace_days: _Count
    unpromised: _Natural
    length: _Natural

    def window(self, purchase: Purchase) -> Filing:
        """Apply the rule."""
        paid = purchase.paid_at.astimezone(UTC)
        if purchase.promised_at is None:
            opens = (purchase.dispatched_at or paid).astimezone(UTC) + _span(self.unpromised)
        else:
            opens = purchase.promised_at.astimezone(UTC) + timedelta(days=self.grace_days)
        return Filing(opens, max(paid, opens) + _span(self.length))


class Warranty(_Strict):
    """As long as the warranty, and at least so long from delivery (or from payment, before it)."""

    rule: Literal["warranty"]
    at_least: _Natural

    def window(self, purchase: Purchase) -> Filing:
        """Apply the rule."""
        paid = purchase.paid_at.astimezone(UTC)
        begun = (purchase.delivered_at or paid).astimezone(UTC)
        closes = begun + _span(self.at_least)
        if purchase.warranty_until is not None:
            closes = max(closes, purchase.warranty_until.astimezone(UTC))
        return Filing(paid, closes)


class ReturnPolicy(_Strict):
    """The return window of the policy shown at purchase, from delivery.

    ``unstated`` where no policy was shown. Until delivery the window does not run: then
    ``undelivered`` from payment.
    """

    rule: Literal["return_policy"]
    unstated: _Natural
    undelivered: _Natural

    def window(self, purchase: Purchase) -> Filing:
        """Apply the rule."""
        paid = purchase.paid_at.astimezone(UTC)
        if purchase.return_days == 0:
            return Filing(paid, paid)
        if purchase.delivered_at is None:
            return Filing(paid, paid + _span(self.undelivered))
        stated = Length(purchase.return_days) if purchase.return_days else self.unstated
        return Filing(paid, purchase.delivered_at.astimezone(UTC) + _span(stated))


class Evidence(_Strict):
    """What one side is asked for: all of ``required``, one of each ``one_of``, and what helps."""

    required: _Kinds = ()
    one_of: tuple[_Choice, ...] = ()
    helpful: _Kinds = ()


class Rules(_Strict):
    """What the rulebook says about one reason.

    ``remedies`` are what a claim may ask for. ``minimum`` is the evidence without which a silent
    seller loses nothing: one of each group must be there. ``return_freight`` is who pays for a
    return where the terms do not say, ``perils`` what the loss may be to an insurer.
    """

    filing: Annotated[
        AfterPayment | AfterPromise | Warranty | ReturnPolicy, Field(discriminator="rule")
    ]
    remedies: Annotated[_Remedies, Field(min_length=1)]
    minimum: tuple[Annotated[_Kinds, Field(min_length=1)], ...]
    return_freight: Party
    perils: Annotated[tuple[Peril, ...], AfterValidator(_once)]
    claimant: Evidence
    respondent: Evidence


class Caps(_Strict):
    """How often something may be done in a case; by each side, unless it says otherwise."""

    modifications: _Count
    counterclaims: _Count
    objections: _Count
    extensions: _Count
    extension_days: _Count
    set_asides: _Count
    appeals: _Count
    reviews: _Count
    reminders_per_clock: _Count
    blind_rounds_per_case: _Count
    information_requests_per_case: _Count
    arbitrator_replacements_per_case: _Count


_Years = Annotated[int, Field(ge=1, le=30)]


class Retention(_Strict):
    """For how many years after its closing a case's files are kept, by how it ended."""

    insured: _Years
    paid: _Years
    unpaid: _Years


class Limits(_Strict):
    """How much of something there may be."""

    exhibits_per_side: _Count
    open_offers_per_side: _Count
    terms_items: _Count
    note_characters: _Count
    message_characters: _Count
    statement_characters: _Count
    ruling_characters: _Count
    findings: _Count


class Consequences(_Strict):
    """The numbers of what follows; percentages are of the order's value with its freight."""

    default_percent: _Percent
    no_ruling_percent: _Percent
    compensation_percent: _Percent
    coupon_percent: _Percent
    blind_bids: Literal["midpoint"]


def _complete(keys: Iterable[StrEnum], given: Collection[StrEnum]) -> None:
    missing = [key.value for key in keys if key not in given]
    if missing:
        raise ValueError(f"missing: {', '.join(missing)}")


def _all_windows(windows: Mapping[Window, Length]) -> Mapping[Window, Length]:
    _complete(Window, windows)
    return MappingProxyType(dict(windows))


def _all_reasons(reasons: Mapping[Reason, Rules]) -> Mapping[Reason, Rules]:
    _complete(Reason, reasons)
    return MappingProxyType(dict(reasons))


_Windows = Annotated[
    Mapping[Window, _Length],
    AfterValidator(_all_windows),
    PlainSerializer(dict, return_type=dict[Window, _Length]),
]
_Reasons = Annotated[
    Mapping[Reason, Rules],
    AfterValidator(_all_reasons),
    PlainSerializer(dict, return_type=dict[Reason, Rules]),
]


@dataclass(frozen=True, slots=True)
class Asked:
    """A line of a checklist: one kind of evidence, or several of which one will do."""

    need: Need
    kinds: tuple[ExhibitKind, ...]
    satisfied: bool


class Rulebook(_Strict):
    """One version of the rules; equal only if every rule is."""

    version: Annotated[str, Field(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])(\.[1-9][0-9]?)?$")]
    in_force_from: Annotated[AwareDatetime, AfterValidator(_utc)]
    windows: _Windows
    caps: Caps
    retention: Retention
    limits: Limits
    consequences: Consequences
    settlement_remedies: _Remedies
    reasons: _Reasons

    @cached_property
    def canonical(self) -> bytes:
        """The rulebook as RFC 8785 canonical JSON."""
        return rfc8785.dumps(self.model_dump(mode="json"))

    @cached_property
    def digest(self) -> str:
        """The hash that the record cites, in hex."""
        return sha256(_DOMAIN + self.canonical).hexdigest()

    def filing(self, reason: Reason, purchase: Purchase) -> Filing:
        """Say from when until when a claim for ``reason`` can be filed."""
        return self.reasons[reason].filing.window(purchase)

    def check_filing(self, reason: Reason, purchase: Purchase, at: datetime) -> None:
        """Refuse a claim filed ``at`` too soon (``Early``) or too late (``Late``)."""
        window = self.filing(reason, purchase)
        if at >= window.closes:
            raise Late(act="file", due=window.closes)
        if at < window.opens:
            raise Early(act="file", opens=window.opens)

    def remedies(self, reason: Reason, *, claim: bool) -> tuple[Remedy, ...]:
        """List what a claim for ``reason`` may ask for, or what may settle or decide one."""
        asked = self.reasons[reason].remedies
        if claim:
            return asked
        return asked + tuple(r for r in self.settlement_remedies if r not in asked)

    def checklist(
        self, reason: Reason, side: Side, given: Collection[ExhibitKind]
    ) -> tuple[Asked, ...]:
        """List what ``side`` is asked for and what of it is ``given``; nothing for a neutral."""
        if side is Side.NEUTRAL:
            return ()
        rules = self.reasons[reason]
        asked = rules.claimant if side is Side.CLAIMANT else rules.respondent
        lines = [
            *((Need.REQUIRED, (kind,)) for kind in asked.required),
            *((Need.ONE_OF, kinds) for kinds in asked.one_of),
            *((Need.HELPFUL, (kind,)) for kind in asked.helpful),
        ]
        return tuple(
            Asked(need, kinds, satisfied=any(kind in given for kind in kinds))
            for need, kinds in lines
        )

    def has_minimum(self, reason: Reason, given: Collection[ExhibitKind]) -> bool:
        """Say whether the claimant's evidence is enough for a default."""
        return all(any(kind in given for kind in kinds) for kinds in self.reasons[reason].minimum)


class Rulebooks:
    """The rulebooks that are installed; a version exists once, and so does a beginning."""

    def __init__(self, books: Iterable[Rulebook]) -> None:
        self._books = tuple(sorted(books, key=lambda book: book.in_force_from))
        self._by_version = {book.version: book for book in self._books}
        if len(self._by_version) != len(self._books):
            raise Unreadable("two rulebooks have the same version")
        if len({book.in_force_from for book in self._books}) != len(self._books):
            raise Unreadable("two rulebooks begin at the same instant")

    def __iter__(self) -> Iterator[Rulebook]:
        """From the oldest to the newest."""
        return iter(self._books)

    def version(self, version: str) -> Rulebook:
        """Give the one to which a case is pinned; ``LookupError`` if it is not installed."""
        try:
            return self._by_version[version]
        except KeyError:
            raise LookupError(f"rulebook {version} is not installed") from None

    def in_force(self, at: datetime) -> Rulebook:
        """Give the newest that is in force ``at``; ``LookupError`` before the first."""
        for book in reversed(self._books):
            if book.in_force_from <= at:
                return book
        raise LookupError(f"no rulebook is in force at {at.isoformat()}")


def parse(text: str, name: str = "rulebook") -> Rulebook:
    """Read a rulebook from TOML; ``Unreadable`` names every key that is wrong."""
    try:
        # By way of JSON, where a strict reader takes a list for a tuple and text for a date.
        return Rulebook.model_validate_json(orjson.dumps(tomllib.loads(text)))
    except ValidationError as refused:
        wrong = [f"{_key(error['loc'])}: {error['msg']}" for error in refused.errors()]
        raise Unreadable(f"{name}: " + "; ".join(wrong)) from None
    except (tomllib.TOMLDecodeError, TypeError) as refused:
        raise Unreadable(f"{name}: {refused}") from None


def load(path: Path) -> Rulebook:
    """Read the rulebook at ``path``; ``Unreadable`` or ``OSError``."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as refused:
        raise Unreadable(f"{path.name}: {refused}") from None
    return parse(text, path.name)


def load_all(folder: Path = FOLDER) -> Rulebooks:
    """Read every rulebook in ``folder``: those that come with the service, by default."""
    return Rulebooks(load(path) for path in sorted(folder.glob("*.toml")))


def _key(location: tuple[int | str, ...]) -> str:
    return ".".join(map(str, location)) or "rulebook"


def _span(length: Length) -> timedelta:
    return timedelta(days=length.days)

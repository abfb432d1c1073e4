"""Tables: a case, its seats, claim, record, clocks; and what waits to be done for it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from odr.models import columns
from odr.models.states import Channel, ClockState, NeutralKind, OutboxState
from odr.procedure.acts import Act, Role, State
from odr.procedure.clocks import Clock
from odr.words import Outcome, Party, Reason, Side


class Case(SQLModel, table=True):
    """A dispute about an order. Only ``odr.cases`` writes ``state``.

    ``version`` counts the acts outside caucus. ``record_root`` is the Merkle root of the record's
    first ``record_size`` entries, frozen when the record is closed. ``terms`` are what was settled
    or ruled in the end.
    """

    __tablename__ = "cases"
    __table_args__ = (
        CheckConstraint("(state = 'closed') = (closed_at IS NOT NULL)", name="closed"),
        CheckConstraint("state <> 'closed' OR outcome IS NOT NULL", name="closed_with_outcome"),
        CheckConstraint("(record_root IS NULL) = (record_size IS NULL)", name="frozen"),
        Index("cases_by_order", "order_id"),
        Index("cases_by_marketplace", "marketplace_id", "filed_at"),
        Index(
            "one_open_case_for_an_order_and_party",
            "order_id",
            "claimant_party",
            unique=True,
            postgresql_where=text("state <> 'closed'"),
        ),
    )

    id: UUID = Field(sa_column=columns.key())
    number: str = Field(unique=True, max_length=24)
    order_id: UUID = Field(foreign_key="orders.id")
    marketplace_id: UUID = Field(foreign_key="organisations.id")
    claimant_party: Party = Field(sa_column=columns.word(Party, "claimant_party"))
    state: State = Field(sa_column=columns.word(State, "case_state"))
    outcome: Outcome | None = Field(
        default=None, sa_column=columns.word(Outcome, "case_outcome", null=True)
    )
    version: int = Field(default=0)
    rulebook: str = Field(max_length=40)
    rulebook_digest: bytes = Field(sa_column=columns.digest())
    language: str = Field(max_length=8)
    country: str = Field(max_length=2)
    zone: str = Field(max_length=64)
    currency: str = Field(max_length=3)
    reason: Reason = Field(sa_column=columns.word(Reason, "case_reason"))
    claimed_minor: int = Field(sa_column=columns.minor())
    terms: dict[str, Any] | None = Field(default=None, sa_column=columns.value(null=True))
    granted_minor: int | None = Field(default=None, sa_column=columns.minor(null=True))
    filed_at: datetime = Field(sa_column=columns.instant())
    entered_at: datetime = Field(sa_column=columns.instant())
    acted_at: datetime = Field(sa_column=columns.instant())
    closed_at: datetime | None = Field(default=None, sa_column=columns.instant(null=True))
    stayed_at: datetime | None = Field(default=None, sa_column=columns.instant(null=True))
    record_stream: UUID
    mediation_stream: UUID | None = None
    claimant_stream: UUID | None = None
    respondent_stream: UUID | None = None
    record_root: bytes | None = Field(default=None, sa_column=columns.digest(null=True))
    record_size: int | None = None


class Seat(SQLModel, table=True):
    """Somebody's place in a case: an account's, or every member's of an organisation."""

    __tablename__ = "seats"
    __table_args__ = (
        CheckConstraint("num_nonnulls(account_id, organisation_id) = 1", name="holder"),
        Index("seats_by_case", "case_id"),
        Index("seats_by_account", "account_id", "case_id"),
        Index("seats_by_organisation", "organisation_id", "case_id"),
        Index(
            "one_seat_of_a_role",
            "case_id",
            "role",
            unique=True,
            postgresql_where=text("until IS NULL AND role IN ('claimant','respondent')"),
        ),
    )

    id: UUID = Field(sa_column=columns.key())
    case_id: UUID = Field(foreign_key="cases.id")
    role: Role = Field(sa_column=columns.word(Role, "seat_role"))
    account_id: UUID | None = Field(default=None, foreign_key="accounts.id")
    organisation_id: UUID | None = Field(default=None, foreign_key="organisations.id")
    since: datetime = Field(sa_column=columns.instant())
    until: datetime | None = Field(default=None, sa_column=columns.instant(null=True))
    acknowledged_at: datetime | None = Field(default=None, sa_column=columns.instant(null=True))
    consented: bool | None = None
    rested_at: datetime | None = Field(default=None, sa_column=columns.instant(null=True))
    appeal_waived_at: datetime | None = Field(default=None, sa_column=columns.instant(null=True))


class Appointment(SQLModel, table=True):
    """A neutral is appointed to a case; replaced ones stay in the table."""

    __tablename__ = "appointments"
    __table_args__ = (
        Index("appointments_by_case", "case_id"),
        Index("appointments_by_neutral", "neutral_id"),
    )

    id: UUID = Field(sa_column=columns.key())
    case_id: UUID = Field(foreign_key="cases.id")
    seat_id: UUID = Field(foreign_key="seats.id")
    kind: NeutralKind = Field(sa_column=columns.word(NeutralKind, "appointment_kind"))
    neutral_id: UUID = Field(foreign_key="neutrals.account_id")
    appointed_at: datetime = Field(sa_column=columns.instant())
    disclosed_at: datetime | None = Field(default=None, sa_column=columns.instant(null=True))
    disclosure: str | None = Field(default=None, sa_column=columns.text(null=True))
    ended_at: datetime | None = Field(default=None, sa_column=columns.instant(null=True))
    end_reason: str | None = Field(default=None, max_length=40)


class Claim(SQLModel, table=True):
    """What the claimant says happened and wants; modified claims are later versions."""

    __tablename__ = "claims"
    __table_args__ = (UniqueConstraint("case_id", "version"),)

    id: UUID = Field(sa_column=columns.key())
    case_id: UUID = Field(foreign_key="cases.id")
    version: int
    reason: Reason = Field(sa_column=columns.word(Reason, "claim_reason"))
    statement: str = Field(sa_column=columns.text(longest=20000, name="statement"))
    terms: dict[str, Any] = Field(sa_column=columns.value())
    amount_minor: int = Field(sa_column=columns.minor())
    at: datetime = Field(sa_column=columns.instant())


class Answer(SQLModel, table=True):
    """The respondent's position when it contests the claim."""

    __tablename__ = "answers"

    id: UUID = Field(sa_column=columns.key())
    case_id: UUID = Field(foreign_key="cases.id", unique=True)
    statement: str = Field(sa_column=columns.text(longest=20000, name="statement"))
    at: datetime = Field(sa_column=columns.instant())


class Record(SQLModel, table=True):
    """The index of a case's record: one row an act, beside its entry in the vault.

    ``sequence`` is the entry's place in the stream of its channel.
    """

    __tablename__ = "acts"
    __table_args__ = (
        UniqueConstraint("stream_id", "sequence"),
        Index("acts_by_case", "case_id", "at", "id"),
    )

    id: UUID = Field(sa_column=columns.key())
    case_id: UUID = Field(foreign_key="cases.id")
    act: Act = Field(sa_column=columns.word(Act, "act"))
    role: Role = Field(sa_column=columns.word(Role, "act_role"))
    side: Side | None = Field(default=None, sa_column=columns.word(Side, "act_side", null=True))
    account_id: UUID | None = Field(default=None, foreign_key="accounts.id")
    at: datetime = Field(sa_column=columns.instant())
    before: State | None = Field(
        default=None, sa_column=columns.word(State, "act_before", null=True)
    )
    after: State = Field(sa_column=columns.word(State, "act_after"))
    channel: Channel = Field(sa_column=columns.word(Channel, "act_channel"))
    stream_id: UUID
    sequence: int
    leaf: bytes = Field(sa_column=columns.digest())
    facts: dict[str, Any] = Field(sa_column=columns.value())


class RunningClock(SQLModel, table=True):
    """A clock of a case; ``subject_id`` is the thing that a slot clock belongs to."""

    __tablename__ = "clocks"
    __table_args__ = (
        Index("clocks_by_case", "case_id"),
        Index("clocks_due", "due", postgresql_where=text("state = 'running'")),
        Index(
            "one_running_clock_for_a_subject",
            "case_id",
            "clock",
            "subject_id",
            unique=True,
            postgresql_where=text("state IN ('running','stayed')"),
        ),
        CheckConstraint("starts <= due", name="forward"),
    )

    id: UUID = Field(sa_column=columns.key())
    case_id: UUID = Field(foreign_key="cases.id")
    clock: Clock = Field(sa_column=columns.word(Clock, "clock"))
    subject_id: UUID
    side: Side | None = Field(default=None, sa_column=columns.word(Side, "clock_side", null=True))
    state: ClockState = Field(sa_column=columns.word(ClockState, "clock_state"))
    starts: datetime = Field(sa_column=columns.instant())
    due: datetime = Field(sa_column=columns.instant())
    ended_at: datetime | None = Field(default=None, sa_column=columns.instant(null=True))
    amount_minor: int | None = Field(default=None, sa_column=columns.minor(null=True))


class Notice(SQLModel, table=True):
    """Something that an account is told; ``kind`` is the act that it tells of."""

    __tablename__ = "notices"
    __table_args__ = (Index("notices_by_account", "account_id", "created"),)

    id: UUID = Field(sa_column=columns.key())
    case_id: UUID | None = Field(default=None, foreign_key="cases.id", index=True)
    account_id: UUID = Field(foreign_key="accounts.id")
    kind: str = Field(max_length=60)
    facts: dict[str, Any] = Field(sa_column=columns.value())
    created: datetime = Field(sa_column=columns.instant())
    sent: datetime | None = Field(default=None, sa_column=columns.instant(null=True))
    read: datetime | None = Field(default=None, sa_column=columns.instant(null=True))
    proof: str | None = Field(default=None, max_length=500)


class Outbox(SQLModel, table=True):
    """Something to be done after the transaction, claimed by state and lease.

    ``kind`` names the worker's function, ``subject_id`` its argument.
    """

    __tablename__ = "outbox"
    __table_args__ = (
        Index("outbox_due", "due", postgresql_where=text("state = 'due'")),
        Index("outbox_by_subject", "subject_id"),
    )

    id: UUID = Field(sa_column=columns.key())
    kind: str = Field(max_length=40)
    subject_id: UUID
    state: OutboxState = Field(sa_column=columns.word(OutboxState, "outbox_state"))
    due: datetime = Field(sa_column=columns.instant())
    tries: int = Field(default=0)
    leased_until: datetime | None = Field(default=None, sa_column=columns.instant(null=True))
    error: str | None = Field(default=None, max_length=500)
    done: datetime | None = Field(default=None, sa_column=columns.instant(null=True))


class Reading(SQLModel, table=True):
    """Somebody read an exhibit or a message; the parties can see who read what."""

    __tablename__ = "readings"
    __table_args__ = (Index("readings_by_case", "case_id", "at"),)

    id: UUID = Field(sa_column=columns.key())
    case_id: UUID = Field(foreign_key="cases.id")
    account_id: UUID = Field(foreign_key="accounts.id")
    kind: str = Field(max_length=40)
    subject_id: UUID
    at: datetime = Field(sa_column=columns.instant())

"""Tables: what is owed, how it is paid, and who insures it. The money itself is in the ledger."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from odr.models import columns
from odr.models.states import InsuranceState, ObligationState, PayoutState
from odr.words import Party, Peril, Remedy


class Obligation(SQLModel, table=True):
    """One step that carries out a settlement or ruling."""

    __tablename__ = "obligations"
    __table_args__ = (UniqueConstraint("case_id", "number"),)

    id: UUID = Field(sa_column=columns.key())
    case_id: UUID = Field(foreign_key="cases.id")
    number: int
    remedy: Remedy = Field(sa_column=columns.word(Remedy, "obligation_remedy"))
    debtor: Party = Field(sa_column=columns.word(Party, "obligation_debtor"))
    amount_minor: int = Field(sa_column=columns.minor())
    currency: str = Field(max_length=3)
    state: ObligationState = Field(sa_column=columns.word(ObligationState, "obligation_state"))
    created: datetime = Field(sa_column=columns.instant())
    ended_at: datetime | None = Field(default=None, sa_column=columns.instant(null=True))


class Payout(SQLModel, table=True):
    """Money on its way out. Key and reference derive from the id, never from the try.

    ``again_of`` is the rejected or returned payout in whose place this one is, ``planned_by`` who
    asked for that. ``reason`` is what the rail said when it did not pay; ``asked_at`` is when it
    was last asked about this payout.
    """

    __tablename__ = "payouts"
    __table_args__ = (
        CheckConstraint("amount_minor > 0", name="amount"),
        Index("payouts_by_case", "case_id"),
        Index("payouts_by_insurance_claim", "insurance_claim_id"),
        Index("payouts_by_payee", "payee", "created"),
        Index(
            "payouts_under_way",
            "rail",
            "asked_at",
            postgresql_where=text("state <> 'returned'"),
        ),
        UniqueConstraint("reference"),
        UniqueConstraint("again_of"),
    )

    id: UUID = Field(sa_column=columns.key())
    case_id: UUID = Field(foreign_key="cases.id")
    obligation_id: UUID | None = Field(default=None, foreign_key="obligations.id", index=True)
    insurance_claim_id: UUID | None = Field(default=None, foreign_key="insurance_claims.id")
    payee: str = Field(max_length=100)
    purpose: str = Field(max_length=40)
    amount_minor: int = Field(sa_column=columns.minor())
    currency: str = Field(max_length=3)
    rail: str = Field(max_length=20)
    reference: str = Field(max_length=35)
    rail_id: str | None = Field(default=None, max_length=100)
    state: PayoutState = Field(sa_column=columns.word(PayoutState, "payout_state"))
    tries: int = Field(default=0)
    again_of: UUID | None = Field(default=None, foreign_key="payouts.id")
    planned_by: UUID | None = Field(default=None, foreign_key="accounts.id")
    approved_by: UUID | None = Field(default=None, foreign_key="accounts.id")
    created: datetime = Field(sa_column=columns.instant())
    expected_at: datetime = Field(sa_column=columns.instant())
    paid_at: datetime | None = Field(default=None, sa_column=columns.instant(null=True))
    asked_at: datetime | None = Field(default=None, sa_column=columns.instant(null=True))
    reason: str | None = Field(default=None, max_length=200)


class RailEvent(SQLModel, table=True):
    """A rail told us something; its id makes the telling count once.

    Without ``payout_id`` it is about a ``reference`` that we do not know (yet).
    """

    __tablename__ = "rail_events"

    rail: str = Field(primary_key=True, max_length=20)
    event_id: str = Field(primary_key=True, max_length=100)
    payout_id: UUID | None = Field(default=None, foreign_key="payouts.id", index=True)
    reference: str = Field(max_length=100)
    kind: str = Field(max_length=40)
    at: datetime = Field(sa_column=columns.instant())


class InsuranceClaim(SQLModel, table=True):
    """An insured's claim on a cover; the amounts of its stages stand side by side."""

    __tablename__ = "insurance_claims"
    __table_args__ = (
        UniqueConstraint("cover_id", "case_id", "peril"),
        Index("insurance_claims_by_case", "case_id"),
        Index(
            "settled_insurance_claims",
            "insurer_id",
            "settled_at",
            "id",
            postgresql_where=text("settled_at IS NOT NULL"),
        ),
        CheckConstraint("claimed_minor > 0", name="claimed"),
        CheckConstraint("approved_minor <= claimed_minor", name="approved_within_claimed"),
        CheckConstraint("paid_minor <= approved_minor", name="paid_within_approved"),
        CheckConstraint(
            "state <> 'denied' OR denial_reason IS NOT NULL", name="denied_with_reason"
        ),
    )

    id: UUID = Field(sa_column=columns.key())
    number: str = Field(unique=True, max_length=24)
    cover_id: UUID = Field(foreign_key="covers.id")
    insurer_id: UUID = Field(foreign_key="organisations.id")
    insured_id: UUID = Field(foreign_key="organisations.id")
    case_id: UUID = Field(foreign_key="cases.id")
    order_id: UUID = Field(foreign_key="orders.id")
    peril: Peril = Field(sa_column=columns.word(Peril, "insurance_peril"))
    state: InsuranceState = Field(sa_column=columns.word(InsuranceState, "insurance_state"))
    version: int = Field(default=0)
    currency: str = Field(max_length=3)
    claimed_minor: int = Field(sa_column=columns.minor())
    reserved_minor: int = Field(default=0, sa_column=columns.minor())
    approved_minor: int = Field(default=0, sa_column=columns.minor())
    paid_minor: int = Field(default=0, sa_column=columns.minor())
    recovered_minor: int = Field(default=0, sa_column=columns.minor())
    decided_by: UUID | None = Field(default=None, foreign_key="accounts.id")
    denial_reason: str | None = Field(default=None, max_length=60)
    grounds: str | None = Field(default=None, sa_column=columns.text(null=True))
    notified_at: datetime = Field(sa_column=columns.instant())
    decided_at: datetime | None = Field(default=None, sa_column=columns.instant(null=True))
    settled_at: datetime | None = Field(default=None, sa_column=columns.instant(null=True))

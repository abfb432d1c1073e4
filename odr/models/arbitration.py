"""Tables: what an arbitrator asks before the ruling; how a ruling is corrected, appealed."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index
from sqlmodel import Field, SQLModel

from odr.models import columns
from odr.models.states import AppealDecision, AppealGround
from odr.words import Side


class InformationRequest(SQLModel, table=True):
    """An arbitrator's question to one side, and its answer.

    It is open while its clock runs: until it is answered, expires, or the case moves on.
    """

    __tablename__ = "information_requests"
    __table_args__ = (
        Index("information_requests_by_case", "case_id"),
        CheckConstraint("side IN ('claimant','respondent')", name="asked"),
        CheckConstraint(
            "num_nonnulls(answer, answered_by, answered_at) IN (0, 3)", name="answered_whole"
        ),
        CheckConstraint("num_nonnulls(answered_at, expired_at) < 2", name="ended_once"),
    )

    id: UUID = Field(sa_column=columns.key())
    case_id: UUID = Field(foreign_key="cases.id")
    side: Side = Field(sa_column=columns.word(Side, "information_side"))
    account_id: UUID = Field(foreign_key="accounts.id")
    question: str = Field(sa_column=columns.text(longest=8000, name="question"))
    at: datetime = Field(sa_column=columns.instant())
    due: datetime = Field(sa_column=columns.instant())
    answer: str | None = Field(
        default=None, sa_column=columns.text(null=True, longest=8000, name="answer")
    )
    answered_by: UUID | None = Field(default=None, foreign_key="accounts.id")
    answered_at: datetime | None = Field(default=None, sa_column=columns.instant(null=True))
    expired_at: datetime | None = Field(default=None, sa_column=columns.instant(null=True))


class CorrectionRequest(SQLModel, table=True):
    """A side asks for a slip in a ruling to be corrected; the next correction answers it."""

    __tablename__ = "correction_requests"
    __table_args__ = (Index("correction_requests_by_case", "case_id"),)

    id: UUID = Field(sa_column=columns.key())
    case_id: UUID = Field(foreign_key="cases.id")
    ruling_id: UUID = Field(foreign_key="rulings.id")
    side: Side = Field(sa_column=columns.word(Side, "correction_side"))
    account_id: UUID = Field(foreign_key="accounts.id")
    body: str = Field(sa_column=columns.text(longest=8000, name="body"))
    at: datetime = Field(sa_column=columns.instant())


class Correction(SQLModel, table=True):
    """A slip in a ruling, as it reads now; with ``terms`` where those were wrong.

    The ruling's own row holds the terms as they are; the record keeps both.
    """

    __tablename__ = "corrections"
    __table_args__ = (
        Index("corrections_by_case", "case_id"),
        CheckConstraint("(terms IS NULL) = (amount_minor IS NULL)", name="terms_whole"),
    )

    id: UUID = Field(sa_column=columns.key())
    case_id: UUID = Field(foreign_key="cases.id")
    ruling_id: UUID = Field(foreign_key="rulings.id")
    account_id: UUID = Field(foreign_key="accounts.id")
    body: str = Field(sa_column=columns.text(longest=8000, name="body"))
    terms: dict[str, Any] | None = Field(default=None, sa_column=columns.value(null=True))
    amount_minor: int | None = Field(default=None, sa_column=columns.minor(null=True))
    at: datetime = Field(sa_column=columns.instant())


class Appeal(SQLModel, table=True):
    """The one appeal against a case's ruling, and what was decided on it.

    ``reasons`` are those of a ruling that is affirmed; one that is varied or set aside has another
    in its place, ``decided_ruling_id``, with its own. Undecided in time, the ruling stands.
    """

    __tablename__ = "appeals"
    __table_args__ = (
        CheckConstraint(
            "num_nonnulls(decision, decided_by, decided_at) IN (0, 3)", name="decided_whole"
        ),
        CheckConstraint("(decision = 'affirmed') = (reasons IS NOT NULL)", name="affirmed"),
        CheckConstraint(
            "(decision IN ('varied','set_aside')) = (decided_ruling_id IS NOT NULL)",
            name="decided_anew",
        ),
    )

    id: UUID = Field(sa_column=columns.key())
    case_id: UUID = Field(foreign_key="cases.id", unique=True)
    ruling_id: UUID = Field(foreign_key="rulings.id")
    side: Side = Field(sa_column=columns.word(Side, "appeal_side"))
    account_id: UUID = Field(foreign_key="accounts.id")
    ground: AppealGround = Field(sa_column=columns.word(AppealGround, "appeal_ground"))
    statement: str = Field(sa_column=columns.text(longest=20000, name="statement"))
    at: datetime = Field(sa_column=columns.instant())
    decision: AppealDecision | None = Field(
        default=None, sa_column=columns.word(AppealDecision, "appeal_decision", null=True)
    )
    reasons: str | None = Field(
        default=None, sa_column=columns.text(null=True, longest=50000, name="reasons")
    )
    decided_by: UUID | None = Field(default=None, foreign_key="accounts.id")
    decided_at: datetime | None = Field(default=None, sa_column=columns.instant(null=True))
    decided_ruling_id: UUID | None = Field(default=None, foreign_key="rulings.id")

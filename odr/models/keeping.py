"""Tables: how long things are kept: erasures and their tombstones, legal holds, retention."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, text
from sqlmodel import Field, SQLModel

from evidence.tombstone import Ground
from odr.models import columns
from odr.models.states import ErasureState, RetentionClass


class Erasure(SQLModel, table=True):
    """An exhibit is to be erased, or was; ``words`` says whether also what was said of it.

    ``asked_by`` and ``decided_by`` are None for the service, whose ground is the rulebook's.
    """

    __tablename__ = "erasures"
    __table_args__ = (
        CheckConstraint(
            "asked_by IS DISTINCT FROM decided_by OR asked_by IS NULL OR state = 'declined'",
            name="second_person",
        ),
        CheckConstraint("(state = 'done') = (done_at IS NOT NULL)", name="done"),
        CheckConstraint("(state = 'asked') = (decided_at IS NULL)", name="decided"),
        Index("erasures_by_exhibit", "exhibit_id"),
        Index("erasures_by_case", "case_id"),
        Index("erasures_asked", "asked_at", postgresql_where=text("state = 'asked'")),
        Index(
            "one_erasure_of_an_exhibit",
            "exhibit_id",
            unique=True,
            postgresql_where=text("state IN ('asked','granted')"),
        ),
    )

    id: UUID = Field(sa_column=columns.key())
    case_id: UUID = Field(foreign_key="cases.id")
    exhibit_id: UUID = Field(foreign_key="exhibits.id")
    ground: Ground = Field(sa_column=columns.word(Ground, "erasure_ground"))
    words: bool
    reason: str = Field(sa_column=columns.text(longest=2000, name="reason"))
    state: ErasureState = Field(sa_column=columns.word(ErasureState, "erasure_state"))
    asked_by: UUID | None = Field(default=None, foreign_key="accounts.id")
    asked_at: datetime = Field(sa_column=columns.instant())
    decided_by: UUID | None = Field(default=None, foreign_key="accounts.id")
    decided_at: datetime | None = Field(default=None, sa_column=columns.instant(null=True))
    done_at: datetime | None = Field(default=None, sa_column=columns.instant(null=True))


class Tombstone(SQLModel, table=True):
    """The entry of the vault that says of an erasure; one for each stream that it touches."""

    __tablename__ = "tombstones"
    __table_args__ = (Index("tombstones_by_erasure", "erasure_id"),)

    stream_id: UUID = Field(primary_key=True)
    sequence: int = Field(primary_key=True)
    erasure_id: UUID = Field(foreign_key="erasures.id")


class LegalHold(SQLModel, table=True):
    """Nothing of a case may be erased until this is lifted, or ``until``."""

    __tablename__ = "legal_holds"
    __table_args__ = (
        CheckConstraint("until > placed_at", name="until"),
        Index("legal_holds_by_case", "case_id"),
        Index("legal_holds_ending", "until", postgresql_where=text("lifted_at IS NULL")),
    )

    id: UUID = Field(sa_column=columns.key())
    case_id: UUID = Field(foreign_key="cases.id")
    reason: str = Field(sa_column=columns.text(longest=2000, name="reason"))
    until: datetime | None = Field(default=None, sa_column=columns.instant(null=True))
    placed_by: UUID = Field(foreign_key="accounts.id")
    placed_at: datetime = Field(sa_column=columns.instant())
    lifted_by: UUID | None = Field(default=None, foreign_key="accounts.id")
    lifted_at: datetime | None = Field(default=None, sa_column=columns.instant(null=True))


class Retention(SQLModel, table=True):
    """Until when what a closed case holds is kept; ``done_at`` when it was erased."""

    __tablename__ = "retentions"
    __table_args__ = (Index("retentions_due", "due", postgresql_where=text("done_at IS NULL")),)

    case_id: UUID = Field(foreign_key="cases.id", primary_key=True)
    kind: RetentionClass = Field(sa_column=columns.word(RetentionClass, "retention_class"))
    due: datetime = Field(sa_column=columns.instant())
    done_at: datetime | None = Field(default=None, sa_column=columns.instant(null=True))

"""Tables: what was computed about exhibits."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from odr.findings.kinds import FindingKind, Strength
from odr.models import columns


class Examination(SQLModel, table=True):
    """An exhibit was examined; ``tracking`` are the events of a tracking document, as read."""

    __tablename__ = "examinations"

    exhibit_id: UUID = Field(foreign_key="exhibits.id", primary_key=True)
    case_id: UUID = Field(foreign_key="cases.id", index=True)
    tracking: list[dict[str, Any]] = Field(sa_column=columns.value())
    at: datetime = Field(sa_column=columns.instant())


class ExhibitFinding(SQLModel, table=True):
    """What was found about an exhibit; its sentence and limits are those of its kind."""

    __tablename__ = "exhibit_findings"
    __table_args__ = (
        UniqueConstraint("exhibit_id", "kind"),
        Index("exhibit_findings_by_case", "case_id"),
    )

    id: UUID = Field(sa_column=columns.key())
    case_id: UUID = Field(foreign_key="cases.id")
    exhibit_id: UUID = Field(foreign_key="exhibits.id")
    kind: FindingKind = Field(sa_column=columns.word(FindingKind, "finding_kind"))
    strength: Strength = Field(sa_column=columns.word(Strength, "finding_strength"))
    grounds: list[dict[str, Any]] = Field(sa_column=columns.value())
    at: datetime = Field(sa_column=columns.instant())

"""How this package spells its columns: closed lists, instants, digests, JSON values.

Behind SQLModel, because ``SQLModel(table=True)`` validates nothing and a plain enum column would
store a member's name without a CHECK.
"""

from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, DateTime, Enum, ForeignKey, LargeBinary, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID
from sqlmodel import Column


def word(kind: type[StrEnum], name: str, *, null: bool = False, **options: Any) -> Column[Any]:
    """A member of ``kind``, stored as its value, with a CHECK called ``name``."""
    listed = Enum(
        kind,
        native_enum=False,
        create_constraint=True,
        length=40,
        name=name,
        values_callable=lambda words: [member.value for member in words],
    )
    return Column(listed, nullable=null, **options)


def words(name: str, **options: Any) -> Column[Any]:
    """A list of short words (``text[]``), never null."""
    return Column(name, ARRAY(Text), nullable=False, **options)


def instant(*, null: bool = False, **options: Any) -> Column[Any]:
    """A UTC instant."""
    return Column(DateTime(timezone=True), nullable=null, **options)


def key(**options: Any) -> Column[Any]:
    """A primary key: a month-prefixed UUID of ``odr.ids``."""
    return Column(UUID(as_uuid=True), primary_key=True, **options)


def ref(target: str, *, null: bool = False, **options: Any) -> Column[Any]:
    """A foreign key to ``table.column``."""
    return Column(UUID(as_uuid=True), ForeignKey(target), nullable=null, **options)


def minor(*, null: bool = False, **options: Any) -> Column[Any]:
    """An amount in minor units of its currency."""
    return Column(BigInteger, nullable=null, **options)


def digest(*, null: bool = False, **options: Any) -> Column[Any]:
    """32 bytes of SHA-256."""
    return Column(LargeBinary(32), nullable=null, **options)


def value(*, null: bool = False, **options: Any) -> Column[Any]:
    """An immutable JSON value that is read as a whole."""
    return Column(JSONB(none_as_null=True), nullable=null, **options)


def text(*, null: bool = False, longest: int | None = None, name: str = "") -> Column[Any]:
    """Text of at most ``longest`` characters."""
    if longest is None:
        return Column(Text, nullable=null)
    return Column(
        Text,
        CheckConstraint(f"char_length({name}) <= {longest}", name=f"{name}_length"),
        nullable=null,
    )

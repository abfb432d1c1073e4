"""Hand-written statements with typed parameters, for the paths that are hot.

The driver prepares a statement once by its text and needs every parameter's type; names have one
meaning, and so one type, in the whole package.
"""

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    DateTime,
    LargeBinary,
    Text,
    TextClause,
    Uuid,
    bindparam,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import TypeEngine

_UUIDS: Final = {
    "case",
    "id",
    "account",
    "stream",
    "subject",
    "order",
    "payout",
    "actor",
    "result",
} | {
    "marketplace",
    "buyer",
    "seller",
}
_INSTANTS: Final = {"at", "noticed", "due", "lease"}
_BIG: Final = {"sequence", "amount", "limit"}
_BYTES: Final = {"leaf", "digest"}
_BOOLEANS: Final = {"moves", "decided", "counts"}
_UUID_LISTS: Final = {"stop", "accounts"}
_TEXT_LISTS: Final = {"outlive", "tell", "leaving"}


def _type(name: str) -> TypeEngine[Any]:
    for names, kind in (
        (_UUIDS, Uuid()),
        (_INSTANTS, DateTime(timezone=True)),
        (_BIG, BigInteger()),
        (_BYTES, LargeBinary()),
        (_BOOLEANS, Boolean()),
        (_UUID_LISTS, ARRAY(Uuid())),
        (_TEXT_LISTS, ARRAY(Text())),
    ):
        if name in names:
            return kind
    return Text()


def typed(sql: str) -> TextClause:
    """``sql`` with each ``:name`` bound to the type that its name means."""
    statement = text(sql)
    names = list(statement._bindparams)  # noqa: SLF001 - names only; SQLAlchemy has no public list
    return statement.bindparams(*(bindparam(name, type_=_type(name)) for name in names))

"""The API's scalars and Money: what they mean, how they are read and written, strictly.

A scalar reads exactly one spelling of each value it writes. Where an answer comes from SQL,
`schema.reader.text` writes the same spellings there.

* DateTime: RFC 3339 in UTC with `Z`; written with six digits of a second, read with none to six,
  and with any offset
* Date: RFC 3339's full-date
* Int64: a JSON number, and therefore only -(2^53 - 1) to 2^53 - 1, the range in which every
  JSON reader is exact (RFC 8259, section 6; RFC 7493, section 2.2); money has the same bound
* Digest: SHA-256 in 64 lower hex digits
* URL: an absolute http or https URL of ASCII
"""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, Final, NewType
from urllib.parse import urlsplit

import babel
import strawberry
from strawberry.types.scalar import ScalarDefinition

from odr import money
from schema.reader import declaration as read

INT64_MAX: Final = 2**53 - 1
URL_LENGTH_MAX: Final = 2048
_INSTANT: Final = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,6})?([Zz]|[+-]\d{2}:\d{2})", re.ASCII
)
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_URL: Final = re.compile(r"https?://[!-~]+")

Int64 = NewType("Int64", int)
Digest = NewType("Digest", str)
URL = NewType("URL", str)


def parse_instant(value: object) -> datetime:
    """Read an instant, with any offset, as UTC."""
    if not isinstance(value, str) or not _INSTANT.fullmatch(value):
        raise ValueError("an instant is written as in 2026-11-22T18:30:00.000000Z (RFC 3339)")
    try:
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except OverflowError as error:
        raise ValueError("this instant is outside of the calendar") from error


def write_instant(value: datetime) -> str:
    """Write an instant in UTC with six digits of a second; a naive one is a mistake."""
    if value.tzinfo is None:
        raise ValueError("an instant needs a zone")
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")


def parse_date(value: object) -> date:
    """Read a date."""
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        raise ValueError("a date is written as in 2026-11-22 (RFC 3339)")
    return date.fromisoformat(value)


def parse_int64(value: object) -> int:
    """Read a whole number in the range that JSON carries exactly."""
    if type(value) is not int or not -INT64_MAX <= value <= INT64_MAX:
        raise ValueError(f"an Int64 is a whole number from -{INT64_MAX} to {INT64_MAX}")
    return value


def parse_digest(value: object) -> str:
    """Read a SHA-256 in hex."""
    if not isinstance(value, str) or not _DIGEST.fullmatch(value):
        raise ValueError("a digest is 64 lower hex digits (SHA-256)")
    return value


def write_digest(value: object) -> str:
    """Write a SHA-256, held as bytes or as hex."""
    return parse_digest(value.hex() if isinstance(value, bytes) else value)


def parse_url(value: object) -> str:
    """Read an absolute http or https URL with a host and without user or password."""
    if not isinstance(value, str) or len(value) > URL_LENGTH_MAX or not _URL.fullmatch(value):
        raise ValueError("a URL begins with https:// or http:// and is ASCII (RFC 3986)")
    parts = urlsplit(value)
    if not parts.hostname or "@" in parts.netloc:
        raise ValueError("a URL has a host, and no user or password (RFC 3986)")
    return value


SCALARS: Final[Mapping[object, ScalarDefinition]] = {
    datetime: strawberry.scalar(
        name="DateTime",
        description="An instant by RFC 3339 in UTC: `2026-11-22T18:30:00.000000Z`.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc3339#section-5.6",
        serialize=write_instant,
        parse_value=parse_instant,
    ),
    date: strawberry.scalar(
        name="Date",
        description="A day by RFC 3339: `2026-11-22`.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc3339#section-5.6",
        serialize=date.isoformat,
        parse_value=parse_date,
    ),
    Int64: strawberry.scalar(
        name="Int64",
        description="A whole number as a JSON number, from -(2^53 - 1) to 2^53 - 1.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc7493#section-2.2",
        serialize=parse_int64,
        parse_value=parse_int64,
    ),
    Digest: strawberry.scalar(
        name="Digest",
        description="A SHA-256 in 64 lower hex digits.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc6234#section-4.1",
        serialize=write_digest,
        parse_value=parse_digest,
    ),
    URL: strawberry.scalar(
        name="URL",
        description="An absolute http or https URL of ASCII.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc3986",
        serialize=parse_url,
        parse_value=parse_url,
    ),
}
"""For ``StrawberryConfig(scalar_map=...)``."""


def format_money(_context: Any, row: Mapping[str, Any], locale: str) -> str:
    """Write money for people; English where the locale is unknown."""
    amount = money.Money(row["amount_minor"], row["currency"])
    try:
        return amount.format(locale)
    except (ValueError, babel.UnknownLocaleError):
        return amount.format("en")


@read.embedded
@strawberry.type(description="An amount in minor units of a currency; never a float.")
class Money:
    """Money; had with ``embed({"amount_minor": ..., "currency": ...})``."""

    amount_minor: Int64 = read.part(description="The amount in the currency's smallest unit.")
    currency: str = read.part(description="The currency by ISO 4217.")
    formatted: str = read.computed(
        format_money,
        needs=("amount_minor", "currency"),
        arguments={"locale": read.Argument(str, "en", "As in `en`, `zh-CN` or `de_AT`.")},
        description="The amount written for people.",
    )

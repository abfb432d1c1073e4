"""Flags: what was found in a file of the right type that should not be there, by stable codes.

A flag that refuses keeps the file out; one that warns is shown beside it. The words for people
are made elsewhere, from the code and the facts. It knows nothing of how anything is found.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Self

from evidence.errors import Malformed

FLAGS_MAX = 64
_TEXT_MAX = 200
_LIST_MAX = 20

Fact = int | str | list[str]


class Severity(StrEnum):
    """REFUSE: the file is not taken; WARN: it is taken, and whoever looks at it is told."""

    REFUSE = "refuse"
    WARN = "warn"


class Code(StrEnum):
    """What was found. The words are part of stored data: they are added to and never changed."""

    # Of any type.
    ARCHIVE_INSIDE = "archive_inside"
    BOMB = "bomb"
    BROKEN_STRUCTURE = "broken_structure"
    DOCUMENT_INSIDE = "document_inside"
    MALWARE = "malware"
    MARKUP_INSIDE = "markup_inside"
    PROGRAM_INSIDE = "program_inside"
    TOO_COSTLY = "too_costly"
    UNREADABLE = "unreadable"
    ABSURD_METADATA = "absurd_metadata"
    CUT_SHORT = "cut_short"
    MARKUP = "markup"
    NO_PREVIEW = "no_preview"
    NOT_SCANNED = "not_scanned"
    TRAILING_BYTES = "trailing_bytes"
    # Pictures and films.
    SCRIPT_INSIDE = "script_inside"
    TOO_MANY_PIXELS = "too_many_pixels"
    ANIMATED = "animated"
    # PDF.
    PDF_JAVASCRIPT = "pdf_javascript"
    PDF_LAUNCH = "pdf_launch"
    PDF_LOCKED = "pdf_locked"
    PDF_OBSCURED = "pdf_obscured"
    PDF_RICH_MEDIA = "pdf_rich_media"
    PDF_XFA = "pdf_xfa"
    PDF_ACTION = "pdf_action"
    PDF_ENCRYPTED = "pdf_encrypted"
    PDF_FILES = "pdf_files"
    PDF_SUBMITS = "pdf_submits"
    # Workbooks and tables.
    WORKBOOK_DDE = "workbook_dde"
    WORKBOOK_ENTITIES = "workbook_entities"
    WORKBOOK_LOCKED = "workbook_locked"
    WORKBOOK_MACROS = "workbook_macros"
    WORKBOOK_OBJECTS = "workbook_objects"
    WORKBOOK_LINKS = "workbook_links"
    FORMULAS = "formulas"
    # Mail.
    ATTACHMENTS = "attachments"


WARNINGS = frozenset(
    {
        Code.ABSURD_METADATA,
        Code.CUT_SHORT,
        Code.MARKUP,
        Code.NO_PREVIEW,
        Code.NOT_SCANNED,
        Code.TRAILING_BYTES,
        Code.ANIMATED,
        Code.PDF_ACTION,
        Code.PDF_ENCRYPTED,
        Code.PDF_FILES,
        Code.PDF_SUBMITS,
        Code.WORKBOOK_LINKS,
        Code.FORMULAS,
        Code.ATTACHMENTS,
    }
)
"""The codes that only warn; all others refuse."""


@dataclass(frozen=True, slots=True)
class Flag:
    """Something that was found; `facts` are integers, short strings and lists of such."""

    code: Code
    severity: Severity
    facts: Mapping[str, Fact] = field(default_factory=dict)

    @classmethod
    def of(cls, code: Code, **facts: Fact) -> Self:
        """Make the flag with its code's severity; strings and lists are cut to their bounds."""
        severity = Severity.WARN if code in WARNINGS else Severity.REFUSE
        return cls(code, severity, MappingProxyType({name: _cut(facts[name]) for name in facts}))

    @property
    def refuses(self) -> bool:
        """Whether it keeps the file out."""
        return self.severity is Severity.REFUSE


def refuses(found: Iterable[Flag]) -> bool:
    """Whether any of the flags keeps the file out."""
    return any(flag.refuses for flag in found)


def once(found: Iterable[Flag]) -> list[Flag]:
    """The flags without repetitions of a code, those that refuse first, at most FLAGS_MAX."""
    kept = {flag.code: flag for flag in reversed(list(found))}
    return sorted(kept.values(), key=lambda flag: (not flag.refuses, flag.code))[:FLAGS_MAX]


def write(found: Iterable[Flag]) -> list[dict[str, Any]]:
    """Give flags as values for JSON."""
    return [
        {"code": flag.code.value, "facts": dict(flag.facts), "severity": flag.severity.value}
        for flag in found
    ]


def read(value: Any) -> list[Flag]:
    """Read what `write` gave; Malformed if it could not have."""
    if not isinstance(value, list) or len(value) > FLAGS_MAX:
        raise Malformed("flags are a short list")
    return [_read(one) for one in value]


def _read(value: Any) -> Flag:
    if not isinstance(value, dict) or value.keys() != {"code", "facts", "severity"}:
        raise Malformed("a flag has a code, a severity and facts")
    if value["code"] not in frozenset(Code) or not isinstance(value["facts"], dict):
        raise Malformed("no such flag")
    facts = value["facts"]
    if not all(isinstance(name, str) and name.isidentifier() for name in facts):
        raise Malformed("a fact's name is a word")
    flag = Flag.of(Code(value["code"]), **facts)
    if flag.severity != value["severity"] or dict(flag.facts) != facts:
        raise Malformed("a flag with another severity, or facts beyond their bounds")
    return flag


def _cut(fact: Any) -> Fact:
    if isinstance(fact, str):
        return "".join(char for char in fact if char.isprintable())[:_TEXT_MAX]
    if isinstance(fact, list | tuple):
        texts = (_cut(one) for one in fact[:_LIST_MAX])
        return [text for text in texts if isinstance(text, str)]
    if isinstance(fact, int) and not isinstance(fact, bool) and abs(fact) < 2**53:
        return fact
    raise Malformed("a fact is a whole number, a string or a list of strings")

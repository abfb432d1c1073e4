"""What a tombstone says: which entries' private bodies and which files were erased, and why.

A tombstone is an entry of the same stream, behind those that it names; the member `erased` of its
private body holds (evidence/body.py):

    blobs    the ids of the files whose keys are destroyed, with all that was derived of them
    by       in which capacity it was done, in one word
    entries  the numbers of the entries in this stream whose salt and private body are destroyed
    ground   one of the grounds below

both lists sorted, none twice, and not both empty. What is destroyed is destroyed after the
tombstone is committed, so whatever is missing has one; entries' own bytes, and so links, proofs
and roots, stay as they are. Standard library only: the offline verifier reads these.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from evidence.entry import read_integer, read_uuid
from evidence.errors import Malformed, Tampered

NAMES_MAX: Final = 1000
_WORD: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")


class Ground(StrEnum):
    """On which ground something is erased; GDPR is Regulation (EU) 2016/679."""

    NOT_NECESSARY = "gdpr_17_1_a"
    CONSENT_WITHDRAWN = "gdpr_17_1_b"
    OBJECTION = "gdpr_17_1_c"
    UNLAWFULLY_PROCESSED = "gdpr_17_1_d"
    LEGAL_OBLIGATION = "gdpr_17_1_e"
    CHILD = "gdpr_17_1_f"
    COURT_ORDER = "court_order"
    RETENTION_OVER = "retention_over"
    UNLAWFUL_CONTENT = "unlawful_content"

    @property
    def meaning(self) -> str:
        """What it says, and where."""
        return SOURCES[self]


SOURCES: Final[Mapping[str, str]] = {
    Ground.NOT_NECESSARY: "no longer necessary for its purposes, GDPR Art. 17(1)(a)",
    Ground.CONSENT_WITHDRAWN: "consent was withdrawn, GDPR Art. 17(1)(b)",
    Ground.OBJECTION: "the person objected, GDPR Art. 17(1)(c) with Art. 21",
    Ground.UNLAWFULLY_PROCESSED: "it was processed unlawfully, GDPR Art. 17(1)(d)",
    Ground.LEGAL_OBLIGATION: "the law obliges to erase it, GDPR Art. 17(1)(e)",
    Ground.CHILD: "collected from a child, GDPR Art. 17(1)(f) with Art. 8(1)",
    Ground.COURT_ORDER: "a court or an authority ordered it",
    Ground.RETENTION_OVER: "its time of retention is over, GDPR Art. 5(1)(e)",
    Ground.UNLAWFUL_CONTENT: "its content is unlawful, Regulation (EU) 2022/2065 Art. 6(1)(b)",
}


@dataclass(frozen=True, slots=True)
class Erased:
    """What a tombstone names."""

    ground: str
    by: str
    entries: tuple[int, ...] = ()
    blobs: tuple[UUID, ...] = ()


def value(erased: Erased) -> dict[str, Any]:
    """Give the member `erased` of a private body; Malformed if it could not be read."""
    members = {
        "blobs": [str(blob) for blob in erased.blobs],
        "by": erased.by,
        "entries": list(erased.entries),
        "ground": erased.ground,
    }
    read(members)
    return members


def read(members: Any) -> Erased:
    """Read the member `erased`, strictly; a ground that is not known here is a word as well."""
    if not isinstance(members, dict) or members.keys() != {"blobs", "by", "entries", "ground"}:
        raise Malformed("a tombstone has other members")
    blobs, entries = members["blobs"], members["entries"]
    if not isinstance(blobs, list) or not isinstance(entries, list):
        raise Malformed("a tombstone lists what it names")
    found = Erased(
        _word(members["ground"]),
        _word(members["by"]),
        tuple(read_integer(seq) for seq in entries),
        tuple(read_uuid(blob) for blob in blobs),
    )
    if not 0 < len(entries) + len(blobs) <= NAMES_MAX:
        raise Malformed("a tombstone names nothing, or too much")
    if entries != sorted(set(entries)) or blobs != sorted(set(blobs)):
        raise Malformed("what a tombstone names is sorted, and nothing twice")
    return found


def _word(text: Any) -> str:
    if not isinstance(text, str) or not _WORD.fullmatch(text):
        raise Malformed("not a word of a tombstone")
    return text


def sentence(erased: Erased, at: datetime) -> str:
    """Say when, on what ground and by whom."""
    known = SOURCES.get(erased.ground)
    ground = f"{erased.ground} ({known})" if known else erased.ground
    return f"erased on {at:%Y-%m-%d} on the ground {ground} by the {erased.by}"


@dataclass(slots=True)
class Tombstones:
    """What the tombstones of some streams say, by what they name."""

    _entries: dict[tuple[UUID, int], str] = field(default_factory=dict)
    _blobs: dict[UUID, str] = field(default_factory=dict)

    def put(self, stream: UUID, seq: int, erased: Erased, at: datetime) -> None:
        """Take in the tombstone that is entry `seq`; Tampered if it names what comes after it."""
        if any(named >= seq for named in erased.entries):
            raise Tampered("a tombstone names an entry that comes after it")
        said = f"{sentence(erased, at)}, as entry {seq} of stream {stream} says"
        for named in erased.entries:
            self._entries.setdefault((stream, named), said)
        for blob in erased.blobs:
            self._blobs.setdefault(blob, said)

    def of_entry(self, stream: UUID, seq: int) -> str | None:
        """What is said of an entry's private body; None if it was not erased."""
        return self._entries.get((stream, seq))

    def of_blob(self, blob: UUID) -> str | None:
        """What is said of a file; None if it was not erased."""
        return self._blobs.get(blob)

    def tell(self, hidden: Iterable[tuple[UUID, int]]) -> Iterator[str]:
        """Say of entries without private bodies why: each that was erased, and how many others."""
        withheld = 0
        for stream, seq in hidden:
            said = self.of_entry(stream, seq)
            withheld += said is None
            if said is not None:
                yield f"what entry {seq} of stream {stream} says: {said}"
        if withheld:
            yield f"what {withheld} entries say: their private bodies are withheld or erased"

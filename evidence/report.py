"""What a check says: what it looked at, what is wrong and where, and what it could not know.

For the offline verifier and for the audit alike; needs nothing but the standard library.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from evidence.errors import Tampered, VaultError

SOUND, TAMPERED, UNUSABLE = 0, 1, 2  # exit codes


class Kind(StrEnum):
    """TAMPERED accuses somebody; MALFORMED does not, but the bundle proves less than it should."""

    TAMPERED = "tampered"
    MALFORMED = "malformed"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong, and where."""

    kind: Kind
    where: str
    what: str


@dataclass(slots=True)
class Report:
    """What was checked, what was found wrong, and what could not be checked."""

    checked: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)

    @property
    def code(self) -> int:
        """0 if sound, 1 if anything was tampered with, 2 if malformed or unusable."""
        if any(one.kind is Kind.TAMPERED for one in self.findings):
            return TAMPERED
        return UNUSABLE if self.findings else SOUND


@dataclass(slots=True)
class Noting:
    """Notes what is found wrong inside, and goes on after it; there is one for every file."""

    report: Report
    where: str

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: type[BaseException] | None, error: object, _: object) -> bool:
        if not isinstance(error, VaultError):
            return False
        what = Kind.TAMPERED if isinstance(error, Tampered) else Kind.MALFORMED
        self.report.findings.append(Finding(what, self.where, str(error)))
        return True

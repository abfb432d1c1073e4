"""All rules for findings together.

Pure: from what a file's metadata say (``evidence.facts``, ``evidence.credentials``), what its
giver typed (``odr.vouchers``), the carrier's scans and the order, to findings. Nothing in them
names another case.
"""

from typing import Final

from odr.findings import capture, origin, papers
from odr.findings.kinds import Finding, FindingKind
from odr.findings.subject import Subject

RULES: Final = (*origin.RULES, *capture.RULES, *papers.RULES)
"""Every rule; each reads what it needs and says nothing where it is missing."""


def find(subject: Subject) -> list[Finding]:
    """All findings about an exhibit, each kind at most once, in the order of the rules."""
    found: dict[FindingKind, Finding] = {}
    for rule in RULES:
        for each in rule(subject):
            found.setdefault(each.kind, each)
    return list(found.values())

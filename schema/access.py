"""Who sees what, as a table for people: written by walking the schema, never by hand.

``python -m schema.access`` writes it into README.md. The words of ``ROWS`` and ``FIELDS`` say what
the declarations do; a test reads every row as everybody and compares. A type or a hidden field
that is not listed here does not build the table, so that nothing is shown to nobody knows whom.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from graphql import GraphQLObjectType

from schema import schema
from schema.reader.catalogue import Catalogue
from schema.reader.declaration import EmbeddedReading, TableReading

FILE: Final = Path(__file__).parent / "README.md"
BEGIN: Final = "<!-- written by `python -m schema.access` -->\n"
END: Final = "<!-- end -->\n"

ROLES: Final = (
    "claimant",
    "respondent",
    "mediator",
    "arbitrator",
    "insurer",
    "marketplace",
    "operator",
    "others",
)
WORDS: Final[Mapping[str, str]] = {
    "yes": "all rows of a case in which they have this role",
    "no": "no row",
    "record": "what was said on the record, not in mediation or caucus",
    "rooms": "what was said in the rooms of their seat: the record, mediation, their own caucus",
    "own": "rows that name them or their organisation",
    "customers": "people who bought there, and their own",
}

_PUBLIC: Final = "yes yes yes yes yes yes yes yes"
_CASE: Final = "yes yes yes yes yes yes yes no"
_RECORD: Final = "yes yes yes yes yes no yes no"
_SAID: Final = "rooms rooms rooms record record no record no"
_OWN: Final = "own own own own own own yes own"

ROWS: Final[Mapping[str, str]] = {
    "Account": "own own own own own customers yes own",
    "Answer": _RECORD,
    "Appeal": _RECORD,
    "Appointment": _RECORD,
    "Bond": _OWN,
    "Case": _CASE,
    "CaucusMessage": "rooms rooms rooms no no no no no",
    "Claim": _RECORD,
    "Clock": _CASE,
    "Correction": _RECORD,
    "CorrectionRequest": _RECORD,
    "Cover": _OWN,
    "Erasure": "rooms rooms rooms record record no yes no",
    "Exhibit": _SAID,
    "ExhibitAnswer": _SAID,
    "ExhibitFinding": _SAID,
    "Finding": _RECORD,
    "InformationRequest": _RECORD,
    "InsuranceClaim": _OWN,
    "LegalHold": _RECORD,
    "Message": "rooms rooms rooms record no no record no",
    "Neutral": _OWN,
    "NotReliedOn": _RECORD,
    "Notice": "own own own own own own own own",
    "Obligation": _CASE,
    "Offer": _SAID,
    "Order": _CASE,
    "OrderLine": _CASE,
    "Organisation": _PUBLIC,
    "Payment": _CASE,
    "Payout": _CASE,
    "Proposal": "yes yes yes no no no no no",
    "RecordEntry": _SAID,
    "Ruling": _RECORD,
    "Seat": _CASE,
    "Shipment": _CASE,
    "ShipmentEvent": _CASE,
    "Token": "own own own own own own own own",
}
"""For each type over a table, who sees its rows, in the order of ``ROLES``."""

FIELDS: Final[Mapping[str, str]] = {
    "Erasure.askedBy": "the operator",
    "Erasure.reason": "the operator",
    "Order.buyerName": "those in a case on it, buyer, seller, marketplace, operator",
    "Payout.payee": "the operator",
    "Payout.tries": "the operator",
    "Proposal.claimantAccepts": "claimant and mediator; everybody when both have answered",
    "Proposal.respondentAccepts": "respondent and mediator; everybody when both have answered",
    "Seat.name": "those in the case, its marketplace, the operator",
}
"""Fields that not everybody sees who sees the row; others read null."""

NOTES: Final[Mapping[str, str]] = {
    "Clock": "an offer's clock only where the offer is seen",
    "Erasure": "to the operator also what is asked for, and behind walls",
    "Order": "also its buyer, its seller and its marketplace without a case",
    "Payout": "an insurer's payment only by insurer, insured and operator",
    "Case.actedAt": "of what the viewer sees",
    "Case.availableActs": "by the viewer's own roles",
    "Case.evidence": "satisfied by what the viewer sees",
    "Case.viewerState": "by the viewer's own side",
}


def table() -> str:
    """Write the tables; ``LookupError`` for a type or hidden field that is not listed."""
    catalogue = Catalogue(schema.compose())
    named = sorted(catalogue.readings)
    over_tables = [n for n in named if isinstance(catalogue.readings[n], TableReading)]
    embedded = [n for n in named if isinstance(catalogue.readings[n], EmbeddedReading)]
    if set(over_tables) != set(ROWS):
        raise LookupError(f"listed or not: {sorted(set(over_tables) ^ set(ROWS))}")
    hidden = set(_hidden(catalogue, over_tables))
    if hidden != set(FIELDS):
        raise LookupError(f"hidden or not: {sorted(hidden ^ set(FIELDS))}")
    lines = [BEGIN, *_rows(over_tables), "", *_words(), "", *_fields(catalogue, over_tables)]
    lines += ["", *_values(catalogue, embedded), "", END]
    return "\n".join(lines).replace(BEGIN + "\n", BEGIN)


def _hidden(catalogue: Catalogue, types: list[str]) -> Iterator[str]:
    for name in types:
        for field in catalogue.fields[name].values():
            if field.reading is not None and field.reading.when is not None:
                yield str(field)


def _rows(types: list[str]) -> Iterator[str]:
    yield f"| type | {' | '.join(ROLES)} | besides |"
    yield "|---" * (len(ROLES) + 2) + "|"
    for name in types:
        yield f"| {name} | {' | '.join(ROWS[name].split())} | {NOTES.get(name, '')} |"


def _words() -> Iterator[str]:
    for word, meaning in WORDS.items():
        yield f"- **{word}**: {meaning}"


def _fields(catalogue: Catalogue, types: list[str]) -> Iterator[str]:
    yield "| type | fields, seen by who sees the row | but |"
    yield "|---|---|---|"
    for name in types:
        fields = list(catalogue.fields[name].values())
        seen = ", ".join(field.name for field in fields if str(field) not in FIELDS)
        told = {str(field): FIELDS.get(str(field)) or NOTES.get(str(field)) for field in fields}
        but = "; ".join(f"{field.split('.')[1]}: {words}" for field, words in told.items() if words)
        yield f"| {name} | {seen} | {but} |"


def _values(catalogue: Catalogue, embedded: list[str]) -> Iterator[str]:
    plain = sorted(
        name
        for name, type_ in catalogue.core.type_map.items()
        if isinstance(type_, GraphQLObjectType)
        and name in catalogue.fields
        and name not in catalogue.readings
        and name not in catalogue.roots
        and not name.endswith(("Connection", "Edge", "Payload"))
    )
    yield f"Seen with the field that holds them: {', '.join(sorted([*embedded, *plain]))}."


def placed(readme: str) -> str:
    """Give the README with the table in its place."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + table() + after


if __name__ == "__main__":
    FILE.write_text(placed(FILE.read_text(encoding="utf-8")), encoding="utf-8")

"""The rulebook in words and numbers: windows, reasons, what they allow, limits."""

from datetime import datetime
from typing import Any

import strawberry

from odr import rulebook as rules
from odr.remedies import CARRIED_OUT
from schema.context import Context
from schema.scalars import Digest
from schema.types.bounds import ChecklistLine, checklist
from schema.types.words import Party, Reason, Remedy, Window


@strawberry.type(description="How long something is awaited.")
class RulebookWindow:
    """A window."""

    window: Window
    length: str = strawberry.field(description="As in `5 days` or `2 working days`.")
    days: int
    working: bool = strawberry.field(description="Working days of the case's place.")


@strawberry.type(description="What the rulebook says about a reason.")
class RulebookReason:
    """A reason."""

    reason: Reason
    sentence: str
    filer: Party = strawberry.field(description="Who may file for it.")
    filing: str = strawberry.field(description="When a claim can be filed, in words.")
    remedies: list[Remedy] = strawberry.field(
        description="What a claim may ask for and the service carries out."
    )
    checklist: list[ChecklistLine]


@strawberry.type(description="How much of something there may be.")
class RulebookLimit:
    """A limit."""

    name: str
    highest: int


@strawberry.type(description="The numbers and switches of the procedure, in one version.")
class Rulebook:
    """A rulebook; a case is pinned to the version in force when it was filed."""

    version: str
    digest: Digest
    in_force_from: datetime
    windows: list[RulebookWindow]
    reasons: list[RulebookReason]
    limits: list[RulebookLimit]
    settlement_remedies: list[Remedy] = strawberry.field(
        description="What may settle or decide any case, besides what its reason allows."
    )


def in_words(filing: Any) -> str:
    """Say when a claim can be filed."""
    match filing:
        case rules.AfterPayment():
            return f"Within {filing.length} of the payment."
        case rules.AfterPromise():
            return (
                f"From {filing.grace_days} days after the promised date, or {filing.unpromised}"
                f" after dispatch where none was promised; for {filing.length}."
            )
        case rules.Warranty():
            return f"As long as the warranty, and at least {filing.at_least} from delivery."
        case rules.ReturnPolicy():
            return (
                "Within the return window shown at purchase, from delivery;"
                f" {filing.unstated} where none was shown."
            )
    raise TypeError(f"{filing!r} is no filing window")


def shown(book: rules.Rulebook) -> Rulebook:
    """Show a rulebook."""
    return Rulebook(
        version=book.version,
        digest=Digest(book.digest),
        in_force_from=book.in_force_from,
        windows=[
            RulebookWindow(
                window=window, length=str(length), days=length.days, working=length.working
            )
            for window, length in book.windows.items()
        ],
        reasons=[_reason(book, reason) for reason in book.reasons],
        limits=[
            RulebookLimit(name=name, highest=value)
            for name, value in book.limits.model_dump().items()
        ],
        settlement_remedies=[r for r in book.settlement_remedies if r in CARRIED_OUT],
    )


def _reason(book: rules.Rulebook, reason: Reason) -> RulebookReason:
    return RulebookReason(
        reason=reason,
        sentence=reason.meaning,
        filer=reason.filer,
        filing=in_words(book.reasons[reason].filing),
        remedies=[r for r in book.remedies(reason, claim=True) if r in CARRIED_OUT],
        checklist=checklist(book, reason, {}),
    )


def in_force(context: Context, _row: Any, version: str | None) -> Rulebook | None:
    """Show a version, or the one that is newest today; None if there is no such version."""
    books = context.rulebooks
    if version is None:
        return shown(max(books, key=lambda book: book.in_force_from))
    try:
        return shown(books.version(version))
    except LookupError:
        return None

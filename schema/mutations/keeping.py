"""What the operator does about keeping and erasing: with a second person, and never under hold."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import strawberry

from odr import erasures, holds
from odr.work import Work
from schema.mutations import desk
from schema.mutations.acts import does
from schema.mutations.desk import Info, Input
from schema.payloads import Payload
from schema.reader import declaration as read
from schema.types.keeping import Erasure, LegalHold
from schema.types.words import ErasureGround

_SCOPE = "administer"


@strawberry.input(description="Ask for the erasure of an exhibit; a second person approves it.")
class EraseExhibitInput(Input):
    """What is to be erased, and why."""

    exhibit_id: strawberry.ID
    ground: ErasureGround
    reason: str = strawberry.field(description="For the second person and the record.")
    words: bool = strawberry.field(
        default=True, description="Also title, description, file name and typed fields."
    )


@strawberry.type
class EraseExhibitPayload(Payload):
    """The erasure, asked for."""

    erasure: Erasure | None = read.key()


@strawberry.input(description="Agree to an erasure, as a second person. It cannot be undone.")
class ApproveErasureInput(Input):
    """An erasure that was asked for."""

    erasure_id: strawberry.ID


@strawberry.type
class ApproveErasurePayload(Payload):
    """The erasure."""

    erasure: Erasure | None = read.key()


@strawberry.input(description="Do not agree to an erasure, or take it back.")
class DeclineErasureInput(Input):
    """An erasure that was asked for."""

    erasure_id: strawberry.ID


@strawberry.type
class DeclineErasurePayload(Payload):
    """The erasure."""

    erasure: Erasure | None = read.key()


@strawberry.input(description="Keep everything of a case until this is lifted, or until then.")
class PlaceLegalHoldInput(Input):
    """A legal hold."""

    case_id: strawberry.ID
    reason: str = strawberry.field(description="Stands in the record, for everybody in the case.")
    until: datetime | None = None


@strawberry.type
class PlaceLegalHoldPayload(Payload):
    """The hold."""

    hold: LegalHold | None = read.key()


@strawberry.input(description="Lift a legal hold.")
class LiftLegalHoldInput(Input):
    """A hold that is placed."""

    hold_id: strawberry.ID
    reason: str


@strawberry.type
class LiftLegalHoldPayload(Payload):
    """The hold."""

    hold: LegalHold | None = read.key()


@strawberry.type
class KeepingActs:
    """What the operator does about keeping and erasing."""

    @does("Ask for the erasure of an exhibit; a second person approves it.")
    async def erase_exhibit(
        self, info: Info, input_: Annotated[EraseExhibitInput, strawberry.argument(name="input")]
    ) -> EraseExhibitPayload:
        """Ask for an erasure."""

        async def do(work: Work, exhibit: UUID) -> None:
            await erasures.ask(work, exhibit, input_.ground, input_.reason, words=input_.words)

        row = desk.find(input_.exhibit_id, "ex")
        done = await desk.upon(info, "erase_exhibit", input_, row, do, scope=_SCOPE)
        return EraseExhibitPayload(erasure=done.result, user_errors=done.errors)

    @does("Agree to an erasure, as a second person. It cannot be undone.")
    async def approve_erasure(
        self, info: Info, input_: Annotated[ApproveErasureInput, strawberry.argument(name="input")]
    ) -> ApproveErasurePayload:
        """Approve an erasure."""
        row = desk.find(input_.erasure_id, "er")
        done = await desk.upon(info, "approve_erasure", input_, row, erasures.approve, scope=_SCOPE)
        return ApproveErasurePayload(erasure=done.row, user_errors=done.errors)

    @does("Do not agree to an erasure, or take it back.")
    async def decline_erasure(
        self, info: Info, input_: Annotated[DeclineErasureInput, strawberry.argument(name="input")]
    ) -> DeclineErasurePayload:
        """Decline an erasure."""
        row = desk.find(input_.erasure_id, "er")
        done = await desk.upon(info, "decline_erasure", input_, row, erasures.decline, scope=_SCOPE)
        return DeclineErasurePayload(erasure=done.row, user_errors=done.errors)

    @does("Keep everything of a case until the hold is lifted, or until then.")
    async def place_legal_hold(
        self, info: Info, input_: Annotated[PlaceLegalHoldInput, strawberry.argument(name="input")]
    ) -> PlaceLegalHoldPayload:
        """Place a legal hold."""

        async def do(work: Work, case: UUID) -> None:
            await holds.place(work, case, input_.reason, until=input_.until)

        row = desk.find(input_.case_id, "ca")
        done = await desk.upon(info, "place_legal_hold", input_, row, do, scope=_SCOPE)
        return PlaceLegalHoldPayload(hold=done.result, user_errors=done.errors)

    @does("Lift a legal hold.")
    async def lift_legal_hold(
        self, info: Info, input_: Annotated[LiftLegalHoldInput, strawberry.argument(name="input")]
    ) -> LiftLegalHoldPayload:
        """Lift a legal hold."""

        async def do(work: Work, hold: UUID) -> None:
            await holds.lift(work, hold, input_.reason)

        row = desk.find(input_.hold_id, "lh")
        done = await desk.upon(info, "lift_legal_hold", input_, row, do, scope=_SCOPE)
        return LiftLegalHoldPayload(hold=done.row, user_errors=done.errors)

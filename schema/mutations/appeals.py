"""A ruling appealed, and what another arbitrator decides on it."""

from collections.abc import Awaitable, Callable
from typing import Annotated
from uuid import UUID

import strawberry

from odr import appeals
from odr.procedure.acts import Act
from odr.work import Work
from schema.mutations import desk
from schema.mutations.acts import CasePayload, act
from schema.mutations.desk import CaseInput, Info
from schema.mutations.exhibits import ExhibitInput, given
from schema.mutations.rulings import RuleInput, decision_of
from schema.reader import declaration as read
from schema.types.appeal import Appeal
from schema.types.ruling import Ruling
from schema.types.words import AppealGround


@strawberry.input(description=Act.APPEAL.meaning)
class AppealInput(CaseInput):
    """Ground and statement; new evidence comes with it."""

    ground: AppealGround
    statement: str
    exhibits: list[ExhibitInput] = strawberry.field(
        default_factory=list, description="At least one where the ground is new evidence."
    )


@strawberry.type
class AppealPayload(CasePayload):
    """The appeal."""

    appeal: Appeal | None = read.key()


@strawberry.input(description=Act.AFFIRM_RULING.meaning)
class AffirmRulingInput(CaseInput):
    """Why the ruling stands."""

    reasons: str


@strawberry.type
class AffirmRulingPayload(CasePayload):
    """The appeal that is decided; somebody who has left the seat does not see it."""

    appeal: Appeal | None = read.key()


@strawberry.input(description=Act.VARY_RULING.meaning)
class VaryRulingInput(RuleInput):
    """The ruling that takes the first one's place."""


@strawberry.type
class VaryRulingPayload(CasePayload):
    """The ruling that holds."""

    ruling: Ruling | None = read.key()


@strawberry.input(description=Act.SET_ASIDE_RULING.meaning)
class SetAsideRulingInput(RuleInput):
    """The ruling that takes the first one's place."""


@strawberry.type
class SetAsideRulingPayload(CasePayload):
    """The ruling that holds."""

    ruling: Ruling | None = read.key()


def _deciding(
    decide: Callable[..., Awaitable[UUID]], given_: RuleInput
) -> Callable[[Work, UUID], Awaitable[UUID]]:
    async def do(work: Work, case: UUID) -> UUID:
        decision = await decision_of(work, case, given_)
        return await decide(work, case, decision, version=given_.expected_version)

    return do


@strawberry.type
class AppealActs:
    """Acts of appeals."""

    @act(Act.APPEAL)
    async def appeal(
        self, info: Info, input_: Annotated[AppealInput, strawberry.argument(name="input")]
    ) -> AppealPayload:
        """Have another look."""
        done = await desk.in_case(
            info,
            Act.APPEAL,
            input_,
            lambda work, case: appeals.appeal(
                work,
                case,
                ground=input_.ground,
                statement=input_.statement,
                given=given(input_.exhibits),
                version=input_.expected_version,
            ),
        )
        return AppealPayload(case=done.case, appeal=done.result, user_errors=done.errors)

    @act(Act.AFFIRM_RULING)
    async def affirm_ruling(
        self, info: Info, input_: Annotated[AffirmRulingInput, strawberry.argument(name="input")]
    ) -> AffirmRulingPayload:
        """Let it stand."""

        async def do(work: Work, case: UUID) -> None:
            # What is kept for the key is the appeal: an act that affirms makes nothing of its own.
            work.result = await appeals.affirm_ruling(
                work, case, reasons=input_.reasons, version=input_.expected_version
            )

        done = await desk.in_case(info, Act.AFFIRM_RULING, input_, do)
        return AffirmRulingPayload(case=done.case, appeal=done.result, user_errors=done.errors)

    @act(Act.VARY_RULING)
    async def vary_ruling(
        self, info: Info, input_: Annotated[VaryRulingInput, strawberry.argument(name="input")]
    ) -> VaryRulingPayload:
        """Put another in its place."""
        do = _deciding(appeals.vary_ruling, input_)
        done = await desk.in_case(info, Act.VARY_RULING, input_, do)
        return VaryRulingPayload(case=done.case, ruling=done.result, user_errors=done.errors)

    @act(Act.SET_ASIDE_RULING)
    async def set_aside_ruling(
        self, info: Info, input_: Annotated[SetAsideRulingInput, strawberry.argument(name="input")]
    ) -> SetAsideRulingPayload:
        """Decide anew."""
        do = _deciding(appeals.set_aside_ruling, input_)
        done = await desk.in_case(info, Act.SET_ASIDE_RULING, input_, do)
        return SetAsideRulingPayload(case=done.case, ruling=done.result, user_errors=done.errors)

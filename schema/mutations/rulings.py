"""Neutrals' own acts: the disclosure, the ruling; and that one will not appeal."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

import strawberry
from sqlalchemy import select

from odr import neutrals, rulings
from odr.models import cases
from odr.procedure.acts import Act
from odr.rulings import Decision, Found, NotReliedOn
from odr.terms import Terms
from odr.work import Work
from schema.mutations import desk
from schema.mutations.acts import CasePayload, act
from schema.mutations.desk import CaseInput, Info, TermsInput
from schema.reader import declaration as read
from schema.types.ruling import Ruling
from schema.types.words import RulingKind

_CASES = read.columns(cases.Case)


@strawberry.input(description=Act.DISCLOSE.meaning)
class DiscloseInput(CaseInput):
    """Interests in the case."""

    disclosure: str = strawberry.field(
        default="", description="Left empty it says that there are none."
    )


@strawberry.type
class DisclosePayload(CasePayload):
    """The case, in which the neutral has taken the seat."""


@strawberry.input(description="What is found about one issue.")
class FindingInput:
    """A finding."""

    issue: str
    body: str
    exhibits: list[strawberry.ID] = strawberry.field(description="What it cites, one at least.")


@strawberry.input(description="An exhibit on which the ruling does not rely.")
class NotReliedOnInput:
    """An exhibit not relied on, and why."""

    exhibit: strawberry.ID
    why: str


@strawberry.input(description=Act.RULE.meaning)
class RuleInput(CaseInput):
    """The decision; every exhibit of the record is cited, or named as not relied on."""

    kind: RulingKind
    findings: list[FindingInput]
    not_relied_on: list[NotReliedOnInput] = strawberry.field(default_factory=list)
    reasons: str
    terms: TermsInput | None = strawberry.field(
        default=None, description="Left out where the claim is dismissed."
    )


@strawberry.type
class RulePayload(CasePayload):
    """The ruling."""

    ruling: Ruling | None = read.key()


@strawberry.input(description=Act.WAIVE_APPEAL.meaning)
class WaiveAppealInput(CaseInput):
    """The case."""


@strawberry.type
class WaiveAppealPayload(CasePayload):
    """The case."""


async def decision_of(work: Work, case: UUID, given: RuleInput) -> Decision:
    """Read a decision; without terms where the input has none."""
    if given.terms is not None:
        terms = desk.terms_of(given.terms)
    else:
        currency = select(_CASES.c.currency).where(_CASES.c.id == case)
        terms = Terms((await work.conn.execute(currency)).scalar_one_or_none() or "", ())
    return Decision(
        kind=given.kind,
        findings=[
            Found(found.issue, found.body, _exhibits(found.exhibits, number))
            for number, found in enumerate(given.findings)
        ],
        not_relied_on=[
            NotReliedOn(
                desk.keyed(each.exhibit, "ex", ("not_relied_on", number, "exhibit")), each.why
            )
            for number, each in enumerate(given.not_relied_on)
        ],
        reasons=given.reasons,
        terms=terms,
    )


def _exhibits(ids: Sequence[str], finding: int) -> list[UUID]:
    return [
        desk.keyed(each, "ex", ("findings", finding, "exhibits", number))
        for number, each in enumerate(ids)
    ]


@strawberry.type
class RulingActs:
    """Acts of neutrals, and after a ruling."""

    @act(Act.DISCLOSE)
    async def disclose(
        self, info: Info, input_: Annotated[DiscloseInput, strawberry.argument(name="input")]
    ) -> DisclosePayload:
        """Take the seat."""
        done = await desk.in_case(
            info,
            Act.DISCLOSE,
            input_,
            lambda work, case: neutrals.disclose(
                work, case, disclosure=input_.disclosure, version=input_.expected_version
            ),
        )
        return DisclosePayload(case=done.case, user_errors=done.errors)

    @act(Act.RULE)
    async def rule(
        self, info: Info, input_: Annotated[RuleInput, strawberry.argument(name="input")]
    ) -> RulePayload:
        """Decide on the frozen record."""

        async def do(work: Work, case: UUID) -> UUID:
            decision = await decision_of(work, case, input_)
            return await rulings.rule(work, case, decision, version=input_.expected_version)

        done = await desk.in_case(info, Act.RULE, input_, do)
        return RulePayload(case=done.case, ruling=done.result, user_errors=done.errors)

    @act(Act.WAIVE_APPEAL)
    async def waive_appeal(
        self, info: Info, input_: Annotated[WaiveAppealInput, strawberry.argument(name="input")]
    ) -> WaiveAppealPayload:
        """Make the ruling final, if the other side does the same."""
        done = await desk.in_case(
            info,
            Act.WAIVE_APPEAL,
            input_,
            lambda work, case: rulings.waive_appeal(work, case, version=input_.expected_version),
        )
        return WaiveAppealPayload(case=done.case, user_errors=done.errors)

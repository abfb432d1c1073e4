"""How a case comes before a mediator and an arbitrator, and how its record is closed."""

from typing import Annotated

import strawberry

from odr import hearings
from odr.procedure.acts import Act
from schema.mutations import desk
from schema.mutations.acts import CasePayload, act
from schema.mutations.desk import CaseInput, Info


@strawberry.input(description=Act.REQUEST_INTERVENTION.meaning)
class RequestInterventionInput(CaseInput):
    """The case."""

    reason: str = ""


@strawberry.type
class RequestInterventionPayload(CasePayload):
    """The case."""


@strawberry.input(description=Act.DECLARE_IMPASSE.meaning)
class DeclareImpasseInput(CaseInput):
    """The case."""


@strawberry.type
class DeclareImpassePayload(CasePayload):
    """The case."""


@strawberry.input(description=Act.REQUEST_ARBITRATION.meaning)
class RequestArbitrationInput(CaseInput):
    """The case."""


@strawberry.type
class RequestArbitrationPayload(CasePayload):
    """The case."""


@strawberry.input(description=Act.CONSENT.meaning)
class ConsentInput(CaseInput):
    """The case."""


@strawberry.type
class ConsentPayload(CasePayload):
    """The case."""


@strawberry.input(description=Act.DECLINE_CONSENT.meaning)
class DeclineConsentInput(CaseInput):
    """The case."""


@strawberry.type
class DeclineConsentPayload(CasePayload):
    """The case."""


@strawberry.input(description=Act.REST.meaning)
class RestInput(CaseInput):
    """The case."""


@strawberry.type
class RestPayload(CasePayload):
    """The case."""


@strawberry.input(description=Act.CLOSE_RECORD.meaning)
class CloseRecordInput(CaseInput):
    """The case."""


@strawberry.type
class CloseRecordPayload(CasePayload):
    """The case."""


@strawberry.type
class HearingActs:
    """Acts by which a case goes on to a neutral."""

    @act(Act.REQUEST_INTERVENTION)
    async def request_intervention(
        self,
        info: Info,
        input_: Annotated[RequestInterventionInput, strawberry.argument(name="input")],
    ) -> RequestInterventionPayload:
        """Take the case to mediation."""
        done = await desk.in_case(
            info,
            Act.REQUEST_INTERVENTION,
            input_,
            lambda work, case: hearings.request_intervention(
                work, case, reason=input_.reason, version=input_.expected_version
            ),
        )
        return RequestInterventionPayload(case=done.case, user_errors=done.errors)

    @act(Act.DECLARE_IMPASSE)
    async def declare_impasse(
        self, info: Info, input_: Annotated[DeclareImpasseInput, strawberry.argument(name="input")]
    ) -> DeclareImpassePayload:
        """Take the case to arbitration."""
        done = await desk.in_case(
            info,
            Act.DECLARE_IMPASSE,
            input_,
            lambda work, case: hearings.declare_impasse(
                work, case, version=input_.expected_version
            ),
        )
        return DeclareImpassePayload(case=done.case, user_errors=done.errors)

    @act(Act.REQUEST_ARBITRATION)
    async def request_arbitration(
        self,
        info: Info,
        input_: Annotated[RequestArbitrationInput, strawberry.argument(name="input")],
    ) -> RequestArbitrationPayload:
        """Take the case to arbitration."""
        done = await desk.in_case(
            info,
            Act.REQUEST_ARBITRATION,
            input_,
            lambda work, case: hearings.request_arbitration(
                work, case, version=input_.expected_version
            ),
        )
        return RequestArbitrationPayload(case=done.case, user_errors=done.errors)

    @act(Act.CONSENT)
    async def consent(
        self, info: Info, input_: Annotated[ConsentInput, strawberry.argument(name="input")]
    ) -> ConsentPayload:
        """Be bound by the ruling."""
        done = await desk.in_case(
            info,
            Act.CONSENT,
            input_,
            lambda work, case: hearings.consent(work, case, version=input_.expected_version),
        )
        return ConsentPayload(case=done.case, user_errors=done.errors)

    @act(Act.DECLINE_CONSENT)
    async def decline_consent(
        self, info: Info, input_: Annotated[DeclineConsentInput, strawberry.argument(name="input")]
    ) -> DeclineConsentPayload:
        """Keep the way to court."""
        done = await desk.in_case(
            info,
            Act.DECLINE_CONSENT,
            input_,
            lambda work, case: hearings.decline_consent(
                work, case, version=input_.expected_version
            ),
        )
        return DeclineConsentPayload(case=done.case, user_errors=done.errors)

    @act(Act.REST)
    async def rest(
        self, info: Info, input_: Annotated[RestInput, strawberry.argument(name="input")]
    ) -> RestPayload:
        """Have nothing to add."""
        done = await desk.in_case(
            info,
            Act.REST,
            input_,
            lambda work, case: hearings.rest(work, case, version=input_.expected_version),
        )
        return RestPayload(case=done.case, user_errors=done.errors)

    @act(Act.CLOSE_RECORD)
    async def close_record(
        self, info: Info, input_: Annotated[CloseRecordInput, strawberry.argument(name="input")]
    ) -> CloseRecordPayload:
        """Freeze the record."""
        done = await desk.in_case(
            info,
            Act.CLOSE_RECORD,
            input_,
            lambda work, case: hearings.close_record(work, case, version=input_.expected_version),
        )
        return CloseRecordPayload(case=done.case, user_errors=done.errors)

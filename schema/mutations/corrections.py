"""A slip in a ruling: asked to be corrected, and corrected."""

from typing import Annotated

import strawberry

from odr import corrections
from odr.procedure.acts import Act
from schema.mutations import desk
from schema.mutations.acts import CasePayload, act
from schema.mutations.desk import CaseInput, Info, TermsInput
from schema.reader import declaration as read
from schema.types.ruling import Correction, CorrectionRequest


@strawberry.input(description=Act.REQUEST_CORRECTION.meaning)
class RequestCorrectionInput(CaseInput):
    """What is wrong, and how it should read."""

    body: str


@strawberry.type
class RequestCorrectionPayload(CasePayload):
    """The request."""

    correction_request: CorrectionRequest | None = read.key()


@strawberry.input(description=Act.CORRECT_RULING.meaning)
class CorrectRulingInput(CaseInput):
    """How the ruling reads right."""

    body: str
    terms: TermsInput | None = strawberry.field(
        default=None,
        description="The right terms where they were wrong; waivers of the appeal are void then.",
    )


@strawberry.type
class CorrectRulingPayload(CasePayload):
    """The correction."""

    correction: Correction | None = read.key()


@strawberry.type
class CorrectionActs:
    """Acts of corrections."""

    @act(Act.REQUEST_CORRECTION)
    async def request_correction(
        self,
        info: Info,
        input_: Annotated[RequestCorrectionInput, strawberry.argument(name="input")],
    ) -> RequestCorrectionPayload:
        """Ask the arbitrator."""
        done = await desk.in_case(
            info,
            Act.REQUEST_CORRECTION,
            input_,
            lambda work, case: corrections.request_correction(
                work, case, input_.body, version=input_.expected_version
            ),
        )
        return RequestCorrectionPayload(
            case=done.case, correction_request=done.result, user_errors=done.errors
        )

    @act(Act.CORRECT_RULING)
    async def correct_ruling(
        self, info: Info, input_: Annotated[CorrectRulingInput, strawberry.argument(name="input")]
    ) -> CorrectRulingPayload:
        """Put it right."""
        given = input_.terms if input_.terms is not None and input_.terms.items else None
        done = await desk.in_case(
            info,
            Act.CORRECT_RULING,
            input_,
            lambda work, case: corrections.correct_ruling(
                work,
                case,
                input_.body,
                corrected=None if given is None else desk.terms_of(given),
                version=input_.expected_version,
            ),
        )
        return CorrectRulingPayload(case=done.case, correction=done.result, user_errors=done.errors)

"""What an arbitrator asks of a side, and the answer."""

from typing import Annotated

import strawberry

from odr import information
from odr.models import arbitration
from odr.procedure.acts import Act
from schema.mutations import desk
from schema.mutations.acts import CasePayload, act
from schema.mutations.desk import CaseInput, Info, Input
from schema.mutations.exhibits import ExhibitInput, given
from schema.reader import declaration as read
from schema.types.information import InformationRequest
from schema.types.words import Side

_REQUESTS = read.columns(arbitration.InformationRequest)


@strawberry.interface(description="What an act upon a request for information answers.")
class InformationPayload(CasePayload):
    """The request as it is now."""

    information_request: InformationRequest | None = read.key()


@strawberry.input(description=Act.REQUEST_INFORMATION.meaning)
class RequestInformationInput(CaseInput):
    """The question to one side."""

    side: Side = strawberry.field(description="Who is asked.")
    question: str


@strawberry.type
class RequestInformationPayload(InformationPayload):
    """The request."""


@strawberry.input(description=Act.ANSWER_REQUEST.meaning)
class AnswerRequestInput(Input):
    """The answer to one request, with evidence if it has any."""

    request_id: strawberry.ID
    body: str
    exhibits: list[ExhibitInput] = strawberry.field(default_factory=list)
    expected_version: int | None = strawberry.field(
        default=None, description="Refused as stale if the case has another `version`."
    )


@strawberry.type
class AnswerRequestPayload(InformationPayload):
    """The request with its answer."""


@strawberry.type
class InformationActs:
    """Acts of requests for information."""

    @act(Act.REQUEST_INFORMATION)
    async def request_information(
        self,
        info: Info,
        input_: Annotated[RequestInformationInput, strawberry.argument(name="input")],
    ) -> RequestInformationPayload:
        """Ask a side."""
        done = await desk.in_case(
            info,
            Act.REQUEST_INFORMATION,
            input_,
            lambda work, case: information.request_information(
                work,
                case,
                side=input_.side,
                question=input_.question,
                version=input_.expected_version,
            ),
        )
        return RequestInformationPayload(
            case=done.case, information_request=done.result, user_errors=done.errors
        )

    @act(Act.ANSWER_REQUEST)
    async def answer_request(
        self, info: Info, input_: Annotated[AnswerRequestInput, strawberry.argument(name="input")]
    ) -> AnswerRequestPayload:
        """Answer it."""
        done = await desk.on_row(
            info,
            Act.ANSWER_REQUEST,
            input_,
            desk.find(input_.request_id, "ir"),
            _REQUESTS,
            lambda work, request: information.answer_request(
                work,
                request,
                input_.body,
                given=given(input_.exhibits),
                version=input_.expected_version,
            ),
        )
        return AnswerRequestPayload(
            case=done.case, information_request=done.row, user_errors=done.errors
        )

"""Messages: to everybody in the room, and in caucus."""

from typing import Annotated

import strawberry

from odr import messages
from odr.procedure.acts import Act
from schema.mutations import desk
from schema.mutations.acts import CasePayload, act
from schema.mutations.desk import CaseInput, Info
from schema.reader import declaration as read
from schema.types.message import CaucusMessage, Message
from schema.types.words import Side


@strawberry.input(description=Act.SEND_MESSAGE.meaning)
class SendMessageInput(CaseInput):
    """What is said."""

    body: str
    asks: Side | None = strawberry.field(
        default=None,
        description="Of neutrals: whom it asks for a picture or film that shows a code, which is"
        " made with the message.",
    )


@strawberry.type
class SendMessagePayload(CasePayload):
    """The message."""

    message: Message | None = read.key()


@strawberry.input(description=Act.SEND_CAUCUS_MESSAGE.meaning)
class SendCaucusMessageInput(CaseInput):
    """What is said in confidence."""

    body: str
    with_side: Side | None = strawberry.field(
        default=None, description="To which side, if the mediator writes."
    )


@strawberry.type
class SendCaucusMessagePayload(CasePayload):
    """The message."""

    message: CaucusMessage | None = read.key()


@strawberry.type
class MessageActs:
    """Acts of talk."""

    @act(Act.SEND_MESSAGE)
    async def send_message(
        self, info: Info, input_: Annotated[SendMessageInput, strawberry.argument(name="input")]
    ) -> SendMessagePayload:
        """Write to everybody."""
        done = await desk.in_case(
            info,
            Act.SEND_MESSAGE,
            input_,
            lambda work, case: messages.send_message(
                work,
                case,
                input_.body,
                asks=input_.asks,
                version=input_.expected_version,
            ),
        )
        return SendMessagePayload(case=done.case, message=done.result, user_errors=done.errors)

    @act(Act.SEND_CAUCUS_MESSAGE)
    async def send_caucus_message(
        self,
        info: Info,
        input_: Annotated[SendCaucusMessageInput, strawberry.argument(name="input")],
    ) -> SendCaucusMessagePayload:
        """Write in confidence."""
        done = await desk.in_case(
            info,
            Act.SEND_CAUCUS_MESSAGE,
            input_,
            lambda work, case: messages.send_caucus_message(
                work,
                case,
                input_.body,
                with_side=input_.with_side,
                version=input_.expected_version,
            ),
        )
        return SendCaucusMessagePayload(
            case=done.case, message=done.result, user_errors=done.errors
        )

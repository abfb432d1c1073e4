"""The viewer's own account: how they are shown things."""

from typing import Annotated
from uuid import UUID

import strawberry

from odr import people
from odr.work import Work
from schema.mutations import desk
from schema.mutations.acts import does
from schema.mutations.desk import Info, Input
from schema.payloads import Payload
from schema.reader import declaration as read
from schema.types.account import Account


@strawberry.input(description="Choose how the viewer is shown things; what is left out stays.")
class SetPreferencesInput(Input):
    """Language and time zone."""

    language: str | None = strawberry.field(
        default=None, description="BCP 47; also of the letters that are sent."
    )
    zone: str | None = strawberry.field(
        default=None, description="A zone of the IANA database, in which times are written."
    )


@strawberry.type
class SetPreferencesPayload(Payload):
    """The viewer's account."""

    account: Account | None = read.key()


@strawberry.type
class AccountActs:
    """What people do with their own account."""

    @does("Choose how the viewer is shown things: language and time zone.")
    async def set_preferences(
        self, info: Info, input_: Annotated[SetPreferencesInput, strawberry.argument(name="input")]
    ) -> SetPreferencesPayload:
        """Set preferences."""

        async def do(work: Work, account: UUID) -> None:
            await people.set_preferences(work, account, language=input_.language, zone=input_.zone)

        own = info.context.actor.account_id
        done = await desk.upon(info, "set_preferences", input_, own, do, scope="read")
        return SetPreferencesPayload(account=done.row, user_errors=done.errors)

"""Tokens: made and ended by people, never by programs."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import strawberry

from odr import tokens
from odr.errors import NotFound
from odr.tokens import Made
from odr.work import Work
from schema.mutations import desk
from schema.mutations.acts import does
from schema.mutations.desk import Info, Input
from schema.payloads import Payload
from schema.reader import declaration as read
from schema.types.token import Token


@strawberry.input(description="Make a token for an organisation for which the viewer acts.")
class CreateTokenInput(Input):
    """A token."""

    organisation_id: strawberry.ID
    name: str
    scopes: list[str] = strawberry.field(
        description="Of `read`, `act`, `register`, `insure`, `administer`."
    )
    days: int = strawberry.field(default=365, description="For so long it opens.")


@strawberry.type
class CreateTokenPayload(Payload):
    """The token, and its secret for this one time."""

    token: Token | None = read.key()
    secret: str | None = strawberry.field(
        description="Shown once; a repeated request does not show it again."
    )
    expires: datetime | None


@strawberry.input(description="Make the successor of a token.")
class RotateTokenInput(Input):
    """A token; it opens for a day more."""

    token_id: strawberry.ID


@strawberry.type
class RotateTokenPayload(Payload):
    """The new token, and its secret for this one time."""

    token: Token | None = read.key()
    secret: str | None
    expires: datetime | None


@strawberry.input(description="End a token at once.")
class RevokeTokenInput(Input):
    """A token."""

    token_id: strawberry.ID


@strawberry.type
class RevokeTokenPayload(Payload):
    """The token."""

    token: Token | None = read.key()


@strawberry.type
class TokenActs:
    """Tokens of an organisation."""

    @does("Make a token for an organisation for which the viewer acts.")
    async def create_token(
        self, info: Info, input_: Annotated[CreateTokenInput, strawberry.argument(name="input")]
    ) -> CreateTokenPayload:
        """Make a token."""
        organisation = desk.find(input_.organisation_id, "og")
        made: list[Made] = []

        async def do(work: Work) -> None:
            if organisation is None:
                raise NotFound
            made.append(
                await tokens.create(
                    work,
                    organisation,
                    name=input_.name,
                    scopes=input_.scopes,
                    days=input_.days,
                )
            )

        done = await desk.act(info, "create_token", input_, do, scope="read")
        fresh = made[0] if made and done.result is not None else None
        return CreateTokenPayload(
            token=done.result,
            secret=fresh.token if fresh else None,
            expires=fresh.expires if fresh else None,
            user_errors=done.errors,
        )

    @does("Make the successor of a token; the old one opens for a day more.")
    async def rotate_token(
        self, info: Info, input_: Annotated[RotateTokenInput, strawberry.argument(name="input")]
    ) -> RotateTokenPayload:
        """Rotate a token."""
        made: list[Made] = []

        async def do(work: Work, token: UUID) -> None:
            made.append(await tokens.rotate(work, token))

        row = desk.find(input_.token_id, "to")
        done = await desk.upon(info, "rotate_token", input_, row, do, scope="read")
        fresh = made[0] if made and done.result is not None else None
        return RotateTokenPayload(
            token=done.result,
            secret=fresh.token if fresh else None,
            expires=fresh.expires if fresh else None,
            user_errors=done.errors,
        )

    @does("End a token at once.")
    async def revoke_token(
        self, info: Info, input_: Annotated[RevokeTokenInput, strawberry.argument(name="input")]
    ) -> RevokeTokenPayload:
        """End a token."""

        async def do(work: Work, token: UUID) -> None:
            await tokens.revoke(work, token)

        row = desk.find(input_.token_id, "to")
        done = await desk.upon(info, "revoke_token", input_, row, do, scope="read")
        return RevokeTokenPayload(token=done.row, user_errors=done.errors)

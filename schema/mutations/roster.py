"""The operator's own: who is on the roster, which organisations there are, who acts for them."""

from typing import Annotated
from uuid import UUID

import strawberry

from odr import people, roster
from odr.errors import NotFound
from odr.work import Work
from schema import ids
from schema.mutations import desk
from schema.mutations.acts import does
from schema.mutations.desk import Info, Input
from schema.mutations.registration import PersonInput
from schema.payloads import Payload
from schema.reader import declaration as read
from schema.types.neutral import Neutral
from schema.types.organisation import Organisation
from schema.types.words import NeutralKind, OrganisationKind

_SCOPE = "administer"


@strawberry.input(description="Put a person on the roster of neutrals, or change their entry.")
class ListNeutralInput(Input):
    """An entry of the roster."""

    account_id: strawberry.ID
    kinds: list[NeutralKind]
    languages: list[str]
    expertise: list[str] = strawberry.field(
        default_factory=list, description="Categories of orders."
    )
    cases_max: int = 20


@strawberry.type
class ListNeutralPayload(Payload):
    """The neutral."""

    neutral: Neutral | None = read.key()


@strawberry.input(description="Appoint a neutral no more.")
class UnlistNeutralInput(Input):
    """A neutral; the cases that they have stay theirs."""

    account_id: strawberry.ID


@strawberry.type
class UnlistNeutralPayload(Payload):
    """The neutral."""

    neutral: Neutral | None = read.key()


@strawberry.input(description="Let an organisation in.")
class OpenOrganisationInput(Input):
    """An organisation, with its first member."""

    kind: OrganisationKind
    name: str
    country: str = strawberry.field(description="ISO 3166, two letters.")
    members: list[PersonInput]


@strawberry.type
class OpenOrganisationPayload(Payload):
    """The organisation."""

    organisation: Organisation | None = read.key()


@strawberry.input(description="Let a person act for an organisation.")
class AddMemberInput(Input):
    """A member."""

    organisation_id: strawberry.ID
    person: PersonInput


@strawberry.type
class AddMemberPayload(Payload):
    """The member's account."""

    account_id: strawberry.ID | None


@strawberry.input(description="Let a person act for an organisation no more.")
class RemoveMemberInput(Input):
    """A member."""

    organisation_id: strawberry.ID
    account_id: strawberry.ID


@strawberry.type
class RemoveMemberPayload(Payload):
    """Nothing but what was refused."""


@strawberry.type
class RosterActs:
    """What the operator keeps."""

    @does("Put a person on the roster of neutrals, or change their entry.")
    async def list_neutral(
        self, info: Info, input_: Annotated[ListNeutralInput, strawberry.argument(name="input")]
    ) -> ListNeutralPayload:
        """List a neutral."""

        async def do(work: Work, account: UUID) -> None:
            await roster.list_neutral(
                work,
                account,
                kinds=input_.kinds,
                languages=input_.languages,
                expertise=input_.expertise,
                cases_max=input_.cases_max,
            )

        row = desk.find(input_.account_id, "ac")
        done = await desk.upon(info, "list_neutral", input_, row, do, scope=_SCOPE)
        return ListNeutralPayload(neutral=done.result, user_errors=done.errors)

    @does("Appoint a neutral no more; the cases that they have stay theirs.")
    async def unlist_neutral(
        self, info: Info, input_: Annotated[UnlistNeutralInput, strawberry.argument(name="input")]
    ) -> UnlistNeutralPayload:
        """Unlist a neutral."""

        async def do(work: Work, account: UUID) -> None:
            await roster.unlist_neutral(work, account)

        row = desk.find(input_.account_id, "ac")
        done = await desk.upon(info, "unlist_neutral", input_, row, do, scope=_SCOPE)
        return UnlistNeutralPayload(neutral=done.row, user_errors=done.errors)

    @does("Let an organisation in, with its first members.")
    async def open_organisation(
        self,
        info: Info,
        input_: Annotated[OpenOrganisationInput, strawberry.argument(name="input")],
    ) -> OpenOrganisationPayload:
        """Let an organisation in."""

        async def do(work: Work) -> None:
            if not work.actor.operator:
                raise NotFound
            members = [
                await people.register(work, member.person(), ("members", number))
                for number, member in enumerate(input_.members)
            ]
            await people.open_organisation(
                work, input_.kind, input_.name, input_.country, tuple(members)
            )

        done = await desk.act(info, "open_organisation", input_, do, scope=_SCOPE)
        return OpenOrganisationPayload(organisation=done.result, user_errors=done.errors)

    @does("Let a person act for an organisation, by one of its members.")
    async def add_member(
        self, info: Info, input_: Annotated[AddMemberInput, strawberry.argument(name="input")]
    ) -> AddMemberPayload:
        """Add a member."""
        organisation = desk.find(input_.organisation_id, "og")

        async def do(work: Work) -> None:
            if organisation is None:
                raise NotFound
            await people.add_member(work, organisation, input_.person.person())

        done = await desk.act(info, "add_member", input_, do, below=organisation)
        told = None if done.result is None else strawberry.ID(ids.write("ac", done.result))
        return AddMemberPayload(account_id=told, user_errors=done.errors)

    @does("Let a person act for an organisation no more.")
    async def remove_member(
        self, info: Info, input_: Annotated[RemoveMemberInput, strawberry.argument(name="input")]
    ) -> RemoveMemberPayload:
        """Remove a member."""
        organisation = desk.find(input_.organisation_id, "og")
        account = desk.find(input_.account_id, "ac")

        async def do(work: Work) -> None:
            if organisation is None or account is None:
                raise NotFound
            await people.remove_member(work, organisation, account)

        done = await desk.act(info, "remove_member", input_, do, below=organisation)
        return RemoveMemberPayload(user_errors=done.errors)

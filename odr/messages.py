"""Messages: what is said to everybody in a room, and what is said in caucus."""

from uuid import UUID

from sqlalchemy import insert

from odr import cases, claims
from odr.cases import Entry
from odr.errors import Invalid
from odr.models.dialogue import CaucusMessage, Message
from odr.models.states import Channel
from odr.procedure.acts import Act, Role
from odr.words import Side
from odr.work import Work

_ROOMS = {
    Side.CLAIMANT: (Channel.CLAIMANT_CAUCUS, Role.CLAIMANT),
    Side.RESPONDENT: (Channel.RESPONDENT_CAUCUS, Role.RESPONDENT),
}


async def send_message(work: Work, case_id: UUID, body: str, *, version: int | None = None) -> UUID:
    """Write to everybody; what is written in mediation stays behind the wall."""
    held = await cases.hold(work, case_id, Act.SEND_MESSAGE, version=version)
    claims.text_within(body, ("body",), held.rulebook.limits.message_characters)
    side = held.side or Side.NEUTRAL
    await work.conn.execute(
        insert(Message).values(
            id=work.result,
            case_id=case_id,
            channel=held.channel,
            side=side,
            account_id=work.actor.account_id,
            body=body,
            at=work.at,
        )
    )
    entry = Entry(
        said={"message": str(work.result), "body": body},
        shown={"message": str(work.result)},
        channel=held.channel,
        tell=(Role.CLAIMANT, Role.RESPONDENT, Role.MEDIATOR, Role.ARBITRATOR),
    )
    await cases.advance(work, held, entry)
    return work.result


async def send_caucus_message(
    work: Work,
    case_id: UUID,
    body: str,
    *,
    with_side: Side | None = None,
    version: int | None = None,
) -> UUID:
    """Write in confidence: a side to the mediator, or the mediator to the side ``with_side``."""
    held = await cases.hold(work, case_id, Act.SEND_CAUCUS_MESSAGE, version=version)
    claims.text_within(body, ("body",), held.rulebook.limits.message_characters)
    side = held.side or Side.NEUTRAL
    other = side if side is not Side.NEUTRAL else with_side
    if other not in _ROOMS:
        raise Invalid(("with_side",), "missing")
    channel, party = _ROOMS[other]
    await work.conn.execute(
        insert(CaucusMessage).values(
            id=work.result,
            case_id=case_id,
            with_side=other,
            side=side,
            account_id=work.actor.account_id,
            sealed=work.office.caucus.seal(work.result, body),
            at=work.at,
        )
    )
    # The record's private body binds what was said without holding it in clear.
    sealed = work.office.caucus.digest(work.result, body)
    entry = Entry(
        said={"message": str(work.result), "body_hmac": sealed.hex()},
        shown={"message": str(work.result)},
        channel=channel,
        tell=(party, Role.MEDIATOR),
    )
    await cases.advance(work, held, entry)
    return work.result

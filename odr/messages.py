"""Messages: what is said to everybody in a room, and what is said in caucus."""

import secrets
from typing import Final
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

_SIGNS: Final = "3479ACEFHJKMNPRTWXY"
_CODE_LENGTH: Final = 6

_ROOMS = {
    Side.CLAIMANT: (Channel.CLAIMANT_CAUCUS, Role.CLAIMANT),
    Side.RESPONDENT: (Channel.RESPONDENT_CAUCUS, Role.RESPONDENT),
}


async def send_message(
    work: Work,
    case_id: UUID,
    body: str,
    *,
    asks: Side | None = None,
    version: int | None = None,
) -> UUID:
    """Write to everybody; what is written in mediation stays behind the wall.

    A neutral may ask a side (``asks``) for a picture or film that shows a code made now: what was
    made before, or by somebody else, does not show it.
    """
    held = await cases.hold(work, case_id, Act.SEND_MESSAGE, version=version)
    claims.text_within(body, ("body",), held.rulebook.limits.message_characters)
    side = held.side or Side.NEUTRAL
    if asks is not None and side is not Side.NEUTRAL:
        raise Invalid(("asks",), "neutrals_only")
    if asks is Side.NEUTRAL:
        raise Invalid(("asks",), "not_a_party")
    code = None if asks is None else _code()
    await work.conn.execute(
        insert(Message).values(
            id=work.result,
            case_id=case_id,
            channel=held.channel,
            side=side,
            account_id=work.actor.account_id,
            body=body,
            asks=asks,
            code=code,
            at=work.at,
        )
    )
    said = {"message": str(work.result), "body": body}
    if asks is not None and code is not None:
        said |= {"asks": asks.value, "code": code}
    entry = Entry(
        said=said,
        shown={"message": str(work.result)},
        channel=held.channel,
        tell=(Role.CLAIMANT, Role.RESPONDENT, Role.MEDIATOR, Role.ARBITRATOR),
    )
    await cases.advance(work, held, entry)
    return work.result


def _code() -> str:
    """Six signs that nobody mistakes for one another, however they are written."""
    return "".join(secrets.choice(_SIGNS) for _ in range(_CODE_LENGTH))


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

"""Requests for information: what an arbitrator asks of a side, answered in time or not at all.

Both sides read question and answer. A request never outlives the window of the state in which it
is made, so nobody is told of time that the case does not give.
"""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlmodel import col

from odr import cases, claims, deadlines, exhibits
from odr.cases import Entry
from odr.deadlines import Start
from odr.errors import Invalid, Late, NotFound, Unmet
from odr.exhibits import Given
from odr.models.arbitration import InformationRequest
from odr.models.states import Channel
from odr.procedure import clocks as timers
from odr.procedure.acts import Act, Role
from odr.procedure.clocks import Clock
from odr.procedure.facts import Fact
from odr.rulebook import Window
from odr.words import Side
from odr.work import Work


async def request_information(
    work: Work, case_id: UUID, *, side: Side, question: str, version: int | None = None
) -> UUID:
    """Ask one side for information or evidence; the request's id is ``work.result``."""
    held = await cases.hold(work, case_id, Act.REQUEST_INFORMATION, version=version)
    if side is Side.NEUTRAL:
        raise Invalid(("side",), "not_a_party")
    claims.text_within(question, ("question",), held.rulebook.limits.message_characters)
    stage = await deadlines.running(work.conn, case_id, timers.STAGE_CLOCKS[held.case.state])
    due = min(held.window(Window.INFORMATION, work.noticed), stage.due)
    request = InformationRequest(
        id=work.result,
        case_id=case_id,
        side=side,
        account_id=work.actor.account_id,
        question=question,
        at=work.at,
        due=due,
    )
    await work.conn.execute(insert(InformationRequest).values(request.model_dump()))
    entry = Entry(
        said={"request": str(request.id), "side": side.value, "question": question},
        shown={"request": str(request.id)},
        start=(Start(Clock.INFORMATION, request.id, side, due=due),),
    )
    await cases.advance(work, held, entry)
    return request.id


async def answer_request(
    work: Work,
    request_id: UUID,
    body: str,
    *,
    given: Sequence[Given] = (),
    version: int | None = None,
) -> UUID:
    """Answer what one's own side was asked, with exhibits if there are any.

    ``Late`` for a request that has expired, ``Unmet`` for one that was answered.
    """
    found = await _request(work, request_id)
    try:
        held = await cases.hold(work, found.case_id, Act.ANSWER_REQUEST, version=version)
    except Unmet:
        _require_open(await _request(work, request_id))
        raise
    request = await _request(work, request_id)
    if request.side != held.party:
        raise NotFound
    _require_open(request)
    claims.text_within(body, ("body",), held.rulebook.limits.message_characters)
    await work.conn.execute(
        update(InformationRequest)
        .where(col(InformationRequest.id) == request_id)
        .values(answer=body, answered_by=work.actor.account_id, answered_at=work.at)
    )
    entry = Entry(
        said={"request": str(request_id), "body": body},
        shown={"request": str(request_id)},
        stop=(request_id,),
    )
    held = await cases.advance(work, held, entry)
    if given:
        await exhibits.add(work, held, given, Channel.RECORD)
    return request_id


async def _request(work: Work, request_id: UUID) -> InformationRequest:
    columns = InformationRequest.__table__.c  # type: ignore[attr-defined]  # SQLModel gives every table class its Table
    found = await work.conn.execute(select(*columns).where(columns.id == request_id))
    row = found.mappings().one_or_none()
    if row is None:
        raise NotFound
    return InformationRequest(**row)


def _require_open(request: InformationRequest) -> None:
    if request.expired_at is not None:
        raise Late(act=Act.ANSWER_REQUEST, due=request.due)
    if request.answered_at is not None:
        raise Unmet(act=Act.ANSWER_REQUEST, fact=Fact.REQUEST_TO_ANSWER)


async def expire_request(work: Work, case_id: UUID, request_id: UUID) -> None:
    """The request was not answered in time: the arbitrator decides without the answer."""
    held = await cases.hold(work, case_id, Act.EXPIRE_REQUEST, roles=frozenset({Role.CLOCK}))
    await work.conn.execute(
        update(InformationRequest)
        .where(col(InformationRequest.id) == request_id)
        .values(expired_at=work.at)
    )
    told = {"request": str(request_id)}
    await cases.advance(work, held, Entry(said=told, shown=told))

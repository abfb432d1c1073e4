"""The main job and the short ways, by the acts themselves on a real database."""

from datetime import timedelta

import pytest
from sqlalchemy import select, text

from evidence.deposit import Declared
from odr import (
    claims,
    exhibits,
    hearings,
    ids,
    messages,
    neutrals,
    offers,
    proposals,
    rulings,
    uploads,
)
from odr.errors import Late, NotAllowed, NotFound, Stale, Unmet
from odr.models.cases import Case, Seat
from odr.models.dialogue import Exhibit
from odr.models.states import RulingKind
from odr.policy import Viewer
from odr.procedure.acts import State
from odr.rulings import Decision, Found, NotReliedOn
from odr.words import ExhibitKind, Outcome
from tests.odr import world

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63"
    "386123070002f201234cea33b50000000049454e44ae426082"
)


class Court:
    """One case and who acts in it; each act in a transaction of its own."""

    def __init__(self, desk, people, case_id) -> None:
        self.desk, self.people, self.case_id = desk, people, case_id

    async def act(self, viewer, function, *arguments, **named):  # noqa: ANN002, ANN003 - passed on as they come
        async with self.desk.work(viewer, ids.child(self.case_id)) as work:
            return await function(work, *arguments, **named)

    async def row(self):
        async with self.desk.engine.connect() as conn:
            found = await conn.execute(
                select(*Case.__table__.c).where(Case.__table__.c.id == self.case_id)
            )
            return found.one()

    async def neutral(self, role):
        table = Seat.__table__.c
        async with self.desk.engine.connect() as conn:
            account = await conn.scalar(
                select(table.account_id).where(
                    table.case_id == self.case_id, table.role == role, table.until.is_(None)
                )
            )
        return Viewer(account)

    async def exhibits(self):
        table = Exhibit.__table__.c
        async with self.desk.engine.connect() as conn:
            rows = await conn.execute(
                select(table.id).where(table.case_id == self.case_id).order_by(table.at, table.id)
            )
            return list(rows.scalars())


async def given(desk, viewer, kind):
    """An upload of one's own, ready to be given as an exhibit."""

    async def pieces():
        yield PNG

    declared = Declared(size=len(PNG), media_type="image/png")
    upload = await uploads.deposit(desk, viewer, pieces(), declared, "photo.png")
    return exhibits.Given(upload_id=upload, kind=kind, title="A photo")


@pytest.fixture
async def court(engine, tmp_path):
    desk = world.office(engine, tmp_path)
    people = await world.make(engine)
    order = await world.order(engine, people)
    photo = await given(desk, people.buyer, ExhibitKind.PRODUCT_PHOTO)
    filing = claims.Filing(
        order_id=order,
        reason=world.Reason.DAMAGED_IN_TRANSIT,
        statement="It arrived broken.",
        terms=world.refund(12_900, full=True),
        exhibits=(photo,),
    )
    async with desk.work(people.buyer, ids.child(order)) as work:
        case_id = await claims.file(work, filing)
    return Court(desk, people, case_id)


async def to_mediation(court):
    waybill = await given(court.desk, court.people.seller, ExhibitKind.WAYBILL)
    await court.act(
        court.people.seller, claims.contest, court.case_id, statement="No.", given=(waybill,)
    )
    offer = await court.act(
        court.people.seller, offers.make_counter_offer, court.case_id, world.refund(3_000)
    )
    await court.act(court.people.buyer, offers.reject_counter_offer, offer)
    assert (await court.row()).state == State.MEDIATING
    return await court.neutral("mediator")


async def to_arbitration(court):
    mediator = await to_mediation(court)
    await court.act(mediator, neutrals.disclose, court.case_id)
    await court.act(
        court.people.buyer, messages.send_caucus_message, court.case_id, "I would take 80."
    )
    proposal = await court.act(
        mediator, proposals.propose_terms, court.case_id, world.refund(8_000), reasons="Halfway."
    )
    await court.act(court.people.buyer, proposals.accept_proposal, proposal)
    await court.act(court.people.seller, proposals.reject_proposal, proposal)
    await court.act(court.people.buyer, hearings.request_arbitration, court.case_id)
    assert (await court.row()).state == State.HEARING
    arbitrator = await court.neutral("arbitrator")
    assert arbitrator.account_id != mediator.account_id
    return arbitrator


async def test_a_case_goes_through_all_stages_to_a_ruling_and_its_payment(court):
    arbitrator = await to_arbitration(court)
    buyer, seller = court.people.buyer, court.people.seller
    await court.act(arbitrator, neutrals.disclose, court.case_id)
    photo, waybill = await court.exhibits()
    await court.act(seller, exhibits.answer_exhibit, photo, "The box was fine when it left.")
    await court.act(buyer, hearings.consent, court.case_id)
    await court.act(buyer, hearings.rest, court.case_id)
    await court.act(seller, hearings.rest, court.case_id)
    row = await court.row()
    assert row.state == State.DELIBERATING
    assert row.record_root is not None
    decision = Decision(
        kind=RulingKind.GRANTED_IN_PART,
        findings=[Found("Was it damaged?", "It was.", [photo])],
        not_relied_on=[NotReliedOn(waybill, "It says nothing of the condition.")],
        reasons="The photo shows the damage.",
        terms=world.refund(9_000),
    )
    await court.act(arbitrator, rulings.rule, court.case_id, decision)
    await court.act(buyer, rulings.waive_appeal, court.case_id)
    await court.act(seller, rulings.waive_appeal, court.case_id)
    row = await court.row()
    assert (row.state, row.outcome, row.granted_minor) == (
        State.PERFORMING,
        Outcome.RULED,
        9_000,
    )


async def test_what_the_seller_accepts_is_settled(court):
    await court.act(court.people.seller, claims.accept_claim, court.case_id)
    row = await court.row()
    assert (row.state, row.outcome) == (State.PERFORMING, Outcome.SETTLED)


async def test_an_offer_that_is_accepted_settles_the_case(court):
    await court.act(court.people.seller, claims.contest, court.case_id, statement="No.")
    offer = await court.act(
        court.people.seller, offers.make_offer, court.case_id, world.refund(5_000)
    )
    await court.act(court.people.buyer, offers.accept_offer, offer)
    row = await court.row()
    assert (row.outcome, row.granted_minor) == (Outcome.SETTLED, 5_000)


async def test_a_claim_that_is_withdrawn_is_closed_and_frees_the_escrow(court):
    await court.act(court.people.buyer, claims.withdraw, court.case_id)
    row = await court.row()
    assert (row.state, row.outcome) == (State.CLOSED, Outcome.WITHDRAWN)
    async with court.desk.engine.connect() as conn:
        held = await conn.scalar(text("SELECT sum(debits_pending) FROM ledger.balances"))
    assert held == 0


async def pass_time(admin, days):
    await admin.execute("UPDATE service_clock SET demo = true")
    await admin.execute("SELECT advance_service_clock($1)", timedelta(days=days))


async def test_an_answer_after_five_days_is_refused_even_if_no_worker_ran(court, admin):
    await pass_time(admin, 6)
    with pytest.raises(Late):
        await court.act(court.people.seller, claims.contest, court.case_id, statement="No.")


async def test_wrong_role_stage_case_and_version_are_refused(court):
    with pytest.raises(NotAllowed):
        await court.act(court.people.buyer, claims.contest, court.case_id, statement="No.")
    with pytest.raises(NotFound):
        await court.act(court.people.stranger, claims.withdraw, court.case_id)
    with pytest.raises(NotAllowed):
        await court.act(court.people.buyer, hearings.rest, court.case_id)
    with pytest.raises(Stale):
        await court.act(court.people.buyer, claims.withdraw, court.case_id, version=99)
    await court.act(court.people.seller, claims.acknowledge, court.case_id)
    with pytest.raises(Unmet):
        await court.act(court.people.seller, claims.acknowledge, court.case_id)


async def test_the_arbitrator_is_never_the_mediator_and_sees_no_mediation(court, reader):
    arbitrator = await to_arbitration(court)
    async with reader.connect() as conn:
        await conn.execute(
            text("SELECT set_config('concord.account', :who, true)"),
            {"who": str(arbitrator.account_id)},
        )
        seen = await conn.execute(
            text(
                "SELECT (SELECT count(*) FROM proposals), (SELECT count(*) FROM caucus_messages),"
                " (SELECT count(*) FROM acts WHERE channel <> 'record'),"
                " (SELECT count(*) FROM acts)"
            )
        )
        proposed, caucus, walled, acts = seen.one()
    assert (proposed, caucus, walled) == (0, 0, 0)
    assert acts > 0

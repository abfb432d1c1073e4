"""The two walls against each other, over a database in which all roles say things everywhere.

For every table behind a wall and every viewer: the rows that row-level security lets
``concord_reader`` see are the rows of policy's SQL filter, and, for what is said in rooms, the
rows of plain Python over seats and channels.
"""

import asyncio
from typing import Any

import asyncpg
import pytest
from sqlalchemy import exists, insert, inspect, literal, select, text
from sqlalchemy.exc import DBAPIError
from sqlmodel import SQLModel

from evidence.deposit import Declared
from evidence.tombstone import Ground
from infra import database as db
from odr import (
    bids,
    claims,
    erasures,
    examinations,
    exhibits,
    hearings,
    holds,
    ids,
    messages,
    neutrals,
    numbers,
    offers,
    policy,
    proposals,
    tokens,
    uploads,
)
from odr.models.cases import Notice, Record, Seat
from odr.models.dialogue import (
    Bid,
    CaucusMessage,
    Exhibit,
    ExhibitAnswer,
    Message,
    Offer,
    Proposal,
    Upload,
)
from odr.models.findings import Examination, ExhibitFinding
from odr.models.keeping import Erasure, LegalHold
from odr.models.money import InsuranceClaim
from odr.models.people import Token
from odr.models.states import Channel, InsuranceState
from odr.money import Money
from odr.policy import Viewer
from odr.procedure.acts import Role
from odr.words import ExhibitKind, Peril, Side
from tests.odr import world

TEXT = b"What happened, in the carrier's own words."
RECEIPTS = SQLModel.metadata.tables["vault_receipts"]
STREAMS = SQLModel.metadata.tables["vault_streams"]
INSPECTIONS = SQLModel.metadata.tables["vault_inspections"]
OF_THE_VAULT = {"vault_receipts", "vault_streams", "vault_inspections", "vault_derivatives"}
IN_ROOMS = (Record, Offer, Exhibit, ExhibitAnswer)


class Town:
    """Cases in several stages, and everybody who has to do with one of them or with none."""

    def __init__(self, desk, people) -> None:
        self.desk, self.people = desk, people
        self.viewers = {}

    async def act(self, viewer, subject, function, *arguments: Any, **named: Any):
        async with self.desk.work(viewer, ids.child(subject)) as work:
            return await function(work, *arguments, **named)

    async def opened(self):
        order = await world.order(self.desk.engine, self.people)
        case = await world.file(self.desk, self.people, order)
        people = self.people
        await self.submit(people.buyer, case)
        await self.act(people.seller, case, claims.contest, case, statement="It left whole.")
        await self.submit(people.seller, case)
        await self.act(people.seller, case, messages.send_message, case, "We packed it well.")
        await self.act(people.buyer, case, messages.send_message, case, "It came broken.")
        await self.act(people.buyer, case, bids.place_bid, case, Money(9_000, "EUR"))
        photo = await self.exhibit(case, Side.CLAIMANT)
        await self.act(people.seller, case, exhibits.answer_exhibit, photo, "Not from us.")
        return case

    async def mediated(self, *, more=True):
        case, people = await self.opened(), self.people
        offer = await self.act(
            people.seller, case, offers.make_counter_offer, case, world.refund(3_000)
        )
        await self.act(people.buyer, case, offers.reject_counter_offer, offer)
        mediator = await self.neutral(case, Role.MEDIATOR)
        await self.act(mediator, case, neutrals.disclose, case)
        await self.act(mediator, case, messages.send_message, case, "Let us talk.")
        await self.act(people.buyer, case, messages.send_caucus_message, case, "I take 80.")
        await self.act(people.seller, case, messages.send_caucus_message, case, "We give 90.")
        for side in (Side.CLAIMANT, Side.RESPONDENT):
            await self.act(
                mediator, case, messages.send_caucus_message, case, "Noted.", with_side=side
            )
        await self.submit(people.buyer, case)
        walled = await self.exhibit(case, Side.CLAIMANT)
        await self.act(people.seller, case, exhibits.answer_exhibit, walled, "Nor this one.")
        await self.act(people.seller, case, offers.make_offer, case, world.refund(4_000))
        proposal = await self.act(
            mediator, case, proposals.propose_terms, case, world.refund(8_000), reasons="Halfway."
        )
        await self.act(people.buyer, case, proposals.accept_proposal, proposal)
        if more:
            await self.submit(people.buyer, case)
            released = await self.exhibit(case, Side.CLAIMANT)
            await self.act(people.buyer, case, exhibits.release_exhibit, released)
        return case, proposal

    async def arbitrated(self):
        (case, proposal), people = await self.mediated(), self.people
        await self.act(people.seller, case, proposals.reject_proposal, proposal)
        await self.act(people.buyer, case, hearings.request_arbitration, case)
        arbitrator = await self.neutral(case, Role.ARBITRATOR)
        await self.act(arbitrator, case, neutrals.disclose, case)
        await self.act(people.seller, case, messages.send_message, case, "See B-1.")
        return case

    async def submit(self, viewer, case):
        given = exhibits.Given(
            upload_id=await self.upload(viewer), kind=ExhibitKind.STATEMENT, title="A statement"
        )
        exhibit = await self.act(viewer, case, exhibits.submit_exhibit, case, given)
        await examinations.examine(self.desk, exhibit)

    async def upload(self, viewer):
        async def pieces():
            yield TEXT

        declared = Declared(size=len(TEXT), media_type="text/plain")
        return await uploads.deposit(self.desk, viewer, pieces(), declared, "words.txt")

    async def exhibit(self, case, side):
        columns = Exhibit.__table__.c
        latest = (
            select(columns.id)
            .where(columns.case_id == case, columns.side == side)
            .order_by(columns.number.desc())
        )
        return await self.scalar(latest.limit(1))

    async def neutral(self, case, role):
        columns = Seat.__table__.c
        held = select(columns.account_id).where(
            columns.case_id == case, columns.role == role, columns.until.is_(None)
        )
        return Viewer(await self.scalar(held))

    async def scalar(self, statement):
        async with self.desk.engine.connect() as conn:
            return await conn.scalar(statement)

    async def insure(self, case):
        """The insurer has a seat in a case, and a claim on its cover."""
        people = self.people
        order = await self.scalar(
            text("SELECT order_id FROM cases WHERE id = :case").bindparams(case=case)
        )
        async with self.desk.engine.begin() as conn:
            await conn.execute(
                insert(Seat).values(
                    id=ids.child(case),
                    case_id=case,
                    role=Role.INSURER,
                    organisation_id=people.insurer_id,
                    since=people.at,
                )
            )
            claim = InsuranceClaim(
                id=ids.child(case),
                number=numbers.insurance_claim(people.at),
                cover_id=people.cover_id,
                insurer_id=people.insurer_id,
                insured_id=people.seller_id,
                case_id=case,
                order_id=order,
                peril=Peril.DAMAGE,
                state=InsuranceState.NOTIFIED,
                currency="EUR",
                claimed_minor=100,
                notified_at=people.at,
            )
            await conn.execute(insert(InsuranceClaim).values(claim.model_dump()))

    async def forget(self, case):
        """An exhibit of each room is erased, another is asked for, then the case is held."""
        columns, people = Exhibit.__table__.c, self.people
        of_case = select(columns.id).where(columns.case_id == case, columns.side == Side.CLAIMANT)
        ordered = of_case.order_by(columns.channel, columns.number)
        async with self.desk.engine.connect() as conn:
            given = list((await conn.execute(ordered)).scalars())
        for exhibit in given:
            asked = await self.act(
                people.operator, exhibit, erasures.ask, exhibit, Ground.COURT_ORDER, "A judgment."
            )
            if exhibit != given[-1]:
                await self.act(people.second_operator, asked, erasures.approve, asked)
                await erasures.destroy(self.desk, asked)
        await self.act(people.operator, case, holds.place, case, "Another judgment.")

    async def token(self, viewer, organisation):
        async with self.desk.work(viewer, organisation) as work:
            made = await tokens.create(work, organisation, name="shop", scopes=["read", "act"])
        async with self.desk.engine.connect() as conn:
            return await tokens.viewer(conn, made.token)


@pytest.fixture(scope="module")
def database(databases):
    """One database for all tests here: they only read."""
    taken = databases.take()
    yield taken
    databases.give_back(taken)


@pytest.fixture(scope="module")
def town(database, tmp_path_factory):
    return asyncio.run(settle(database, tmp_path_factory.mktemp("town")))


async def settle(database, folder):
    engine = db.create_engine(database.url)
    try:
        return await settled(engine, folder)
    finally:
        await engine.dispose()


async def settled(engine, folder):
    desk = world.office(engine, folder)
    made = Town(desk, await world.make(engine))
    people = made.people
    quiet = await made.opened()
    talking, _ = await made.mediated()
    heard = await made.arbitrated()
    for case in (quiet, heard):
        await made.insure(case)
    elsewhere = Town(desk, await world.make(engine))
    elsewhere_case, _ = await elsewhere.mediated(more=False)
    await elsewhere.insure(elsewhere_case)
    for viewer in (people.buyer, people.seller, elsewhere.people.buyer):
        await made.upload(viewer)
    made.viewers = {
        "buyer": people.buyer,
        "seller": people.seller,
        "marketplace": people.marketplace,
        "insurer": people.insurer,
        "operator": people.operator,
        "stranger": people.stranger,
        "nobody": Viewer(policy.NOBODY),
        "mediator": await made.neutral(talking, Role.MEDIATOR),
        "arbitrator": await made.neutral(heard, Role.ARBITRATOR),
        "other buyer": elsewhere.people.buyer,
        "other seller": elsewhere.people.seller,
        "other mediator": await elsewhere.neutral(elsewhere_case, Role.MEDIATOR),
        "other insurer": elsewhere.people.insurer,
        "token of the seller": await made.token(people.seller, people.seller_id),
        "several hats": Viewer(
            people.buyer.account_id, (people.insurer_id, elsewhere.people.seller_id)
        ),
    }
    for at, neutral in enumerate((*people.mediators, *people.arbitrators)):
        made.viewers[f"on the roster {at}"] = neutral
    made.heard = heard
    await made.forget(heard)
    return made


def filters():
    """The first wall: each table with the filter that policy gives for it."""
    made = {
        kind: policy.sees_in_channel(kind.__table__.c.case_id, kind.__table__.c.channel)
        for kind in IN_ROOMS
    }
    caucus, message = CaucusMessage.__table__.c, Message.__table__.c
    made[Message] = policy.sees_message(message.case_id, message.channel)
    for kind in (Examination, ExhibitFinding):
        made[kind] = policy.sees_exhibit(kind.__table__.c.exhibit_id)
    made[Proposal] = policy.sees_proposal(Proposal.__table__.c.case_id)
    made[CaucusMessage] = policy.sees_caucus_message(caucus.case_id, caucus.with_side)
    made[Bid] = policy.sees_in_channel(Bid.__table__.c.case_id, literal(Channel.RECORD.value))
    made[InsuranceClaim] = policy.sees_insurance_claim()
    made[Notice] = policy.sees_notice()
    made[Upload] = policy.sees_upload()
    made[Token] = policy.sees_token()
    made[Erasure] = policy.sees_erasure()
    made[LegalHold] = policy.sees_legal_hold()
    return made


async def rows(engine, statement, viewer, *, signed=True):
    async with engine.connect() as conn:
        if signed:
            for name, value in viewer.settings().items():
                setting = text("SELECT set_config(:name, :value, true)")
                await conn.execute(setting, {"name": name, "value": value})
        return {tuple(row) for row in await conn.execute(statement, viewer.parameters())}


async def test_something_was_said_in_every_room_before_the_walls_are_compared(town, engine):
    joint = {Channel.RECORD, Channel.MEDIATION}
    for kind in (*IN_ROOMS, Message):
        channels = await rows(engine, select(kind.__table__.c.channel), policy.SERVICE)
        assert {Channel(channel) for (channel,) in channels} >= joint, kind
    acts = await rows(engine, select(Record.__table__.c.channel), policy.SERVICE)
    assert {Channel(channel) for (channel,) in acts} == set(Channel)
    spoke = CaucusMessage.__table__.c
    caucus = await rows(engine, select(spoke.with_side, spoke.side), policy.SERVICE)
    assert len(caucus) == 4
    assert town.viewers["arbitrator"] != town.viewers["mediator"]


async def test_both_walls_show_every_viewer_the_same_rows_of_every_table(town, engine, reader):
    shown_to_nobody = []
    for kind, sees in filters().items():
        key = inspect(kind).primary_key[0]
        everything = await rows(engine, select(key), policy.SERVICE)
        assert everything, kind
        shown = set()
        for name, viewer in town.viewers.items():
            first = await rows(engine, select(key).where(sees), viewer)
            second = await rows(reader, select(key), viewer)
            assert first == second, (kind.__tablename__, name)
            assert second < everything or second == everything, (kind.__tablename__, name)
            shown |= second
        if shown != everything:
            shown_to_nobody.append((kind.__tablename__, len(everything - shown)))
    # Every row of every room is somebody's; notices and tokens are their own people's.
    assert {name for name, _ in shown_to_nobody} <= {"notices", "tokens", "uploads"}


async def test_plain_python_over_seats_and_channels_says_the_same(town, engine, reader):
    seat = Seat.__table__.c
    seats = await rows(
        engine,
        select(seat.case_id, seat.role, seat.account_id, seat.organisation_id).where(
            seat.until.is_(None)
        ),
        policy.SERVICE,
    )
    for kind in (*IN_ROOMS, Message):
        columns = kind.__table__.c
        everything = await rows(
            engine, select(columns.id, columns.case_id, columns.channel), policy.SERVICE
        )
        for name, viewer in town.viewers.items():
            held = {
                (case, Role(role))
                for case, role, account, organisation in seats
                if account == viewer.person or organisation in viewer.organisation_ids
            }
            wanted = {
                (key,)
                for key, case, channel in everything
                if (viewer.operator and channel == Channel.RECORD)
                or any(
                    policy.reads_channel(role, Channel(channel))
                    and not (kind is Message and role is Role.INSURER)
                    for at, role in held
                    if at == case
                )
            }
            assert await rows(reader, select(columns.id), viewer) == wanted, (kind, name)


async def test_receipts_and_streams_show_what_the_acts_show(town, engine, reader):
    act = Record.__table__.c
    sees = policy.sees_in_channel(act.case_id, act.channel)
    receipts = select(RECEIPTS.c.stream, RECEIPTS.c.seq)
    streams = select(STREAMS.c.id)
    of_receipt = exists().where(
        act.stream_id == RECEIPTS.c.stream, act.sequence == RECEIPTS.c.seq, sees
    )
    of_stream = exists().where(act.stream_id == STREAMS.c.id, sees)
    for name, viewer in town.viewers.items():
        for everything, seen in ((receipts, of_receipt), (streams, of_stream)):
            first = await rows(engine, everything.where(seen), viewer)
            assert await rows(reader, everything, viewer) == first, name
    assert await rows(reader, receipts, town.viewers["seller"])


async def test_the_arbitrator_sees_the_record_and_nothing_of_mediation(town, reader):
    arbitrator = town.viewers["arbitrator"]
    for kind in (*IN_ROOMS, Message):
        channels = await rows(reader, select(kind.__table__.c.channel), arbitrator)
        assert channels == {(Channel.RECORD,)}, kind
    for kind in (Proposal, CaucusMessage):
        assert not await rows(reader, select(kind.__table__.c.id), arbitrator)
    released = await rows(
        reader, select(Exhibit.__table__.c.id).where(text("released_at IS NOT NULL")), arbitrator
    )
    assert len(released) == 1


async def test_neither_the_operator_nor_the_marketplace_reads_caucus_or_mediation(town, reader):
    for name in ("operator", "marketplace", "insurer"):
        viewer = town.viewers[name]
        for kind in (Proposal, CaucusMessage):
            assert not await rows(reader, select(kind.__table__.c.id), viewer), name
        for kind in (*IN_ROOMS, Message):
            channels = await rows(reader, select(kind.__table__.c.channel), viewer)
            assert channels <= {(Channel.RECORD,)}, name


async def test_an_insurer_reads_the_record_of_its_cases_but_no_message(town, reader):
    insurer = town.viewers["insurer"]
    assert await rows(reader, select(Record.__table__.c.id), insurer)
    assert await rows(reader, select(Exhibit.__table__.c.id), insurer)
    assert not await rows(reader, select(Message.__table__.c.id), insurer)


async def test_ones_caucus_is_not_the_other_sides(town, reader):
    columns = CaucusMessage.__table__.c
    for name, side in (("buyer", Side.CLAIMANT), ("seller", Side.RESPONDENT)):
        seen = await rows(reader, select(columns.with_side), town.viewers[name])
        assert seen == {(side,)}


async def test_a_mediator_whose_seat_was_taken_back_reads_nothing_more(town, engine, reader):
    seat = Seat.__table__.c
    was_seated = select(seat.account_id).where(
        seat.case_id == town.heard, seat.role == Role.MEDIATOR, seat.until.is_not(None)
    )
    ((was,),) = await rows(engine, was_seated, policy.SERVICE)
    acts = select(Record.__table__.c.id).where(Record.__table__.c.case_id == town.heard)
    assert not await rows(reader, acts, Viewer(was))


async def test_an_organisations_token_sees_nothing_of_its_makers_own(town, reader):
    token = town.viewers["token of the seller"]
    assert not await rows(reader, select(Notice.__table__.c.id), token)
    assert await rows(reader, select(Record.__table__.c.id), token)
    # Who made it holds a seat of their own in another case: that is not the token's.
    maker = Viewer(town.viewers["buyer"].account_id)
    theirs = Viewer(maker.account_id, scopes=frozenset({"read"}), personal=False)
    assert await rows(reader, select(Record.__table__.c.id), maker)
    assert not await rows(reader, select(Record.__table__.c.id), theirs)


async def test_who_has_not_said_who_they_are_sees_nothing_behind_a_wall(town, reader):
    nobody = town.viewers["nobody"]
    for kind in filters():
        assert not await rows(reader, select(inspect(kind).primary_key[0]), nobody, signed=False)
    assert not await rows(reader, select(RECEIPTS.c.seq), nobody, signed=False)


async def test_what_one_transaction_was_told_the_next_does_not_know(town, database):
    conn = await asyncpg.connect(database.reader_url)
    try:
        async with conn.transaction():
            for name, value in town.viewers["buyer"].settings().items():
                await conn.execute("SELECT set_config($1, $2, true)", name, value)
            assert await conn.fetchval("SELECT count(*) FROM acts") > 0
        # A setting that was ever made is the empty text from then on, not missing.
        assert await conn.fetchval("SELECT count(*) FROM acts") == 0
    finally:
        await conn.close()


async def test_what_was_found_in_a_file_is_for_who_sees_the_exhibit_or_gave_it(town, reader):
    everything = await rows(reader, select(INSPECTIONS.c.blob), town.viewers["operator"])
    assert everything
    for viewer in town.viewers.values():
        seen = set()
        for kind in (Exhibit, Upload):
            seen |= await rows(reader, select(kind.__table__.c.blob_id), viewer)
        assert await rows(reader, select(INSPECTIONS.c.blob), viewer) == seen
    nobody = town.viewers["stranger"]
    assert not await rows(reader, select(INSPECTIONS.c.blob), nobody)


async def test_every_wall_is_forced_and_has_two_doors(admin):
    walled = await admin.fetch(
        "SELECT c.relname, c.relforcerowsecurity, array_agg(p.polname::text ORDER BY p.polname)"
        " FROM pg_class c JOIN pg_policy p ON p.polrelid = c.oid"
        " WHERE c.relrowsecurity GROUP BY 1, 2"
    )
    names = {kind.__tablename__ for kind in filters()} | OF_THE_VAULT
    assert {name for name, *_ in walled} == names
    assert all(forced and doors == ["service", "viewer"] for _, forced, doors in walled)


HIDDEN = ("idempotency", "sessions", "sign_in_links", "sign_in_requests", "outbox")
HIDDEN += ("vault_entries", "vault_blobs", "rail_events")


@pytest.mark.parametrize("table", HIDDEN)
async def test_the_reader_cannot_read(reader, table):
    async with reader.connect() as conn:
        with pytest.raises(DBAPIError, match="permission denied"):
            await conn.execute(text(f"SELECT 1 FROM {table}"))  # noqa: S608 - names from above


async def test_the_reader_can_tell_the_services_time(reader):
    async with reader.connect() as conn:
        assert await conn.scalar(text("SELECT service_now()"))


async def test_the_reader_cannot_read_a_tokens_hash(reader):
    async with reader.connect() as conn:
        with pytest.raises(DBAPIError, match="permission denied"):
            await conn.execute(text("SELECT digest FROM tokens"))


async def test_the_reader_writes_nowhere_and_calls_nothing_that_does(database, admin):
    tables = await admin.fetch(
        "SELECT c.oid::regclass::text AS name FROM pg_class c JOIN pg_namespace n"
        " ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'S')"
        " AND n.nspname IN ('public', 'ledger')"
    )
    assert len(tables) > 40
    may = await admin.fetch(
        "SELECT c.oid::regclass::text, p FROM pg_class c,"
        " unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER', 'REFERENCES']) p"
        " WHERE c.relkind IN ('r', 'p', 'v') AND c.relnamespace IN"
        " ('public'::regnamespace, 'ledger'::regnamespace)"
        " AND has_table_privilege('concord_reader', c.oid, p)"
    )
    assert may == []
    calls = await admin.fetch(
        "SELECT p.proname FROM pg_proc p WHERE p.pronamespace IN"
        " ('public'::regnamespace, 'ledger'::regnamespace)"
        " AND has_function_privilege('concord_reader', p.oid, 'EXECUTE') ORDER BY 1"
    )
    assert [name for (name,) in calls] == [
        "order_left",
        "service_now",
        "viewer_account",
        "viewer_operator",
        "viewer_organisations",
    ]
    conn = await asyncpg.connect(database.reader_url)
    try:
        await conn.execute("SET default_transaction_read_only = off")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await conn.execute("UPDATE notices SET read = now()")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await conn.execute("SET ROLE concord_app")
    finally:
        await conn.close()

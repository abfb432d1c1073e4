"""What the audit finds after somebody who owns the database changed a row."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    DateTime,
    Enum,
    Integer,
    LargeBinary,
    Uuid,
    text,
)
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from evidence.deposit import Declared
from infra import database as db
from odr import (
    appeals,
    audit,
    claims,
    clockwork,
    corrections,
    exhibits,
    hearings,
    ids,
    information,
    messages,
    neutrals,
    offers,
    payouts,
    proposals,
    rulings,
    uploads,
)
from odr.audit import Report
from odr.models.metadata import metadata
from odr.models.states import AppealGround, RulingKind
from odr.policy import Viewer
from odr.rails.manual import ManualRail
from odr.rails.rail import Standing
from odr.rulings import Decision, Found, NotReliedOn
from odr.vouchers import Voucher
from odr.words import ExhibitKind, Reason, Side
from odr.work import Office
from tests.odr import world as worlds
from tests.odr.world import World

AUDITED = (
    "cases",
    "acts",
    "claims",
    "answers",
    "offers",
    "messages",
    "caucus_messages",
    "exhibits",
    "exhibit_answers",
    "proposals",
    "information_requests",
    "appeals",
    "correction_requests",
    "corrections",
    "rulings",
    "ruling_findings",
    "ruling_citations",
    "ruling_unrelied",
    "obligations",
    "appointments",
    "seats",
    "clocks",
    "payouts",
)

OPEN = ("cases", "acts", "offers", "proposals", "appointments", "seats", "clocks")
"""The tables of which an open case holds what a closed one does not."""

UNBOUND = {
    # ids by which nothing else is found: the row is known by what it is of
    *("acts.id", "claims.id", "answers.id", "exhibit_answers.id", "clocks.id", "cases.id"),
    *("ruling_unrelied.case_id", "seats.id", "obligations.id", "ruling_findings.id"),
    # how a payout is on its way, which its row alone knows
    *("payouts.insurance_claim_id", "payouts.rail_id", "payouts.tries", "payouts.again_of"),
    *("payouts.planned_by", "payouts.approved_by", "payouts.asked_at", "payouts.reason"),
}


@dataclass(frozen=True)
class Case:
    """A case on a desk, and who acts in it; each act in a transaction of its own."""

    desk: Office
    world: World
    id: UUID

    async def act(self, viewer: Viewer, do, *given: Any, **named: Any) -> UUID:
        async with self.desk.work(viewer, ids.child(self.id)) as work:
            await do(work, *given, **named)
            return work.result

    async def neutral(self, role: str) -> Viewer:
        async with self.desk.engine.connect() as conn:
            sought = "SELECT account_id FROM seats WHERE case_id = :case AND role = :role"
            found = await conn.execute(
                text(f"{sought} AND until IS NULL"), {"case": self.id, "role": role}
            )
            return Viewer(found.scalar_one())

    async def exhibit(self, label: str) -> UUID:
        async with self.desk.engine.connect() as conn:
            side = {"A": "claimant", "B": "respondent"}[label[0]]
            found = await conn.execute(
                text(
                    "SELECT id FROM exhibits WHERE case_id = :case AND side = :side"
                    " AND number = :number"
                ),
                {"case": self.id, "side": side, "number": int(label[2:])},
            )
            return found.scalar_one()


async def given(desk: Office, viewer: Viewer, kind: ExhibitKind, content: str) -> exhibits.Given:
    data = content.encode()

    async def pieces() -> AsyncIterator[bytes]:
        yield data

    declared = Declared(size=len(data), media_type="text/plain")
    upload = await uploads.deposit(desk, viewer, pieces(), declared, "note.txt")
    return exhibits.Given(
        upload_id=upload, kind=kind, title="A note", voucher=Voucher(issuer="Postal Example")
    )


@pytest.fixture
def desk(engine, tmp_path) -> Office:
    return worlds.office(engine, tmp_path)


@pytest.fixture
async def world(engine) -> World:
    return await worlds.make(engine)


@pytest.fixture
async def intruder(database) -> AsyncIterator[AsyncEngine]:
    engine = db.create_engine(database.admin_url, connections_max=1)
    yield engine
    await engine.dispose()


async def filed(desk: Office, world: World) -> Case:
    order = await worlds.order(desk.engine, world)
    note = await given(desk, world.buyer, ExhibitKind.PRODUCT_PHOTO, "It is broken.")
    filing = claims.Filing(
        order_id=order,
        reason=Reason.DAMAGED_IN_TRANSIT,
        statement="It arrived broken.",
        terms=worlds.refund(12_900, full=True),
        exhibits=(note,),
    )
    async with desk.work(world.buyer, ids.child(order)) as work:
        return Case(desk, world, await claims.file(work, filing))


async def mediated(case: Case) -> tuple[Viewer, UUID]:
    """Brings a case into mediation, with something of everything in it; an open proposal."""
    buyer, seller = case.world.buyer, case.world.seller
    await case.act(seller, claims.acknowledge, case.id)
    note = await given(case.desk, seller, ExhibitKind.WAYBILL, "Handed over whole.")
    await case.act(seller, claims.contest, case.id, statement="It was whole.", given=(note,))
    await case.act(buyer, messages.send_message, case.id, "Please look again.")
    offer = await case.act(buyer, offers.make_offer, case.id, worlds.refund(12_000), message="M")
    await case.act(buyer, offers.revoke_offer, offer)
    counter = await case.act(seller, offers.make_counter_offer, case.id, worlds.refund(3_000))
    await case.act(buyer, offers.reject_counter_offer, counter)
    mediator = await case.neutral("mediator")
    await case.act(mediator, neutrals.disclose, case.id, disclosure="I know the carrier.")
    walled = await given(case.desk, buyer, ExhibitKind.STATEMENT, "Between us.")
    await case.act(buyer, exhibits.submit_exhibit, case.id, walled)
    exhibit = await case.exhibit("A-1")
    await case.act(seller, exhibits.answer_exhibit, exhibit, "That is another one.")
    await case.act(buyer, messages.send_message, case.id, "In mediation.")
    await case.act(buyer, messages.send_caucus_message, case.id, "I would take 80.")
    await case.act(seller, messages.send_caucus_message, case.id, "I would give 60.")
    await case.act(seller, offers.make_offer, case.id, worlds.refund(6_000))
    proposed = await case.act(
        mediator, proposals.propose_terms, case.id, worlds.refund(8_000), reasons="Halfway."
    )
    await case.act(buyer, proposals.accept_proposal, proposed)
    return mediator, proposed


async def ruled(case: Case) -> None:
    """Brings a case in mediation to its ruling, which is final."""
    buyer, seller = case.world.buyer, case.world.seller
    await case.act(buyer, exhibits.release_exhibit, await case.exhibit("A-2"))
    await case.act(buyer, hearings.request_arbitration, case.id)
    arbitrator = await case.neutral("arbitrator")
    await case.act(arbitrator, neutrals.disclose, case.id)
    await case.act(buyer, exhibits.answer_exhibit, await case.exhibit("B-1"), "It was not.")
    asked = await case.act(
        arbitrator, information.request_information, case.id, side=Side.CLAIMANT, question="When?"
    )
    await case.act(buyer, information.answer_request, asked, "On Monday.")
    await case.act(buyer, hearings.consent, case.id)
    await case.act(seller, hearings.decline_consent, case.id)
    for party in (buyer, seller):
        await case.act(party, hearings.rest, case.id)
    one, two, three = [await case.exhibit(label) for label in ("A-1", "A-2", "B-1")]
    decision = Decision(
        kind=RulingKind.GRANTED_IN_PART,
        findings=[Found("Broken?", "It was.", [one, two]), Found("When?", "On the way.", [two])],
        not_relied_on=[NotReliedOn(three, "It says nothing of the condition.")],
        reasons="The photo shows the damage.",
        terms=worlds.refund(9_000),
    )
    await case.act(arbitrator, rulings.rule, case.id, decision)
    await case.act(buyer, corrections.request_correction, case.id, "It is 95.")
    right = worlds.refund(9_500)
    await case.act(arbitrator, corrections.correct_ruling, case.id, "90 reads 95.", corrected=right)
    await case.act(buyer, rulings.waive_appeal, case.id)
    await case.act(
        seller,
        appeals.appeal,
        case.id,
        ground=AppealGround.PROCEDURAL_DEFECT,
        statement="Nobody asked us.",
    )
    second = await case.neutral("arbitrator")
    await case.act(second, neutrals.disclose, case.id)
    varied = replace(decision, terms=worlds.refund(8_000), reasons="A part was sold on.")
    await case.act(second, appeals.vary_ruling, case.id, varied)


async def paid(case: Case) -> None:
    """Pays what a case granted, by hand."""
    async with case.desk.engine.connect() as conn:
        found = await conn.execute(
            text("SELECT id FROM payouts WHERE case_id = :case"), {"case": case.id}
        )
        (payout,) = found.scalars().all()
    while await payouts.step(case.desk, ManualRail(), payout):
        pass
    operator = case.world.operator
    await case.act(operator, payouts.confirm, payout, Standing.PAID, bank_reference="B-17")


@pytest.fixture
async def closed(desk, world) -> Case:
    """A case that went through every stage to its end."""
    case = await filed(desk, world)
    mediator, proposed = await mediated(case)
    await case.act(world.seller, proposals.reject_proposal, proposed)
    await ruled(case)
    await paid(case)
    assert mediator
    return case


@pytest.fixture
async def mediating(desk, world) -> Case:
    """A case in the middle of mediation: clocks run, an offer and a proposal are open."""
    case = await filed(desk, world)
    await mediated(case)
    return case


async def audited(case: Case) -> Report:
    async with case.desk.engine.connect() as conn:
        return await audit.audit_case(conn, case.desk, case.id)


async def test_a_case_that_nobody_touched_has_no_finding(closed, mediating):
    for case in (closed, mediating):
        report = await audited(case)
        assert (report.findings, report.unchecked) == ([], [])


async def test_the_whole_service_is_audited(desk, closed, mediating):
    report = await audit.audit(desk)
    assert report.findings == []
    assert report.cases == 2
    assert report.ok
    assert closed.id != mediating.id


async def test_a_case_that_its_clocks_ended_has_no_finding(desk, world, database, admin):
    await db.make_demonstration(database.admin_url)
    silent, contested = await filed(desk, world), await filed(desk, world)
    await contested.act(world.seller, claims.contest, contested.id, statement="No.")
    await contested.act(world.seller, offers.make_offer, contested.id, worlds.refund(1_000))
    await contested.act(world.buyer, hearings.request_intervention, contested.id)

    def report(error: BaseException) -> str:
        raise AssertionError("no clock fails") from error

    for _ in range(40):
        for case in (silent, contested):
            assert (await audited(case)).findings == []
        due = await admin.fetchval("SELECT min(due) FROM clocks WHERE state = 'running'")
        if due is None:
            break
        await admin.execute(
            "SELECT advance_service_clock($1 - service_now() + interval '1 minute')", due
        )
        await clockwork.run(desk, report)
    states = await admin.fetch("SELECT state FROM cases")
    assert {row["state"] for row in states} == {"closed"}


async def unguard(admin) -> None:
    """Drops what would refuse a change: triggers, checks, unique indexes, NOT NULL."""
    for name in AUDITED:
        await admin.execute(f"ALTER TABLE {name} DISABLE TRIGGER ALL")
    for row in await admin.fetch(
        "SELECT conrelid::regclass AS name, quote_ident(conname) AS con FROM pg_constraint"
        " WHERE contype IN ('c', 'u') AND conrelid <> 0 AND conrelid::regclass::text = ANY($1)",
        list(AUDITED),
    ):
        await admin.execute(f"ALTER TABLE {row['name']} DROP CONSTRAINT {row['con']}")
    for row in await admin.fetch(
        "SELECT indexrelid::regclass AS name FROM pg_index WHERE indisunique"
        " AND NOT indisprimary AND indrelid::regclass::text = ANY($1)",
        list(AUDITED),
    ):
        await admin.execute(f"DROP INDEX {row['name']}")


OTHERS = {
    Uuid: "child_id(coalesce({0}, '01420000-0000-8000-8000-000000000000'))",
    Integer: "coalesce({0}, 0) + 1000",
    Boolean: "NOT coalesce({0}, false)",
    DateTime: "coalesce({0}, now()) + interval '1 second'",
    LargeBinary: "sha256(coalesce({0}, ''))",
    JSON: "coalesce({0}, '{{}}') || '{{\"x\": 1}}'",
}
TEXT = "CASE WHEN {0} LIKE 'x%' THEN 'y' ELSE 'x' END || substr(coalesce({0}, ''), 2)"


def other_value(column: Column) -> str:
    """SQL for a value that a column does not have, of its kind."""
    name = f'"{column.name}"'
    if isinstance(column.type, Enum):
        first, second, *_ = column.type.enums
        return f"CASE WHEN {name} = '{first}' THEN '{second}' ELSE '{first}' END"
    kinds = (sql for kind, sql in OTHERS.items() if isinstance(column.type, kind))
    return next(kinds, TEXT).format(name)


def rows_of(name: str, case: Case) -> str:
    return f"FROM {name} WHERE {'id' if name == 'cases' else 'case_id'} = '{case.id}'"


async def changes(conn: AsyncConnection, name: str, case: Case) -> AsyncIterator[str]:
    """Statements that change each column of a table, in the last row of a case."""
    found = await conn.execute(text(f"SELECT ctid::text {rows_of(name, case)} ORDER BY ctid"))
    places = found.scalars().all()[-1:]
    for column in metadata().tables[name].columns:
        if f"{name}.{column.name}" in UNBOUND:
            continue
        for place in places:
            other = other_value(column)
            changed = f"\"{column.name}\" = {other} WHERE ctid = '{place}'"
            differs = f'"{column.name}" IS DISTINCT FROM {other}'
            yield f"UPDATE {name} SET {changed} AND {differs}"  # noqa: S608 - names of our own


async def test_a_value_changed_in_any_row_is_found_and_named(closed, mediating, intruder, admin):
    await unguard(admin)
    missed: list[str] = []
    tried = 0
    async with intruder.connect() as conn:
        for name, case in [
            *((name, closed) for name in AUDITED),
            *((name, mediating) for name in OPEN),
        ]:
            for change in [each async for each in changes(conn, name, case)]:
                if (await conn.execute(text(change))).rowcount:
                    tried += 1
                    found = (await audit.audit_case(conn, case.desk, case.id)).findings
                    if not any(name in finding for finding in found):
                        missed.append(f"{change}: {found[:2]}")
                await conn.rollback()
    assert not missed, "\n".join(missed)
    assert tried > 150


async def test_a_row_taken_away_or_added_is_found_and_named(closed, intruder, admin):
    await unguard(admin)
    missed: list[str] = []
    async with intruder.connect() as conn:
        for name in AUDITED:
            if name == "cases":
                continue
            key = [column.name for column in metadata().tables[name].primary_key]
            another = ", ".join(
                f'child_id("{column.name}")' if column.name == key[-1] else f'"{column.name}"'
                for column in metadata().tables[name].columns
            )
            first = f"ctid = (SELECT min(ctid) {rows_of(name, closed)})"
            taken = f"DELETE FROM {name} WHERE {first}"  # noqa: S608 - names of our own
            added = f"INSERT INTO {name} SELECT {another} FROM {name} WHERE {first}"  # noqa: S608 - the same
            for change in (taken, added):
                assert (await conn.execute(text(change))).rowcount == 1
                found = (await audit.audit_case(conn, closed.desk, closed.id)).findings
                if not any(name in finding for finding in found):
                    missed.append(f"{change}: {found[:2]}")
                await conn.rollback()
    assert not missed, "\n".join(missed)

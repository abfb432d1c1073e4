"""The clockwork: every clock that ran out is executed once, in order, dated to its instant."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from infra import database as db
from odr import audit, cases, claims, clockwork, hearings, ids, offers
from odr.clockwork import GRACE
from odr.errors import Late, NotAllowed
from odr.procedure.acts import Act
from odr.words import Reason
from odr.work import SERVICE, Office
from tests.odr import world as worlds
from tests.odr.world import World

DAY = timedelta(days=1)
MOMENT = timedelta(seconds=1)


def unreported(error: BaseException) -> str:
    raise AssertionError("nothing goes wrong here") from error


@pytest.fixture
async def clock(database, admin):
    """Moves the service's time of this test's database, by a step or to beyond an instant."""
    await db.make_demonstration(database.admin_url)

    async def forward(to: timedelta | datetime) -> datetime:
        now = await admin.fetchval("SELECT service_now()")
        step = to if isinstance(to, timedelta) else to - now
        return await admin.fetchval("SELECT advance_service_clock($1)", step)

    return forward


@pytest.fixture
def desk(engine, tmp_path) -> Office:
    return worlds.office(engine, tmp_path)


@pytest.fixture
async def world(engine) -> World:
    return await worlds.make(engine)


@pytest.fixture
async def case_id(engine, desk, world) -> UUID:
    """A case of which the buyer says that nothing arrived; a default can grant it."""
    return await filed(engine, desk, world)


async def filed(engine, desk: Office, world: World) -> UUID:
    order = await worlds.order(engine, world)
    return await worlds.file(desk, world, order, reason=Reason.NOT_RECEIVED)


async def do(desk: Office, viewer, act, case_id: UUID, *args: Any, **kwargs: Any) -> UUID:
    async with desk.work(viewer, ids.child(case_id)) as work:
        await act(work, case_id, *args, **kwargs)
        return work.result


async def acts(admin, case_id: UUID) -> list[str]:
    rows = await admin.fetch(
        "SELECT act FROM acts WHERE case_id = $1 ORDER BY sequence, channel", case_id
    )
    return [row["act"] for row in rows]


async def clocks(admin, case_id: UUID) -> dict[str, Any]:
    rows = await admin.fetch("SELECT * FROM clocks WHERE case_id = $1", case_id)
    return {row["clock"]: row for row in rows}


async def state(admin, case_id: UUID) -> str:
    return await admin.fetchval("SELECT state FROM cases WHERE id = $1", case_id)


async def test_nothing_runs_before_its_instant(desk, admin, case_id, clock):
    answer = (await clocks(admin, case_id))["acknowledge"]
    await clock(answer["due"] - timedelta(minutes=1))
    assert await clockwork.run(desk, unreported, grace=timedelta(0)) == clockwork.Round(
        0, frozenset()
    )
    assert await acts(admin, case_id) == ["file"]


async def test_a_silent_seller_grants_the_buyers_request(desk, admin, case_id, clock):
    answer = (await clocks(admin, case_id))["answer"]
    assert answer["due"] - answer["starts"] == 5 * DAY
    await clock(answer["due"] + GRACE + MOMENT)

    assert (await clockwork.run(desk, unreported)).fired == 2

    assert await acts(admin, case_id) == ["file", "note_silence", "grant_by_default"]
    case = await admin.fetchrow("SELECT * FROM cases WHERE id = $1", case_id)
    assert (case["state"], case["outcome"]) == ("defaulted", "defaulted")
    assert case["granted_minor"] == 12_900
    assert case["entered_at"] == answer["due"]


async def test_each_clock_is_dated_to_its_instant_and_the_next_starts_at_the_notice(
    desk, admin, case_id, clock
):
    before = await clocks(admin, case_id)
    now = await clock(8 * DAY)
    await clockwork.run(desk, unreported)

    rows = await admin.fetch("SELECT act, at FROM acts WHERE case_id = $1", case_id)
    dated = {row["act"]: row["at"] for row in rows}
    assert dated["note_silence"] == before["acknowledge"]["due"]
    assert dated["grant_by_default"] == before["answer"]["due"]
    # Nobody could have seen a window that opened while the workers were away.
    follows = (await clocks(admin, case_id))["set_aside"]
    assert now <= follows["starts"] <= now + timedelta(minutes=5)
    assert follows["due"] - follows["starts"] == 14 * DAY
    told = await admin.fetch("SELECT DISTINCT created FROM notices WHERE kind <> 'file'")
    assert {row["created"] for row in told} == {follows["starts"]}


async def test_after_a_week_without_workers_everything_runs_once_in_order(
    engine, desk, world, admin, clock
):
    opened = [await filed(engine, desk, world) for _ in range(4)]
    for case_id in opened[:2]:
        await do(desk, world.seller, claims.contest, case_id, statement="It was delivered.")
        await do(desk, world.seller, offers.make_offer, case_id, worlds.refund(1_000))
    await clock(12 * DAY)

    assert (await clockwork.run(desk, unreported)).fired == 8
    assert (await clockwork.run(desk, unreported)).fired == 0

    contested = [
        "file",
        "contest",
        "make_offer",
        "lapse_offer",
        "end_negotiation",
        "appoint_mediator",
    ]
    for case_id in opened[:2]:
        assert await acts(admin, case_id) == contested
        assert await state(admin, case_id) == "mediating"
    for case_id in opened[2:]:
        assert await acts(admin, case_id) == ["file", "note_silence", "grant_by_default"]
    out_of_order = await admin.fetchval(
        "SELECT count(*) FROM (SELECT at < lag(at) OVER (PARTITION BY stream_id ORDER BY sequence)"
        " AS back FROM acts) AS seen WHERE back"
    )
    assert out_of_order == 0


async def test_two_workers_at_once_run_each_clock_once(engine, desk, world, admin, clock):
    opened = [await filed(engine, desk, world) for _ in range(6)]
    other = replace(desk)
    await clock(6 * DAY)

    rounds = await asyncio.gather(
        *(clockwork.run(office, unreported) for office in (desk, other, desk, other))
    )
    while (await clockwork.run(desk, unreported)).fired:
        pass

    assert sum(done.fired for done in rounds) == 12
    for case_id in opened:
        assert await acts(admin, case_id) == ["file", "note_silence", "grant_by_default"]
    fired = await admin.fetch("SELECT clock, state FROM clocks WHERE state = 'fired'")
    assert Counter(row["clock"] for row in fired) == {"acknowledge": 6, "answer": 6}


async def test_an_act_that_arrived_in_time_counts_though_it_waited_for_the_lock(
    desk, world, admin, case_id, clock
):
    due = (await clocks(admin, case_id))["answer"]["due"]
    await clock(due - timedelta(seconds=30))
    async with desk.work(world.seller, ids.child(case_id)) as work:
        held = admin.transaction()
        await held.start()
        await admin.execute("SELECT FROM cases WHERE id = $1 FOR UPDATE", case_id)
        waiting = asyncio.create_task(claims.contest(work, case_id, statement="It did arrive."))
        # Its window is over now, and a worker is about; the answer still waits.
        await admin.execute("SELECT advance_service_clock('33 seconds')")
        await until_blocked(admin)
        await held.commit()
        await clockwork.run(desk, unreported)
        await waiting
    assert "grant_by_default" not in await acts(admin, case_id)
    assert await state(admin, case_id) == "negotiating"


async def test_a_clock_is_left_alone_while_an_act_in_time_may_still_wait(
    desk, admin, case_id, clock
):
    hour = timedelta(hours=1)
    now = await clock(10 * DAY)
    for name, ago in (("acknowledge", 2 * hour), ("answer", hour / 2)):
        await admin.execute(
            "UPDATE clocks SET due = $1 WHERE case_id = $2 AND clock = $3", now - ago, case_id, name
        )
    async with desk.engine.connect() as conn:
        assert await clockwork.overdue(conn, grace=3 * hour) == []
        assert await clockwork.overdue(conn, grace=hour) == [case_id]
    assert (await clockwork.run(desk, unreported, grace=3 * hour)).fired == 0
    assert (await clockwork.run(desk, unreported, grace=hour)).fired == 1
    assert await acts(admin, case_id) == ["file", "note_silence"]
    assert (await clockwork.run(desk, unreported)).fired == 1


def test_nobody_waits_for_a_lock_as_long_as_a_clock_is_left_alone():
    longest = timedelta(seconds=int(db.LIMITS["lock_timeout"].removesuffix("s")))
    assert longest < GRACE


async def until_blocked(admin) -> None:
    """Until somebody waits for a lock in this database."""
    for _ in range(500):
        if await admin.fetchval(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        ):
            return
        await asyncio.sleep(0.01)
    raise AssertionError("nobody waits")


async def test_a_late_act_is_refused_though_no_worker_has_run(desk, world, admin, case_id, clock):
    due = (await clocks(admin, case_id))["answer"]["due"]
    await clock(due + MOMENT)
    with pytest.raises(Late) as late:
        await do(desk, world.seller, claims.contest, case_id, statement="Sorry, I was away.")
    assert late.value.due == due
    # The refusal rolled the clocks back with it; they run when a worker comes.
    await clock(GRACE)
    assert (await clockwork.run(desk, unreported)).fired == 2
    assert await state(admin, case_id) == "defaulted"


async def test_an_act_that_is_still_possible_runs_the_clocks_before_it(
    desk, world, admin, case_id, clock
):
    due = (await clocks(admin, case_id))["acknowledge"]["due"]
    await clock(due + MOMENT)
    await do(desk, world.seller, claims.contest, case_id, statement="It did arrive.")
    assert await acts(admin, case_id) == ["file", "note_silence", "contest"]
    await clock(GRACE)
    assert (await clockwork.run(desk, unreported)).fired == 0


async def test_an_offer_lapses_and_the_case_goes_on(desk, world, admin, case_id, clock):
    await do(desk, world.seller, claims.contest, case_id, statement="It did arrive.")
    offer = await do(desk, world.seller, offers.make_offer, case_id, worlds.refund(1_000))
    until = (await clocks(admin, case_id))["offer"]["due"]
    await clock(until + GRACE + MOMENT)
    await clockwork.run(desk, unreported)

    row = await admin.fetchrow("SELECT * FROM offers WHERE id = $1", offer)
    assert (row["state"], row["ended_at"]) == ("lapsed", until)
    assert await state(admin, case_id) == "negotiating"
    with pytest.raises(Late) as late:
        async with desk.work(world.buyer, ids.child(case_id)) as work:
            await offers.accept_offer(work, offer)
    assert late.value.due == until


async def test_an_offer_still_open_when_the_case_is_settled_ends_with_its_clock(
    desk, world, admin, case_id
):
    await do(desk, world.seller, claims.contest, case_id, statement="It did arrive.")
    theirs = await do(desk, world.seller, offers.make_offer, case_id, worlds.refund(1_000))
    mine = await do(desk, world.buyer, offers.make_offer, case_id, worlds.refund(2_000))
    async with desk.work(world.buyer, ids.child(case_id)) as work:
        await offers.accept_offer(work, theirs)

    assert await admin.fetchval("SELECT state FROM offers WHERE id = $1", mine) == "superseded"
    running = await admin.fetch(
        "SELECT clock FROM clocks WHERE case_id = $1 AND state = 'running'", case_id
    )
    assert "offer" not in {row["clock"] for row in running}
    async with desk.connected() as conn:
        assert (await audit.audit_case(conn, desk, case_id)).findings == []


async def test_a_used_slot_has_stopped_its_clock(desk, world, admin, case_id, clock):
    await do(desk, world.seller, claims.acknowledge, case_id)
    await do(desk, world.seller, claims.contest, case_id, statement="It did arrive.")
    stopped = await clocks(admin, case_id)
    assert {stopped[name]["state"] for name in ("acknowledge", "answer")} == {"stopped"}
    await clock(6 * DAY)
    assert (await clockwork.run(desk, unreported)).fired == 0


async def test_a_locked_case_is_passed_over_until_the_next_round(
    engine, desk, world, admin, case_id, clock
):
    other = await filed(engine, desk, world)
    await clock(6 * DAY)
    async with engine.connect() as busy:
        await cases_lock(busy, case_id)
        assert (await clockwork.run(desk, unreported)).fired == 2
        assert await state(admin, other) == "defaulted"
        assert await state(admin, case_id) == "filed"
    assert (await clockwork.run(desk, unreported)).fired == 2


async def cases_lock(conn, case_id: UUID) -> None:
    await conn.exec_driver_sql(f"SELECT FROM cases WHERE id = '{case_id}' FOR UPDATE")


async def test_a_case_that_fails_is_rolled_back_and_stops_no_other(
    engine, desk, world, admin, clock
):
    good, bad = [await filed(engine, desk, world) for _ in range(2)]
    reported: list[BaseException] = []

    async def broken(work, case_id: UUID, subject: UUID) -> None:
        await claims.grant_by_default(work, case_id, subject)
        if case_id == bad:
            raise RuntimeError("a bug after the act")

    def report(error: BaseException) -> str:
        reported.append(error)
        return "no. 1"

    consequences = desk.consequences | {Act.GRANT_BY_DEFAULT: broken}
    faulty = replace(desk, consequences=consequences)
    await clock(6 * DAY)

    done = await clockwork.run(faulty, report)
    assert (done.fired, done.failed, len(reported)) == (2, {bad}, 1)
    assert await state(admin, good) == "defaulted"
    assert await acts(admin, bad) == ["file"]
    assert {row["state"] for row in (await clocks(admin, bad)).values()} == {"running"}

    assert (await clockwork.run(faulty, report, passing_over=[bad])).failed == frozenset()
    assert (await clockwork.run(desk, unreported)).fired == 2
    assert await state(admin, bad) == "defaulted"


async def test_a_case_that_nobody_touches_ends_by_its_clocks_alone(
    desk, world, admin, case_id, clock
):
    await do(desk, world.seller, claims.contest, case_id, statement="It did arrive.")
    await do(desk, world.buyer, hearings.request_intervention, case_id)
    for _ in range(40):
        due = await admin.fetchval("SELECT min(due) FROM clocks WHERE state = 'running'")
        if due is None:
            break
        await clock(due + GRACE + MOMENT)
        await clockwork.run(desk, unreported)
    assert await state(admin, case_id) == "closed"
    done = await acts(admin, case_id)
    assert done.count("close_record") == 1
    assert done[-1] == "close_overdue"
    assert done.index("replace_arbitrator") < done.index("grant_without_recourse")


async def test_every_entry_of_the_clock_has_its_receipt(desk, admin, case_id, clock):
    await clock(6 * DAY)
    await clockwork.run(desk, unreported)
    missing = await admin.fetchval(
        "SELECT count(*) FROM vault_entries e WHERE NOT EXISTS"
        " (SELECT FROM vault_receipts r WHERE (r.stream, r.seq) = (e.stream, e.seq))"
    )
    assert missing == 0
    assert case_id


async def test_a_clock_cannot_be_run_by_a_person(desk, world, case_id):
    with pytest.raises(NotAllowed):
        async with desk.work(world.buyer, ids.child(case_id)) as work:
            await cases.hold(work, case_id, Act.GRANT_BY_DEFAULT)


async def test_catching_up_with_an_unknown_case_does_nothing(desk, case_id):
    async with desk.work(SERVICE, ids.child(case_id)) as work:
        assert await cases.catch_up(work, ids.child(case_id)) == 0

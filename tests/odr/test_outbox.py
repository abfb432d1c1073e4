"""The outbox: claimed by state with a lease, at least once, given up after many tries."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from infra import database as db
from odr import ids, outbox
from odr.models.states import OutboxState
from odr.outbox import Batch, Hopeless, Later, Outbox, Patience

SUBJECT = ids.new(datetime(2026, 11, 1, tzinfo=UTC))
QUICK = Patience(tries_max=3, first=timedelta(seconds=10), longest=timedelta(seconds=15))


def unreported(error: BaseException) -> str:
    raise AssertionError("nothing goes wrong here") from error


class Noted:
    """Keeps what was reported and what was done."""

    def __init__(self) -> None:
        self.errors: list[BaseException] = []
        self.done: list[UUID] = []

    def report(self, error: BaseException) -> str:
        self.errors.append(error)
        return f"no. {len(self.errors)}"

    async def do(self, subject: UUID) -> None:
        self.done.append(subject)


@pytest.fixture
async def clock(database, admin):
    """Moves the service's time of this test's database."""
    await db.make_demonstration(database.admin_url)

    async def forward(step: timedelta) -> datetime:
        return await admin.fetchval("SELECT advance_service_clock($1)", step)

    return forward


@pytest.fixture
def noted() -> Noted:
    return Noted()


async def put(engine, count: int = 1, kind: str = "letter") -> list[UUID]:
    async with engine.begin() as conn:
        return [await outbox.put(conn, kind, ids.child(SUBJECT)) for _ in range(count)]


async def claim(engine, limit: int = 10, *kinds: str) -> Batch:
    async with engine.begin() as conn:
        return await outbox.claim(conn, kinds or ("letter",), limit=limit)


async def rows(admin) -> list:
    return await admin.fetch("SELECT * FROM outbox ORDER BY due, id")


async def test_a_row_is_done_once_and_stays_done(engine, admin, noted):
    await put(engine, 3)
    box = Outbox(engine=engine, functions={"letter": noted.do}, report=unreported)

    assert await box.run() == 3
    assert await box.run() == 0

    assert sorted(noted.done) == sorted(row["subject_id"] for row in await rows(admin))
    for row in await rows(admin):
        assert (row["state"], row["tries"], row["leased_until"]) == ("done", 1, None)
        assert row["done"] is not None


async def test_what_is_claimed_is_passed_over_by_everybody_else(engine):
    await put(engine, 5)
    first, second = await asyncio.gather(claim(engine, 3), claim(engine, 3))
    assert sorted((len(first.rows), len(second.rows))) == [2, 3]
    assert not {row.id for row in first.rows} & {row.id for row in second.rows}
    assert (await claim(engine)).rows == []


async def test_a_claim_does_not_wait_for_a_row_that_is_being_claimed(engine):
    await put(engine)
    async with engine.begin() as conn:
        assert len((await outbox.claim(conn, ["letter"], limit=1)).rows) == 1
        assert (await claim(engine)).rows == []


async def test_the_longest_due_is_claimed_first(engine, clock):
    early = await put(engine)
    await clock(timedelta(hours=1))
    await put(engine, 3)
    batch = await claim(engine, 1)
    assert [row.id for row in batch.rows] == early


async def test_a_row_committed_late_is_not_passed_over(engine, noted):
    """A high-water mark would have moved on past it."""
    box = Outbox(engine=engine, functions={"letter": noted.do}, report=unreported)
    async with engine.connect() as slow:
        await slow.begin()
        await outbox.put(slow, "letter", ids.child(SUBJECT))
        await put(engine, 2)
        assert await box.run() == 2
        await slow.commit()
    assert await box.run() == 1


async def test_kinds_without_a_function_are_left_alone(engine, admin, noted):
    await put(engine, 2, "parcel")
    box = Outbox(engine=engine, functions={"letter": noted.do}, report=unreported)
    assert await box.run() == 0
    assert [(row["state"], row["tries"]) for row in await rows(admin)] == [("due", 0)] * 2


async def test_what_a_crash_left_is_due_when_its_lease_is_over(engine, clock):
    await put(engine)
    lost = await claim(engine)
    assert (await claim(engine)).rows == []
    await clock(outbox.LEASE)
    (again,) = (await claim(engine)).rows
    assert (again.id, again.tries) == (lost.rows[0].id, 2)


async def test_a_renewed_lease_holds_on(engine, clock):
    await put(engine, 2)
    batch = await claim(engine)
    await clock(outbox.LEASE / 2)
    async with engine.begin() as conn:
        await outbox.renew(conn, batch)
    await clock(outbox.LEASE / 2 + timedelta(seconds=1))
    assert (await claim(engine)).rows == []


async def test_a_lease_is_renewed_while_the_work_lasts(engine):
    await put(engine)
    seen = []

    async def slow(_: UUID) -> None:
        for _ in range(4):
            await asyncio.sleep(0.2)
            seen.append(len((await claim(engine)).rows))

    box = Outbox(
        engine=engine,
        functions={"letter": slow},
        report=unreported,
        lease=timedelta(seconds=0.5),
    )
    assert await box.run() == 1
    assert seen == [0, 0, 0, 0]


async def test_who_lost_the_lease_can_say_done_but_not_failed(engine, admin, clock):
    await put(engine, 2)
    lost = await claim(engine)
    await clock(outbox.LEASE)
    taken = await claim(engine)
    assert len(taken.rows) == 2
    first, second = lost.rows
    async with engine.begin() as conn:
        assert await outbox.fail(conn, lost, first, "too late", hopeless=True) is None
        await outbox.postpone(conn, lost, first, timedelta(days=1))
        await outbox.done(conn, second)
    found = {row["id"]: row for row in await rows(admin)}
    assert (found[first.id]["state"], found[first.id]["error"]) == ("due", None)
    assert found[first.id]["leased_until"] == taken.leased_until
    assert found[second.id]["state"] == "done"


async def test_a_failed_try_waits_twice_as_long_each_time(engine, admin, clock):
    await put(engine)
    waits = []
    for _ in range(2):
        batch = await claim(engine)
        before = await admin.fetchval("SELECT service_now()")
        async with engine.begin() as conn:
            state = await outbox.fail(conn, batch, batch.rows[0], "451 later", patience=QUICK)
        assert state is OutboxState.DUE
        (row,) = await rows(admin)
        assert (row["error"], row["leased_until"]) == ("451 later", None)
        waits.append((row["due"] - before).total_seconds())
        await clock(timedelta(seconds=waits[-1] + 1))
    assert 7.5 <= waits[0] <= 12.6  # 10 s, a quarter to either side
    assert 11.2 <= waits[1] <= 18.8  # 15 s at most, the same


async def test_after_many_tries_a_row_is_dead_and_the_operator_is_told(engine, admin, clock, noted):
    world = await people(admin)
    await put(engine)

    async def broken(_: UUID) -> None:
        raise RuntimeError("somebody's private words")

    box = Outbox(engine=engine, functions={"letter": broken}, report=noted.report, patience=QUICK)
    for _ in range(3):
        assert await box.run() == 1
        await clock(timedelta(minutes=1))
    assert await box.run() == 0

    (row,) = [row for row in await rows(admin) if row["kind"] == "letter"]
    assert (row["state"], row["tries"]) == ("dead", 3)
    assert row["error"] == "RuntimeError no. 3"
    notices = await admin.fetch("SELECT * FROM notices")
    assert {notice["account_id"] for notice in notices} == world
    assert {notice["kind"] for notice in notices} == {outbox.GIVEN_UP}
    queued = [row["subject_id"] for row in await rows(admin) if row["kind"] == "notice"]
    assert sorted(queued) == sorted(notice["id"] for notice in notices)


async def test_the_operator_is_told_once_a_day_of_each_kind(engine, admin, clock):
    await people(admin)

    async def give_up(*kinds: str) -> int:
        batch = await claim(engine, 10, *kinds)
        for row in batch.rows:
            async with engine.begin() as conn:
                await outbox.fail(conn, batch, row, "no", hopeless=True)
        return await admin.fetchval("SELECT count(*) FROM notices")

    await put(engine, 3)
    assert await give_up("letter") == 2
    await put(engine, 3, "parcel")
    assert await give_up("parcel") == 4
    # The notices themselves die: of that they are told as well, and of its own death no more.
    assert await give_up("notice") == 6
    assert await give_up("notice") == 6
    await clock(timedelta(days=1, seconds=1))
    await put(engine)
    assert await give_up("letter") == 8


async def test_a_hopeless_row_is_given_up_at_once_with_its_proof(engine, admin):
    await put(engine)

    async def refused(_: UUID) -> None:
        raise Hopeless("550 no such mailbox")

    box = Outbox(engine=engine, functions={"letter": refused}, report=unreported)
    await box.run()
    (row,) = await rows(admin)
    assert (row["state"], row["error"], row["tries"]) == ("dead", "550 no such mailbox", 1)


async def test_one_failure_stops_no_other(engine, admin, noted):
    await put(engine, 4)
    (bad, *_) = [row["subject_id"] for row in await rows(admin)]

    async def picky(subject: UUID) -> None:
        if subject == bad:
            raise ValueError("this one")
        await noted.do(subject)

    box = Outbox(engine=engine, functions={"letter": picky}, report=noted.report)
    assert await box.run() == 4
    assert len(noted.done) == 3
    assert len(noted.errors) == 1


async def test_later_is_no_failure(engine, admin, clock):
    await put(engine)
    answers: list[Later | None] = [Later(timedelta(hours=6))] * 4 + [None]

    async def poll(_: UUID) -> Later | None:
        return answers.pop(0)

    box = Outbox(engine=engine, functions={"letter": poll}, report=unreported, patience=QUICK)
    for _ in range(4):
        assert await box.run() == 1
        assert await box.run() == 0
        (row,) = await rows(admin)
        assert (row["state"], row["tries"], row["error"]) == ("due", 0, None)
        await clock(timedelta(hours=6))
    assert await box.run() == 1
    assert [row["state"] for row in await rows(admin)] == ["done"]


async def test_a_function_that_hangs_is_a_failed_try(engine, admin, noted):
    await put(engine)

    async def hang(_: UUID) -> None:
        await asyncio.Event().wait()

    box = Outbox(
        engine=engine,
        functions={"letter": hang},
        report=noted.report,
        longest=timedelta(seconds=0.05),
    )
    assert await box.run() == 1
    (row,) = await rows(admin)
    assert (row["state"], row["error"]) == ("due", "TimeoutError no. 1")


async def test_a_row_that_kills_its_workers_is_given_up(engine, admin, clock, noted):
    await put(engine)
    for _ in range(QUICK.tries_max):
        assert len((await claim(engine)).rows) == 1
        await clock(outbox.LEASE)
    box = Outbox(engine=engine, functions={"letter": noted.do}, report=unreported, patience=QUICK)
    assert await box.run() == 1
    assert noted.done == []
    assert [row["state"] for row in await rows(admin)] == ["dead"]


async def test_a_cancelled_run_gives_its_rows_back(engine, admin):
    await put(engine, 2)
    begun = asyncio.Semaphore(0)

    async def hang(_: UUID) -> None:
        begun.release()
        await asyncio.Event().wait()

    box = Outbox(engine=engine, functions={"letter": hang}, report=unreported)
    running = asyncio.create_task(box.run())
    for _ in range(2):
        await begun.acquire()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    states = [(row["state"], row["tries"], row["leased_until"]) for row in await rows(admin)]
    assert states == [("due", 0, None)] * 2


async def test_many_workers_do_each_row_once(engine, admin, noted):
    await put(engine, 100)
    boxes = [
        Outbox(engine=engine, functions={"letter": noted.do}, report=unreported) for _ in range(4)
    ]

    async def drain(run: Callable[[], Awaitable[int]]) -> None:
        while await run():
            pass

    await asyncio.gather(*(drain(box.run) for box in boxes))
    assert len(noted.done) == len(set(noted.done)) == 100
    assert {row["tries"] for row in await rows(admin)} == {1}


async def test_an_error_is_kept_without_its_words(engine, admin, noted):
    await put(engine)

    async def leaky(_: UUID) -> None:
        raise ValueError("secret@example.org")

    await Outbox(engine=engine, functions={"letter": leaky}, report=noted.report).run()
    (row,) = await rows(admin)
    assert row["error"] == "ValueError no. 1"


async def people(admin) -> set[UUID]:
    """Two people of the operator, one of them in two of its organisations, and a stranger."""
    at = datetime(2026, 11, 1, tzinfo=UTC)
    accounts = [ids.new(at) for _ in range(3)]
    for account in accounts:
        await admin.execute(
            "INSERT INTO accounts (id, email, name, language, zone, created)"
            " VALUES ($1, $2, 'N', 'en', 'UTC', $3)",
            account,
            f"{account.hex}@example.org",
            at,
        )
    for kind in ("operator", "operator", "seller"):
        organisation = ids.new(at)
        await admin.execute(
            "INSERT INTO organisations (id, kind, name, country, created)"
            " VALUES ($1, $2, 'O', 'DE', $3)",
            organisation,
            kind,
            at,
        )
        members = accounts[2:] if kind == "seller" else accounts[:2]
        for account in members:
            await admin.execute(
                "INSERT INTO memberships (account_id, organisation_id, since) VALUES ($1, $2, $3)",
                account,
                organisation,
                at,
            )
    return set(accounts[:2])

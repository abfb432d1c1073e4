"""The worker: what the rows say is done, whatever comes and goes meanwhile."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from email import message_from_bytes, policy
from typing import NamedTuple
from uuid import UUID

import pytest
from asyncpg import Connection
from redis.asyncio import from_url
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from evidence.deposit import Declared
from evidence.errors import NotStored
from infra import database as db
from infra import worker as workers
from infra.mail import FolderMail, SmtpMail
from infra.worker import Clocks, Duty, Outside, Receipts, Worker
from odr import claims, ids, signin
from odr.procedure.acts import Act
from odr.rails.manual import ManualRail
from odr.words import Reason
from odr.work import Office
from tests.odr import world as worlds
from tests.odr.world import World
from tests.servers.redis import Redis
from tests.servers.smtp import Behaviour

SENDER = "Concord <concord@service.example>"
PATIENCE_SECONDS = 20


def english(_: str, text: str) -> str:
    return text


def link(number) -> str:
    return f"https://service.example/cases/{number}"


def outside(mail) -> Outside:
    return Outside(
        rail=ManualRail(),
        mail=mail,
        translate=english,
        link=link,
        sign_in_link="https://service.example/sign-in/{}".format,
    )


@pytest.fixture
def bell() -> asyncio.Event:
    return asyncio.Event()


@pytest.fixture
def desk(engine, tmp_path, bell) -> Office:
    return worlds.office(engine, tmp_path, wake=bell.set)


@pytest.fixture
async def world(engine) -> World:
    return await worlds.make(engine)


class Bench(NamedTuple):
    engine: AsyncEngine
    admin: Connection
    desk: Office
    world: World


@pytest.fixture
def bench(engine, admin, desk, world) -> Bench:
    return Bench(engine, admin, desk, world)


@pytest.fixture
def post(mailbox) -> SmtpMail:
    return SmtpMail(host=mailbox.host, port=mailbox.port, sender=SENDER, seconds_max=2)


@asynccontextmanager
async def working(worker: Worker, redis_url: str | None = None):
    running = asyncio.create_task(workers.serve(worker, redis_url))
    try:
        yield running
    finally:
        running.cancel()
        await asyncio.wait([running])
        assert running.cancelled()


async def until(holds: Callable[[], Awaitable[object]]) -> None:
    """Waits until something holds; how long that takes is no part of any test."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await holds():  # noqa: ASYNC110 - it is another program's doing
            await asyncio.sleep(0.02)


async def filed(engine, desk: Office, world: World):
    order = await worlds.order(engine, world)
    return await worlds.file(desk, world, order, reason=Reason.NOT_RECEIVED)


async def email(admin, viewer) -> str:
    return await admin.fetchval("SELECT email FROM accounts WHERE id = $1", viewer.account_id)


async def test_an_act_is_told_by_mail_and_the_answer_kept(bench, post, bell, mailbox):
    engine, admin, desk, world = bench
    async with working(Worker(workers.duties(desk, outside(post)), bell)):
        case_id = await filed(engine, desk, world)
        await until(lambda: admin.fetchval("SELECT bool_and(state = 'done') FROM outbox"))
    (mail,) = mailbox.to(await email(admin, world.seller))
    number = await admin.fetchval("SELECT number FROM cases WHERE id = $1", case_id)
    assert mail["Subject"] == f"Case {number}: A claim was filed."
    assert link(number) in mail.get_content()
    (notice,) = await admin.fetch("SELECT * FROM notices")
    assert notice["proof"] == "250 OK"


async def test_mail_that_is_refused_for_now_is_sent_later_and_for_good_is_given_up(
    bench, post, bell, mailbox
):
    engine, admin, desk, world = bench
    address = await email(admin, world.seller)
    mailbox.behaviours[address] = Behaviour.GREYLISTS
    async with working(Worker(workers.duties(desk, outside(post)), bell)):
        await filed(engine, desk, world)
        waiting = "SELECT count(*) FROM outbox WHERE state = 'due' AND error LIKE '451%'"
        await until(lambda: admin.fetchval(waiting))
        assert await admin.fetchval("SELECT count(sent) FROM notices") == 0
        mailbox.behaviours[address] = Behaviour.KNOWS_NOBODY
        await admin.execute("UPDATE outbox SET due = service_now() WHERE state = 'due'")
        await until(lambda: admin.fetchval("SELECT count(*) FROM outbox WHERE state = 'dead'"))
    notice = await admin.fetchrow("SELECT * FROM notices WHERE kind = 'file'")
    assert (notice["sent"], notice["proof"]) == (None, Behaviour.KNOWS_NOBODY.value)
    assert await admin.fetchval("SELECT count(*) FROM notices WHERE kind = 'given_up'") == 2


async def test_a_clock_that_runs_out_is_run(bench, database, bell, tmp_path):
    engine, admin, desk, world = bench
    await db.make_demonstration(database.admin_url)
    case_id = await filed(engine, desk, world)
    mail = FolderMail(tmp_path / "mail", SENDER)
    async with working(Worker(workers.duties(desk, outside(mail)), bell)):
        await admin.execute("SELECT advance_service_clock('6 days')")
        state = "SELECT state = 'defaulted' FROM cases WHERE id = $1"
        await until(lambda: admin.fetchval(state, case_id))
        sent = "SELECT count(*) = count(sent) FROM notices"
        await until(lambda: admin.fetchval(sent))
    letters = [
        message_from_bytes(file.read_bytes(), policy=policy.default)["Subject"]
        for file in (tmp_path / "mail").iterdir()
    ]
    assert sum("took effect" in subject for subject in letters) == 2


async def test_a_link_to_sign_in_is_sent_and_opens_a_session(bench, post, bell, mailbox):
    engine, admin, desk, world = bench
    address = await email(admin, world.buyer)
    async with working(Worker(workers.duties(desk, outside(post)), bell)):
        for asked in (address, "nobody@example.org"):
            async with engine.begin() as conn:
                at = await worlds.now(conn)
                await signin.request_link(conn, asked, "203.0.113.7", at)
        bell.set()
        await until(lambda: admin.fetchval("SELECT count(*) = 2 FROM outbox WHERE state = 'done'"))
    (mail,) = mailbox.received
    assert mail["To"] == address
    (secret,) = [
        line.rpartition("/")[2].strip()
        for line in mail.get_content().splitlines()
        if "/sign-in/" in line
    ]
    async with engine.begin() as conn:
        opened = await signin.redeem(conn, secret, await worlds.now(conn))
    assert opened.account_id == world.buyer.account_id
    assert "for 15 minutes" in mail.get_content()


async def test_receipts_that_a_crash_left_unsigned_are_signed(bench):
    engine, admin, desk, world = bench
    case_id = await filed(engine, desk, world)
    async with admin.transaction():
        await admin.execute("SET LOCAL session_replication_role = replica")
        taken = await admin.fetch("DELETE FROM vault_receipts RETURNING *")
    sweep = Receipts(desk)
    assert await sweep.turn() is True
    assert await sweep.turn() is False
    assert await admin.fetch("SELECT * FROM vault_receipts") == taken
    assert case_id


async def test_receipts_of_what_is_dated_long_ago_are_signed_as_well(bench, database):
    engine, admin, desk, world = bench
    """An entry of the clock is dated to its instant; the first sweep looks at everything."""
    await db.make_demonstration(database.admin_url)
    await filed(engine, desk, world)
    await admin.execute("SELECT advance_service_clock('30 days')")
    async with admin.transaction():
        await admin.execute("SET LOCAL session_replication_role = replica")
        await admin.execute("DELETE FROM vault_receipts")
    sweep = Receipts(desk)
    assert await sweep.turn() is True
    assert await sweep.turn() is False
    await admin.execute("SELECT advance_service_clock('59 minutes')")
    async with admin.transaction():
        await admin.execute("SET LOCAL session_replication_role = replica")
        await admin.execute("DELETE FROM vault_receipts")
    assert await sweep.turn() is False
    await admin.execute("SELECT advance_service_clock('2 minutes')")
    assert await sweep.turn() is True


async def test_an_error_is_logged_with_an_id_and_without_its_words(caplog):
    def inner() -> None:
        raise ValueError("the inner secret")

    with pytest.raises(RuntimeError) as raised:
        try:
            inner()
        except ValueError as error:
            raise RuntimeError("buyer@example.org said so") from error
    found = workers.report(raised.value)
    assert found in caplog.text
    assert "RuntimeError from ValueError at test_worker.py:" in caplog.text
    assert "secret" not in caplog.text
    assert "buyer" not in caplog.text


async def test_a_database_error_is_logged_with_its_code(engine, caplog):
    with pytest.raises(Exception, match="pg_sleeping") as raised:
        async with engine.connect() as conn:
            await conn.execute(text("SELECT pg_sleeping('a secret')"))
    workers.report(raised.value)
    assert "ProgrammingError(42883)" in caplog.text
    assert "secret" not in caplog.text


async def test_an_error_ends_no_loop(bell, caplog):
    caplog.set_level(logging.ERROR)
    turns: list[int] = []

    async def fails() -> bool:
        turns.append(1)
        raise RuntimeError("always")

    other = asyncio.Event()

    async def works() -> bool:
        if len(turns) > 2:
            other.set()
        return False

    duties = [Duty("fails", fails, seconds=0.01), Duty("works", works, seconds=0.01)]
    async with working(Worker(duties, bell)), asyncio.timeout(PATIENCE_SECONDS):
        await other.wait()
    assert caplog.text.count("RuntimeError") >= 3


async def test_the_bell_wakes_only_what_listens_to_it(bell):
    turns = {"woken": 0, "asleep": 0}

    def counting(name: str) -> Callable[[], Awaitable[bool]]:
        async def turn() -> bool:
            turns[name] += 1
            return False

        return turn

    async def turned(name: str, times: int) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while turns[name] < times:  # noqa: ASYNC110 - the worker is not to know of the test
                await asyncio.sleep(0)

    duties = [
        Duty("woken", counting("woken"), seconds=3600, woken=True),
        Duty("asleep", counting("asleep"), seconds=3600),
    ]
    async with working(Worker(duties, bell)):
        await turned("asleep", 1)
        for times in range(2, 5):
            bell.set()
            await turned("woken", times)
    assert turns == {"woken": 4, "asleep": 1}


async def test_a_case_whose_clocks_fail_rests_and_holds_up_no_other(bench, database):
    engine, admin, desk, world = bench
    await db.make_demonstration(database.admin_url)
    bad = await filed(engine, desk, world)
    tried: list[object] = []

    async def broken(work, case_id, subject) -> None:
        if case_id == bad:
            tried.append(case_id)
            raise RuntimeError("a bug")
        await claims.grant_by_default(work, case_id, subject)

    faulty = replace(desk, consequences=desk.consequences | {Act.GRANT_BY_DEFAULT: broken})
    seconds = 0.0
    clocks = Clocks(faulty, now=lambda: seconds)
    await admin.execute("SELECT advance_service_clock('6 days')")
    for after in (0, 1, 1.9):
        seconds = after
        assert await clocks.turn() is False
        assert tried == [bad]
    good = await filed(engine, desk, world)
    await admin.execute("SELECT advance_service_clock('6 days')")
    assert await clocks.turn() is True
    assert await admin.fetchval("SELECT state FROM cases WHERE id = $1", good) == "defaulted"
    assert tried == [bad]
    for after, times in ((2, 2), (5.9, 2), (6, 3), (13.9, 3), (14, 4)):
        seconds = after
        assert await clocks.turn() is False
        assert len(tried) == times


async def test_a_worker_survives_the_loss_of_its_database_connections(bench, post, bell, database):
    _, admin, desk, world = bench
    async with working(Worker(workers.duties(desk, outside(post)), bell)) as running:
        for _ in range(3):
            await admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            await asyncio.sleep(0.05)
        other = db.create_engine(database.url, connections_max=2)
        await filed(other, replace(desk, engine=other, wake=lambda: None), world)
        await other.dispose()
        await until(lambda: admin.fetchval("SELECT bool_and(sent IS NOT NULL) FROM notices"))
        assert not running.done()


async def test_accepted_files_are_retained_and_one_that_fails_stops_no_other(
    engine, admin, desk, tmp_path
):
    kept = [await accepted(engine, desk) for _ in range(3)]
    (lost,) = (tmp_path / "store" / "objects").rglob(f"{kept[1]}@*")
    place = lost.rename(tmp_path / "elsewhere")

    with pytest.raises(NotStored):
        await workers.retain(desk)
    retained = "SELECT id FROM vault_blobs WHERE retained_at IS NOT NULL ORDER BY created"
    assert [row["id"] for row in await admin.fetch(retained)] == [kept[0], kept[2]]

    place.rename(lost)
    assert await workers.retain(desk) is False
    assert [row["id"] for row in await admin.fetch(retained)] == kept


async def accepted(engine, desk: Office) -> UUID:
    """A file that was deposited and accepted, and not retained yet."""
    content = b"It was in the parcel."

    async def pieces() -> AsyncIterator[bytes]:
        yield content

    async with engine.begin() as conn:
        at = await worlds.now(conn)
        blob = ids.new(at)
        declared = Declared(size=len(content), media_type="text/plain")
        made = await desk.vault.deposit(pieces(), declared, blob=blob, at=at)
        await desk.vault.record(conn, made)
        await desk.vault.accept(conn, blob, at=at)
    return blob


async def test_a_ring_crosses_processes_through_redis(bench, post, mailbox, redis_url):
    engine, admin, desk, world = bench
    """The working process polls once an hour here, and nobody rings its own bell."""
    duties = [replace(duty, seconds=3600) for duty in workers.duties(desk, outside(post))]
    theirs = asyncio.Event()
    serving = replace(desk, wake=theirs.set)
    ringing = asyncio.create_task(workers.ring_through(theirs, redis_url))
    async with working(Worker(duties, asyncio.Event()), redis_url):
        await filed(engine, serving, world)
        await until(lambda: admin.fetchval("SELECT count(sent) = 1 FROM notices"))
    ringing.cancel()
    await asyncio.wait([ringing])
    assert len(mailbox.received) == 1


async def test_a_while_without_redis_loses_nothing(bench, post, mailbox, tmp_path):
    engine, admin, desk, world = bench
    server = Redis(tmp_path / "redis").start()
    theirs = asyncio.Event()
    serving = replace(desk, wake=theirs.set)
    duties = workers.duties(desk, outside(post))
    ringing = asyncio.create_task(workers.ring_through(theirs, server.url))
    async with working(Worker(duties, asyncio.Event()), server.url) as running:
        server.stop()
        await filed(engine, serving, world)
        # Without the bell the worker's own clock finds it.
        await until(lambda: admin.fetchval("SELECT count(sent) = 1 FROM notices"))
        server.start()
        slow = [replace(duty, seconds=3600) for duty in duties]
        assert not running.done()
    async with working(Worker(slow, asyncio.Event()), server.url):
        await filed(engine, serving, world)
        theirs.set()

        async def sent() -> bool:
            theirs.set()  # a ring may be lost; the next act's is not
            return await admin.fetchval("SELECT count(sent) = 2 FROM notices")

        await until(sent)
        assert not ringing.done()
    ringing.cancel()
    await asyncio.wait([ringing])
    server.stop()
    assert len(mailbox.received) == 2


async def test_nothing_is_kept_in_redis(bench, post, redis_url):
    engine, admin, desk, world = bench
    theirs = asyncio.Event()
    ringing = asyncio.create_task(workers.ring_through(theirs, redis_url))
    worker = Worker(workers.duties(desk, outside(post)), asyncio.Event())
    async with working(worker, redis_url), from_url(redis_url) as client:
        await filed(engine, replace(desk, wake=theirs.set), world)
        await until(lambda: admin.fetchval("SELECT count(sent) = 1 FROM notices"))

        async def only_health() -> bool:
            return set(await client.keys("*")) <= {b"concord:bell:health-check"}

        await until(only_health)
    ringing.cancel()
    await asyncio.wait([ringing])


async def test_every_duty_can_be_asked_for_by_its_name(desk, post):
    duties = workers.duties(desk, outside(post))
    settings = workers.arq_settings(Worker(duties, asyncio.Event()))
    names = {job.name for job in settings["functions"]}
    assert names == {workers.RING} | {duty.name for duty in duties}
    assert {job.keep_result_s for job in settings["functions"]} == {0}
    for job in settings["functions"]:
        await job.coroutine({})


async def test_a_worker_that_is_stopped_leaves_nothing_claimed(bench, mailbox, bell):
    engine, admin, desk, world = bench
    """The mail server hangs while the worker is stopped; the next one begins at once."""
    address = await email(admin, world.seller)
    mailbox.behaviours[address] = Behaviour.HANGS
    slow = SmtpMail(host=mailbox.host, port=mailbox.port, sender=SENDER)
    async with working(Worker(workers.duties(desk, outside(slow)), bell)):
        await filed(engine, desk, world)
        await until(lambda: admin.fetchval("SELECT count(leased_until) = 1 FROM outbox"))
    (row,) = await admin.fetch("SELECT * FROM outbox")
    assert (row["state"], row["tries"], row["leased_until"]) == ("due", 0, None)


async def test_a_payout_is_taken_to_the_rail(bench, post, bell):
    engine, admin, desk, world = bench
    order = await worlds.order(engine, world)
    case_id = await worlds.file(desk, world, order)
    await worlds.settle(desk, world, case_id)
    async with working(Worker(workers.duties(desk, outside(post)), bell)):
        state = "SELECT state = 'submitted' FROM payouts WHERE case_id = $1"
        await until(lambda: admin.fetchval(state, case_id))

"""The office: one act is one transaction, and what it is told when the database goes away."""

import asyncio
import os
import secrets
import signal
from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy import text

from infra import database as db
from odr.errors import Unavailable
from odr.policy import SERVICE
from odr.work import Key
from tests.odr import world as worlds

A = UUID("018f0000-0000-8000-8000-000000000001")
B = UUID("018f0000-0000-8000-8000-000000000002")
_BEGIN = text("INSERT INTO vault_streams VALUES (:id, 0, decode(repeat('00', 32), 'hex'))")
_LOCK = text("SELECT 1 FROM vault_streams WHERE id = :id FOR UPDATE")
_COUNT = text("SELECT count(*) FROM vault_streams")


@pytest.fixture
def office(engine, tmp_path):
    return worlds.office(engine, tmp_path)


@pytest.fixture
async def own_office(own_cluster, tmp_path):
    """Over a PostgreSQL of this test's own, which it may stop and start."""
    engine = db.create_engine(own_cluster.url("concord", db.APP), connections_max=4)
    yield worlds.office(engine, tmp_path)
    await engine.dispose()


async def write(work, stream):
    await work.conn.execute(_BEGIN, {"id": stream})


async def count(office):
    async with office.work(SERVICE, A) as work:
        return await work.conn.scalar(_COUNT)


async def test_an_act_is_kept_at_its_end(office):
    async with office.work(SERVICE, A) as work:
        await write(work, A)
        assert await count(office) == 0
    assert await count(office) == 1


async def test_an_act_that_raises_leaves_nothing(office):
    with pytest.raises(FileNotFoundError):
        async with office.work(SERVICE, A) as work:
            await write(work, A)
            raise FileNotFoundError("a file of the act's own is no lost database")
    assert await count(office) == 0
    assert office.engine.pool.checkedout() == 0


async def test_a_cancelled_act_leaves_nothing_and_gives_its_connection_back(office):
    written = asyncio.Event()

    async def act():
        async with office.work(SERVICE, A) as work:
            await write(work, A)
            written.set()
            await work.conn.execute(text("SELECT pg_sleep(60)"))

    task = asyncio.create_task(act())
    await written.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await count(office) == 0
    assert office.engine.pool.checkedout() == 0


async def test_more_acts_than_connections_are_told_to_come_again(database, tmp_path):
    engine = db.create_engine(database.url, connections_max=1)
    engine.pool._timeout = 0.05
    office = replace(worlds.office(engine, tmp_path), patience=())
    async with office.work(SERVICE, A):
        with pytest.raises(Unavailable):
            async with office.work(SERVICE, B):
                pass
    await engine.dispose()


async def test_of_two_that_deadlock_one_goes_on_and_the_other_is_told_to_come_again(office):
    async with office.work(SERVICE, A) as work:
        await write(work, A)
        await write(work, B)
    both_hold_one = asyncio.Barrier(2)

    async def lock_both(first, second):
        async with office.work(SERVICE, first) as work:
            await work.conn.execute(_LOCK, {"id": first})
            await both_hold_one.wait()
            await work.conn.execute(_LOCK, {"id": second})

    done = await asyncio.gather(lock_both(A, B), lock_both(B, A), return_exceptions=True)
    assert sorted(map(repr, map(type, done))) == sorted(map(repr, (type(None), Unavailable)))


async def test_a_statement_that_takes_too_long_is_worth_another_try(office):
    with pytest.raises(Unavailable):
        async with office.work(SERVICE, A) as work:
            await work.conn.execute(text("SET LOCAL statement_timeout = '20ms'"))
            await work.conn.execute(text("SELECT pg_sleep(60)"))


async def test_a_restart_between_two_acts_goes_unnoticed(own_cluster, own_office):
    for _ in range(3):
        assert await count(own_office) == 0
        own_cluster.stop()
        own_cluster.start()


async def test_an_act_that_comes_while_the_database_is_down_waits_for_it(own_cluster, own_office):
    own_cluster.stop()
    waiting = asyncio.create_task(count(own_office))
    await asyncio.sleep(0.2)
    own_cluster.start()
    assert await waiting == 0


async def test_a_database_that_stays_down_is_unavailable(own_cluster, own_office):
    own_cluster.stop()
    with pytest.raises(Unavailable) as refused:
        await count(replace(own_office, patience=(0.01, 0.01)))
    assert refused.value.retryable
    assert refused.value.part == "database"


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
async def test_a_database_that_goes_in_the_middle_is_unavailable_and_nothing_is_half_done(
    own_cluster, own_office, how
):
    with pytest.raises(Unavailable):
        async with own_office.work(SERVICE, A) as work:
            await write(work, A)
            os.kill(own_cluster.pid(), how)
            own_cluster.stop()
            own_cluster.start()
            await write(work, B)
    assert await count(own_office) == 0


async def test_a_database_that_goes_before_the_commit_is_unavailable(own_cluster, own_office):
    with pytest.raises(Unavailable):
        async with own_office.work(SERVICE, A) as work:
            await write(work, A)
            own_cluster.stop()
            own_cluster.start()
    assert await count(own_office) == 0


async def test_a_backend_that_an_administrator_ends_is_unavailable(office, admin):
    with pytest.raises(Unavailable):
        async with office.work(SERVICE, A) as work:
            pid = await work.conn.scalar(text("SELECT pg_backend_pid()"))
            await admin.execute("SELECT pg_terminate_backend($1)", pid)
            await write(work, A)


async def test_a_key_of_which_nobody_knows_whether_it_was_kept_may_be_sent_again(
    own_cluster, own_office
):
    people = await worlds.make(own_office.engine)
    key = Key(secrets.token_urlsafe(8), "test", bytes(32))
    done = []

    async def act(work):
        done.append(work.result)
        await write(work, work.result)
        if len(done) == 1:
            own_cluster.stop()
            own_cluster.start()

    with pytest.raises(Unavailable):
        await own_office.act(people.buyer, key, A, act)
    assert await own_office.act(people.buyer, key, B, act) == B
    assert await own_office.act(people.buyer, key, A, act) == B
    assert done == [A, B]

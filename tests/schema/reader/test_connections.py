"""The reader's connections: the viewer is bound for one reading, and what breaks is told."""

import asyncio

import asyncpg
import pytest

from odr.errors import Unavailable
from schema.reader.connections import Connections

TOLD = "SELECT coalesce(current_setting('concord.account', true), '')"
HELD = "SELECT pg_backend_pid()::text"


@pytest.fixture
async def single(filled):
    made = Connections(filled.url, size=1, timeout_ms=200, wait_seconds=0.2)
    yield made
    await made.close()


async def test_a_viewer_is_bound_for_one_reading_and_no_longer(single):
    first = await single.read(HELD, (), {"concord.account": "a"})
    assert await single.read(TOLD, (), {"concord.account": "a"}) == "a"
    assert await single.read(TOLD, (), {"concord.account": "b"}) == "b"
    assert await single.read(TOLD, (), {}) == ""
    assert await single.read(HELD, (), {}) == first


@pytest.mark.parametrize(
    "value", ["'", "''; COMMIT; --", "\\", "\\'; x", '"', "é\n", "$$", "'" * 7]
)
async def test_a_setting_stays_a_value_whatever_it_holds(single, value):
    assert await single.read(TOLD, (), {"concord.account": value}) == value


@pytest.mark.parametrize(
    "settings",
    [{"concord.account; x": "a"}, {"A.b": "a"}, {"a b": ""}, {"": ""}, {"concord.account": "\0"}],
)
async def test_what_is_no_setting_is_refused(single, settings):
    with pytest.raises(ValueError, match="cannot be set"):
        await single.read(TOLD, (), settings)
    assert await single.read(TOLD, (), {}) == ""


async def test_a_reading_cannot_write(single):
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await single.read("SELECT lo_create(0)::text", (), {})


async def test_a_statement_that_takes_too_long_is_given_up_and_the_connection_kept(single):
    held = await single.read(HELD, (), {})
    with pytest.raises(Unavailable):
        await single.read("SELECT pg_sleep(60)::text", (), {})
    assert await single.read(HELD, (), {}) == held


async def test_a_statement_that_fails_leaves_no_open_transaction(single):
    held = await single.read(HELD, (), {})
    for _ in range(2):
        with pytest.raises(asyncpg.DivisionByZeroError):
            await single.read("SELECT (1 / $1::int)::text", (0,), {"concord.account": "a"})
    assert await single.read(TOLD, (), {}) == ""
    assert await single.read(HELD, (), {}) == held


async def test_a_parameter_of_the_wrong_type_is_a_fault_and_not_an_outage(single):
    with pytest.raises(asyncpg.DataError):
        await single.read("SELECT $1::int::text", ("x",), {})
    assert await single.read("SELECT $1::int::text", (5,), {}) == "5"


async def test_a_connection_that_died_while_idle_is_replaced_unseen(single, librarian):
    held = await single.read(HELD, (), {})
    await asyncio.sleep(0.05)
    assert await librarian.fetchval("SELECT pg_terminate_backend($1::int)", int(held))
    assert await single.read(HELD, (), {}) != held


@pytest.mark.parametrize("kind", ["bind", "parse", "execute"])
async def test_a_connection_cut_while_reading_is_told_and_the_next_reading_works(wire, kind):
    assert await wire.connections.read("SELECT 'a'", (), {}) == "a"
    wire.cut_at = kind
    with pytest.raises(Unavailable):
        await wire.connections.read("SELECT 'b'", (), {})
    wire.cut_at = None
    assert await wire.connections.read("SELECT 'c'", (), {}) == "c"


async def test_a_connection_cut_at_its_end_gave_its_answer(wire):
    assert await wire.connections.read("SELECT 'a'", (), {}) == "a"
    wire.cut()
    assert await wire.connections.read("SELECT 'b'", (), {}) == "b"


async def test_a_server_that_is_not_there_is_told(tmp_path):
    nobody = Connections(f"postgresql://nobody@/x?host={tmp_path}")
    with pytest.raises(Unavailable):
        await nobody.read(TOLD, (), {})
    with pytest.raises(Unavailable):
        await nobody.open()
    await nobody.close()


async def test_more_readings_than_connections_wait_for_each_other(filled):
    two = Connections(filled.url, size=2)
    found = await asyncio.gather(*(two.read(HELD, (), {}) for _ in range(20)))
    assert len(set(found)) <= 2
    await two.close()


async def test_a_reading_that_waits_too_long_for_a_connection_is_given_up(single):
    slow = asyncio.create_task(single.read("SELECT pg_sleep(60)::text", (), {}))
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await asyncio.gather(*(single.read(TOLD, (), {}) for _ in range(3)))
    with pytest.raises(Unavailable):
        await slow
    await asyncio.sleep(0.3)
    assert await single.read(TOLD, (), {}) == ""


async def test_a_reading_that_is_cancelled_gives_its_place_back(single):
    held = await single.read(HELD, (), {})
    for _ in range(3):
        reading = asyncio.create_task(single.read("SELECT pg_sleep(60)::text", (), {}))
        await asyncio.sleep(0.05)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
    assert await single.read(HELD, (), {}) != held


async def test_only_the_latest_statements_are_kept(filled):
    few = Connections(filled.url, size=1, statements_max=2)
    for number in range(5):
        assert await few.read(f"SELECT '{number}'", (), {}) == str(number)
    kept = await few.read("SELECT count(*)::text FROM pg_prepared_statements", (), {})
    assert int(kept) <= 3
    await few.close()
    await few.close()

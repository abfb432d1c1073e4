"""The database by its two roles, and what the service sees when it goes away."""

import asyncio
import os
import shutil
import signal
import time
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import CheckConstraint, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from infra import database as db
from infra.migrations import foundation
from odr.errors import Unavailable
from odr.models.metadata import metadata

ONE = text("SELECT 1")


@pytest.fixture
def own(own_cluster):
    return own_cluster


@pytest.fixture
async def own_engine(own):
    engine = db.create_engine(own.url("concord", db.APP), connections_max=4)
    yield engine
    await engine.dispose()


# --- roles ---------------------------------------------------------------------------------------


async def test_the_service_signs_in_as_a_role_that_owns_nothing(engine):
    assert await db.findings(engine) == []
    await db.check(engine)


async def test_a_superuser_is_found_out(database):
    engine = db.create_engine(database.admin_url)
    with pytest.raises(db.DatabaseError, match="postgres is a superuser"):
        await db.check(engine)
    await engine.dispose()


@pytest.mark.parametrize(
    ("change", "undo", "finding"),
    [
        (
            "ALTER ROLE concord_app CREATEROLE",
            "ALTER ROLE concord_app NOCREATEROLE",
            "concord_app may make roles",
        ),
        (
            "ALTER ROLE concord_app CREATEDB",
            "ALTER ROLE concord_app NOCREATEDB",
            "concord_app may make databases",
        ),
        (
            "ALTER ROLE concord_app BYPASSRLS",
            "ALTER ROLE concord_app NOBYPASSRLS",
            "concord_app is not bound by row-level security",
        ),
        (
            "ALTER ROLE concord_app REPLICATION",
            "ALTER ROLE concord_app NOREPLICATION",
            "concord_app may replicate",
        ),
        (
            "GRANT concord_owner TO concord_app",
            "REVOKE concord_owner FROM concord_app",
            "concord_app is a member of concord_owner",
        ),
        (
            "CREATE TABLE stray (); ALTER TABLE stray OWNER TO concord_app",
            "DROP TABLE stray",
            "concord_app owns 1 objects",
        ),
        (
            "GRANT CREATE ON SCHEMA public TO concord_app",
            "REVOKE CREATE ON SCHEMA public FROM concord_app",
            "concord_app may create in schema public",
        ),
        (
            "GRANT TRUNCATE ON vault_entries TO concord_app",
            "REVOKE TRUNCATE ON vault_entries FROM concord_app",
            "concord_app may truncate vault_entries",
        ),
        (
            "GRANT UPDATE ON service_clock TO concord_app",
            "REVOKE UPDATE ON service_clock FROM concord_app",
            "concord_app may set the clock",
        ),
        (
            "ALTER ROLE concord_app SET statement_timeout = 0",
            "ALTER ROLE concord_app SET statement_timeout = '15s'",
            "statement_timeout is not limited",
        ),
        (
            "UPDATE alembic_version SET version_num = '0000'",
            "SELECT 1",
            "the schema is at revision 0000, this is 0001",
        ),
        ("DROP TABLE alembic_version", "SELECT 1", "the database has no schema yet"),
    ],
)
async def test_every_right_too_many_is_found(engine, admin, change, undo, finding):
    await admin.execute(change)
    try:
        assert finding in await db.findings(engine)
    finally:
        await admin.execute(undo)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE mine ()",
        "CREATE TEMPORARY TABLE mine ()",
        "CREATE SCHEMA mine",
        "DROP TABLE vault_entries",
        "ALTER TABLE vault_entries DISABLE TRIGGER ALL",
        "TRUNCATE vault_entries",
        "UPDATE service_clock SET ahead = '1 day'",
        "UPDATE service_clock SET demo = true",
        "CREATE OR REPLACE FUNCTION public.service_now() RETURNS timestamptz RETURN now()",
        "SET ROLE concord_owner",
        "SET session_replication_role = replica",
        "CREATE ROLE other",
        "COPY vault_entries TO '/tmp/entries'",
    ],
)
async def test_the_service_may_not(connection, statement):
    with pytest.raises(DBAPIError) as refused:
        await connection.execute(text(statement))
    assert refused.value.orig.sqlstate in {"42501", "42P01"}


async def test_what_the_service_sends_is_limited_by_its_role(connection):
    shown = {
        name: (await connection.execute(text(f"SHOW {name}"))).scalar_one() for name in db.LIMITS
    }
    assert shown == {
        "statement_timeout": "15s",
        "lock_timeout": "5s",
        "idle_in_transaction_session_timeout": "15s",
        "search_path": "public, pg_temp",
        "timezone": "UTC",
        "jit": "off",
    }


async def test_roles_and_database_are_made_once_by_several_at_once(cluster):
    await asyncio.gather(*(db.prepare(cluster.url(), "made_at_once") for _ in range(4)))
    admin = await asyncpg.connect(cluster.url())
    try:
        owner = await admin.fetchval(
            "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'made_at_once'"
        )
        assert owner == db.OWNER
        await admin.execute("DROP DATABASE made_at_once")
    finally:
        await admin.close()


async def test_names_and_passwords_are_quoted(own):
    name = "od\"d 'name"
    await db.prepare(own.url(), name, app_password="it's \\ secret")
    admin = await asyncpg.connect(own.url(name))
    assert await admin.fetchval("SELECT current_database()") == name
    assert await admin.fetchval(
        "SELECT rolpassword ~ '^SCRAM' FROM pg_authid WHERE rolname = $1", db.APP
    )
    await admin.close()


# --- time ----------------------------------------------------------------------------------------


async def test_the_service_s_time_is_the_database_s(engine):
    before = datetime.now(UTC)
    async with db.transaction(engine) as (_, instant):
        assert before <= instant <= datetime.now(UTC)


async def test_time_goes_on_within_a_transaction(engine):
    async with db.transaction(engine) as (connection, instant):
        assert await connection.scalar(db.NOW) > instant


async def test_a_demonstration_s_time_is_moved_forward(engine, database):
    await db.make_demonstration(database.admin_url)
    async with db.transaction(engine) as (connection, instant):
        moved = await connection.scalar(
            text("SELECT advance_service_clock('5 days'::interval + '1 hour'::interval)")
        )
        assert timedelta(0) < moved - instant - timedelta(days=5, hours=1) < timedelta(minutes=1)
    async with db.transaction(engine) as (_, later):
        assert later > moved


async def test_outside_a_demonstration_time_cannot_be_moved(connection):
    with pytest.raises(DBAPIError, match="it is no demonstration"):
        await connection.execute(text("SELECT advance_service_clock('1 day')"))


@pytest.mark.parametrize("step", ["'-1 day'", "'0'", "NULL", "'1 year 1 day'"])
async def test_a_step_back_or_too_far_is_refused(connection, database, step):
    await db.make_demonstration(database.admin_url)
    with pytest.raises(DBAPIError, match="a step is longer than nothing"):
        await connection.execute(text(f"SELECT advance_service_clock({step})"))


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE service_clock SET ahead = '1 day'",
        "UPDATE service_clock SET demo = true, ahead = '-1 day'",
        "INSERT INTO service_clock DEFAULT VALUES",
        "INSERT INTO service_clock (id) VALUES (false)",
    ],
)
async def test_even_the_owner_cannot_set_a_clock_that_makes_no_sense(admin, change):
    with pytest.raises((asyncpg.CheckViolationError, asyncpg.UniqueViolationError)):
        await admin.execute(change)


# --- transactions --------------------------------------------------------------------------------


async def write(connection, stream):
    await connection.execute(
        text("INSERT INTO vault_streams VALUES (:id, 0, decode(repeat('00', 32), 'hex'))"),
        {"id": stream},
    )


async def streams(admin):
    return await admin.fetchval("SELECT count(*) FROM vault_streams")


A = "018f0000-0000-8000-8000-000000000001"
B = "018f0000-0000-8000-8000-000000000002"


async def test_a_transaction_is_kept_at_its_end(engine, admin):
    async with db.transaction(engine) as (connection, _):
        await write(connection, A)
        assert await streams(admin) == 0
    assert await streams(admin) == 1


async def test_a_transaction_that_raises_leaves_nothing(engine, admin):
    with pytest.raises(FileNotFoundError):
        async with db.transaction(engine) as (connection, _):
            await write(connection, A)
            raise FileNotFoundError("a file of the act's own is no lost database")
    assert await streams(admin) == 0
    assert engine.pool.checkedout() == 0


async def test_a_cancelled_transaction_leaves_nothing_and_gives_its_connection_back(engine, admin):
    written = asyncio.Event()

    async def act():
        async with db.transaction(engine) as (connection, _):
            await write(connection, A)
            written.set()
            await connection.execute(text("SELECT pg_sleep(60)"))

    task = asyncio.create_task(act())
    await written.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await streams(admin) == 0
    assert engine.pool.checkedout() == 0


async def test_more_transactions_than_connections_are_told_to_come_again(database):
    engine = db.create_engine(database.url, connections_max=1)
    engine.pool._timeout = 0.05
    async with db.transaction(engine):
        with pytest.raises(Unavailable):
            async with db.transaction(engine):
                pass
    await engine.dispose()


async def test_json_goes_in_and_comes_out_as_it_was(connection):
    value = {"ä": [1, None, True, "€"], "n": 2**53}
    statement = text("SELECT CAST(:value AS jsonb)").bindparams()
    got = await connection.scalar(statement, {"value": db.orjson.dumps(value).decode()})
    assert got == value


async def test_of_two_that_deadlock_both_get_their_turn(engine):
    async with db.transaction(engine) as (connection, _):
        await write(connection, A)
        await write(connection, B)
    both_hold_one = asyncio.Barrier(2)
    tries = []

    async def lock_both(first, second):
        async def act(opened):
            tries.append(first)
            lock = text("SELECT 1 FROM vault_streams WHERE id = :id FOR UPDATE")
            await opened.connection.execute(lock, {"id": first})
            if tries.count(first) == 1:
                await both_hold_one.wait()
            await opened.connection.execute(lock, {"id": second})

        await db.repeat(engine, act)

    await asyncio.gather(lock_both(A, B), lock_both(B, A))
    assert len(tries) >= 3  # one had to come again


# --- losing it -----------------------------------------------------------------------------------


async def test_a_restart_between_two_requests_goes_unnoticed(own, own_engine):
    for _ in range(3):
        async with db.transaction(own_engine) as (connection, _):
            assert await connection.scalar(ONE) == 1
        own.stop()
        own.start()


async def test_a_request_that_comes_while_the_database_is_down_waits_for_it(own, own_engine):
    own.stop()

    async def request():
        async with db.transaction(own_engine) as (connection, _):
            return await connection.scalar(ONE)

    waiting = asyncio.create_task(request())
    await asyncio.sleep(0.2)
    own.start()
    assert await waiting == 1


async def test_a_database_that_stays_down_is_unavailable(own, own_engine):
    own.stop()
    before = time.monotonic()
    with pytest.raises(Unavailable) as refused:
        async with db.transaction(own_engine, patience_seconds=0.3):
            pass
    assert refused.value.retryable
    assert refused.value.part == "database"
    assert time.monotonic() - before < db.PATIENCE_SECONDS


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
async def test_a_database_that_goes_in_the_middle_is_unavailable_and_nothing_is_half_done(
    own, own_engine, how
):
    with pytest.raises(Unavailable):
        async with db.transaction(own_engine) as (connection, _):
            await write(connection, A)
            os.kill(own.pid(), how)
            own.stop()
            own.start()
            await write(connection, B)
    async with db.transaction(own_engine) as (connection, _):
        assert await connection.scalar(text("SELECT count(*) FROM vault_streams")) == 0


async def test_a_database_that_goes_before_the_commit_is_unavailable(own, own_engine):
    with pytest.raises(Unavailable):
        async with db.transaction(own_engine) as (connection, _):
            await write(connection, A)
            own.stop()
            own.start()
    async with db.transaction(own_engine) as (connection, _):
        assert await connection.scalar(text("SELECT count(*) FROM vault_streams")) == 0


async def test_a_backend_that_an_administrator_ends_is_unavailable(engine, admin):
    with pytest.raises(Unavailable):
        async with db.transaction(engine) as (connection, _):
            pid = await connection.scalar(text("SELECT pg_backend_pid()"))
            await admin.execute("SELECT pg_terminate_backend($1)", pid)
            await connection.execute(ONE)


# --- migrations ----------------------------------------------------------------------------------


def test_the_first_revision_is_what_the_models_say():
    """If this fails: run `make migration` and commit what it wrote."""
    assert foundation.REVISION.read_text(encoding="utf-8") == foundation.render()


async def test_the_models_and_the_migrated_database_are_the_same(database):
    """What a revision forgot stands here; columns, types, indexes, keys and defaults."""
    engine = create_async_engine(db._sqlalchemy_url(database.admin_url))
    async with engine.connect() as connection:
        differences = await connection.run_sync(compared)
    await engine.dispose()
    assert differences == []


def compared(connection):
    not_modelled = {"service_clock", "alembic_version"}
    options = {
        "compare_type": True,
        "include_name": lambda name, kind, _: kind != "table" or name not in not_modelled,
    }
    return compare_metadata(MigrationContext.configure(connection, opts=options), metadata())


async def test_every_check_of_the_models_is_in_the_database(admin):
    """Alembic does not compare constraints that check."""
    for table in metadata().tables.values():
        constraints = {*table.constraints, *(c for column in table.c for c in column.constraints)}
        named = {c.name for c in constraints if isinstance(c, CheckConstraint)}
        found = await admin.fetch(
            "SELECT conname FROM pg_constraint WHERE contype = 'c' AND conrelid = $1::regclass",
            table.name,
        )
        assert named == {row["conname"] for row in found}, table.name


async def test_the_comparison_sees_what_is_missing(admin, database):
    await admin.execute("DROP INDEX vault_entries_time; ALTER TABLE cases DROP COLUMN zone")
    engine = create_async_engine(db._sqlalchemy_url(database.admin_url))
    async with engine.connect() as connection:
        differences = await connection.run_sync(compared)
    await engine.dispose()
    assert {difference[0] for difference in differences} == {"add_index", "add_column"}


async def test_every_script_beside_the_code_is_in_the_schema():
    found = {
        path.relative_to(foundation.TOP).as_posix()
        for package in ("odr", "evidence")
        for path in (foundation.TOP / package).rglob("*.sql")
    }
    assert found == set(foundation.SCRIPTS)


async def test_migrating_again_changes_nothing_and_several_at_once_agree(own):
    await db.prepare(own.url(), "fresh")
    await asyncio.gather(*(db.migrate(own.url("fresh")) for _ in range(3)))
    engine = db.create_engine(own.url("fresh", db.APP))
    assert await db.findings(engine) == []
    await engine.dispose()


async def test_a_migration_that_fails_leaves_nothing(own, tmp_path):
    versions = tmp_path / "versions"
    shutil.copytree(foundation.REVISION.parent, versions)
    with (versions / foundation.REVISION.name).open("a", encoding="utf-8") as script:
        script.write("SELECT 1 / 0;\n")
    await db.prepare(own.url(), "fresh")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await db.migrate(own.url("fresh"), versions=versions)
    admin = await asyncpg.connect(own.url("fresh"))
    assert await admin.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0
    await admin.close()


async def test_everything_belongs_to_the_owner(admin):
    strays = await admin.fetch("""
        SELECT c.oid::regclass::text AS name FROM pg_class c
        WHERE c.relnamespace IN ('public'::regnamespace, 'ledger'::regnamespace)
          AND pg_get_userbyid(c.relowner) <> 'concord_owner'
        UNION ALL SELECT p.oid::regprocedure::text FROM pg_proc p
        WHERE p.pronamespace IN ('public'::regnamespace, 'ledger'::regnamespace)
          AND pg_get_userbyid(p.proowner) <> 'concord_owner'
    """)
    assert [row["name"] for row in strays] == []


async def test_a_function_is_for_whom_it_is_granted_to(admin):
    open_to_all = await admin.fetch("""
        SELECT p.oid::regprocedure::text AS name FROM pg_proc p
        WHERE p.pronamespace IN ('public'::regnamespace, 'ledger'::regnamespace)
          AND has_function_privilege('public', p.oid, 'EXECUTE')
    """)
    assert [row["name"] for row in open_to_all] == []


async def test_a_function_with_its_owner_s_rights_fixes_its_search_path(admin):
    loose = await admin.fetch("""
        SELECT p.oid::regprocedure::text AS name FROM pg_proc p
        WHERE p.prosecdef AND NOT coalesce(p.proconfig::text ~ 'search_path=', false)
          AND p.pronamespace IN ('public'::regnamespace, 'ledger'::regnamespace)
    """)
    assert [row["name"] for row in loose] == []

"""The database by its roles: what each may do, how its schema is made, whose time it is."""

import asyncio
import shutil
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
from odr.models.metadata import metadata

NOW = text("SELECT public.service_now()")


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
        "transaction_timeout": "5min",
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
    async with engine.connect() as connection:
        assert before <= await connection.scalar(NOW) <= datetime.now(UTC)


async def test_time_goes_on_within_a_transaction(engine):
    async with engine.connect() as connection:
        assert await connection.scalar(NOW) < await connection.scalar(NOW)


async def test_a_demonstration_s_time_is_moved_forward(engine, database):
    await db.make_demonstration(database.admin_url)
    async with engine.begin() as connection:
        instant = await connection.scalar(NOW)
        moved = await connection.scalar(
            text("SELECT advance_service_clock('5 days'::interval + '1 hour'::interval)")
        )
        assert timedelta(0) < moved - instant - timedelta(days=5, hours=1) < timedelta(minutes=1)
    async with engine.connect() as connection:
        assert await connection.scalar(NOW) > moved


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
    await admin.execute("DROP INDEX vault_entries_recorded; ALTER TABLE cases DROP COLUMN zone")
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

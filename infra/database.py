"""The database: its roles, its schema, and the service's engines.

`concord_owner` owns everything and nobody signs in as it; `concord_app` is the service, and
`concord_reader` what it shows a viewer by, under row-level security (odr/policy.sql). The limits
on their statements are settings of the roles, not of a session, so that they hold behind a
pooler as well. This module knows no settings and no table but service_clock.
"""

import itertools
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import asyncpg
import orjson
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, make_url, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

OWNER = "concord_owner"
APP = "concord_app"
READER = "concord_reader"
VERSIONS = Path(__file__).parent / "migrations" / "versions"

# What a statement of the service may take; a job that needs more says SET LOCAL.
LIMITS = {
    "statement_timeout": "15s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "15s",
    "transaction_timeout": "5min",  # a log is sealed ten minutes after its year
    "search_path": "public, pg_temp",
    "timezone": "UTC",
    "jit": "off",  # compiling costs more than our statements take
}
READER_LIMITS = LIMITS | {"default_transaction_read_only": "on"}

POOL_SECONDS_MAX = 5.0
STATEMENTS_KEPT = 500  # prepared, on each connection

LOCK_OF_ROLES = 0x636F6E63
LOCK_OF_MIGRATIONS = 0x636F6E64


class DatabaseError(RuntimeError):
    """The database is not as the service needs it; the text names every finding."""


SHOW_REVISION = f"GRANT SELECT ON public.alembic_version TO {APP}, {READER}"


# --- making ------------------------------------------------------------------------------------


async def prepare(
    admin_url: str,
    database: str,
    *,
    app_password: str | None = None,
    reader_password: str | None = None,
) -> None:
    """Make the roles, set the service's limits, and make the database if it is missing.

    `admin_url` signs in as a superuser, or as a role that may make roles and databases.
    May be run again, also by several at once.
    """
    connection = await asyncpg.connect(admin_url)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", LOCK_OF_ROLES)
        await _make_role(connection, OWNER, "NOLOGIN", {}, None)
        await _make_role(connection, APP, "LOGIN", LIMITS, app_password)
        await _make_role(connection, READER, "LOGIN", READER_LIMITS, reader_password)
        if not await connection.fetchval("SELECT pg_has_role($1, 'MEMBER')", OWNER):
            await connection.execute(f"GRANT {OWNER} TO CURRENT_USER")
        found = await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", database)
        name = _identifier(database)
        if found is None:
            await connection.execute(
                f"CREATE DATABASE {name} OWNER {OWNER} TEMPLATE template0 ENCODING 'UTF8'"
            )
        await connection.execute(f"REVOKE ALL ON DATABASE {name} FROM PUBLIC")
        await connection.execute(f"GRANT CONNECT ON DATABASE {name} TO {APP}, {READER}")
    finally:
        await connection.close()


async def migrate(admin_url: str, *, versions: Path = VERSIONS) -> None:
    """Bring the database to the newest revision, in one transaction, as concord_owner.

    `admin_url` names the database and a role that may become concord_owner. Of several at once
    the first works and the others wait.
    """
    engine = create_async_engine(_sqlalchemy_url(admin_url), poolclass=NullPool)
    try:
        async with engine.begin() as connection:
            await connection.execute(text(f"SET LOCAL ROLE {OWNER}"))
            await connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK_OF_MIGRATIONS})"))
            await connection.run_sync(_upgrade, _configuration(versions))
            await connection.execute(text(SHOW_REVISION))
    finally:
        await engine.dispose()


async def make_demonstration(admin_url: str) -> None:
    """Let this database's time be moved forward; never undone, never done in production."""
    connection = await asyncpg.connect(admin_url)
    try:
        await connection.execute("UPDATE public.service_clock SET demo = true")
    finally:
        await connection.close()


# --- using -------------------------------------------------------------------------------------


def create_engine(
    url: str, *, connections_max: int = 10, application: str = "concord"
) -> AsyncEngine:
    """Return an engine for the service; nothing connects yet. The caller disposes of it.

    There is no ping before use: a transaction opens with a statement that it needs anyway, and
    a dead connection is found by that (odr/work.py).
    """
    return create_async_engine(
        _sqlalchemy_url(url),
        pool_size=connections_max,
        max_overflow=0,
        pool_timeout=POOL_SECONDS_MAX,
        query_cache_size=2000,
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
        connect_args={
            "timeout": POOL_SECONDS_MAX,
            "command_timeout": None,  # the role's statement_timeout ends it on the server as well
            "statement_cache_size": 0,  # SQLAlchemy's adapter keeps the prepared statements
            "prepared_statement_cache_size": STATEMENTS_KEPT,
            # A statement without a name is parsed and planned anew at each execution.
            "prepared_statement_name_func": partial(_statement_name, itertools.count(1)),
            "server_settings": {"application_name": application},
        },
    )


async def findings(engine: AsyncEngine) -> list[str]:
    """Return in words all that is wrong with the role the engine signs in as, and the schema.

    Empty when the role is no superuser and owns nothing, its limits are set, and the schema is
    at the newest revision.
    """
    newest = ScriptDirectory.from_config(_configuration(VERSIONS)).get_current_head()
    async with engine.connect() as connection:
        found = [row.finding for row in await connection.execute(text(FINDINGS))]
        if await connection.scalar(text("SELECT to_regclass('public.alembic_version')")) is None:
            return [*found, "the database has no schema yet"]
        revision = await connection.scalar(text("SELECT version_num FROM public.alembic_version"))
    if revision != newest:
        found.append(f"the schema is at revision {revision}, this is {newest}")
    return found


async def check(engine: AsyncEngine) -> None:
    """Raise DatabaseError if there are findings."""
    found = await findings(engine)
    if found:
        raise DatabaseError("; ".join(found))


FINDINGS = """
WITH me AS (SELECT * FROM pg_roles WHERE rolname = current_user)
SELECT me.rolname || ' is a superuser' AS finding FROM me WHERE rolsuper
UNION ALL SELECT me.rolname || ' is not bound by row-level security' FROM me WHERE rolbypassrls
UNION ALL SELECT me.rolname || ' may make roles' FROM me WHERE rolcreaterole
UNION ALL SELECT me.rolname || ' may make databases' FROM me WHERE rolcreatedb
UNION ALL SELECT me.rolname || ' may replicate' FROM me WHERE rolreplication
UNION ALL SELECT me.rolname || ' is a member of ' || r.rolname FROM me, pg_roles r
    WHERE r.oid <> me.oid AND pg_has_role(me.oid, r.oid, 'MEMBER')
UNION ALL SELECT me.rolname || ' owns ' || count(*) || ' objects'
    FROM me JOIN pg_shdepend d ON d.refobjid = me.oid
    WHERE d.refclassid = 'pg_authid'::regclass AND d.deptype = 'o' GROUP BY me.rolname
UNION ALL SELECT me.rolname || ' may create in schema ' || n.nspname FROM me, pg_namespace n
    WHERE n.nspname !~ '^pg_' AND has_schema_privilege(me.oid, n.oid, 'CREATE')
UNION ALL SELECT me.rolname || ' may make ' || lower(p) || ' objects in the database'
    FROM me, unnest(ARRAY['CREATE', 'TEMPORARY']) p
    WHERE has_database_privilege(me.oid, current_database(), p)
UNION ALL SELECT me.rolname || ' may ' || lower(p) || ' ' || c.oid::regclass
    FROM me, pg_class c, unnest(ARRAY['TRUNCATE', 'TRIGGER', 'REFERENCES']) p
    WHERE c.relkind IN ('r', 'p') AND c.relnamespace NOT IN (
        SELECT oid FROM pg_namespace WHERE nspname ~ '^pg_' OR nspname = 'information_schema'
    ) AND has_table_privilege(me.oid, c.oid, p)
UNION ALL SELECT me.rolname || ' may set the clock' FROM me
    WHERE has_table_privilege(me.oid, to_regclass('public.service_clock'), 'INSERT, UPDATE, DELETE')
UNION ALL SELECT name || ' is not limited' FROM pg_settings
    WHERE name IN ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout')
    AND setting = '0'
UNION ALL SELECT 'the encoding is ' || setting FROM pg_settings
    WHERE name = 'server_encoding' AND setting <> 'UTF8'
"""


# --- inside ------------------------------------------------------------------------------------


def _configuration(versions: Path) -> Config:
    config = Config()
    folder = VERSIONS.parent
    # The parser of such options takes a percent sign for a reference.
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", str(versions).replace("%", "%%"))
    return config


def _upgrade(connection: Connection, config: Config) -> None:
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


async def _make_role(
    connection: asyncpg.Connection,
    name: str,
    login: str,
    limits: dict[str, str],
    password: str | None,
) -> None:
    rights = f"{login} NOSUPERUSER NOCREATEDB NOCREATEROLE"
    found = await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", name)
    await connection.execute(f"{'CREATE' if found is None else 'ALTER'} ROLE {name} {rights}")
    if password is not None:
        await connection.execute(f"ALTER ROLE {name} PASSWORD {_literal(password)}")
    for setting, value in limits.items():
        words = value if setting == "search_path" else _literal(value)
        await connection.execute(f"ALTER ROLE {name} SET {setting} = {words}")


def _statement_name(numbers: Iterator[int]) -> str:
    return f"act_{next(numbers)}"


def _sqlalchemy_url(url: str) -> URL:
    return make_url(url).set(drivername="postgresql+asyncpg")


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"

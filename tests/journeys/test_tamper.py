"""One byte, value or member changed after the main job is found and named.

By the audit in the store and in the vault's tables (the case's own are tests/odr/test_audit.py's),
by the verifier in the bundle. What is tried of all that could be is drawn by chance; the long tests
try all.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

import pytest
from sqlalchemy import JSON, Column, DateTime, Enum, Integer, LargeBinary, Table, Uuid, text
from sqlalchemy.ext.asyncio import AsyncConnection

from evidence import audit as vault_audit
from evidence import note, verify
from evidence import report as reports
from infra import database as db
from infra import parts, settings, site
from infra.demo import cast, command
from infra.demo import check as checks
from infra.demo.check import Check
from infra.parts import Parts
from infra.settings import Settings
from odr.models.metadata import metadata
from tests.servers.databases import Database

BOUND = (
    "vault_streams",
    "vault_entries",
    "vault_receipts",
    "vault_blobs",
    "vault_logs",
    "vault_leaves",
    "vault_unlogged",
)
"""The vault's tables that are evidence; the others are computed from files, and can be again."""

UNBOUND = {
    # when something was done, which nothing else says
    *("vault_blobs.created", "vault_blobs.retained_at", "vault_logs.published"),
    "vault_entries.recorded",
}
RULES = """
SELECT quote_ident(conname) FROM pg_constraint
WHERE contype IN ('c', 'u', 'f', 'p') AND conrelid = CAST(:table AS regclass)
"""
SEED = 23


@dataclass(frozen=True)
class Finished:
    """The main job, done: where its rows and objects are, and its bundle."""

    settings: Settings
    database: Database
    bundle: Path
    key: note.VerifierKey


async def finish(database: Database, folder: Path) -> Finished:
    given = settings.read(
        {
            "CONCORD_FOLDER": str(folder),
            "CONCORD_DATABASE_URL": database.url,
            "CONCORD_DATABASE_READER_URL": database.reader_url,
        }
    )
    bundle = folder / "bundle.zip"
    async with AsyncExitStack() as stack:
        made, url = await stack.enter_async_context(
            command.served(given, folder, port=0, staged=False)
        )
        accounts = {each.name: each.account_id for each in await cast.people(made.office)}
        check = Check(url, accounts, str(made.vault.receipt_key), stack)
        case = await checks.main_job(check)
        buyer = await check.person("Marlene Hößler")
        answer = await buyer.client.get(f"/cases/{case['number']}/bundle")
        await asyncio.to_thread(bundle.write_bytes, answer.content)
    async with parts.opened(given) as made, site.opened(made) as built:
        await built.worker.drain(built.worker.duties)
        return Finished(given, database, bundle, made.vault.receipt_key)


@pytest.fixture(scope="module")
def finished(databases, tmp_path_factory):
    database = databases.take()
    yield asyncio.run(finish(database, tmp_path_factory.mktemp("finished")))
    databases.give_back(database)


@pytest.fixture
async def made(finished) -> AsyncIterator[Parts]:
    async with parts.opened(finished.settings) as opened:
        yield opened


@pytest.fixture
async def intruder(finished) -> AsyncIterator[AsyncConnection]:
    """Somebody who owns the database, and has dropped what would refuse a change."""
    engine = db.create_engine(finished.database.admin_url, connections_max=1)
    async with engine.connect() as conn:
        await conn.execute(text("SET LOCAL session_replication_role = replica"))
        for table in BOUND:
            for rule in (await conn.execute(text(RULES), {"table": table})).scalars().all():
                gone = f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {rule} CASCADE"
                await conn.execute(text(gone))
        yield conn
        await conn.rollback()
    await engine.dispose()


@pytest.fixture(params=[False, pytest.param(True, marks=pytest.mark.long)], ids=["drawn", "all"])
def draw(request):
    """What draws some of a list by chance, or takes all."""
    chance = random.Random(SEED)  # noqa: S311 - no secret

    def drawn(given: Sequence, count: int) -> Sequence:
        return given if request.param or len(given) <= count else chance.sample(given, count)

    return drawn


async def found(conn: AsyncConnection, made: Parts) -> tuple[list[str], list[str]]:
    """What the vault's audit finds, and what it tells without accusing anybody."""
    report = await vault_audit.audit(conn, made.vault)
    return [f"{each.where}: {each.what}" for each in report.findings], report.unchecked


def changes(path: Path, others: list[Path], draw) -> Iterator[tuple[str, bytes | None]]:
    """What may be done to a file: a byte changed, cut, removed, another in its place."""
    data = path.read_bytes()
    for at in draw(range(len(data)), 1) if len(data) > 1 else ():
        changed = bytearray(data)
        changed[at] ^= 1
        yield f"byte {at}", bytes(changed)
    another = others[(others.index(path) + 1) % len(others)]
    whole: list[tuple[str, bytes | None]] = [
        ("cut", data[:-1]),
        ("longer", data + b"x"),
        ("removed", None),
        (f"{another.name} in its place", another.read_bytes()),
    ]
    yield from ((what, content) for what, content in draw(whole, 2) if content != data)


# The store.


def may_go(path: Path) -> bool:
    """Whether a file is part of a tile that is wider by now: C2SP tlog-tiles lets it be tidied."""
    name, _, _ = path.name.partition("@")
    wider = (each.name.partition("@")[0] for each in path.parent.iterdir())
    return path.parent.name.endswith(".p") and any(int(each) > int(name) for each in wider)


async def test_every_object_that_was_changed_is_named(finished, made, draw):
    objects = finished.settings.folder / "store" / "objects"
    paths = sorted(path for path in objects.rglob("*") if path.is_file())
    kinds = [[each for each in paths if ("/log/" in str(each)) == log] for log in (True, False)]
    missed = []
    async with made.engine.connect() as conn:
        assert await found(conn, made) == ([], [])
        for path, same in ((path, kind) for kind in kinds for path in kind):
            whole = path.read_bytes()
            key = path.relative_to(objects).as_posix().rpartition("@")[0]
            name = f"vault_blobs {path.name[:36]}" if key.startswith("blobs/") else key
            for what, data in changes(path, same, draw):
                if data is None and may_go(path):
                    continue
                path.write_bytes(data) if data is not None else path.unlink()
                said, _ = await found(conn, made)
                path.write_bytes(whole)
                if not any(name in each for each in said):
                    missed.append(f"{key}, {what}: {said}")
        assert await found(conn, made) == ([], [])
    assert not missed, "\n".join(missed)
    assert all(kinds)


# The tables.

OTHERS = {
    Uuid: "gen_random_uuid()",
    Integer: "coalesce({0}, 0) + 1",
    DateTime: "coalesce({0}, now()) + interval '1 second'",
    LargeBinary: "set_byte({0}, length({0}) / 2, get_byte({0}, length({0}) / 2) # 1)",
    JSON: "jsonb_set({0}, '{{act}}', '\"another\"')",
}
TEXT = "overlay({0} placing chr(ascii({0}) # 1) from 1)"


def other_value(column: Column) -> str:
    """SQL for a value that a column does not have: a bit, a second, a number further."""
    name = f'"{column.name}"'
    if isinstance(column.type, Enum):
        first, second, *_ = column.type.enums
        return f"CASE WHEN {name} = '{first}' THEN '{second}' ELSE '{first}' END"
    kinds = (sql for kind, sql in OTHERS.items() if isinstance(column.type, kind))
    return next(kinds, TEXT).format(name)


async def rows_of(conn: AsyncConnection, table: Table) -> list[tuple[str, str]]:
    """The rows of a table: where each lies, and how the audit names it. Of files those given."""
    named = ", ".join(f'"{column.name}"' for column in table.primary_key)
    given = "id IN (SELECT blob FROM vault_entries)" if table.name == "vault_blobs" else "true"
    sought = f"SELECT ctid::text, {named} FROM {table.name} WHERE {given} ORDER BY {named}"  # noqa: S608 - names of our own
    rows = (await conn.execute(text(sought))).all()
    return [(place, " ".join([table.name, *map(str, key)])) for place, *key in rows]


async def after(
    conn: AsyncConnection, made: Parts, statement: str
) -> tuple[list[str], list[str]] | None:
    """What is found after a statement, which is undone; None if it changed nothing."""
    async with conn.begin_nested() as undone:
        counted = (await conn.execute(text(statement))).rowcount
        said = await found(conn, made) if counted else None
        await undone.rollback()
    return said


def other_rows(column: Column) -> str:
    name, other = f'"{column.name}"', other_value(column)
    return f"UPDATE {column.table.name} SET {name} = {other} WHERE {name} IS NOT NULL AND"  # noqa: S608 - names of our own


async def test_every_value_that_was_changed_in_a_row_is_named(made, intruder, draw):
    missed, tried = [], Counter()
    assert await found(intruder, made) == ([], [])
    for table in map(metadata().tables.__getitem__, BOUND):
        rows = await rows_of(intruder, table)
        for column in table.columns:
            if column.computed is not None or f"{table.name}.{column.name}" in UNBOUND:
                continue
            for place, name in draw(rows, 3):
                said = await after(intruder, made, f"{other_rows(column)} ctid = '{place}'")
                if said is None:
                    continue
                tried[table.name] += 1
                # Under another key it is missed by what belongs to it.
                is_key = column.primary_key or table.name == "vault_leaves"
                if not any(is_key or name in each for each in said[0]):
                    missed.append(f"{name}, {column.name}: {said}")
    assert not missed, "\n".join(missed)
    assert set(tried) == {*BOUND} - {"vault_unlogged"}  # in which nothing waits


async def test_every_row_that_was_taken_away_or_put_in_is_named(made, intruder, draw):
    missed = []
    for table in map(metadata().tables.__getitem__, BOUND):
        *_, last = table.primary_key
        again = [other_value(each) if each is last else f'"{each.name}"' for each in table.columns]
        for place, name in draw(await rows_of(intruder, table), 3):
            here = f"{table.name} WHERE ctid = '{place}'"
            for statement in (
                f"DELETE FROM {here}",  # noqa: S608 - names of our own
                f"INSERT INTO {table.name} SELECT {', '.join(again)} FROM {here}",  # noqa: S608 - the same
            ):
                said = await after(intruder, made, statement)
                # A receipt may be on its way: who has none is told, and accuses nobody.
                if said is None or not said[table.name == "vault_receipts" and not said[0]]:
                    missed.append(f"{name}, {statement}: {said}")
    assert not missed, "\n".join(missed)


# The bundle.


def unpacked(path: Path, folder: Path) -> list[Path]:
    with ZipFile(path) as opened:
        opened.extractall(folder)
    return sorted(each for each in folder.rglob("*") if each.is_file())


def test_every_member_of_the_bundle_that_was_changed_is_named(finished, tmp_path, draw):
    members = unpacked(finished.bundle, tmp_path)
    (root,) = tmp_path.iterdir()

    def said() -> tuple[int, str]:
        told = verify.verify(root, [finished.key])
        return told.code, "\n".join(f"{each.where}: {each.what}" for each in told.findings)

    assert said() == (reports.SOUND, "")
    missed = []
    for path in draw(members, 40):
        whole, name = path.read_bytes(), path.relative_to(root).as_posix()
        same = [each for each in members if each.parent == path.parent]
        for what, data in changes(path, same, draw):
            path.write_bytes(data) if data is not None else path.unlink()
            code, words = said()
            path.write_bytes(whole)
            # A digest that was changed in a manifest accuses the file whose digest it was.
            named = name in words or "manifest says" in words
            if code == reports.SOUND or not named:
                missed.append(f"{name}, {what}: {words[:200]}")
    assert not missed, "\n".join(missed)
    assert len(members) > 100

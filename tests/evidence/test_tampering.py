"""What may be done to each kind of stored thing, and who names it: one table, nothing left out.

{thing} x {flip, delete, swap two, replay an older one, insert, reorder}. Rows are changed by a
superuser who has dropped every rule; objects and a bundle's members byte by byte. Every pair either
is done here and named, or stands in IMPOSSIBLE with the reason.
"""

from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from evidence import audit, bundle, checkpoint, log, note, proof, shard, verify
from evidence import report as reports
from evidence.dating import NOT_DATED, Outside
from evidence.errors import Malformed, NotCosigned
from evidence.store import DirectoryStore
from tests.evidence.attesting import serving
from tests.evidence.cases import ORIGIN, PHOTO, files_of, kept, pack, place
from tests.evidence.files import GOOD
from tests.evidence.test_dating import one, soon, stamped
from tests.evidence.test_log import LOG, NOON, append, drain, over, verifiers
from tests.evidence.test_testimony import ask

__all__ = ["one", "stamped"]  # fixtures
HOW = ("flip", "delete", "swap", "replay", "insert", "reorder")
E, R, S = "vault_entries", "vault_receipts", "vault_streams"
AT = "stream = :stream AND seq = {}"
RULES = """
SELECT conrelid::regclass::text AS name, quote_ident(conname) AS rule FROM pg_constraint
WHERE contype IN ('c', 'u', 'f', 'p') AND conrelid::regclass::text LIKE 'vault_%'
"""


def flip(table: str, column: str, where: str) -> str:
    there = f"get_byte({column}, length({column}) / 2) # 1"
    return (
        f"UPDATE {table} SET {column} = set_byte({column}, length({column}) / 2, {there})"  # noqa: S608 - names of our own
        f" WHERE {where}"
    )


def swap(table: str, columns: str, one_: str, other: str) -> str:
    """Exchange columns of two rows; a condition says ``x.`` for the row."""
    named = [each.strip() for each in columns.split(",")]
    sets = ", ".join(f"{each} = b.{each}" for each in named)
    here = " OR ".join(
        f"({first.replace('x.', 'a.')} AND {second.replace('x.', 'b.')})"
        for first, second in ((one_, other), (other, one_))
    )
    return f"UPDATE {table} a SET {sets} FROM {table} b WHERE {here}"  # noqa: S608 - the same


def put(table: str, columns: str, from_: str, to: str) -> str:
    """Put an older row's columns into a newer."""
    sets = ", ".join(f"{each.strip()} = b.{each.strip()}" for each in columns.split(","))
    here = f"{to.replace('x.', 'a.')} AND {from_.replace('x.', 'b.')}"
    return f"UPDATE {table} a SET {sets} FROM {table} b WHERE {here}"  # noqa: S608 - the same


def again(table: str, **others: str) -> str:
    """Insert a row like the first, but for some columns."""
    return (
        f"INSERT INTO {table} SELECT (jsonb_populate_record(x, {_json(others)})).* FROM {table} x"  # noqa: S608 - the same
    )


def _json(others: dict[str, str]) -> str:
    pairs = ", ".join(f"'{name}', {sql}" for name, sql in others.items())
    return f"jsonb_build_object({pairs})"


def seqs(number: int) -> str:
    return f"x.stream = :stream AND x.seq = {number}"


def blobs(which: str) -> str:
    return f"x.id = :{which}"


LEAF = "x.origin = :log AND x.index = {}"
CONTENT = "entry, leaf, prev, time, body, salt, blob"
FILE = "sha256, sha512, size, media_type, cipher_sha256, cipher_size, wrapped_key, store_key"

# {(thing, how): (statement, in which table the audit names it)}
ROWS = {
    ("entry", "flip"): (flip(E, "entry", AT.format(1)), E),
    ("entry", "delete"): (f"DELETE FROM {E} WHERE {AT.format(1)}", E),  # noqa: S608 - names of our own
    ("entry", "swap"): (swap(E, CONTENT, seqs(1), seqs(3)), E),
    ("entry", "replay"): (put(E, CONTENT, seqs(0), seqs(3)), E),
    ("entry", "insert"): (again(E, seq="7777") + f" WHERE {AT.format(1)}", E),
    ("entry", "reorder"): (swap(E, "seq", seqs(1), seqs(2)), E),
    ("body", "flip"): (
        f"UPDATE {E} SET body = jsonb_set(body, '{{act}}', '\"X\"') WHERE {AT.format(1)}",  # noqa: S608 - the same
        E,
    ),
    ("body", "delete"): (f"UPDATE {E} SET body = NULL WHERE {AT.format(1)}", E),  # noqa: S608 - the same
    ("body", "swap"): (swap(E, "body", seqs(1), seqs(3)), E),
    ("body", "replay"): (put(E, "body", seqs(0), seqs(3)), E),
    ("body", "insert"): (
        f"UPDATE {E} SET body = jsonb_set(body, '{{body,more}}', '1') WHERE {AT.format(1)}",  # noqa: S608 - the same
        E,
    ),
    ("salt", "flip"): (flip(E, "salt", AT.format(1)), E),
    ("salt", "delete"): (f"UPDATE {E} SET salt = NULL WHERE {AT.format(1)}", E),  # noqa: S608 - the same
    ("salt", "swap"): (swap(E, "salt", seqs(1), seqs(3)), E),
    ("salt", "replay"): (put(E, "salt", seqs(0), seqs(3)), E),
    ("salt", "insert"): (
        f"UPDATE {E} SET salt = salt || '\\x00'::bytea WHERE {AT.format(1)}",  # noqa: S608 - the same
        E,
    ),
    ("salt", "reorder"): (
        (
            f"UPDATE {E} SET salt = substring(salt from 17) || substring(salt for 16)"  # noqa: S608 - the same
            f" WHERE {AT.format(1)}"
        ),
        E,
    ),
    ("receipt", "flip"): (
        f"UPDATE {R} SET note = overlay(note placing '7' from 40) WHERE {AT.format(1)}",  # noqa: S608 - the same
        R,
    ),
    ("receipt", "delete"): (f"DELETE FROM {R} WHERE {AT.format(1)}", "receipt"),  # noqa: S608 - the same
    ("receipt", "swap"): (swap(R, "note", seqs(1), seqs(3)), R),
    ("receipt", "replay"): (put(R, "note", seqs(0), seqs(3)), R),
    ("receipt", "insert"): (again(R, seq="7777") + f" WHERE {AT.format(1)}", R),
    ("receipt", "reorder"): (swap(R, "seq", seqs(1), seqs(3)), R),
    (S, "flip"): (flip(S, "head", "id = :stream"), S),
    (S, "delete"): (f"DELETE FROM {S} WHERE id = :stream", E),  # noqa: S608 - the same
    (S, "swap"): (swap(S, "head, size", "x.id = :stream", "x.id = :room"), S),
    (S, "replay"): (
        (
            f"UPDATE {S} SET size = 2, head = (SELECT leaf FROM {E} WHERE {AT.format(1)})"  # noqa: S608 - the same
            " WHERE id = :stream"
        ),
        S,
    ),
    (S, "insert"): (again(S, id="gen_random_uuid()") + " WHERE id = :stream", S),
    ("vault_blobs", "flip"): (flip("vault_blobs", "sha512", "id = :photo"), "vault_blobs"),
    ("vault_blobs", "delete"): ("DELETE FROM vault_blobs WHERE id = :photo", "vault_blobs"),
    ("vault_blobs", "swap"): (
        swap("vault_blobs", FILE, blobs("photo"), blobs("events")),
        "vault_blobs",
    ),
    ("vault_blobs", "replay"): (
        "UPDATE vault_blobs SET state = 'stored', retained_until = NULL WHERE id = :photo",
        "vault_blobs",
    ),
    ("vault_blobs", "insert"): (
        again("vault_blobs", id="gen_random_uuid()") + " WHERE id = :photo",
        "vault_blobs",
    ),
    ("vault_logs", "flip"): (flip("vault_logs", "root", "origin = :log"), "vault_logs"),
    ("vault_logs", "delete"): ("DELETE FROM vault_logs WHERE origin = :log", "vault_logs"),
    ("vault_logs", "swap"): (
        swap("vault_logs", "size, root, checkpoint", "x.origin = :log", "x.origin = :next"),
        "vault_logs",
    ),
    ("vault_logs", "replay"): (
        (
            "UPDATE vault_logs SET size = :size, root = :root, checkpoint = :checkpoint"
            " WHERE origin = :log"
        ),
        "the store's log/",
    ),
    ("vault_logs", "insert"): (
        again("vault_logs", origin="'vault.example/2031'") + " WHERE origin = :next",
        "vault_logs",
    ),
    ("vault_logs", "reorder"): (
        "UPDATE vault_logs SET previous = CASE WHEN previous IS NULL THEN :next END",
        "vault_logs",
    ),
    ("vault_leaves", "flip"): (
        "UPDATE vault_leaves SET seq = seq + 7777 WHERE origin = :log AND index = 3",
        "vault_leaves",
    ),
    ("vault_leaves", "delete"): (
        "DELETE FROM vault_leaves WHERE origin = :log AND index = 3",
        "vault_leaves",
    ),
    ("vault_leaves", "swap"): (
        swap("vault_leaves", "stream, seq", LEAF.format(2), LEAF.format(4)),
        "vault_logs",
    ),
    ("vault_leaves", "replay"): (
        put("vault_leaves", "stream, seq", LEAF.format(2), LEAF.format(4)),
        E,
    ),
    ("vault_leaves", "insert"): (
        again("vault_leaves", index="9999") + " WHERE origin = :log AND index = 3",
        "vault_leaves",
    ),
    ("vault_leaves", "reorder"): (
        swap("vault_leaves", "index", LEAF.format(2), LEAF.format(4)),
        "vault_logs",
    ),
    ("vault_unlogged", "delete"): ("DELETE FROM vault_unlogged WHERE stream = :waiting", E),
    ("vault_unlogged", "replay"): (
        (
            "INSERT INTO vault_unlogged SELECT stream, seq, origin, now() FROM vault_leaves"
            " WHERE origin = :log AND index = 3"
        ),
        E,
    ),
}

IMPOSSIBLE = {
    ("body", "reorder"): "its canonical form has one order of members, and jsonb keeps none",
    (S, "reorder"): "rows have no order",
    ("vault_blobs", "reorder"): "rows have no order",
    ("vault_unlogged", "flip"): "its deadline is another check: test_log's broken promise",
    ("vault_unlogged", "swap"): "two that wait differ in their times only, see flip",
    ("vault_unlogged", "insert"): "as replay: only an entry that has its place could be put in",
    ("vault_unlogged", "reorder"): "rows have no order",
    ("blob", "replay"): "an object is written once: there is no older one",
    ("blob", "insert"): "what no row names is no part of the record; lost_objects lists it",
    ("checkpoint", "swap"): "two logs' checkpoints exchanged are as each replayed elsewhere",
    ("checkpoint", "reorder"): "its lines have one order: as flip",
    ("cosignature", "reorder"): "lines of a note have no order that means anything",
    (
        "timestamp",
        "reorder",
    ): "as swap: only renewals have an order, each over the one before",
    ("timestamp", "insert"): "another answer that fits would be another true one",
    ("member", "reorder"): "as swap where files are numbered; a folder has no order of its own",
}
"""What cannot be done or means nothing, and why. What is computed from files is not bound at all:
vault_likenesses, vault_inspections, vault_derivatives; vault_retired_keys tells of key rings."""


@dataclass
class World:
    """A record with two files in two logs, one of which grew twice; what was there before."""

    vault: object
    given: dict
    older: dict[str, bytes]
    bundles: tuple

    def objects(self) -> dict[str, bytes]:
        return read(self.vault)


def read(vault) -> dict[str, bytes]:
    folder = vault.store._objects
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


NEXT = NOON.replace(year=2027)


@pytest.fixture
async def world(engine, vault_keys, tmp_path) -> World:
    vault = over(DirectoryStore(tmp_path / "store"), vault_keys)
    photo = await kept(engine, vault, PHOTO, "image/jpeg")
    events = await kept(engine, vault, GOOD["application/json"], "application/json")
    stream, room = uuid4(), uuid4()
    async with engine.begin() as conn:
        await vault.begin(conn, stream, act="FILE", body={"by": "A"}, at=NOON)
        for blob in (photo, events):
            await vault.append(conn, stream, act="ADD", body={}, at=NOON, blob=blob)
        await vault.append(conn, stream, act="ANSWER", body={"by": "B"}, at=NOON)
        await vault.begin(conn, room, act="SAY", body={}, at=NOON)
    await drain(engine, vault)
    bundles, older = [], read(vault)
    async with engine.connect() as conn:
        (before,) = await log.states(conn)
    for count in (0, 300):
        if count:
            await append(engine, vault, count)
            await drain(engine, vault)
            async with engine.begin() as conn:
                await vault.append(conn, stream, act="CLOSE", body={}, at=NOON)
            await drain(engine, vault)
        bundles.append(await bundled(engine, vault, stream, tmp_path / f"{count}.zip"))
    await append(engine, vault, 2, at=NEXT)
    await drain(engine, vault, NEXT)
    await drain(engine, vault, NEXT)
    ((waiting, _),) = await append(engine, vault, 1, at=NEXT)
    await signed(engine, vault)
    given = {"stream": stream, "room": room, "photo": photo.id, "events": events.id}
    given |= {"log": LOG, "next": shard.name(ORIGIN, NEXT), "waiting": waiting}
    given |= {"size": before.size, "root": before.root, "checkpoint": before.checkpoint}
    return World(vault, given, older, tuple(bundles))


async def signed(engine, vault) -> None:
    async with engine.begin() as conn:
        while pending := await vault.pending_receipts(conn, since=NOON):
            await vault.store_receipts(conn, [await vault.sign(each) for each in pending])


async def bundled(engine, vault, stream: UUID, path):
    await signed(engine, vault)
    async with engine.connect() as conn:
        contents = await bundle.collect(conn, [stream])
    await bundle.write(vault, contents, path, name="case-7", made=NOON)
    return path


async def audited(conn, vault) -> str:
    report = await audit.audit(conn, vault)
    told = [f"{each.where}: {each.what}" for each in report.findings]
    return "\n".join([*told, *report.unchecked])


async def changed(conn, sql: str, given: dict) -> None:
    """Do a statement as whoever owns the database, and has dropped what would refuse it."""
    await conn.execute(text("SET LOCAL session_replication_role = replica"))
    for table, rule in (await conn.execute(text(RULES))).all():
        await conn.execute(text(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {rule} CASCADE"))
    used = {name: value for name, value in given.items() if f":{name}" in sql}
    assert (await conn.execute(text(sql), used)).rowcount > 0, sql


async def test_whatever_is_done_to_a_row_is_named_by_the_audit(world, engine, intruder):
    async with engine.connect() as conn:
        assert await audited(conn, world.vault) == ""
    missed = []
    for (thing, how), (sql, where) in ROWS.items():
        async with intruder.connect() as conn:
            await changed(conn, sql, world.given)
            said = await audited(conn, world.vault)
            await conn.rollback()
        if where not in said:
            missed.append(f"{thing}, {how}: {said[:300]}")
    assert not missed, "\n".join(missed)


def chunks(data: bytes) -> bytes:
    """A blob's two chunks of 1 MiB and a tag, the other way round."""
    first = 1024 * 1024 + 16
    return data[first:] + data[:first]


def turned(data: bytes) -> bytes:
    """A bundle of entries, or a tile, with its first two the other way round."""
    if data[:1] == b"\x01":  # lengths of two bytes: entries
        first = 2 + int.from_bytes(data[:2], "big")
        second = first + 2 + int.from_bytes(data[first : first + 2], "big")
        return data[first:second] + data[:first] + data[second:]
    return data[32:64] + data[:32] + data[64:]


def objects(world: World, there: dict[str, bytes]):
    """Yield what is done to objects: {thing, how, the key that is named, path, contents}."""
    kinds = {
        "blob": sorted(each for each in there if each.startswith("blobs/")),
        "tile": [each for each in there if f"/{LOG}/tile/0/" in f"/{each}" and ".p" not in each],
        "entry bundle": [each for each in there if "/tile/entries/" in each and ".p" not in each],
        "checkpoint": [each for each in there if "/checkpoint@" in each],
    }
    for thing, paths in kinds.items():
        path = max(paths, key=lambda each: len(there[each]) if thing == "blob" else -len(each))
        data, other = there[path], next(each for each in there if each != path)
        yield thing, "flip", path, data[:-2] + bytes([data[-2] ^ 1]) + data[-1:]
        yield thing, "delete", path, None
        yield thing, "swap", path, there[other]
        same = [each for each in world.older if each.partition("@")[0].startswith(_stem(path))]
        yield thing, "replay", path, world.older[same[0]] if same else None
        yield thing, "insert", path, data + b"\x00\x01x"
        yield thing, "reorder", path, chunks(data) if thing == "blob" else turned(data)


def _stem(path: str) -> str:
    return path.partition("@")[0]


async def test_whatever_is_done_to_an_object_is_named_by_the_audit(world, engine):
    folder, there, tried, missed = world.vault.store._objects, world.objects(), set(), []
    for thing, how, path, data in objects(world, there):
        if (thing, how) in IMPOSSIBLE:
            continue
        tried.add((thing, how))
        file = folder / path
        assert data != there[path], (thing, how)
        file.write_bytes(data) if data is not None else file.unlink()
        async with engine.connect() as conn:
            said = await audited(conn, world.vault)
        file.write_bytes(there[path])
        named = str(world.given["photo"]) if thing == "blob" else _stem(path)
        if named not in said:
            missed.append(f"{thing}, {how}: {said[:300]}")
    assert not missed, "\n".join(missed)
    assert tried | {pair for pair in IMPOSSIBLE if pair[0] in OBJECTS} == {
        (thing, how) for thing in OBJECTS for how in HOW
    }


OBJECTS = ("blob", "tile", "entry bundle", "checkpoint")


async def test_whatever_is_done_to_a_bundles_member_is_named_by_the_verifier(world, tmp_path):
    """By a forger who makes the manifests anew; an honest manifest names any change besides."""
    keys = [world.vault.receipt_key, *verifiers()]
    stream = world.given["stream"]
    before, whole = (files_of(path) for path in world.bundles)
    missed = []
    for kind in ("entries", "bodies", "salts", "receipts", "proofs"):
        here, other = (place(stream, kind, seq) for seq in (3, 0))
        data = whole[here]
        at = len(data) - 9
        done = {
            "flip": {here: data[:at] + (b"7" if data[at:][:1] != b"7" else b"8") + data[at + 1 :]},
            "delete": {here: None},
            "swap": {here: whole[other], other: data},
            "replay": {here: before[other]},
            "insert": {place(stream, kind, 9): data},
        }
        for how, change in done.items():
            files = {
                name: content for name, content in (whole | change).items() if content is not None
            }
            report = verify.verify(pack(files, tmp_path / "forged.zip"), keys)
            told = "\n".join([*(f"{each.where} {each.what}" for each in report.findings)])
            # A receipt or proof that is left out is missed, and accuses nobody.
            told += "\n".join(report.unchecked) if how == "delete" else ""
            named = {"delete": ("000003", "1 entries", "lacks")}.get(how, (here[5:], "000009"))
            if kind == "salts":  # what it binds, or does not bind, is the body
                named = (*named, place(stream, "bodies", 3)[5:])
            if not any(each in told for each in named) and (
                (kind, how) != ("receipts", "delete")  # the links to the last one cover it
            ):
                missed.append(f"{kind}, {how}: {told[:300]}")
    assert not missed, "\n".join(missed)


@pytest.fixture
def witness(tmp_path):
    with serving(tmp_path / "witness", {LOG: verifiers()}) as (known, running):
        yield known, running


C = "vault_cosignatures"
NEWEST = f"x.size = (SELECT max(size) FROM {C}) AND x.name = 'witness.example'"  # noqa: S608 - names of our own
OLDEST = f"x.size = (SELECT min(size) FROM {C}) AND x.name = 'witness.example'"  # noqa: S608 - the same
SAME = " AND x.key_id = (SELECT min(key_id) FROM vault_cosignatures)"
COSIGNATURES = {
    "flip": f"UPDATE {C} SET line = overlay(line placing 'AAAA' from 60)",  # noqa: S608 - the same
    "delete": f"DELETE FROM {C}",  # noqa: S608 - the same
    "swap": swap(C, "line", NEWEST + SAME, OLDEST + SAME),
    "replay": put(C, "line", OLDEST + SAME, NEWEST + SAME),
    "insert": again(C, name="'nobody.example'", line="'nonsense'"),
}


async def test_whatever_is_done_to_a_cosignature_is_named_by_who_asks_for_the_witness(
    engine, vault_keys, witness, intruder, tmp_path
):
    known, _ = witness
    vault = over(DirectoryStore(tmp_path / "store"), vault_keys)
    ((stream, _), *_) = await append(engine, vault, 3)
    for _ in range(2):
        await drain(engine, vault)
        await ask(engine, vault, known)
        await append(engine, vault, 1)
    await signed(engine, vault)
    asked = proof.Witnesses(known.keys, 1)
    for how, sql in {"": "SELECT 1", **COSIGNATURES}.items():
        async with intruder.connect() as conn:
            await changed(conn, sql, {})
            try:
                contents = await bundle.collect(conn, [stream])
            except Malformed:  # the line that was put in is told at once
                contents = None
            await conn.rollback()
        if contents is None:
            assert how == "insert"
            continue
        path = tmp_path / f"{how}.zip"
        await bundle.write(vault, contents, path, name="case", made=NOON)
        report = verify.verify(path, [vault.receipt_key, *verifiers()], asked)
        assert (report.code == reports.SOUND) is (how == ""), how


T = "vault_timestamps"
STAMPS = {
    "flip": flip(T, "answer", "true"),
    "delete": f"DELETE FROM {T}",  # noqa: S608 - names of our own
    "swap": f"UPDATE {T} SET checkpoint = (SELECT checkpoint FROM vault_logs LIMIT 1)",  # noqa: S608 - the same
    "replay": f"UPDATE {T} SET size = 2",  # noqa: S608 - the same
}


async def test_whatever_is_done_to_a_timestamp_is_named_by_who_asks_for_the_authority(
    stamped, one, engine, intruder, tmp_path
):
    vault, _, now = stamped
    keys = [vault.receipt_key, *verifiers(shard.name(ORIGIN, now))]
    async with engine.connect() as conn:
        streams = await conn.execute(text("SELECT stream FROM vault_leaves WHERE index = 1"))
        stream = streams.scalar_one()
    for how, sql in {"": "SELECT 1", **STAMPS}.items():
        async with intruder.connect() as conn:
            await changed(conn, sql, {})
            contents = await bundle.collect(conn, [stream])
            await conn.rollback()
        path = tmp_path / f"stamp{how}.zip"
        await bundle.write(vault, contents, path, name="case", made=now)
        report = verify.verify(path, keys, outside=Outside(one.roots, soon()))
        sound = report.code == reports.SOUND and NOT_DATED not in report.unchecked
        assert sound is (how == ""), (how, report.findings)


def test_every_pair_of_the_table_is_tried_or_impossible_for_a_reason():
    done = {
        *ROWS,
        *((thing, how) for thing in OBJECTS for how in HOW if (thing, how) not in IMPOSSIBLE),
    }
    done |= {("cosignature", how) for how in COSIGNATURES} | {("timestamp", how) for how in STAMPS}
    done |= {("member", how) for how in HOW if how != "reorder"}
    assert not done & IMPOSSIBLE.keys()
    things = {thing for thing, _ in done}
    assert things == {
        *("entry", "body", "salt", "receipt", *OBJECTS, "member", "cosignature", "timestamp"),
        *("vault_streams", "vault_blobs", "vault_logs", "vault_leaves", "vault_unlogged"),
    }
    assert done | IMPOSSIBLE.keys() == {(thing, how) for thing in things for how in HOW}
    assert all(reason for reason in IMPOSSIBLE.values())


async def test_who_owns_database_store_and_keys_but_not_the_witness_is_found_out(
    engine, vault_keys, witness, intruder, tmp_path
):
    """A whole second history, made with the service's own program, keys and roles."""
    known, running = witness
    vault = over(DirectoryStore(tmp_path / "store"), vault_keys)
    await append(engine, vault, 6)
    await drain(engine, vault)
    await ask(engine, vault, known)
    before = running.seen(LOG)
    async with intruder.begin() as conn:
        await conn.execute(text("SET session_replication_role = replica"))
        await conn.execute(text("TRUNCATE vault_logs, vault_streams, vault_cosignatures CASCADE"))
    other = over(DirectoryStore(tmp_path / "other store"), vault_keys)
    ((stream, _), *_) = await append(engine, other, 9)
    await drain(engine, other)
    async with engine.connect() as conn:
        assert (await audit.audit(conn, other)).findings == []  # by itself it is all in order
    path = await bundled(engine, other, stream, tmp_path / "forged.zip")
    given = path, [other.receipt_key, *verifiers()]
    assert verify.verify(*given).code == reports.SOUND  # nor does a bundle show it by itself

    with pytest.raises(NotCosigned, match="422"):
        await ask(engine, other, known)
    assert running.seen(LOG) == before
    (held,) = (tmp_path / "witness" / "misbehaviour").iterdir()
    note.verify(held.read_bytes().partition(b"\n\n")[2], verifiers())
    assert checkpoint.verify(held.read_bytes().partition(b"\n\n")[2], verifiers())[1]
    report = verify.verify(*given, proof.Witnesses(known.keys, 1))
    assert report.code != reports.SOUND
    assert all("fewer than 1 of the witnesses" in each.what for each in report.findings)

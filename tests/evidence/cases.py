"""A case of two streams with two files, in the vault and as a bundle."""

import zipfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncEngine

from evidence import bag, bundle, layout, verify
from evidence.deposit import Declared
from evidence.note import VerifierKey
from evidence.report import Report
from evidence.vault import Vault
from tests.evidence.files import GOOD

ORIGIN = "vault.example"
SIGNER = "vault.example/receipts"
NOW = datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)
PHOTO = GOOD["image/jpeg"] + bytes(range(256)) * 5000


@dataclass(frozen=True)
class Case:
    vault: Vault
    stream: UUID
    room: UUID
    photo: UUID
    path: Path
    key: VerifierKey


async def sent(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def kept(engine: AsyncEngine, vault: Vault, data: bytes, media_type: str):
    blob = await vault.deposit(sent(data), Declared(len(data), media_type), blob=uuid4(), at=NOW)
    async with engine.begin() as conn:
        await vault.record(conn, blob)
        return await vault.accept(conn, blob.id, at=NOW)


async def make_streams(engine: AsyncEngine, vault: Vault) -> tuple[UUID, UUID, UUID]:
    """A record of six entries that is closed before its last, and a room of one entry."""
    stream, room = uuid4(), uuid4()
    photo = await kept(engine, vault, PHOTO, "image/jpeg")
    events = await kept(engine, vault, GOOD["application/json"], "application/json")
    async with engine.begin() as conn:
        done = [await vault.begin(conn, stream, act="FILE", body={"by": "A"}, at=NOW)]
        add = {"file": "kaputt.jpg"}
        done += [
            await vault.append(conn, stream, act="ADD", body=add, at=NOW, blob=photo),
            await vault.append(conn, stream, act="ADD", body={}, at=NOW, blob=events),
            await vault.append(conn, stream, act="ANSWER", body={"by": "B"}, at=NOW),
        ]
        done.append((await vault.close(conn, stream, act="CLOSE", body={}, at=NOW))[1])
        done.append(await vault.append(conn, stream, act="RULE", body={"for": "A"}, at=NOW))
        done.append(await vault.begin(conn, room, act="WHISPER", body={"secret": 7}, at=NOW))
    async with engine.begin() as conn:
        await vault.store_receipts(conn, [await vault.sign(one) for one in done])
    return stream, room, photo.id


async def make_case(engine: AsyncEngine, vault: Vault, path: Path) -> Case:
    """Fill the streams, write the bundle to `path` and one of the room alone beside it."""
    stream, room, photo = await make_streams(engine, vault)
    async with engine.connect() as conn:
        contents = await bundle.collect(conn, [stream, room])
        alone = await bundle.collect(conn, [room])
    extra = {"record.pdf": GOOD["application/pdf"], "graph/case.json": b"{}"}
    await bundle.write(vault, contents, path, name="case-7", made=NOW, extra=extra)
    await bundle.write(vault, alone, path.with_name("room.zip"), name="room", made=NOW)
    return Case(vault, stream, room, photo, path, vault.receipt_key)


def check(case: Case, path: Path | None = None) -> Report:
    return verify.verify(path or case.path, [case.key])


def files_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as found:
        return {name.partition("/")[2]: found.read(name) for name in found.namelist()}


def pack(files: dict[str, bytes], path: Path) -> Path:
    """Make a bag of the payload in `files`, with true manifests: what a clever forger would do."""
    with bag.Writer(path, "case-7") as writer:
        for name, data in files.items():
            if name.startswith("data/"):
                writer.add(name.removeprefix("data/"), data)
        writer.finish(NOW.date())
    return path


def place(stream: UUID, kind: str, seq: int) -> str:
    return "data/" + layout.entry_path(stream, kind, seq)

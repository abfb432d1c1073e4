"""A process that deposits entries and takes them into the log, until somebody kills it.

``python -m tests.evidence.sequencing DATABASE FOLDER KEYS RECEIPTS``: each receipt that was given
out, after the commit, stands in RECEIPTS in one write: the size of the note as eight digits, and
the note. On its standard output it says once that it is at work.
"""

import asyncio
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncEngine

from evidence import keys, log
from evidence.keys import LocalKeys, Signer
from evidence.store import DirectoryStore
from evidence.vault import Vault
from infra import database
from tests.evidence.cases import ORIGIN, SIGNER

LOG = "log"
DELAY = timedelta(hours=24)
AT_ONCE = 4


def vault(folder: Path, local: LocalKeys) -> Vault:
    """The vault over a folder, with a log."""

    def signers(origin: str) -> list[Signer]:
        return [local.signer(LOG).named(origin), local.cosigner(LOG).named(origin)]

    return Vault(
        origin=ORIGIN,
        store=DirectoryStore(folder),
        keyring=local.keyring(),
        receipt_signer=local.signer(SIGNER),
        log_signers=signers,
        merge_delay=DELAY,
    )


def framed(note: str) -> bytes:
    """A receipt as it stands in the file."""
    data = note.encode()
    return b"%08d" % len(data) + data


def read(path: Path) -> list[bytes]:
    """The receipts that were given out; one that was not written to its end was not."""
    data, found = path.read_bytes(), []
    while len(data) >= 8 and len(data) >= 8 + int(data[:8]):
        size = int(data[:8])
        found.append(data[8 : 8 + size])
        data = data[8 + size :]
    return found


async def _deposit(engine: AsyncEngine, made: Vault, receipts: int, *, first: bool = False) -> None:
    while True:
        stream, now = uuid4(), datetime.now(UTC)
        async with engine.begin() as conn:
            given = [await made.begin(conn, stream, act="file", body={"number": 0}, at=now)]
            for number in range(1, 4):
                given += [
                    await made.append(conn, stream, act="say", body={"number": number}, at=now)
                ]
        signed = [await made.sign(one) for one in given]
        async with engine.begin() as conn:
            await made.store_receipts(conn, signed)
        os.write(receipts, b"".join(framed(one.note) for one in signed))
        if first:
            os.write(sys.stdout.fileno(), b"at work\n")
            first = False


async def _sequence(engine: AsyncEngine, made: Vault) -> None:
    while True:
        if not await log.sequence(engine, made, datetime.now(UTC)):
            await asyncio.sleep(0.005)


async def main(url: str, folder: str, local: str, receipts: str) -> None:
    made = vault(Path(folder), keys.load(Path(local), ""))
    engine = database.create_engine(url)
    file = os.open(receipts, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    async with asyncio.TaskGroup() as group:
        for number in range(AT_ONCE):
            group.create_task(_deposit(engine, made, file, first=number == 0))
        group.create_task(_sequence(engine, made))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

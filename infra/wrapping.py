"""The commands about the keys that wrap: ``new-wrapping-key``, ``rewrap-keys``, ``retire-…``.

Rotation, in its order: ``new-wrapping-key`` adds a key to the file, and what runs takes it as soon
as it meets it, at the latest from its next start; with a key-management service its own key is
rotated, or another is named by CONCORD_KMS_KEY, and the service started again. ``rewrap-keys``
brings every file's key, those of derived copies, of files under way and the caucus key under the
key that wraps now; it may be stopped at any moment and run again, also while people deposit files.
When nothing is under the old key any more, ``retire-wrapping-key`` has the database refuse it and
drops it from the file; one that a key-management service holds may then be destroyed there.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from typing import Final

from sqlalchemy import text

from evidence import keys as files
from evidence import kms, rewrapping
from evidence.errors import KeyMissing, Malformed
from evidence.rewrapping import Progress
from infra import keys, parts
from infra.parts import Parts
from infra.settings import Settings

_NOW: Final = text("SELECT service_now()")


async def add(_: Sequence[str], settings: Settings) -> int:
    """Add a new wrapping key to the key file."""
    passphrase = settings.key_passphrase.get_secret_value()
    held = await asyncio.to_thread(files.load, settings.keys, passphrase)
    new = held.with_new_wrapping_key()
    await asyncio.to_thread(files.save, new, settings.keys, passphrase)
    sys.stdout.write(
        f"{new.keyring().current} wraps from the next start on; then run rewrap-keys.\n"
    )
    return 0


async def rewrap(given: Sequence[str], settings: Settings) -> int:
    """Bring all keys under the key that wraps now; 1 if some do not open or are still left."""
    parser = argparse.ArgumentParser(prog="python -m infra rewrap-keys")
    parser.add_argument("--batch", type=_positive, default=rewrapping.BATCH, help="keys at a time")
    chosen = parser.parse_args(given)
    async with parts.opened(settings) as made:
        await keys.rewrap_caucus(settings.keys, made.keys.keyring)
        changed, failed = await _rewrapped(made, chosen.batch)
        counted = await _left(made)
    current = made.keys.keyring.current
    for line in failed:
        sys.stderr.write(f"{line}\n")
    sys.stdout.write(f"{changed} keys wrapped anew, {counted.pop(current, 0)} under {current}\n")
    for key_id, count in sorted(counted.items()):
        sys.stdout.write(f"{count} are left under {key_id}\n")
    return 1 if counted or failed else 0


async def _rewrapped(made: Parts, size: int) -> tuple[int, list[str]]:
    changed, failed = 0, []
    async with made.engine.connect() as conn:
        tables = await rewrapping.tables(conn)
    ring = made.keys.keyring
    for table in tables:
        done = Progress(None)
        while True:
            done = await rewrapping.batch(made.engine, ring, done.last, limit=size, of=table)
            changed += done.changed
            failed += [f"{table} {row}: {error}" for row, error in done.failed]
            if done.last is None:
                break
    return changed, failed


async def _left(made: Parts) -> dict[str, int]:
    """How many keys are under which key, the caucus key among them."""
    async with made.engine.connect() as conn:
        counted = await rewrapping.left(conn)
    caucus = await keys.caucus_under(made.settings.keys)
    counted[caucus] = counted.get(caucus, 0) + 1
    return counted


async def retire(given: Sequence[str], settings: Settings) -> int:
    """Let go of a wrapping key; 1, and how many are left, if anything is under it."""
    parser = argparse.ArgumentParser(prog="python -m infra retire-wrapping-key")
    parser.add_argument("key", help="its id, as rewrap-keys prints it")
    key_id = parser.parse_args(given).key
    passphrase = settings.key_passphrase.get_secret_value()
    held = await asyncio.to_thread(files.load, settings.keys, passphrase)
    if not (key_id.startswith(kms.PREFIX) or held.has_wrapping_key(key_id)):
        sys.stderr.write(f"there is no wrapping key {key_id}\n")
        return 1
    async with parts.opened(settings) as made:
        if key_id == made.keys.keyring.current:
            sys.stderr.write(f"{key_id} wraps now\n")
            return 1
        left = 1 if await keys.caucus_under(settings.keys) == key_id else 0
        if left == 0:
            async with made.engine.begin() as conn:
                now = (await conn.execute(_NOW)).scalar_one()
                left = await rewrapping.retire(conn, key_id, now)
    if left:
        sys.stderr.write(f"{left} are left under {key_id}; run rewrap-keys\n")
        return 1
    try:
        await asyncio.to_thread(
            files.save, held.without_wrapping_key(key_id), settings.keys, passphrase
        )
    except KeyMissing:
        sys.stdout.write(f"{key_id} is retired; its service may destroy it.\n")
    except Malformed:
        sys.stdout.write(f"{key_id} is retired; the key file keeps its newest key, unused.\n")
    else:
        sys.stdout.write(f"{key_id} is retired and gone from the key file.\n")
    return 0


def _positive(given: str) -> int:
    value = int(given)
    if value < 1:
        raise ValueError(given)
    return value

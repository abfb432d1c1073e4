"""The commands about the log's keys: ``rotate-keys``, ``retire-keys``, ``declare-compromise``.

Rotation, in its order: ``rotate-keys`` adds new keys to the file; from its next start the service
signs with the old and the new, and logs that it does. When everybody who verifies has taken the new
keys from the log's page, ``retire-keys`` drops the old; the next start logs that, too. A crash
between two steps leaves keys that sign, and the log tells which at every start. A compromise is
declared in the log, and the keys are rotated and retired at once.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import text

from evidence import keys as files
from evidence import note, succession
from evidence.errors import Malformed
from evidence.keys import LocalKeys
from evidence.signature import ED25519, MLDSA44_COSIGNATURE
from infra import parts
from infra.keys import LOG
from infra.settings import Settings

_KINDS: Final = (ED25519, MLDSA44_COSIGNATURE)
_NOW: Final = text("SELECT service_now()")


def rotated(keys: LocalKeys, origin: str) -> LocalKeys:
    """Add a new key of each kind behind those that sign the logs."""
    for kind in _KINDS:
        keys = keys.with_rotated_signer(f"{origin}/{LOG}", kind)
    return keys


def retired(keys: LocalKeys, origin: str) -> LocalKeys:
    """Drop all keys that sign the logs but the newest of each kind."""
    for kind in _KINDS:
        keys = keys.with_newest_signer(f"{origin}/{LOG}", kind)
    return keys


async def rotate(_: Sequence[str], settings: Settings) -> int:
    """Add new keys of the log to the key file; the service takes them at its next start."""
    passphrase = settings.key_passphrase.get_secret_value()
    keys = await asyncio.to_thread(files.load, settings.keys, passphrase)
    await asyncio.to_thread(files.save, rotated(keys, settings.origin), settings.keys, passphrase)
    sys.stdout.write("New keys stand beside the old; start the service again.\n")
    return 0


async def retire(_: Sequence[str], settings: Settings) -> int:
    """Drop the old keys of the log from the key file; what they signed stays verifiable."""
    passphrase = settings.key_passphrase.get_secret_value()
    keys = await asyncio.to_thread(files.load, settings.keys, passphrase)
    await asyncio.to_thread(files.save, retired(keys, settings.origin), settings.keys, passphrase)
    sys.stdout.write("Only the newest keys are left; start the service again.\n")
    return 0


async def declare(given: Sequence[str], settings: Settings) -> int:
    """Say in the log that a key may have been somebody else's since then; 2 if it is no key."""
    parser = argparse.ArgumentParser(prog="python -m infra declare-compromise")
    parser.add_argument("key", help="the verifier key, as the log's page shows it")
    parser.add_argument("since", help="such as 2026-11-22T12:00:00Z")
    chosen = parser.parse_args(given)
    try:
        key, since = note.read_verifier_key(chosen.key), datetime.fromisoformat(chosen.since)
        if since.utcoffset() is None:
            parser.error("a time needs its zone")
    except (Malformed, ValueError) as error:
        parser.error(str(error))
    async with parts.opened(settings) as made, made.engine.begin() as conn:
        now = (await conn.execute(_NOW)).scalar_one()
        await succession.declare(conn, made.vault, key, since, now)
    sys.stdout.write("Declared; it is in the log with the next checkpoint.\n")
    return 0

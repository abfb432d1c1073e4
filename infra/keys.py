"""The service's keys: made when it first starts, opened from then on.

The vault's key file holds the signing keys and those that wrap; a key-management service may wrap
in their place, and then the file's still open what is under them. The caucus key lies beside the
file, wrapped, so that whoever has a copy of the database, of its dumps or of one file has no
caucus.
"""

import asyncio
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from evidence import keys
from evidence.keys import (
    FileKeyRing,
    KeyRing,
    KeyRings,
    LocalKeys,
    LocalSigner,
    Signers,
    Wrapped,
)
from evidence.signature import MLDSA44_COSIGNATURE
from odr.caucus import Caucus

_CAUCUS_SIZE: Final = 32
_CAUCUS_OF: Final = "caucus"
RECEIPTS: Final = "receipts"
LOG: Final = "log"


@dataclass(frozen=True, slots=True)
class Keys:
    """What is open: who signs receipts and logs, what wraps blobs' keys, what seals caucus."""

    receipts: LocalSigner
    logs: Signers
    keyring: KeyRing
    caucus: Caucus


async def opened(path: Path, passphrase: str, origin: str, managed: KeyRing | None = None) -> Keys:
    """Open the key file, or make it where there is none; ``KeyMissing`` if it does not open.

    ``managed`` is the ring of a key-management service, which wraps from now on.

    The signer of receipts is called ``<origin>/receipts``. One key of each kind signs the logs of
    all years, under the name of each.
    """
    name, log = f"{origin}/{RECEIPTS}", f"{origin}/{LOG}"
    local = await asyncio.to_thread(_local, path, passphrase, name, log)
    of_file = FileKeyRing(path, passphrase, local)
    ring = of_file if managed is None else KeyRings(managed, of_file)
    caucus = caucus_file(path)
    if not caucus.exists():
        made = await ring.wrap(secrets.token_bytes(_CAUCUS_SIZE), _CAUCUS_OF)
        await asyncio.to_thread(_write_wrapped, caucus, made)
    key = await ring.unwrap(await asyncio.to_thread(_read_wrapped, caucus), _CAUCUS_OF)
    signers = [*local.signers(log), *local.signers(log, MLDSA44_COSIGNATURE)]
    return Keys(
        local.signer(name), lambda shard: [one.named(shard) for one in signers], ring, Caucus(key)
    )


def caucus_file(path: Path) -> Path:
    """Where the caucus key lies, beside the key file."""
    return path.with_suffix(".caucus")


async def caucus_under(path: Path) -> str:
    """The id of the key-encryption key under which the caucus key is."""
    return (await asyncio.to_thread(_read_wrapped, caucus_file(path))).key_id


async def rewrap_caucus(path: Path, ring: KeyRing) -> bool:
    """Bring the caucus key under the key that wraps now; whether there was anything to do."""
    old = await asyncio.to_thread(_read_wrapped, caucus_file(path))
    if old.key_id == ring.current:
        return False
    new = await ring.wrap(await ring.unwrap(old, _CAUCUS_OF), _CAUCUS_OF)
    await asyncio.to_thread(_write_wrapped, caucus_file(path), new)
    return True


def _read_wrapped(path: Path) -> Wrapped:
    key_id, data = path.read_text(encoding="ascii").split()
    return Wrapped(bytes.fromhex(data), key_id)


def _write_wrapped(path: Path, wrapped: Wrapped) -> None:
    _write(path, f"{wrapped.key_id}\n{wrapped.data.hex()}\n")


def _local(path: Path, passphrase: str, receipts: str, log: str) -> LocalKeys:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        keys.save(keys.generate(receipts, log, cosigners=[log]), path, passphrase)
    return keys.load(path, passphrase)


def _write(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    made = path.with_suffix(".new")
    with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    made.replace(path)

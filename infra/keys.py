"""The service's keys: made when it first starts, opened from then on.

The vault's key file holds the signing keys and those that wrap; the caucus key lies beside it,
wrapped, so that whoever has a copy of the database, of its dumps or of one file has no caucus.
"""

import asyncio
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from evidence import keys
from evidence.keys import LocalKeyRing, LocalKeys, LocalSigner, Signers
from evidence.signature import MLDSA44_COSIGNATURE
from odr.caucus import Caucus

_CAUCUS_SIZE: Final = 32
RECEIPTS: Final = "receipts"
LOG: Final = "log"


@dataclass(frozen=True, slots=True)
class Keys:
    """What is open: who signs receipts and logs, what wraps blobs' keys, what seals caucus."""

    receipts: LocalSigner
    logs: Signers
    keyring: LocalKeyRing
    caucus: Caucus


async def opened(path: Path, passphrase: str, origin: str) -> Keys:
    """Open the key file, or make it where there is none; ``KeyMissing`` if it does not open.

    The signer of receipts is called ``<origin>/receipts``. One key of each kind signs the logs of
    all years, under the name of each.
    """
    name, log = f"{origin}/{RECEIPTS}", f"{origin}/{LOG}"
    local = await asyncio.to_thread(_local, path, passphrase, name, log)
    ring = local.keyring()
    caucus = path.with_suffix(".caucus")
    if not caucus.exists():
        key_id, wrapped = ring.current, await ring.wrap(secrets.token_bytes(_CAUCUS_SIZE))
        _write(caucus, f"{key_id}\n{wrapped.hex()}\n")
    key_id, wrapped_hex = caucus.read_text(encoding="ascii").split()
    key = await ring.unwrap(bytes.fromhex(wrapped_hex), key_id)
    signers = [*local.signers(log), *local.signers(log, MLDSA44_COSIGNATURE)]
    return Keys(
        local.signer(name), lambda shard: [one.named(shard) for one in signers], ring, Caucus(key)
    )


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

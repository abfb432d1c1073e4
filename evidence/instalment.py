"""A file in instalments: pieces that lie encrypted in the store until the whole file is there.

    object      parts/<two digits>/<file's id>.<first byte's place>-<random>
    contents    nonce (12 random bytes) || AES-256-GCM of at most PIECE_SIZE bytes, with its tag
    key         32 random bytes for this file and nothing else, wrapped by the key ring
    associated  "vault-instalment/v1" || 0x0A || file's id (16) || place (8, big-endian)

A nonce is random and not the place: after a crash other bytes may come for a place that was
encrypted before. Pieces lie in the store and not in a spool, so that any process goes on with what
another has begun, and takes away what nobody goes on with. Whoever destroys the wrapped key has
destroyed the file. It knows neither whose the file is nor which pieces count: the caller's rows do.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from io import BytesIO
from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from evidence import cipher
from evidence.errors import Tampered
from evidence.keys import KeyRing, Wrapped
from evidence.store import Store

PIECE_SIZE: Final = 2 * 1024 * 1024

_NONCE_SIZE: Final = 12
_PREFIX: Final = b"vault-instalment/v1\n"


@dataclass(frozen=True, slots=True)
class Piece:
    """So many bytes of a file from a place on, and the object that holds them."""

    start: int
    size: int
    key: str
    version: str

    @property
    def end(self) -> int:
        """The place behind its last byte."""
        return self.start + self.size


@dataclass(frozen=True, slots=True)
class Instalments:
    """The pieces of one file, with the key that seals and opens them."""

    store: Store
    file: UUID
    _aead: AESGCM = field(repr=False)

    async def put(self, start: int, data: bytes) -> Piece:
        """Seal a piece and put it to the store; it is durable then. StoreFailed."""
        sealed = await asyncio.to_thread(self._seal, start, data)
        stored = await self.store.put(
            f"{_beginning(self.file)}{start}-{secrets.token_hex(8)}",
            BytesIO(sealed),
            size=len(sealed),
            digest=sha256(sealed).digest(),
            fresh=True,
        )
        return Piece(start, len(data), stored.key, stored.version)

    async def read(self, pieces: Iterable[Piece]) -> AsyncIterator[bytes]:
        """Give the file's bytes in order; Tampered where a piece is not the one that was put."""
        for piece in pieces:
            async with aclosing(self.store.get(piece.key, piece.version)) as parts:
                sealed = b"".join([part async for part in parts])
            yield await asyncio.to_thread(self._open, piece, sealed)

    def _seal(self, start: int, data: bytes) -> bytes:
        nonce = secrets.token_bytes(_NONCE_SIZE)
        return nonce + self._aead.encrypt(nonce, data, self._associated(start))

    def _open(self, piece: Piece, sealed: bytes) -> bytes:
        nonce, rest = sealed[:_NONCE_SIZE], sealed[_NONCE_SIZE:]
        try:
            data = self._aead.decrypt(nonce, rest, self._associated(piece.start))
        except (InvalidTag, ValueError):
            raise Tampered(f"a piece of an upload at {piece.start} does not open") from None
        if len(data) != piece.size:
            raise Tampered(f"a piece of an upload at {piece.start} has another size")
        return data

    def _associated(self, start: int) -> bytes:
        return _PREFIX + self.file.bytes + start.to_bytes(8, "big")


async def begin(keyring: KeyRing, file: UUID) -> Wrapped:
    """Make and wrap the key for a file that will come in instalments."""
    return await keyring.wrap(secrets.token_bytes(cipher.KEY_SIZE), str(file))


async def go_on(store: Store, keyring: KeyRing, file: UUID, wrapped: Wrapped) -> Instalments:
    """Open what was begun; KeyMissing or Tampered if its key does not open any more."""
    return Instalments(store, file, AESGCM(await keyring.unwrap(wrapped, str(file))))


async def remove(store: Store, file: UUID, *, now: datetime) -> None:
    """Take all of a file's pieces out of the store, those too of which a crash left no row."""
    async for one in store.keys(_beginning(file)):
        await store.delete(one.key, one.version, now=now)


def _beginning(file: UUID) -> str:
    """How the keys of a file's objects begin; folders stay small."""
    return f"parts/{file.hex[-2:]}/{file}."

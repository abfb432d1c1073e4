"""Taking a file in: hashed, looked at and encrypted while it comes, in constant memory.

The ciphertext goes to a nameless temporary file, so that a connection cut in the middle, a
refusal and a crash all leave nothing behind. Hashing and encrypting run in threads, one piece
while the next is received; SHA-512, the slowest, beside the rest. It knows neither the store
nor the database: evidence/vault.py goes on from here.
"""

import asyncio
import secrets
import tempfile
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from dataclasses import dataclass
from hashlib import sha256, sha512
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

from evidence import cipher, media
from evidence.body import Plaintext
from evidence.entry import Ciphertext
from evidence.errors import (
    DigestMismatch,
    EmptyFile,
    FileTooLarge,
    SizeMismatch,
    TypeNotAllowed,
)


@dataclass(frozen=True, slots=True)
class Declared:
    """What the depositor says of the file before sending it; the digest may be left out."""

    size: int
    media_type: str
    sha256: bytes | None = None


@dataclass(frozen=True, slots=True)
class Spooled:
    """A file that came in whole and is what was declared; close `file` when it is stored."""

    file: BinaryIO
    key: bytes
    plaintext: Plaintext
    ciphertext: Ciphertext


async def receive(
    pieces: AsyncIterable[bytes],
    declared: Declared,
    *,
    blob: UUID,
    size_max: Mapping[str, int] = media.SIZE_MAX,
    folder: Path | None = None,
) -> Spooled:
    """Take a file in; DepositRefused as soon as something is not as declared or not allowed.

    `blob` is the id that the file will have. What `pieces` raises goes through. About 3 MiB of
    memory whatever the size; the temporary file lies in `folder`, or where the system keeps such.
    """
    check(declared, size_max)
    spool = _Spool(declared, blob, folder)
    working: asyncio.Future[None] | None = None
    try:
        async for chunk in _in_chunks(pieces, declared.size):
            if working is not None:
                await working
            working = asyncio.ensure_future(spool.take(chunk))
        if working is not None:
            await working
        return await asyncio.to_thread(spool.finish)
    except BaseException:
        if working is not None:
            # A thread cannot be stopped: wait, so that it does not write to a closed file.
            await asyncio.wait({working})
            working.cancelled() or working.exception()
        spool.file.close()
        raise


def check(declared: Declared, size_max: Mapping[str, int] = media.SIZE_MAX) -> None:
    """Refuse by what is declared alone, before the first byte; the limits may be told before."""
    if declared.media_type not in size_max:
        raise TypeNotAllowed(declared.media_type, tuple(size_max))
    if declared.size <= 0:
        raise EmptyFile("a file has at least one byte")
    if declared.size > size_max[declared.media_type]:
        raise FileTooLarge(size_max[declared.media_type])


class _Spool:
    """The file under way: two digests, the cipher, the inspector and the temporary file."""

    def __init__(self, declared: Declared, blob: UUID, folder: Path | None) -> None:
        self._declared = declared
        self._blob = blob
        self._key = secrets.token_bytes(cipher.KEY_SIZE)
        self._sealer = cipher.Sealer(self._key, blob)
        self._inspector = media.Inspector(declared.media_type)
        self._sha256 = sha256()
        self._sha512 = sha512()
        self._cipher_sha256 = sha256()
        self._found = 0
        self._stored = 0
        self.file: BinaryIO = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 -- outlives this call

    async def take(self, chunk: bytes) -> None:
        await asyncio.gather(
            asyncio.to_thread(self._sha512.update, chunk), asyncio.to_thread(self._seal, chunk)
        )

    def finish(self) -> Spooled:
        declared = self._declared
        if self._found != declared.size:
            raise SizeMismatch(declared.size, self._found)
        digest = self._sha256.digest()
        if declared.sha256 is not None and declared.sha256 != digest:
            raise DigestMismatch(declared.sha256.hex(), digest.hex())
        self._inspector.finish()
        self.file.seek(0)
        return Spooled(
            self.file,
            self._key,
            Plaintext(
                self._blob, declared.media_type, digest, self._sha512.digest(), declared.size
            ),
            Ciphertext(self._cipher_sha256.digest(), self._stored),
        )

    def _seal(self, chunk: bytes) -> None:
        self._inspector.feed(chunk)
        self._sha256.update(chunk)
        self._found += len(chunk)
        last = self._found == self._declared.size
        if not last and len(chunk) < cipher.CHUNK_SIZE:
            return  # the file ended early; finish() refuses it
        sealed = self._sealer.seal(chunk, last=last)
        self._cipher_sha256.update(sealed)
        self._stored += len(sealed)
        self.file.write(sealed)


async def _in_chunks(pieces: AsyncIterable[bytes], size: int) -> AsyncIterator[bytes]:
    """Collect pieces of any size into chunks; more bytes than declared are refused at once."""
    buffer = bytearray()
    found = 0
    async for piece in pieces:
        found += len(piece)
        if found > size:
            raise SizeMismatch(size, found)
        buffer += piece
        while len(buffer) >= cipher.CHUNK_SIZE:
            yield bytes(buffer[: cipher.CHUNK_SIZE])
            del buffer[: cipher.CHUNK_SIZE]
    if buffer:
        yield bytes(buffer)

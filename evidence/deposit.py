"""Taking a file in: hashed, looked at and encrypted while it comes, in constant memory.

The ciphertext goes to a nameless temporary file, so that a connection cut in the middle, a
refusal and a crash all leave nothing behind. Hashing and encrypting run in threads, one piece
while the next is received. SHA-512, the slowest, may lag a few pieces behind: nothing before
the database's row needs it, so it ends while the file goes to the store. It knows neither the
store nor the database: evidence/vault.py goes on from here.
"""

import asyncio
import secrets
import tempfile
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping
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

LAG_MAX = 4  # pieces of 1 MiB


@dataclass(frozen=True, slots=True)
class Declared:
    """What the depositor says of the file before sending it; the digest may be left out."""

    size: int
    media_type: str
    sha256: bytes | None = None


@dataclass(frozen=True, slots=True)
class Spooled:
    """A file that came in whole and is what was declared; close it when it is stored."""

    file: BinaryIO
    key: bytes
    ciphertext: Ciphertext
    _plaintext: Callable[[bytes], Plaintext]
    _sha512: "_Lagging"

    async def plaintext(self) -> Plaintext:
        """Give the file's digests and size; waits for the SHA-512."""
        return self._plaintext(await self._sha512.digest())

    async def close(self) -> None:
        """Let the ciphertext go."""
        await self._sha512.settle()
        self.file.close()


async def receive(
    pieces: AsyncIterable[bytes],
    declared: Declared,
    *,
    blob: UUID,
    size_max: Mapping[str, int] = media.SIZE_MAX,
    folder: Path | None = None,
) -> Spooled:
    """Take a file in; DepositRefused as soon as something is not as declared or not allowed.

    `blob` is the id that the file will have. What `pieces` raises goes through. About 8 MiB of
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
        await spool.sha512.settle()
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
        self.sha512 = _Lagging()
        self._cipher_sha256 = sha256()
        self._found = 0
        self._stored = 0
        self.file: BinaryIO = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 -- outlives this call

    async def take(self, chunk: bytes) -> None:
        await self.sha512.update(chunk)
        await asyncio.to_thread(self._seal, chunk)

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
            Ciphertext(self._cipher_sha256.digest(), self._stored),
            lambda longer: Plaintext(
                self._blob, declared.media_type, digest, longer, declared.size
            ),
            self.sha512,
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


class _Lagging:
    """A SHA-512 that runs in threads, at most LAG_MAX pieces behind who feeds it."""

    def __init__(self) -> None:
        self._hash = sha512()
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def update(self, piece: bytes) -> None:
        if len(self._waiting) == LAG_MAX:
            await self._waiting.popleft()
        before = self._waiting[-1] if self._waiting else None
        self._waiting.append(asyncio.ensure_future(self._after(before, piece)))

    async def digest(self) -> bytes:
        while self._waiting:
            await self._waiting.popleft()
        return self._hash.digest()

    async def settle(self) -> None:
        """Wait for the threads, whatever became of them."""
        if self._waiting:
            await asyncio.wait(self._waiting)

    async def _after(self, before: asyncio.Future[None] | None, piece: bytes) -> None:
        if before is not None:
            await before
        await asyncio.to_thread(self._hash.update, piece)


async def _in_chunks(pieces: AsyncIterable[bytes], size: int) -> AsyncIterator[bytes]:
    """Collect pieces of any size into chunks; more bytes than declared are refused at once."""
    gathered: list[bytes] = []
    found = held = 0
    async for piece in pieces:
        found += len(piece)
        if found > size:
            raise SizeMismatch(size, found)
        rest = piece
        while held + len(rest) >= cipher.CHUNK_SIZE:
            cut = cipher.CHUNK_SIZE - held
            yield b"".join((*gathered, rest[:cut]))
            gathered, held, rest = [], 0, rest[cut:]
        if rest:
            gathered.append(rest)
            held += len(rest)
    if gathered:
        yield b"".join(gathered)

"""How a blob is encrypted: AES-256-GCM in chunks, so that it can be streamed and checked.

    plaintext   cut into chunks of 1 MiB; the last one has 1 to 1,048,576 bytes
    stored      for each chunk its ciphertext and the 16-byte tag, one after the other
    key         32 random bytes, used for this blob and nothing else
    nonce       the chunk's number from 0, 12 bytes, big-endian
    associated  "vault-blob/v1" || 0x0A || blob id (16) || chunk's number (8, big-endian)
                || 0x01 for the last chunk, 0x00 for the others

So a chunk that is missing, moved, swapped with another blob's or cut off at the end does not
open. It knows neither where the bytes come from nor where they go.
"""

from collections.abc import Iterable, Iterator
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from evidence.errors import Malformed, Tampered

CHUNK_SIZE = 1024 * 1024
TAG_SIZE = 16
KEY_SIZE = 32
SEALED_SIZE = CHUNK_SIZE + TAG_SIZE

_PREFIX = b"vault-blob/v1\n"


class Sealer:
    """Encrypts one blob's chunks in order. The key must be fresh: nonces begin at zero."""

    def __init__(self, key: bytes, blob: UUID) -> None:
        self._aead = _aead(key)
        self._blob = blob.bytes
        self._count = 0

    def seal(self, chunk: bytes, *, last: bool) -> bytes:
        """Encrypt the next chunk; all but the last must be CHUNK_SIZE long, none empty."""
        if not 0 < len(chunk) <= CHUNK_SIZE or (not last and len(chunk) != CHUNK_SIZE):
            raise ValueError("a chunk of the wrong size")
        nonce, associated = _context(self._blob, self._count, last=last)
        self._count += 1
        return self._aead.encrypt(nonce, chunk, associated)


class Opener:
    """Decrypts one blob's chunks in order, from chunk `first`; what does not open is Tampered."""

    def __init__(self, key: bytes, blob: UUID, *, first: int = 0) -> None:
        self._aead = _aead(key)
        self._blob = blob.bytes
        self._count = first

    def open(self, sealed: bytes, *, last: bool) -> bytes:
        """Decrypt the next chunk and check that it is this blob's, in this place."""
        nonce, associated = _context(self._blob, self._count, last=last)
        try:
            chunk = self._aead.decrypt(nonce, sealed, associated)
        except (InvalidTag, ValueError):
            raise Tampered(f"chunk {self._count} of a blob does not open") from None
        self._count += 1
        return chunk


def sealed_size(size: int) -> int:
    """Give the stored size of a plaintext of `size` bytes, which must be positive."""
    if size <= 0:
        raise Malformed("a blob has at least one byte")
    return size + TAG_SIZE * -(-size // CHUNK_SIZE)


def seal(key: bytes, blob: UUID, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Encrypt a plaintext given in pieces of any size; no bytes at all is Malformed."""
    sealer = Sealer(key, blob)
    held = b""
    for chunk in in_chunks(pieces, CHUNK_SIZE):
        if held:
            yield sealer.seal(held, last=False)
        held = chunk
    if not held:
        raise Malformed("a blob has at least one byte")
    yield sealer.seal(held, last=True)


def unseal(key: bytes, blob: UUID, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Decrypt stored bytes given in pieces of any size; raises Tampered at the first bad chunk.

    What was given out before the last chunk opened is the beginning of the blob, but not known
    to be all of it.
    """
    opener = Opener(key, blob)
    held = b""
    for sealed in in_chunks(pieces, SEALED_SIZE):
        if held:
            yield opener.open(held, last=False)
        held = sealed
    yield opener.open(held, last=True)


def in_chunks(pieces: Iterable[bytes], size: int) -> Iterator[bytes]:
    """Cut or join pieces into chunks of exactly `size` bytes; only the last may be shorter."""
    buffer = bytearray()
    for piece in pieces:
        buffer += piece
        while len(buffer) >= size:
            yield bytes(buffer[:size])
            del buffer[:size]
    if buffer:
        yield bytes(buffer)


def _context(blob: bytes, count: int, *, last: bool) -> tuple[bytes, bytes]:
    associated = _PREFIX + blob + count.to_bytes(8, "big") + (b"\x01" if last else b"\x00")
    return count.to_bytes(12, "big"), associated


def _aead(key: bytes) -> AESGCM:
    if len(key) != KEY_SIZE:
        raise Malformed("a blob's key has 32 bytes")
    return AESGCM(key)

"""Seals what is said in caucus: AES-256-GCM with the caucus key, bound to its message.

The database, its dumps and its backups never hold caucus in clear; nor do exports. The module
knows no table: it turns text into bytes and back.
"""

import hmac
import secrets
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE: Final = 12
_VERSION: Final = b"\x01"


class Unsealable(Exception):  # noqa: N818 - said as one would say it
    """Bytes that were not sealed with this key for this message."""


@dataclass(frozen=True, slots=True)
class Caucus:
    """The caucus key, 32 bytes."""

    key: bytes = field(repr=False)

    def apart(self, purpose: str) -> "Caucus":
        """The same with a key derived for ``purpose``: what one seals the other never opens."""
        return Caucus(hmac.digest(self.key, b"apart\n" + purpose.encode(), "sha256"))

    def seal(self, message: UUID, body: str) -> bytes:
        """Version ‖ nonce (12 bytes) ‖ ciphertext and tag; ``message`` is associated data."""
        nonce = secrets.token_bytes(_NONCE)
        sealed = AESGCM(self.key).encrypt(nonce, body.encode(), message.bytes)
        return _VERSION + nonce + sealed

    def digest(self, message: UUID, body: str) -> bytes:
        """HMAC-SHA-256 of ``body`` under the caucus key: binds it, and tells nothing of it."""
        return hmac.digest(self.key, message.bytes + body.encode(), "sha256")

    def bound(self, message: UUID, sealed: bytes) -> bytes:
        """What the record binds of a sealed message: nothing for one that does not open."""
        try:
            return self.digest(message, self.open(message, sealed))
        except Unsealable:
            return b""

    def open(self, message: UUID, sealed: bytes) -> str:
        """The body of ``message``; ``Unsealable`` if a byte, the key or the message differs."""
        if sealed[:1] != _VERSION:
            raise Unsealable("unknown version")
        nonce, rest = sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :]
        try:
            return AESGCM(self.key).decrypt(nonce, rest, message.bytes).decode()
        except (InvalidTag, ValueError) as error:
            raise Unsealable("not sealed with this key for this message") from error

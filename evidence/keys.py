"""Who signs and who wraps: two interfaces, and a local encrypted key file that fills both.

A Signer makes Ed25519 signatures under a name; a KeyRing wraps each blob's key with a
key-encryption key. Both are asynchronous because a key-management service over the network
may fill them as well: that is the door for one, and nothing outside this module may ask how a
key is kept. The passphrase is handed in; where it comes from is not known here.

Order in rotation: the new wrapping key is added to the file and used from then on; blobs keep
the id of the key that wraps theirs, so old ones open as long as the old key stays in the file.
"""

import json
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from evidence import canonical, note
from evidence.errors import KeyMissing, Malformed, Tampered

FILE_FORMAT = "vault-keys/v1"
SCRYPT_COST = 2**17  # 128 MiB and about 0.4 s for each try at the passphrase

_KEY_SIZE = 32
_SALT_SIZE = 16
_NONCE_SIZE = 12
_COST_MAX = 2**20


class Signer(Protocol):
    """Signs bytes under a name that verifiers know."""

    @property
    def key(self) -> note.VerifierKey:
        """The public half."""
        ...

    async def sign(self, message: bytes) -> bytes:
        """Give the 64 bytes of an Ed25519 signature over the message."""
        ...


class KeyRing(Protocol):
    """Wraps the keys of blobs; never gives out a key-encryption key."""

    @property
    def current(self) -> str:
        """The id of the key with which `wrap` wraps now."""
        ...

    async def wrap(self, key: bytes) -> bytes:
        """Encrypt a blob's key under the current key-encryption key."""
        ...

    async def unwrap(self, wrapped: bytes, key_id: str) -> bytes:
        """Decrypt a blob's key; Tampered if it does not open, KeyMissing if the id is unknown."""
        ...


@dataclass(frozen=True)
class LocalSigner:
    """A Signer whose private key is in this process."""

    key: note.VerifierKey
    _private: Ed25519PrivateKey = field(repr=False)

    async def sign(self, message: bytes) -> bytes:
        """Sign at once; there is nothing to wait for."""
        return self._private.sign(message)


@dataclass(frozen=True)
class LocalKeyRing:
    """A KeyRing whose keys are in this process: AES key wrap (RFC 3394) with AES-256."""

    current: str
    _keys: dict[str, bytes] = field(repr=False)

    async def wrap(self, key: bytes) -> bytes:
        """Wrap into 40 bytes. RFC 3394 needs no nonce, so no number of blobs wears it out."""
        return aes_key_wrap(self._keys[self.current], key)

    async def unwrap(self, wrapped: bytes, key_id: str) -> bytes:
        """Unwrap, checking RFC 3394's integrity value."""
        if key_id not in self._keys:
            raise KeyMissing(f"no wrapping key {key_id}")
        try:
            return aes_key_unwrap(self._keys[key_id], wrapped)
        except (InvalidUnwrap, ValueError):
            raise Tampered("a wrapped key does not open") from None


@dataclass(frozen=True)
class LocalKeys:
    """What a key file holds: seeds of signers by name, wrapping keys by id, newest last."""

    _signers: dict[str, bytes] = field(repr=False)
    _wrapping: dict[str, bytes] = field(repr=False)

    def signer(self, name: str) -> LocalSigner:
        """Give the signer of this name."""
        if name not in self._signers:
            raise KeyMissing(f"no signing key {name}")
        return local_signer(name, self._signers[name])

    def keyring(self) -> LocalKeyRing:
        """Give the ring of all wrapping keys; the newest wraps."""
        return LocalKeyRing(list(self._wrapping)[-1], dict(self._wrapping))

    def with_new_wrapping_key(self) -> "LocalKeys":
        """Add a wrapping key that is used from now on; the old ones still unwrap."""
        return LocalKeys(self._signers, self._wrapping | _new_wrapping_key())

    def with_new_signer(self, name: str) -> "LocalKeys":
        """Add a signing key under a new name; names are not used twice."""
        note.check_name(name)
        if name in self._signers:
            raise Malformed(f"there is a signing key {name} already")
        return LocalKeys(self._signers | {name: secrets.token_bytes(_KEY_SIZE)}, self._wrapping)


def local_signer(name: str, seed: bytes) -> LocalSigner:
    """Make a signer from the 32 bytes of an Ed25519 private key (RFC 8032)."""
    private = Ed25519PrivateKey.from_private_bytes(seed)
    return LocalSigner(note.verifier_key(name, private.public_key().public_bytes_raw()), private)


def generate(*signers: str) -> LocalKeys:
    """Make a signing key for each name, and one wrapping key."""
    keys = LocalKeys({}, _new_wrapping_key())
    for name in signers:
        keys = keys.with_new_signer(name)
    return keys


def save(keys: LocalKeys, path: Path, passphrase: str, *, cost: int = SCRYPT_COST) -> None:
    """Write the key file, readable by its owner only, replacing an older one in one step."""
    salt, nonce = secrets.token_bytes(_SALT_SIZE), secrets.token_bytes(_NONCE_SIZE)
    # The wrapping keys are a list: their order says which is newest, JSON objects have none.
    secret = {
        "signers": {name: seed.hex() for name, seed in keys._signers.items()},  # noqa: SLF001 -- one module's own class
        "wrapping": [[name, key.hex()] for name, key in keys._wrapping.items()],  # noqa: SLF001 -- the same
    }
    header = {"cost": cost, "format": FILE_FORMAT, "nonce": nonce.hex(), "salt": salt.hex()}
    sealed = AESGCM(_derive(passphrase, salt, cost)).encrypt(
        nonce, canonical.encode(secret), canonical.encode(header)
    )
    temporary = path.with_name(path.name + ".new")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(canonical.encode(header | {"sealed": sealed.hex()}))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def load(path: Path, passphrase: str) -> LocalKeys:
    """Read a key file; KeyMissing if there is none or the passphrase does not open it."""
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise KeyMissing(f"no key file {path}") from None
    except ValueError:
        raise Malformed(f"{path} is no key file") from None
    header, sealed = _read_header(value, path)
    key = _derive(passphrase, bytes.fromhex(header["salt"]), header["cost"])
    try:
        plain = AESGCM(key).decrypt(
            bytes.fromhex(header["nonce"]), sealed, canonical.encode(header)
        )
    except InvalidTag:
        raise KeyMissing(f"the passphrase does not open {path}, or it was changed") from None
    secret = canonical.decode(plain)
    return LocalKeys(
        {name: bytes.fromhex(seed) for name, seed in secret["signers"].items()},
        {name: bytes.fromhex(key) for name, key in secret["wrapping"]},
    )


def _read_header(value: Any, path: Path) -> tuple[dict[str, Any], bytes]:
    try:
        sealed = bytes.fromhex(value.pop("sealed"))
        fits = (
            value.keys() == {"cost", "format", "nonce", "salt"}
            and value["format"] == FILE_FORMAT
            and type(value["cost"]) is int
            and 1 < value["cost"] <= _COST_MAX
            and len(bytes.fromhex(value["salt"])) == _SALT_SIZE
            and len(bytes.fromhex(value["nonce"])) == _NONCE_SIZE
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        fits = False
    if not fits:
        raise Malformed(f"{path} is no key file")
    return value, sealed


def _derive(passphrase: str, salt: bytes, cost: int) -> bytes:
    return Scrypt(salt=salt, length=_KEY_SIZE, n=cost, r=8, p=1).derive(passphrase.encode())


def _new_wrapping_key() -> dict[str, bytes]:
    return {secrets.token_hex(8): secrets.token_bytes(_KEY_SIZE)}

"""Who signs and who wraps: two interfaces, and a local encrypted key file that fills both.

A Signer makes signatures of one kind under a name; a KeyRing wraps each blob's key with a
key-encryption key. Both are asynchronous because a key-management service over the network
may fill them as well (evidence/kms.py wraps), and nobody else may ask how a key is kept. The
passphrase is handed in; where it comes from is not known here.

Order in rotation: the new wrapping key is added to the file and used from then on; what is
wrapped says under which key, so old ones open as long as the old key stays in the file, and
evidence/rewrapping.py brings them under the new one. A new signing key stands behind the old one
of its name and kind, so that both can sign.
"""

import asyncio
import json
import os
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from evidence import canonical, note, signature
from evidence.errors import KeyMissing, Malformed, Tampered
from evidence.signature import ED25519, MLDSA44_COSIGNATURE

FILE_FORMAT = "vault-keys/v2"
FILE_FORMAT_1 = "vault-keys/v1"  # Ed25519 only, one key for each name; read, not written
SCRYPT_COST = 2**17  # 128 MiB and about 0.4 s for each try at the passphrase

_KEY_SIZE = 32
_SALT_SIZE = 16
_NONCE_SIZE = 12
_COST_MAX = 2**20


class Signer(Protocol):
    """Signs bytes under a name that verifiers know."""

    @property
    def key(self) -> note.VerifierKey:
        """The public half; its kind says which algorithm signs, and what (signature.message)."""
        ...

    async def sign(self, message: bytes) -> bytes:
        """Give the algorithm's bytes alone: 64 for Ed25519, 2,420 for ML-DSA-44."""
        ...


Signers = Callable[[str], Sequence[Signer]]
"""Who signs the checkpoints of a log, by its name; the names of their keys are the log's."""


def nobody(_: str) -> Sequence[Signer]:
    """Sign no log, in a vault that has none."""
    return ()


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A key, encrypted, and the id of the key-encryption key under which it is."""

    data: bytes
    key_id: str


class KeyRing(Protocol):
    """Wraps 32-byte keys; never gives out a key-encryption key.

    `of` says what a key is for (a blob's id). A service binds it, so that what was wrapped for one
    thing does not open for another.
    """

    @property
    def current(self) -> str:
        """The id of the key-encryption key under which `wrap` wraps now."""
        ...

    async def wrap(self, key: bytes, of: str) -> Wrapped:
        """Encrypt a key under the current key-encryption key."""
        ...

    async def unwrap(self, wrapped: Wrapped, of: str) -> bytes:
        """Decrypt a key; Tampered if it does not open, KeyMissing if there is no such key."""
        ...


@dataclass(frozen=True)
class LocalSigner:
    """A Signer whose private key is in this process."""

    key: note.VerifierKey
    _private: Ed25519PrivateKey | MLDSA44PrivateKey = field(repr=False)

    async def sign(self, message: bytes) -> bytes:
        """Sign at once; there is nothing to wait for."""
        return self._private.sign(message)

    def named(self, name: str) -> "LocalSigner":
        """Give the same key under another name, as one key serves the logs of several years."""
        return LocalSigner(note.verifier_key(name, self.key.public, self.key.kind), self._private)


@dataclass(frozen=True)
class LocalKeyRing:
    """A KeyRing whose keys are in this process: AES key wrap (RFC 3394) with AES-256."""

    current: str
    _keys: dict[str, bytes] = field(repr=False)

    async def wrap(self, key: bytes, of: str) -> Wrapped:  # noqa: ARG002 -- the cipher binds a blob's id
        """Wrap into 40 bytes. RFC 3394 needs no nonce, so no number of blobs wears it out."""
        return Wrapped(aes_key_wrap(self._keys[self.current], key), self.current)

    async def unwrap(self, wrapped: Wrapped, of: str) -> bytes:  # noqa: ARG002 -- the same
        """Unwrap, checking RFC 3394's integrity value."""
        if wrapped.key_id not in self._keys:
            raise KeyMissing(f"no wrapping key {wrapped.key_id}")
        try:
            return aes_key_unwrap(self._keys[wrapped.key_id], wrapped.data)
        except (InvalidUnwrap, ValueError):
            raise Tampered("a wrapped key does not open") from None


class FileKeyRing:
    """The ring of a key file, which is read again when a key is asked for that it did not hold.

    So a process that runs while a key is added opens what others have wrapped under it, and wraps
    under it from then on.
    """

    def __init__(self, path: Path, passphrase: str, held: "LocalKeys") -> None:
        self._path = path
        self._passphrase = passphrase
        self._ring = held.keyring()
        self._read = _state(path)
        self._reading = asyncio.Lock()

    @property
    def current(self) -> str:
        """The newest key of the file, as it was read."""
        return self._ring.current

    async def wrap(self, key: bytes, of: str) -> Wrapped:
        """Wrap under the newest key."""
        return await self._ring.wrap(key, of)

    async def unwrap(self, wrapped: Wrapped, of: str) -> bytes:
        """Unwrap; KeyMissing only if the file as it is now does not hold the key."""
        try:
            return await self._ring.unwrap(wrapped, of)
        except KeyMissing:
            if not await self._renewed():
                raise
        return await self._ring.unwrap(wrapped, of)

    async def _renewed(self) -> bool:
        """Read the file again if it is another than the one that was read."""
        async with self._reading:
            state = await asyncio.to_thread(_state, self._path)
            if state == self._read:
                return False
            held = await asyncio.to_thread(load, self._path, self._passphrase)
            self._ring, self._read = held.keyring(), state
            return True


class KeyRings:
    """Several rings as one: the first wraps, each opens what is under a key of its own."""

    def __init__(self, wrapping: KeyRing, *others: KeyRing) -> None:
        self._wrapping = wrapping
        self._rings = (wrapping, *others)

    @property
    def current(self) -> str:
        """The first ring's."""
        return self._wrapping.current

    async def wrap(self, key: bytes, of: str) -> Wrapped:
        """Wrap by the first ring."""
        return await self._wrapping.wrap(key, of)

    async def unwrap(self, wrapped: Wrapped, of: str) -> bytes:
        """Unwrap by whichever ring has the key."""
        for ring in self._rings:
            try:
                return await ring.unwrap(wrapped, of)
            except KeyMissing:
                continue
        raise KeyMissing(f"no wrapping key {wrapped.key_id}")


@dataclass(frozen=True, slots=True)
class Seed:
    """The 32 bytes from which a signing key is made."""

    kind: int
    name: str
    seed: bytes = field(repr=False)


@dataclass(frozen=True)
class LocalKeys:
    """What a key file holds: seeds of signers, and wrapping keys by id; newest last in both."""

    _signers: tuple[Seed, ...]
    _wrapping: dict[str, bytes] = field(repr=False)

    def signer(self, name: str) -> LocalSigner:
        """Give the newest signer of notes (Ed25519) of this name."""
        return self.signers(name, ED25519)[-1]

    def cosigner(self, name: str, kind: int = MLDSA44_COSIGNATURE) -> LocalSigner:
        """Give the newest cosigner of checkpoints of this name and kind; see cosignature.sign."""
        return self.signers(name, kind)[-1]

    def signers(self, name: str, kind: int = ED25519) -> list[LocalSigner]:
        """Give all signers of this name and kind, newest last; KeyMissing if there is none."""
        seeds = self._seeds(name, kind)
        if not seeds:
            raise KeyMissing(f"no signing key {name} of kind {kind:#04x}")
        return [local_signer(name, seed, kind) for seed in seeds]

    def keyring(self) -> LocalKeyRing:
        """Give the ring of all wrapping keys; the newest wraps."""
        return LocalKeyRing(list(self._wrapping)[-1], dict(self._wrapping))

    def with_new_wrapping_key(self) -> "LocalKeys":
        """Add a wrapping key that is used from now on; the old ones still unwrap."""
        return LocalKeys(self._signers, self._wrapping | _new_wrapping_key())

    def has_wrapping_key(self, key_id: str) -> bool:
        """Whether there is a wrapping key of this id."""
        return key_id in self._wrapping

    def without_wrapping_key(self, key_id: str) -> "LocalKeys":
        """Drop a wrapping key: rotation's last step, when nothing is under it any more.

        KeyMissing if there is none of this id; Malformed for the newest, which wraps.
        """
        if key_id not in self._wrapping:
            raise KeyMissing(f"no wrapping key {key_id}")
        if key_id == list(self._wrapping)[-1]:
            raise Malformed(f"{key_id} is the newest wrapping key, by which all is wrapped")
        left = {name: key for name, key in self._wrapping.items() if name != key_id}
        return LocalKeys(self._signers, left)

    def with_new_signer(self, name: str, kind: int = ED25519) -> "LocalKeys":
        """Add a signing key under a name that has none of this kind; twice is Malformed."""
        note.check_name(name)
        if self._seeds(name, kind):
            raise Malformed(f"there is a signing key {name} of this kind already")
        return self._with_seed(name, kind)

    def with_rotated_signer(self, name: str, kind: int = ED25519) -> "LocalKeys":
        """Add a signing key behind those of its name and kind; KeyMissing if there is none."""
        self.signers(name, kind)
        return self._with_seed(name, kind)

    def with_newest_signer(self, name: str, kind: int = ED25519) -> "LocalKeys":
        """Drop the signing keys of this name and kind but the newest: rotation's last step."""
        newest = self._seeds(name, kind)[-1:]
        kept = [
            one
            for one in self._signers
            if (one.name, one.kind) != (name, kind) or one.seed in newest
        ]
        return LocalKeys(tuple(kept), self._wrapping)

    def _seeds(self, name: str, kind: int) -> list[bytes]:
        return [one.seed for one in self._signers if (one.name, one.kind) == (name, kind)]

    def _with_seed(self, name: str, kind: int) -> "LocalKeys":
        seed = Seed(kind, name, secrets.token_bytes(_KEY_SIZE))
        local_signer(seed.name, seed.seed, seed.kind)
        return LocalKeys((*self._signers, seed), self._wrapping)


def local_signer(name: str, seed: bytes, kind: int = ED25519) -> LocalSigner:
    """Make a signer from its 32 bytes: an Ed25519 private key (RFC 8032) or FIPS 204's seed."""
    private: Ed25519PrivateKey | MLDSA44PrivateKey
    if kind == MLDSA44_COSIGNATURE:
        private = MLDSA44PrivateKey.from_seed_bytes(seed)
    elif kind in (ED25519, signature.ED25519_COSIGNATURE):
        private = Ed25519PrivateKey.from_private_bytes(seed)
    else:
        raise Malformed("a signing key of a kind that is not known here")
    public = private.public_key().public_bytes_raw()
    return LocalSigner(note.verifier_key(name, public, kind), private)


def generate(*signers: str, cosigners: Iterable[str] = ()) -> LocalKeys:
    """Make a signing key for each name (Ed25519; ML-DSA-44 for cosigners), and a wrapping key."""
    keys = LocalKeys((), _new_wrapping_key())
    for name in signers:
        keys = keys.with_new_signer(name)
    for name in cosigners:
        keys = keys.with_new_signer(name, MLDSA44_COSIGNATURE)
    return keys


def save(keys: LocalKeys, path: Path, passphrase: str, *, cost: int = SCRYPT_COST) -> None:
    """Write the key file, readable by its owner only, replacing an older one in one step."""
    salt, nonce = secrets.token_bytes(_SALT_SIZE), secrets.token_bytes(_NONCE_SIZE)
    # Lists, since their order says which key is newest; JSON objects have none.
    secret = {
        "signers": [[one.kind, one.name, one.seed.hex()] for one in keys._signers],  # noqa: SLF001 -- one module's own class
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
    signers = secret["signers"]
    if header["format"] == FILE_FORMAT_1:
        signers = [[ED25519, name, seed] for name, seed in signers.items()]
    return LocalKeys(
        tuple(Seed(kind, name, bytes.fromhex(seed)) for kind, name, seed in signers),
        {name: bytes.fromhex(key) for name, key in secret["wrapping"]},
    )


def _state(path: Path) -> tuple[int, int]:
    """Tell one writing of a file from another: each is a file of its own, renamed into place."""
    found = path.stat()
    return found.st_ino, found.st_mtime_ns


def _read_header(value: Any, path: Path) -> tuple[dict[str, Any], bytes]:
    try:
        sealed = bytes.fromhex(value.pop("sealed"))
        fits = (
            value.keys() == {"cost", "format", "nonce", "salt"}
            and value["format"] in (FILE_FORMAT, FILE_FORMAT_1)
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

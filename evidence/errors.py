"""What can go wrong in the vault, by name, with the facts as attributes.

Malformed and Tampered are kept apart everywhere: bytes that do not follow their format accuse
nobody; well-formed bytes that contradict a commitment, a link or a signature accuse somebody.
No HTTP status and no wording for screens here.
"""
# ruff: noqa: N818 -- named as one would say them, not as "...Error"

from collections.abc import Sequence
from typing import Any, ClassVar


class VaultError(Exception):
    """The root of this tree; anything else that escapes from the vault is a bug."""


class Malformed(VaultError):
    """Bytes or values that do not follow their format; says nothing about anybody's intent."""


class Tampered(VaultError):
    """Well-formed bytes that are not the bytes that were committed to."""


class Unsigned(VaultError):
    """None of the keys that were asked for signed, or too few of them did; accuses nobody."""


class StreamMissing(VaultError):
    """No stream has this id."""

    def __init__(self, stream: object) -> None:
        super().__init__(f"no stream {stream}")
        self.stream = stream


class StreamExists(VaultError):
    """A stream with this id is there already."""

    def __init__(self, stream: object) -> None:
        super().__init__(f"stream {stream} is there already")
        self.stream = stream


class BlobMissing(VaultError):
    """No blob has this id, or not in the state that the operation needs."""

    def __init__(self, blob: object, needed: str) -> None:
        super().__init__(f"no blob {blob} that is {needed}")
        self.blob = blob
        self.needed = needed


class Erased(VaultError):
    """The key or the salt was destroyed: the plaintext is gone for good, the proofs stand."""


class KeyMissing(VaultError):
    """No key has this name or id, or the passphrase does not open the key file."""


class LogMissing(VaultError):
    """There is no log of this name."""

    def __init__(self, origin: str) -> None:
        super().__init__(f"no log {origin}")
        self.origin = origin


class NotLogged(VaultError):
    """No checkpoint covers this entry yet; its receipt says by when one does."""

    def __init__(self, stream: object, seq: int) -> None:
        super().__init__(f"entry {seq} of {stream} is not in the log yet")
        self.stream = stream
        self.seq = seq


class NotCosigned(VaultError):
    """A witness did not cosign a checkpoint, and said why; it may know another history."""

    def __init__(self, witness: str, origin: str, size: int, status: int, said: str) -> None:
        super().__init__(f"{witness} does not cosign {origin} of {size}: {status} {said}")
        self.witness = witness
        self.origin = origin
        self.size = size
        self.status = status
        self.said = said


class Absent(VaultError):
    """A file of a log that is followed is not there, or cannot be had."""


class NotStamped(VaultError):
    """A time-stamping authority refused, or what it said is good no longer; accuses nobody."""


class PartFailed(VaultError):
    """A part that the vault depends on failed; nothing was done, it may be tried again later."""

    part: ClassVar[str]


class KeysFailed(PartFailed):
    """The key-management service failed, hung, held back or answered nonsense; try again."""

    part = "keys"


class KeysRefused(KeysFailed):
    """The key-management service refuses: no right, or a key that is disabled or about to go.

    Trying again helps only when its operator has changed that.
    """


class StoreError(VaultError):
    """The root of what a store can answer."""


class StoreFailed(StoreError, PartFailed):
    """The store failed, hung or answered nonsense; the same call may be tried again."""

    part = "store"


class NotStored(StoreError):
    """Nothing is stored under this key (and version)."""


class AlreadyStored(StoreError):
    """Other bytes are stored under this key; a key is written once."""


class Retained(StoreError):
    """The object is under retention: it may not be removed, nor its retention be shortened."""


class DepositRefused(VaultError):
    """The root of the reasons for which a file is not taken; nothing of it is kept."""


class EmptyFile(DepositRefused):
    """The file has no bytes, or its declared size is not positive."""


class FileTooLarge(DepositRefused):
    """More bytes, declared or sent, than this type of file may have."""

    def __init__(self, size_max: int) -> None:
        super().__init__(f"a file of this type may have at most {size_max} bytes")
        self.size_max = size_max


class SizeMismatch(DepositRefused):
    """The bytes sent are not as many as declared; also what a cut connection looks like."""

    def __init__(self, declared: int, found: int) -> None:
        super().__init__(f"{declared} bytes were declared, {found} came")
        self.declared = declared
        self.found = found


class DigestMismatch(DepositRefused):
    """The bytes sent do not have the declared SHA-256."""

    def __init__(self, declared: str, found: str) -> None:
        super().__init__(f"SHA-256 {declared} was declared, {found} came")
        self.declared = declared
        self.found = found


class TypeNotAllowed(DepositRefused):
    """The declared media type is not on the list of those that are taken."""

    def __init__(self, declared: str, allowed: tuple[str, ...]) -> None:
        super().__init__(f"{declared} is not taken")
        self.declared = declared
        self.allowed = allowed


class TypeMismatch(DepositRefused):
    """The content is not what the declared media type says; `reason` says what gave it away."""

    def __init__(self, declared: str, reason: str) -> None:
        super().__init__(f"this is no {declared}: {reason}")
        self.declared = declared
        self.reason = reason


class HarmfulFile(DepositRefused):
    """Something in the file keeps it out; `flags` say what, those that refuse first."""

    def __init__(self, flags: Sequence[Any]) -> None:
        super().__init__(f"refused for {', '.join(flag.code for flag in flags)}")
        self.flags = flags  # of evidence.flags


class Quarantined(VaultError):
    """A file that is not through quarantine yet: it cannot be kept or shown; try again later."""

    def __init__(self, blob: object) -> None:
        super().__init__(f"blob {blob} is in quarantine")
        self.blob = blob


class Undecodable(VaultError):
    """A file that no picture could be made of; `reason` is a word of evidence.wire.REASONS."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"not decoded: {reason}")
        self.reason = reason


class NotAnswered(VaultError):
    """A scanner, darkroom, witness or authority did not answer in time; it is asked again later."""

    def __init__(self, part: str, why: str = "") -> None:
        super().__init__(f"{part} did not answer: {why}" if why else f"{part} did not answer")
        self.part = part

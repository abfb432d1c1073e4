"""A witness: cosigns a log's checkpoint only if it follows all that it cosigned before.

C2SP tlog-witness, ``add-checkpoint``. Who runs one for somebody else's log (a marketplace, an
insurer, a consumer body) makes it impossible for that log to show different people different
histories; one that the log runs for itself proves nothing.

The state is a file for each log, with the last checkpoint that was cosigned. It is durable before
the cosignature is given, and one process at a time works in a folder. What a log signed and could
not prove is kept beside it: two such checkpoints are a proof of misbehaviour.

Needs the standard library and ``cryptography`` only; it knows no vault and no database.
"""

import base64
import contextlib
import fcntl
import json
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from evidence import checkpoint, cosignature, merkle, notation, note, signature
from evidence.checkpoint import Checkpoint
from evidence.errors import Malformed, Tampered, VaultError
from evidence.keys import Signer

REQUEST_MAX = 128 * 1024
PROOF_MAX = 63  # C2SP tlog-witness
OLD = "old "
TEXT = "text/plain; charset=utf-8"
SIZE = "text/x.tlog.size"

_OK, _BAD, _FORBIDDEN, _UNKNOWN, _CONFLICT, _INCONSISTENT = 200, 400, 403, 404, 409, 422


@dataclass(frozen=True, slots=True)
class Request:
    """A checkpoint that a log wants cosigned, and the proof that it follows an older one."""

    old: int
    proof: tuple[bytes, ...]
    checkpoint: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered over HTTP."""

    status: int
    body: str
    media_type: str = TEXT


@dataclass(frozen=True, slots=True)
class Seen:
    """The last checkpoint of a log that was cosigned; nothing yet is the empty tree."""

    size: int = 0
    root: bytes = merkle.EMPTY_ROOT


def write(request: Request) -> bytes:
    """Write the body of a request."""
    lines = "".join(f"{notation.encode_base64(one)}\n" for one in request.proof)
    return f"{OLD}{request.old}\n{lines}\n".encode() + request.checkpoint


def read(body: bytes) -> Request:
    """Read the body of a request; every other spelling is Malformed."""
    head, divider, signed = body.partition(b"\n\n")
    try:
        first, *lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise Malformed("not a request to a witness") from None
    if not divider or not first.startswith(OLD) or len(lines) > PROOF_MAX:
        raise Malformed("not a request to a witness")
    proof = tuple(notation.decode_base64(line) for line in lines)
    if any(len(one) != merkle.HASH_SIZE for one in proof):
        raise Malformed("a tree's hash has 32 bytes")
    old = notation.read_decimal(first.removeprefix(OLD), signature.SIZE_MAX)
    return Request(old, proof, signed)


class Witness:
    """Follows some logs, known by their verifier keys, with its state in a folder of its own."""

    def __init__(
        self,
        folder: Path,
        signers: Sequence[Signer],
        logs: Mapping[str, Sequence[note.VerifierKey]],
    ) -> None:
        self._folder = folder
        self._signers = signers
        self._logs = logs
        self._turn = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "misbehaviour").mkdir(exist_ok=True)

    @property
    def keys(self) -> list[note.VerifierKey]:
        """By which its cosignatures are verified."""
        return [signer.key for signer in self._signers]

    def seen(self, origin: str) -> Seen:
        """What was cosigned last of a log; Malformed if the state was not written by this."""
        try:
            text = self._place(origin).read_text()
        except FileNotFoundError:
            return Seen()
        try:
            value = json.loads(text)
            found = Seen(value["size"], base64.b64decode(value["root"]))
        except (ValueError, KeyError, TypeError):
            raise Malformed(f"{self._place(origin)} is no state of a witness") from None
        if value["origin"] != origin:
            raise Malformed(f"{self._place(origin)} is the state of another log")
        return found

    async def add_checkpoint(self, body: bytes, at: datetime) -> Answer:
        """Answer a request; `at` (UTC) stands in the cosignature."""
        try:
            request = read(body)
            said = checkpoint.read(note.parse(request.checkpoint).text)
        except Malformed as error:
            return Answer(_BAD, f"{error}\n")
        keys = self._logs.get(said.origin)
        if keys is None:
            return Answer(_UNKNOWN, "this log is not known here\n")
        try:
            _, signed = checkpoint.verify(request.checkpoint, keys)
        except Tampered:
            signed = ()
        if not signed:
            return Answer(_FORBIDDEN, "not signed by a key of this log\n")
        if request.old > said.size:
            return Answer(_BAD, "the old tree is larger than the new one\n")
        with self._turn:
            refused = self._follow(request, said)
        if refused is not None:
            return refused
        text = note.parse(request.checkpoint).text
        lines = [await cosignature.sign(signer, text, at) for signer in self._signers]
        return Answer(_OK, "".join(map(str, lines)))

    def _follow(self, request: Request, said: Checkpoint) -> Answer | None:
        """Keep the new checkpoint if it follows the last one, else say why not."""
        seen = self.seen(said.origin)
        if request.old != seen.size:
            return Answer(_CONFLICT, f"{seen.size}\n", SIZE)
        if said.size == seen.size and said.root != seen.root:
            self._accuse(request)
            return Answer(_CONFLICT, f"{seen.size}\n", SIZE)
        if seen.size == 0:
            follows = not request.proof and (said.size > 0 or said.root == merkle.EMPTY_ROOT)
        else:
            follows = merkle.extends(seen.size, said.size, seen.root, said.root, request.proof)
        if not follows:
            self._accuse(request)
            return Answer(_INCONSISTENT, "the proof does not lead from the old tree to the new\n")
        if said.size > seen.size:
            self._keep(said, request.checkpoint)
        return None

    def _keep(self, said: Checkpoint, signed: bytes) -> None:
        """Replace a log's state, durably, in one step."""
        value = {
            "checkpoint": signed.decode(),
            "origin": said.origin,
            "root": notation.encode_base64(said.root),
            "size": said.size,
        }
        _write_durably(self._place(said.origin), json.dumps(value, indent=1))

    def _accuse(self, request: Request) -> None:
        """Keep what a log has signed and not proved; whoever asks may be wrong as well."""
        name = sha256(request.checkpoint).hexdigest()[:16]
        place = self._folder / "misbehaviour" / f"{name}.txt"
        if not place.exists():
            _write_durably(place, write(request).decode())

    def _place(self, origin: str) -> Path:
        return self._folder / f"{sha256(origin.encode()).hexdigest()[:32]}.json"


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep other processes out of a witness's folder; VaultError if there is one."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise VaultError(f"another witness works in {folder}") from None
        yield
    finally:
        os.close(handle)


def _write_durably(path: Path, text: str) -> None:
    temporary = path.with_name(path.name + ".new")
    with temporary.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    handle = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

"""When the tree around a proof was there: the timestamps in a bundle, and compromised keys.

A bundle has, for each of its logs, timestamps of checkpoints with their renewals, and for each a
consistency proof from that checkpoint to the one in the bundle's proofs: so what the older tree
held was there at the older time. A checkpoint of a compromised key counts only if somebody else
dates it before the compromise: a witness, or an authority by a timestamp.

It needs the standard library, `cryptography` and the `openssl` program (for timestamps alone).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from evidence import checkpoint as checkpoints
from evidence import layout, merkle, notation, note, openssl
from evidence.checkpoint import Checkpoint
from evidence.errors import Malformed, Tampered, Unsigned
from evidence.layout import About
from evidence.proof import Proven
from evidence.report import Noting, Report

HASHES_MAX = 63
LIMIT = "the times that entries say, but for being no later than their timestamps"
NOT_DATED = "the times of the entries against outside time: no timestamp was checked"


@dataclass(frozen=True, slots=True)
class Outside:
    """What whoever verifies knows of the world: authorities' roots, the time, compromised keys.

    `at` (UTC) is when it is looked at; without it, or without `roots` (a PEM file), timestamps are
    not checked. `compromised` says since when a key may have been somebody else's.
    """

    roots: Path | None = None
    at: datetime | None = None
    compromised: Mapping[note.VerifierKey, datetime] = field(default_factory=dict)


NOTHING = Outside()


@dataclass(frozen=True, slots=True)
class Dated:
    """A tree of which an authority says when it was there."""

    size: int
    time: datetime


def write_path(hashes: Sequence[bytes]) -> bytes:
    """Write a consistency proof: each hash in base64, on a line of its own."""
    return "".join(f"{notation.encode_base64(one)}\n" for one in hashes).encode()


def read_path(data: bytes) -> list[bytes]:
    """Read a consistency proof; every other spelling is Malformed."""
    try:
        *lines, last = data.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise Malformed("not a consistency proof") from None
    hashes = [notation.decode_base64(line) for line in lines]
    if last or len(hashes) > HASHES_MAX or any(len(one) != merkle.HASH_SIZE for one in hashes):
        raise Malformed("not a consistency proof")
    return hashes


def check_all(
    read: Callable[[str], bytes],
    payload: set[str],
    about: About,
    proven: Sequence[tuple[str, Proven]],
    keys: Sequence[note.VerifierKey],
    outside: Outside,
    *,
    report: Report,
) -> int:
    """Check a bundle's timestamps, and by them its proofs (with their paths) and their keys.

    Tells how many timestamps hold; what each dates stands in the report, and what does not.
    """
    heads: dict[str, Checkpoint] = {}
    for path, one in proven:
        with Noting(report, path):
            head = heads.setdefault(one.checkpoint.origin, one.checkpoint)
            if head.size == one.checkpoint.size and head.root != one.checkpoint.root:
                raise Tampered("the log signed two trees of one size: it showed a fork")
            if head != one.checkpoint:
                raise Malformed("is under another checkpoint than the other proofs of its log")
    dated: dict[str, list[Dated]] = {}
    for (log, number), names in sorted(layout.read_stamps(payload, len(about.logs)).items()):
        head_, where = heads.get(about.logs[log].origin), layout.stamp_path(log, number, "")
        if head_ is None or outside.roots is None or outside.at is None or not openssl.is_there():
            by_hand = openssl.command(f"{where}000.tsr", f"{where}{layout.NOTE}", "ROOTS")
            report.unchecked.append(
                f"the timestamp {where}: it takes the log's key, openssl and the authorities'"
                f" roots; by hand: {by_hand}"
            )
            continue
        with Noting(report, where):
            its = partial(_read_in, read, where)
            dated.setdefault(head_.origin, []).append(check(its, names, head_, keys, outside))
    for origin, found in dated.items():
        report.checked += [
            f"   the first {one.size} entries of {origin} were there at {one.time}" for one in found
        ]
    for path, one in proven:
        with Noting(report, path):
            check_keys(one, dated.get(one.checkpoint.origin, ()), outside)
    return sum(map(len, dated.values()))


def _read_in(read: Callable[[str], bytes], folder: str, name: str) -> bytes:
    return read(folder + name)


def check(
    read: Callable[[str], bytes],
    names: set[str],
    head: Checkpoint,
    keys: Sequence[note.VerifierKey],
    outside: Outside,
) -> Dated:
    """Check one timestamp of a bundle: its files by `read`, `head` the checkpoint of the proofs.

    1. Its files are all there: the note, the consistency proof, the answers without a gap.
    2. The note is a checkpoint of this log, signed by one of its keys.
    3. Its tree is a beginning of the tree of `head`.
    4. The answers, oldest first, are over the note and lead to the roots.

    Tampered, Malformed, Unsigned, NotStamped by what is wrong.
    """
    answers = sorted(name for name in names if name.endswith(layout.ANSWER))
    expected = {layout.NOTE, layout.PATH, *(layout.answer(one) for one in range(len(answers)))}
    if names != expected or not answers:
        raise Tampered("has not all of its files")
    signed = read(layout.NOTE)
    said, by = checkpoints.verify(signed, keys)
    if said.origin != head.origin:
        raise Tampered(f"is of the log {said.origin}")
    if not any(key.name == said.origin for key in by):
        raise Unsigned("no key given for its log signed its checkpoint")
    path = read_path(read(layout.PATH))
    if not merkle.extends(said.size, head.size, said.root, head.root, path):
        raise Tampered("its checkpoint is no beginning of the one in the proofs")
    assert outside.roots is not None
    assert outside.at is not None
    found = [read(name) for name in answers]
    return Dated(said.size, openssl.verify_chain(found, signed, outside.roots, at=outside.at))


def check_keys(proven: Proven, dated: Sequence[Dated], outside: Outside) -> None:
    """Refuse a proof whose checkpoint only compromised keys signed and nobody dates before.

    Unsigned then: whoever has the key by now could have made it.
    """
    since = [outside.compromised.get(key) for key in proven.signed]
    if None in since:
        return  # a key signed it that is not known to be somebody else's
    limit = max(one for one in since if one is not None)
    times = [datetime.fromtimestamp(one.time, UTC) for one in proven.cosigned]
    times += [one.time for one in dated if one.size > proven.index]
    if not any(time < limit for time in times):
        raise Unsigned(f"only compromised keys signed, and nobody else dates it before {limit}")

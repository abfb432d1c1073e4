"""The verifier's part on a log's keys: which are to be trusted, from one that is.

A log tells its keys and those of receipts in a stream of its own, whose first entry is the log's
first (evidence/succession.py). A bundle has that stream of each of its logs:

    history/<log>/<seq>.entry.json     the entry's exact bytes
    history/<log>/<seq>.body.json      its private body, which is public here
    history/<log>/<seq>.salt.hex       the salt that binds it
    history/<log>/<seq>.tlog-proof     its proof, under the checkpoint of all other proofs

What signs the new keys is the statement in the body, signed by all keys that sign from then on:

    vault-keys/v1
    <the log's origin>
    log <verifier key>                 one line for each key of the log, in their order
    receipts <verifier key>            one line for each key of receipts

So trust goes forward: keys count if one that counted before signed the statement about them. And
it goes back: what an entry of the log says counts once a key that counts signed its checkpoint.
The first line is no log's origin, so no such statement is a checkpoint.

Needs nothing but the standard library and `cryptography`.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from evidence import body as bodies
from evidence import dating, entry, layout, note, proof, shard, signature
from evidence.dating import Outside
from evidence.errors import Malformed, Tampered, Unsigned
from evidence.layout import About
from evidence.note import VerifierKey
from evidence.proof import Proven
from evidence.report import Noting, Report

FORMAT = "vault-keys/v1"
ENTRY, BODY, SALT, PROOF = "entry.json", "body.json", "salt.hex", "tlog-proof"
_PARTS = {ENTRY, BODY, SALT, PROOF}
_PART = re.compile(r"history/(0|[1-9]\d{0,3})/(\d{6})\.([a-z.-]+)", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Told:
    """An entry of a log about its keys: its place, proof, and what it says.

    ``keys`` and ``receipts`` are None where it declares a compromise.
    """

    path: str
    index: int
    leaf: bytes
    proof: bytes
    said: Mapping[str, Any]
    keys: tuple[VerifierKey, ...] | None
    receipts: tuple[VerifierKey, ...] = ()


@dataclass(slots=True)
class Lineage:
    """What the histories of a bundle's logs add to the keys that were given.

    ``compromised`` is what they declare, added to what was given; ``proven`` are the proofs of
    their own entries.
    """

    keys: list[VerifierKey]
    outside: Outside
    proven: list[tuple[str, Proven]] = field(default_factory=list)
    traced: int = 0


def path(log: int, seq: int, name: str) -> str:
    """Give the path, in the payload, of a part of an entry of a log's history."""
    return f"history/{log}/{seq:06d}.{name}"


def places(payload: Iterable[str], logs: int) -> set[str]:
    """Find the paths of histories in the payload."""
    return {one for each in _found(payload, logs).values() for one in each}


def write(origin: str, keys: Sequence[str], receipts: Sequence[str]) -> str:
    """Write the statement about keys that is signed."""
    lines = [FORMAT, origin, *(f"log {key}" for key in keys)]
    return "".join(f"{line}\n" for line in [*lines, *(f"receipts {key}" for key in receipts)])


def trace(
    read: Callable[[str], bytes],
    payload: set[str],
    about: About,
    keys: Sequence[VerifierKey],
    outside: Outside,
    *,
    report: Report,
) -> Lineage:
    """Follow the histories of all logs in a bundle from the keys that are trusted.

    A key of one log of the vault counts for all of them: they sign under each year's name.
    """
    origins = [log.origin for log in about.logs]
    known = list(dict.fromkeys([*keys, *_of_years(keys, origins)]))
    lineage = Lineage(known, outside)
    for number, files in sorted(_found(payload, len(origins)).items()):
        with Noting(report, f"history/{number}/"):
            told = _read(read, number, files, origins[number])
            _follow(told, origins[number], lineage, report)
    lineage.keys = list(dict.fromkeys([*lineage.keys, *_of_years(lineage.keys, origins)]))
    return lineage


def _found(payload: Iterable[str], logs: int) -> dict[int, set[str]]:
    found: dict[int, set[str]] = {}
    for one in payload:
        parts = _PART.fullmatch(one)
        if parts is not None and int(parts[1]) < logs and parts[3] in _PARTS:
            found.setdefault(int(parts[1]), set()).add(one)
    return found


def _of_years(keys: Iterable[VerifierKey], origins: Sequence[str]) -> list[VerifierKey]:
    """Give the keys of logs under the names of these logs of the same vault."""
    return [
        replace(key, name=origin)
        for key in keys
        for origin in origins
        if shard.base(key.name) == shard.base(origin) is not None
    ]


def _read(read: Callable[[str], bytes], number: int, files: set[str], origin: str) -> list[Told]:
    """Read a log's own stream: whole, each entry in its place and bound to its body."""
    size = len(files) // len(_PARTS)
    if files != {path(number, seq, name) for seq in range(size) for name in _PARTS}:
        raise Tampered("has not all of its files")
    told: list[Told] = []
    prev, last, stream = entry.FIRST_PREV, -1, None
    for seq in range(size):
        data = read(path(number, seq, ENTRY))
        found = entry.decode(data)
        stream = stream or found.stream
        if (found.origin, found.stream, found.seq, found.prev) != (origin, stream, seq, prev):
            raise Tampered(f"entry {seq} is not in its place, or not linked to the one before")
        body = read(path(number, seq, BODY))
        if entry.commit(layout.read_salt(read(path(number, seq, SALT))), body) != found.body:
            raise Tampered(f"entry {seq} does not bind this body")
        prev, proven = entry.leaf_hash(data), read(path(number, seq, PROOF))
        index = proof.read(proven).index
        if index <= last or (seq == 0 and index != 0):
            raise Tampered(f"entry {seq} has another place in the log than the log's own has")
        last = index
        said = bodies.decode(body).body
        told.append(_told(path(number, seq, ""), index, prev, proven, said))
    return told


def _told(where: str, index: int, leaf: bytes, proven: bytes, said: Mapping[str, Any]) -> Told:
    if "keys" not in said:
        return Told(where, index, leaf, proven, said, None)
    keys, receipts = said["keys"], said.get("receipts", [])
    if not all(isinstance(one, list) for one in (keys, receipts)):
        raise Malformed("keys are told in a list")
    both = [tuple(note.read_verifier_key(str(one)) for one in each) for each in (keys, receipts)]
    return Told(where, index, leaf, proven, said, *both)


def _follow(told: list[Told], origin: str, lineage: Lineage, report: Report) -> None:
    """Take the keys of one log's history over, from the first set that has a trusted one."""
    given = lineage.outside
    declared = _declared(told, origin)
    outside = replace(given, compromised=_merged(declared, given.compromised))
    sets = [one for one in told if one.keys is not None]
    sound = set(lineage.keys) - outside.compromised.keys()
    starts = [at for at, one in enumerate(sets) if sound & set(one.keys or ())]
    starts += [at for at, one in enumerate(sets) if set(lineage.keys) & set(one.keys or ())]
    if not starts:
        report.unchecked.append(
            f"the history of the keys of {origin}: it tells none that was given"
        )
        return
    trusted = set(lineage.keys) | set(sets[starts[0]].keys or ())
    steps = []
    for before, one in zip(sets[starts[0] :], sets[starts[0] + 1 :], strict=False):
        if not sound & set(one.keys or ()):
            steps.append((one, _vouching(before, one, origin)))
        trusted |= set(one.keys or ())
    for one in told:
        found = proof.verify(one.proof, one.leaf, trusted)
        lineage.proven.append((one.path + PROOF, found))
    heads = {
        found.checkpoint for name, found in lineage.proven if found.checkpoint.origin == origin
    }
    if len(heads) > 1:
        raise Malformed("its entries are proved under more than one checkpoint")
    proofs = dict(lineage.proven)
    for one, by in steps:
        # A key that was somebody else's by then vouches for nobody.
        dating.check_keys(replace(proofs[one.path + PROOF], signed=by), (), outside)
    lineage.outside = outside
    lineage.keys += [key for one in sets for key in (*(one.keys or ()), *one.receipts)]
    lineage.traced += len(sets)
    for key, since in sorted(declared.items(), key=str):
        report.checked.append(f"   {key} is declared compromised since {since}")


def _vouching(before: Told, one: Told, origin: str) -> tuple[VerifierKey, ...]:
    """Give those of the keys told before that signed the statement about the next."""
    known = [key for key in before.keys or () if key.kind == signature.ED25519]
    said = one.said
    if "signed" not in said:
        raise Unsigned(f"nobody vouches for the keys told at index {one.index}")
    text, by = note.verify(str(said["signed"]).encode(), known)
    if text != write(origin, said["keys"], said.get("receipts", [])):
        raise Tampered(f"the statement at index {one.index} is about other keys")
    if not by:
        raise Unsigned(f"none of the keys before vouches for those told at index {one.index}")
    return by


def _declared(told: Iterable[Told], origin: str) -> dict[VerifierKey, datetime]:
    found: dict[VerifierKey, datetime] = {}
    for one in told:
        if one.keys is None and "since" in one.said:
            key = note.read_verifier_key(str(one.said.get("key")))
            since = _EPOCH + timedelta(microseconds=entry.read_integer(one.said["since"]))
            for named in (key, *_of_years([key], [origin])):
                found[named] = min(since, found.get(named, since))
    return found


def _merged(
    one: Mapping[VerifierKey, datetime], other: Mapping[VerifierKey, datetime]
) -> dict[VerifierKey, datetime]:
    merged = dict(one)
    for key, since in other.items():
        merged[key] = min(since, merged.get(key, since))
    return merged

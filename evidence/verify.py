"""Checks a bundle offline, as a stranger would who trusts nothing but a verifier key.

It knows no database, no store and no service: it imports the standard library, `cryptography`
and those modules of this package that need no more. What is wrong is named by file, entry and
field; what cannot be known from the bundle is said too.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256, sha512
from pathlib import Path
from uuid import UUID

from evidence import (
    bag,
    body,
    checkpoint,
    cipher,
    contents,
    dating,
    entry,
    layout,
    lineage,
    merkle,
    note,
    proof,
    receipt,
    shard,
    tombstone,
)
from evidence.body import Body
from evidence.dating import Outside
from evidence.entry import Entry
from evidence.errors import Malformed, Tampered, VaultError
from evidence.layout import About, Frozen, Listed
from evidence.proof import NO_WITNESSES, Proven, Witnesses
from evidence.report import Finding, Kind, Noting, Report

_MANIFEST = "manifest-sha256.txt"
_TAG_MANIFEST = "tagmanifest-sha256.txt"
KEPT_MAX = 64 * 1024 * 1024  # bytes of small files that are kept in memory

_TAGS = {"bag-info.txt", "bagit.txt", _MANIFEST}


def verify(
    path: Path,
    keys: Sequence[note.VerifierKey],
    witnesses: Witnesses = NO_WITNESSES,
    outside: Outside = dating.NOTHING,
) -> Report:
    """Check the bundle at `path` (a ZIP, or its unpacked folder) with keys had from elsewhere.

    1. The bundle is a bag of exactly our form; nothing in it can explode or climb out.
    2. Every file has the digest that the manifests list; none is missing, none was added.
    3. bundle.json says what there is, and every file has its place.
    4. Every entry has its exact form and stands in its place: origin, stream, number, link to
       the one before. None is missing.
    5. Every private body that is shown is the one that its entry binds.
    6. Every file that is there is the one that was deposited: its digests are those of the
       private body, and encrypted with its key it has the digest that the entry holds.
    7. What each log told of its keys leads from one of the keys given to those that sign now, and
       from there back to all that it told; declared compromises are taken from there, too.
    8. Every receipt is for the entry beside it and signed by one of the keys; the last entry of
       each stream has one, and through the links it covers all before.
    9. Every proof leads from its entry to a checkpoint that one of the keys signed under the
       log's name, and as many of the witnesses cosigned as are asked for. Every timestamp is of
       a beginning of that tree and leads to the roots, if these are given. What only compromised
       keys signed is dated by somebody else to before.
    10. Every closed record has the root that was frozen.
    11. What a bundle of this kind cannot show is said.
    """
    report = Report()
    try:
        opened = bag.read(path)
    except VaultError as error:
        report.findings.append(Finding(Kind.MALFORMED, path.name, str(error)))
        return report
    try:
        _Verification(opened, keys, witnesses, outside, report).run()
    finally:
        opened.close()
    return report


class _StopError(Exception):
    """The bundle cannot be read any further; the reason is among the findings."""


@dataclass(slots=True)
class _Stream:
    listed: Listed
    entries: dict[int, Entry] = field(default_factory=dict)
    leaves: dict[int, bytes] = field(default_factory=dict)
    bodies: dict[int, Body] = field(default_factory=dict)


class _Verification:
    """One run over one bundle: the steps of `verify`, by their numbers."""

    def __init__(
        self,
        opened: bag.Reader,
        keys: Sequence[note.VerifierKey],
        witnesses: Witnesses,
        outside: Outside,
        report: Report,
    ) -> None:
        self._bag = opened
        self._keys = keys
        self._witnesses = witnesses
        self._outside = outside
        self._dated = False
        self._own: list[tuple[str, Proven]] = []
        self._suspect: dict[str, str] = {}  # by the path of the proof that must stand beside it
        self._report = report
        self._streams: list[_Stream] = []
        self._about = About("", 0, "", (), (), ())
        self._tombstones = tombstone.Tombstones()
        self._kept: dict[str, bytes] = {}
        self._kept_size = 0
        self._payload = {
            path.removeprefix(layout.PAYLOAD)
            for path in opened.sizes
            if path.startswith(layout.PAYLOAD)
        }
        self._folders: defaultdict[str, list[str]] = defaultdict(list)
        for path in sorted(self._payload):
            self._folders[path.rpartition("/")[0]].append(path)

    def run(self) -> None:
        steps: tuple[Callable[[], str], ...] = (
            self._check_bag,
            self._check_manifests,
            self._check_about,
            self._check_entries,
            self._check_bodies,
            self._check_files,
            self._check_history,
            self._check_receipts,
            self._check_proofs,
            self._check_records,
            self._tell_the_rest,
        )
        for number, step in enumerate(steps, 1):
            before = len(self._report.findings)
            try:
                told = step()
            except _StopError:
                self._report.unchecked.append(f"everything after step {number}")
                return
            wrong = len(self._report.findings) - before
            self._report.checked.append(f"{number}. {told}: {f'{wrong} wrong' if wrong else 'ok'}")

    # 1
    def _check_bag(self) -> str:
        missing = (_TAGS | {_TAG_MANIFEST}) - self._bag.sizes.keys()
        if missing:
            self._stop("the bag", f"lacks {', '.join(sorted(missing))}")
        with self._noting("bagit.txt"):
            if bag.whole(self._bag, "bagit.txt") != bag.DECLARATION:
                raise Tampered("is not the declaration of a bag")
        return f"a bag of {len(self._bag.sizes)} files"

    # 2
    def _check_manifests(self) -> str:
        tags = self._read_manifest(_TAG_MANIFEST)
        if tags.keys() != _TAGS:
            self._stop(_TAG_MANIFEST, "does not list the bag's tag files")
        payload = self._read_manifest(_MANIFEST)
        listed = tags | payload
        for path in sorted(listed.keys() - self._bag.sizes.keys()):
            self._note(Kind.TAMPERED, path, "is listed by the manifest and missing")
        for path in sorted(self._bag.sizes.keys() - listed.keys() - {_TAG_MANIFEST}):
            self._note(Kind.TAMPERED, path, "was added: no manifest lists it")
        for path in sorted(listed.keys() & self._bag.sizes.keys()):
            with self._noting(path):
                if self._digest(path) != listed[path]:
                    raise Tampered("has another SHA-256 than its manifest says")
        return f"SHA-256 of {len(listed)} files against the manifests"

    def _digest(self, path: str) -> str:
        """Hash a file, and keep a small one: what was hashed is what is looked at later."""
        size = self._bag.sizes[path]
        if size <= bag.SMALL_MAX and self._kept_size + size <= KEPT_MAX:
            self._kept_size += size
            data = self._kept[path] = bag.whole(self._bag, path)
            return sha256(data).hexdigest()
        hasher = sha256()
        for piece in self._bag.pieces(path):
            hasher.update(piece)
        return hasher.hexdigest()

    # 3
    def _check_about(self) -> str:
        try:
            self._about = layout.read_about(self._read(layout.BUNDLE))
        except VaultError as error:
            self._stop(layout.BUNDLE, str(error))
        self._streams = [_Stream(one) for one in self._about.streams]
        # The sizes come from the bundle: no more entries than there are files.
        if sum(one.size for one in self._about.streams) > len(self._bag.sizes):
            self._note(Kind.TAMPERED, layout.BUNDLE, "lists more entries than there are files")
            raise _StopError
        known = contents.places(self._about, self._payload)
        known |= lineage.places(self._payload, len(self._about.logs))
        for path in sorted(self._payload - known):
            if not path.startswith("extra/"):
                self._note(Kind.MALFORMED, path, "has no place in a bundle of this format")
        return f"bundle.json: {len(self._streams)} streams, {len(self._about.blobs)} files"

    # 4
    def _check_entries(self) -> str:
        count = 0
        for stream in self._streams:
            prev = entry.FIRST_PREV
            for seq in range(stream.listed.size):
                path = layout.entry_path(stream.listed.id, "entries", seq)
                count += 1
                with self._noting(path):
                    expected, prev = prev, b""
                    if path not in self._payload:
                        raise Tampered("is missing")
                    data = self._read(path)
                    prev = stream.leaves[seq] = entry.leaf_hash(data)
                    found = stream.entries[seq] = entry.decode(data)
                    self._check_place(found, stream.listed, seq, expected)
        return f"{count} entries, their form, place and links"

    def _check_place(self, found: Entry, listed: Listed, seq: int, prev: bytes) -> None:
        for name, value, expected in (
            ("origin", shard.base(found.origin), self._about.origin),
            ("stream", found.stream, listed.id),
            ("seq", found.seq, seq),
            ("prev", found.prev.hex(), prev.hex()),
        ):
            if value != expected:
                raise Tampered(f"its {name} is {value}, not {expected}")

    # 5
    def _check_bodies(self) -> str:
        shown, hidden = 0, list[tuple[UUID, int]]()
        for stream in self._streams:
            for seq, found in stream.entries.items():
                path = layout.entry_path(stream.listed.id, "bodies", seq)
                salt_path = layout.entry_path(stream.listed.id, "salts", seq)
                if not {path, salt_path} & self._payload:
                    hidden.append((stream.listed.id, seq))
                    continue
                with self._noting(path):
                    if not {path, salt_path} <= self._payload:
                        raise Tampered("lacks its salt, or the salt its body")
                    data, salt = self._read(path), layout.read_salt(self._read(salt_path))
                    if entry.commit(salt, data) != found.body:
                        raise Tampered("is not the body (or the salt) that its entry binds")
                    shown += 1
                    one = stream.bodies[seq] = body.decode(data)
                    if one.erased is not None:
                        self._tombstones.put(stream.listed.id, seq, one.erased, found.time)
        self._report.unchecked += self._tombstones.tell(hidden)
        return f"{shown} private bodies against their entries"

    # 6
    def _check_files(self) -> str:
        for blob in self._about.blobs:
            path = layout.blob_path(blob, "json")
            with self._noting(path):
                if path not in self._payload:
                    raise Tampered("is missing")
                told = layout.read_file(self._read(path))
                if told.plaintext.id != blob:
                    raise Tampered("is of another file")
                self._check_file(told)
        shown = set(self._about.blobs)
        for stream in self._streams:
            for seq, one in stream.bodies.items():
                where = f"stream {stream.listed.id} entry {seq}"
                named = stream.entries[seq].blob is not None
                if named != (one.blob is not None):
                    self._note(Kind.TAMPERED, where, "its body and it disagree about a file")
                if one.blob is not None and one.blob.id not in shown:
                    said = self._tombstones.of_blob(one.blob.id) or "it is not in the bundle"
                    self._report.unchecked.append(f"the file of {where}: {said}")
        return f"{len(shown)} files against their entries and bodies"

    def _check_file(self, told: layout.File) -> None:
        named = False
        for stream in self._streams:
            for seq, one in stream.entries.items():
                shown = stream.bodies.get(seq)
                if (
                    shown is not None
                    and shown.blob is not None
                    and shown.blob.id == told.plaintext.id
                ):
                    if shown.blob != told.plaintext:
                        raise Tampered(f"disagrees with the private body of entry {seq}")
                    if one.blob != told.ciphertext:
                        raise Tampered(f"disagrees with entry {seq}")
                named = named or one.blob == told.ciphertext
        if not named:
            raise Tampered("no entry names this file's ciphertext")
        path = layout.blob_path(told.plaintext.id, layout.extension(told.plaintext.media_type))
        if path not in self._payload:
            raise Tampered(f"{path} is missing")
        self._check_content(path, told)

    def _check_content(self, path: str, told: layout.File) -> None:
        digests = sha256(), sha512()
        sealed = sha256()
        sizes = [0, 0]

        def pieces() -> Iterator[bytes]:
            for piece in self._bag.pieces(layout.PAYLOAD + path):
                sizes[0] += len(piece)
                for one in digests:
                    one.update(piece)
                yield piece

        for chunk in cipher.seal(told.key, told.plaintext.id, pieces()):
            sizes[1] += len(chunk)
            sealed.update(chunk)
        for name, value, expected in (
            ("size", sizes[0], told.plaintext.size),
            ("SHA-256", digests[0].digest(), told.plaintext.sha256),
            ("SHA-512", digests[1].digest(), told.plaintext.sha512),
            ("encrypted size", sizes[1], told.ciphertext.size),
            ("encrypted SHA-256", sealed.digest(), told.ciphertext.sha256),
        ):
            if value != expected:
                raise Tampered(f"{path}: its {name} is not that of the file that was deposited")

    # 7
    def _check_history(self) -> str:
        everything = self._read, self._payload, self._about
        found = lineage.trace(*everything, self._keys, self._outside, report=self._report)
        self._keys, self._outside, self._own = found.keys, found.outside, found.proven
        return f"{found.traced} times that logs told their keys"

    # 8
    def _check_receipts(self) -> str:
        count = 0
        for stream in self._streams:
            covered = -1
            folder = layout.entry_path(stream.listed.id, "receipts", 0).rpartition("/")[0]
            for path, seq in contents.receipts(stream.listed, self._folders.get(folder, ())):
                with self._noting(path):
                    said, signed = receipt.verify(self._read(path), self._keys)
                    if not signed:
                        raise Malformed("is signed by none of the keys given")
                    count += 1
                    self._check_receipt(said, stream, seq)
                    covered = max(covered, seq)
                    if set(signed) <= self._outside.compromised.keys():
                        self._suspect[layout.entry_path(stream.listed.id, "proofs", seq)] = path
            if covered + 1 < stream.listed.size:
                self._note(
                    Kind.MALFORMED,
                    f"stream {stream.listed.id}",
                    f"nothing signed by the keys given covers the entries after {covered}",
                )
        return f"{count} receipts, their signatures and entries"

    def _check_receipt(self, said: receipt.Receipt, stream: _Stream, seq: int) -> None:
        found = stream.entries.get(seq)
        if found is None:
            raise Tampered("is for an entry that is not there, or not readable")
        for name, value, expected in (
            ("origin", said.origin, found.origin),
            ("stream", said.stream, stream.listed.id),
            ("seq", said.seq, seq),
            ("leaf hash", said.leaf.hex(), stream.leaves[seq].hex()),
            ("time", said.time, entry.to_microseconds(found.time)),
        ):
            if value != expected:
                raise Tampered(f"was signed for another entry: its {name} is {value}")

    # 9
    def _check_proofs(self) -> str:
        proven: list[tuple[str, Proven]] = []
        unsigned, missing = 0, 0
        for stream in self._streams:
            for seq, found in stream.entries.items():
                path = layout.entry_path(stream.listed.id, "proofs", seq)
                if path not in self._payload:
                    missing += 1
                    continue
                with self._noting(path):
                    data = self._read(path)
                    origin = checkpoint.read(note.parse(proof.read(data).checkpoint).text).origin
                    if origin != found.origin:
                        raise Tampered(f"is of the log {origin}, the entry of {found.origin}")
                    if not any(key.name == origin for key in self._keys):
                        unsigned += 1
                        continue
                    leaf = stream.leaves[seq]
                    proven.append((path, proof.verify(data, leaf, self._keys, self._witnesses)))
        everything = self._read, self._payload, self._about, [*proven, *self._own]
        dated = dating.check_all(*everything, self._keys, self._outside, report=self._report)
        self._check_suspect({path for path, _ in proven})
        if unsigned:
            self._report.unchecked.append(
                f"the proofs of {unsigned} entries: no key of their log was given"
            )
        if missing:
            self._report.unchecked.append(
                f"that {missing} entries are in the log: they came after its last checkpoint,"
                " their receipts say by when they are"
            )
        self._dated = dated > 0
        stamps = f", {dated} timestamps" if dated else ""
        return f"{len(proven)} proofs from entries to signed checkpoints of their log{stamps}"

    def _check_suspect(self, proven: set[str]) -> None:
        """Refuse receipts of keys that were somebody else's, where no proof stands beside them."""
        proven -= {one.where for one in self._report.findings}
        for proof_path, path in self._suspect.items():
            if proof_path not in proven:
                self._note(Kind.MALFORMED, path, "only a compromised key signed, and no proof is")
        if kept := self._suspect.keys() & proven:
            self._report.unchecked.append(
                f"when {len(kept)} receipts were signed: their key was declared compromised; their"
                " entries count by their proofs alone"
            )

    # 10
    def _check_records(self) -> str:
        count = 0
        for stream in self._streams:
            told = {(one.seq, one.root) for one in stream.listed.records}
            said = {(seq, one.record) for seq, one in stream.bodies.items() if one.record}
            for seq, root in sorted(told | said, key=lambda one: one[0]):
                count += 1
                with self._noting(f"stream {stream.listed.id}, the record closed by entry {seq}"):
                    if seq in stream.bodies and stream.bodies[seq].record != root:
                        raise Tampered("has another root than its entry says")
                    if (seq, root) not in told:
                        raise Tampered("is not listed in bundle.json")
                    self._check_root(stream, Frozen(seq, root))
        return f"{count} closed records and their roots"

    def _check_root(self, stream: _Stream, frozen: Frozen) -> None:
        leaves = [stream.leaves.get(seq, b"") for seq in range(min(frozen.root.size, frozen.seq))]
        if frozen.root.size != frozen.seq or len(leaves) > stream.listed.size:
            raise Tampered("does not hold all entries before the one that closed it")
        if b"" in leaves or merkle.root(leaves) != frozen.root.hash:
            raise Tampered("does not have the root that was frozen")
        if frozen.seq not in stream.bodies:
            self._report.unchecked.append(
                f"that entry {frozen.seq} of stream {stream.listed.id} froze this root:"
                " its private body is withheld"
            )

    # 11
    def _tell_the_rest(self) -> str:
        self._report.unchecked += [
            "whether more entries follow the last one of a stream, or whole streams were left out",
            dating.LIMIT if self._dated else dating.NOT_DATED,
        ]
        if not self._witnesses.quorum:
            told = "whether others were shown the same log: no witness was asked for"
            self._report.unchecked.append(told)
        extra = sorted(path for path in self._payload if path.startswith("extra/"))
        loose = [*extra, *sorted({layout.SCRIPT} & self._payload)]
        if loose:
            self._report.unchecked.append(
                f"what {', '.join(loose)} say: they are bound by the manifest only"
            )
        return "limits said"

    def _read(self, path: str) -> bytes:
        kept = self._kept.get(layout.PAYLOAD + path)
        return bag.whole(self._bag, layout.PAYLOAD + path) if kept is None else kept

    def _read_manifest(self, path: str) -> dict[str, str]:
        try:
            return bag.read_manifest(b"".join(self._bag.pieces(path)))
        except VaultError as error:
            kind = Kind.TAMPERED if isinstance(error, Tampered) else Kind.MALFORMED
            self._note(kind, path, str(error))
            raise _StopError from None

    def _note(self, kind: Kind, where: str, what: str) -> None:
        self._report.findings.append(Finding(kind, where, what))

    def _stop(self, where: str, what: str) -> None:
        self._note(Kind.MALFORMED, where, what)
        raise _StopError

    def _noting(self, where: str) -> Noting:
        return Noting(self._report, where)

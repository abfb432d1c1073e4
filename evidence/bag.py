"""A bag (BagIt, RFC 8493) in a ZIP: written in one stream, read with distrust.

Our ZIPs have one exact form, so that every byte of one is accounted for: nothing is compressed
(so nothing can explode), members follow each other without gaps, and dates and attributes are
constant. A bag that somebody unpacked and packed anew is no longer of this form; its folder is
read instead. It knows bags and nothing of what is in them; the offline verifier uses it, so it
needs nothing but the standard library.
"""

import os
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import IO, Protocol, Self

from evidence.errors import Malformed, Tampered

PIECE_SIZE = 1024 * 1024
FILES_MAX = 200_000
SMALL_MAX = 1024 * 1024  # what may be read whole
DECLARATION = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"

_PATH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}(/[A-Za-z0-9_][A-Za-z0-9._-]{0,127}){0,7}")
_LINE = re.compile(r"([0-9a-f]{64})  (\S+)")
_DATE = (1980, 1, 1, 0, 0, 0)
_DOS_DATE = 33
_UNIX = 3
_VERSION = 20
_ATTRIBUTES = 0o644 << 16
_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s4B4HL2L5H2L")
_END = struct.Struct("<4s4H2LH")
# What zipfile raises on damaged or hostile input, beside BadZipFile.
_UNREADABLE = (
    zipfile.BadZipFile,
    NotImplementedError,
    struct.error,
    ValueError,
    OverflowError,
    EOFError,
    OSError,
)
_PACKED = "is not packed as bundles are; unpack it and verify the folder"


class Writer:
    """Writes a bag named `name` into a new ZIP; `finish` makes it whole, leaving it removes it.

    Use it as a context manager. Paths are relative to the payload and ASCII.
    """

    def __init__(self, path: Path, name: str) -> None:
        check_path(name)
        self._path = path
        self._temporary = path.with_name(path.name + ".part")
        self._name = name
        self._digests: dict[str, str] = {}
        self._size = 0
        self._zip = zipfile.ZipFile(self._temporary, "w", zipfile.ZIP_STORED)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()
        self._temporary.unlink(missing_ok=True)

    def add(self, path: str, data: bytes) -> None:
        """Add a payload file."""
        with self.open(path, len(data)) as file:
            file.write(data)

    def open(self, path: str, size: int) -> "PayloadFile":
        """Begin a payload file of exactly `size` bytes; one at a time."""
        check_path(path)
        if f"data/{path}" in self._digests:
            raise Malformed(f"{path} is in the bag already")
        return PayloadFile(self, f"data/{path}", self._begin(f"data/{path}", size), size)

    def keep(self, path: str, digest: str, size: int) -> None:
        """Note a payload file that is written."""
        self._digests[path] = digest
        self._size += size

    def finish(self, made: date) -> None:
        """Write the tag files and give the ZIP its name."""
        info = (
            f"Bagging-Date: {made.isoformat()}\n"
            f"External-Identifier: {self._name}\n"
            f"Payload-Oxum: {self._size}.{len(self._digests)}\n"
        )
        tags = {
            "bag-info.txt": info.encode(),
            "bagit.txt": DECLARATION,
            "manifest-sha256.txt": _manifest(self._digests),
        }
        tags["tagmanifest-sha256.txt"] = _manifest(
            {path: sha256(data).hexdigest() for path, data in tags.items()}
        )
        for path, data in tags.items():
            with self._begin(path, len(data)) as file:
                file.write(data)
        self._zip.close()
        self._temporary.replace(self._path)

    def _begin(self, path: str, size: int) -> IO[bytes]:
        info = zipfile.ZipInfo(f"{self._name}/{path}", _DATE)
        info.create_system = _UNIX
        info.external_attr = _ATTRIBUTES
        info.file_size = size
        return self._zip.open(info, "w", force_zip64=size > zipfile.ZIP64_LIMIT)


class PayloadFile:
    """One payload file being written, in pieces; closing it checks its size."""

    def __init__(self, bag: Writer, path: str, file: IO[bytes], size: int) -> None:
        self._bag = bag
        self._path = path
        self._file = file
        self._size = size
        self._left = size
        self._hasher = sha256()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._file.close()
        if kind is not None:
            return
        if self._left:
            raise Malformed(f"{self._path} is not as long as announced")
        self._bag.keep(self._path, self._hasher.hexdigest(), self._size)

    def write(self, piece: bytes) -> None:
        """Add the next bytes."""
        self._left -= len(piece)
        if self._left < 0:
            raise Malformed(f"{self._path} is longer than announced")
        self._hasher.update(piece)
        self._file.write(piece)


class Reader(Protocol):
    """Files by their path in the bag, `data/...` for the payload."""

    @property
    def sizes(self) -> dict[str, int]:
        """The size of every file."""
        ...

    def pieces(self, path: str) -> Iterator[bytes]:
        """Read a file; Tampered if it is not what its packing says."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


def read(path: Path) -> Reader:
    """Open a bag in a ZIP of ours, or unpacked in a folder; Malformed if it is neither."""
    return _Folder(path) if path.is_dir() else _Zip(path)


def whole(bag: Reader, path: str) -> bytes:
    """Read a small file; Malformed if it is not there or not small."""
    if path not in bag.sizes:
        raise Malformed(f"{path} is missing")
    if bag.sizes[path] > SMALL_MAX:
        raise Malformed(f"{path} is too long")
    return b"".join(bag.pieces(path))


def read_manifest(data: bytes) -> dict[str, str]:
    """Read a manifest as we write it: digest, two spaces, path; sorted, none twice."""
    try:
        lines = data.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise Malformed("a manifest with other than ASCII") from None
    found: dict[str, str] = {}
    for line in lines[:-1]:
        match = _LINE.fullmatch(line)
        if match is None or match[2] in found:
            raise Malformed("a manifest's line is not as it is written")
        check_path(match[2])
        found[match[2]] = match[1]
    if _manifest(found) != data:
        raise Malformed("a manifest that is not written as manifests are")
    return found


def check_path(path: str) -> None:
    """Refuse absolute paths, "..", hidden names and whatever a file system might misread."""
    if not _PATH.fullmatch(path) or ".." in path:
        raise Malformed(f"{path[:200]!r} is no path in a bag")


class _Zip:
    """A ZIP of exactly our form."""

    def __init__(self, path: Path) -> None:
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise Malformed(f"cannot open {path}: {error.strerror}") from None
        try:
            self._read_directory()
        except _UNREADABLE:
            self._file.close()
            raise Malformed("not a ZIP, or a damaged one") from None
        except BaseException:
            self._file.close()
            raise

    def close(self) -> None:
        self._file.close()

    def pieces(self, path: str) -> Iterator[bytes]:
        member = self._members[path]
        self._file.seek(member.start)
        left, crc = member.size, 0
        while left:
            piece = self._file.read(min(left, PIECE_SIZE))
            if not piece:
                raise Malformed(f"{path} ends early")
            left -= len(piece)
            crc = zlib.crc32(piece, crc)
            yield piece
        if crc != member.crc:
            raise Tampered(f"{path} was changed: its CRC-32 differs")

    def _read_directory(self) -> None:
        end = self._file.seek(0, os.SEEK_END)
        members = _listed(self._file, end) if end <= zipfile.ZIP64_LIMIT else None
        if members is None:
            members = _listed_by_zipfile(self._file)
        if not 0 < len(members) <= FILES_MAX:
            raise Malformed("an empty ZIP, or one with too many members")
        self._members: dict[str, _Member] = {}
        top = members[0].name.partition("/")[0]
        place = 0
        for member in members:
            check_path(member.name)
            folder, _, path = member.name.partition("/")
            if folder != top or not path:
                raise Malformed("a bag is one folder")
            if path in self._members:
                raise Malformed(f"{path} is in the ZIP twice")
            if member.place != place:
                raise Malformed(f"{member.name} {_PACKED}")
            member.start = self._check_member(member)
            self._members[path] = member
            place = member.start + member.size
        self.sizes = {path: member.size for path, member in self._members.items()}
        # Beyond these a directory has other fields.
        if place <= zipfile.ZIP64_LIMIT and len(members) <= zipfile.ZIP_FILECOUNT_LIMIT:
            self._check_end(members, place)

    def _check_member(self, member: "_Member") -> int:
        """Compare a member's own header with what the directory says; give where its data is."""
        name = member.name.encode()
        start = member.place + _LOCAL.size + len(name)
        self._file.seek(member.place)
        header = self._file.read(_LOCAL.size + len(name))
        if member.size > zipfile.ZIP64_LIMIT:
            return start + int(_LOCAL.unpack_from(header)[-1])
        sizes = member.size, member.size
        expected = _LOCAL.pack(
            b"PK\x03\x04", _VERSION, 0, 0, 0, _DOS_DATE, member.crc, *sizes, len(name), 0
        )
        if header != expected + name:
            raise Malformed(f"{member.name} {_PACKED}")
        return start

    def _check_end(self, members: "list[_Member]", place: int) -> None:
        """Write the directory anew and compare, so that no byte of it is idle."""
        directory = b"".join(
            _CENTRAL.pack(
                b"PK\x01\x02", _VERSION, _UNIX, _VERSION, 0, 0, 0, 0, _DOS_DATE, one.crc,
                one.size, one.size, len(one.name), 0, 0, 0, 0, _ATTRIBUTES, one.place,
            ) + one.name.encode()
            for one in members
        )  # fmt: skip
        count = len(members)
        end = _END.pack(b"PK\x05\x06", 0, 0, count, count, len(directory), place, 0)
        self._file.seek(place)
        if self._file.read(len(directory) + len(end) + 1) != directory + end:
            raise Malformed(f"the ZIP's directory {_PACKED}")


@dataclass(slots=True)
class _Member:
    """What varies of a member: the rest of its headers is constant, and compared as a whole."""

    name: str
    size: int
    crc: int
    place: int
    start: int = 0


def _listed(file: IO[bytes], end: int) -> list[_Member] | None:
    """Read what varies of a directory of our form; None if there is another at the end."""
    file.seek(max(0, end - _END.size))
    mark, *_, count, size, place, _ = _END.unpack(file.read(_END.size))
    if mark != b"PK\x05\x06" or place + size + _END.size != end:
        return None
    file.seek(place)
    directory = file.read(size)
    members, at = [], 0
    for _ in range(count):
        fields = _CENTRAL.unpack_from(directory, at)
        crc, bytes_, name_size, offset = fields[9], fields[11], fields[12], fields[18]
        at += _CENTRAL.size + name_size
        members.append(_Member(directory[at - name_size : at].decode(), bytes_, crc, offset))
    return members


def _listed_by_zipfile(file: IO[bytes]) -> list[_Member]:
    """Read the directory of a ZIP of 2 GiB and more, which has other fields."""
    with zipfile.ZipFile(file) as found:
        infos = found.infolist()
    if any(info.compress_type != zipfile.ZIP_STORED for info in infos):
        raise Malformed(f"it {_PACKED}")
    return [_Member(info.filename, info.file_size, info.CRC, info.header_offset) for info in infos]


class _Folder:
    """A bag that somebody unpacked: plain files only."""

    def __init__(self, path: Path) -> None:
        self._top = path
        self.sizes: dict[str, int] = {}
        for one in path.rglob("*"):
            if one.is_symlink() or not (one.is_dir() or one.is_file()):
                raise Malformed(f"{one.name} is no plain file")
            if one.is_file():
                name = one.relative_to(path).as_posix()
                check_path(name)
                self.sizes[name] = one.stat().st_size
        if not 0 < len(self.sizes) <= FILES_MAX:
            raise Malformed("an empty folder, or one with too many files")

    def close(self) -> None:
        return

    def pieces(self, path: str) -> Iterator[bytes]:
        with (self._top / path).open("rb") as file:
            while piece := file.read(PIECE_SIZE):
                yield piece


def _manifest(digests: dict[str, str]) -> bytes:
    return b"".join(f"{digests[path]}  {path}\n".encode() for path in sorted(digests))

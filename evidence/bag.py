"""A bag (BagIt, RFC 8493) in a ZIP: written in one stream, read with distrust.

Our ZIPs have one exact form, so that every byte of one is accounted for: nothing is compressed
(so nothing can explode), members follow each other without gaps, and dates and attributes are
constant. A bag that somebody unpacked and packed anew is no longer of this form; its folder is
read instead. It knows bags and nothing of what is in them; the offline verifier uses it, so it
needs nothing but the standard library.
"""

import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
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
        info, start = self._members[path]
        self._file.seek(start)
        left, crc = info.file_size, 0
        while left:
            piece = self._file.read(min(left, PIECE_SIZE))
            if not piece:
                raise Malformed(f"{path} ends early")
            left -= len(piece)
            crc = zlib.crc32(piece, crc)
            yield piece
        if crc != info.CRC:
            raise Tampered(f"{path} was changed: its CRC-32 differs")

    def _read_directory(self) -> None:
        with zipfile.ZipFile(self._file) as found:
            infos = found.infolist()
            start = found.start_dir
        if not 0 < len(infos) <= FILES_MAX:
            raise Malformed("an empty ZIP, or one with too many members")
        self._members: dict[str, tuple[zipfile.ZipInfo, int]] = {}
        top = infos[0].filename.partition("/")[0]
        place = 0
        for info in infos:
            check_path(info.filename)
            folder, _, path = info.filename.partition("/")
            if folder != top or not path:
                raise Malformed("a bag is one folder")
            if path in self._members:
                raise Malformed(f"{path} is in the ZIP twice")
            data = self._check_member(info, place)
            self._members[path] = (info, data)
            place = data + info.file_size
        self.sizes = {path: info.file_size for path, (info, _) in self._members.items()}
        self._check_end(infos, place, start)

    def _check_member(self, info: zipfile.ZipInfo, place: int) -> int:
        """Compare a member's own header with what the directory says; give where its data is."""
        if info.header_offset != place or info.compress_type != zipfile.ZIP_STORED:
            raise Malformed(f"{info.filename} {_PACKED}")
        self._file.seek(place)
        header = self._file.read(_LOCAL.size)
        name = info.filename.encode()
        if info.file_size > zipfile.ZIP64_LIMIT:
            extra = int(_LOCAL.unpack(header)[-1])
            return place + _LOCAL.size + len(name) + extra
        expected = _LOCAL.pack(
            b"PK\x03\x04",
            _VERSION,
            0,
            0,
            0,
            _DOS_DATE,
            info.CRC,
            *[info.file_size] * 2,
            len(name),
            0,
        )
        if header + self._file.read(len(name)) != expected + name:
            raise Malformed(f"{info.filename} {_PACKED}")
        return place + _LOCAL.size + len(name)

    def _check_end(self, infos: list[zipfile.ZipInfo], place: int, start: int) -> None:
        """Write the directory anew and compare, so that no byte of it is idle."""
        if any(one.extra for one in infos) or place > zipfile.ZIP64_LIMIT:
            return  # a ZIP over 2 GiB has other fields; its members were checked
        directory = b"".join(
            _CENTRAL.pack(
                b"PK\x01\x02", _VERSION, _UNIX, _VERSION, 0, 0, 0, 0, _DOS_DATE, one.CRC,
                one.file_size, one.file_size, len(one.filename), 0, 0, 0, 0,
                _ATTRIBUTES, one.header_offset,
            ) + one.filename.encode()
            for one in infos
        )  # fmt: skip
        end = _END.pack(b"PK\x05\x06", 0, 0, len(infos), len(infos), len(directory), place, 0)
        self._file.seek(place)
        rest = self._file.read(len(directory) + len(end) + 1)
        if start != place or rest != directory + end:
            raise Malformed(f"the ZIP's directory {_PACKED}")


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

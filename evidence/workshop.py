"""The workshop: a pool of darkrooms, processes that open files which may be hostile.

It starts them when they are needed, hands them one file at a time, gives them the bytes that they
ask for and reads what they say as one reads a stranger. One that says nonsense, takes too long or
dies is killed and replaced; after so many files each is replaced anyway. What a file did to its
darkroom is its own answer: no file ends more than the process that opened it.

It imports no library that decodes. It belongs to no event loop: a pool may be used by one after
the other.
"""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from evidence import wire
from evidence.errors import Malformed, NotAnswered, Undecodable
from evidence.wire import Asked, Examined, Frame

READ_FACTOR = 3
"""How often a darkroom may read a file in all, and a little more for small ones."""

PROGRAM = (sys.executable, "-m", "evidence.darkroom")
_READ_FREE = 64 * 1024 * 1024
_TOP = Path(__file__).resolve().parents[1]
_PIECE = 256 * 1024
_END_SECONDS = 2.0
_END_TRIES = 100

Read = Callable[[int, int], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a darkroom may use.

    `memory_bytes` is its whole address space, programs and libraries (170 MB) included;
    `cpu_seconds` and `wall_seconds` are for one file; after `files_max` it is replaced.
    """

    processes_max: int = 2
    files_max: int = 50
    memory_bytes: int = 1024 * 1024 * 1024
    cpu_seconds: int = 20
    wall_seconds: float = 60.0
    start_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Spent:
    """What a darkroom had used when it ended, told by the kernel, and how it ended."""

    pid: int
    status: int
    cpu_seconds: float


class Workshop:
    """A pool of darkrooms; close it at the end.

    `spent` is told of each one that ended. `program` is how one is started, before its limits.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        spent: Callable[[Spent], None] | None = None,
        *,
        program: Sequence[str] = PROGRAM,
    ) -> None:
        self.limits = limits or Limits()
        self._spent = spent
        self._program = program
        self._idle: list[_Darkroom] = []
        self._busy = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def examine(self, asked: Asked, read: Read) -> Examined:
        """Have a file inspected and developed; `read` gives so many of its bytes from a place.

        Waits while all darkrooms are busy. Undecodable, with its reason, if the file ended its
        darkroom by memory, time or a crash, or made it say nonsense; NotAnswered if it took too
        long by the clock on the wall, which a busy machine may explain, if somebody killed the
        darkroom (a machine short of memory ends darkrooms first), or if none can be started. What
        `read` raises goes through.
        """
        await self._enter()
        darkroom: _Darkroom | None = None
        try:
            darkroom = self._ready() or await _Darkroom.opened(self._program, self.limits)
            async with asyncio.timeout(self.limits.wall_seconds):
                examined = await darkroom.examine(asked, read)
        except TimeoutError as error:
            raise NotAnswered("the darkroom", "wall_time") from error
        except _SourceError as error:
            raise error.cause from None
        except (Malformed, OSError) as error:
            if darkroom is None:
                raise NotAnswered("the darkroom", "it does not start") from error
            reason = "nonsense" if isinstance(error, Malformed) else await darkroom.why()
            raise Undecodable(reason) from error
        else:
            if darkroom.left > 0 and examined.failed not in {"memory", "crashed"}:
                self._idle.append(darkroom)
                darkroom = None
            return examined
        finally:
            self._leave()
            if darkroom is not None:
                self._end(darkroom)

    def close(self) -> None:
        """End all darkrooms that do nothing; those that work end with their file's answer."""
        while self._idle:
            self._end(self._idle.pop())

    def _ready(self) -> "_Darkroom | None":
        """One that is idle and has not been killed meanwhile."""
        while self._idle:
            darkroom = self._idle.pop()
            if darkroom.lives():
                return darkroom
            self._end(darkroom)
        return None

    def _end(self, darkroom: "_Darkroom") -> None:
        spent = darkroom.end()
        if self._spent is not None:
            self._spent(spent)

    async def _enter(self) -> None:
        while self._busy >= self.limits.processes_max:
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._call()  # it was our turn: the next one's now
                raise
        self._busy += 1

    def _leave(self) -> None:
        self._busy -= 1
        self._call()

    def _call(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return


class _SourceError(Exception):
    """What a source raised, kept apart from what the line to a darkroom raises."""

    def __init__(self, cause: Exception) -> None:
        super().__init__()
        self.cause = cause


class _Darkroom:
    """One process and the line to it; not tied to an event loop between two calls."""

    def __init__(self, process: subprocess.Popen[bytes], line: socket.socket, left: int) -> None:
        self._process = process
        self._line = line
        self._ended: Spent | None = None
        self.left = left

    @classmethod
    async def opened(cls, program: Sequence[str], limits: Limits) -> "_Darkroom":
        """Start a process and wait until it is ready; OSError or Malformed if it is not."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        starting = asyncio.ensure_future(asyncio.to_thread(_start, program, limits, theirs))
        try:
            # A thread cannot be stopped: whoever gives up now waits, and ends what it started.
            await asyncio.wait({starting})
        except BaseException:
            while not starting.done():
                with suppress(asyncio.CancelledError):
                    await asyncio.wait({starting})
            if starting.exception() is None:
                cls(starting.result(), ours, 0).end()
            raise
        finally:
            theirs.close()
            if starting.done() and starting.exception() is not None:
                ours.close()
        made = cls(starting.result(), ours, limits.files_max)
        try:
            async with asyncio.timeout(limits.start_seconds):
                await made._greet()
        except TimeoutError as error:
            made.end()
            raise ConnectionError("a darkroom does not start") from error
        except BaseException:
            made.end()
            raise
        return made

    async def _greet(self) -> None:
        if (await self._hear()).header != {"say": "ready"}:
            raise Malformed("a darkroom is ready first")

    async def examine(self, asked: Asked, read: Read) -> Examined:
        self.left -= 1
        allowed = READ_FACTOR * asked.size + _READ_FREE
        await self._say(wire.write_asked(asked))
        while (frame := await self._hear()).says == "read":
            start, size = wire.read_read(frame, asked.size)
            allowed -= size
            if allowed < 0:
                raise Malformed("a file is not read for ever")
            try:
                found = await read(start, size)
            except (OSError, Malformed) as error:
                raise _SourceError(error) from error
            await self._say(Frame({"say": "bytes"}, found))
        return wire.read_done(frame)

    async def why(self) -> str:
        """Tell why the process ended by itself; NotAnswered if somebody killed it."""
        for _ in range(_END_TRIES):
            if not self.lives():
                break
            await asyncio.sleep(_END_SECONDS / _END_TRIES)
        else:
            return "crashed"  # it hung up and lives on
        status = -self.end().status
        if status == signal.SIGKILL:
            raise NotAnswered("the darkroom", "killed")
        return "cpu_time" if status == signal.SIGXCPU else "crashed"

    def lives(self) -> bool:
        """Whether the process is there."""
        if self._ended is None:
            self._reap(os.WNOHANG)
        return self._ended is None

    def end(self) -> Spent:
        """Kill the process if it is there, and give what it had used."""
        self._line.close()
        if self.lives():
            os.kill(self._process.pid, signal.SIGKILL)  # not reaped, so it is still this one
            self._reap(0)
        assert self._ended is not None
        return self._ended

    def _reap(self, options: int) -> None:
        pid, status, used = os.wait4(self._process.pid, options)
        if pid:
            self._process.returncode = os.waitstatus_to_exitcode(status)
            seconds = used.ru_utime + used.ru_stime
            self._ended = Spent(pid, self._process.returncode, seconds)

    async def _say(self, frame: Frame) -> None:
        await asyncio.get_running_loop().sock_sendall(self._line, wire.pack(frame))

    async def _hear(self) -> Frame:
        header, body = wire.sizes(await self._receive(wire.SIZES.size))
        return wire.unpack(await self._receive(header), await self._receive(body))

    async def _receive(self, size: int) -> bytes:
        loop = asyncio.get_running_loop()
        gathered = bytearray()
        while len(gathered) < size:
            piece = await loop.sock_recv(self._line, min(size - len(gathered), _PIECE))
            if not piece:
                raise ConnectionResetError("the darkroom hung up")
            gathered += piece
        return bytes(gathered)


def _start(program: Sequence[str], limits: Limits, line: socket.socket) -> subprocess.Popen[bytes]:
    """Start a darkroom, without our environment, which may hold secrets, and without our files."""
    return subprocess.Popen(  # noqa: S603 - our own program
        [*program, json.dumps(asdict(limits))],
        stdin=line.fileno(),
        stdout=subprocess.DEVNULL,
        cwd=_TOP,
        env={"LC_ALL": "C.UTF-8", "MALLOC_ARENA_MAX": "1", "PYTHONDONTWRITEBYTECODE": "1"},
        close_fds=True,
        start_new_session=True,
    )

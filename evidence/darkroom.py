"""The darkroom: a process that opens hostile files so that the service need not.

`python -m evidence.darkroom LIMITS` is started by evidence/workshop.py with a socket as its
standard input, over which both speak evidence/wire.py, and with an empty environment. After its
imports it takes everything from itself that it does not need: memory and CPU time are limited, no
file, socket or process can be opened any more (not even read: the number of open files is bounded
by those that are open), nothing can be written to disk. What it does then is inspect and develop
one file after the other; whatever happens to it happens to nobody else.
"""

import ctypes
import encodings.ascii
import encodings.cp437
import encodings.latin_1
import encodings.raw_unicode_escape
import encodings.utf_16_be
import encodings.utf_16_le  # noqa: F401 - codecs are imported now, since nothing is later
import json
import math
import os
import resource
import signal
import socket
import sys
from contextlib import suppress
from typing import NoReturn

from evidence import flags, wire
from evidence.errors import Undecodable
from evidence.flags import Code, Flag
from evidence.inspection import inspector
from evidence.inspection.content import Content
from evidence.pictures.development import Development
from evidence.wire import Asked, Cost, Examined, Frame

_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_DUMPABLE = 4
_OOM_FIRST = "1000"
_NICE = 5
_SOCKET = 0


class Line:
    """The line to the service; its end is the end of this process."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def say(self, frame: Frame) -> None:
        """Send a frame."""
        self._sock.sendall(wire.pack(frame))

    def hear(self) -> Frame:
        """Receive a frame; SystemExit when the service hangs up."""
        header, body = wire.sizes(self._receive(wire.SIZES.size))
        return wire.unpack(self._receive(header), self._receive(body))

    def _receive(self, size: int) -> bytes:
        gathered = bytearray(size)
        view, place = memoryview(gathered), 0
        while place < size:
            count = self._sock.recv_into(view[place:])
            if count == 0:
                sys.exit(0)
            place += count
        return bytes(gathered)


def main(limits: str) -> None:
    """Serve until the line is cut or so many files are done."""
    given = json.loads(limits)
    line = Line(socket.socket(fileno=os.dup(_SOCKET)))
    own = os.open("/proc/self/status", os.O_RDONLY)
    _give_up(given)
    line.say(Frame({"say": "ready"}))
    for _ in range(given["files_max"]):
        asked = wire.read_asked(line.hear())
        begun = _cpu()
        _limit_cpu(given["cpu_seconds"])
        examined = _examine(line, asked, begun, own)
        line.say(wire.write_done(examined))
        if examined.failed in {"memory", "crashed"}:
            return


def _give_up(given: dict[str, int]) -> None:
    """Take from this process what it does not need, for good."""
    with suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as first:  # noqa: PTH123 - no path is meant
        first.write(_OOM_FIRST)
    with suppress(OSError):
        os.nice(_NICE)
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    silence = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(silence, standard)
    os.close(silence)
    os.chdir("/")
    cpu = given["cpu_seconds"] * (given["files_max"] + 1)
    for limit, most in (
        (resource.RLIMIT_AS, given["memory_bytes"]),
        (resource.RLIMIT_CPU, cpu),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_NOFILE, 0),
    ):
        resource.setrlimit(limit, (most, most))
    # Written beyond RLIMIT_FSIZE is an error to be handled, and used beyond RLIMIT_CPU the end.
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)


def _limit_cpu(seconds: int) -> None:
    """Let the next file take so many seconds; then the kernel ends this process."""
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (min(math.ceil(_cpu()) + seconds, hard), hard))


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _peak_kib(own: int) -> int:
    """This process's highest memory, from its /proc/self/status opened as `own`.

    getrusage(2) is no use: before execve(2) the memory was the parent's, and it remembers that.
    """
    for line in os.pread(own, 4096, 0).splitlines():
        if line.startswith(b"VmHWM:"):
            return int(line.split()[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _examine(line: Line, asked: Asked, begun: float, own: int) -> Examined:
    """Inspect a file, and develop it if nothing refuses it."""

    def fetch(start: int, size: int) -> bytes:
        line.say(wire.write_read(start, size))
        answer = line.hear()
        if answer.header != {"say": "bytes"} or len(answer.body) != size:
            _hang_up()
        return answer.body

    found: list[Flag] = []
    failed, why = None, ""
    development = Development(asked)
    try:
        content = Content(asked.size, fetch)
        found += inspector.inspect(content, asked.media_type)
        if not flags.refuses(found):
            development.run(content)
    except MemoryError:
        failed = "memory"
    except Undecodable as error:
        failed, why = error.reason, type(error.__cause__ or error).__name__
    except Exception as error:  # noqa: BLE001 - whatever nonsense made a library raise
        failed, why = "crashed", type(error).__name__
    found += development.flags
    found += _told(failed, why)
    copies = [] if flags.refuses(found) else development.copies
    cost = Cost(round((_cpu() - begun) * 1000), _peak_kib(own))
    return Examined(flags.once(found), development.facts, copies, cost, failed)


def _told(failed: str | None, why: str) -> list[Flag]:
    """The flag that says why no picture could be made."""
    if failed is None:
        return []
    if failed == "password":
        return [Flag.of(Code.PDF_LOCKED)]
    if failed == "memory":
        return [Flag.of(Code.TOO_COSTLY, what="memory")]
    return [Flag.of(Code.UNREADABLE, error=why)]


def _hang_up() -> NoReturn:
    sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1])

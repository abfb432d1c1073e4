"""The pool of darkrooms: its limits hold, and a darkroom that misbehaves is nobody else's harm."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from evidence import wire
from evidence.errors import Malformed, NotAnswered, StoreFailed, Undecodable
from evidence.flags import Code
from evidence.wire import Asked, Frame
from evidence.workshop import PROGRAM, Limits, Workshop
from tests.evidence.hostile import pictures

TOP = Path(__file__).resolve().parents[2]
PHOTO = pictures.GOOD["image/jpeg"]
SMALL = Limits(processes_max=2, files_max=3, cpu_seconds=5)


class Bench:
    """A workshop, and the darkrooms that ended."""

    def __init__(self, limits=SMALL, program=PROGRAM) -> None:
        self.ended = []
        self.shop = Workshop(limits, self.ended.append, program=program)

    async def examine(self, data=PHOTO, media_type="image/jpeg", read=None):
        async def spans(start, size):
            return data[start : start + size]

        return await self.shop.examine(Asked(media_type, len(data)), read or spans)


@pytest.fixture
def bench():
    made = Bench()
    yield made
    made.shop.close()


async def test_a_darkroom_is_used_for_so_many_files_and_then_replaced(bench):
    for number in range(1, 8):
        assert (await bench.examine()).failed is None
        assert len(bench.ended) == number // 3
    assert len({spent.pid for spent in bench.ended}) == 2


async def test_as_many_run_at_once_as_may_and_no_more(bench):
    at_work, most, both = 0, 0, asyncio.Barrier(2)

    async def together(start, size):
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        await both.wait()
        at_work -= 1
        return PHOTO[start : start + size]

    done = await asyncio.gather(*(bench.examine(read=together) for _ in range(8)))
    assert all(one.failed is None for one in done)
    assert most == 2


def test_a_pool_outlives_the_loop_that_it_was_used_in(bench):
    for _ in range(3):
        assert asyncio.run(bench.examine()).failed is None
    assert len({spent.pid for spent in bench.ended}) == 1


async def test_who_waits_and_gives_up_lets_the_next_one_in(bench):
    over = asyncio.Event()

    async def held(start, size):
        await over.wait()
        return PHOTO[start : start + size]

    busy = [asyncio.create_task(bench.examine(read=held)) for _ in range(2)]
    await asyncio.sleep(0.2)
    waiting = [asyncio.create_task(bench.examine()) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    over.set()
    done = await asyncio.gather(*busy, *waiting, return_exceptions=True)
    assert [isinstance(one, asyncio.CancelledError) for one in done] == [0, 0, 1, 0, 0]


async def test_work_that_is_broken_off_ends_its_darkroom_and_no_other(bench):
    begun = asyncio.Event()

    async def endless(_, __):
        begun.set()
        await asyncio.Event().wait()

    working = asyncio.create_task(bench.examine(read=endless))
    await begun.wait()
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert len(bench.ended) == 1
    assert (await bench.examine()).failed is None


@pytest.mark.parametrize("turns", [1, 2, 3, 20])
async def test_who_gives_up_while_a_darkroom_starts_leaves_none(bench, turns):
    working = asyncio.create_task(bench.examine())
    for _ in range(turns):
        await asyncio.sleep(0)
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert (await bench.examine()).failed is None


@pytest.mark.parametrize("error", [ZeroDivisionError, ConnectionResetError, Malformed, StoreFailed])
async def test_a_source_that_fails_is_told_as_it_is(bench, error):
    async def broken(_, __):
        raise error

    with pytest.raises(error):
        await bench.examine(read=broken)
    assert len(bench.ended) == 1


def pid_of(bench):
    (idle,) = bench.shop._idle
    return idle._process.pid


async def test_a_darkroom_that_was_killed_while_idle_is_replaced(bench):
    await bench.examine()
    os.kill(pid := pid_of(bench), signal.SIGKILL)
    await asyncio.to_thread(os.waitid, os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert (await bench.examine()).failed is None
    assert len(bench.ended) == 1


async def test_a_file_is_not_to_blame_for_a_darkroom_that_somebody_killed(bench):
    await bench.examine()
    pid = pid_of(bench)

    async def killing(start, size):
        os.kill(pid, signal.SIGKILL)
        return PHOTO[start : start + size]

    with pytest.raises(NotAnswered):
        await bench.examine(read=killing)
    assert (await bench.examine()).failed is None


async def test_a_file_that_takes_too_long_by_the_clock_is_tried_again_later():
    bench = Bench(Limits(wall_seconds=0.3))

    async def never(_, __):
        await asyncio.Event().wait()

    with pytest.raises(NotAnswered):
        await bench.examine(read=never)
    assert len(bench.ended) == 1


async def test_a_file_that_takes_too_much_memory_is_answered():
    bench = Bench(Limits(memory_bytes=280 * 2**20))
    bomb = next(data for name, _, data, _ in pictures._pngs() if name == "PNG whose rows explode")
    examined = await bench.examine(bomb, "image/png")
    assert (examined.failed, examined.flags[0].code) == ("memory", Code.TOO_COSTLY)
    assert examined.cost.peak_kib <= 280 * 1024
    assert (await bench.examine()).failed is None
    bench.shop.close()


async def test_the_memory_told_is_the_darkrooms_own_and_not_its_parents(bench):
    filling = bytearray(300 * 2**20)
    filling[:: 2**12] = b"x" * len(filling[:: 2**12])
    examined = await bench.examine()
    assert len(filling) // 2 > examined.cost.peak_kib * 1024 > 2**24


async def test_a_darkroom_that_does_not_start_has_not_answered():
    for program in (("false",), ("sh", "-c", "exit 0"), ("/nowhere/at/all",)):
        with pytest.raises(NotAnswered):
            await Bench(program=program).examine()


# --- a darkroom that was taken over --------------------------------------------------------------

LIAR = """
import socket, sys, struct
line = socket.socket(fileno=0)
def say(data): line.sendall(bytes.fromhex(data))
def hear():
    head, body = struct.unpack(">II", line.recv(8, socket.MSG_WAITALL))
    line.recv(head, socket.MSG_WAITALL)
    body and line.recv(body, socket.MSG_WAITALL)
say(sys.argv[1])
hear()
while True:
    say(sys.argv[2])
    hear()
"""


def frame(header, body=b""):
    return wire.pack(Frame(header, body)).hex()


READY = frame({"say": "ready"})
COST = {"cpu_ms": 1, "peak_kib": 1}
DONE = {"say": "done", "copies": [], "cost": COST, "facts": {}, "failed": None, "flags": []}
COPY = {"height": 1, "kind": "screen", "size": 3, "width": 1}
FLAG = {"code": "bomb", "facts": {}, "severity": "refuse"}
JPEG = b"\xff\xd8\xff"

LIES = {
    "no JSON": wire.SIZES.pack(4, 0).hex() + b"what".hex(),
    "a list": wire.SIZES.pack(2, 0).hex() + b"[]".hex(),
    "spaces": wire.SIZES.pack(16, 0).hex() + b'{"say": "ready"}'.hex(),
    "a huge header": wire.SIZES.pack(2**32 - 1, 0).hex(),
    "a huge body": wire.SIZES.pack(2, 2**32 - 1).hex(),
    "no header": wire.SIZES.pack(0, 9).hex(),
    "ready again": READY,
    "a read beyond the end": frame({"say": "read", "size": 2, "start": len(PHOTO) - 1}),
    "a read before the beginning": frame({"say": "read", "size": 1, "start": -1}),
    "a read of nothing": frame({"say": "read", "size": 0, "start": 0}),
    "a huge read": frame({"say": "read", "size": 2**31, "start": 0}),
    "a read of a place that is true": frame({"say": "read", "size": 1, "start": True}),
    "a read with more": frame({"say": "read", "size": 1, "start": 0, "path": "/etc/passwd"}),
    "endless reads": frame({"say": "read", "size": len(PHOTO), "start": 0}),
    "done without cost": frame({k: v for k, v in DONE.items() if k != "cost"}),
    "done with more": frame(DONE | {"more": 1}),
    "a cost that is negative": frame(DONE | {"cost": COST | {"cpu_ms": -1}}),
    "a reason that is none": frame(DONE | {"failed": "because"}),
    "a flag that is none": frame(DONE | {"flags": [FLAG | {"code": "fine"}]}),
    "a flag made mild": frame(DONE | {"flags": [FLAG | {"severity": "warn"}]}),
    "a flag with long facts": frame(DONE | {"flags": [FLAG | {"facts": {"a": "x" * 999}}]}),
    "a flag with odd facts": frame(DONE | {"flags": [FLAG | {"facts": {"a b": 1}}]}),
    "flags for ever": frame(DONE | {"flags": [FLAG] * 99}),
    "a fact that nobody knows": frame(DONE | {"facts": {"secret": 1}}),
    "a fact beyond its bounds": frame(DONE | {"facts": {"width": 10**9}}),
    "a text with controls": frame(DONE | {"facts": {"exif": {"make": "a\x1b[2J"}}}),
    "a hash that is none": frame(DONE | {"facts": {"perceptual": "FFFFFFFFFFFFFFFF"}}),
    "a copy without bytes": frame(DONE | {"copies": [COPY]}),
    "a copy that is no JPEG": frame(DONE | {"copies": [COPY]}, b"<ht"),
    "a copy of no kind": frame(DONE | {"copies": [COPY | {"kind": "../x"}]}, JPEG),
    "a copy of page 0": frame(DONE | {"copies": [COPY | {"kind": "page-0"}]}, JPEG),
    "a copy of page ٣": frame(DONE | {"copies": [COPY | {"kind": "page-٣"}]}, JPEG),
    "a copy twice": frame(DONE | {"copies": [COPY, COPY]}, JPEG * 2),
    "more bytes than copies": frame(DONE | {"copies": [COPY]}, JPEG * 2),
    "a copy too wide": frame(DONE | {"copies": [COPY | {"width": 10**6}]}, JPEG),
}


@pytest.mark.parametrize("lie", LIES)
async def test_a_darkroom_that_says_nonsense_is_ended(lie):
    program = (sys.executable, "-S", "-c", LIAR, READY, LIES[lie])
    bench = Bench(Limits(wall_seconds=30), program=program)
    with pytest.raises(Undecodable) as ended:
        await bench.examine()
    assert ended.value.reason == "nonsense"
    assert len(bench.ended) == 1


async def test_a_darkroom_that_hangs_up_is_a_file_that_crashed_it():
    program = (sys.executable, "-S", "-c", LIAR.replace("hear()\nwhile", "hear(); 0/0\nwhile"))
    bench = Bench(program=(*program, READY, READY))
    with pytest.raises(Undecodable) as ended:
        await bench.examine()
    assert ended.value.reason == "crashed"


def test_what_a_true_darkroom_says_is_read_as_it_was_meant():
    examined = wire.read_done(Frame(DONE | {"copies": [COPY], "flags": [FLAG]}, JPEG))
    assert wire.write_done(examined) == Frame(DONE | {"copies": [COPY], "flags": [FLAG]}, JPEG)
    asked = Asked("image/png", 5)
    assert wire.read_asked(wire.write_asked(asked)) == asked
    assert wire.read_read(wire.write_read(3, 2), 5) == (3, 2)


# --- what a darkroom cannot do -------------------------------------------------------------------

PROBE = """
import json, os, socket, sys
from evidence import darkroom
darkroom._give_up(json.loads(sys.argv[1]))
def tried(what, *given):
    try:
        what(*given)
    except OSError as error:
        return error.errno
    except MemoryError:
        return "memory"
    return "done"
answer = [
    tried(open, "/etc/passwd"), tried(open, "/tmp/mine", "w"), tried(os.listdir, "/"),
    tried(socket.socket), tried(socket.create_connection, ("127.0.0.1", 9)), tried(os.pipe),
    tried(os.dup, 0), tried(os.memfd_create, "a"), tried(os.forkpty), tried(bytearray, 2**30),
    sorted(os.environ), os.getcwd(),
]
socket.socket(fileno=3).sendall(json.dumps(answer).encode())
"""


def test_a_darkroom_opens_no_file_and_no_address_and_has_none_of_our_secrets():
    ours, theirs = socket.socketpair()
    limits = {"memory_bytes": 400 * 2**20, "cpu_seconds": 5, "files_max": 1}
    script = f"import os; os.dup2({theirs.fileno()}, 3)\n{PROBE}"
    with ours, theirs:
        subprocess.run(
            [sys.executable, "-c", script, json.dumps(limits)],
            pass_fds=[theirs.fileno()],
            cwd=TOP,
            check=True,
        )
        *tries, environment, folder = json.loads(ours.recv(65_536))
    assert "done" not in tries
    assert tries[-1] == "memory"
    assert folder == "/"
    assert environment


async def test_a_darkroom_is_started_with_nothing_of_ours(tmp_path):
    told = tmp_path / "told"
    script = (
        "import os, json; told = [dict(os.environ), os.listdir('/proc/self/fd')];"
        f"json.dump(told, open({str(told)!r}, 'w'))"
    )
    held, holding = socket.socketpair()
    with held, holding:
        held.set_inheritable(True)
        with pytest.raises(NotAnswered):
            await Bench(program=(sys.executable, "-c", script)).examine()
    environment, files = json.loads(told.read_text())
    assert environment.keys() <= {
        "LC_ALL",
        "MALLOC_ARENA_MAX",
        "PYTHONDONTWRITEBYTECODE",
        "LC_CTYPE",
    }
    assert len(files) <= 5

"""The scanner, against a real clamd with signatures of our own, and against one that lies."""

import asyncio
from contextlib import asynccontextmanager, suppress

import pytest

from evidence.errors import NotAnswered
from evidence.scanner import Address, Scanner, Verdict
from tests.servers import clamd as servers
from tests.servers.clamd import Clamd


@pytest.fixture(scope="module")
def clamd(tmp_path_factory):
    with Clamd(tmp_path_factory.mktemp("clamd")) as running:
        yield running


@pytest.fixture(params=["unix", "tcp"])
def scanner(request, clamd):
    unix, tcp = Address(path=clamd.socket), Address(host="127.0.0.1", port=clamd.port)
    return Scanner(unix if request.param == "unix" else tcp, bytes_max=servers.STREAM_MAX)


async def pieces(data, step=100_000):
    for start in range(0, len(data), step):
        yield data[start : start + step]


async def scan(scanner, data):
    return await scanner.scan(pieces(data), len(data))


async def test_it_is_there(scanner):
    await scanner.ping()


async def test_a_clean_file_is_clean(scanner):
    assert await scan(scanner, bytes(300_000)) == Verdict()
    assert await scan(scanner, b"") == Verdict()


async def test_a_virus_is_found_by_its_name(scanner):
    assert (await scan(scanner, servers.VIRUS)).found.startswith(servers.NAME)
    within = bytes(500_000) + servers.MARK + bytes(500)
    assert (await scan(scanner, within)).found.startswith(servers.MARK_NAME)


async def test_several_at_once_get_each_its_own_answer(scanner):
    files = [servers.VIRUS if number % 3 == 0 else b"clean %d" % number for number in range(12)]
    found = await asyncio.gather(*(scan(scanner, data) for data in files))
    assert [one.found is not None for one in found] == [data == servers.VIRUS for data in files]


async def test_what_is_too_large_is_not_sent(scanner):
    async def never():
        raise AssertionError
        yield b""

    assert await scanner.scan(never(), servers.STREAM_MAX + 1) == Verdict(too_large=True)


async def test_what_is_too_large_for_the_daemon_is_said_so(clamd):
    patient = Scanner(Address(path=clamd.socket), bytes_max=2**40)
    assert await scan(patient, bytes(3 * servers.STREAM_MAX)) == Verdict(too_large=True)


async def test_what_the_source_raises_goes_through(scanner):
    async def broken():
        yield b"half"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await scanner.scan(broken(), 10)


async def test_a_daemon_that_is_not_there_has_not_answered(tmp_path):
    for address in (Address(path=tmp_path / "none"), Address(host="127.0.0.1", port=1)):
        with pytest.raises(NotAnswered):
            await scan(Scanner(address), b"x")
        with pytest.raises(NotAnswered):
            await Scanner(address).ping()


@asynccontextmanager
async def liar(answer, *, hears=True, stays=False):
    """A daemon that speaks the protocol, up to the answer."""
    over = asyncio.Event()

    async def serve(reader, writer):
        with suppress(OSError, asyncio.IncompleteReadError):
            if hears:
                assert (await reader.readuntil(b"\0")) in {b"zINSTREAM\0", b"zPING\0"}
                while size := int.from_bytes(await reader.readexactly(4), "big"):
                    await reader.readexactly(size)
            writer.write(answer)
            await writer.drain()
            if stays:
                await over.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield Scanner(Address(host="127.0.0.1", port=port), silent_seconds=0.2)
    finally:
        over.set()
        server.close()
        await server.wait_closed()


LIES = {
    "nothing": b"",
    "half an answer": b"stream: O",
    "an answer without its end": b"stream: OK",
    "another answer": b"stream: FINE\0",
    "two answers": b"stream: OK\0stream: OK\0",
    "an error": b"stream: Can't allocate memory ERROR\0",
    "a name that is none": b"stream: \xff FOUND\0",
    "an endless answer": b"stream: " + b"a" * 100_000,
    "somebody else": b"HTTP/1.1 200 OK\r\n\r\n\0",
}


@pytest.mark.parametrize("lie", LIES)
async def test_a_daemon_that_lies_has_not_answered(lie):
    async with liar(LIES[lie]) as scanner:
        with pytest.raises(NotAnswered):
            await scan(scanner, b"x" * 1000)


async def test_a_daemon_that_is_silent_has_not_answered():
    async with liar(b"", stays=True) as scanner:
        with pytest.raises(NotAnswered):
            await scan(scanner, b"x" * 1000)


async def test_a_daemon_that_takes_no_more_has_not_answered():
    async with liar(b"", hears=False, stays=True) as scanner:
        with pytest.raises(NotAnswered):
            await scan(scanner, bytes(50_000_000))


async def test_a_daemon_that_answers_before_the_end_is_heard():
    async with liar(b"stream: Some.Virus FOUND\0", hears=False) as scanner:
        assert await scan(scanner, bytes(20_000_000)) == Verdict(found="Some.Virus")


async def test_a_scan_that_is_broken_off_leaves_nothing_open():
    async with liar(b"", stays=True) as scanner:
        scanning = asyncio.create_task(scan(scanner, b"x"))
        await asyncio.sleep(0.05)
        scanning.cancel()
        with pytest.raises(asyncio.CancelledError):
            await scanning

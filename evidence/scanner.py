"""The virus scanner: ClamAV's daemon, over its INSTREAM command (clamd(8)).

A file is sent in chunks, each after its 32-bit big-endian size, ended by a size of zero; the
answer is one line. It knows neither blobs nor settings: where the daemon listens is handed in. A
daemon that cannot be reached, is silent or says something else is NotAnswered, never "clean".
"""

import asyncio
import re
from collections.abc import AsyncIterable, AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from evidence.errors import NotAnswered

_CHUNK = 128 * 1024
_ANSWER_MAX = 4096
_FOUND = re.compile(rb"stream: (?P<name>[\x21-\x7e][\x20-\x7e]{0,255}) FOUND", re.ASCII)
_CLEAN = b"stream: OK"
_TOO_LARGE = b"INSTREAM size limit exceeded. ERROR"


@dataclass(frozen=True, slots=True)
class Address:
    """Where clamd listens: a unix socket's path, or a host and a port."""

    path: Path | None = None
    host: str = ""
    port: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the scanner says: the names of what it found, or that the file is too large for it."""

    found: str | None = None
    too_large: bool = False


@dataclass(frozen=True, slots=True)
class Scanner:
    """Asks clamd. `bytes_max` is its StreamMaxLength: what is larger is not sent.

    `connect_seconds` is for reaching it, `silent_seconds` for each chunk and for the answer.
    """

    address: Address
    bytes_max: int = 100 * 1024 * 1024  # clamd.conf(5), StreamMaxLength's default
    connect_seconds: float = 3.0
    silent_seconds: float = 60.0

    async def scan(self, pieces: AsyncIterable[bytes], size: int) -> Verdict:
        """Have a file scanned. NotAnswered if there is no answer; what `pieces` raises goes on."""
        if size > self.bytes_max:
            return Verdict(too_large=True)
        async with self._connected() as (reader, writer):
            answer = asyncio.ensure_future(self._answer(reader))
            try:
                await self._send(writer, pieces, answer)
                line = await self._patiently(answer)
            finally:
                answer.cancel()
                await asyncio.wait({answer})
                answer.cancelled() or answer.exception()
        return _read(line)

    async def ping(self) -> None:
        """Ask whether it is there; NotAnswered if it is not."""
        async with self._connected() as (reader, writer):
            writer.write(b"zPING\0")
            if await self._patiently(self._answer(reader)) != b"PONG":
                raise NotAnswered("clamd", "no PONG")

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        address = self.address
        try:
            async with asyncio.timeout(self.connect_seconds):
                if address.path is not None:
                    reader, writer = await asyncio.open_unix_connection(address.path)
                else:
                    reader, writer = await asyncio.open_connection(address.host, address.port)
        except (OSError, TimeoutError) as error:
            raise NotAnswered("clamd", "not reached") from error
        try:
            yield reader, writer
        finally:
            # What is not sent yet is not waited for: a daemon that takes no more would hold us.
            writer.transport.abort()
            with suppress(OSError):
                await writer.wait_closed()

    async def _send(
        self,
        writer: asyncio.StreamWriter,
        pieces: AsyncIterable[bytes],
        answer: "asyncio.Future[bytes]",
    ) -> None:
        """Send until the end, or until it has answered: it may hang up before."""
        writer.write(b"zINSTREAM\0")
        async for piece in pieces:
            for start in range(0, len(piece), _CHUNK):
                if answer.done():
                    return
                chunk = piece[start : start + _CHUNK]
                try:
                    async with asyncio.timeout(self.silent_seconds):
                        writer.write(len(chunk).to_bytes(4, "big") + chunk)
                        await writer.drain()
                except ConnectionError:
                    return  # it may have answered before
                except TimeoutError as error:
                    raise NotAnswered("clamd", "takes no more") from error
        with suppress(ConnectionError):
            writer.write(bytes(4))

    async def _answer(self, reader: asyncio.StreamReader) -> bytes:
        """Read its line, which ends with a zero byte."""
        gathered = bytearray()
        while True:
            try:
                piece = await reader.read(_ANSWER_MAX)
            except OSError as error:
                raise NotAnswered("clamd", "it hung up") from error
            gathered += piece
            if gathered.endswith(b"\0"):
                return bytes(gathered[:-1])
            if not piece or len(gathered) >= _ANSWER_MAX:
                raise NotAnswered("clamd", "half an answer")

    async def _patiently(self, answer: Awaitable[bytes]) -> bytes:
        try:
            async with asyncio.timeout(self.silent_seconds):
                return await answer
        except TimeoutError as error:
            raise NotAnswered("clamd", "silent") from error


def _read(line: bytes) -> Verdict:
    if line == _CLEAN:
        return Verdict()
    if line == _TOO_LARGE:
        return Verdict(too_large=True)
    found = _FOUND.fullmatch(line)
    if found is None:
        raise NotAnswered("clamd", "it failed")
    return Verdict(found=found["name"].decode("ascii"))

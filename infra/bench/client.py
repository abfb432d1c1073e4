"""A lean HTTP/1.1 client: one connection, one request at a time, nothing but the answer's bytes.

It takes as little of the machine as it can, since it shares it with the servers that it measures.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

_END = b"\r\n\r\n"
_LENGTH = b"content-length:"


@dataclass
class Client:
    """A connection to one server; ``prepare`` makes what ``ask`` sends."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def to(cls, port: int) -> Self:
        """Connect to a server on loopback."""
        return cls(*await asyncio.open_connection("127.0.0.1", port, limit=2**22))

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Send a request; status and body of the answer, which must have a length."""
        self.writer.write(request)
        await self.writer.drain()
        head = await self.reader.readuntil(_END)
        lowered = head.lower()
        start = lowered.index(_LENGTH) + len(_LENGTH)
        length = int(lowered[start : lowered.index(b"\r\n", start)])
        return int(head[9:12]), await self.reader.readexactly(length)

    async def close(self) -> None:
        """Close the connection."""
        self.writer.close()
        await self.writer.wait_closed()


def request(method: str, path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    """The bytes of a request."""
    given = {"host": "127.0.0.1", "content-length": str(len(body)), **headers}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items())]
    return "\r\n".join(lines).encode() + _END + body

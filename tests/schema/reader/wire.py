"""A wire between a client and PostgreSQL that tells what goes over it, and can be cut."""

import asyncio
import contextlib
import struct
from collections import Counter
from pathlib import Path
from typing import Self
from urllib.parse import parse_qs, quote, urlsplit, urlunsplit

from schema.reader.connections import Connections

SOCKET = ".s.PGSQL.5432"
MESSAGES = {b"Q": "simple", b"P": "parse", b"B": "bind", b"E": "execute", b"C": "close"}


class Wire:
    """A unix socket in `folder` that leads to the server of `url`; `sent` counts messages.

    PostgreSQL 18, section 54.7: after the start, a message is a letter, its length and its body.
    With `cut_at` the wire breaks when a message of that kind has come, before it is passed on.
    """

    def __init__(self, url: str, folder: Path) -> None:
        self._parts = urlsplit(url)
        self._folder = folder
        self.connections: Connections | None = None
        self.sent: Counter[str] = Counter()
        self.cut_at: str | None = None
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        query = f"host={quote(str(self._folder), safe='')}"
        return urlunsplit(self._parts._replace(query=query))

    async def __aenter__(self) -> Self:
        path = str(self._folder / SOCKET)
        self._server = await asyncio.start_unix_server(self._serve, path)
        return self

    async def __aexit__(self, *_raised: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        await asyncio.sleep(0)

    async def quiet(self) -> None:
        """Wait until the last transaction has ended, which is after its answer was given."""
        assert self.connections is not None
        while self.connections._ending:
            await asyncio.wait(self.connections._ending)

    def cut(self) -> None:
        for writer in self._open:
            writer.transport.abort()
        self._open.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host = parse_qs(self._parts.query)["host"][0]
        behind, ahead = await asyncio.open_unix_connection(f"{host}/{SOCKET}")
        self._open |= {writer, ahead}
        back = asyncio.create_task(self._pass_on(behind, writer))
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            start = await reader.readexactly(4)
            ahead.write(start + await reader.readexactly(struct.unpack("!i", start)[0] - 4))
            while True:
                letter, length = await reader.readexactly(1), await reader.readexactly(4)
                body = await reader.readexactly(struct.unpack("!i", length)[0] - 4)
                kind = MESSAGES.get(letter, "other")
                self.sent[kind] += 1
                if kind == self.cut_at:
                    self.cut()
                ahead.write(letter + length + body)
        back.cancel()
        ahead.close()
        writer.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
        writer.close()

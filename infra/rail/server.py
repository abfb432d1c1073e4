"""Runs the fake rail on loopback: in a thread of this process, for demonstrations and tests."""

import asyncio
import socket
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

import uvicorn

from infra.rail.app import Fake
from infra.rail.books import Books

HOST = "127.0.0.1"


def listen(port: int = 0) -> socket.socket:
    """A socket on loopback that listens; port 0 takes a free one."""
    listening = socket.create_server((HOST, port))
    listening.setblocking(False)
    return listening


async def serve(fake: Fake, listening: socket.socket) -> None:
    """Serve until cancelled or told to stop."""
    await _server(fake).serve(sockets=[listening])


def _server(fake: Fake) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(
            fake.app(),
            log_config=None,
            log_level="critical",
            access_log=False,
            timeout_graceful_shutdown=1,
        )
    )


class FakeRail:
    """A fake rail that runs in a thread from entering to leaving."""

    def __init__(
        self,
        secret: bytes,
        *,
        state: Path | None = None,
        port: int = 0,
        hook: str | None = None,
        seed: int | None = None,
        settle_seconds: float = 0.0,
    ) -> None:
        self._listening = listen(port)
        self.url = f"http://{HOST}:{self._listening.getsockname()[1]}/"
        self._made = (secret, state, hook, seed, settle_seconds)
        self._server: uvicorn.Server | None = None
        self._thread = threading.Thread(target=self._run, name="fake-rail", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.should_exit = True
        self._thread.join()
        self._listening.close()

    def _run(self) -> None:
        secret, state, hook, seed, settle_seconds = self._made
        books = Books(state, settle_seconds=settle_seconds)
        try:
            self._server = _server(Fake(books, secret, hook=hook, seed=seed))
            asyncio.run(self._server.serve(sockets=[self._listening]))
        finally:
            books.close()

"""One server of the two, in a process of its own: ``python -m infra.bench.serving``.

What it serves and by which settings stands in one line of JSON on its standard input; the socket
on which it listens is inherited. Both sides run under the same uvicorn with the same settings.
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import uvicorn
import uvloop
from starlette.types import ASGIApp

from infra import parts, site
from infra.bench import limit
from infra.settings import Settings
from schema.limits import LocalBuckets, Rate

_START_SECONDS: Final = 60
_POLL_SECONDS: Final = 0.05
_STOP_SECONDS: Final = 20
_UNLIMITED: Final = 10**12


@asynccontextmanager
async def started(side: str, given: dict[str, Any]) -> AsyncIterator[tuple[int, int]]:
    """Serve ``side`` (ours or limit) by settings ``given``; the port, and the process's id."""
    listening = socket.create_server(("127.0.0.1", 0))
    port: int = listening.getsockname()[1]
    told = json.dumps({"side": side, "socket": listening.fileno(), "settings": given})
    process = subprocess.Popen(  # noqa: ASYNC220 - before anything is served
        [sys.executable, "-m", "infra.bench.serving"],
        stdin=subprocess.PIPE,
        pass_fds=[listening.fileno()],
        env={k: v for k, v in os.environ.items() if not k.startswith("CONCORD_")},
    )
    listening.close()
    assert process.stdin is not None
    process.stdin.write(told.encode())
    process.stdin.close()
    try:
        await _answers(port, process)
        yield port, process.pid
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait, _STOP_SECONDS)


async def _answers(port: int, process: subprocess.Popen[bytes]) -> None:
    async with asyncio.timeout(_START_SECONDS):
        while True:
            await asyncio.sleep(_POLL_SECONDS)
            if process.poll() is not None:
                raise RuntimeError("a server of the bench does not start")
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
            answer = await reader.read(12)
            writer.close()
            if answer:
                return


async def _serve(told: dict[str, Any]) -> None:
    settings = Settings(**told["settings"])
    opened = _ours if told["side"] == "ours" else limit.opened
    async with opened(settings) as app:
        config = uvicorn.Config(
            app,
            http="httptools",
            log_level="warning",
            access_log=False,
            lifespan="off",
            timeout_keep_alive=600,
        )
        await uvicorn.Server(config).serve(sockets=[socket.socket(fileno=told["socket"])])


@asynccontextmanager
async def _ours(settings: Settings) -> AsyncIterator[ASGIApp]:
    buckets = LocalBuckets(Rate(per_second=_UNLIMITED, burst=_UNLIMITED))
    async with parts.opened(settings) as made, site.opened(made, buckets=buckets) as built:
        yield built.app


if __name__ == "__main__":
    uvloop.run(_serve(json.load(sys.stdin)))

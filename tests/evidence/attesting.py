"""A witness on loopback, in a thread; and a client to reach it by."""

import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx

from evidence import keys
from evidence.signature import ED25519_COSIGNATURE, MLDSA44_COSIGNATURE
from evidence.testimony import Known, Post
from evidence.vigil import Server
from evidence.witness import Witness
from infra import witnesses

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@contextmanager
def serving(folder: Path, logs, *, name: str = "witness.example", at: datetime = NOON):
    """A witness that follows logs, behind its real server."""
    seed = name.encode().ljust(32, b".")[:32]
    kinds = (ED25519_COSIGNATURE, MLDSA44_COSIGNATURE)
    signers = [keys.local_signer(name, seed, kind) for kind in kinds]
    witness = Witness(folder, signers, logs)
    server = Server(("127.0.0.1", 0), witness, lambda: at)
    with _running(server):
        yield Known(f"http://127.0.0.1:{server.server_address[1]}", tuple(witness.keys)), witness


@contextmanager
def _running(server) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@asynccontextmanager
async def reaching(media_type: str = "text/plain") -> AsyncIterator[Post]:
    async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
        yield witnesses.poster(client, media_type)

"""Uploads by tus to a server that is a process of its own: killed on the way, and weighed."""

import asyncio
import io
import os
import random
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text
from tusclient.client import TusClient

from evidence.instalment import PIECE_SIZE
from infra import database as databases_
from odr import ids, tokens
from tests.evidence.hostile.documents import FILM, box
from tests.odr import world
from tests.web.clicking import until
from tests.web.test_tus import OFFSET, metadata
from web import tus

MIB = 2**20
START_SECONDS = 120
PEAK_MIB_MAX = 60
TOP = Path(__file__).parents[2]


@dataclass
class Server:
    """``python -m infra serve`` over a database that outlives it."""

    environment: dict[str, str]
    log: Path
    port: int
    token: str = ""
    process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token}", "tus-resumable": "1.0.0"}

    def start(self) -> None:
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "infra", "serve"]
            given = {"stdout": log, "stderr": log, "cwd": TOP, "env": self.environment}
            self.process = subprocess.Popen(command, **given)
        try:
            until(lambda: self.process.poll() is not None or self._answers(), seconds=START_SECONDS)
        except AssertionError:
            self.kill()
            raise
        assert self.process.poll() is None, self.log.read_text()[-3000:]

    def _answers(self) -> bool:
        try:
            return self.ask("GET", "/health").is_success
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(START_SECONDS)

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def ask(self, method: str, path: str, content: object = b"", **more: str) -> httpx.Response:
        headers = self.headers | {name.replace("_", "-"): value for name, value in more.items()}
        with httpx.Client(base_url=self.url, trust_env=False, timeout=120) as client:
            return client.request(method, path, content=content, headers=headers)

    def begun(self, size: int, **told: str) -> str:
        said = metadata(filename="film.mp4", filetype="video/mp4", **told)
        answer = self.ask("POST", tus.PATH, upload_length=str(size), upload_metadata=said)
        assert answer.status_code == 201, answer.text
        return answer.headers["location"]

    def offset(self, path: str) -> int:
        return int(self.ask("HEAD", path).headers["upload-offset"])

    def memory_mib(self, name: str) -> float:
        said = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"{name}:\s+(\d+) kB", said)[1]) / 1024

    def forget_peak(self) -> None:
        """What the process had at most begins anew (proc(5), clear_refs)."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")


@pytest.fixture
async def server(database, tmp_path) -> Iterator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    await databases_.make_demonstration(database.admin_url)
    made = Server(
        kept
        | {
            "CONCORD_FOLDER": str(tmp_path),
            "CONCORD_PORT": str(port),
            "CONCORD_BASE_URL": f"http://127.0.0.1:{port}",
            "CONCORD_DATABASE_URL": database.url,
            "CONCORD_DATABASE_READER_URL": database.reader_url,
            "CONCORD_UPLOAD_BYTES_MAX": str(128 * MIB),
        },
        tmp_path / "server.log",
        port,
    )
    engine = databases_.create_engine(database.url, connections_max=2)
    people = await world.make(engine)
    office = world.office(engine, tmp_path / "unused")
    async with office.work(people.seller, ids.new(people.at)) as work:
        created = await tokens.create(work, people.seller_id, name="tus", scopes=["act"])
    await engine.dispose()
    made.token = created.token
    made.start()
    yield made
    made.stop()


async def _blob(engine, upload) -> tuple[int, bytes]:
    async with engine.connect() as conn:
        asked = text(
            "SELECT b.size, b.sha256 FROM uploads u JOIN vault_blobs b ON b.id = u.blob_id"
            " WHERE u.id = :id"
        )
        row = (await conn.execute(asked, {"id": upload[2:]})).one()
    return row.size, bytes(row.sha256)


def _film(size: int) -> bytes:
    return FILM + box(b"free", random.Random(7).randbytes(size))  # noqa: S311 - no secret


async def test_a_server_killed_on_the_way_goes_on_where_it_was(server, engine):
    film = _film(9 * PIECE_SIZE)
    path = server.begun(len(film), sha256=sha256(film).hexdigest())
    chance = random.Random(1)  # noqa: S311 - no secret, and to be played again
    at = 0
    for _ in range(4):
        sent = film[at : at + PIECE_SIZE + chance.randrange(PIECE_SIZE)]
        wire = socket.create_connection(("127.0.0.1", server.port))
        lines = server.headers | OFFSET | {"upload-offset": at, "content-length": len(film) - at}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        with wire:
            wire.sendall(f"PATCH {path} HTTP/1.1\r\nhost: x\r\n{head}\r\n".encode() + sent)
            told = until_more(server, path, at)
            server.kill()
        server.start()
        now = server.offset(path)
        assert now >= told > at, "what was told as received is there after a crash"
        at = now
    done = server.ask("PATCH", path, film[at:], upload_offset=str(at), **OFFSET)
    assert done.status_code == 204, done.text
    upload = done.headers["x-upload-id"]
    assert await _blob(engine, upload) == (len(film), sha256(film).digest())


def until_more(server: Server, path: str, at: int) -> int:
    found = at

    def more() -> bool:
        nonlocal found
        found = server.offset(path)
        return found > at

    until(more)
    return found


async def test_a_server_killed_while_it_finishes_makes_one_upload(server, engine):
    """Whatever moment it is killed at: asked again, it is one upload, and the whole file."""
    film = _film(8 * MIB)
    for number in range(4):
        path = server.begun(len(film))
        server.ask("PATCH", path, film[:-1], upload_offset="0", **OFFSET)
        wire = socket.create_connection(("127.0.0.1", server.port))
        lines = server.headers | OFFSET | {"upload-offset": len(film) - 1, "content-length": 1}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        with wire:
            wire.sendall(f"PATCH {path} HTTP/1.1\r\nhost: x\r\n{head}\r\n".encode() + film[-1:])
            await asyncio.sleep(0.06 * number)
            server.kill()
        server.start()
        if server.offset(path) < len(film):
            server.ask("PATCH", path, film[-1:], upload_offset=str(len(film) - 1), **OFFSET)
        async with engine.begin() as conn:  # a minute later the dead server's lease is over
            await conn.execute(text("SELECT advance_service_clock(interval '61 seconds')"))
        answer = server.ask("GET", path)
        assert answer.status_code == 200, answer.text
        assert await _blob(engine, answer.json()["id"]) == (len(film), sha256(film).digest())
    async with engine.connect() as conn:
        assert (await conn.execute(text("SELECT count(*) FROM uploads"))).scalar_one() == 4


def test_64_mib_come_in_constant_memory(server):
    small = _film(4 * MIB)
    warm = server.begun(len(small))
    assert server.ask("PATCH", warm, small, upload_offset="0", **OFFSET).status_code == 204
    film = _film(64 * MIB)
    before = server.memory_mib("VmRSS")
    server.forget_peak()
    path = server.begun(len(film))
    done = server.ask("PATCH", path, film, upload_offset="0", **OFFSET)
    assert done.headers["x-upload-id"]
    peak = server.memory_mib("VmHWM") - before
    assert peak < PEAK_MIB_MAX


@pytest.mark.parametrize("checked", [True, pytest.param(False, marks=pytest.mark.long)])
async def test_a_client_that_others_wrote_uploads_and_resumes(server, engine, checked):
    film = _film(3 * MIB)
    told = {"filename": "照片.mp4", "filetype": "video/mp4"}
    client = TusClient(server.url + tus.PATH, headers={"Authorization": f"Bearer {server.token}"})
    given = {"chunk_size": MIB // 2, "metadata": told, "upload_checksum": checked}
    first = client.uploader(file_stream=io.BytesIO(film), **given)
    first.upload(stop_at=MIB)
    assert first.offset == MIB
    server.process.send_signal(signal.SIGKILL)
    server.process.wait(START_SECONDS)
    server.start()
    again = client.uploader(file_stream=io.BytesIO(film), url=first.url, **given)
    assert again.offset == MIB
    again.upload()
    answer = server.ask("GET", first.url.removeprefix(server.url))
    upload = answer.json()["id"]
    assert await _blob(engine, upload) == (len(film), sha256(film).digest())

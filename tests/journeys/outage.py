"""A server that is killed and started again, and a courier who says again what was cut.

The server is a process of its own, as ``python -m infra demo`` starts it, over an embedded
PostgreSQL that outlives it; the fake rail lives elsewhere, as a bank does.
"""

import asyncio
import json
import multiprocessing
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Final, Self, TypeAlias

import asyncpg
import httpx

from infra import __main__ as program
from infra import settings
from infra.postgres import Cluster

TRIES_MAX: Final = 10
START_SECONDS: Final = 120
STOP_SECONDS: Final = 60
LEASE_SECONDS: Final = 11
"""As long as the outbox leases what a worker claimed, and a little longer."""

Victims: TypeAlias = tuple[str, ...]
SERVER, DATABASE = "server", "database"

POLLS: Final = 20
"""After so many of the same reading somebody waits for what is tried again ever later."""

WAIT_SECONDS: Final = 600

_TOP: Final = Path(__file__).parents[2]
_FORK: Final = multiprocessing.get_context("forkserver")
# Reading the program takes seconds and is no part of what is tried.
_FORK.set_forkserver_preload([__name__])


def _run(arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
    """What a process does: the command line, with nothing of the tests' environment."""
    with log.open("ab") as file:
        os.dup2(file.fileno(), sys.stdout.fileno())
        os.dup2(file.fileno(), sys.stderr.fileno())
    for name in [name for name in os.environ if name.startswith(settings.PREFIX)]:
        del os.environ[name]
    os.environ.update(environment)
    sys.exit(program.main(arguments))


@dataclass
class Service:
    """The demonstration's server below a folder; ``starts`` counts how often it was started."""

    folder: Path
    rail_url: str
    port: int
    starts: int = 0
    cluster: Cluster = field(init=False)
    _process: BaseProcess | None = None

    def __post_init__(self) -> None:
        self.cluster = Cluster(self.data / "postgres")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def data(self) -> Path:
        """Where the demonstration keeps everything."""
        return self.folder / "demo"

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    @property
    def is_up(self) -> bool:
        return self._process is not None and self._process.is_alive()

    async def start(self) -> None:
        """Start it where it is down, and wait until it answers."""
        if self.is_up:
            return
        self.starts += 1
        self._process = self._begun("demo", "--bare")
        async with asyncio.timeout(START_SECONDS), httpx.AsyncClient(trust_env=False) as client:
            while not await self._answers(client):
                assert self.is_up, self.log.read_text()[-4000:]
                await asyncio.sleep(0.02)
        if self.starts > 1:
            await self.let_pass(LEASE_SECONDS)

    async def let_pass(self, seconds: float) -> None:
        """Let time go on: what a worker had claimed and lost is free again, a wait is over."""
        async with self.admin() as conn:
            await conn.execute("SELECT advance_service_clock(make_interval(secs => $1))", seconds)

    async def _answers(self, client: httpx.AsyncClient) -> bool:
        try:
            answer = await client.get(f"{self.url}/health", timeout=START_SECONDS)
        except httpx.TransportError:
            return False
        return answer.is_success

    def kill(self, victims: Victims = (SERVER,)) -> None:
        """SIGKILL, and nothing else; the postmaster goes first."""
        postmaster = self.cluster.pid()
        if DATABASE in victims and postmaster is not None:
            os.kill(postmaster, signal.SIGKILL)
        process = self._process
        if SERVER in victims and process is not None:
            process.kill()
            process.join(STOP_SECONDS)
            self._process = None

    async def recover(self) -> None:
        """Start the database under a server that lives on."""
        await asyncio.to_thread(self.cluster.start)
        await self.let_pass(LEASE_SECONDS)

    def stop(self) -> int | None:
        """Stop it in order, and its database with it; its exit code."""
        process, self._process = self._process, None
        if process is None:
            return None
        process.terminate()
        process.join(STOP_SECONDS)
        return process.exitcode

    def audit(self) -> str:
        """What ``python -m infra audit`` says, and its exit code."""
        said = self.log.with_name("audit.log")
        process = self._begun("audit", log=said, CONCORD_FOLDER=str(self.data))
        process.join(STOP_SECONDS)
        return f"{said.read_text()}{process.exitcode}"

    def _begun(self, *arguments: str, log: Path | None = None, **changed: str) -> BaseProcess:
        environment = {
            "CONCORD_FOLDER": str(self.folder),
            "CONCORD_PORT": str(self.port),
            "CONCORD_RAIL": "fake",
            "CONCORD_RAIL_URL": self.rail_url,
        }
        given = (arguments, environment | changed, log or self.log)
        process = _FORK.Process(target=_run, args=given, daemon=True)
        process.start()
        return process

    @asynccontextmanager
    async def admin(self) -> AsyncIterator[asyncpg.Connection]:
        """A superuser's connection to the service's database."""
        conn = await asyncpg.connect(self.cluster.url("concord"))
        try:
            yield conn
        finally:
            await conn.close()


@contextmanager
def serving(folder: Path, rail_url: str) -> Iterator[Service]:
    """A service, started by whoever asks it first; dead at the end, as is its database."""
    service = Service(folder, rail_url, _free_port())
    try:
        yield service
    finally:
        service.stop()
        service.cluster.stop()


def _free_port() -> int:
    """A port that no outgoing connection is given while the server is dead."""
    for port in random.sample(range(20_000, 30_000), 100):
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port
    raise AssertionError("no port is free")


@contextmanager
def bank(folder: Path) -> Iterator[str]:
    """The address of a fake rail in a process of its own."""
    words = ("-m", "infra.rail", "--state", str(folder / "bank.sqlite"), "--settle-seconds", "0.2")
    process = subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, cwd=_TOP)
    try:
        yield process.stdout.readline().decode().split()[-1]
    finally:
        process.terminate()
        process.communicate(timeout=STOP_SECONDS)


_OPERATION: Final = re.compile(r"^(query|mutation) (\w+)", re.MULTILINE)
WRITES: Final = 27
"""How many requests of the main job do something: sign-ins, files, acts."""

LAST_ACT: Final = "mutation WaiveAppeal"
"""What both parties do last: from then on the worker pays."""

LONGER: Final = 1.3
"""Some moments come after the answer."""

WORKER_SECONDS: Final = 0.4
"""About as long as the worker is busy with a payment."""


def name_of(request: httpx.Request) -> str:
    """What a request is called in a report: its operation, or its address."""
    if not request.url.path.startswith("/graphql"):
        return f"{request.method} {request.url.path}"
    return _OPERATION.search(json.loads(request.content)["query"])[0]


def is_write(request: httpx.Request) -> bool:
    """Whether a request does something: an act, a file, a form."""
    return not name_of(request).startswith(("GET", "query"))


@dataclass
class Moments:
    """Random moments of one run through the main job at which the server is killed.

    ``by_write`` are the numbers of the writing requests during which a kill is due, or just after
    their answer; a number that is there twice has the repeat hit as well. ``by_worker`` more fall
    into the payment, while somebody reads. ``victims`` are who may be killed.
    """

    chance: random.Random
    by_write: Sequence[int]
    by_worker: int
    victims: Sequence[Victims]
    taken: list[str] = field(default_factory=list)
    cut: int = 0
    _seen: Counter[str] = field(default_factory=Counter)
    _took: dict[tuple[bool, bool], float] = field(default_factory=dict)

    @classmethod
    def drawn(cls, seed: int, count: int, victims: Sequence[Victims]) -> Self:
        """So many moments, always the same for a seed but for how fast the machine is."""
        chance = random.Random(seed)  # noqa: S311 - no secret, and to be played again
        by_worker = count * 3 // 20
        by_write = chance.choices(range(1, WRITES + 1), k=count - by_worker)
        return cls(chance, by_write, by_worker, victims)

    @property
    def writes(self) -> int:
        """How many writing requests there were, each counted once."""
        return self._seen["write"]

    def after(self, request: httpx.Request, *, again: bool, cold: bool) -> float | None:
        """After how many seconds of a request to kill, None for not now.

        ``again`` is a request that was cut before, ``cold`` the first to a server.
        """
        if not again:
            self._seen[name_of(request)] += 1
            self._seen["write"] += is_write(request)
        due = sum(number <= self.writes for number in self.by_write)
        if len(self.taken) < due:
            usual = self._took.get((is_write(request), cold), 0.05)
            return self.chance.random() * usual * LONGER
        paying = self._seen[LAST_ACT] == 2 and not is_write(request)
        if paying and len(self.taken) < due + self.by_worker:
            return self.chance.random() * WORKER_SECONDS
        return None

    def answered(self, request: httpx.Request, seconds: float, *, cold: bool) -> None:
        """Remember how long such a request takes."""
        self._took[is_write(request), cold] = seconds


def is_worth_a_repeat(answer: httpx.Response) -> bool:
    """Whether a program is told to send the same again."""
    if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
        return True
    if "json" not in answer.headers.get("content-type", ""):
        return False
    told = json.loads(answer.content)
    errors = [each.get("extensions", {}) for each in told.get("errors", ())]
    for payload in (told.get("data") or {}).values():
        errors += payload.get("userErrors", ()) if isinstance(payload, dict) else ()
    return any(each.get("retryable") for each in errors)


class Courier(httpx.AsyncBaseTransport):
    """Carries requests to a service, starts it where it is dead, says again what was cut.

    The same bytes, so with the same idempotency key, as a client must that had no answer.
    """

    def __init__(self, service: Service, moments: Moments | None = None) -> None:
        self.service = service
        self.moments = moments
        self._wire: tuple[int, httpx.AsyncHTTPTransport] | None = None
        self._polls: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        await self._hurry(name_of(request))
        for number in range(TRIES_MAX):
            await self.service.start()
            answer = await self._carried(request, again=number > 0)
            if answer is not None and not is_worth_a_repeat(answer):
                return answer
        raise AssertionError(f"{name_of(request)} is not answered")

    async def _hurry(self, name: str) -> None:
        """Let time pass where somebody asks the same again and again."""
        self._polls = [*self._polls, name] if {*self._polls} <= {name} else [name]
        if len(self._polls) == POLLS and self.service.is_up:
            await self.service.let_pass(WAIT_SECONDS)
            self._polls = []

    async def _carried(self, request: httpx.Request, *, again: bool) -> httpx.Response | None:
        """The answer, None if the server was killed before it came."""
        if self.moments is None:
            return await self._asked(request)
        cold = self._wire is None or self._wire[0] != self.service.starts
        after = self.moments.after(request, again=again, cold=cold)
        began = time.monotonic()
        asked = asyncio.ensure_future(self._asked(request))
        if after is not None:
            await asyncio.sleep(after)
            await self._kill(request, self.moments, after, cut=not asked.done())
        try:
            answer = await asked
        except httpx.TransportError:
            if self.service.is_up:
                raise
            return None
        if after is None:
            self.moments.answered(request, time.monotonic() - began, cold=cold)
        return answer

    async def _kill(
        self, request: httpx.Request, moments: Moments, after: float, *, cut: bool
    ) -> None:
        victims = moments.chance.choice(moments.victims)
        self.service.kill(victims)
        moments.cut += cut
        words = "before its answer" if cut else "after its answer", " and ".join(victims)
        moments.taken.append(f"{name_of(request)}: {after * 1000:.0f} ms, {': '.join(words)}")
        if self.service.is_up:
            await self.service.recover()

    async def _asked(self, request: httpx.Request) -> httpx.Response:
        """The whole answer, over connections to the server that lives now."""
        if self._wire is None or self._wire[0] != self.service.starts:
            await self.close()
            self._wire = self.service.starts, httpx.AsyncHTTPTransport()
        answer = await self._wire[1].handle_async_request(request)
        stream: Any = answer.stream
        try:
            raw = b"".join([piece async for piece in stream])
        finally:
            await answer.aclose()
        whole = httpx.Response(
            answer.status_code, headers=answer.headers, stream=httpx.ByteStream(raw)
        )
        await whole.aread()
        return whole

    async def aclose(self) -> None:
        """Several clients share it; ``close`` ends it."""

    async def close(self) -> None:
        if self._wire is not None:
            await self._wire[1].aclose()
            self._wire = None

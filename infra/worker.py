"""The worker: does what the database says is to be done, in the serving process or beside it.

Each duty has a loop of its own, so that a slow mail server delays no payout and no clock. A loop
turns when the bell rings and by a clock of its own; the rows are the truth and the bell may be
lost. With Redis the bell crosses processes: what serves rings it through arq, and arq runs the
same duties in the worker. arq may lose jobs, run them twice and end without Redis: nothing is
missed by that, and it is started again.

An error ends no loop: it is logged with an id, where it happened and of what kind, and never with
its words, which may be somebody's. Then the loop waits, longer each time.
"""

import asyncio
import logging
import secrets
import traceback
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any, Final
from uuid import UUID

import arq
from arq.connections import ArqRedis, RedisSettings
from arq.worker import Function
from arq.worker import func as arq_function
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from evidence import log
from evidence.errors import Erased, NotAnswered, PartFailed, StoreFailed
from odr import (
    cases,
    clockwork,
    erasures,
    examinations,
    exhibits,
    holds,
    instalments,
    notices,
    payouts,
    reconciliation,
    retention,
    signin,
    uploads,
)
from odr.notices import Link, Mail, Translate, Undeliverable
from odr.outbox import Do, Failed, Hopeless, Outbox
from odr.rails.rail import Rail, Unanswered
from odr.work import Office

POLL_SECONDS: Final = 1.0
"""How long a lost bell delays what it would have woken."""

LOG_SECONDS: Final = 5.0
"""How far the log is behind what was recorded."""

REST_SECONDS_MAX: Final = 5.0
"""How long a loop waits after an error at most, or as long as its own round, if that is longer."""

RING: Final = "run_outbox"
"""The arq job by which a serving process rings the worker's bell."""

QUEUE: Final = "concord:bell"
_RING_SECONDS_MAX: Final = 60
_CASE_SECONDS_MAX: Final = 3600.0
_REDIS_SECONDS: Final = 5.0
_BEGINNING: Final = datetime(2000, 1, 1, tzinfo=UTC)

_log = logging.getLogger("concord.worker")
_NOW: Final = text("SELECT service_now()")


def report(error: BaseException) -> str:
    """Log an unexpected error and give the id under which it stands in the log."""
    found = secrets.token_hex(6)
    _log.error("%s %s at %s", found, " from ".join(_kinds(error)), " < ".join(_places(error)))
    return found


def _kinds(error: BaseException | None) -> Iterator[str]:
    """The kinds of an error and of what led to it; of the database's also its code."""
    while error is not None:
        state = getattr(error.orig, "sqlstate", None) if isinstance(error, DBAPIError) else None
        yield f"{type(error).__name__}({state})" if state else type(error).__name__
        error = error.__cause__ or error.__context__


def _places(error: BaseException, *, most: int = 6) -> Iterator[str]:
    frames = traceback.extract_tb(error.__traceback__)
    for frame in reversed(frames[-most:]):
        yield f"{Path(frame.filename).name}:{frame.lineno} {frame.name}"


@dataclass(frozen=True, slots=True)
class Duty:
    """Something that is done again and again.

    ``turn`` does a part of it and says whether there may be more to do at once. It is done every
    ``seconds``, and those that are ``woken`` also when the bell rings.
    """

    name: str
    turn: Callable[[], Awaitable[bool]]
    seconds: float = POLL_SECONDS
    woken: bool = False


@dataclass(slots=True)
class Worker:
    """Keeps the loops of all duties going; ``bell`` is rung after a commit."""

    duties: Sequence[Duty]
    bell: asyncio.Event
    _woken: list[asyncio.Event] = field(default_factory=list)

    async def run(self) -> None:
        """Work until cancelled; what was claimed and not done is given back then."""
        async with asyncio.TaskGroup() as loops:
            loops.create_task(self._hear(), name="bell")
            for duty in self.duties:
                loops.create_task(self._keep(duty), name=duty.name)

    async def drain(self, duties: Sequence[Duty]) -> None:
        """Do everything that is to be done now of some duties, side by side."""

        async def one(duty: Duty) -> None:
            try:
                while await duty.turn():
                    pass
            except Exception as error:  # noqa: BLE001 - one duty stops no other
                report(error)

        await asyncio.gather(*map(one, duties))

    async def _hear(self) -> None:
        while True:
            await self.bell.wait()
            self.bell.clear()
            for event in self._woken:
                event.set()

    async def _keep(self, duty: Duty) -> None:
        called = asyncio.Event()
        if duty.woken:
            self._woken.append(called)
        rest = POLL_SECONDS / 4
        while True:
            called.clear()
            try:
                while await duty.turn():
                    pass
            except Exception as error:  # noqa: BLE001 - whatever it was, the loop goes on
                report(error)
                await asyncio.sleep(rest)
                rest = min(rest * 2, max(duty.seconds, REST_SECONDS_MAX))
                continue
            rest = POLL_SECONDS / 4
            with suppress(TimeoutError):
                async with asyncio.timeout(duty.seconds):
                    await called.wait()


# The duties.


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What the worker reaches the world by, and the words and addresses of what it sends.

    ``anchors`` are the certificates (PEM) of who may sign content credentials.
    """

    rail: Rail
    mail: Mail
    translate: Translate
    link: Link
    sign_in_link: Callable[[str], str]
    anchors: str = ""


def duties(office: Office, outside: Outside) -> list[Duty]:
    """All that a worker has to do for an office."""
    made = [
        Duty(f"send_{kind}", _turn(office, kind, do), woken=True)
        for kind, do in functions(office, outside).items()
    ]
    return [
        *made,
        Duty("run_clocks", Clocks(office).turn),
        Duty("sign_receipts", Receipts(office).turn, seconds=10),
        Duty("sequence_log", partial(_sequence, office), seconds=LOG_SECONDS),
        Duty("retain_blobs", partial(retain, office), seconds=10),
        Duty("reconcile_payouts", partial(_reconcile, office, outside.rail), seconds=60),
        Duty("inspect_uploads", partial(uploads.inspect, office), seconds=5, woken=True),
        Duty("sweep_uploads", partial(_sweep_uploads, office), seconds=600),
        Duty("expire_retention", partial(retention.expire, office), seconds=600),
        Duty("sweep_holds", partial(holds.sweep, office), seconds=60),
        Duty("sweep_sign_in", partial(_sweep_sign_in, office), seconds=600),
    ]


def functions(office: Office, outside: Outside) -> Mapping[str, Do]:
    """What is done for each kind of row in the outbox."""
    return {
        notices.OUTBOX: partial(
            notices.deliver,
            office.engine,
            outside.mail,
            translate=outside.translate,
            link=outside.link,
        ),
        payouts.OUTBOX: partial(_pay, office, outside.rail),
        signin.KIND: partial(_send_link, office, outside),
        exhibits.EXAMINE: partial(_examine, office, outside.anchors),
        erasures.OUTBOX: partial(erasures.destroy, office),
        holds.OUTBOX: partial(_hold, office),
        cases.CLOSED: partial(retention.settle, office),
    }


def _turn(office: Office, kind: str, do: Do) -> Callable[[], Awaitable[bool]]:
    box = Outbox(engine=office.engine, functions={kind: do}, report=report)

    async def turn() -> bool:
        return await box.run() > 0

    return turn


async def _pay(office: Office, rail: Rail, payout_id: UUID) -> None:
    """Take a payout as far as it goes; a rail that does not answer is asked again later."""
    try:
        while await payouts.step(office, rail, payout_id):
            pass
    except Unanswered as error:
        raise Failed(f"the rail does not answer: {error}") from error


async def _examine(office: Office, anchors: str, exhibit_id: UUID) -> None:
    """Examine an exhibit; a store or a reader that does not answer is asked again later."""
    try:
        await examinations.examine(office, exhibit_id, anchors=anchors)
    except (NotAnswered, PartFailed) as error:
        raise Failed(type(error).__name__) from error
    except Erased as error:
        raise Hopeless("the file was erased") from error


async def _hold(office: Office, case_id: UUID) -> None:
    """Have the store hold a case's files, or let them go; one that does not answer, later."""
    try:
        await holds.tell(office, case_id)
    except StoreFailed as error:
        raise Failed(type(error).__name__) from error


async def _send_link(office: Office, outside: Outside, request_id: UUID) -> None:
    async with office.engine.begin() as conn:
        at = (await conn.execute(_NOW)).scalar_one()
        issued = await signin.issue(conn, request_id, at)
    if issued is None:
        return
    link = outside.sign_in_link(issued.secret)
    letter = notices.sign_in(issued, link, at=at, translate=outside.translate)
    try:
        await outside.mail.send(letter)
    except Undeliverable as refused:
        raise Hopeless(str(refused)) from refused


@dataclass(slots=True)
class Clocks:
    """Runs the clocks that are due; a case whose clocks fail rests, twice as long each time."""

    office: Office
    now: Callable[[], float] = monotonic
    _failed: dict[UUID, tuple[int, float]] = field(default_factory=dict)

    async def turn(self) -> bool:
        """Bring the longest overdue cases up to date; whether any clock ran."""
        now = self.now()
        resting = {case for case, (_, until) in self._failed.items() if until > now}
        done = await clockwork.run(self.office, report, passing_over=resting)
        for case in self._failed.keys() - resting - done.failed:
            del self._failed[case]
        for case in done.failed:
            times = self._failed.get(case, (0, now))[0] + 1
            self._failed[case] = times, now + min(2.0**times, _CASE_SECONDS_MAX)
        return done.fired > 0


@dataclass(slots=True)
class Receipts:
    """Signs the receipts that a crash left unsigned.

    Mostly looks an hour back; at first and then every hour at everything, since an entry of the
    clock is dated to its instant, which may be long ago.
    """

    office: Office
    _whole: datetime = _BEGINNING

    async def turn(self) -> bool:
        """Sign some; whether there may be more."""
        hour = timedelta(hours=1)
        async with self.office.engine.connect() as conn:
            now: datetime = (await conn.execute(_NOW)).scalar_one()
        whole = now - self._whole >= hour
        signed = await self.office.sign_missing(_BEGINNING if whole else now - hour)
        if whole and not signed:
            self._whole = now
        return signed > 0


async def retain(office: Office) -> bool:
    """Have the store keep the files that were accepted; a file that fails stops no other."""
    async with office.engine.connect() as conn:
        found = await office.vault.unretained_blobs(conn)
    failed: list[Exception] = []
    for blob in found:
        try:
            await office.vault.retain(blob)
            async with office.engine.begin() as conn:
                at = (await conn.execute(_NOW)).scalar_one()
                await office.vault.retained(conn, blob, at=at)
        except Exception as error:  # noqa: BLE001 - told below, once for all
            failed.append(error)
    if failed:
        raise failed[0]
    return False


async def _sequence(office: Office) -> bool:
    async with office.engine.connect() as conn:
        now: datetime = (await conn.execute(_NOW)).scalar_one()
    return await log.sequence(office.engine, office.vault, now)


async def _reconcile(office: Office, rail: Rail) -> bool:
    with suppress(Unanswered):
        await reconciliation.run(office, rail)
    return False


async def _sweep_uploads(office: Office) -> bool:
    ended = await instalments.sweep(office)
    await uploads.sweep(office)
    return ended > 0


async def _sweep_sign_in(office: Office) -> bool:
    async with office.engine.begin() as conn:
        await signin.sweep(conn, (await conn.execute(_NOW)).scalar_one())
    return False


# The bell between processes.


def arq_settings(worker: Worker) -> dict[str, Any]:
    """What ``arq.Worker`` is made with: each duty by its name, and ``RING`` for what is woken.

    No result is kept, and no job is tried again: the rows say what is to be done.
    """
    woken = [duty for duty in worker.duties if duty.woken]
    jobs = [_job(RING, worker, woken), *(_job(duty.name, worker, [duty]) for duty in worker.duties)]
    return {
        "functions": jobs,
        "queue_name": QUEUE,
        "poll_delay": 0.02,
        "max_jobs": 4,
        "job_timeout": 300,
        "keep_result": 0,
        "max_tries": 1,
        "retry_jobs": False,
        "handle_signals": False,
        "log_results": False,
        "health_check_interval": 60,
    }


def _job(name: str, worker: Worker, its: Sequence[Duty]) -> Function:
    async def job(ctx: dict[Any, Any], *_: Any, **__: Any) -> None:  # noqa: ARG001 - arq's own call
        await worker.drain(its)

    return arq_function(job, name=name, keep_result=0, max_tries=1)


def _redis(url: str) -> RedisSettings:
    made = RedisSettings.from_dsn(url)
    made.conn_retries = 0  # our own loops try again
    return made


async def listen(worker: Worker, redis_url: str) -> None:
    """Let arq run duties when a bell rings elsewhere; begun anew whenever Redis was away."""
    while True:
        try:
            await _listen_once(worker, redis_url)
        except Exception as error:  # noqa: BLE001 - arq ends without Redis; the loops go on
            report(error)
        await asyncio.sleep(POLL_SECONDS)


async def _listen_once(worker: Worker, redis_url: str) -> None:
    """Until Redis goes or this is cancelled; arq's own closing leaves connections open then."""
    async with asyncio.timeout(_REDIS_SECONDS):
        pool = await arq.create_pool(_redis(redis_url))
    listening = arq.Worker(**arq_settings(worker), redis_pool=pool)
    try:
        await listening.async_run()
    finally:
        begun = [*listening.job_tasks.values(), *listening.tasks.values()]
        begun += [listening.main_task] if listening.main_task else []
        for task in begun:
            task.cancel()
        await asyncio.wait(begun)
        await _close(pool)


async def _close(pool: ArqRedis) -> None:
    with suppress(RedisError, OSError):
        await pool.aclose()


async def serve(worker: Worker, redis_url: str | None = None) -> None:
    """Run a worker until cancelled, and with Redis listen to bells elsewhere as well."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(worker.run())
        if redis_url is not None:
            tasks.create_task(listen(worker, redis_url))


async def ring_through(bell: asyncio.Event, redis_url: str) -> None:
    """Pass on every ring of this process's bell to the workers elsewhere; rings may be lost.

    For a process that serves and does not work. No act waits for it.
    """
    pool: ArqRedis | None = None
    try:
        while True:
            await bell.wait()
            bell.clear()
            try:
                async with asyncio.timeout(_REDIS_SECONDS):
                    pool = pool or await arq.create_pool(_redis(redis_url))
                    await pool.enqueue_job(
                        RING, _queue_name=QUEUE, _expires=timedelta(seconds=_RING_SECONDS_MAX)
                    )
            except (RedisError, OSError, TimeoutError) as error:
                report(error)
                await asyncio.sleep(POLL_SECONDS)
    finally:
        if pool is not None:
            await _close(pool)

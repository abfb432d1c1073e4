"""What the worker asks of outsiders about the log: cosignatures of witnesses, and timestamps.

Each witness and each authority has a duty of its own, so that a slow one delays neither the log nor
another. One that refuses or does not answer is asked again later, each time twice as late, for each
log by itself.
"""

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic
from typing import Any, Final

import httpx
from sqlalchemy import text

from evidence import stamping, testimony, timestamp
from evidence.errors import NotAnswered, VaultError
from evidence.stamping import Authority
from evidence.testimony import Known, Post, Reply
from infra.worker import Duty
from odr.work import Office

SECONDS: Final = 5.0
"""How long after a checkpoint its witnesses are asked at the latest."""

STAMP_SECONDS: Final = 30.0
"""How often it is asked whether a timestamp is due."""

REST_SECONDS_MAX: Final = 600.0
ANSWER_BYTES_MAX: Final = 64 * 1024
TIMEOUT_SECONDS: Final = 10.0

_NOW: Final = text("SELECT service_now()")


def poster(client: httpx.AsyncClient, media_type: str = "text/plain; charset=utf-8") -> Post:
    """Give a function that posts by this client; redirects are answers, and no answer."""

    async def post(url: str, body: bytes) -> Reply:
        headers = {"content-type": media_type}
        try:
            async with client.stream("POST", url, content=body, headers=headers) as answer:
                found = bytearray()
                async for piece in answer.aiter_bytes():
                    found += piece
                    if len(found) > ANSWER_BYTES_MAX:
                        raise NotAnswered(url, "more than an answer has")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NotAnswered(url, type(error).__name__) from error
        return Reply(answer.status_code, answer.headers.get("content-type", ""), bytes(found))

    return post


@dataclass(slots=True)
class Patience:
    """Who is not asked for now, since they failed: twice as long after each time."""

    now: Callable[[], float] = monotonic
    _failed: dict[str, tuple[int, float]] = field(default_factory=dict)

    async def attempt(
        self,
        what: str,
        work: Coroutine[Any, Any, object],
        report: Callable[[BaseException], object],
    ) -> None:
        """Do the work, but if it failed too short a time ago; a failure is reported."""
        times, until = self._failed.get(what, (0, 0.0))
        if until > self.now():
            work.close()
            return
        try:
            await work
        except VaultError as error:
            self._failed[what] = (
                times + 1,
                self.now() + min(SECONDS * 2.0**times, REST_SECONDS_MAX),
            )
            report(error)
        else:
            self._failed.pop(what, None)


@dataclass(slots=True)
class Asking:
    """Has one witness cosign what it has not cosigned yet."""

    office: Office
    post: Post
    witness: Known
    report: Callable[[BaseException], object]
    patience: Patience = field(default_factory=Patience)

    async def turn(self) -> bool:
        """Ask about each log once; a refusal is reported and stops no other log."""
        engine, store = self.office.engine, self.office.vault.store
        for state in await testimony.waiting(engine, self.witness):
            now = await _now(self.office)
            ask = testimony.ask(engine, store, self.post, self.witness, state, now)
            await self.patience.attempt(state.origin, ask, self.report)
        return False


@dataclass(slots=True)
class Stamping:
    """Has one authority stamp what is due, and renew what ends."""

    office: Office
    post: Post
    authority: Authority
    report: Callable[[BaseException], object]
    patience: Patience = field(default_factory=Patience)

    async def turn(self) -> bool:
        """Ask once for each log, and for each timestamp that ends soon."""
        engine = self.office.engine
        given = engine, self.post, self.authority
        now = await _now(self.office)
        for state in await stamping.waiting(engine, self.authority, now):
            stamp = stamping.stamp(*given, state, now)
            await self.patience.attempt(state.origin, stamp, self.report)
        for chain in await stamping.ending(engine, self.authority, now):
            renew = stamping.renew(*given, chain, now)
            await self.patience.attempt("renewals", renew, self.report)
        return False


async def _now(office: Office) -> datetime:
    async with office.engine.connect() as conn:
        now: datetime = (await conn.execute(_NOW)).scalar_one()
    return now


@dataclass(frozen=True, slots=True, kw_only=True)
class Outsiders:
    """Who attests to the log: its witnesses, and the authorities that stamp its checkpoints."""

    witnesses: Sequence[Known] = ()
    authorities: Sequence[Authority] = ()


def duties(
    office: Office,
    client: httpx.AsyncClient,
    outsiders: Outsiders,
    report: Callable[[BaseException], object],
) -> list[Duty]:
    """Give the worker's duties toward each witness and each authority."""
    post = poster(client)
    found = [
        Duty(f"ask_{one.name}", Asking(office, post, one, report).turn, seconds=SECONDS)
        for one in outsiders.witnesses
    ]
    post = poster(client, timestamp.QUERY)
    found += [
        Duty(f"stamp_{one.url}", Stamping(office, post, one, report).turn, seconds=STAMP_SECONDS)
        for one in outsiders.authorities
    ]
    return found

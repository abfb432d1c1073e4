"""What the worker asks of outsiders about the log: witnesses, for cosignatures of its checkpoints.

Each witness has a duty of its own, so that a slow one delays neither the log nor another. One that
refuses or does not answer is asked again later, each time twice as late, for each log by itself.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic
from typing import Final

import httpx
from sqlalchemy import text

from evidence import testimony
from evidence.errors import NotAnswered, VaultError
from evidence.testimony import Known, Post, Reply
from infra.worker import Duty
from odr.work import Office

SECONDS: Final = 5.0
"""How long after a checkpoint its witnesses are asked at the latest."""

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

    def rests(self, what: str) -> bool:
        """Whether it failed too short a time ago."""
        return self._failed.get(what, (0, 0.0))[1] > self.now()

    def fail(self, what: str) -> None:
        """Let it rest."""
        times = self._failed.get(what, (0, 0.0))[0] + 1
        self._failed[what] = times, self.now() + min(SECONDS * 2.0**times, REST_SECONDS_MAX)

    def succeed(self, what: str) -> None:
        """Forget that it failed."""
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
            if self.patience.rests(state.origin):
                continue
            async with engine.connect() as conn:
                now: datetime = (await conn.execute(_NOW)).scalar_one()
            try:
                await testimony.ask(engine, store, self.post, self.witness, state, now)
            except VaultError as error:
                self.patience.fail(state.origin)
                self.report(error)
            else:
                self.patience.succeed(state.origin)
        return False


def duties(
    office: Office, post: Post, known: Sequence[Known], report: Callable[[BaseException], object]
) -> list[Duty]:
    """Give the worker's duties toward each witness."""

    def one(witness: Known) -> Callable[[], Awaitable[bool]]:
        return Asking(office, post, witness, report).turn

    return [Duty(f"ask_{each.name}", one(each), seconds=SECONDS) for each in known]

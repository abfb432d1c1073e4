"""Scenarios of a payout: a rail that lies, webhooks that fail, a process that crashes.

The rail is the fake one over real HTTP, the ledger the real one. A crash is an exception at a
named boundary, which leaves nothing but what was committed; the next round is the restarted
process. At the end of a scenario the rail's books and ours must agree.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any
from uuid import UUID

import asyncpg
import httpx
from sqlalchemy import text

from infra.rail.server import FakeRail
from odr import ledger, payouts
from odr.errors import Refused
from odr.rails.http import HttpRail, read_event
from odr.rails.rail import Instruction, Report, Unanswered
from odr.work import Office
from tests.odr import world

SECRET = b"known to both"
NAME = "fake"
PRICE = 12_900
ROUNDS_MAX = 12
TWO_DAYS = 2 * 86_400
NINE_DAYS = 9 * 86_400
LATER = {"return", "reject_then_pay"}
TERMINAL = {"paid", "rejected", "returned"}


class Crash(BaseException):
    """The process is gone."""


@dataclass(slots=True)
class Boundaries:
    """Notes every boundary that is passed, and crashes at those that it is told."""

    crashes: list[tuple[str, int]] = field(default_factory=list)
    passed: Counter[str] = field(default_factory=Counter)

    def __call__(self, name: str) -> None:
        self.passed[name] += 1
        if (name, self.passed[name]) in self.crashes:
            self.crashes.remove((name, self.passed[name]))
            raise Crash(name)

    def all(self) -> Iterator[tuple[str, int]]:
        for name, times in self.passed.items():
            yield from ((name, nth) for nth in range(1, times + 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """How the rail behaves, what becomes of its webhooks, where we crash."""

    pay: tuple[str, ...] = ()
    find: tuple[str, ...] = ()
    webhooks: str = "once"
    crashes: tuple[tuple[str, int], ...] = ()


@dataclass(slots=True)
class WatchedRail:
    """The rail, and what must hold whenever it is asked something."""

    rail: HttpRail
    admin: asyncpg.Connection
    wrong: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.rail.name

    async def find(self, reference: str) -> Report | None:
        await self._nothing_open()
        return await self.rail.find(reference)

    async def send(self, instruction: Instruction) -> Report:
        await self._nothing_open()
        committed = await self.admin.fetchrow(
            "SELECT p.state, (SELECT count(*) FROM ledger.holds h"
            "   WHERE h.cause = p.case_id AND h.code = 'payout_sent') AS holds"
            " FROM payouts p WHERE reference = $1",
            instruction.reference,
        )
        if tuple(committed) != ("submitting", 1):
            self.wrong.append(f"sent before it was committed: {tuple(committed)}")
        return await self.rail.send(instruction)

    async def _nothing_open(self) -> None:
        count = await self.admin.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND usename = 'concord_app' AND state LIKE 'idle in transaction%'"
        )
        if count:
            self.wrong.append("the rail is called inside a transaction")


@dataclass(slots=True)
class Bench:
    """Everything that scenarios share."""

    desk: Office
    client: httpx.AsyncClient
    rail: WatchedRail
    admin: asyncpg.Connection
    there: world.World

    async def planned(self) -> tuple[UUID, UUID, str]:
        """A settled case with a payout that is planned: case, payout, reference."""
        order = await world.order(self.desk.engine, self.there, covered=False)
        case = await world.file(self.desk, self.there, order)
        await world.settle(self.desk, self.there, case)
        row = await self.admin.fetchrow(
            "SELECT id, reference FROM payouts WHERE case_id = $1", case
        )
        return case, row["id"], row["reference"]

    async def script(self, what: str, how: Sequence[str], reference: str = "*") -> None:
        given = {"what": what, "how": list(how), "reference": reference}
        await self.client.post("control/script", json=given)

    async def advance(self, seconds: float) -> None:
        await self.client.post("control/advance", json={"seconds": seconds})

    async def tellings(self) -> list[dict[str, str]]:
        answer = await self.client.post("control/tellings")
        return list(answer.json()["tellings"])

    async def books(self, reference: str) -> list[dict[str, Any]]:
        answer = (await self.client.get("control/books")).json()["payments"]
        return [payment for payment in answer if payment["reference"] == reference]

    async def state(self, payout: UUID) -> str:
        found: str = await self.admin.fetchval("SELECT state FROM payouts WHERE id = $1", payout)
        return found


@asynccontextmanager
async def bench(engine, admin, folder, *, patience: float = 2.0, **parts: Any):
    """A fake rail, an office that pays over it, and a world."""
    async with AsyncExitStack() as stack:
        fake = stack.enter_context(FakeRail(SECRET))
        client = await stack.enter_async_context(
            httpx.AsyncClient(base_url=fake.url, trust_env=False, timeout=patience)
        )
        desk = world.office(engine, folder, rail=NAME, **parts)
        there = await world.make(engine)
        rail = WatchedRail(HttpRail(client, NAME), admin)
        yield Bench(desk, client, rail, admin, there)


async def play(
    bench: Bench, scenario: Scenario, module: ModuleType = payouts
) -> tuple[Boundaries, list[str]]:
    """Play a scenario to its end; the boundaries that were passed, and what is wrong then."""
    case, payout, reference = await bench.planned()
    await bench.script("pay", scenario.pay, reference)
    await bench.script("find", scenario.find, reference)
    await bench.script("webhooks", [scenario.webhooks], reference)
    boundaries = Boundaries(list(scenario.crashes))
    told: set[str] = set()
    bench.rail.wrong.clear()
    # Some things show only after the payment was settled, some a week after.
    waits = scenario.webhooks == "late" or bool(LATER & set(scenario.pay))
    for _ in range(ROUNDS_MAX):
        try:
            await _round(bench, module, payout, boundaries, told)
        except Refused as refusal:
            bench.rail.wrong.append(f"refused: {refusal!r}")
            break
        settled = await bench.state(payout) in TERMINAL
        if settled and not (waits or boundaries.crashes):
            break
        if settled:
            waits = False
            boundaries.crashes.clear()
        await bench.advance(NINE_DAYS if settled else TWO_DAYS)
    return boundaries, bench.rail.wrong + await _wrong(bench, case, payout, reference, told)


async def _round(
    bench: Bench, module: ModuleType, payout: UUID, at: Boundaries, told: set[str]
) -> None:
    """What a process does until it crashes: sends, hears webhooks, and asks by itself."""
    waiting = await bench.tellings()
    with suppress(Crash, Unanswered):
        while await module.step(bench.desk, bench.rail, payout, at):
            pass
    waiting += await bench.tellings()
    while waiting:
        event = read_event(NAME, SECRET, waiting[0]["body"].encode(), waiting[0]["signature"])
        told.add(event.id)
        try:
            await module.told(bench.desk, event, at)
        except Crash:
            continue  # not acknowledged: the rail tells again
        waiting.pop(0)
    with suppress(Crash, Unanswered):
        await module.ask(bench.desk, bench.rail, payout, at)


async def _wrong(
    bench: Bench, case: UUID, payout: UUID, reference: str, told: set[str]
) -> list[str]:
    """Hold our books against the rail's."""
    wrong = []
    at_rail = await bench.books(reference)
    times_paid = sum(payment["times_paid"] for payment in at_rail)
    if len(at_rail) > 1 or times_paid > 1:
        wrong.append(f"PAID TWICE: {at_rail}")
    stands = {payment["state"] for payment in at_rail} or {"nothing"}
    state = await bench.state(payout)
    if {state} != stands:
        wrong.append(f"the rail says {stands}, we say {state}")
    left = PRICE - sum(p["amount_minor"] for p in at_rail if p["state"] == "paid")
    money = await bench.admin.fetchrow(
        "SELECT b.credits_posted - b.debits_posted AS posted, b.debits_pending AS pending"
        " FROM ledger.balances b JOIN ledger.accounts a ON a.id = b.account"
        " WHERE a.owner = $1 AND a.kind = 'payable'",
        case,
    )
    if tuple(money) != (left, 0):
        wrong.append(f"payable is {tuple(money)}, by the rail's books it should be {left}")
    due = await bench.admin.fetchval("SELECT state FROM obligations WHERE case_id = $1", case)
    if (due == "done") != (state == "paid"):
        wrong.append(f"the obligation is {due}")
    entered = await bench.admin.fetchval(
        "SELECT count(*) FROM acts WHERE case_id = $1 AND act = 'record_payment'", case
    )
    if entered != (state == "paid") and not (entered == 1 and state == "returned"):
        wrong.append(f"{entered} payments entered in the record")
    known = await bench.admin.fetch(
        "SELECT event_id FROM rail_events WHERE payout_id = $1 AND event_id LIKE 'ev%'", payout
    )
    if {row["event_id"] for row in known} != told:
        wrong.append(f"told {told}, kept {known}")
    return wrong


async def audit(bench: Bench) -> None:
    """The ledger's own audit finds nothing."""
    async with bench.desk.engine.connect() as conn:
        assert await ledger.findings(conn) == []
        trial = text("SELECT sum(debits_posted - credits_posted) FROM ledger.balances")
        assert (await conn.execute(trial)).scalar_one() == 0

"""The main job with its server killed: it goes on, nothing is lost, nobody is paid twice."""

import asyncio
import subprocess
from contextlib import AsyncExitStack
from dataclasses import dataclass

import asyncpg
import httpx
import pytest

from evidence import keys as key_file
from infra import keys, settings
from infra.demo import check as checks
from infra.demo.check import Check, Timeline
from tests.journeys import outage
from tests.journeys.outage import DATABASE, SERVER, Courier, Moments, Service, Victims

STEPS = 20
RECORD = [
    "file",
    "submit_exhibit",
    "submit_exhibit",
    "contest",
    "submit_exhibit",
    "make_counter_offer",
    "reject_counter_offer",
    "appoint_mediator",
    "disclose",
    "send_caucus_message",
    "propose_terms",
    "accept_proposal",
    "fail_proposal",
    "reject_proposal",
    "request_arbitration",
    "appoint_arbitrator",
    "disclose",
    "answer_exhibit",
    "rest",
    "rest",
    "close_record",
    "rule",
    "waive_appeal",
    "waive_appeal",
    "make_final",
    "record_payment",
    "complete",
]
"""The acts of the main job, each once; that they stand in their order is the audit's."""

MONEY = {
    "claim_held": 89_900,
    "entitlement_used": 80_910,
    "claim_dropped": 89_900,
    "refund_from_escrow": 80_910,
    "loss_reserved": 77_910,
    "payout_sent": 80_910,
    "payout_settled": 80_910,
    "indemnity_paid": 77_910,
}
"""The transfers that the main job makes, one of each code."""

KEYS, NOTICES = 19, 52
PATIENCE_SECONDS = 150
"""Longer than the worker rests between two looks at the rail."""


WAITING = """
SELECT (SELECT count(*) FROM outbox WHERE state = 'due') + (SELECT count(*) FROM vault_unlogged)
"""


@pytest.fixture(scope="module")
def seeded(in_memory):
    """A demonstration's data, with its world and no case, at rest."""
    folder = in_memory / "seeded"
    folder.mkdir()
    with outage.bank(folder) as rail, outage.serving(folder, rail) as service:
        asyncio.run(service.start())
        service.stop()
        # Opening the key file is meant to be slow; a cheap one is opened fifty times here.
        opened = key_file.load(service.data / "keys.json", settings.DEMO_PASSPHRASE)
        key_file.save(opened, service.data / "keys.json", settings.DEMO_PASSPHRASE, cost=2)
    return folder


@pytest.fixture
def service(seeded, in_memory):
    """A service over a copy of that data, which nobody has started yet."""
    folder = in_memory / "killed"
    subprocess.run(["cp", "-a", seeded, folder], check=True)  # keeps whose the files are
    with outage.bank(folder) as rail, outage.serving(folder, rail) as made:
        told = {"url": f"{made.url}/rails/fake"}
        httpx.post(f"{rail}control/hook", json=told, trust_env=False).raise_for_status()
        yield made
    print(made.log.read_text())  # noqa: T201 - shown where a test failed
    subprocess.run(["rm", "-r", folder], check=True)


@dataclass(slots=True)
class Deadly(Timeline):
    """A timeline after each of whose steps the server is killed."""

    service: Service | None = None
    victims: Victims = ()

    def say(self, who: str, what: str) -> None:
        Timeline.say(self, who, what)
        self.service.kill(self.victims)


async def play(service: Service, line: Timeline, moments: Moments | None = None) -> None:
    """The main job to its end, over a courier who does not give up."""
    await service.start()
    async with service.admin() as conn:
        accounts = dict(await conn.fetch("SELECT name, id FROM accounts"))
    ours = await keys.opened(
        service.data / "keys.json", settings.DEMO_PASSPHRASE, settings.DEMO_ORIGIN
    )
    courier = Courier(service, moments)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(courier.close)
        key = str(ours.receipts.key)
        check = Check(service.url, accounts, key, stack, line, courier, PATIENCE_SECONDS)
        await checks.main_job(check)


async def is_released(service: Service, conn: asyncpg.Connection) -> bool:
    """Whether the log's last checkpoint is on the store."""
    signed = await conn.fetchval("SELECT checkpoint FROM vault_logs")
    folder = service.data / "store" / "objects" / "log"
    released = [each.read_text() for each in await asyncio.to_thread(folder.rglob, "checkpoint@*")]
    return signed is not None and any(each.startswith(signed) for each in released)


async def whole(service: Service) -> list[str]:
    """What is wrong after the main job: at the rail, in the ledger, in the record."""
    await service.start()
    wrong = []
    async with httpx.AsyncClient(trust_env=False) as client:
        books = (await client.get(f"{service.rail_url}control/books")).json()["payments"]
    paid = [(each["state"], each["times_paid"], each["amount_minor"]) for each in books]
    if paid != [("paid", 1, 80_910)]:
        wrong.append(f"PAID: {books}")
    async with service.admin() as conn:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await conn.fetchval(WAITING) or not await is_released(service, conn):
                await service.let_pass(outage.WAIT_SECONDS)
                await asyncio.sleep(1)
        acts = await conn.fetch("SELECT act FROM acts")
        lines = await conn.fetch(
            "SELECT code, amount FROM ledger.transfers WHERE code = ANY($1)", list(MONEY)
        )
        trial = await conn.fetchval(
            "SELECT sum(debits_posted - credits_posted) FROM ledger.balances"
        )
        counts = await conn.fetchrow(
            "SELECT (SELECT count(*) FROM idempotency), (SELECT count(sent) FROM notices),"
            " (SELECT count(*) FROM notices), (SELECT count(*) FROM outbox WHERE state = 'dead')"
        )
    if sorted(row["act"] for row in acts) != sorted(RECORD):
        wrong.append(f"the record: {[row['act'] for row in acts]}")
    if sorted((row["code"], row["amount"]) for row in lines) != sorted(MONEY.items()) or trial:
        wrong.append(f"the ledger: {lines}, {trial}")
    if tuple(counts) != (KEYS, NOTICES, NOTICES, 0):
        wrong.append(f"keys, notices sent, notices, given up: {tuple(counts)}")
    # Beside the server, whose database it leaves running.
    said = await asyncio.to_thread(service.audit)
    async with service.admin() as conn:
        assert await conn.fetchval("SELECT 1")
    if said != "1 cases, 0 findings\n0":
        wrong.append(f"the audit: {said}")
    if "internal error" in service.log.read_text():
        wrong.append(service.log.read_text())
    return wrong


@pytest.mark.parametrize(
    "victims",
    [
        pytest.param((SERVER,), id="server"),
        pytest.param((SERVER, DATABASE), id="server-and-database", marks=pytest.mark.long),
    ],
)
async def test_killed_after_every_step_the_main_job_goes_on(service, victims):
    line = Deadly(service=service, victims=victims)
    await play(service, line)
    assert await whole(service) == []
    assert (line.steps, service.starts) == (STEPS, STEPS + 1)


ANYBODY = ((SERVER,), (SERVER, DATABASE), (DATABASE,))


async def test_killed_at_twenty_random_moments_the_main_job_goes_on(service):
    await killed(service, seed=20, count=20)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(5))
async def test_killed_at_many_random_moments_the_main_job_goes_on(service, seed):
    await killed(service, seed=seed, count=40)


async def killed(service: Service, *, seed: int, count: int) -> None:
    moments = Moments.drawn(seed, count, ANYBODY)
    try:
        await play(service, Timeline(), moments)
    finally:
        print(f"\nseed {seed}, {moments.cut} answers cut:", *moments.taken, sep="\n  ")  # noqa: T201 - to play it again
    assert await whole(service) == []
    assert (len(moments.taken), moments.writes) == (count, outage.WRITES)

"""A database, a store or a rail that goes away while somebody acts: a retry, nothing half done."""

import asyncio
import hmac
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import boto3
import httpx
import pytest
from botocore.config import Config
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from evidence.keys import Signer
from evidence.note import VerifierKey
from evidence.s3 import S3Store
from infra import database as db
from infra.postgres import Cluster
from infra.rail.app import SIGNATURE
from infra.site import RAIL_SECRET
from odr import audit
from tests.journeys import hall as halls
from tests.odr import world
from tests.servers.databases import Database
from web import reading

WAITING = """
SELECT count(*) FROM pg_stat_activity WHERE usename = 'concord_app' AND wait_event_type = 'Lock'
"""
PATIENCE_SECONDS = 30


def restarted(cluster: Cluster) -> None:
    """In order, as for an update: sessions are cut, transactions rolled back."""
    cluster.stop()
    cluster.start()


def killed(cluster: Cluster) -> None:
    """As by a crash: it recovers from its log when it starts again."""
    os.kill(cluster.pid(), signal.SIGKILL)
    cluster.start()


@pytest.fixture
def durable(seed, in_memory):
    """A database server of this test's own that forgets nothing, to be stopped and killed."""
    folder = in_memory / "durable"
    subprocess.run(["cp", "-a", seed, folder], check=True)  # keeps whose the files are
    cluster = Cluster(folder, tied=True).start()
    yield cluster
    cluster.stop()
    shutil.rmtree(folder)


@pytest.fixture
async def hall(durable, tmp_path):
    async with halls.opened(Database("concord", durable), tmp_path) as opened:
        yield opened


async def until(holds) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await holds():  # noqa: ASYNC110 - another process's
            await asyncio.sleep(0.02)


async def send(person, document: str, **variables: Any) -> httpx.Response:
    """The answer to a document as a program sees it."""
    asked = {"query": reading.document(document), "variables": variables}
    return await person.client.post("/graphql", json=asked)


def is_worth_a_repeat(answer) -> bool:
    """Whether a program is told to send the same again."""
    told = answer.json()
    if answer.status_code == 503:
        return answer.headers["retry-after"] == "1" and told["errors"][0]["extensions"]["retryable"]
    (payload,) = told["data"].values()
    (error,) = payload["userErrors"]
    return (error["code"], error["retryable"]) == ("UNAVAILABLE", True)


@contextmanager
def away(store: Path) -> Iterator[None]:
    """The store's folder is not there, as where a network drive is lost."""
    elsewhere = store.rename(store.with_name("elsewhere"))
    store.touch()
    yield
    store.unlink()
    elsewhere.rename(store)


def client_for(url: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",
        config=Config(read_timeout=1, retries={"total_max_attempts": 1}),
    )


async def exhibited(hall, buyer, content: bytes):
    """A case with one exhibit."""
    upload = (await halls.put(buyer, content)).json()["id"]
    given = {"uploadId": upload, "kind": "STATEMENT", "title": "A note"}
    return await hall.file(exhibits=[given])


@pytest.mark.parametrize("go_away", [restarted, killed])
async def test_the_database_restarted_in_the_middle_of_an_act_undoes_it_all(hall, durable, go_away):
    case = await hall.file()
    buyer = await hall.person("buyer")
    before = await hall.counts()
    given = {"caseId": case["id"], "body": "Hello.", "idempotencyKey": "k"}
    holding = hall.admin.transaction()
    await holding.start()
    await hall.admin.fetch("SELECT FROM cases FOR UPDATE")
    asked = asyncio.create_task(send(buyer, "acts/send_message", input=given))
    looking = await asyncpg.connect(durable.url("concord"))
    await until(lambda: looking.fetchval(WAITING))
    await asyncio.to_thread(go_away, durable)
    answer = await asked
    assert is_worth_a_repeat(answer), answer.text
    hall.admin = await asyncpg.connect(durable.url("concord"))
    assert await hall.counts() == before
    for _ in range(2):
        (payload,) = (await send(buyer, "acts/send_message", input=given)).json()["data"].values()
        assert payload["userErrors"] == []
    assert await hall.admin.fetchval("SELECT count(*) FROM messages") == 1
    await hall.work()
    assert await hall.audited() == []
    await hall.admin.close()


async def test_while_the_database_is_away_everybody_is_told_to_come_back(hall, durable):
    case, buyer = await hall.file(), await hall.person("buyer")
    before = await hall.counts()
    page = f"/cases/{case['number']}"
    form = {"csrf": buyer.csrf, "body": "Hello.", "key": "k"}
    said = {"caseId": case["id"], "body": "Hello.", "idempotencyKey": "k"}
    event = b"{}"
    signed = {SIGNATURE: hmac.digest(RAIL_SECRET, event, "sha256").hex()}
    shown = {"accept": "text/html,*/*"}
    await hall.admin.close()
    await asyncio.to_thread(durable.stop)
    programs = await asyncio.gather(
        send(buyer, "home"),
        send(buyer, "acts/send_message", input=said),
        halls.put(buyer, b"A note."),
        buyer.client.get(f"{page}/bundle"),
        buyer.client.get("/health"),
        buyer.client.post("/rails/fake", content=event, headers=signed),
    )
    people = await asyncio.gather(
        buyer.client.get(page, headers=shown),
        buyer.client.post(f"{page}/acts/send_message", data=form, headers=shown),
        buyer.client.get(f"{page}/bundle", headers=shown),
    )
    assert [(each.status_code, each.headers["retry-after"]) for each in (*programs, *people)] == [
        (503, "1")
    ] * 9
    for each in programs:
        (error,) = each.json()["errors"]
        assert error["extensions"] == {"code": "UNAVAILABLE", "retryable": True}
    for each in people:
        assert "Nothing was done. Try again in a moment." in each.text
    await asyncio.to_thread(durable.start)
    hall.admin = await asyncpg.connect(durable.url("concord"))
    assert await hall.counts() == before
    for answer in (await send(buyer, "home"), await buyer.client.get(page)):
        assert answer.status_code == 200
    await hall.admin.close()


async def test_nobody_notices_that_the_database_was_restarted_between_two_requests(hall, durable):
    case, buyer = await hall.file(), await hall.person("buyer")
    note = await halls.put(buyer, b"A note.")
    for go_away in (restarted, killed):
        await asyncio.to_thread(go_away, durable)
        answers = await asyncio.gather(
            send(buyer, "home"),
            send(buyer, "case", number=case["number"]),
            halls.put(buyer, b"A note."),
            buyer.client.get(f"/cases/{case['number']}"),
            buyer.client.get(f"/cases/{case['number']}/bundle"),
        )
        assert [each.status_code for each in answers] == [200, 200, 201, 200, 200]
    assert note.status_code == 201


async def test_what_was_read_is_told_though_the_database_goes_before_the_end(durable, tmp_path):
    engine = db.create_engine(durable.url("concord", db.APP))
    desk = world.office(engine, tmp_path)

    async def read(conn: AsyncConnection) -> int:
        found = await conn.scalar(text("SELECT 42"))
        os.kill(durable.pid(), signal.SIGKILL)
        return found

    assert await desk.read(read) == 42
    await engine.dispose()


async def test_an_act_stands_though_the_database_goes_before_its_receipt(durable, tmp_path):
    engine = db.create_engine(durable.url("concord", db.APP))
    desk = world.office(engine, tmp_path)
    people = await world.make(engine)
    order = await world.order(engine, people)
    signing = desk.vault._receipt_signer
    desk.vault._receipt_signer = Interrupted(signing, durable)
    case = await world.file(desk, people, order)
    desk.vault._receipt_signer = signing
    await asyncio.to_thread(durable.start)
    assert await desk.sign_missing(people.at) == 1
    report = await audit.audit(desk)
    assert (report.cases, report.findings, report.unchecked) == (1, [], [])
    assert case
    await engine.dispose()


@dataclass
class Interrupted:
    """Signs as a key service does, far away and slowly: meanwhile the database goes."""

    signer: Signer
    cluster: Cluster

    @property
    def key(self) -> VerifierKey:
        return self.signer.key

    async def sign(self, message: bytes) -> bytes:
        await asyncio.to_thread(self.cluster.stop)
        return await self.signer.sign(message)


# The store.


async def test_a_store_that_fails_takes_nothing_and_gives_nothing_until_it_is_back(
    database, tmp_path
):
    async with halls.opened(database, tmp_path) as hall:
        buyer = await hall.person("buyer")
        case = await exhibited(hall, buyer, b"The first note.")
        (exhibit,) = (await buyer.case(case["number"]))["exhibits"]
        reads = (f"/exhibits/{exhibit['id']}/file", f"/cases/{case['number']}/bundle")
        for _ in range(2):  # one duty makes work for another
            await hall.work()
        before = await hall.counts()
        store = hall.folder / "store"
        with away(store):
            answers = [await halls.put(buyer, b"Another note.")]
            answers += [await buyer.client.get(path) for path in reads]
            await hall.work()
        told = [(each.status_code, each.headers.get("retry-after")) for each in answers]
        assert told == [(503, "1")] * 3
        codes = {each.json()["errors"][0]["extensions"]["code"] for each in answers}
        assert codes == {"UNAVAILABLE"}
        assert await hall.counts() == before
        assert (await halls.put(buyer, b"Another note.")).status_code == 201
        answers = [await buyer.client.get(path) for path in reads]
        assert [each.status_code for each in answers] == [200, 200]
        assert answers[0].content == b"The first note."
        await hall.work()
        assert await hall.audited() == []


async def test_a_store_that_hangs_is_given_up(database, tmp_path):
    over = asyncio.Event()

    async def hang(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    store = S3Store(client_for(f"http://127.0.0.1:{port}"), "vault", call_seconds_max=0.3)
    async with halls.opened(database, tmp_path, store=store) as hall:
        buyer = await hall.person("buyer")
        before = await hall.counts()
        answer = await halls.put(buyer, b"A note.")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert await hall.counts() == before
    over.set()
    server.close()
    await server.wait_closed()
    store.close()


async def test_an_upload_that_is_cut_in_the_middle_leaves_nothing(database, tmp_path):
    async with halls.opened(database, tmp_path) as hall:
        buyer = await hall.person("buyer")
        before = await hall.counts()
        url = buyer.client.base_url
        head = (
            f"PUT /uploads HTTP/1.1\r\nhost: {url.host}\r\ncontent-type: text/plain\r\n"
            f"x-csrf-token: {buyer.csrf}\r\ncontent-length: 3000000\r\n"
            f"cookie: concord_session={buyer.client.cookies['concord_session']}\r\n\r\n"
        )
        _, writer = await asyncio.open_connection(url.host, url.port)
        writer.write(head.encode() + b"a" * 1_500_000)
        await writer.drain()
        spooled = hall.folder / "spool"
        await until(lambda: opened_in(spooled))
        writer.close()
        await until(lambda: opened_in(spooled, none=True))
        assert await hall.counts() == before
        assert (await halls.put(buyer, b"A note.")).status_code == 201


async def opened_in(folder: Path, *, none: bool = False) -> bool:
    """Whether this process has a file open there, or none: files that come in have no name."""
    found = []
    for one in await asyncio.to_thread(lambda: [*Path("/proc/self/fd").iterdir()]):
        with suppress(FileNotFoundError):  # closed meanwhile
            found.append(str(one.readlink()).startswith(str(folder)))
    return any(found) != none


# The rail.


async def test_a_rail_that_fails_and_hangs_is_asked_again_and_pays_once(database, tmp_path):
    await db.make_demonstration(database.admin_url)
    async with halls.opened(database, tmp_path) as hall:
        case = await hall.file()
        seller, buyer = await hall.person("seller"), await hall.person("buyer")
        async with httpx.AsyncClient(base_url=hall.rail.url, trust_env=False) as bank:
            for what, how in (
                ("find", ["fail", "cut"]),
                ("pay", ["fail_before", "cut_before", "hang_after"]),
            ):
                await bank.post("control/script", json={"what": what, "how": how})
            await seller.act("acts/accept_claim", caseId=case["id"])
            states = []
            for _ in range(8):
                await hall.work()
                (payout,) = (await buyer.case(case["number"]))["payouts"]
                states.append(payout["state"])
                await hall.admin.execute("SELECT advance_service_clock('1 minute')")
            books = (await bank.get("control/books")).json()["payments"]
        assert states == ["SUBMITTING"] * 5 + ["PAID"] * 3
        assert [(each["state"], each["times_paid"]) for each in books] == [("paid", 1)]
        assert await hall.audited() == []

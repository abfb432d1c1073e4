"""The fake rail: a real server with a memory, which lies on request."""

import asyncio
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from infra.rail import server
from infra.rail.server import FakeRail
from odr.money import Money
from odr.rails.http import HttpRail, read_event
from odr.rails.rail import Event, Instruction, Standing, Unanswered

SECRET = b"known to both"
TOP = Path(__file__).parents[2]
DAY = 86_400
ASKED = Instruction(
    key="payout:1", reference="CP1", payee="account:1", purpose="refund", amount=Money(500, "EUR")
)


@pytest.fixture
def fake():
    with FakeRail(SECRET) as running:
        yield running


@pytest.fixture
async def client(fake):
    async with httpx.AsyncClient(base_url=fake.url, trust_env=False, timeout=5) as made:
        yield made


@pytest.fixture
def rail(client):
    return HttpRail(client, "fake")


async def script(client, what, how, reference="*"):
    given = {"what": what, "how": [how], "reference": reference}
    assert (await client.post("control/script", json=given)).status_code == 200


async def books(client):
    return (await client.get("control/books")).json()["payments"]


async def events(client):
    tellings = (await client.post("control/tellings")).json()["tellings"]
    return [read_event("fake", SECRET, t["body"].encode(), t["signature"]) for t in tellings]


async def test_a_payment_is_accepted_found_paid_and_told(client, rail):
    assert await rail.find("CP1") is None
    said = await rail.send(ASKED)
    assert (said.standing, said.reference) == (Standing.ACCEPTED, "CP1")
    assert said.amount == ASKED.amount
    found = await rail.find("CP1")
    assert found == replace(said, standing=Standing.PAID)
    (event,) = await events(client)
    assert event.report == found
    assert await events(client) == []


async def test_the_same_key_is_the_same_payment_until_it_is_forgotten(client, rail):
    first = await rail.send(ASKED)
    assert (await rail.send(ASKED)).rail_id == first.rail_id
    with pytest.raises(Unanswered):
        await rail.send(replace(ASKED, amount=Money(501, "EUR")))
    await client.post("control/advance", json={"seconds": DAY + 1})
    assert (await rail.send(ASKED)).rail_id != first.rail_id
    with pytest.raises(Unanswered):  # two payments under one reference
        await rail.find("CP1")


@pytest.mark.parametrize(
    ("how", "payments"),
    [
        ("cut_before", 0),
        ("cut_after", 1),
        ("fail_before", 0),
        ("fail_after", 1),
        ("nonsense", 1),
        ("other", 1),
        ("flood", 1),
        ("forget", 1),
    ],
)
async def test_no_answer_says_nothing_of_whether_it_was_executed(client, rail, how, payments):
    await script(client, "pay", how)
    with pytest.raises(Unanswered):
        await rail.send(ASKED)
    assert len(await books(client)) == payments
    assert (await rail.find("CP1") is not None) == bool(payments)


@pytest.mark.parametrize(("how", "payments"), [("hang_before", 0), ("hang_after", 1)])
async def test_a_rail_that_hangs_is_left_after_the_clients_time(fake, client, how, payments):
    await script(client, "pay", how)
    async with httpx.AsyncClient(base_url=fake.url, trust_env=False, timeout=0.2) as hasty:
        with pytest.raises(Unanswered):
            await HttpRail(hasty, "fake").send(ASKED)
    assert len(await books(client)) == payments


@pytest.mark.parametrize("how", ["cut", "fail", "nonsense"])
async def test_looking_up_may_fail_as_well(client, rail, how):
    await script(client, "find", how)
    with pytest.raises(Unanswered):
        await rail.find("CP1")
    assert await rail.find("CP1") is None


async def test_what_is_executed_late_is_hidden_until_then_and_its_key_is_taken(client, rail):
    await script(client, "pay", "late")
    with pytest.raises(Unanswered):
        await rail.send(ASKED)
    assert await rail.find("CP1") is None
    with pytest.raises(Unanswered):
        await rail.send(ASKED)
    await client.post("control/advance", json={"seconds": DAY / 2})
    found = await rail.find("CP1")
    assert found is not None
    assert found.standing is Standing.PAID
    assert len(await books(client)) == 1


@pytest.mark.parametrize(
    ("how", "answer", "end", "told"),
    [
        ("ok", Standing.ACCEPTED, Standing.PAID, ["paid"]),
        ("reject", Standing.REJECTED, Standing.REJECTED, []),
        ("reject_later", Standing.ACCEPTED, Standing.REJECTED, ["rejected"]),
        ("reject_then_pay", Standing.REJECTED, Standing.PAID, ["paid"]),
        ("return", Standing.ACCEPTED, Standing.RETURNED, ["paid", "returned"]),
    ],
)
async def test_what_becomes_of_a_payment_in_ten_days(client, rail, how, answer, end, told):
    await script(client, "pay", how)
    assert (await rail.send(ASKED)).standing is answer
    await client.post("control/advance", json={"seconds": 10 * DAY})
    found = await rail.find("CP1")
    assert found is not None
    assert found.standing is end
    assert [event.report.standing for event in await events(client)] == told


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("once", ["paid", "returned"]),
        ("twice", ["paid", "paid", "returned", "returned"]),
        ("never", []),
        ("late", ["returned", "paid"]),
    ],
)
async def test_webhooks_come_twice_never_or_out_of_order(client, rail, how, told):
    await script(client, "pay", "return")
    await script(client, "webhooks", how)
    await rail.send(ASKED)
    await client.post("control/advance", json={"seconds": 10 * DAY})
    assert [event.report.standing for event in await events(client)] == told


async def test_webhooks_are_sent_over_http_until_they_are_taken(client, rail):
    heard: asyncio.Queue[Event] = asyncio.Queue()
    answers = iter([503, 204])

    async def hear(request):
        body = await request.body()
        heard.put_nowait(read_event("fake", SECRET, body, request.headers["Rail-Signature"]))
        return Response(status_code=next(answers))

    listening = server.listen()
    receiver = uvicorn.Server(
        uvicorn.Config(Starlette(routes=[Route("/", hear, methods=["POST"])]), log_config=None)
    )
    serving = asyncio.create_task(receiver.serve(sockets=[listening]))
    host, port = listening.getsockname()
    await client.post("control/hook", json={"url": f"http://{host}:{port}/"})
    await rail.send(ASKED)
    async with asyncio.timeout(20):
        events_heard = [await heard.get(), await heard.get()]
    await client.post("control/hook", json={"url": None})
    receiver.should_exit = True
    await serving
    listening.close()
    assert [event.id for event in events_heard] == ["ev_1_paid"] * 2


async def test_what_is_malformed_is_no_order(client):
    for body in (b"", b"[]", b'{"reference": "CP1"}'):
        answer = await client.post("payments", content=body, headers={"Idempotency-Key": "k"})
        assert answer.status_code == 400
    assert (await client.post("payments", json={})).status_code == 400
    assert await books(client) == []


async def test_a_rail_with_a_file_remembers_everything_when_it_starts_again(tmp_path):
    for turn in range(2):
        with FakeRail(SECRET, state=tmp_path / "rail.sqlite") as fake:
            async with httpx.AsyncClient(base_url=fake.url, trust_env=False) as client:
                said = await HttpRail(client, "fake").send(ASKED)
                assert said.rail_id == "rp_1"
                assert said.standing is (Standing.PAID if turn else Standing.ACCEPTED)
                assert len(await books(client)) == 1


async def test_a_hostile_rail_misbehaves_and_pays_everybody_once_who_asks_on():
    outcomes = Counter()
    with FakeRail(SECRET, seed=7) as fake:
        async with httpx.AsyncClient(base_url=fake.url, trust_env=False) as client:
            rail = HttpRail(client, "fake")
            for n in range(40):
                asked = replace(ASKED, key=f"payout:{n}", reference=f"CP{n}")
                said = None
                while said is None:
                    try:
                        said = await rail.find(asked.reference) or await rail.send(asked)
                    except Unanswered:
                        outcomes["unanswered"] += 1
            paid = Counter(payment["times_paid"] for payment in await books(client))
    assert outcomes["unanswered"] > 5
    assert set(paid) <= {0, 1}
    assert paid.total() == 40


async def test_it_runs_as_a_program():
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "infra.rail",
        "--settle-seconds",
        "0",
        cwd=TOP,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        url = (await process.stdout.readline()).decode().strip()
        async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
            said = await HttpRail(client, "fake").send(ASKED)
        assert said.standing is Standing.ACCEPTED
    finally:
        process.terminate()
        await process.wait()

"""Payouts: limits and second persons, by hand, once more, and what nobody told."""

import asyncio
import os
import signal
import sys
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from odr import ids, ledger, payouts, reconciliation
from odr.errors import Invalid, NotFound, Unfunded, Unmet
from odr.ledger import HOUSE, Account, Kind
from odr.money import Money
from odr.rails.http import HttpRail, read_event
from odr.rails.manual import ManualRail
from odr.rails.rail import Event, Report, Standing, Unanswered
from tests.odr import payday, world

NOW = timedelta(0)
TOP = Path(__file__).parents[2]


@pytest.fixture
async def bench(engine, admin, tmp_path):
    async with payday.bench(engine, admin, tmp_path) as made:
        yield made
        await payday.audit(made)


async def drive(bench, payout):
    rail = ManualRail() if bench.desk.rail == "manual" else bench.rail
    while await payouts.step(bench.desk, rail, payout):
        pass


async def hear(bench):
    for telling in await bench.tellings():
        body = telling["body"].encode()
        event = read_event(payday.NAME, payday.SECRET, body, telling["signature"])
        await payouts.told(bench.desk, event)


async def act(bench, viewer, do, payout, *args: Any, **options: Any):
    async with bench.desk.work(viewer, payout) as work:
        return await do(work, payout, *args, **options)


async def available(bench, account):
    async with bench.desk.engine.connect() as conn:
        return (await ledger.balance(conn, account)).available


async def entered(bench, case):
    rows = await bench.admin.fetch(
        "SELECT act FROM acts WHERE case_id = $1 ORDER BY sequence", case
    )
    return [row["act"] for row in rows][2:]


async def notices(bench, case):
    rows = await bench.admin.fetch(
        "SELECT kind, account_id FROM notices WHERE case_id = $1 AND kind LIKE 'payout%'", case
    )
    operators = {bench.there.operator.account_id, bench.there.second_operator.account_id}
    assert {row["account_id"] for row in rows} <= operators
    return sorted({row["kind"] for row in rows})


# The straight way.


async def test_a_payment_that_is_made_closes_the_case(bench):
    case, payout, reference = await bench.planned()
    await drive(bench, payout)
    assert await bench.state(payout) == "submitted"
    await hear(bench)
    assert await bench.state(payout) == "paid"
    assert await entered(bench, case) == ["record_payment", "complete"]
    (payment,) = await bench.books(reference)
    assert (payment["amount_minor"], payment["times_paid"]) == (12_900, 1)


async def test_key_and_reference_follow_from_the_obligation(bench):
    _, payout, reference = await bench.planned()
    obligation = await bench.admin.fetchval(
        "SELECT obligation_id FROM payouts WHERE id = $1", payout
    )
    assert payout == ids.derive(obligation, "payout")
    assert reference == f"CP{payout.hex}"
    assert len(reference) <= 35


async def test_two_workers_at_once_pay_once(bench):
    _, payout, reference = await bench.planned()

    async def work():
        while await payouts.step(bench.desk, bench.rail.rail, payout):
            pass

    await asyncio.gather(work(), work(), work())
    await hear(bench)
    assert await bench.state(payout) == "paid"
    (payment,) = await bench.books(reference)
    assert payment["times_paid"] == 1


async def test_the_same_webhook_many_times_at_once_counts_once(bench):
    case, payout, _ = await bench.planned()
    await drive(bench, payout)
    (telling,) = await bench.tellings()
    event = read_event(payday.NAME, payday.SECRET, telling["body"].encode(), telling["signature"])
    await asyncio.gather(*(payouts.told(bench.desk, event) for _ in range(4)))
    assert await entered(bench, case) == ["record_payment", "complete"]


async def test_what_is_payable_no_more_is_not_sent(bench):
    case, payout, reference = await bench.planned()
    source = Account(Kind.PAYABLE, case, "EUR")
    platform = Account(Kind.PLATFORM, HOUSE, "EUR")
    async with bench.desk.engine.begin() as conn:
        taken = ledger.single(case, "taken", source, platform, Money(1, "EUR"), cause=case)
        await ledger.book(conn, [taken])
    with pytest.raises(Unfunded):
        await drive(bench, payout)
    assert await bench.state(payout) == "planned"
    assert await bench.books(reference) == []


async def test_a_payout_goes_to_its_own_rail_only(bench):
    _, payout, _ = await bench.planned()
    with pytest.raises(ValueError, match="for the rail fake"):
        await payouts.step(bench.desk, ManualRail(), payout)
    with pytest.raises(NotFound):
        await payouts.step(bench.desk, bench.rail, HOUSE)


# A rail that fails.


async def test_a_rail_that_hangs_is_unknown_and_is_asked_again(engine, admin, tmp_path):
    async with payday.bench(engine, admin, tmp_path, patience=0.3) as bench:
        for how in ("hang_before", "hang_after"):
            _, payout, reference = await bench.planned()
            await bench.script("pay", [how], reference)
            with pytest.raises(Unanswered):
                await drive(bench, payout)
            assert await bench.state(payout) == "submitting"
            await drive(bench, payout)
            await hear(bench)
            assert await bench.state(payout) == "paid"
            (payment,) = await bench.books(reference)
            assert payment["times_paid"] == 1


async def test_a_rail_that_is_not_there_is_unknown(bench):
    _, payout, _ = await bench.planned()
    async with httpx.AsyncClient(base_url="http://127.0.0.1:1/", trust_env=False) as client:
        with pytest.raises(Unanswered):
            while await payouts.step(bench.desk, HttpRail(client, payday.NAME), payout):
                pass
    assert await bench.state(payout) == "submitting"


async def test_a_payment_of_another_amount_is_not_taken_for_ours(bench):
    case, payout, reference = await bench.planned()
    await bench.script("pay", ["short"], reference)
    await drive(bench, payout)
    await hear(bench)
    for _ in range(2):
        await reconciliation.run(bench.desk, bench.rail, after=NOW)
    assert await bench.state(payout) == "submitting"
    assert await notices(bench, case) == ["payout_contradicted"]
    assert (await entered(bench, case)).count("raise_payout_alarm") == 3  # each thing it said


async def test_a_rejected_payment_stays_due_until_it_is_planned_again(bench):
    case, payout, reference = await bench.planned()
    await bench.script("pay", ["reject"], reference)
    await drive(bench, payout)
    assert await bench.state(payout) == "rejected"
    assert await notices(bench, case) == ["payout_rejected"]
    assert await available(bench, Account(Kind.PAYABLE, case, "EUR")) == 12_900
    operator = bench.there.operator
    again = await act(bench, operator, payouts.plan_again, payout)
    with pytest.raises(Unmet):
        await act(bench, operator, payouts.plan_again, payout)
    with pytest.raises(Unmet):
        await act(bench, operator, payouts.plan_again, again)
    await drive(bench, again)
    await hear(bench)
    assert (await bench.state(payout), await bench.state(again)) == ("rejected", "paid")
    assert await entered(bench, case) == ["raise_payout_alarm", "record_payment", "complete"]
    clocks = await bench.admin.fetch(
        "SELECT state FROM clocks WHERE case_id = $1 AND clock = 'payout'", case
    )
    assert {row["state"] for row in clocks} == {"running", "stopped"}


async def test_a_returned_payment_is_due_again_though_the_case_is_closed(bench):
    case, payout, reference = await bench.planned()
    await bench.script("pay", ["return"], reference)
    await drive(bench, payout)
    await hear(bench)
    await bench.advance(payday.NINE_DAYS)
    await hear(bench)
    assert await bench.state(payout) == "returned"
    assert await notices(bench, case) == ["payout_returned"]
    again = await act(bench, bench.there.operator, payouts.plan_again, payout)
    await drive(bench, again)
    await hear(bench)
    assert await bench.state(again) == "paid"
    assert await entered(bench, case) == [
        "record_payment",
        "complete",
        "raise_payout_alarm",
        "record_payment",
    ]
    assert await available(bench, Account(Kind.PAYABLE, case, "EUR")) == 0


async def test_what_was_rejected_and_paid_all_the_same_is_not_paid_again(bench):
    case, payout, reference = await bench.planned()
    await bench.script("pay", ["reject_then_pay"], reference)
    await drive(bench, payout)
    assert await bench.state(payout) == "rejected"
    again = await act(bench, bench.there.operator, payouts.plan_again, payout)
    await drive(bench, again)
    assert (await bench.state(payout), await bench.state(again)) == ("paid", "rejected")
    assert (await entered(bench, case))[-2:] == ["record_payment", "complete"]
    assert await bench.books(f"CP{again.hex}") == []


async def test_what_a_rail_paid_twice_is_booked_to_suspense(bench):
    case, payout, reference = await bench.planned()
    await bench.script("pay", ["reject"], reference)
    await drive(bench, payout)
    again = await act(bench, bench.there.operator, payouts.plan_again, payout)
    await drive(bench, again)
    await hear(bench)
    said = Report(
        rail_id="rp_x", reference=reference, amount=Money(12_900, "EUR"), standing=Standing.PAID
    )
    await payouts.told(bench.desk, Event(payday.NAME, "ev_x", said))
    assert await notices(bench, case) == ["payout_paid_twice", "payout_rejected"]
    async with bench.desk.engine.connect() as conn:
        suspense = await ledger.balance(conn, Account(Kind.SUSPENSE, HOUSE, "EUR"))
    assert suspense.debits_posted == 12_900


# A second person.


@pytest.fixture
async def strict(engine, admin, tmp_path):
    async with payday.bench(engine, admin, tmp_path, approvals={"EUR": 20_000}) as made:
        yield made
        await payday.audit(made)


async def test_above_the_limit_a_second_person_approves_and_splitting_does_not_help(strict):
    case, first, _ = await strict.planned()
    await drive(strict, first)
    assert await strict.state(first) == "submitted"
    case, second, reference = await strict.planned()
    await drive(strict, second)
    assert await strict.state(second) == "awaiting_approval"
    assert await notices(strict, case) == ["payout_awaits_approval"]
    await drive(strict, second)
    assert await strict.books(reference) == []
    there = strict.there
    for viewer in (there.buyer, there.seller, there.marketplace, there.stranger):
        with pytest.raises(NotFound):
            await act(strict, viewer, payouts.approve, second)
    await act(strict, there.operator, payouts.approve, second)
    with pytest.raises(Unmet):
        await act(strict, there.operator, payouts.approve, second)
    queued = await strict.admin.fetchval(
        "SELECT count(*) FROM outbox WHERE subject_id = $1 AND kind = 'payout'", second
    )
    assert queued == 2
    await drive(strict, second)
    await hear(strict)
    assert await strict.state(second) == "paid"


async def test_a_currency_without_a_limit_always_needs_a_second_person(engine, admin, tmp_path):
    async with payday.bench(engine, admin, tmp_path, approvals={"USD": 1_000_000}) as bench:
        _, payout, _ = await bench.planned()
        await drive(bench, payout)
        assert await bench.state(payout) == "awaiting_approval"


async def test_whoever_planned_a_payout_again_does_not_approve_it(engine, admin, tmp_path):
    async with payday.bench(engine, admin, tmp_path, approvals={}) as bench:
        _, payout, reference = await bench.planned()
        await drive(bench, payout)
        one, other = bench.there.operator, bench.there.second_operator
        await act(bench, one, payouts.approve, payout)
        await bench.script("pay", ["reject"], reference)
        await drive(bench, payout)
        again = await act(bench, one, payouts.plan_again, payout)
        await drive(bench, again)
        with pytest.raises(Unmet) as refused:
            await act(bench, one, payouts.approve, again)
        assert refused.value.fact == "second_person"
        await act(bench, other, payouts.approve, again)
        await drive(bench, again)
        await hear(bench)
        assert await bench.state(again) == "paid"


# By hand.


@pytest.fixture
async def by_hand(engine, admin, tmp_path):
    async with payday.bench(engine, admin, tmp_path) as made:
        desk = world.office(engine, tmp_path / "by_hand", approvals={"EUR": 20_000})
        made.desk = desk
        yield made
        await payday.audit(made)


async def confirm(bench, viewer, payout, standing=Standing.PAID, reference="BANK-1"):
    await act(bench, viewer, payouts.confirm, payout, standing, bank_reference=reference)


async def test_a_payment_by_hand_is_confirmed_by_the_administrator(by_hand):
    case, payout, _ = await by_hand.planned()
    await drive(by_hand, payout)
    assert await by_hand.state(payout) == "submitted"
    assert await notices(by_hand, case) == ["payout_to_make"]
    for viewer in (by_hand.there.buyer, by_hand.there.seller, by_hand.there.stranger):
        with pytest.raises(NotFound):
            await confirm(by_hand, viewer, payout)
    operator = by_hand.there.operator
    with pytest.raises(Unmet):
        await confirm(by_hand, operator, payout, Standing.RETURNED)
    with pytest.raises(Invalid):
        await confirm(by_hand, operator, payout, Standing.ACCEPTED)
    for malformed in ("", "x" * 101, "a\nb"):
        with pytest.raises(Invalid):
            await confirm(by_hand, operator, payout, reference=malformed)
    await confirm(by_hand, operator, payout)
    with pytest.raises(Unmet):
        await confirm(by_hand, operator, payout)
    assert await entered(by_hand, case) == ["record_payment", "complete"]
    await confirm(by_hand, operator, payout, Standing.RETURNED)
    assert await by_hand.state(payout) == "returned"
    assert await available(by_hand, Account(Kind.PAYABLE, case, "EUR")) == 12_900


async def test_nobody_approves_and_pays_alone(by_hand):
    for _ in range(2):
        _, payout, _ = await by_hand.planned()
        await drive(by_hand, payout)
    one, other = by_hand.there.operator, by_hand.there.second_operator
    await act(by_hand, one, payouts.approve, payout)
    await drive(by_hand, payout)
    with pytest.raises(Unmet) as refused:
        await confirm(by_hand, one, payout)
    assert refused.value.fact == "second_person"
    await confirm(by_hand, other, payout)
    assert await by_hand.state(payout) == "paid"


async def test_what_a_rail_pays_is_not_confirmed_by_hand(bench):
    _, payout, _ = await bench.planned()
    await drive(bench, payout)
    with pytest.raises(Invalid):
        await confirm(bench, bench.there.operator, payout)


# What nobody told.


async def test_reconciliation_hears_what_no_webhook_told_and_takes_up_what_was_left(bench):
    case, payout, reference = await bench.planned()
    await bench.script("pay", ["return"], reference)
    await bench.script("webhooks", ["never"], reference)
    await bench.admin.execute("UPDATE outbox SET state = 'dead' WHERE subject_id = $1", payout)
    assert await reconciliation.run(bench.desk, bench.rail, after=NOW) == 0
    queued = await bench.admin.fetchval(
        "SELECT count(*) FROM outbox WHERE subject_id = $1 AND state = 'due'", payout
    )
    assert queued == 1
    await drive(bench, payout)
    assert await reconciliation.run(bench.desk, bench.rail) == 0  # it is too soon to ask
    assert await reconciliation.run(bench.desk, bench.rail, after=NOW) == 1
    assert await bench.state(payout) == "paid"
    await bench.advance(payday.NINE_DAYS)
    assert await reconciliation.run(bench.desk, bench.rail, after=NOW) == 0  # not every minute
    assert await reconciliation.run(bench.desk, bench.rail, again=NOW) == 1
    assert await bench.state(payout) == "returned"
    assert await reconciliation.run(bench.desk, bench.rail, after=NOW, again=NOW) == 0
    assert "raise_payout_alarm" in await entered(bench, case)


async def test_reconciliation_sends_what_was_being_sent(bench):
    _, payout, reference = await bench.planned()
    await bench.script("pay", ["cut_before"], reference)
    with suppress(Unanswered):
        await drive(bench, payout)
    assert await reconciliation.run(bench.desk, bench.rail, after=NOW) == 1
    await hear(bench)
    assert await bench.state(payout) == "paid"


async def test_an_event_about_an_unknown_payment_is_kept_and_looked_at_later(bench):
    _, payout, reference = await bench.planned()
    await bench.script("webhooks", ["once"], reference)
    said = Report(
        rail_id="rp_9", reference="CP-of-nobody", amount=Money(5, "EUR"), standing=Standing.PAID
    )
    for _ in range(2):
        await payouts.told(bench.desk, Event(payday.NAME, "ev_9", said))
    kept = "SELECT payout_id FROM rail_events WHERE event_id = 'ev_9'"
    assert [row["payout_id"] for row in await bench.admin.fetch(kept)] == [None]
    assert await reconciliation.run(bench.desk, bench.rail) == 0
    await drive(bench, payout)
    await bench.admin.execute(
        "UPDATE rail_events SET reference = $1 WHERE event_id = 'ev_9'", reference
    )
    assert await reconciliation.run(bench.desk, bench.rail) == 1
    assert [row["payout_id"] for row in await bench.admin.fetch(kept)] == [payout]
    assert await bench.state(payout) == "paid"


# Killed.


@pytest.mark.parametrize(
    "boundary",
    ["hold: before commit", "intent: committed", "rail: asked to pay", "told: before commit"],
)
async def test_a_killed_process_pays_neither_twice_nor_not_at_all(
    bench, database, tmp_path, boundary
):
    _, payout, reference = await bench.planned()
    rail_url = str(bench.client.base_url)
    arguments = (database.url, rail_url, str(payout), boundary, str(tmp_path / "killed"))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.odr.payer", *arguments, cwd=TOP, env=os.environ
    )
    assert await process.wait() == -signal.SIGKILL
    await drive(bench, payout)
    await hear(bench)
    assert await bench.state(payout) == "paid"
    (payment,) = await bench.books(reference)
    assert payment["times_paid"] == 1
    async with bench.desk.engine.connect() as conn:
        held = text("SELECT count(*) FROM ledger.holds WHERE code = 'payout_sent'")
        assert (await conn.execute(held)).scalar_one() == 0

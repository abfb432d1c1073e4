"""What a closed case holds is kept as long as its rulebook says, and no longer."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text

from evidence.errors import Retained
from odr import audit, cases, claims, erasures, exhibits, retention, rulebook
from odr.errors import Gone
from odr.models.keeping import Erasure, Retention
from odr.models.states import ErasureState, RetentionClass
from odr.outbox import Outbox
from tests.odr.test_erasures import ask, drain, given, hold, lift
from tests.odr.test_erasures import bench as bench  # noqa: PLC0414 -- a fixture of theirs
from tests.odr.test_examinations import scene

PUT = {
    "insurance_claims": "INSERT INTO insurance_claims (id, case_id) VALUES ($1, $1)",
    "payouts": "INSERT INTO payouts (id, case_id) VALUES ($1, $1)",
}
RULES = next(iter(rulebook.load_all())).retention


async def close(bench: Any, case: UUID) -> None:
    """The claim is withdrawn, and the worker has heard of it."""
    await bench.act(bench.people.buyer, claims.withdraw, case)
    do = {cases.CLOSED: lambda row: retention.settle(bench.desk, row)}
    while await Outbox(engine=bench.desk.engine, functions=do, report=str).run():
        pass


async def closed(bench: Any) -> tuple[UUID, UUID]:
    case = await bench.file()
    exhibit = await given(bench, case)
    await close(bench, case)
    return case, exhibit


async def of(bench: Any, case: UUID):
    columns = Retention.__table__.c
    return await bench.one(select(*columns).where(columns.case_id == case))


async def let_pass(bench: Any) -> None:
    """The time of retention passes."""
    async with bench.desk.engine.begin() as conn:
        await conn.execute(text("UPDATE retentions SET due = service_now() - interval '1 second'"))


async def clear(bench: Any) -> None:
    for _ in range(10):
        if not await retention.expire(bench.desk):
            break
        await drain(bench)
    else:
        raise AssertionError("it never rests")


async def is_there(bench: Any, exhibit: UUID) -> bool:
    try:
        await bench.act(bench.people.seller, exhibits.opened, exhibit)
    except Gone:
        return False
    return True


@pytest.mark.parametrize(
    ("day", "years", "due"),
    [
        (datetime(2026, 11, 23, 1, 2, tzinfo=UTC), 3, datetime(2029, 11, 23, 1, 2, tzinfo=UTC)),
        (datetime(2028, 2, 29, tzinfo=UTC), 3, datetime(2031, 3, 1, tzinfo=UTC)),
        (datetime(2028, 2, 29, tzinfo=UTC), 4, datetime(2032, 2, 29, tzinfo=UTC)),
    ],
)
def test_years_are_counted_from_the_closing(day, years, due):
    assert retention.until(day, years) == due


async def test_a_closed_case_is_kept_as_long_as_its_class_and_so_are_its_files(bench):
    case, _ = await closed(bench)
    found = await of(bench, case)
    shut = (await bench.one(text("SELECT closed_at FROM cases"))).closed_at
    assert (found.kind, found.due) == (RetentionClass.UNPAID, retention.until(shut, RULES.unpaid))
    async with bench.desk.engine.connect() as conn:
        rows = await conn.execute(text("SELECT retained_until FROM vault_blobs"))
        assert {each for (each,) in rows} == {found.due}
        blobs = await bench.desk.vault.unretained_blobs(conn)
    for blob in blobs:
        await bench.desk.vault.retain(blob)
        with pytest.raises(Retained):
            await bench.desk.vault.store.delete(
                blob.store_key, blob.store_version, now=found.due - timedelta(seconds=1)
            )
    await retention.settle(bench.desk, case)  # once more changes nothing
    assert await of(bench, case) == found


async def test_an_open_case_has_no_end_of_retention(bench):
    case = await bench.file()
    exhibit = await given(bench, case)
    await retention.settle(bench.desk, case)
    async with bench.desk.engine.connect() as conn:
        assert (await conn.execute(text("SELECT count(*) FROM retentions"))).scalar_one() == 0
    await clear(bench)
    assert await is_there(bench, exhibit)


@pytest.mark.parametrize(("table", "kind"), [("insurance_claims", "insured"), ("payouts", "paid")])
async def test_the_class_follows_from_how_it_ended(bench, table, kind, intruding):
    case = await bench.file()
    await bench.act(bench.people.buyer, claims.withdraw, case)
    await intruding(table, case)
    await retention.settle(bench.desk, case)
    found = await of(bench, case)
    shut = (await bench.one(text("SELECT closed_at FROM cases"))).closed_at
    assert found.kind == kind
    assert found.due == retention.until(shut, getattr(RULES, kind))


@pytest.fixture
async def intruding(admin):
    """Rows of money, without the money."""

    async def put(table: str, case: UUID) -> None:
        required = await admin.fetch(
            "SELECT column_name FROM information_schema.columns WHERE table_name = $1"
            " AND is_nullable = 'NO' AND column_name NOT IN ('id', 'case_id')",
            table,
        )
        await admin.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
        for (name,) in required:
            await admin.execute(f'ALTER TABLE {table} ALTER "{name}" DROP NOT NULL')
        await admin.execute(PUT[table], case)

    return put


async def test_what_is_over_its_retention_is_erased_by_the_service(bench):
    case, exhibit = await closed(bench)
    other_case, other = await closed(bench)
    await clear(bench)
    assert await is_there(bench, exhibit)
    async with bench.desk.engine.begin() as conn:
        await conn.execute(
            text("UPDATE retentions SET due = service_now() WHERE case_id = :case"), {"case": case}
        )
    await clear(bench)
    assert not await is_there(bench, exhibit)
    assert await is_there(bench, other)
    assert (await of(bench, case)).done_at is not None
    assert (await of(bench, other_case)).done_at is None
    columns = Erasure.__table__.c
    found = await bench.one(select(*columns))
    assert (found.ground, found.state, found.asked_by, found.decided_by) == (
        "retention_over", ErasureState.DONE, None, None,
    )  # fmt: skip
    report = await audit.audit(bench.desk)
    assert report.findings == []
    assert any("retention_over" in each and "by the service" in each for each in report.unchecked)


async def test_a_hold_keeps_what_is_over_its_retention_until_it_is_lifted(bench):
    case, exhibit = await closed(bench)
    held = await hold(bench, case)
    await let_pass(bench)
    await clear(bench)
    assert await is_there(bench, exhibit)
    await lift(bench, held)
    await clear(bench)
    assert not await is_there(bench, exhibit)


async def test_many_exhibits_go_some_at_a_time_and_a_crash_loses_none(bench):
    case = await bench.file()
    given_ = [await bench.give(case, scene(seed)) for seed in range(4)]
    await close(bench, case)
    await let_pass(bench)
    async with bench.desk.work(bench.people.operator, case) as work:
        await erasures.ask(work, given_[0], erasures.Ground.NOT_NECESSARY, "asked for")
    assert await retention.expire(bench.desk)
    assert not await retention.expire(bench.desk)  # what is under way is waited for
    assert (await of(bench, case)).done_at is None
    await clear(bench)
    await drain(bench)
    await clear(bench)
    assert not any([await is_there(bench, each) for each in given_])
    assert (await of(bench, case)).done_at is not None


async def test_what_was_erased_before_is_not_erased_again(bench):
    case, exhibit = await closed(bench)
    erasure = await ask(bench, exhibit, erasures.Ground.NOT_NECESSARY)
    await bench.act(bench.people.second_operator, erasures.approve, erasure)
    await drain(bench)
    await let_pass(bench)
    await clear(bench)
    async with bench.desk.engine.connect() as conn:
        assert (await conn.execute(text("SELECT count(*) FROM erasures"))).scalar_one() == 1
    assert (await of(bench, case)).done_at is not None

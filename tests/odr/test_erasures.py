"""Exhibits are erased after a second person agreed, and not while a case is held."""

import asyncio
import io
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from PIL import Image
from sqlalchemy import MetaData, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from evidence import likeness
from evidence.errors import Retained
from evidence.tombstone import Ground
from odr import audit, bundles, erasures, examinations, exhibits, holds, ids
from odr.errors import Gone, Invalid, NotFound, Unmet
from odr.models.keeping import Erasure, LegalHold, Tombstone
from odr.models.states import ErasureState
from odr.outbox import Outbox
from odr.policy import SERVICE
from odr.vouchers import Voucher
from odr.words import ExhibitKind
from tests.odr import world as worlds
from tests.odr.test_examinations import Bench, scene

CANARY = "kanarienvogel7391"
REASON = "the court of Berlin says so"


@pytest.fixture
async def bench(engine, tmp_path):
    return Bench(worlds.office(engine, tmp_path), await worlds.make(engine))


def photo() -> bytes:
    """A picture that says the canary's name, in its bytes and in what is found in it."""
    image = Image.open(io.BytesIO(scene(7)))
    exif = Image.Exif()
    exif[0x0131] = exif[0x010F] = CANARY
    file = io.BytesIO()
    image.save(file, "JPEG", exif=exif, comment=CANARY.encode())
    return file.getvalue()


async def given(bench: Bench, case: UUID, **named: Any) -> UUID:
    exhibit = await bench.give(
        case,
        photo(),
        kind=named.pop("kind", ExhibitKind.PROOF_OF_DELIVERY),
        description=CANARY,
        voucher=Voucher(recipient=CANARY),
        **named,
    )
    await examinations.examine(bench.desk, exhibit)
    return exhibit


async def ask(bench: Bench, exhibit: UUID, ground=Ground.COURT_ORDER, **named: Any) -> UUID:
    people = bench.people
    return await bench.act(
        named.pop("by", people.operator), erasures.ask, exhibit, ground, REASON, **named
    )


async def approve(bench: Bench, erasure: UUID, by=None) -> None:
    await bench.act(by or bench.people.second_operator, erasures.approve, erasure)


async def erase(bench: Bench, exhibit: UUID, **named: Any) -> UUID:
    erasure = await ask(bench, exhibit, **named)
    await approve(bench, erasure)
    await drain(bench)
    return erasure


async def drain(bench: Bench) -> None:
    """The worker's part."""
    do = {erasures.OUTBOX: lambda row: erasures.destroy(bench.desk, row)}
    do[holds.OUTBOX] = lambda row: holds.tell(bench.desk, row)
    while await Outbox(engine=bench.desk.engine, functions=do, report=str).run():
        pass


async def hold(bench: Bench, case: UUID, by=None, **named: Any) -> UUID:
    return await bench.act(by or bench.people.operator, holds.place, case, REASON, **named)


async def lift(bench: Bench, hold_id: UUID, by=None) -> None:
    await bench.act(by or bench.people.operator, holds.lift, hold_id, REASON)


async def row(bench: Bench, model, row_id: UUID):
    columns = model.__table__.c
    return await bench.one(select(*columns).where(columns.id == row_id))


async def found(engine: AsyncEngine) -> dict[str, int]:
    """In how many rows of which tables the canary is, in any column."""
    tables = MetaData()
    async with engine.connect() as conn:
        for schema in ("public", "ledger"):
            await conn.run_sync(lambda sync, name=schema: tables.reflect(sync, schema=name))
        counted = {
            str(table): sum(
                CANARY in str(each) for each in (await conn.execute(select(table))).all()
            )
            for table in tables.sorted_tables
        }
    return {table: count for table, count in counted.items() if count}


async def audited(bench: Bench):
    report = await audit.audit(bench.desk)
    assert report.findings == []
    return report


async def test_nothing_shows_what_was_erased_and_all_else_still_verifies(bench, engine):
    case = await bench.file()
    exhibit = await given(bench, case)
    other = await bench.give(case, scene(8))
    assert await found(engine)
    erasure = await erase(bench, exhibit)
    assert await found(engine) == {}
    done = await row(bench, Erasure, erasure)
    assert (done.state, done.ground) == (ErasureState.DONE, Ground.COURT_ORDER)
    for viewer in (bench.people.buyer, bench.people.seller, bench.people.operator):
        with pytest.raises(Gone) as gone:
            await bench.act(viewer, exhibits.opened, exhibit)
        assert (gone.value.ground, gone.value.at) == (Ground.COURT_ORDER, done.decided_at)
        for copy in ("thumbnail", "screen"):
            with pytest.raises(Gone):
                await bench.act(viewer, exhibits.opened, exhibit, copy)
        assert (await bench.act(viewer, exhibits.opened, other)).wrapped_key is not None
    async with engine.connect() as conn:
        keys = "SELECT count(wrapped_key) FROM vault_blobs b JOIN exhibits e ON b.id = e.blob_id"
        assert (await conn.execute(text(f"{keys} WHERE e.id = :id"), {"id": exhibit})).scalar() == 0
        assert (await conn.execute(text("SELECT count(*) FROM vault_likenesses"))).scalar() == 0
    report = await audited(bench)
    said = f"erased on {done.decided_at:%Y-%m-%d} on the ground court_order"
    assert len([each for each in report.unchecked if said in each]) >= 2


async def test_neither_bundle_nor_spool_nor_log_nor_store_gives_what_was_erased(
    bench, tmp_path, caplog
):
    case = await bench.file()
    exhibit = await given(bench, case)
    number = (await bench.one(text("SELECT number FROM cases"))).number
    await erase(bench, exhibit)
    for viewer in (bench.people.buyer, bench.people.operator):
        path = await bundles.export(bench.desk, viewer, number)
        assert CANARY.encode() not in path.read_bytes()
        assert b"court_order" in path.read_bytes()
        path.unlink()
    for file in await asyncio.to_thread(lambda: [p for p in tmp_path.rglob("*") if p.is_file()]):
        assert CANARY.encode() not in file.read_bytes()
    assert CANARY not in caplog.text


async def told(bench: Bench) -> list[tuple[str, str]]:
    """Who was told of what of it, in order; each has a letter to come."""
    sql = text(
        "SELECT n.kind, a.email FROM notices n JOIN accounts a ON a.id = n.account_id"
        " JOIN outbox o ON o.subject_id = n.id AND o.kind = 'notice'"
        " WHERE n.kind LIKE '%erased' OR n.kind LIKE 'legal%' ORDER BY n.created, n.kind, a.email"
    )
    async with bench.desk.engine.connect() as conn:
        return [
            (row.kind, row.email.split("@")[0].split("-")[0]) for row in await conn.execute(sql)
        ]


async def test_both_parties_are_told_of_erasures_and_holds_and_of_nothing_in_them(bench):
    case = await bench.file()
    first, second = await given(bench, case), await bench.give(case, scene(9))
    held = await hold(bench, case)
    await lift(bench, held)
    asked_for = [await ask(bench, first), await ask(bench, second)]
    both = ["legal_hold_placed", "legal_hold_lifted"]
    assert [kind for kind, _ in await told(bench)] == [kind for kind in both for _ in range(2)]
    for erasure in asked_for:
        await approve(bench, erasure)
    kinds = [kind for kind, _ in await told(bench)]
    assert kinds == [kind for kind in (*both, "exhibit_erased") for _ in range(2)]
    assert len({person for _, person in await told(bench)}) == 2
    facts = await bench.one(text("SELECT string_agg(facts::text, '') AS all FROM notices"))
    assert CANARY not in facts.all
    assert REASON not in facts.all


async def test_from_the_approval_on_no_bundle_gives_what_is_to_be_erased(bench):
    case = await bench.file()
    exhibit = await given(bench, case)
    number = (await bench.one(text("SELECT number FROM cases"))).number
    erasure = await ask(bench, exhibit)
    for approved in (False, True):
        for viewer in (bench.people.buyer, bench.people.operator):
            path = await bundles.export(bench.desk, viewer, number)
            assert (CANARY.encode() in path.read_bytes()) is not approved
            path.unlink()
        if not approved:
            await approve(bench, erasure)


async def test_the_file_alone_may_be_erased_and_later_its_words(bench, engine):
    case = await bench.file()
    exhibit = await given(bench, case)
    await erase(bench, exhibit, words=False)
    shown = await bench.one(text("SELECT title, description FROM exhibits"))
    assert tuple(shown) == ("An exhibit", CANARY)
    assert (await bench.findings(exhibit)) == {} or all(
        each.grounds == [] for each in (await bench.findings(exhibit)).values()
    )
    await audited(bench)
    with pytest.raises(Unmet, match="not_erased_yet"):
        await ask(bench, exhibit, words=False)
    await erase(bench, exhibit)
    assert await found(engine) == {}
    await audited(bench)
    with pytest.raises(Unmet, match="not_erased_yet"):
        await ask(bench, exhibit)


async def test_a_second_person_agrees_or_nothing_happens(bench, engine):
    case = await bench.file()
    exhibit = await given(bench, case)
    erasure = await ask(bench, exhibit)
    with pytest.raises(Unmet, match="second_person"):
        await approve(bench, erasure, by=bench.people.operator)
    await drain(bench)
    assert (await bench.act(bench.people.buyer, exhibits.opened, exhibit)).wrapped_key
    with pytest.raises(Unmet, match="not_erased_yet"):
        await ask(bench, exhibit)
    await bench.act(bench.people.operator, erasures.decline, erasure)
    with pytest.raises(Unmet, match="erasure_asked"):
        await approve(bench, erasure)
    await erasures.destroy(bench.desk, erasure)
    assert await found(engine)
    await erase(bench, exhibit)
    for again in (
        approve,
        lambda *given: bench.act(given[0].people.operator, erasures.decline, given[1]),
    ):
        with pytest.raises(Unmet):
            await again(bench, erasure)


async def test_whoever_is_not_the_operator_erases_and_holds_nothing(bench):
    case = await bench.file()
    exhibit = await given(bench, case)
    people = bench.people
    erasure, held = await ask(bench, exhibit), None
    for viewer in (people.buyer, people.seller, people.marketplace, people.stranger):
        with pytest.raises(NotFound):
            await ask(bench, exhibit, by=viewer)
        with pytest.raises(NotFound):
            await approve(bench, erasure, by=viewer)
        with pytest.raises(NotFound):
            await bench.act(viewer, erasures.decline, erasure)
        with pytest.raises(NotFound):
            await hold(bench, case, by=viewer)
    held = await hold(bench, case)
    for viewer in (people.buyer, people.seller, people.marketplace, people.stranger):
        with pytest.raises(NotFound):
            await lift(bench, held, by=viewer)


async def test_what_there_is_not_is_not_found(bench):
    case = await bench.file()
    for do in (
        lambda: ask(bench, ids.child(case)),
        lambda: approve(bench, ids.child(case)),
        lambda: hold(bench, ids.child(case)),
        lambda: lift(bench, ids.child(case)),
        lambda: erasures.destroy(bench.desk, ids.child(case)),
    ):
        with pytest.raises(NotFound):
            await do()


@pytest.mark.parametrize("ground", Ground)
async def test_in_an_open_case_only_what_leaves_no_choice_is_a_ground(bench, ground):
    case = await bench.file()
    exhibit = await given(bench, case)
    if ground in erasures.IN_OPEN_CASES:
        assert await ask(bench, exhibit, ground)
    elif ground is Ground.RETENTION_OVER:
        with pytest.raises(Invalid):
            await ask(bench, exhibit, ground)
    else:
        with pytest.raises(Unmet, match="case_closed"):
            await ask(bench, exhibit, ground)


async def test_without_a_reason_nothing_is_asked_for(bench):
    case = await bench.file()
    exhibit = await given(bench, case)
    for reason in ("", "  ", "x" * 2001):
        with pytest.raises(Invalid):
            await bench.act(
                bench.people.operator, erasures.ask, exhibit, Ground.COURT_ORDER, reason
            )
        with pytest.raises(Invalid):
            await bench.act(bench.people.operator, holds.place, case, reason)


async def test_what_was_given_in_mediation_and_released_is_erased_in_both_streams(bench, engine):
    case = await bench.file()
    await bench.mediate(case)
    exhibit = await given(bench, case)
    async with engine.connect() as conn:
        before = await conn.execute(text("SELECT record_stream, mediation_stream FROM cases"))
        record, mediation = before.one()
    await bench.act(bench.people.buyer, exhibits.release_exhibit, exhibit)
    erasure = await erase(bench, exhibit)
    columns = Tombstone.__table__.c
    async with engine.connect() as conn:
        rows = await conn.execute(select(columns.stream_id).where(columns.erasure_id == erasure))
        assert set(rows.scalars()) == {record, mediation}
    assert await found(engine) == {}
    await audited(bench)


async def test_what_stays_behind_the_wall_has_no_tombstone_in_the_record(bench, engine):
    case = await bench.file()
    await bench.mediate(case)
    exhibit = await given(bench, case)
    size = "SELECT s.size FROM vault_streams s JOIN cases c ON s.id = c.record_stream"
    before = (await bench.one(text(size))).size
    await erase(bench, exhibit)
    assert (await bench.one(text(size))).size == before
    assert await found(engine) == {}
    await audited(bench)


async def test_a_crash_after_the_approval_is_made_good_by_the_worker(bench, engine):
    case = await bench.file()
    exhibit = await given(bench, case)
    erasure = await ask(bench, exhibit)
    await approve(bench, erasure)
    with pytest.raises(Gone):
        await bench.act(bench.people.seller, exhibits.opened, exhibit)
    report = await audited(bench)
    assert any("is to be erased, and still there" in each for each in report.unchecked)
    await drain(bench)
    for _ in range(2):
        await erasures.destroy(bench.desk, erasure)
    assert (await row(bench, Erasure, erasure)).state is ErasureState.DONE
    assert await found(engine) == {}


async def test_a_crash_during_the_approval_leaves_everything_as_it_was(bench, engine):
    case = await bench.file()
    exhibit = await given(bench, case)
    erasure = await ask(bench, exhibit)
    with pytest.raises(ZeroDivisionError):
        async with bench.desk.work(bench.people.second_operator, erasure) as work:
            await erasures.approve(work, erasure)
            1 / 0  # noqa: B018 -- what goes wrong
    await drain(bench)
    assert (await row(bench, Erasure, erasure)).state is ErasureState.ASKED
    assert (await bench.act(bench.people.seller, exhibits.opened, exhibit)).wrapped_key
    assert await found(engine)
    await audited(bench)


async def test_an_examination_under_way_says_nothing_after_the_erasure(bench, engine):
    case = await bench.file()
    exhibit = await bench.give(
        case, photo(), kind=ExhibitKind.PROOF_OF_DELIVERY, voucher=Voucher(recipient=CANARY)
    )
    await erase(bench, exhibit)
    await examinations.examine(bench.desk, exhibit)
    assert await bench.findings(exhibit) == {}
    assert await found(engine) == {}
    async with engine.connect() as conn:
        assert await likeness.near(conn, 0) == []


async def test_grounds_of_findings_stay_as_long_as_their_file(bench, engine):
    case = await bench.file()
    exhibit = await given(bench, case)
    assert await bench.findings(exhibit)
    with pytest.raises(DBAPIError, match="findings only grow"):
        async with engine.begin() as conn:
            await conn.execute(text("UPDATE exhibit_findings SET grounds = '[]'"))


# Legal holds.


async def test_a_hold_stops_asking_approving_and_the_clearing_of_what_is_old(bench):
    case = await bench.file()
    exhibit = await given(bench, case)
    erasure = await ask(bench, exhibit)
    first, second = await hold(bench, case), await hold(bench, case)
    other = await bench.give(case, scene(9))
    for _ in range(2):
        with pytest.raises(Unmet, match="no_legal_hold"):
            await approve(bench, erasure)
        with pytest.raises(Unmet, match="no_legal_hold"):
            await ask(bench, other)
        with pytest.raises(Unmet, match="no_legal_hold"):
            await bench.act(SERVICE, erasures.expire, exhibit)
        if first:
            await lift(bench, first)
            first = None
    await lift(bench, second)
    with pytest.raises(Unmet, match="hold_placed"):
        await lift(bench, second)
    await approve(bench, erasure)
    await drain(bench)
    await audited(bench)


async def test_a_hold_and_its_end_stand_in_the_record(bench, engine):
    case = await bench.file()
    await lift(bench, await hold(bench, case))
    async with engine.connect() as conn:
        said = await conn.execute(
            text("SELECT body FROM vault_entries ORDER BY recorded DESC, seq DESC LIMIT 2")
        )
        lifted, placed = said.scalars()
    assert (placed["act"], lifted["act"]) == ("place_legal_hold", "lift_legal_hold")
    assert placed["body"]["reason"] == lifted["body"]["reason"] == REASON
    assert placed["body"]["account"] == str(bench.people.operator.account_id)
    await audited(bench)


async def test_an_approval_and_a_hold_at_once_come_one_after_the_other(bench):
    case = await bench.file()
    exhibit = await given(bench, case)
    erasure = await ask(bench, exhibit)
    done = await asyncio.gather(approve(bench, erasure), hold(bench, case), return_exceptions=True)
    state = (await row(bench, Erasure, erasure)).state
    if isinstance(done[0], Unmet):
        assert state is ErasureState.ASKED
    else:
        assert state is ErasureState.GRANTED
    await drain(bench)
    await audited(bench)


async def test_the_store_holds_what_a_case_holds_until_the_last_hold_is_lifted(bench):
    case = await bench.file()
    exhibit = await given(bench, case)
    blob = await bench.act(bench.people.buyer, exhibits.opened, exhibit)
    store, later = bench.desk.vault.store, blob.created + timedelta(days=9999)
    first, second = await hold(bench, case), await hold(bench, case)
    await drain(bench)
    new = await given(bench, case)
    await drain(bench)
    blobs = [blob, await bench.act(bench.people.buyer, exhibits.opened, new)]
    blobs.append(await bench.act(bench.people.buyer, exhibits.opened, new, "thumbnail"))
    await lift(bench, first)
    await drain(bench)
    for each in blobs:
        with pytest.raises(Retained, match="legal hold"):
            await store.delete(each.store_key, each.store_version, now=later)
    await lift(bench, second)
    await drain(bench)
    for each in blobs:
        await store.delete(each.store_key, each.store_version, now=later)


async def test_a_hold_whose_time_is_over_is_lifted_by_the_service(bench, engine):
    case = await bench.file()
    exhibit = await given(bench, case)
    with pytest.raises(Invalid):
        await hold(bench, case, until=bench.people.at - timedelta(days=1))
    now = bench.people.at
    held = await hold(bench, case, until=now + timedelta(days=30))
    assert not await holds.sweep(bench.desk)
    assert (await row(bench, LegalHold, held)).lifted_at is None
    async with engine.begin() as conn:
        await conn.execute(
            text("UPDATE legal_holds SET placed_at = :a, until = :b"),
            {"a": now - timedelta(days=2), "b": now - timedelta(days=1)},
        )
    await holds.sweep(bench.desk)
    await holds.sweep(bench.desk)
    lifted = await row(bench, LegalHold, held)
    assert (lifted.lifted_at is not None, lifted.lifted_by) == (True, None)
    await erase(bench, exhibit)
    await audited(bench)

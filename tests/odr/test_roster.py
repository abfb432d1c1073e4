from dataclasses import replace
from typing import Any

import pytest

from odr import claims, hearings, ids, people, roster
from odr.errors import Invalid, NotFound
from odr.models.states import NeutralKind
from odr.people import Person
from odr.policy import SERVICE
from tests.odr import world

ANN = Person(email="ann@example.org", name="Ann Lee")
BOTH = (NeutralKind.MEDIATOR, NeutralKind.ARBITRATOR)


class Bench:
    """The roster of a world, and its keeper."""

    def __init__(self, desk, people) -> None:
        self.desk, self.people = desk, people

    async def do(self, actor, function, *given: Any, **named: Any):
        async with self.desk.work(actor, ids.new(self.people.at)) as work:
            return await function(work, *given, **named)

    async def list(self, account, actor=None, **chosen: Any):
        named = {"kinds": BOTH, "languages": ["en", "zh"], "expertise": ["toys"]} | chosen
        keeper = actor or self.people.operator
        return await self.do(keeper, roster.list_neutral, account, **named)

    async def load(self, account=None, viewer=None):
        async with self.desk.engine.connect() as conn:
            rows = await roster.workload(conn, viewer or self.people.operator)
        return next((row for row in rows if row.account_id == account), None) if account else rows


@pytest.fixture
async def bench(engine, tmp_path):
    return Bench(world.office(engine, tmp_path), await world.make(engine))


async def test_somebody_is_listed_and_changed(bench):
    account = await bench.do(SERVICE, people.register, ANN)
    await bench.list(account)
    row = await bench.load(account)
    assert row == roster.Workload(
        account, "Ann Lee", tuple(sorted(BOTH)), ("en", "zh"), ("toys",), True, 0, 20
    )
    await bench.list(account, kinds=BOTH[:1], languages=["de"], expertise=[], cases_max=3)
    row = await bench.load(account)
    assert (row.kinds, row.languages, row.expertise, row.cases_max) == (BOTH[:1], ("de",), (), 3)


async def test_one_who_is_unlisted_is_appointed_no_more(bench):
    busy, idle = (viewer.account_id for viewer in bench.people.mediators)
    await bench.do(bench.people.operator, roster.unlist_neutral, idle)
    order = await world.order(bench.desk.engine, bench.people)
    case = await world.file(bench.desk, bench.people, order)
    await bench.do(bench.people.seller, claims.contest, case, statement="No.")
    await bench.do(bench.people.buyer, hearings.request_intervention, case)
    row = await bench.load(busy)
    assert (row.cases, row.active) == (1, True)
    row = await bench.load(idle)
    assert (row.cases, row.active) == (0, False)
    assert (await bench.load())[0].account_id == busy
    await bench.list(idle)
    assert (await bench.load(idle)).active


async def test_who_acts_for_an_organisation_is_no_neutral(bench):
    for viewer in (bench.people.seller, bench.people.operator):
        with pytest.raises(Invalid) as refused:
            await bench.list(viewer.account_id)
        assert refused.value.code == "acts_for_an_organisation"


async def test_a_listing_that_cannot_be_is_refused(bench):
    account = await bench.do(SERVICE, people.register, ANN)
    for wrong, code in (
        ({"kinds": []}, "number"),
        ({"languages": []}, "number"),
        ({"languages": ["xx"]}, "unknown_language"),
        ({"expertise": [str(n) for n in range(21)]}, "number"),
        ({"cases_max": -1}, "negative"),
        ({"cases_max": 201}, "too_large"),
    ):
        with pytest.raises(Invalid) as refused:
            await bench.list(account, **wrong)
        assert (refused.value.path, refused.value.code) == (tuple(wrong), code)
    with pytest.raises(NotFound):
        await bench.list(ids.new(bench.people.at))
    with pytest.raises(NotFound):
        await bench.do(bench.people.operator, roster.unlist_neutral, account)


async def test_the_roster_is_the_operators(bench):
    account = bench.people.mediators[0].account_id
    acting = replace(bench.people.operator, scopes=frozenset({"read", "act"}))
    for actor in (bench.people.marketplace, bench.people.mediators[0], acting):
        with pytest.raises(NotFound):
            await bench.list(account, actor)
        with pytest.raises(NotFound):
            await bench.do(actor, roster.unlist_neutral, account)
        with pytest.raises(NotFound):
            await bench.load(account, actor)
    keeper = replace(acting, scopes=frozenset({"administer"}))
    assert await bench.load(account, keeper)

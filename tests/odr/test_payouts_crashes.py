"""A payout is made once, whatever the rail does and wherever the process crashes."""

import itertools

import pytest

from tests.odr import payday
from tests.odr.payday import Scenario

RAILS = [
    {},
    {"pay": ("reject",)},
    {"pay": ("reject_later",)},
    {"pay": ("reject_then_pay",)},
    {"pay": ("return",)},
    {"pay": ("cut_before",)},
    {"pay": ("cut_after",)},
    {"pay": ("fail_before", "fail_after")},
    {"pay": ("nonsense",)},
    {"pay": ("late",)},
    {"pay": ("forget",)},
    {"pay": ("cut_before", "forget")},
    {"pay": ("cut_before", "reject")},
    {"pay": ("cut_after",), "find": ("fail", "cut", "nonsense")},
    {"find": ("cut",)},
]
WEBHOOKS = ("once", "twice", "never", "late")


@pytest.mark.parametrize("part", [0, 1, 2])
async def test_wherever_it_crashes_the_rails_books_and_ours_agree(engine, admin, tmp_path, part):
    found, count = {}, 0
    async with payday.bench(engine, admin, tmp_path) as bench:
        turns = itertools.cycle(WEBHOOKS)
        for rail in RAILS[part::3]:
            for webhooks in WEBHOOKS[part % 2 :: 2]:
                scenario = Scenario(**rail, webhooks=webhooks)
                boundaries, found[scenario] = await payday.play(bench, scenario)
                count += 1
            for point in boundaries.all():
                scenario = Scenario(**rail, webhooks=next(turns), crashes=(point,))
                _, found[scenario] = await payday.play(bench, scenario)
                count += 1
            next(turns)
        await payday.audit(bench)
    assert {scenario: wrong for scenario, wrong in found.items() if wrong} == {}
    assert count >= 70  # three parts: 200 and more


@pytest.mark.long
@pytest.mark.parametrize("rail", RAILS, ids=repr)
async def test_two_crashes_in_one_payment_do_no_harm_either(engine, admin, tmp_path, rail):
    found = {}
    async with payday.bench(engine, admin, tmp_path) as bench:
        boundaries, _ = await payday.play(bench, Scenario(**rail, webhooks="twice"))
        points = list(boundaries.all())
        for webhooks in WEBHOOKS:
            for crashes in itertools.combinations(points, 2):
                scenario = Scenario(**rail, webhooks=webhooks, crashes=crashes)
                _, found[scenario] = await payday.play(bench, scenario)
        await payday.audit(bench)
    assert {scenario: wrong for scenario, wrong in found.items() if wrong} == {}

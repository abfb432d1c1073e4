"""Sealed bids through the API: what may be bid, and that the answer tells nothing."""

from dataclasses import replace
from hashlib import sha256
from typing import Any

import orjson
import pytest

from odr import clockwork
from schema.mutations import desk
from schema.mutations.bids import PlaceBidInput
from schema.scalars import Int64

CASE = """query($id: ID!) { case(id: $id) { version viewerState clocks { kind side awaits amount {
  amountMinor } } record(first: 50) { nodes { act side } } availableActs { act dueBy bounds {
  remedies { remedy highest { amountMinor } } texts { name } termsItems } } } }"""


async def negotiating(house):
    case = await house.file()
    await house.done(house.people.seller, "contest", caseId=case, statement="No.")
    return case


async def bid(house, viewer, case, minor, **more: Any):
    given = {"caseId": case, "amountMinor": minor, "currency": "EUR"} | more
    return await house.act(viewer, "placeBid", **given)


async def run(house):
    def report(error):
        raise AssertionError("no clock fails") from error

    await clockwork.run(house.office, report, grace=clockwork.GRACE * 0)


async def seen(house, viewer, case):
    return (await house.ask(viewer, CASE, id=case))["case"]


def offered(case):
    return {act["act"]: act for act in case["availableActs"]}


async def test_a_bid_is_offered_with_its_bound_until_it_is_placed(house):
    case = await negotiating(house)
    people = house.people
    act = offered(await seen(house, people.buyer, case))["PLACE_BID"]
    highest = {"amountMinor": 12_900}
    assert act["bounds"]["remedies"] == [{"remedy": "PARTIAL_REFUND", "highest": highest}]
    assert (await bid(house, people.buyer, case, 6_000))["userErrors"] == []
    assert "PLACE_BID" not in offered(await seen(house, people.buyer, case))
    theirs = await seen(house, people.seller, case)
    (clock,) = (each for each in theirs["clocks"] if each["kind"] == "BID_ROUND")
    assert (clock["side"], clock["amount"]) == ("RESPONDENT", None)
    assert offered(theirs)["PLACE_BID"]["dueBy"] is not None
    assert theirs["record"]["nodes"][-1] == {"act": "PLACE_BID", "side": "CLAIMANT"}


async def test_the_answer_is_the_same_whatever_the_other_has_bid(house):
    """Four cases: first, second and below, second and just below, second and met."""
    answers = set()
    for before, minor in ((None, 6_000), (12_000, 6_000), (6_001, 6_000), (6_000, 6_000)):
        case = await negotiating(house)
        if before is not None:
            await bid(house, house.people.buyer, case, before)
        document = (
            "mutation($input: PlaceBidInput!) { placeBid(input: $input) { case { state outcome"
            " stage viewerRoles granted { amountMinor } terms { items { remedy } } }"
            " userErrors { code message } } }"
        )
        given = {"caseId": case, "amountMinor": minor, "currency": "EUR", "idempotencyKey": case}
        answers.add(orjson.dumps(await house.ask(house.people.seller, document, input=given)))
    assert len(answers) == 1


async def test_the_same_key_bids_once_and_another_amount_is_a_conflict(house):
    case = await negotiating(house)
    first = await bid(house, house.people.buyer, case, 6_000, idempotencyKey="once")
    again = await bid(house, house.people.buyer, case, 6_000, idempotencyKey="once")
    assert first == again
    other = await bid(house, house.people.buyer, case, 6_001, idempotencyKey="once")
    assert other["userErrors"][0]["code"] == "CONFLICT"


async def test_what_is_kept_of_the_key_is_no_hash_of_the_bid(house):
    """A plain hash would give the amount away: there are not many to try."""
    case = await negotiating(house)
    await bid(house, house.people.buyer, case, 6_000, idempotencyKey="kept")
    given = PlaceBidInput(
        idempotency_key="kept", case_id=case, amount_minor=Int64(6_000), currency="EUR"
    )
    guessed = desk.digest(given)
    async with house.engine.connect() as conn:
        asked = "SELECT digest FROM idempotency WHERE key = 'kept'"
        (kept,) = (await conn.exec_driver_sql(asked)).scalars()
    assert bytes(kept) not in {guessed, sha256(guessed).digest()}
    assert guessed == desk.digest(replace(given, idempotency_key="other"))


@pytest.mark.parametrize(
    ("given", "path", "rule"),
    [
        ({"amountMinor": 0}, ["amountMinor"], "zero"),
        ({"amountMinor": -5}, ["amountMinor"], "negative"),
        ({"amountMinor": 12_901}, ["amountMinor"], "above_order"),
        ({"currency": "USD"}, ["currency"], "other_currency"),
        ({"currency": "XXX"}, ["currency"], "unknown_currency"),
    ],
)
async def test_a_bid_out_of_bounds_is_refused_at_its_field(house, given, path, rule):
    case = await negotiating(house)
    answer = await bid(house, house.people.buyer, case, 6_000, **given)
    (error,) = answer["userErrors"]
    assert (error["code"], error["path"], error["rule"]) == ("INVALID", path, rule)


async def test_twice_wrong_role_wrong_stage_somebody_elses_and_stale_are_refused(house):
    case, people = await house.file(), house.people

    async def refused(viewer, **more: Any):
        (error,) = (await bid(house, viewer, case, 6_000, **more))["userErrors"]
        return error["code"]

    assert await refused(people.buyer) == "NOT_ALLOWED"
    await house.done(people.seller, "contest", caseId=case, statement="No.")
    assert await refused(people.stranger) == "NOT_FOUND"
    assert await refused(people.operator) == "NOT_ALLOWED"
    assert await refused(people.buyer, expectedVersion=1) == "STALE"
    await bid(house, people.buyer, case, 6_000)
    assert await refused(people.buyer) == "UNMET"


async def test_what_was_bid_is_told_when_it_met_by_the_middle_alone(house):
    case, people = await negotiating(house), house.people
    await bid(house, people.buyer, case, 6_000)
    await bid(house, people.seller, case, 7_500)
    await run(house)
    found = await house.ask(
        people.buyer,
        """query($id: ID!) { case(id: $id) { outcome granted { amountMinor } terms { items {
          remedy } } record(last: 5) { nodes { act amount { amountMinor } } } } }""",
        id=case,
    )
    assert found["case"]["outcome"] == "SETTLED"
    assert found["case"]["granted"] == {"amountMinor": 6_750}
    assert found["case"]["terms"]["items"] == [{"remedy": "PARTIAL_REFUND"}]
    entries = {each["act"]: each["amount"] for each in found["case"]["record"]["nodes"]}
    assert entries["SETTLE_BY_BIDS"] == {"amountMinor": 6_750}
    assert entries["PLACE_BID"] is entries["CLOSE_BID_ROUND"] is None
    assert b"6000" not in orjson.dumps(found)
    assert b"7500" not in orjson.dumps(found)

"""A claim that is changed: within bounds, twice at most, with the window anew where it grows."""

from typing import Any

import pytest

from infra import database as db
from odr import audit, clockwork, ledger
from tests.schema.house import House, key, refund
from tests.schema.journey import Journey

CLAIM = """query($id: ID!) { case(id: $id) { version claimed { amountMinor }
  claim { version statement reason amount { amountMinor } } claims { version }
  clocks { kind side starts due amount { amountMinor } } availableActs { act }
  record(first: 50) { nodes { act amount { amountMinor } } } } }"""


async def _case(house, case, viewer=None):
    return (await house.ask(viewer or house.people.buyer, CLAIM, id=case))["case"]


def _clock(case, kind):
    return next(clock for clock in case["clocks"] if clock["kind"] == kind)


async def _held(house, case):
    """What is held in escrow for a case."""
    async with house.engine.connect() as conn:
        return sum(
            hold.amount.amount_minor
            for hold in await ledger.open_holds(conn, key(case))
            if hold.code == "claim_held"
        )


async def _sound(house, case):
    async with house.engine.connect() as conn:
        found = await audit.audit_case(conn, house.office, key(case))
        assert (found.findings, found.unchecked) == ([], [])
        assert await ledger.findings(conn) == []


async def _modified(house, case, amount, **more: Any):
    terms = refund(amount, remedy="FULL_REFUND" if amount == 12_900 else "PARTIAL_REFUND")
    given = {"caseId": case, "statement": "It arrived broken in two.", "terms": terms}
    return await house.done(house.people.buyer, "modifyClaim", **given | more)


async def test_a_claim_is_changed_and_the_first_version_is_kept(house):
    case = await house.file(terms=refund(5_000))
    done = await _modified(house, case, 4_000)
    assert done["claim"]["version"] == 2
    found = await _case(house, case)
    assert found["claimed"] == {"amountMinor": 4_000}
    assert found["claim"] == {
        "version": 2,
        "statement": "It arrived broken in two.",
        "reason": "DAMAGED_IN_TRANSIT",
        "amount": {"amountMinor": 4_000},
    }
    assert [each["version"] for each in found["claims"]] == [1, 2]
    last = found["record"]["nodes"][-1]
    assert (last["act"], last["amount"]) == ("MODIFY_CLAIM", {"amountMinor": 4_000})
    told = await house.ask(house.people.seller, "{ notices(first: 1) { nodes { sentence } } }")
    assert told["notices"]["nodes"] == [{"sentence": "The claim was changed."}]
    await _sound(house, case)


async def test_more_lets_the_window_to_answer_run_anew_and_less_does_not(house):
    case = await house.file(terms=refund(5_000))
    first = _clock(await _case(house, case), "ANSWER")
    await _modified(house, case, 4_000)
    less = _clock(await _case(house, case), "ANSWER")
    assert less == first | {"amount": {"amountMinor": 4_000}}
    await _modified(house, case, 12_900)
    more = _clock(await _case(house, case), "ANSWER")
    assert more["due"] > first["due"]
    assert more["starts"] > first["starts"]
    assert (more["side"], more["amount"]) == ("RESPONDENT", {"amountMinor": 12_900})
    await _sound(house, case)


async def test_more_in_negotiation_lets_its_window_run_anew(house):
    case = await house.file(terms=refund(5_000))
    await house.done(house.people.seller, "contest", caseId=case, statement="No.")
    first = _clock(await _case(house, case), "NEGOTIATION")
    await _modified(house, case, 6_000)
    more = _clock(await _case(house, case), "NEGOTIATION")
    assert more["due"] > first["due"]
    assert more["amount"] == {"amountMinor": 6_000}
    await _sound(house, case)


async def test_what_is_held_in_escrow_follows_the_claim(house):
    case = await house.file(terms=refund(5_000))
    assert await _held(house, case) == 5_000
    await _modified(house, case, 12_900)
    assert await _held(house, case) == 12_900
    await _modified(house, case, 3_000)
    assert await _held(house, case) == 3_000
    await house.done(house.people.seller, "acceptClaim", caseId=case)
    assert await _held(house, case) == 0
    found = await house.ask(
        house.people.buyer,
        "query($id: ID!) { case(id: $id) { granted { amountMinor } } }",
        id=case,
    )
    assert found["case"]["granted"] == {"amountMinor": 3_000}
    await _sound(house, case)


async def test_what_is_withdrawn_after_a_change_leaves_nothing_held(house):
    case = await house.file(terms=refund(5_000))
    await _modified(house, case, 6_000)
    await house.done(house.people.buyer, "withdraw", caseId=case)
    assert await _held(house, case) == 0
    await _sound(house, case)


async def test_a_claim_is_changed_twice_at_most(house):
    case = await house.file(terms=refund(5_000))
    await _modified(house, case, 6_000)
    await _modified(house, case, 7_000)
    found = await _case(house, case)
    assert "MODIFY_CLAIM" not in {act["act"] for act in found["availableActs"]}
    error = await house.refused(
        house.people.buyer, "modifyClaim", caseId=case, statement="x", terms=refund(8_000)
    )
    assert error["code"] == "UNMET"
    assert {"name": "fact", "values": ["MODIFICATIONS_LEFT"]} in error["facts"]


async def test_the_same_key_changes_once_and_a_stale_version_is_refused(house):
    case = await house.file(terms=refund(5_000))
    first = await _modified(house, case, 6_000, idempotencyKey="once")
    again = await _modified(house, case, 6_000, idempotencyKey="once")
    assert again["claim"] == first["claim"]
    error = await house.refused(
        house.people.buyer,
        "modifyClaim",
        caseId=case,
        statement="x",
        terms=refund(7_000),
        expectedVersion=1,
    )
    assert error["code"] == "STALE"


BAD = [
    ({"terms": refund(12_901)}, "above_order"),
    ({"terms": refund(100, remedy="RELEASE_TO_SELLER")}, "remedy_not_allowed"),
    ({"statement": " "}, "missing"),
    ({"statement": "x" * 10_001}, "too_long"),
    ({"statement": "It arrived broken.", "terms": refund(5_000)}, "unchanged"),
]


@pytest.mark.parametrize(("given", "rule"), BAD, ids=lambda value: str(value)[:30])
async def test_what_a_claim_cannot_be_it_cannot_become(house, given, rule):
    case = await house.file(terms=refund(5_000))
    whole = {"caseId": case, "statement": "x", "terms": refund(6_000)} | given
    error = await house.refused(house.people.buyer, "modifyClaim", **whole)
    assert (error["code"], error["rule"]) == ("INVALID", rule)


async def test_only_the_claimant_changes_a_claim_and_only_before_mediation(house):
    journey = await (await (await Journey(house).filed()).contested()).countered()
    given = {"caseId": journey.case, "statement": "x", "terms": refund(6_000)}
    error = await house.refused(house.people.seller, "modifyClaim", **given)
    assert error["code"] == "NOT_ALLOWED"
    error = await house.refused(house.people.stranger, "modifyClaim", **given)
    assert error["code"] == "NOT_FOUND"
    await journey.mediated()
    error = await house.refused(house.people.buyer, "modifyClaim", **given)
    assert error["code"] == "NOT_ALLOWED"


def _failed(error):
    raise AssertionError("no clock fails") from error


async def test_a_silent_seller_owes_what_was_claimed_last(database, engine, tmp_path):
    await db.make_demonstration(database.admin_url)
    house = await House.opened(database, engine, tmp_path, moves_time=True)
    journey = await Journey(house).filed()
    await house.done(house.people.buyer, "moveTime", days=4)
    await _modified(house, journey.case, 4_000)
    await house.done(house.people.buyer, "moveTime", hours=25)
    error = await house.refused(
        house.people.seller, "contest", caseId=journey.case, statement="Late."
    )
    assert error["code"] == "LATE", "less does not give the seller more time"
    await clockwork.run(house.office, _failed)
    found = await house.ask(
        house.people.buyer,
        "query($id: ID!) { case(id: $id) { state granted { amountMinor } } }",
        id=journey.case,
    )
    assert found["case"] == {"state": "DEFAULTED", "granted": {"amountMinor": 4_000}}
    await _sound(house, journey.case)
    await house.close()

"""A ruling appealed: by whom, on what, until when; decided by another, for good, paid once."""

from typing import Any

import pytest

from infra import database as db
from odr import audit, clockwork, ledger
from tests.schema.house import House, key, refund
from tests.schema.journey import until

APPEALED = """query($id: ID!) { case(id: $id) { state outcome viewerState
  granted { amountMinor } recordRoot recordSize
  appeal { side ground statement decision reasons decidedBy decidedAt appealed { id }
    ruling { id } }
  rulings { id name kind finalAt correctableUntil recordRoot amount { amountMinor }
    findings { exhibits { label } } }
  obligations { state amount { amountMinor } } payouts { amount { amountMinor } }
  clocks { kind due amount { amountMinor } } seats { role name until }
  availableActs { act } record(first: 100) { nodes { act rulingKind appeal { ground } } } } }"""


async def _case(house, case, viewer=None):
    return (await house.ask(viewer or house.people.buyer, APPEALED, id=case))["case"]


def _acts(case):
    return {act["act"] for act in case["availableActs"]}


async def _given(house, viewer):
    upload = await house.upload(viewer, b"A film of the packing.\n")
    return {"uploadId": upload, "kind": "STATEMENT", "title": "Packing"}


async def _appealed(journey, **more: Any):
    """The seller appeals; whoever decides has disclosed."""
    house = journey.house
    seller = house.people.seller
    given = {"caseId": journey.case, "ground": "NEW_EVIDENCE", "statement": "There is a film."}
    exhibits = [await _given(house, seller)]
    done = await house.done(seller, "appeal", **{**given, "exhibits": exhibits, **more})
    second = await journey._neutral(house.people.arbitrators)
    await house.done(second, "disclose", caseId=journey.case)
    return done, second


async def _decision(journey, **more: Any):
    labels = await journey.house.ask(
        journey.house.people.buyer,
        "query($id: ID!) { case(id: $id) { exhibits { id label channel } } }",
        id=journey.case,
    )
    cited = [e["id"] for e in labels["case"]["exhibits"] if e["channel"] == "RECORD"]
    finding = {"issue": "Was it broken?", "body": "By half.", "exhibits": cited}
    given = {"kind": "GRANTED_IN_PART", "findings": [finding], "reasons": "The film shows it."}
    return {"caseId": journey.case, "terms": refund(5_000), **given, **more}


async def _sound(house, case):
    async with house.engine.connect() as conn:
        found = await audit.audit_case(conn, house.office, key(case))
        assert (found.findings, found.unchecked) == ([], [])
        assert await ledger.findings(conn) == []


def _failed(error):
    raise AssertionError("no clock fails") from error


async def test_nothing_is_granted_while_another_arbitrator_looks_at_it(house):
    journey = await until(house, "ruled")
    done, second = await _appealed(journey)
    assert (done["appeal"]["ground"], done["case"]["state"]) == ("NEW_EVIDENCE", "APPEALED")
    assert second not in {journey.arbitrator, *house.people.mediators}
    found = await _case(house, journey.case)
    assert (found["granted"], found["payouts"], found["obligations"]) == (None, [], [])
    clocks = {clock["kind"]: clock for clock in found["clocks"]}
    assert "APPEAL" not in clocks
    assert clocks["APPEAL_DECISION"]["amount"] == {"amountMinor": 9_000}
    theirs = await _case(house, journey.case, house.people.seller)
    assert theirs["viewerState"] == "WITH_NEUTRAL"
    gone = await house.ask(
        journey.arbitrator, "query($id: ID!) { case(id: $id) { id } }", id=journey.case
    )
    assert gone["case"] is None, "the first arbitrator's seat has ended"
    mine = await _case(house, journey.case, second)
    assert {"AFFIRM_RULING", "VARY_RULING", "SET_ASIDE_RULING"} <= _acts(mine)
    assert not {"RULE", "CORRECT_RULING", "CLOSE_RECORD"} & _acts(mine)
    told = await house.ask(house.people.buyer, "{ notices(first: 9) { nodes { sentence } } }")
    assert {"sentence": "The ruling was appealed; another arbitrator decides for good."} in told[
        "notices"
    ]["nodes"]
    await _sound(house, journey.case)


async def test_a_ruling_that_is_affirmed_is_carried_out_as_it_was(house):
    journey = await until(house, "ruled")
    _, second = await _appealed(journey)
    before = await _case(house, journey.case)
    given = {"caseId": journey.case, "reasons": "The film is of another parcel."}
    await house.done(second, "affirmRuling", **given)
    found = await _case(house, journey.case)
    assert (found["state"], found["outcome"]) == ("PERFORMING", "RULED")
    assert found["granted"] == {"amountMinor": 9_000}
    assert found["payouts"] == [{"amount": {"amountMinor": 9_000}}]
    (ruling,) = found["rulings"]
    assert ruling["finalAt"] is not None
    appeal = found["appeal"]
    assert (appeal["decision"], appeal["ruling"]) == ("AFFIRMED", None)
    assert appeal["reasons"] == "The film is of another parcel."
    assert appeal["decidedBy"]
    assert found["recordSize"] > before["recordSize"], "the record is frozen as it was seen"
    await _sound(house, journey.case)
    await journey.paid()
    await _sound(house, journey.case)


@pytest.mark.parametrize(
    ("mutation", "decision"), [("varyRuling", "VARIED"), ("setAsideRuling", "SET_ASIDE")]
)
async def test_a_ruling_in_its_place_changes_the_payout_exactly_once(house, mutation, decision):
    journey = await until(house, "ruled")
    _, second = await _appealed(journey)
    given = await _decision(journey) | {"idempotencyKey": "once"}
    done = await house.done(second, mutation, **given)
    again = await house.done(second, mutation, **given)
    assert again == done
    found = await _case(house, journey.case)
    assert (found["state"], found["outcome"]) == ("PERFORMING", "RULED")
    assert found["granted"] == {"amountMinor": 5_000}
    assert found["payouts"] == [{"amount": {"amountMinor": 5_000}}]
    assert found["obligations"] == [{"state": "DUE", "amount": {"amountMinor": 5_000}}]
    first, last = found["rulings"]
    assert (first["finalAt"], first["amount"]) == (None, {"amountMinor": 9_000})
    assert last["finalAt"] is not None
    assert last["correctableUntil"] is None
    assert last["recordRoot"] == found["recordRoot"] != first["recordRoot"]
    assert {"label": "B-2"} in last["findings"][0]["exhibits"]
    appeal = found["appeal"]
    assert (appeal["decision"], appeal["reasons"]) == (decision, None)
    assert (appeal["appealed"], appeal["ruling"]) == ({"id": first["id"]}, {"id": last["id"]})
    await _sound(house, journey.case)
    await journey.paid()
    found = await _case(house, journey.case)
    assert (found["state"], len(found["payouts"])) == ("CLOSED", 1)
    await _sound(house, journey.case)


async def test_a_claim_that_is_dismissed_on_appeal_is_not_paid(house):
    journey = await until(house, "ruled")
    _, second = await _appealed(journey)
    given = await _decision(journey, kind="DISMISSED", terms=None)
    await house.done(second, "setAsideRuling", **given)
    found = await _case(house, journey.case)
    assert (found["state"], found["outcome"], found["payouts"]) == ("CLOSED", "RULED", [])
    await _sound(house, journey.case)


async def test_an_appeal_has_a_ground_a_statement_and_new_evidence_where_it_says_so(house):
    journey = await until(house, "ruled")
    given = {"caseId": journey.case, "ground": "NEW_EVIDENCE", "statement": "There is a film."}
    for changed, rule in (
        ({}, "missing"),
        ({"ground": "PROCEDURAL_DEFECT", "statement": " "}, "missing"),
        ({"ground": "PROCEDURAL_DEFECT", "statement": "x" * 10_001}, "too_long"),
    ):
        error = await house.refused(house.people.seller, "appeal", **given | changed)
        assert (error["code"], error["rule"]) == ("INVALID", rule)
    done = await house.done(
        house.people.seller, "appeal", **given | {"ground": "PROCEDURAL_DEFECT"}
    )
    assert done["case"]["state"] == "APPEALED"


async def test_a_decision_on_appeal_keeps_to_the_rules_of_a_ruling(house):
    journey = await until(house, "ruled")
    _, second = await _appealed(journey)
    whole = await _decision(journey)
    left_out = whole["findings"][0] | {"exhibits": whole["findings"][0]["exhibits"][:1]}
    for changed, rule in (
        ({"findings": [left_out]}, "exhibit_left_out"),
        ({"terms": refund(12_901)}, "above_order"),
        ({"terms": refund(9_000)}, "unchanged"),
        ({"kind": "DISMISSED"}, "dismissed_without_terms"),
        ({"reasons": ""}, "missing"),
    ):
        error = await house.refused(second, "varyRuling", **whole | changed)
        assert (error["code"], error["rule"]) == ("INVALID", rule)
    error = await house.refused(second, "affirmRuling", caseId=journey.case, reasons=" ")
    assert error["rule"] == "missing"
    assert (await _case(house, journey.case))["state"] == "APPEALED"
    await _sound(house, journey.case)


async def test_only_the_parties_appeal_once_and_not_after_a_waiver(house):
    journey = await until(house, "deliberated")
    people = house.people
    given = {"caseId": journey.case, "ground": "PROCEDURAL_DEFECT", "statement": "Not heard."}
    error = await house.refused(people.seller, "appeal", **given)
    assert error["code"] == "NOT_ALLOWED"
    await journey.ruled()
    for viewer, code in (
        (journey.arbitrator, "NOT_ALLOWED"),
        (journey.mediator, "NOT_FOUND"),
        (people.stranger, "NOT_FOUND"),
    ):
        error = await house.refused(viewer, "appeal", **given)
        assert error["code"] == code
    error = await house.refused(people.seller, "appeal", **given, expectedVersion=1)
    assert error["code"] == "STALE"
    await house.done(people.seller, "waiveAppeal", caseId=journey.case)
    error = await house.refused(people.seller, "appeal", **given)
    assert {"name": "fact", "values": ["APPEAL_NOT_WAIVED"]} in error["facts"]
    await house.done(people.buyer, "appeal", **given)
    error = await house.refused(people.buyer, "appeal", **given)
    assert error["code"] == "NOT_ALLOWED", "an appeal is decided for good"


async def test_only_another_arbitrator_decides_after_a_disclosure(house):
    journey = await until(house, "ruled")
    people = house.people
    given = {"caseId": journey.case, "ground": "PROCEDURAL_DEFECT", "statement": "Not heard."}
    await house.done(people.buyer, "appeal", **given)
    second = await journey._neutral(people.arbitrators)
    affirms = {"caseId": journey.case, "reasons": "It was."}
    error = await house.refused(second, "affirmRuling", **affirms)
    assert {"name": "fact", "values": ["DISCLOSED"]} in error["facts"]
    await house.done(second, "disclose", caseId=journey.case)
    anew = await _decision(journey)
    for viewer, code in (
        (people.buyer, "NOT_ALLOWED"),
        (journey.arbitrator, "NOT_FOUND"),
        (journey.mediator, "NOT_FOUND"),
        (people.stranger, "NOT_FOUND"),
    ):
        for mutation, whole in (
            ("affirmRuling", affirms),
            ("varyRuling", anew),
            ("setAsideRuling", anew),
        ):
            error = await house.refused(viewer, mutation, **whole)
            assert error["code"] == code
    error = await house.refused(second, "varyRuling", **anew, expectedVersion=1)
    assert error["code"] == "STALE"
    await house.done(second, "affirmRuling", **affirms)
    for mutation, whole in (("affirmRuling", affirms), ("setAsideRuling", anew)):
        error = await house.refused(second, mutation, **whole)
        assert error["code"] in {"NOT_ALLOWED", "NOT_FOUND"}, "decided once"
    await _sound(house, journey.case)


async def test_a_late_appeal_is_refused_and_an_undecided_one_leaves_the_ruling(
    database, engine, tmp_path
):
    await db.make_demonstration(database.admin_url)
    house = await House.opened(database, engine, tmp_path, moves_time=True)
    late, undecided = await until(house, "ruled"), await until(house, "ruled")
    await _appealed(undecided)
    await house.done(house.people.buyer, "moveTime", days=10, hours=1)
    given = {"ground": "PROCEDURAL_DEFECT", "statement": "Not heard."}
    error = await house.refused(house.people.seller, "appeal", caseId=late.case, **given)
    assert error["code"] == "LATE"
    await clockwork.run(house.office, _failed)
    assert (await _case(house, late.case))["granted"] == {"amountMinor": 9_000}
    found = await _case(house, undecided.case)
    assert (found["state"], found["granted"]) == ("APPEALED", None)
    await house.done(house.people.buyer, "moveTime", days=10)
    await clockwork.run(house.office, _failed)
    found = await _case(house, undecided.case)
    assert (found["state"], found["outcome"]) == ("PERFORMING", "RULED")
    assert found["granted"] == {"amountMinor": 9_000}
    assert found["appeal"]["decision"] is None
    for journey in (late, undecided):
        await _sound(house, journey.case)
    await house.close()

"""A slip in a ruling: asked for in time, corrected by its arbitrator, and what it voids."""

from typing import Any

from infra import database as db
from odr import audit, clockwork
from tests.schema.house import House, key, refund
from tests.schema.journey import until

RULED = """query($id: ID!) { case(id: $id) { state granted { amountMinor }
  rulings { terms { items { amount { amountMinor } } } amount { amountMinor } correctableUntil
    correctionRequests { side body } corrections { name body terms { items { remedy } } } }
  seats { role appealWaivedAt } clocks { kind due amount { amountMinor } }
  availableActs { act dueBy } record(last: 3) { nodes { act amount { amountMinor } } } } }"""


async def _case(house, case, viewer=None):
    return (await house.ask(viewer or house.people.buyer, RULED, id=case))["case"]


def _acts(case):
    return {act["act"]: act for act in case["availableActs"]}


def _window(case):
    return next(clock for clock in case["clocks"] if clock["kind"] == "APPEAL")


async def _asked(journey, **more: Any):
    given = {"caseId": journey.case, "body": "It says 90, by its reasons it is 95."}
    viewer = more.pop("viewer", journey.house.people.buyer)
    return await journey.house.done(viewer, "requestCorrection", **given | more)


async def _corrected(journey, **more: Any):
    given = {"caseId": journey.case, "body": "90.00 reads 95.00."}
    return await journey.house.done(journey.arbitrator, "correctRuling", **given | more)


async def _sound(house, case):
    async with house.engine.connect() as conn:
        found = await audit.audit_case(conn, house.office, key(case))
    assert (found.findings, found.unchecked) == ([], [])


def _failed(error):
    raise AssertionError("no clock fails") from error


async def test_a_slip_of_words_is_corrected_and_the_terms_stay(house):
    journey = await until(house, "ruled")
    asked = await _asked(journey)
    assert asked["correctionRequest"]["side"] == "CLAIMANT"
    before = await _case(house, journey.case)
    await _corrected(journey, body="For Monday read Tuesday.")
    found = await _case(house, journey.case)
    (ruling,) = found["rulings"]
    (correction,) = ruling["corrections"]
    assert (correction["body"], correction["terms"]) == ("For Monday read Tuesday.", None)
    assert [each["side"] for each in ruling["correctionRequests"]] == ["CLAIMANT"]
    assert ruling["amount"] == {"amountMinor": 9_000}
    assert found["clocks"] == before["clocks"]
    assert [each["act"] for each in found["record"]["nodes"]][-2:] == [
        "REQUEST_CORRECTION",
        "CORRECT_RULING",
    ]
    await _sound(house, journey.case)


async def test_a_wrong_sum_is_corrected_waivers_are_void_and_the_right_sum_is_granted(house):
    journey = await until(house, "ruled")
    await house.done(house.people.buyer, "waiveAppeal", caseId=journey.case)
    before = await _case(house, journey.case)
    await _corrected(journey, terms=refund(9_500))
    found = await _case(house, journey.case)
    (ruling,) = found["rulings"]
    assert ruling["amount"] == {"amountMinor": 9_500}
    assert ruling["corrections"][0]["terms"] == {"items": [{"remedy": "PARTIAL_REFUND"}]}
    assert found["granted"] is None, "nothing is granted before the window to appeal is over"
    parties = [each for each in found["seats"] if each["role"] in {"CLAIMANT", "RESPONDENT"}]
    assert [each["appealWaivedAt"] for each in parties] == [None, None]
    then, now = _window(before), _window(found)
    assert now["due"] > then["due"]
    assert now["amount"] == {"amountMinor": 9_500}
    await _sound(house, journey.case)
    await journey.final()
    assert (await _case(house, journey.case))["granted"] == {"amountMinor": 9_500}
    await _sound(house, journey.case)


async def test_each_side_asks_once_until_it_is_answered(house):
    journey = await until(house, "ruled")
    first = await _asked(journey, idempotencyKey="once")
    again = await _asked(journey, idempotencyKey="once")
    assert again["correctionRequest"] == first["correctionRequest"]
    given = {"caseId": journey.case, "body": "And the date."}
    error = await house.refused(house.people.buyer, "requestCorrection", **given)
    assert {"name": "fact", "values": ["CORRECTION_NOT_ASKED"]} in error["facts"]
    await _asked(journey, viewer=house.people.seller)
    await _corrected(journey)
    await _asked(journey, body="And the date.")
    await _sound(house, journey.case)


async def test_a_correction_has_a_text_and_terms_that_can_be(house):
    journey = await until(house, "ruled")
    arbitrator, given = journey.arbitrator, {"caseId": journey.case, "body": "x"}
    for changed, rule in (
        ({"body": " "}, "missing"),
        ({"body": "x" * 5_001}, "too_long"),
        ({"terms": refund(9_000)}, "unchanged"),
        ({"terms": refund(12_901)}, "above_order"),
    ):
        error = await house.refused(arbitrator, "correctRuling", **given | changed)
        assert (error["code"], error["rule"]) == ("INVALID", rule)
    error = await house.refused(house.people.buyer, "requestCorrection", **given | {"body": ""})
    assert error["rule"] == "missing"


async def test_only_the_parties_ask_and_only_the_arbitrator_corrects_a_ruling(house):
    journey = await until(house, "deliberated")
    given = {"caseId": journey.case, "body": "x"}
    error = await house.refused(house.people.buyer, "requestCorrection", **given)
    assert error["code"] == "NOT_ALLOWED"
    error = await house.refused(journey.arbitrator, "correctRuling", **given)
    assert error["code"] == "NOT_ALLOWED"
    await journey.ruled()
    error = await house.refused(journey.arbitrator, "requestCorrection", **given)
    assert error["code"] == "NOT_ALLOWED"
    error = await house.refused(house.people.seller, "correctRuling", **given)
    assert error["code"] == "NOT_ALLOWED"
    for mutation in ("requestCorrection", "correctRuling"):
        for viewer in (house.people.stranger, journey.mediator):
            error = await house.refused(viewer, mutation, **given)
            assert error["code"] == "NOT_FOUND"
        viewer = journey.arbitrator if mutation == "correctRuling" else house.people.buyer
        error = await house.refused(viewer, mutation, **given, expectedVersion=1)
        assert error["code"] == "STALE"
    await journey.final()
    error = await house.refused(house.people.buyer, "requestCorrection", **given)
    assert error["code"] == "NOT_ALLOWED"


async def test_after_seven_days_only_what_was_asked_in_time_is_corrected(
    database, engine, tmp_path
):
    await db.make_demonstration(database.admin_url)
    house = await House.opened(database, engine, tmp_path, moves_time=True)
    asked, silent = await until(house, "ruled"), await until(house, "ruled")
    acts = _acts(await _case(house, asked.case))
    (ruling,) = (await _case(house, asked.case))["rulings"]
    assert acts["REQUEST_CORRECTION"]["dueBy"] == ruling["correctableUntil"]
    await house.done(house.people.buyer, "moveTime", days=6)
    await _asked(asked)
    await house.done(house.people.buyer, "moveTime", hours=25)
    await clockwork.run(house.office, _failed)
    for journey in (asked, silent):
        case = await _case(house, journey.case, house.people.seller)
        assert "REQUEST_CORRECTION" not in _acts(case)
        error = await house.refused(
            house.people.seller, "requestCorrection", caseId=journey.case, body="x"
        )
        assert {"name": "fact", "values": ["CORRECTION_OPEN"]} in error["facts"]
    error = await house.refused(silent.arbitrator, "correctRuling", caseId=silent.case, body="x")
    assert {"name": "fact", "values": ["CORRECTION_OPEN"]} in error["facts"]
    await _corrected(asked, terms=refund(9_500))
    await house.done(house.people.buyer, "moveTime", days=4)
    await clockwork.run(house.office, _failed)
    states = [(await _case(house, each.case))["state"] for each in (asked, silent)]
    assert states == ["RULED", "PERFORMING"], "the window to appeal the right sum runs anew"
    for journey in (asked, silent):
        await _sound(house, journey.case)
    await house.close()

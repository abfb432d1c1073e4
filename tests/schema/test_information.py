"""What an arbitrator asks of a side: twice at most, answered in time, or decided without."""

from datetime import datetime

import pytest

from infra import database as db
from odr import audit, clockwork
from tests.schema.house import House, key
from tests.schema.journey import until

ASKED = """query($id: ID!) { case(id: $id) { state viewerState
  informationRequests { id side name question due open answer answeredAt expiredAt }
  clocks { kind side due } exhibits { label channel } availableActs { act dueBy }
  record(last: 4) { nodes { act role informationRequest { question } } } } }"""


async def _case(house, case, viewer):
    return (await house.ask(viewer, ASKED, id=case))["case"]


async def _asked(journey, side="RESPONDENT", question="When did you pack it?"):
    given = {"caseId": journey.case, "side": side, "question": question}
    done = await journey.house.done(journey.arbitrator, "requestInformation", **given)
    return done["informationRequest"]["id"]


async def _sound(house, case):
    async with house.engine.connect() as conn:
        found = await audit.audit_case(conn, house.office, key(case))
    assert (found.findings, found.unchecked) == ([], [])


def _failed(error):
    raise AssertionError("no clock fails") from error


async def test_a_side_is_asked_and_answers_with_an_exhibit(house):
    journey = await until(house, "heard")
    people = house.people
    request = await _asked(journey)
    theirs = await _case(house, journey.case, people.seller)
    assert theirs["viewerState"] == "YOUR_TURN"
    (clock,) = [clock for clock in theirs["clocks"] if clock["kind"] == "INFORMATION"]
    assert clock["side"] == "RESPONDENT"
    (act,) = [act for act in theirs["availableActs"] if act["act"] == "ANSWER_REQUEST"]
    assert act["dueBy"] == clock["due"]
    mine = await _case(house, journey.case, people.buyer)
    assert mine["informationRequests"][0]["question"] == "When did you pack it?"
    assert "ANSWER_REQUEST" not in {act["act"] for act in mine["availableActs"]}
    exhibit = {
        "uploadId": await house.upload(people.seller, b"The packing list.\n"),
        "kind": "PACKING_LIST",
        "title": "The packing list",
    }
    await house.done(
        people.seller, "answerRequest", requestId=request, body="On Monday.", exhibits=[exhibit]
    )
    seen = await _case(house, journey.case, journey.arbitrator)
    (found,) = seen["informationRequests"]
    assert (found["answer"], found["open"], found["expiredAt"]) == ("On Monday.", False, None)
    assert found["answeredAt"]
    assert {"label": "B-2", "channel": "RECORD"} in seen["exhibits"]
    assert [each["act"] for each in seen["record"]["nodes"]][-3:] == [
        "REQUEST_INFORMATION",
        "ANSWER_REQUEST",
        "SUBMIT_EXHIBIT",
    ]
    assert seen["record"]["nodes"][-2]["informationRequest"] == {
        "question": "When did you pack it?"
    }
    assert "INFORMATION" not in {clock["kind"] for clock in seen["clocks"]}
    await _sound(house, journey.case)


async def test_both_are_told_in_words(house):
    journey = await until(house, "heard")
    await _asked(journey)
    for viewer in (house.people.buyer, house.people.seller):
        told = await house.ask(viewer, "{ notices(first: 1) { nodes { sentence } } }")
        assert told["notices"]["nodes"] == [{"sentence": "The arbitrator asks for information."}]


async def test_an_arbitrator_asks_twice_at_most(house):
    journey = await until(house, "heard")
    await _asked(journey)
    await _asked(journey, "CLAIMANT")
    error = await house.refused(
        journey.arbitrator, "requestInformation", caseId=journey.case, side="CLAIMANT", question="?"
    )
    assert error["code"] == "UNMET"
    assert {"name": "fact", "values": ["REQUESTS_LEFT"]} in error["facts"]
    await _sound(house, journey.case)


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        ({"side": "NEUTRAL"}, "not_a_party"),
        ({"question": " "}, "missing"),
        ({"question": "x" * 5_001}, "too_long"),
    ],
)
async def test_a_question_is_bounded(house, given, rule):
    journey = await until(house, "heard")
    whole = {"caseId": journey.case, "side": "CLAIMANT", "question": "Why?"} | given
    error = await house.refused(journey.arbitrator, "requestInformation", **whole)
    assert (error["code"], error["rule"]) == ("INVALID", rule)


async def test_only_the_side_that_is_asked_answers_and_once(house):
    journey = await until(house, "heard")
    people = house.people
    request = await _asked(journey)
    given = {"requestId": request, "body": "On Monday."}
    error = await house.refused(people.buyer, "answerRequest", **given)
    assert error["code"] == "UNMET", "nothing is asked of the buyer"
    await _asked(journey, "CLAIMANT")
    error = await house.refused(people.buyer, "answerRequest", **given)
    assert error["code"] == "NOT_FOUND"
    error = await house.refused(journey.arbitrator, "answerRequest", **given)
    assert error["code"] == "NOT_ALLOWED"
    error = await house.refused(people.stranger, "answerRequest", **given)
    assert error["code"] == "NOT_FOUND"
    error = await house.refused(people.seller, "answerRequest", **given, expectedVersion=1)
    assert error["code"] == "STALE"
    first = await house.done(people.seller, "answerRequest", **given, idempotencyKey="once")
    again = await house.done(people.seller, "answerRequest", **given, idempotencyKey="once")
    assert again["informationRequest"] == first["informationRequest"]
    error = await house.refused(people.seller, "answerRequest", **given)
    assert error["code"] == "UNMET"


async def test_only_the_arbitrator_asks_and_only_while_the_record_is_open(house):
    journey = await until(house, "heard")
    given = {"caseId": journey.case, "side": "CLAIMANT", "question": "Why?"}
    for viewer, code in (
        (house.people.buyer, "NOT_ALLOWED"),
        (journey.mediator, "NOT_FOUND"),
        (house.people.stranger, "NOT_FOUND"),
    ):
        error = await house.refused(viewer, "requestInformation", **given)
        assert error["code"] == code
    request = await _asked(journey)
    await house.done(journey.arbitrator, "closeRecord", caseId=journey.case)
    error = await house.refused(journey.arbitrator, "requestInformation", **given)
    assert error["code"] == "NOT_ALLOWED"
    error = await house.refused(house.people.seller, "answerRequest", requestId=request, body="x")
    assert error["code"] == "NOT_ALLOWED"
    (found,) = (await _case(house, journey.case, house.people.buyer))["informationRequests"]
    assert (found["open"], found["answer"]) == (False, None)
    await _sound(house, journey.case)


async def test_a_late_answer_is_refused_and_the_record_goes_on(database, engine, tmp_path):
    await db.make_demonstration(database.admin_url)
    house = await House.opened(database, engine, tmp_path, moves_time=True)
    journey = await until(house, "heard")
    request = await _asked(journey)
    await house.done(house.people.buyer, "moveTime", hours=49)
    given = {"requestId": request, "body": "Sorry."}
    error = await house.refused(house.people.seller, "answerRequest", **given)
    assert error["code"] == "LATE", "the worker is late, the clock is not"
    await clockwork.run(house.office, _failed)
    error = await house.refused(house.people.seller, "answerRequest", **given)
    assert error["code"] == "LATE"
    found = await _case(house, journey.case, house.people.buyer)
    (asked,) = found["informationRequests"]
    assert (found["state"], asked["open"]) == ("HEARING", False)
    assert asked["expiredAt"] == asked["due"]
    assert found["record"]["nodes"][-1]["act"] == "EXPIRE_REQUEST"
    await _sound(house, journey.case)
    await house.close()


async def test_a_request_gives_no_more_time_than_the_record_has(database, engine, tmp_path):
    await db.make_demonstration(database.admin_url)
    house = await House.opened(database, engine, tmp_path, moves_time=True)
    journey = await until(house, "heard")
    await house.done(house.people.buyer, "moveTime", days=6)
    await _asked(journey)
    found = await _case(house, journey.case, house.people.seller)
    dues = {clock["kind"]: datetime.fromisoformat(clock["due"]) for clock in found["clocks"]}
    assert dues["INFORMATION"] == dues["RECORD"]
    await house.done(house.people.buyer, "moveTime", hours=25)
    await clockwork.run(house.office, _failed)
    assert (await _case(house, journey.case, house.people.buyer))["state"] == "DELIBERATING"
    await _sound(house, journey.case)
    await house.close()

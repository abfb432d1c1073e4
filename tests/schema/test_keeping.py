"""Erasures and legal holds by mutations: the operator's, two people, never under hold."""

from sqlalchemy import text

from odr import erasures
from schema import ids
from tests.schema.house import House

SHOWN = """query($id: ID!) { node(id: $id) { ... on Exhibit { title description filename
  findings { kind grounds { name text } }
  record { attestation { entry body salt } }
  erasures { state ground sentence words reason at doneAt } } } }"""
HOLDS = "query($id: ID!) { case(id: $id) { legalHolds { reason until liftedAt } } }"


async def given(house: House) -> tuple[str, str]:
    """A case, and an exhibit in it."""
    case, buyer = await house.file(), house.people.buyer
    exhibit = {
        "uploadId": await house.upload(buyer),
        "kind": "STATEMENT",
        "title": "What I saw",
    }
    await house.done(buyer, "submitExhibit", caseId=case, exhibit=exhibit)
    listed = "query($id: ID!) { case(id: $id) { exhibits { id } } }"
    found = await house.ask(buyer, listed, id=case)
    return case, found["case"]["exhibits"][-1]["id"]


async def asked(house: House, exhibit: str) -> str:
    done = await house.done(
        house.people.operator,
        "eraseExhibit",
        exhibitId=exhibit,
        ground="COURT_ORDER",
        reason="A judgment.",
    )
    assert done["erasure"]["state"] == "ASKED"
    return done["erasure"]["id"]


async def test_an_exhibit_is_erased_by_two_people_and_everybody_who_saw_it_is_told(house):
    _, exhibit = await given(house)
    people = house.people
    erasure = await asked(house, exhibit)
    shown = await house.ask(people.buyer, SHOWN, id=exhibit)
    assert shown["node"]["erasures"] == []
    refused = await house.refused(people.operator, "approveErasure", erasureId=erasure)
    assert (refused["code"], refused["message"]) == ("UNMET", "Somebody else has to do this.")
    done = await house.done(people.second_operator, "approveErasure", erasureId=erasure)
    assert done["erasure"]["state"] == "GRANTED"
    await erasures.destroy(house.office, ids.key(erasure, "er"))
    for viewer, reason in ((people.seller, None), (people.operator, "A judgment.")):
        node = (await house.ask(viewer, SHOWN, id=exhibit))["node"]
        assert (node["title"], node["description"], node["filename"]) == ("", "", "")
        (found,) = node["erasures"]
        assert found["doneAt"]
        assert (found["state"], found["ground"], found["reason"]) == ("DONE", "COURT_ORDER", reason)
        assert found["sentence"] == "a court or an authority ordered it"
    assert (await house.ask(people.stranger, SHOWN, id=exhibit))["node"] is None


async def test_from_the_approval_on_nobody_is_shown_what_the_erasure_covers(house):
    _, exhibit = await given(house)
    people = house.people
    sql = (
        "INSERT INTO exhibit_findings (id, case_id, exhibit_id, kind, strength, grounds, at)"
        " SELECT id, case_id, id, 'same_file_elsewhere', 'slight', CAST(:grounds AS jsonb),"
        " service_now() FROM exhibits WHERE id = :id"
    )
    async with house.office.engine.begin() as conn:
        given_ = {"id": ids.key(exhibit, "ex"), "grounds": '[{"name": "program", "text": "Paint"}]'}
        await conn.execute(text(sql), given_)
    erasure = await asked(house, exhibit)
    before = (await house.ask(people.buyer, SHOWN, id=exhibit))["node"]
    assert "What I saw" in before["record"][0]["attestation"]["body"]
    assert before["findings"][0]["grounds"] == [{"name": "PROGRAM", "text": "Paint"}]
    await house.done(people.second_operator, "approveErasure", erasureId=erasure)
    for viewer in (people.buyer, people.seller, people.operator):
        node = (await house.ask(viewer, SHOWN, id=exhibit))["node"]
        (told,) = (each["attestation"] for each in node["record"])
        assert told == {"body": None, "salt": None, "entry": told["entry"]}
        assert [each["grounds"] for each in node["findings"]] == [[]]
        assert "What I saw" not in str(node)


async def test_an_erasure_that_was_asked_for_is_declined(house):
    _, exhibit = await given(house)
    erasure = await asked(house, exhibit)
    done = await house.done(house.people.operator, "declineErasure", erasureId=erasure)
    assert done["erasure"]["state"] == "DECLINED"
    refused = await house.refused(house.people.second_operator, "approveErasure", erasureId=erasure)
    assert refused["message"] == "This was decided before."


async def test_a_hold_is_placed_and_lifted_and_stops_an_erasure(house):
    case, exhibit = await given(house)
    people = house.people
    placed = await house.done(people.operator, "placeLegalHold", caseId=case, reason="A suit.")
    refused = await house.refused(
        people.operator, "eraseExhibit", exhibitId=exhibit, ground="COURT_ORDER", reason="x"
    )
    assert refused["code"] == "UNMET"
    assert refused["message"].startswith("A legal hold is placed on this case")
    shown = await house.ask(people.seller, HOLDS, id=case)
    assert shown["case"]["legalHolds"] == [{"reason": "A suit.", "until": None, "liftedAt": None}]
    assert (await house.ask(people.marketplace, HOLDS, id=case))["case"]["legalHolds"] == []
    lifted = await house.done(
        people.operator, "liftLegalHold", holdId=placed["hold"]["id"], reason="It is over."
    )
    assert lifted["hold"]["liftedAt"]
    await asked(house, exhibit)


LISTED = """query { erasures(states: [ASKED], first: 10) { nodes { id reason own askedBy
    case { number } exhibit { label } } }
  legalHolds(inForce: true, first: 10) { nodes { id reason case { number } } } }"""


async def test_the_operator_lists_what_waits_and_what_is_held_and_others_see_their_own(house):
    case, exhibit = await given(house)
    other, _ = await given(house)
    people = house.people
    erasure = await asked(house, exhibit)
    over = await house.done(people.operator, "placeLegalHold", caseId=other, reason="Before.")
    await house.done(
        people.operator, "liftLegalHold", holdId=over["hold"]["id"], reason="It is over."
    )
    hold = await house.done(people.operator, "placeLegalHold", caseId=case, reason="A suit.")
    for viewer, own in ((people.operator, True), (people.second_operator, False)):
        found = await house.ask(viewer, LISTED)
        (pending,) = found["erasures"]["nodes"]
        (held,) = found["legalHolds"]["nodes"]
        assert (pending["id"], pending["reason"], pending["own"]) == (erasure, "A judgment.", own)
        assert pending["askedBy"]
        assert pending["exhibit"]["label"] == "A-1"
        assert (held["id"], held["case"]["number"]) == (
            hold["hold"]["id"],
            pending["case"]["number"],
        )
    for viewer in (people.buyer, people.seller):
        found = await house.ask(viewer, LISTED)
        assert found["erasures"]["nodes"] == []
        assert [each["reason"] for each in found["legalHolds"]["nodes"]] == ["A suit."]
    for viewer in (people.marketplace, people.insurer, people.stranger):
        found = await house.ask(viewer, LISTED)
        assert found["erasures"]["nodes"] == found["legalHolds"]["nodes"] == []


async def test_only_the_operator_erases_and_holds(house):
    case, exhibit = await given(house)
    people = house.people
    erasure = await asked(house, exhibit)
    hold = (await house.done(people.operator, "placeLegalHold", caseId=case, reason="A suit."))[
        "hold"
    ]["id"]
    for viewer in (people.buyer, people.seller, people.marketplace, people.stranger):
        for mutation, named in (
            ("eraseExhibit", {"exhibitId": exhibit, "ground": "COURT_ORDER", "reason": "x"}),
            ("approveErasure", {"erasureId": erasure}),
            ("declineErasure", {"erasureId": erasure}),
            ("placeLegalHold", {"caseId": case, "reason": "x"}),
            ("liftLegalHold", {"holdId": hold, "reason": "x"}),
        ):
            refused = await house.refused(viewer, mutation, **named)
            assert refused["code"] == "NOT_FOUND", mutation

"""Who sees what, read row by row as everybody; and what must not be betrayed."""

from typing import Any

import orjson
import pytest
import sqlalchemy as sa
from sqlalchemy import select

from odr.models.states import Channel
from schema import access, ids
from schema.reader.declaration import TableReading
from tests.odr import world
from tests.schema.journey import Journey, until

ROOMS = {
    "claimant": {"record", "mediation", "claimant_caucus"},
    "respondent": {"record", "mediation", "respondent_caucus"},
    "mediator": {"record", "mediation", "claimant_caucus", "respondent_caucus"},
}
OWNERS = (
    "account_id",
    "organisation_id",
    "insurer_id",
    "insured_id",
    "seller_id",
    "marketplace_id",
)
NODE = "query($id: ID!) { node(id: $id) { __typename id } }"


def test_the_table_is_current():
    readme = access.FILE.read_text(encoding="utf-8")
    assert access.placed(readme) == readme, "run: make docs"


def test_every_type_and_hidden_field_is_listed():
    table = access.table()
    for name in access.ROWS:
        assert f"| {name} |" in table


def _viewers(journey: Journey) -> dict[str, Any]:
    people = journey.house.people
    found = {
        "claimant": people.buyer,
        "respondent": people.seller,
        "marketplace": people.marketplace,
        "operator": people.operator,
        "others": people.stranger,
    }
    if "insurance" in journey.ids:
        found["insurer"] = people.insurer
    seated = journey.arbitrator or journey.mediator
    found["arbitrator" if journey.arbitrator else "mediator"] = seated
    return found


def _expected(word: str, role: str, type_name: str, row: Any, viewer: Any) -> bool:
    own = {viewer.account_id, *viewer.organisation_ids}
    named = {getattr(row, name) for name in OWNERS if hasattr(row, name)}
    if type_name in {"Account", "Neutral"}:
        named.add(row.account_id if type_name == "Neutral" else row.id)
    channel = getattr(row, "channel", None)
    if type_name == "CaucusMessage":
        channel = f"{row.with_side}_caucus"
    match word:
        case "yes":
            return True
        case "no":
            return False
        case "record":
            return channel == Channel.RECORD
        case "rooms":
            return channel in ROOMS[role]
        case "own":
            return bool(own & named)
    raise AssertionError(word)


def _word(type_name: str, role: str) -> str:
    return access.ROWS[type_name].split()[access.ROLES.index(role)]


@pytest.mark.parametrize("step", ["proposed", "insured"])
async def test_every_row_is_seen_by_those_of_the_table_and_by_nobody_else(house, step):
    journey = await until(house, step)
    catalogue = house.api.reader.catalogue
    viewers, asked, wrong = _viewers(journey), 0, []
    async with house.engine.connect() as connection:
        made = await connection.execute(select(catalogue.table("Offer").table))
        offers = {offer.id: offer for offer in made}
    for name, words in access.ROWS.items():
        reading = catalogue.readings[name]
        assert isinstance(reading, TableReading)
        if reading.tag is None:
            continue
        async with house.engine.connect() as connection:
            rows = (await connection.execute(select(reading.table))).all()
        for row in rows:
            id_ = ids.write(reading.tag, row.account_id if name == "Neutral" else row.id)
            for role, word in zip(access.ROLES, words.split(), strict=True):
                if role not in viewers or word == "customers":
                    continue
                found = await house.ask(viewers[role], NODE, id=id_)
                asked += 1
                clock_of = offers.get(row.subject_id) if name == "Clock" else None
                expected = (
                    _expected(word, role, name, row, viewers[role])
                    if clock_of is None
                    else _expected(_word("Offer", role), role, "Offer", clock_of, viewers[role])
                )
                if (found["node"] is not None) != expected:
                    wrong.append((name, role, word, found["node"]))
    assert wrong == []
    assert asked > 300


async def test_a_marketplace_sees_its_customers_and_no_other_account(house):
    await house.file()
    people = house.people
    for viewer, seen in ((people.buyer, True), (people.stranger, False), (people.seller, False)):
        found = await house.ask(people.marketplace, NODE, id=ids.write("ac", viewer.account_id))
        assert (found["node"] is not None) is seen


# The wall around mediation

WHOLE = """query($id: ID!) { case(id: $id) { version viewerState
  exhibits { id label answers { body } } offers { id } clocks { kind amount { amountMinor } }
  proposals { id } messages(first: 50) { totalCount nodes { id body } }
  caucusMessages { id body } actedAt notices { kind }
  record(first: 100) { totalCount nodes { id act channel offer { id } exhibit { id }
    message { id } proposal { id } } } evidence { side kinds satisfied } } }"""


async def test_nothing_of_mediation_reaches_the_arbitrator(house):
    journey = await until(house, "heard")
    whole = await house.ask(journey.arbitrator, WHOLE, id=journey.case)
    written = orjson.dumps(whole).decode()
    for name in ("caucus", "message", "walled", "walled_offer", "proposal"):
        assert journey.ids[name] not in written, name
    case = whole["case"]
    assert case["caucusMessages"] == case["proposals"] == []
    assert case["messages"] == {"totalCount": 0, "nodes": []}
    assert {clock["kind"] for clock in case["clocks"]} == {"RECORD"}
    assert {entry["channel"] for entry in case["record"]["nodes"]} == {"RECORD"}
    assert case["record"]["totalCount"] == len(case["record"]["nodes"])


async def test_a_mediator_who_has_gone_reads_nothing_more(house):
    journey = await until(house, "heard")
    found = await house.ask(journey.mediator, WHOLE, id=journey.case)
    assert found["case"] is None


async def test_caucus_is_read_by_its_side_and_the_mediator(house):
    journey = await until(house, "talked")
    people = house.people
    read = "query($id: ID!) { case(id: $id) { caucusMessages { withSide side name own body } } }"
    said = {
        name: (await house.ask(viewer, read, id=journey.case))["case"]["caucusMessages"]
        for name, viewer in {
            "buyer": people.buyer,
            "seller": people.seller,
            "mediator": journey.mediator,
            "operator": people.operator,
        }.items()
    }
    assert [(m["body"], m["name"], m["own"]) for m in said["buyer"]] == [
        ("I would take 80.", "Buyer", True)
    ]
    assert [(m["body"], m["side"]) for m in said["seller"]] == [("Think of 50.", "NEUTRAL")]
    assert len(said["mediator"]) == 2
    assert said["operator"] == []


async def test_what_is_said_in_caucus_shows_nowhere_to_the_other_side(house):
    journey = await until(house, "mediated")
    people = house.people
    before = await house.ask(people.seller, WHOLE, id=journey.case)
    await house.done(people.buyer, "sendCaucusMessage", caseId=journey.case, body="In confidence.")
    assert await house.ask(people.seller, WHOLE, id=journey.case) == before


async def test_a_sides_answer_to_a_proposal_is_hidden_until_both_have_answered(house):
    journey = await until(house, "proposed")
    people, proposal = house.people, journey.ids["proposal"]
    read = """query($id: ID!) { case(id: $id) { viewerState
      proposals { state claimantAccepts respondentAccepts } } }"""

    async def answers(viewer):
        (found,) = (await house.ask(viewer, read, id=journey.case))["case"]["proposals"]
        return found["claimantAccepts"], found["respondentAccepts"]

    await house.done(people.buyer, "acceptProposal", proposalId=proposal)
    assert await answers(people.buyer) == (True, None)
    assert await answers(people.seller) == (None, None)
    assert await answers(journey.mediator) == (True, None)
    await house.done(people.seller, "rejectProposal", proposalId=proposal)
    assert await answers(people.buyer) == await answers(people.seller) == (True, False)


async def test_insurers_read_the_record_and_no_messages(house):
    case = await house.file()
    await house.done(house.people.buyer, "sendMessage", caseId=case, body="Hello.")
    await house.done(house.people.seller, "acceptClaim", caseId=case)
    found = await house.ask(house.people.insurer, WHOLE, id=case)
    assert found["case"]["messages"]["totalCount"] == 0
    acts = [entry["act"] for entry in found["case"]["record"]["nodes"]]
    assert acts[:2] == ["FILE", "SEND_MESSAGE"]
    assert [e["message"] for e in found["case"]["record"]["nodes"]] == [None] * len(acts)


async def test_names_are_hidden_from_those_who_are_not_in_the_case(house):
    case = await house.file()
    seats = "query($id: ID!) { case(id: $id) { seats { role name } } }"
    for viewer in (house.people.buyer, house.people.marketplace, house.people.operator):
        found = await house.ask(viewer, seats, id=case)
        assert {s["role"]: s["name"] for s in found["case"]["seats"]} == {
            "CLAIMANT": "Buyer",
            "RESPONDENT": "Seller",
        }


async def test_a_tokens_own_secret_is_no_column_that_can_be_read(house):
    columns = {c.name for c in house.api.reader.catalogue.table("Token").table.c}
    assert "digest" in columns
    async with house.engine.connect() as connection:
        allowed = await connection.scalar(
            sa.text("SELECT has_column_privilege('concord_reader', 'tokens', 'digest', 'SELECT')")
        )
    assert allowed is False


async def test_an_insurer_of_another_cover_sees_nothing(house):

    journey = await until(house, "final")
    other = await world.make(house.engine)
    for root in ("settledClaims", "insuranceClaims", "covers"):
        found = await house.ask(other.insurer, f"{{ {root}(first: 9) {{ nodes {{ id }} }} }}")
        assert len(found[root]["nodes"]) == (1 if root == "covers" else 0)
    found = await house.ask(other.operator, NODE, id=journey.case)
    assert found["node"] is not None

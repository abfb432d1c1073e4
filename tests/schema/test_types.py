"""What the types show: everything can be read, and says what holds."""

from datetime import datetime
from typing import Any

from odr.procedure.clocks import Clock
from odr.rulebook import load_all
from odr.words import SELLER_REASONS, Reason
from schema import ids
from tests.schema import everything
from tests.schema.house import refund
from tests.schema.journey import STEPS, Journey, until


async def test_every_field_can_be_read_by_everybody(house):
    journey = await until(house, "insured")
    for root in everything.roots(house.api.schema):
        document = everything.document(house.api.schema, root)
        for viewer in (*house.viewers().values(), journey.arbitrator):
            found = await house.ask(viewer, document)
            assert root in found


async def test_a_case_is_read_by_one_statement_whatever_it_holds(house):
    journey = await until(house, "ruled")
    document = house.documents.get(everything.case(house.api.schema), None)
    values = document.values({"id": journey.case})
    assert house.api.reader.statement(document, values) is not None
    found = await house.ask(house.people.buyer, everything.case(house.api.schema), id=journey.case)
    assert found["case"]["number"]


# Whose turn it is

TURNS = {
    "filed": ("THEIR_TURN", "YOUR_TURN", None),
    "contested": ("YOUR_TURN", "THEIR_TURN", None),
    "countered": ("YOUR_TURN", "THEIR_TURN", None),
    "mediated": ("WITH_NEUTRAL", "WITH_NEUTRAL", "YOUR_TURN"),
    "talked": ("YOUR_TURN", "WITH_NEUTRAL", "YOUR_TURN"),
    "proposed": ("YOUR_TURN", "YOUR_TURN", "THEIR_TURN"),
    "heard": ("YOUR_TURN", "YOUR_TURN", "THEIR_TURN"),
    "deliberated": ("YOUR_TURN", "WITH_NEUTRAL", "YOUR_TURN"),
    "ruled": ("YOUR_TURN", "YOUR_TURN", "THEIR_TURN"),
    "final": ("THEIR_TURN", "THEIR_TURN", "THEIR_TURN"),
    "paid": ("DONE", "DONE", "DONE"),
}


async def test_everybody_is_told_whose_turn_it_is(house):
    journey, read = Journey(house), "query($id: ID!) { case(id: $id) { viewerState } }"
    listed = """query($filter: CaseFilter!) { cases(first: 9, filter: $filter) {
      nodes { id viewerState } } }"""
    found = {}
    for step in STEPS[:-1]:
        await getattr(journey, step)()
        neutral = journey.arbitrator or journey.mediator
        told = []
        for viewer in (house.people.buyer, house.people.seller, neutral):
            case = None if viewer is None else await house.ask(viewer, read, id=journey.case)
            state = case["case"]["viewerState"] if case else None
            told.append(state)
            if state is not None:
                cases = await house.ask(viewer, listed, filter={"viewerStates": [state]})
                assert cases["cases"]["nodes"] == [{"id": journey.case, "viewerState": state}]
        found[step] = tuple(told)
    assert found == TURNS


# What may be done

ACTS = """query($id: ID!) { case(id: $id) { viewerRoles availableActs { act mutation input sentence
  dueBy bounds { termsItems texts { name longest }
    remedies { remedy highest { amountMinor currency } amount lines { orderLine
      highest { amountMinor } } } } } } }"""


async def _acts(house, viewer, case):
    found = (await house.ask(viewer, ACTS, id=case))["case"]
    return {act["act"]: act for act in found["availableActs"]}


async def test_the_acts_of_each_step_are_those_that_are_possible(house):
    journey = await (await Journey(house).filed()).contested()
    people = house.people
    mine = await _acts(house, people.buyer, journey.case)
    theirs = await _acts(house, people.seller, journey.case)
    assert "MAKE_COUNTER_OFFER" in theirs
    assert "MAKE_COUNTER_OFFER" not in mine
    assert "ACCEPT_OFFER" not in mine
    await journey.countered()
    mine = await _acts(house, people.buyer, journey.case)
    theirs = await _acts(house, people.seller, journey.case)
    assert {"ACCEPT_OFFER", "REJECT_COUNTER_OFFER"} <= set(mine)
    assert "REJECT_OFFER" not in mine, "the one open offer is the counter-offer"
    assert "REVOKE_OFFER" in theirs
    assert not {"MAKE_OFFER", "MAKE_COUNTER_OFFER"} & set(theirs)


async def test_strangers_insurers_and_operators_are_offered_nothing_of_the_parties(house):
    journey = await until(house, "ruled")
    for viewer in (house.people.operator, house.people.marketplace):
        assert await _acts(house, viewer, journey.case) == {}


async def test_an_act_is_told_with_its_mutation_its_bounds_and_its_time(house):
    journey = await (await Journey(house).filed()).contested()
    acts = await _acts(house, house.people.seller, journey.case)
    offer = acts["MAKE_OFFER"]
    assert (offer["mutation"], offer["input"]) == ("makeOffer", "MakeOfferInput")
    assert offer["bounds"]["texts"] == [{"name": "message", "longest": 4000}]
    bounds = {r["remedy"]: r for r in offer["bounds"]["remedies"]}
    assert bounds["FULL_REFUND"]["highest"] == {"amountMinor": 12_900, "currency": "EUR"}
    assert bounds["PARTIAL_REFUND"]["lines"] == [
        {"orderLine": 1, "highest": {"amountMinor": 12_000}}
    ]
    assert bounds["RELEASE_TO_SELLER"]["amount"] == "OPTIONAL"
    assert "COUPON" not in bounds, "what is not carried out is not offered"
    assert acts["SEND_MESSAGE"]["bounds"]["remedies"] == []
    assert datetime.fromisoformat(offer["dueBy"])


async def test_an_act_upon_an_offer_has_the_offers_own_time(house):
    journey = await (await (await Journey(house).filed()).contested()).countered()
    acts = await _acts(house, house.people.buyer, journey.case)
    found = await house.ask(
        house.people.buyer,
        "query($id: ID!) { case(id: $id) { offers { validUntil } clocks { kind due } } }",
        id=journey.case,
    )
    (offer,) = found["case"]["offers"]
    assert acts["ACCEPT_OFFER"]["dueBy"] == offer["validUntil"]
    assert acts["SEND_MESSAGE"]["dueBy"] != offer["validUntil"]


async def test_nothing_that_is_offered_is_refused_for_a_known_reason(house):
    """Each act that is shown is tried with an input that may be wrong: the table lets it in."""
    journey, tried = Journey(house), set()
    for step in STEPS[:9]:
        await getattr(journey, step)()
        viewers = [house.people.buyer, house.people.seller, journey.mediator, journey.arbitrator]
        for viewer in viewers:
            if viewer is None:
                continue
            found = await house.ask(viewer, ACTS, id=journey.case)
            for act in found["case"]["availableActs"] if found["case"] else ():
                if act["act"] not in WRONG:
                    continue
                payload = await house.act(viewer, act["mutation"], **WRONG[act["act"]](journey))
                (error,) = payload["userErrors"]
                assert error["code"] in {"INVALID", "STALE"}, (act["act"], step, error)
                tried.add(act["act"])
    assert tried == set(WRONG)


def _stale(**given: Any):
    return lambda journey: {"caseId": journey.case, "expectedVersion": 999, **given}


WRONG = {
    "WITHDRAW": _stale(),
    "MAKE_OFFER": _stale(terms=refund(1)),
    "MAKE_COUNTER_OFFER": _stale(terms=refund(1)),
    "PLACE_BID": _stale(amountMinor=1, currency="EUR"),
    "SEND_MESSAGE": _stale(body="x"),
    "SEND_CAUCUS_MESSAGE": _stale(body="x"),
    "ACKNOWLEDGE": _stale(),
    "ACCEPT_CLAIM": _stale(),
    "CONTEST": _stale(statement="x"),
    "REQUEST_INTERVENTION": _stale(),
    "PROPOSE_TERMS": _stale(terms=refund(1), reasons="x"),
    "DECLARE_IMPASSE": _stale(),
    "CONSENT": _stale(),
    "DECLINE_CONSENT": _stale(),
    "REST": _stale(),
    "CLOSE_RECORD": _stale(),
    "RULE": _stale(kind="DISMISSED", findings=[], reasons="x"),
    "WAIVE_APPEAL": _stale(),
}


# Clocks, record, evidence


async def test_a_clock_tells_who_is_awaited_and_what_happens_by_default(house):
    case = await house.file()
    found = await house.ask(
        house.people.seller,
        """query($id: ID!) { case(id: $id) { clocks { kind awaits side defaultOutcome
          amount { formatted } } } }""",
        id=case,
    )
    clocks = {clock["kind"]: clock for clock in found["case"]["clocks"]}
    assert clocks["ANSWER"] == {
        "kind": "ANSWER",
        "awaits": ["RESPONDENT"],
        "side": "RESPONDENT",
        "defaultOutcome": Clock.ANSWER.meaning,
        "amount": {"formatted": "€129.00"},
    }


async def test_the_record_tells_each_act_with_its_facts(house):
    journey = await until(house, "ruled")
    found = await house.ask(
        house.people.buyer,
        """query($id: ID!) { case(id: $id) { record(first: 100) { nodes { act name side before after
          exhibitLabel exhibit { label } amount { amountMinor } offer { id } ruling { kind }
          rulingKind neutralKind reason interests agrees leaf } } } }""",
        id=journey.case,
    )
    entries = {entry["act"]: entry for entry in found["case"]["record"]["nodes"]}
    assert entries["FILE"]["reason"] == "DAMAGED_IN_TRANSIT"
    assert entries["FILE"]["before"] == entries["FILE"]["after"] == "FILED"
    assert entries["CONTEST"]["name"] == "Seller", "staff speak under the seller's name"
    assert entries["MAKE_COUNTER_OFFER"]["offer"] == {"id": journey.ids["offer"]}
    assert entries["APPOINT_ARBITRATOR"]["neutralKind"] == "ARBITRATOR"
    assert entries["APPOINT_ARBITRATOR"]["name"] is None
    assert entries["ANSWER_EXHIBIT"]["exhibit"] == {"label": "B-1"}
    assert entries["CONSENT"]["agrees"] is True
    assert entries["DISCLOSE"]["interests"] is True
    assert entries["RULE"]["rulingKind"] == entries["RULE"]["ruling"]["kind"] == "GRANTED_IN_PART"
    assert entries["RULE"]["amount"] == {"amountMinor": 9_000}
    assert all(len(entry["leaf"]) == 64 for entry in entries.values())


async def test_the_record_is_paged_in_its_order(house):
    journey = await until(house, "countered")
    page = """query($id: ID!, $after: String) { case(id: $id) {
      record(first: 2, after: $after) { edges { node { act } }
        pageInfo { endCursor hasNextPage } } } }"""
    acts, after = [], None
    while True:
        found = await house.ask(house.people.buyer, page, id=journey.case, after=after)
        record = found["case"]["record"]
        acts += [edge["node"]["act"] for edge in record["edges"]]
        if not record["pageInfo"]["hasNextPage"]:
            break
        after = record["pageInfo"]["endCursor"]
    assert acts == ["FILE", "SUBMIT_EXHIBIT", "CONTEST", "SUBMIT_EXHIBIT", "MAKE_COUNTER_OFFER"]


async def test_the_checklist_says_what_is_given(house):
    journey = await Journey(house).filed()
    found = await house.ask(
        house.people.buyer,
        "query($id: ID!) { case(id: $id) { evidence { side kinds satisfied } } }",
        id=journey.case,
    )
    lines = {(line["side"], line["kinds"][0]): line for line in found["case"]["evidence"]}
    assert lines["CLAIMANT", "PRODUCT_PHOTO"]["satisfied"] is True
    assert lines["RESPONDENT", "WAYBILL"]["satisfied"] is False


async def test_an_exhibit_tells_its_file_its_voucher_and_its_answers(house):
    journey = await until(house, "deliberated")
    found = await house.ask(
        house.people.seller,
        """query($id: ID!) { case(id: $id) { exhibits { id label kind name path mediaType size
          sha256
          filename voucher { issuer issued } answers { body side name } } } }""",
        id=journey.case,
    )
    exhibits = {exhibit["label"]: exhibit for exhibit in found["case"]["exhibits"]}
    first = exhibits["A-1"]
    assert first["voucher"] == {"issuer": "Buyer", "issued": "2026-11-20"}
    assert first["path"] == f"/exhibits/{first['id']}"
    assert (first["mediaType"], first["size"], first["name"]) == ("text/plain", 34, "Buyer")
    assert exhibits["B-1"]["answers"] == [
        {"body": "It says nothing of the inside.", "side": "CLAIMANT", "name": "Buyer"}
    ]


# Before a case


async def test_an_order_tells_for_which_reasons_it_can_be_claimed(house):
    order = await house.order()
    found = await house.ask(
        house.people.buyer,
        """query($id: ID!) { order(id: $id) { claimable viewerParty reasons {
          reason open opens closes
          filer remedies { remedy highest { amountMinor } } checklist { side kinds } } } }""",
        id=order,
    )
    assert found["order"]["claimable"] is True
    assert found["order"]["viewerParty"] == "BUYER"
    reasons = {reason["reason"]: reason for reason in found["order"]["reasons"]}
    assert set(reasons) == {reason.name for reason in set(Reason) - SELLER_REASONS}
    damaged = reasons["DAMAGED_IN_TRANSIT"]
    assert damaged["open"] is True
    highest = {r["remedy"]: r["highest"]["amountMinor"] for r in damaged["remedies"]}
    assert highest["FULL_REFUND"] == 12_900
    seller = await house.ask(
        house.people.seller,
        "query($id: ID!) { order(id: $id) { viewerParty reasons { reason } } }",
        id=order,
    )
    assert {r["reason"] for r in seller["order"]["reasons"]} == {r.name for r in SELLER_REASONS}


async def test_orders_are_listed_by_whether_they_can_be_claimed(house):
    open_, claimed = await house.order(), await house.order()
    await house.file(claimed)
    listed = (
        """query($filter: OrderFilter) { orders(first: 9, filter: $filter) { nodes { id } } }"""
    )
    for claimable, expected in ((True, [open_]), (False, [claimed]), (None, [open_, claimed])):
        given = {} if claimable is None else {"filter": {"claimable": claimable}}
        found = await house.ask(house.people.buyer, listed, **given)
        assert {node["id"] for node in found["orders"]["nodes"]} == set(expected)
    sold = await house.ask(house.people.seller, listed, filter={"party": "SELLER"})
    assert len(sold["orders"]["nodes"]) == 2
    bought = await house.ask(house.people.seller, listed, filter={"party": "BUYER"})
    assert bought["orders"]["nodes"] == []


async def test_a_case_is_found_by_id_or_number_and_only_by_those_who_see_it(house):
    case = await house.file()
    read = "query($id: ID, $number: String) { case(id: $id, number: $number) { id number } }"
    found = await house.ask(house.people.buyer, read, id=case)
    by_number = await house.ask(house.people.seller, read, number=found["case"]["number"])
    assert by_number == found
    for viewer in (house.people.stranger, house.people.insurer):
        assert (await house.ask(viewer, read, id=case))["case"] is None
    assert (
        await house.ask(house.people.buyer, read, id=ids.write("or", house.people.buyer.account_id))
    )["case"] is None


async def test_settled_claims_are_filtered(house):
    await until(house, "insured")
    listed = """query($filter: InsuranceClaimFilter) { settledClaims(first: 9, filter: $filter) {
      nodes { id number state case { number } cover { id } settledAt } } }"""
    found = await house.ask(house.people.insurer, listed)
    (claim,) = found["settledClaims"]["nodes"]
    hits = [
        {"cover": claim["cover"]["id"]},
        {"perils": ["DAMAGE", "LOSS"]},
        {"states": ["PAID"]},
        {"settledFrom": claim["settledAt"]},
        {"paidMin": 8_500, "paidMax": 8_500},
        {"caseNumber": claim["case"]["number"]},
        {"number": claim["number"], "currency": "EUR"},
        {},
    ]
    misses = [
        {"cover": "co" + "0" * 32},
        {"perils": ["DELAY"]},
        {"states": ["DENIED"]},
        {"settledUntil": claim["settledAt"]},
        {"claimedMin": 8_501},
        {"caseNumber": "2611-0000-0000-00"},
    ]
    for filter_ in hits:
        found = await house.ask(house.people.insurer, listed, filter=filter_)
        assert len(found["settledClaims"]["nodes"]) == 1, filter_
    for filter_ in misses:
        found = await house.ask(house.people.insurer, listed, filter=filter_)
        assert found["settledClaims"]["nodes"] == [], filter_
    found = await house.ask(house.people.seller, listed)
    assert found["settledClaims"]["nodes"] == [], "the list is the insurer's own"


async def test_the_rulebook_and_the_limits_of_uploads_are_told_beforehand(house):
    found = await house.ask(
        house.people.stranger,
        """{ rulebook { version digest windows { window length days working }
          limits { name highest }
          reasons { reason filer filing remedies
            checklist { side need kinds satisfied } } }
          old: rulebook(version: "nothing") { version }
          uploadLimits { unusedMax filenameMax
            mediaTypes { mediaType largest } } }""",
    )
    book = next(iter(load_all()))
    told = found["rulebook"]
    assert (told["version"], told["digest"]) == (book.version, book.digest)
    windows = {window["window"]: window["length"] for window in told["windows"]}
    assert windows["ANSWER"] == "5 days"
    assert {reason["reason"] for reason in told["reasons"]} == {reason.name for reason in Reason}
    assert all(reason["filing"].endswith(".") for reason in told["reasons"])
    assert found["old"] is None
    assert {"mediaType": "image/jpeg", "largest": 50 * 2**20} in found["uploadLimits"]["mediaTypes"]


async def test_the_viewer_is_told_who_they_are(house):
    read = """{ me { name organisations { name kind } } organisations { id }
      viewer { accountId organisationIds operator scopes } }"""
    buyer = await house.ask(house.people.buyer, read)
    assert buyer["me"] == {"name": "Buyer", "organisations": []}
    assert buyer["viewer"]["organisationIds"] == []
    seller = await house.ask(house.people.seller, read)
    assert seller["me"]["organisations"] == [{"name": "Seller", "kind": "SELLER"}]
    assert [o["id"] for o in seller["organisations"]] == seller["viewer"]["organisationIds"]
    operator = await house.ask(house.people.operator, read)
    assert operator["viewer"]["operator"] is True

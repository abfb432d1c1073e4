"""Acts by mutations: each works once for its key, and refuses as data."""

import asyncio
from dataclasses import replace

import pytest
from graphql import GraphQLError

from infra import database as db
from odr.policy import Viewer
from schema import ids
from schema.reader.document import Refused
from tests.schema.house import House, refund
from tests.schema.journey import Journey, until

COUNTED = "query($id: ID!) { case(id: $id) { version record(first: 100) { totalCount } } }"


async def _count(house, case):
    found = await house.ask(house.people.buyer, COUNTED, id=case)
    return found["case"]["record"]["totalCount"]


async def test_the_main_job_is_done_by_mutations(house):
    journey = await until(house, "insured")

    case = await house.ask(
        house.people.buyer,
        """query($id: ID!) { case(id: $id) {
          state outcome viewerState granted { amountMinor } recordSize recordRoot
          rulings { kind recordRoot findings { issue exhibits { label } }
            notReliedOn { exhibit { label } why } }
          payouts { state amount { amountMinor } } obligations { state }
          availableActs { act } } }""",
        id=journey.case,
    )
    found = case["case"]
    assert (found["state"], found["outcome"], found["viewerState"]) == ("CLOSED", "RULED", "DONE")
    assert found["granted"] == {"amountMinor": 9_000}
    (ruling,) = found["rulings"]
    assert ruling["recordRoot"] == found["recordRoot"]
    assert ruling["findings"] == [{"issue": "Was it broken?", "exhibits": [{"label": "A-1"}]}]
    assert ruling["notReliedOn"] == [{"exhibit": {"label": "B-1"}, "why": "Says nothing of it."}]
    assert found["payouts"] == [{"state": "PAID", "amount": {"amountMinor": 9_000}}]
    assert found["obligations"] == [{"state": "DONE"}]
    assert found["availableActs"] == []

    settled = await house.ask(
        house.people.insurer,
        "{ settledClaims(first: 9) { nodes { state claimed { amountMinor } paid { amountMinor }"
        " decidedBy case { id } cover { insured { name } } } } }",
    )
    (claim,) = settled["settledClaims"]["nodes"]
    assert claim["state"] == "PAID"
    assert claim["paid"] == claim["claimed"] == {"amountMinor": 8_500}
    assert claim["case"] == {"id": journey.case}


async def test_a_seller_may_just_accept(house):
    case = await house.file()
    await house.done(house.people.seller, "acknowledge", caseId=case)
    done = await house.done(house.people.seller, "acceptClaim", caseId=case)
    assert (done["case"]["stage"], done["case"]["outcome"]) == ("PERFORMANCE", "SETTLED")


async def test_an_offer_settles_when_it_is_accepted(house):
    case = await house.file()
    made = await house.done(
        house.people.buyer, "makeOffer", caseId=case, terms=refund(5_000), message="Half?"
    )
    done = await house.done(house.people.seller, "acceptOffer", offerId=made["offer"]["id"])
    assert done["case"]["outcome"] == "SETTLED"
    assert done["offer"]["state"] == "ACCEPTED"


async def test_an_offer_is_rejected_or_revoked(house):
    case = await house.file()
    made = await house.done(house.people.buyer, "makeOffer", caseId=case, terms=refund(5_000))
    done = await house.done(house.people.seller, "rejectOffer", offerId=made["offer"]["id"])
    assert done["offer"]["state"] == "REJECTED"
    made = await house.done(house.people.buyer, "makeOffer", caseId=case, terms=refund(4_000))
    done = await house.done(house.people.buyer, "revokeOffer", offerId=made["offer"]["id"])
    assert done["offer"]["state"] == "REVOKED"


async def test_a_claim_is_withdrawn(house):
    done = await house.done(house.people.buyer, "withdraw", caseId=await house.file())
    assert (done["case"]["state"], done["case"]["outcome"]) == ("CLOSED", "WITHDRAWN")


async def test_either_side_asks_for_a_mediator_and_the_mediator_gives_up(house):
    journey = await (await Journey(house).filed()).contested()
    done = await house.done(house.people.seller, "requestIntervention", caseId=journey.case)
    assert done["case"]["stage"] == "MEDIATION"
    mediator = await journey._neutral(house.people.mediators)
    await house.done(mediator, "disclose", caseId=journey.case)
    done = await house.done(mediator, "declareImpasse", caseId=journey.case)
    assert done["case"] is None, "the mediator's seat has ended"
    done = await house.done(house.people.seller, "declineConsent", caseId=journey.case)
    assert done["case"]["stage"] == "ARBITRATION"


async def test_a_walled_exhibit_is_released_and_the_record_closed_by_the_arbitrator(house):
    journey = await until(house, "heard")
    walled = journey.ids["walled"]
    labels = "query($id: ID!) { case(id: $id) { exhibits { label } } }"
    before = await house.ask(journey.arbitrator, labels, id=journey.case)
    done = await house.done(house.people.buyer, "releaseExhibit", exhibitId=walled)
    assert done["exhibit"]["channel"] == "RECORD"
    after = await house.ask(journey.arbitrator, labels, id=journey.case)
    assert len(after["case"]["exhibits"]) == len(before["case"]["exhibits"]) + 1
    done = await house.done(journey.arbitrator, "closeRecord", caseId=journey.case)
    assert done["case"]["state"] == "DELIBERATING"


async def test_both_accept_a_proposal_and_it_settles(house):
    journey = await until(house, "proposed")
    proposal = journey.ids["proposal"]
    done = await house.done(house.people.buyer, "acceptProposal", proposalId=proposal)
    assert done["proposal"]["state"] == "OPEN"
    done = await house.done(house.people.seller, "acceptProposal", proposalId=proposal)
    assert (done["proposal"]["state"], done["case"]["outcome"]) == ("ACCEPTED", "SETTLED")


async def test_a_claim_is_dismissed_without_terms(house):
    journey = await until(house, "deliberated")
    cited = [await journey._exhibit(label) for label in ("A-1", "B-1")]
    finding = {"issue": "Was it broken?", "body": "No.", "exhibits": cited}
    done = await house.done(
        journey.arbitrator,
        "rule",
        caseId=journey.case,
        kind="DISMISSED",
        findings=[finding],
        reasons="It was not.",
    )
    assert done["ruling"]["kind"] == "DISMISSED"


# The same key, the same answer


async def test_a_repeated_key_answers_the_same_and_does_nothing(house):
    order = await house.order()
    given = {
        "orderId": order,
        "reason": "DAMAGED_IN_TRANSIT",
        "statement": "It arrived broken.",
        "terms": refund(12_900, remedy="FULL_REFUND"),
        "idempotencyKey": "once",
    }
    first = await house.done(house.people.buyer, "file", **given)
    again = await house.done(house.people.buyer, "file", **given)
    assert again == first
    assert await _count(house, first["case"]["id"]) == 1


async def test_one_of_many_at_once_acts_and_all_get_its_answer(house):
    case = await house.file()
    given = {"caseId": case, "terms": refund(5_000), "idempotencyKey": "at-once"}
    answers = await asyncio.gather(
        *(house.done(house.people.buyer, "makeOffer", **given) for _ in range(8))
    )
    assert len({answer["offer"]["id"] for answer in answers}) == 1
    assert await _count(house, case) == 2


@pytest.mark.parametrize(
    ("mutation", "changed"),
    [("makeOffer", {"message": "Other words."}), ("sendMessage", {"body": "x"})],
)
async def test_a_repeated_key_with_other_content_is_a_conflict(house, mutation, changed):
    case = await house.file()
    given = {"caseId": case, "terms": refund(5_000), "idempotencyKey": "mine"}
    await house.done(house.people.buyer, "makeOffer", **given)
    if mutation != "makeOffer":
        given.pop("terms")
    error = await house.refused(house.people.buyer, mutation, **given | changed)
    assert error["code"] == "CONFLICT"


async def test_a_key_is_its_actors_own(house):
    case = await house.file()
    given = {"caseId": case, "body": "Hello.", "idempotencyKey": "same"}
    one = await house.done(house.people.buyer, "sendMessage", **given)
    other = await house.done(house.people.seller, "sendMessage", **given)
    assert one["message"]["id"] != other["message"]["id"]


async def test_a_refusal_leaves_the_key_unused(house):
    case = await house.file()
    given = {"caseId": case, "idempotencyKey": "again"}
    error = await house.refused(house.people.buyer, "makeOffer", terms=refund(99_999), **given)
    assert error["rule"] == "above_order"
    await house.done(house.people.buyer, "makeOffer", terms=refund(5_000), **given)


@pytest.mark.parametrize(
    ("key", "rule"),
    [("", "missing"), ("k" * 101, "too_long"), ("two words", "malformed"), ("é", "malformed")],
)
async def test_a_key_has_1_to_100_printable_characters(house, key, rule):
    case = await house.file()
    error = await house.refused(
        house.people.buyer, "sendMessage", caseId=case, body="x", idempotencyKey=key
    )
    assert (error["path"], error["rule"]) == (["idempotencyKey"], rule)
    longest = {"caseId": case, "body": "x", "idempotencyKey": "k" * 100}
    await house.done(house.people.buyer, "sendMessage", **longest)


# Wrong role, wrong stage, somebody else's case, stale, late


async def test_the_wrong_role_is_refused_and_sees_the_case(house):
    case = await house.file()
    payload = await house.act(house.people.buyer, "acknowledge", caseId=case)
    assert payload["userErrors"][0]["code"] == "NOT_ALLOWED"
    assert payload["case"]["version"] == 1


async def test_the_wrong_stage_is_refused(house):
    case = await house.file()
    error = await house.refused(house.people.buyer, "rest", caseId=case)
    assert error["code"] == "NOT_ALLOWED"
    assert {"name": "state", "values": ["FILED"]} in error["facts"]


async def test_a_missing_fact_is_named(house):
    case = await house.file()
    await house.done(house.people.seller, "acknowledge", caseId=case)
    error = await house.refused(house.people.seller, "acknowledge", caseId=case)
    assert error["code"] == "UNMET"
    assert {"name": "fact", "values": ["NOT_ACKNOWLEDGED"]} in error["facts"]


async def test_a_stale_version_is_refused_with_the_one_that_holds(house):
    case = await house.file()
    error = await house.refused(
        house.people.buyer, "sendMessage", caseId=case, body="x", expectedVersion=7
    )
    assert error["code"] == "STALE"
    assert {"name": "version", "values": ["1"]} in error["facts"]


async def test_a_second_claim_on_an_order_is_a_conflict(house):
    order = await house.order()
    await house.file(order)
    error = await house.refused(
        house.people.buyer,
        "file",
        orderId=order,
        reason="LATE",
        statement="x",
        terms=refund(1_000),
    )
    assert error["code"] == "CONFLICT"


MINE = {
    "acknowledge": {"caseId": "ca"},
    "makeOffer": {"caseId": "ca", "terms": refund(5_000)},
    "acceptOffer": {"offerId": "of"},
    "revokeOffer": {"offerId": "of"},
    "placeBid": {"caseId": "ca", "amountMinor": 5_000, "currency": "EUR"},
    "answerExhibit": {"exhibitId": "ex", "body": "x"},
    "releaseExhibit": {"exhibitId": "ex"},
    "sendMessage": {"caseId": "ca", "body": "x"},
    "withdraw": {"caseId": "ca"},
    "rule": {"caseId": "ca", "kind": "DISMISSED", "findings": [], "reasons": "x"},
}


@pytest.mark.parametrize("mutation", MINE)
async def test_somebody_elses_and_what_is_not_there_look_alike(house, mutation):
    journey = await (await (await Journey(house).filed()).contested()).countered()
    there = {
        "ca": journey.case,
        "of": journey.ids["offer"],
        "ex": await journey._exhibit("A-1"),
    }
    answers = [
        await house.act(house.people.stranger, mutation, **_filled(MINE[mutation], there)),
        await house.act(
            house.people.stranger,
            mutation,
            **_filled(
                MINE[mutation],
                {tag: tag + "0" * 13 + "8" + "0" * 2 + "8" + "0" * 15 for tag in there},
            ),
        ),
        await house.act(
            house.people.stranger, mutation, **_filled(MINE[mutation], dict.fromkeys(there, "x"))
        ),
    ]
    assert answers[0] == answers[1] == answers[2]
    assert answers[0]["userErrors"][0]["code"] == "NOT_FOUND"
    assert answers[0]["case"] is None


def _filled(given, ids_):
    return {
        name: ids_.get(value, value) if isinstance(value, str) else value
        for name, value in given.items()
    }


async def test_a_token_without_the_scope_cannot_act(house):
    case = await house.file()
    seller = house.people.seller
    token = Viewer(
        seller.account_id,
        seller.organisation_ids,
        scopes=frozenset({"read"}),
        personal=False,
    )
    error = await house.refused(token, "acknowledge", caseId=case)
    assert error["code"] == "NOT_FOUND"
    found = await house.ask(
        token, "query($id: ID!) { case(id: $id) { availableActs { act } } }", id=case
    )
    assert found["case"]["availableActs"] == []
    acting = Viewer(
        seller.account_id,
        seller.organisation_ids,
        scopes=frozenset({"read", "act"}),
        personal=False,
    )
    await house.done(acting, "acknowledge", caseId=case)


# Bad input


BAD_TERMS = [
    (refund(12_901), "above_order", ["terms", "items", "0", "amountMinor"]),
    (refund(-1), "negative", ["terms", "items", "0", "amountMinor"]),
    (refund(0), "zero", ["terms", "items", "0", "amountMinor"]),
    (refund(100, "XXX"), "unknown_currency", ["terms", "currency"]),
    (refund(100, "USD"), "other_currency", ["terms", "currency"]),
    ({"currency": "EUR", "items": []}, "empty", ["terms", "items"]),
    (
        {"currency": "EUR", "items": [{"remedy": "PARTIAL_REFUND"}]},
        "missing",
        ["terms", "items", "0", "amountMinor"],
    ),
    (
        {"currency": "EUR", "items": [{"remedy": "COUPON", "amountMinor": 100}]},
        "not_carried_out",
        ["terms", "items", "0", "remedy"],
    ),
    (
        {
            "currency": "EUR",
            "items": [{"remedy": "PARTIAL_REFUND", "amountMinor": 1, "orderLine": 7}],
        },
        "unknown_line",
        ["terms", "items", "0", "orderLine"],
    ),
]


@pytest.mark.parametrize(("terms", "rule", "path"), BAD_TERMS, ids=lambda value: str(value)[:30])
async def test_terms_that_cannot_be_are_refused_at_their_field(house, terms, rule, path):
    case = await house.file()
    error = await house.refused(house.people.buyer, "makeOffer", caseId=case, terms=terms)
    assert (error["code"], error["rule"], error["path"]) == ("INVALID", rule, path)


async def test_the_claim_and_the_proposal_are_bounded_as_well(house):
    order = await house.order()
    given = {"orderId": order, "reason": "DAMAGED_IN_TRANSIT", "statement": "x"}
    error = await house.refused(
        house.people.buyer, "file", terms=refund(99, remedy="RELEASE_TO_SELLER"), **given
    )
    assert error["rule"] == "remedy_not_allowed"
    replaced = {"currency": "EUR", "items": [{"remedy": "REPLACEMENT"}]}
    error = await house.refused(house.people.buyer, "file", terms=replaced, **given)
    assert error["rule"] == "not_carried_out"


@pytest.mark.parametrize("amount", [12.5, "100", True, 2**53, None])
async def test_an_amount_is_a_whole_number_before_anything_is_done(house, amount):
    case = await house.file()
    terms = {
        "currency": "EUR",
        "items": [{"remedy": "PARTIAL_REFUND", "amountMinor": amount}],
    }
    if amount is None:
        error = await house.refused(house.people.buyer, "makeOffer", caseId=case, terms=terms)
        assert error["rule"] == "missing"
        return
    with pytest.raises((GraphQLError, Refused)):
        await house.act(house.people.buyer, "makeOffer", caseId=case, terms=terms)
    assert await _count(house, case) == 1


@pytest.mark.parametrize("field", ["message", "note"])
async def test_a_zero_character_is_refused_where_it_stands(house, field):
    case = await house.file()
    terms = refund(5_000)
    given = {"caseId": case, "terms": terms}
    if field == "note":
        terms["items"][0]["note"] = "a\0b"
    else:
        given["message"] = "a\0b"
    error = await house.refused(house.people.buyer, "makeOffer", **given)
    assert error["rule"] == "malformed"
    assert error["path"][-1] == field


async def test_an_upload_of_somebody_else_or_used_before_is_not_there(house):
    case = await house.file()
    theirs = await house.upload(house.people.seller)
    exhibit = {"kind": "OTHER", "title": "x"}
    for upload in (theirs, "up" + "0" * 32, "nonsense"):
        error = await house.refused(
            house.people.buyer,
            "submitExhibit",
            caseId=case,
            exhibit={**exhibit, "uploadId": upload},
        )
        assert error["code"] in {"NOT_FOUND", "INVALID"}
    mine = {**exhibit, "uploadId": await house.upload(house.people.buyer)}
    await house.done(house.people.buyer, "submitExhibit", caseId=case, exhibit=mine)
    error = await house.refused(house.people.buyer, "submitExhibit", caseId=case, exhibit=mine)
    assert error["code"] == "NOT_FOUND"


async def test_every_exhibit_is_cited_or_left_out_with_a_reason(house):
    journey = await until(house, "deliberated")
    finding = {"issue": "x", "body": "y", "exhibits": [await journey._exhibit("A-1")]}
    error = await house.refused(
        journey.arbitrator,
        "rule",
        caseId=journey.case,
        kind="GRANTED",
        findings=[finding],
        reasons="z",
        terms=refund(9_000),
    )
    assert (error["rule"], error["path"]) == ("exhibit_left_out", ["notReliedOn"])
    assert {"name": "labels", "values": ["B-1"]} in error["facts"]


async def test_a_database_that_goes_away_is_told_as_retryable(database, engine, tmp_path):
    house = await House.opened(database, engine, tmp_path)
    case = await house.file()
    gone = House(**{**house.__dict__, "office": _without_a_database(house.office)})
    payload = await gone.act(house.people.buyer, "sendMessage", caseId=case, body="x")
    (error,) = payload["userErrors"]
    assert (error["code"], error["retryable"]) == ("UNAVAILABLE", True)
    await house.done(house.people.buyer, "sendMessage", caseId=case, body="x")
    await house.close()


def _without_a_database(office):
    url = office.engine.url.set(host="/nowhere", query={})
    return replace(office, engine=db.create_engine(url, connections_max=1))


# Beside cases


async def test_a_marketplace_registers_its_trade(house):
    people = house.people
    market = ids.write("og", people.marketplace_id)
    buyer = {"email": "new@example.org", "name": "New Buyer"}
    person = await house.done(people.marketplace, "registerPerson", person=buyer)
    assert person["accountId"].startswith("ac")
    seller = await house.done(
        people.marketplace,
        "registerSeller",
        marketplaceId=market,
        reference="S-1",
        name="A shop",
        country="FR",
        members=[{"email": "shop@example.org", "name": "Shopkeeper"}],
    )
    given = {
        "marketplaceId": market,
        "reference": "O-1",
        "buyerEmail": "new@example.org",
        "sellerId": seller["seller"]["id"],
        "currency": "EUR",
        "lines": [{"title": "A lamp", "quantity": 2, "unitMinor": 4_000}],
        "freightMinor": 500,
        "category": "home",
        "language": "en",
        "country": "FR",
        "zone": "Europe/Paris",
        "placedAt": "2026-11-01T10:00:00Z",
        "policy": {"returnDays": 14, "listing": "A lamp"},
    }
    order = await house.done(people.marketplace, "registerOrder", **given)
    again = await house.done(people.marketplace, "registerOrder", **given)
    assert order["order"]["id"] == again["order"]["id"]
    other = await house.refused(people.marketplace, "registerOrder", **given | {"category": "toys"})
    assert other["code"] == "CONFLICT"
    await _paid_and_shipped(house, order["order"]["id"])


async def _paid_and_shipped(house, order_id):
    people = house.people
    await house.done(
        people.marketplace,
        "registerPayment",
        orderId=order_id,
        reference="P-1",
        method="card",
        amountMinor=8_500,
        currency="EUR",
        paidAt="2026-11-01T10:01:00Z",
    )
    parcel = await house.done(
        people.marketplace,
        "registerShipment",
        orderId=order_id,
        carrier="Post",
        service="standard",
        trackingNumber="T-1",
    )
    await house.done(
        people.marketplace,
        "registerShipmentEvents",
        shipmentId=parcel["shipment"]["id"],
        events=[
            {"at": "2026-11-02T08:00:00Z", "code": "ACCEPTED", "place": "Lyon"},
            {"at": "2026-11-04T08:00:00Z", "code": "DELIVERED", "place": "Paris"},
        ],
    )
    found = await house.ask(
        people.marketplace,
        """query($id: ID!) { order(id: $id) {
          total { formatted } lines { number total { amountMinor } }
          payments { amount { amountMinor } } shipments { deliveredAt events { code place } }
          policy { returnDays listing } buyerName } }""",
        id=order_id,
    )
    assert found["order"] == {
        "total": {"formatted": "€85.00"},
        "lines": [{"number": 1, "total": {"amountMinor": 8_000}}],
        "payments": [{"amount": {"amountMinor": 8_500}}],
        "shipments": [
            {
                "deliveredAt": "2026-11-04T08:00:00.000000Z",
                "events": [
                    {"code": "accepted", "place": "Lyon"},
                    {"code": "delivered", "place": "Paris"},
                ],
            }
        ],
        "policy": {"returnDays": 14, "listing": "A lamp"},
        "buyerName": "New Buyer",
    }


async def test_bonds_and_covers_are_registered(house):
    people = house.people
    bond = await house.done(
        people.marketplace,
        "registerBond",
        marketplaceId=ids.write("og", people.marketplace_id),
        sellerId=ids.write("og", people.seller_id),
        currency="USD",
        floorMinor=1_000,
        depositMinor=5_000,
    )
    await house.done(
        people.marketplace,
        "depositIntoBond",
        bondId=bond["bond"]["id"],
        reference="D-1",
        amountMinor=500,
    )
    cover = await house.done(
        people.insurer,
        "registerCover",
        insurerId=ids.write("og", people.insurer_id),
        insuredId=ids.write("og", people.seller_id),
        reference="C-1",
        perils=["LOSS"],
        currency="USD",
        claimLimitMinor=1_000,
        aggregateLimitMinor=9_000,
        deductibleMinor=0,
        starts="2026-01-01",
        ends="2026-12-31",
    )
    assert cover["cover"]["perils"] == ["LOSS"]
    assert cover["cover"]["confirmedAt"] is None
    agreed = {"coverId": cover["cover"]["id"]}
    refused_ = await house.refused(people.insurer, "confirmCover", **agreed)
    assert refused_["code"] == "NOT_FOUND"
    confirmed = await house.done(people.seller, "confirmCover", **agreed)
    assert confirmed["cover"]["confirmedAt"] is not None


REGISTERING = {
    "registerPerson": {"person": {"email": "x@example.org", "name": "X"}},
    "registerPayment": {
        "orderId": "or",
        "reference": "P",
        "method": "card",
        "amountMinor": 1,
        "currency": "EUR",
        "paidAt": "2026-11-01T10:00:00Z",
    },
    "registerShipment": {
        "orderId": "or",
        "carrier": "Post",
        "service": "s",
        "trackingNumber": "T",
    },
}


@pytest.mark.parametrize("mutation", REGISTERING)
async def test_only_marketplaces_register(house, mutation):
    given = _filled(REGISTERING[mutation], {"or": await house.order()})
    for name in ("buyer", "seller", "insurer", "stranger", "operator"):
        error = await house.refused(house.viewers()[name], mutation, **given)
        assert error["code"] == "NOT_FOUND", name


async def test_a_token_is_shown_once_and_ended(house):
    people = house.people
    given = {
        "organisationId": ids.write("og", people.seller_id),
        "name": "shop system",
        "scopes": ["read", "act"],
        "idempotencyKey": "token",
    }
    made = await house.done(people.seller, "createToken", **given)
    assert made["secret"].startswith("concord_")
    again = await house.done(people.seller, "createToken", **given)
    assert again["token"] == made["token"]
    assert again["secret"] is None
    follower = await house.done(people.seller, "rotateToken", tokenId=made["token"]["id"])
    assert follower["secret"] not in {None, made["secret"]}
    ended = await house.done(people.seller, "revokeToken", tokenId=made["token"]["id"])
    assert ended["token"]["revoked"] is not None
    listed = await house.ask(people.seller, "{ tokens { name } }")
    assert len(listed["tokens"]) == 2
    assert (await house.ask(people.buyer, "{ tokens { name } }"))["tokens"] == []


async def test_an_insurer_denies_with_a_reason(house):
    case = await house.file()
    await house.done(house.people.seller, "acceptClaim", caseId=case)
    found = await house.ask(house.people.insurer, "{ insuranceClaims(first: 1) { nodes { id } } }")
    claim = found["insuranceClaims"]["nodes"][0]["id"]
    given = {"insuranceClaimId": claim, "grounds": "Not packed well.", "denialReason": "packing"}
    error = await house.refused(house.people.seller, "decideInsuranceClaim", **given)
    assert error["code"] == "NOT_FOUND"
    done = await house.done(house.people.insurer, "decideInsuranceClaim", **given)
    assert done["insuranceClaim"]["state"] == "DENIED"
    error = await house.refused(house.people.insurer, "payInsuranceClaim", insuranceClaimId=claim)
    assert error["code"] == "NOT_ALLOWED"


async def test_a_notice_is_read_by_its_own_account_only(house):
    await house.file()
    found = await house.ask(
        house.people.seller, "{ notices(first: 1, unread: true) { nodes { id sentence } } }"
    )
    (notice,) = found["notices"]["nodes"]
    assert notice["sentence"] == "A claim was filed."
    error = await house.refused(house.people.buyer, "readNotice", noticeId=notice["id"])
    assert error["code"] == "NOT_FOUND"
    done = await house.done(house.people.seller, "readNotice", noticeId=notice["id"])
    assert done["notice"]["readAt"] is not None


async def test_a_person_chooses_language_and_zone(house):
    given = {"language": "zh", "zone": "Asia/Shanghai", "idempotencyKey": "once"}
    done = await house.done(house.people.buyer, "setPreferences", **given)
    assert (done["account"]["language"], done["account"]["zone"]) == ("zh", "Asia/Shanghai")
    await house.done(house.people.buyer, "setPreferences", language="en")
    again = await house.done(house.people.buyer, "setPreferences", **given)
    assert again["account"]["language"] == "en", "the same key does nothing anew"
    error = await house.refused(house.people.buyer, "setPreferences", **given | {"zone": "UTC"})
    assert error["code"] == "CONFLICT"
    error = await house.refused(house.people.buyer, "setPreferences", zone="Mars/Olympus")
    assert (error["code"], error["path"]) == ("INVALID", ["zone"])
    token = replace(house.people.marketplace, scopes=frozenset({"read", "act"}), personal=False)
    error = await house.refused(token, "setPreferences", language="zh")
    assert error["code"] == "NOT_FOUND"


async def test_the_operator_keeps_roster_and_organisations(house):
    people = house.people
    listed = await house.done(
        people.operator,
        "listNeutral",
        accountId=ids.write("ac", people.stranger.account_id),
        kinds=["MEDIATOR"],
        languages=["en", "de"],
    )
    assert listed["neutral"]["languages"] == ["de", "en"]
    done = await house.done(
        people.operator,
        "unlistNeutral",
        accountId=ids.write("ac", people.stranger.account_id),
    )
    assert done["neutral"]["active"] is False
    member = {"email": "first@insurer.example", "name": "First"}
    opened = await house.done(
        people.operator,
        "openOrganisation",
        kind="INSURER",
        name="Another insurer",
        country="NL",
        members=[member],
    )
    added = await house.done(
        people.operator,
        "addMember",
        organisationId=opened["organisation"]["id"],
        person={"email": "second@insurer.example", "name": "Second"},
    )
    await house.done(
        people.operator,
        "removeMember",
        organisationId=opened["organisation"]["id"],
        accountId=added["accountId"],
    )
    error = await house.refused(
        people.marketplace,
        "openOrganisation",
        kind="INSURER",
        name="x",
        country="NL",
        members=[member],
    )
    assert error["code"] == "NOT_FOUND"


async def test_time_moves_in_a_demonstration(database, engine, tmp_path):
    await db.make_demonstration(database.admin_url)
    house = await House.opened(database, engine, tmp_path, moves_time=True)
    case = await house.file()
    before = (await house.done(house.people.buyer, "moveTime", hours=1))["now"]
    after = (await house.done(house.people.buyer, "moveTime", days=6))["now"]
    assert after[:10] > before[:10]
    error = await house.refused(house.people.buyer, "moveTime", days=400)
    assert error["rule"] == "out_of_bounds"
    late = await house.refused(house.people.seller, "contest", caseId=case, statement="Late.")
    assert late["code"] == "LATE"
    await house.close()

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import event

from odr import ids, people, policy
from odr.errors import Invalid, NotFound
from odr.models.states import OrganisationKind
from odr.people import Person
from odr.policy import SERVICE, Viewer
from tests.odr import world

ANN = Person(email="ann@example.org", name="Ann Lee", language="zh-Hant", zone="Asia/Taipei")


class Place:
    """A world, and work in it by whoever."""

    def __init__(self, desk, people) -> None:
        self.desk, self.people = desk, people

    async def do(self, actor, function, *given: Any, **named: Any):
        async with self.desk.work(actor, ids.new(self.people.at)) as work:
            return await function(work, *given, **named)

    async def viewer(self, account):
        async with self.desk.engine.connect() as conn:
            return await people.viewer_of(conn, account)


@pytest.fixture
async def place(engine, tmp_path):
    return Place(world.office(engine, tmp_path), await world.make(engine))


async def test_a_viewer_is_an_account_with_its_organisations(place):
    for name in ("buyer", "seller", "marketplace", "insurer", "operator"):
        known = getattr(place.people, name)
        assert await place.viewer(known.account_id) == known
    assert place.people.operator.operator
    assert not place.people.seller.operator


async def test_a_viewer_is_found_in_one_statement(place, engine):
    statements = []
    event.listen(
        engine.sync_engine, "before_cursor_execute", lambda *given: statements.append(given[2])
    )
    await place.viewer(place.people.seller.account_id)
    assert len(statements) == 1


async def test_nobody_is_not_found(place):
    for account in (policy.NOBODY, ids.new(place.people.at)):
        with pytest.raises(NotFound):
            await place.viewer(account)


async def test_an_account_is_found_by_its_address_in_any_case(place):
    account = await place.do(SERVICE, people.register, ANN)
    async with place.desk.engine.connect() as conn:
        assert await people.account_by_email(conn, " ANN@Example.ORG ") == account
        assert await people.account_by_email(conn, "nobody@example.org") is None
    viewer = await place.viewer(account)
    assert (viewer.language, viewer.zone) == ("zh-Hant", "Asia/Taipei")


async def test_a_person_chooses_language_and_zone_each_by_itself(place):
    buyer = place.people.buyer
    await place.do(buyer, people.set_preferences, buyer.account_id, language="zh-CN")
    await place.do(buyer, people.set_preferences, buyer.account_id, zone="Asia/Shanghai")
    viewer = await place.viewer(buyer.account_id)
    assert (viewer.language, viewer.zone) == ("zh-CN", "Asia/Shanghai")


async def test_nobody_chooses_for_somebody_else_and_no_token_does(place):
    buyer, seller = place.people.buyer, place.people.seller
    token = replace(buyer, scopes=frozenset({"read", "act"}))
    for actor in (seller, place.people.operator, token):
        with pytest.raises(NotFound):
            await place.do(actor, people.set_preferences, buyer.account_id, language="zh")
    assert (await place.viewer(buyer.account_id)).language == buyer.language


@pytest.mark.parametrize(
    ("given", "path", "code"),
    [
        ({"language": "xx"}, ("language",), "unknown_language"),
        ({"language": ""}, ("language",), "unknown_language"),
        ({"zone": "Mars/Olympus"}, ("zone",), "unknown_zone"),
        ({"language": "zh", "zone": ""}, ("zone",), "unknown_zone"),
        ({}, (), "missing"),
    ],
)
async def test_a_language_or_zone_that_there_is_not_is_refused(place, given, path, code):
    buyer = place.people.buyer
    with pytest.raises(Invalid) as refused:
        await place.do(buyer, people.set_preferences, buyer.account_id, **given)
    assert (refused.value.path, refused.value.code) == (path, code)
    assert await place.viewer(buyer.account_id) == buyer


async def test_the_operator_lets_an_organisation_in(place):
    account = await place.do(SERVICE, people.register, ANN)
    opened = await place.do(
        place.people.operator,
        people.open_organisation,
        OrganisationKind.MARKETPLACE,
        "Bazaar",
        "TW",
        (account,),
    )
    assert (await place.viewer(account)).organisation_ids == (opened,)
    for actor in (
        place.people.marketplace,
        place.people.stranger,
        replace(place.people.operator, scopes=frozenset({"act"})),
    ):
        with pytest.raises(NotFound):
            await place.do(actor, people.open_organisation, OrganisationKind.OPERATOR, "Mine", "TW")


async def test_one_who_joins_the_operator_is_the_operator(place):
    account = await place.do(
        place.people.operator, people.add_member, place.people.operator_id, ANN
    )
    assert (await place.viewer(account)).operator


async def test_a_member_adds_another_and_takes_one_away(place):
    seller, shop = place.people.seller, place.people.seller_id
    account = await place.do(seller, people.add_member, shop, ANN)
    assert await place.do(seller, people.add_member, shop, ANN) == account
    assert (await place.viewer(account)).organisation_ids == (shop,)
    await place.do(await place.viewer(account), people.remove_member, shop, seller.account_id)
    assert (await place.viewer(seller.account_id)).organisation_ids == ()


async def test_the_last_member_stays(place):
    seller, shop = place.people.seller, place.people.seller_id
    with pytest.raises(Invalid) as refused:
        await place.do(seller, people.remove_member, shop, seller.account_id)
    assert refused.value.code == "last_member"
    with pytest.raises(NotFound):
        await place.do(seller, people.remove_member, shop, place.people.buyer.account_id)


async def test_members_are_changed_by_members_in_person(place):
    seller, shop = place.people.seller, place.people.seller_id
    token = replace(seller, scopes=frozenset(policy.SCOPES))
    for actor in (place.people.buyer, place.people.marketplace, Viewer(policy.NOBODY), token):
        with pytest.raises(NotFound):
            await place.do(actor, people.add_member, shop, ANN)
        with pytest.raises(NotFound):
            await place.do(actor, people.remove_member, shop, seller.account_id)


async def test_nobody_on_the_roster_acts_for_an_organisation(place):
    """Who decides disputes must not be one of the sides, nor become one."""
    neutral = place.people.arbitrators[0].account_id
    stranger = place.people.stranger.account_id
    with pytest.raises(Invalid) as refused:
        await place.do(SERVICE, people.join, place.people.seller_id, (stranger, neutral))
    assert (refused.value.path, refused.value.code) == (("members",), "is_neutral")
    assert not (await place.viewer(neutral)).organisation_ids
    assert not (await place.viewer(stranger)).organisation_ids


async def test_no_token_lets_a_further_operator_in(place):
    token = replace(place.people.operator, scopes=frozenset({"administer"}), personal=False)
    name = ("Another", "DE")
    with pytest.raises(NotFound):
        await place.do(token, people.open_organisation, OrganisationKind.OPERATOR, *name)
    assert await place.do(token, people.open_organisation, OrganisationKind.INSURER, *name)

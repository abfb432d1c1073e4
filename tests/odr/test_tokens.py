import zlib
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event, text

from odr import claims, ids, people, policy, tokens
from odr.errors import Invalid, NotFound, TooMuch
from tests.odr import world

DAY = timedelta(days=1)
TOKEN_ID = UUID("01420a2b-3c4d-8e5f-9a6b-7c8d9e0f1a2b")
EXAMPLE = tokens.write(TOKEN_ID, bytes(range(32)))


class Counter:
    """Where tokens are made, changed and shown."""

    def __init__(self, desk, people) -> None:
        self.desk, self.people, self.at = desk, people, people.at

    async def do(self, actor, function, *subject: Any, **named: Any):
        async with self.desk.work(actor, ids.new(self.at)) as work:
            return await function(work, *subject, **named)

    async def make(self, actor=None, organisation=None, **chosen: Any):
        named = {"name": "shop system", "scopes": ["read", "act"]} | chosen
        organisation = organisation or self.people.seller_id
        return await self.do(actor or self.people.seller, tokens.create, organisation, **named)

    async def show(self, token, at=None):
        async with self.desk.engine.connect() as conn:
            return await tokens.viewer(conn, token, at)


@pytest.fixture
async def counter(engine, tmp_path):
    return Counter(world.office(engine, tmp_path), await world.make(engine))


def test_a_token_is_spelled_as_its_module_says():
    written = tokens.write(TOKEN_ID, bytes(range(32)))
    assert written == (
        "concord_01420a2b3c4d8e5f9a6b7c8d9e0f1a2b"
        "_000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
        f"{zlib.crc32(written[:-8].encode()):08x}"
    )
    assert tokens.read(EXAMPLE) == TOKEN_ID


@given(st.uuids(), st.binary(min_size=32, max_size=32))
def test_what_is_written_is_read(token_id, secret):
    assert tokens.read(tokens.write(token_id, secret)) == token_id


@settings(max_examples=300)
@given(st.integers(0, len(EXAMPLE) - 1), st.characters(codec="utf-8"))
def test_one_wrong_character_is_told_without_the_database(place, character):
    other = EXAMPLE[:place] + character + EXAMPLE[place + 1 :]
    assert (tokens.read(other) is None) == (other != EXAMPLE)


@pytest.mark.parametrize(
    "other",
    [
        "",
        EXAMPLE.upper(),
        EXAMPLE + "\n",
        " " + EXAMPLE,
        EXAMPLE[:-1],
        EXAMPLE + "0",
        EXAMPLE.replace("concord_", "Concord_"),
        EXAMPLE.replace("_0001", "-0001"),
        EXAMPLE[:-8] + EXAMPLE[-8:].replace(EXAMPLE[-1], "\N{FULLWIDTH DIGIT ONE}"),
    ],
)
def test_every_other_spelling_is_refused(other):
    assert tokens.read(other) is None


async def test_a_token_opens_for_its_organisation_within_its_scopes(counter):
    made = await counter.make(scopes=["read"])
    viewer = await counter.show(made.token)
    assert viewer.organisation_ids == (counter.people.seller_id,)
    assert viewer.account_id == counter.people.seller.account_id
    assert viewer.may("read")
    assert not viewer.may("act")
    assert not viewer.operator
    assert not viewer.personal


async def test_a_token_is_of_one_organisation_only(counter):
    person = people.Person(email="ann@example.org", name="Ann")
    people_ = counter.people
    account = await counter.do(people_.seller, people.add_member, people_.seller_id, person)
    await counter.do(people_.operator, people.add_member, people_.operator_id, person)
    async with counter.desk.engine.connect() as conn:
        both = await people.viewer_of(conn, account)
    assert len(both.organisation_ids) == 2
    made = await counter.make(both)
    viewer = await counter.show(made.token)
    assert viewer.organisation_ids == (people_.seller_id,)
    assert not viewer.operator


async def test_the_operators_token_is_the_operator_only_if_it_administers(counter):
    operator, own = counter.people.operator, counter.people.operator_id
    reading = await counter.make(operator, own, scopes=["read"])
    ruling = await counter.make(operator, own, scopes=["administer"])
    assert not (await counter.show(reading.token)).operator
    assert (await counter.show(ruling.token)).operator


async def test_a_token_is_shown_in_one_statement_and_a_misspelled_one_in_none(counter):
    made = await counter.make()
    done = []
    event.listen(
        counter.desk.engine.sync_engine,
        "before_cursor_execute",
        lambda *given: done.append(given[2]),
    )
    assert await counter.show(made.token)
    assert len(done) == 1
    assert await counter.show(made.token[:-1] + "g") is None
    assert len(done) == 1


async def test_a_token_of_the_right_id_and_another_secret_opens_nothing(counter):
    made = await counter.make()
    assert await counter.show(tokens.write(made.id, bytes(32))) is None
    assert await counter.show(EXAMPLE) is None


async def test_the_database_keeps_only_a_hash(counter):
    made = await counter.make()
    async with counter.desk.engine.connect() as conn:
        held = await conn.scalar(text("SELECT string_agg(t::text, ' ') FROM tokens t"))
    secret = made.token.split("_")[2]
    assert secret[:16] not in held
    assert made.token not in repr(made)


async def test_a_token_ends_when_it_expires(counter):
    made = await counter.make(days=30)
    assert made.expires - counter.at >= 30 * DAY
    assert await counter.show(made.token, made.expires - timedelta(microseconds=1))
    assert await counter.show(made.token, made.expires) is None


async def test_a_token_that_was_revoked_opens_nothing(counter):
    made = await counter.make()
    await counter.do(counter.people.seller, tokens.revoke, made.id)
    await counter.do(counter.people.seller, tokens.revoke, made.id)
    assert await counter.show(made.token) is None
    with pytest.raises(NotFound):
        await counter.do(counter.people.seller, tokens.rotate, made.id)


async def test_a_token_ends_with_its_makers_membership(counter):
    made = await counter.make()
    seller, shop = counter.people.seller, counter.people.seller_id
    other = people.Person(email="bob@example.org", name="Bob")
    await counter.do(seller, people.add_member, shop, other)
    await counter.do(seller, people.remove_member, shop, seller.account_id)
    assert await counter.show(made.token) is None


async def test_a_rotated_token_opens_beside_its_successor_for_a_while(counter):
    old = await counter.make(days=100)
    new = await counter.do(counter.people.seller, tokens.rotate, old.id)
    assert new.id != old.id
    assert await counter.show(old.token) == await counter.show(new.token)
    later = counter.at + 2 * DAY
    assert await counter.show(old.token, later) is None
    assert await counter.show(new.token, later)
    assert new.expires - old.expires < DAY


async def test_a_rotated_token_never_lives_longer_than_it_would_have(counter):
    old = await counter.make(days=1)
    await counter.do(counter.people.seller, tokens.rotate, old.id, overlap=7 * DAY)
    assert await counter.show(old.token, old.expires) is None
    for overlap in (8 * DAY, -DAY):
        with pytest.raises(Invalid):
            await counter.do(counter.people.seller, tokens.rotate, old.id, overlap=overlap)


async def test_rotating_makes_no_more_tokens_than_there_may_be(counter):
    old = await counter.make()
    with pytest.raises(TooMuch):
        for _ in range(tokens.TOKENS_MAX):
            await counter.do(counter.people.seller, tokens.rotate, old.id)
    await counter.do(counter.people.seller, tokens.rotate, old.id, overlap=0 * DAY)


async def test_tokens_are_made_and_changed_by_members_in_person(counter):
    made = await counter.make()
    token = await counter.show(made.token)
    all_scopes = replace(counter.people.seller, scopes=frozenset(policy.SCOPES))
    others = (counter.people.buyer, counter.people.marketplace, counter.people.operator)
    for actor in (token, all_scopes, *others):
        with pytest.raises(NotFound):
            await counter.make(actor)
        with pytest.raises(NotFound):
            await counter.do(actor, tokens.rotate, made.id)
        with pytest.raises(NotFound):
            await counter.do(actor, tokens.revoke, made.id)
    with pytest.raises(NotFound):
        await counter.do(counter.people.seller, tokens.revoke, ids.new(counter.at))
    assert await counter.show(made.token)


async def test_a_token_that_cannot_be_is_refused(counter):
    for wrong, path, code in (
        ({"scopes": []}, "scopes", "missing"),
        ({"scopes": ["fly"]}, "scopes", "unknown"),
        ({"scopes": ["administer"]}, "scopes", "not_for_this_organisation"),
        ({"scopes": ["read", "register"]}, "scopes", "not_for_this_organisation"),
        ({"name": ""}, "name", "missing"),
        ({"name": "x" * 101}, "name", "too_long"),
        ({"days": 0}, "days", "too_small"),
        ({"days": 401}, "days", "too_large"),
        ({"days": 1.5}, "days", "fractional"),
    ):
        with pytest.raises(Invalid) as refused:
            await counter.make(**wrong)
        assert (refused.value.path, refused.value.code) == ((path,), code), wrong


async def test_every_scope_is_some_organisations(counter):
    granted = set().union(*tokens._SCOPES.values())
    assert granted == set(policy.SCOPES)
    assert await counter.make(
        counter.people.marketplace, counter.people.marketplace_id, scopes=["register"]
    )


async def test_an_organisation_has_so_many_tokens(counter):
    made = [await counter.make() for _ in range(tokens.TOKENS_MAX)]
    with pytest.raises(TooMuch):
        await counter.make()
    await counter.do(counter.people.seller, tokens.revoke, made[0].id)
    assert await counter.make()


async def test_an_organisations_token_does_not_act_as_its_maker(counter):
    """Whoever made the shop's token may have bought something too: that is not the shop's."""
    order = await world.order(counter.desk.engine, counter.people)
    maker = counter.people.buyer
    token = replace(maker, scopes=frozenset({"act"}), personal=False)
    filing = claims.Filing(
        order_id=order,
        reason=world.Reason.DAMAGED_IN_TRANSIT,
        statement="It arrived broken.",
        terms=world.refund(12_900, full=True),
    )
    with pytest.raises(NotFound):
        await counter.do(token, claims.file, filing)

import asyncio
from datetime import timedelta
from hashlib import sha256
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import event, select, text

from odr import ids, people, signin
from odr.errors import Invalid, NotFound, TooMuch
from odr.models.people import Session, SignInLink, SignInRequest
from odr.signin import LINK, SESSION
from tests.odr import world

SECOND = timedelta(seconds=1)
HOME = "192.0.2.7"


class Door:
    """Signing in, each step in a transaction of its own."""

    def __init__(self, engine, people) -> None:
        self.engine, self.people, self.at = engine, people, people.at

    async def email(self, viewer):
        async with self.engine.connect() as conn:
            return await conn.scalar(
                text("SELECT email FROM accounts WHERE id = :id").bindparams(id=viewer.account_id)
            )

    async def ask(self, email, origin=HOME, at=None):
        async with self.engine.begin() as conn:
            return await signin.request_link(conn, email, origin, at or self.at)

    async def issue(self, request, at=None):
        async with self.engine.begin() as conn:
            return await signin.issue(conn, request, at or self.at)

    async def mail(self, viewer):
        return await self.issue(await self.ask(await self.email(viewer)))

    async def redeem(self, secret, at=None):
        async with self.engine.begin() as conn:
            return await signin.redeem(conn, secret, at or self.at)

    async def session(self, cookie, at=None):
        async with self.engine.begin() as conn:
            return await signin.session(conn, cookie, at or self.at)

    async def everything(self):
        """Every value that any table of signing in, the outbox or notices hold, as text."""
        tables = ("sign_in_requests", "sign_in_links", "sessions", "outbox", "notices")
        async with self.engine.connect() as conn:
            found = [
                await conn.scalar(text(f"SELECT coalesce(string_agg(t::text, ' '), '') FROM {t} t"))  # noqa: S608 - names from above
                for t in tables
            ]
        return " ".join(found)


@pytest.fixture
async def door(engine):
    return Door(engine, await world.make(engine))


async def test_a_link_signs_in_whom_it_was_sent_to(door):
    mail = await door.mail(door.people.seller)
    assert (mail.email, mail.language) == (await door.email(door.people.seller), "en")
    assert mail.expires == door.at + LINK
    opened = await door.redeem(mail.secret)
    assert (opened.account_id, opened.expires) == (
        door.people.seller.account_id,
        door.at + SESSION,
    )
    signed_in = await door.session(opened.cookie)
    assert signed_in.viewer == door.people.seller
    assert signed_in.csrf == opened.csrf
    assert len({opened.cookie, opened.csrf, mail.secret}) == 3


async def test_a_link_works_once(door):
    mail = await door.mail(door.people.buyer)
    await door.redeem(mail.secret)
    with pytest.raises(NotFound):
        await door.redeem(mail.secret)


async def test_of_many_who_use_a_link_at_once_one_gets_in(door):
    mail = await door.mail(door.people.buyer)
    tried = await asyncio.gather(
        *(door.redeem(mail.secret) for _ in range(8)), return_exceptions=True
    )
    assert sum(not isinstance(each, NotFound) for each in tried) == 1


async def test_a_link_ends_after_fifteen_minutes(door):
    late, early = await door.mail(door.people.buyer), await door.mail(door.people.buyer)
    with pytest.raises(NotFound):
        await door.redeem(late.secret, door.at + LINK)
    assert await door.redeem(early.secret, door.at + LINK - SECOND)


@pytest.mark.parametrize("secret", ["", "x", "\x00", "\ud800", "a" * 10_000])
async def test_what_is_no_secret_opens_nothing(door, secret):
    with pytest.raises(NotFound):
        await door.redeem(secret)
    assert await door.session(secret) is None
    async with door.engine.begin() as conn:
        await signin.sign_out(conn, secret)


async def test_asking_is_alike_whether_or_not_there_is_an_account(door):
    """Not by a clock, which would be noise, but by what is done: the same statements."""
    done = []

    def note(_conn, _cursor, statement, *_: Any):
        done.append(statement)

    event.listen(door.engine.sync_engine, "before_cursor_execute", note)
    known = await door.email(door.people.buyer)
    done.clear()
    first = await door.ask(known)
    for_known = list(done)
    done.clear()
    second = await door.ask("nobody@example.org")
    assert done == for_known
    assert not any("accounts" in statement for statement in done)
    assert ids.month(first) == ids.month(second)
    for request in (first, second):
        queued = await door.everything()
        assert str(request) in queued


async def test_no_link_is_made_for_an_address_without_an_account(door):
    request = await door.ask("nobody@example.org")
    assert await door.issue(request) is None
    assert await door.issue(ids.new(door.at)) is None
    async with door.engine.connect() as conn:
        assert (await conn.execute(select(SignInLink.__table__.c.digest))).all() == []


async def test_a_request_that_waited_too_long_makes_no_link(door):
    request = await door.ask(await door.email(door.people.buyer))
    assert await door.issue(request, door.at + timedelta(hours=1)) is None


async def test_no_secret_rests_in_the_database(door):
    mail = await door.mail(door.people.buyer)
    opened = await door.redeem(mail.secret)
    held = await door.everything()
    for secret in (mail.secret, opened.cookie, HOME):
        assert secret not in held
    assert sha256(opened.cookie.encode()).hexdigest() in held


async def test_secrets_do_not_show_where_values_are_printed(door):
    mail = await door.mail(door.people.buyer)
    opened = await door.redeem(mail.secret)
    assert mail.secret not in repr(mail)
    assert opened.cookie not in repr(opened)
    assert opened.csrf not in repr(opened)


async def test_nobody_is_shut_out_by_others_who_ask_in_their_name(door):
    """Whoever asks, and from wherever: at any time the mailbox has a link that is open."""
    minute = timedelta(minutes=1)
    for email in (await door.email(door.people.buyer), "nobody@example.org"):
        mailed = [
            number
            for number in range(180)
            if await door.ask(email, f"{email}{number}", door.at + number * minute)
        ]
        assert mailed[:5] == [0, 1, 2, 3, 4]
        gaps = {later - sooner for sooner, later in pairwise(mailed)}
        assert max(gaps) * minute == signin.QUIET < LINK
        assert len([number for number in mailed if number < 60]) == 16
        assert await door.ask(email.upper(), "home", door.at + 184 * minute)


async def test_from_one_place_so_many_are_asked_for_an_hour(door):
    for number in range(30):
        await door.ask(f"nobody{number}@example.org")
    with pytest.raises(TooMuch):
        await door.ask("ann@example.org")
    assert await door.ask("ann@example.org", "192.0.2.8")


async def test_many_who_ask_at_once_are_counted_one_by_one(door):
    tried = await asyncio.gather(
        *(door.ask("ann@example.org", str(n)) for n in range(12)), return_exceptions=True
    )
    assert sum(each is None for each in tried) == 7


async def test_what_is_no_address_is_refused_at_once(door):
    with pytest.raises(Invalid):
        await door.ask("ann")


async def test_a_session_ends_after_twelve_hours(door):
    opened = await door.redeem((await door.mail(door.people.buyer)).secret)
    assert await door.session(opened.cookie, door.at + SESSION - SECOND)
    assert await door.session(opened.cookie, door.at + SESSION) is None


async def test_a_session_is_found_in_one_statement_by_the_databases_own_time(door):
    opened = await door.redeem((await door.mail(door.people.operator)).secret)
    done = []
    event.listen(
        door.engine.sync_engine, "before_cursor_execute", lambda *given: done.append(given[2])
    )
    async with door.engine.connect() as conn:
        found = await signin.session(conn, opened.cookie)
    assert found.viewer == door.people.operator
    assert len(done) == 1


async def test_a_session_shows_what_its_account_may_do_now(door, tmp_path):
    opened = await door.redeem((await door.mail(door.people.buyer)).secret)
    desk = world.office(door.engine, tmp_path)
    person = people.Person(email=await door.email(door.people.buyer), name="Ann")
    async with desk.work(door.people.seller, door.people.seller_id) as work:
        await people.add_member(work, door.people.seller_id, person)
    viewer = (await door.session(opened.cookie)).viewer
    assert viewer.organisation_ids == (door.people.seller_id,)


async def test_signing_out_closes_this_session_or_all(door):
    mails = [await door.mail(door.people.buyer) for _ in range(4)]
    first, second, third = [await door.redeem(mail.secret) for mail in mails[:3]]
    async with door.engine.begin() as conn:
        await signin.sign_out(conn, first.cookie)
        await signin.sign_out(conn, first.cookie)
    assert await door.session(first.cookie) is None
    assert await door.session(second.cookie)
    async with door.engine.begin() as conn:
        await signin.sign_out_everywhere(conn, door.people.buyer.account_id)
    for cookie in (second.cookie, third.cookie):
        assert await door.session(cookie) is None
    with pytest.raises(NotFound):
        await door.redeem(mails[3].secret)


async def test_a_link_without_a_mail_is_for_demonstrations_only(door):
    async with door.engine.begin() as conn:
        with pytest.raises(NotFound):
            await signin.demo_link(conn, door.people.buyer.account_id, door.at, demo=False)
        with pytest.raises(NotFound):
            await signin.demo_link(conn, ids.new(door.at), door.at, demo=True)
        secret = await signin.demo_link(conn, door.people.buyer.account_id, door.at, demo=True)
    assert (await door.redeem(secret)).account_id == door.people.buyer.account_id


async def test_what_has_had_its_time_is_forgotten_and_nothing_else(door):
    opened = await door.redeem((await door.mail(door.people.buyer)).secret)
    await door.mail(door.people.seller)
    async with door.engine.begin() as conn:
        assert await signin.sweep(conn, door.at) == 0
        assert await signin.sweep(conn, door.at + LINK) == 2
        assert await signin.sweep(conn, door.at + timedelta(hours=2)) == 2
    assert await door.session(opened.cookie)
    async with door.engine.begin() as conn:
        assert await signin.sweep(conn, door.at + SESSION) == 1
        for kind in (SignInRequest, SignInLink, Session):
            assert (await conn.execute(select(kind.__table__))).all() == []

"""The test bench's own servers do what the tests rely on."""

import asyncio
from email.message import EmailMessage

import aiosmtplib
import pytest
import redis as client
from arq import create_pool
from arq.connections import RedisSettings

from tests.servers import redis
from tests.servers.smtp import Behaviour


def mail(to: str) -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Concord <concord@demo.invalid>"
    message["To"] = to
    message["Subject"] = "Your turn — 争议"
    message.set_content("An answer is due by Friday. 请在周五前答复。\n")
    return message


async def send(mailbox, to: str, seconds_max: float = 10) -> None:
    await aiosmtplib.send(
        mail(to), hostname=mailbox.host, port=mailbox.port, timeout=seconds_max, start_tls=False
    )


async def test_mail_arrives_as_it_was_sent(mailbox):
    await send(mailbox, "buyer@example.org")
    (got,) = mailbox.to("buyer@example.org")
    assert got["Subject"] == "Your turn — 争议"
    assert "请在周五前答复" in got.get_content()
    assert len(mailbox.received) == 1


@pytest.mark.parametrize(
    ("behaviour", "code"),
    [
        (Behaviour.GREYLISTS, 451),
        (Behaviour.IS_FULL, 452),
        (Behaviour.KNOWS_NOBODY, 550),
    ],
)
async def test_a_recipient_is_refused_with(mailbox, behaviour, code):
    mailbox.behaviours["buyer"] = behaviour
    with pytest.raises(aiosmtplib.SMTPRecipientsRefused) as refused:
        await send(mailbox, "buyer@example.org")
    assert refused.value.recipients[0].code == code
    assert mailbox.received == []


async def test_a_text_is_refused_as_spam(mailbox):
    mailbox.behaviours["buyer@example.org"] = Behaviour.CALLS_IT_SPAM
    with pytest.raises(aiosmtplib.SMTPDataError) as refused:
        await send(mailbox, "buyer@example.org")
    assert refused.value.code == 554


async def test_a_server_that_hangs_does_not_answer(mailbox):
    mailbox.behaviours["buyer"] = Behaviour.HANGS
    with pytest.raises(aiosmtplib.SMTPTimeoutError):
        await send(mailbox, "buyer@example.org", seconds_max=0.3)
    assert mailbox.received == []


async def test_a_server_that_hangs_up_is_gone(mailbox):
    mailbox.behaviours["buyer"] = Behaviour.HANGS_UP
    with pytest.raises(aiosmtplib.SMTPServerDisconnected):
        await send(mailbox, "buyer@example.org")


async def test_one_test_s_mail_is_not_the_next_one_s(mailbox):
    assert mailbox.received == []
    assert mailbox.behaviours == {}


async def test_redis_takes_a_job(redis_url):
    pool = await create_pool(RedisSettings.from_dsn(redis_url))
    await pool.enqueue_job("wake")
    assert len(await pool.queued_jobs()) == 1
    await pool.aclose()


def test_redis_is_empty_for_every_test(redis_url):
    with client.Redis.from_url(redis_url) as connection:
        assert connection.dbsize() == 0


def test_a_redis_of_one_s_own_is_stopped_and_started(tmp_path):
    with redis.Redis(tmp_path) as own:
        own.stop()
        with client.Redis.from_url(own.url) as connection, pytest.raises(client.ConnectionError):
            connection.ping()
        own.start()
        with client.Redis.from_url(own.url) as connection:
            assert connection.ping()


def test_a_redis_that_the_user_has_is_taken():
    assert redis.given({"CONCORD_TEST_REDIS_URL": "redis://other:1/0"}) == "redis://other:1/0"
    assert redis.given({}) is None


def test_a_redis_that_does_not_start_says_why(tmp_path):
    with redis.Redis(tmp_path / "one") as one:
        two = redis.Redis(tmp_path / "two")
        two.port = one.port
        with pytest.raises(redis.RedisError, match="does not start"):
            two.start()


async def test_databases_are_fresh_and_one_s_own(database, databases, admin):
    await admin.execute("INSERT INTO vault_streams VALUES (gen_random_uuid(), 0, sha256(''))")
    other = databases.take()
    assert other.name != database.name
    databases.give_back(other)
    assert await admin.fetchval("SELECT count(*) FROM vault_streams") == 1


async def test_a_loop_of_the_test_s_own_runs_beside_the_servers(mailbox):
    await asyncio.gather(*(send(mailbox, f"party{n}@example.org") for n in range(8)))
    assert len(mailbox.received) == 8

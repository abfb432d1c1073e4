"""Mail: what a letter looks like, what a server's answers mean, and what cannot be smuggled in."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from email import message_from_bytes, policy

import pytest

from infra import mail
from infra.mail import FolderMail, SmtpMail
from odr.notices import Letter, Undeliverable
from odr.outbox import Failed
from tests.servers.smtp import Behaviour

SENDER = "Concord <concord@service.example>"


def letter(to: str = "buyer@example.org", **other: object) -> Letter:
    given = {
        "id": "0142f9ba-a815-8d34-b48a-160413bf47c6",
        "to": to,
        "language": "en",
        "at": datetime(2026, 11, 22, 12, 30, tzinfo=UTC),
        "subject": "Case 2611-0001: There is a new offer.",
        "text": "There is a new offer.\n\nSee: https://service.example/\n",
    }
    return Letter(**(given | other))


@pytest.fixture
def post(mailbox) -> SmtpMail:
    return SmtpMail(host=mailbox.host, port=mailbox.port, sender=SENDER, seconds_max=2)


async def test_a_letter_arrives_as_it_was_written_and_the_answer_is_its_proof(mailbox, post):
    chinese = letter(language="zh", subject="案件 2611-0001:有新的报价。", text="有新的报价。\n")
    assert await post.send(chinese) == "250 OK"
    (received,) = mailbox.to("buyer@example.org")
    assert received["Subject"] == "案件 2611-0001:有新的报价。"
    assert received.get_content() == "有新的报价。\r\n"
    assert received["From"] == SENDER
    assert received["To"] == "buyer@example.org"
    assert received["Message-ID"] == "<0142f9ba-a815-8d34-b48a-160413bf47c6@service.example>"
    assert received["Date"].datetime == chinese.at
    assert received["Content-Language"] == "zh"
    assert received["Auto-Submitted"] == "auto-generated"


@pytest.mark.parametrize("behaviour", [Behaviour.KNOWS_NOBODY, Behaviour.CALLS_IT_SPAM])
async def test_a_refusal_for_good_is_undeliverable_with_the_answer(mailbox, post, behaviour):
    mailbox.behaviours["buyer@example.org"] = behaviour
    with pytest.raises(Undeliverable) as refused:
        await post.send(letter())
    assert str(refused.value) == behaviour.value


@pytest.mark.parametrize("behaviour", [Behaviour.GREYLISTS, Behaviour.IS_FULL])
async def test_a_refusal_for_now_may_pass(mailbox, post, behaviour):
    mailbox.behaviours["buyer@example.org"] = behaviour
    with pytest.raises(Failed) as failed:
        await post.send(letter())
    assert str(failed.value) == behaviour.value
    mailbox.behaviours.clear()
    assert await post.send(letter()) == "250 OK"


@pytest.mark.parametrize("behaviour", [Behaviour.HANGS, Behaviour.HANGS_UP])
async def test_a_server_that_does_not_answer_may_answer_later(mailbox, behaviour):
    mailbox.behaviours["buyer@example.org"] = behaviour
    post = SmtpMail(host=mailbox.host, port=mailbox.port, sender=SENDER, seconds_max=0.3)
    with pytest.raises(Failed):
        await post.send(letter())


async def test_a_server_that_is_not_there_may_come_back(mailbox):
    port = mailbox.port
    post = SmtpMail(host="127.0.0.1", port=port + 1 if port < 65535 else 1, sender=SENDER)
    with pytest.raises(Failed):
        await post.send(letter())


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ((b"554 5.7.1 we do not talk to you\r\n",), Failed),
        ((b"220 hello\r\n", b"250 hello\r\n", b"550 5.7.1 not from you\r\n"), Failed),
        ((b"220 hello\r\n", b"250 hello\r\n", b"250 OK\r\n", b"550 no\r\n"), Undeliverable),
        ((b"220 hello\r\n", b"250 hello\r\n", b"250 OK\r\n", b"421 closing\r\n"), Failed),
        ((b"220 hello\r\n", b"250 hello\r\n", b"250 OK\r\n", b"nonsense\r\n"), Failed),
        ((b"220 hello\r\n", b"250 hello\r\n", b"250 OK\r\n", b"4"), Failed),
    ],
)
async def test_only_what_is_said_of_the_recipient_or_the_letter_is_for_good(lines, expected):
    async with scripted(*lines) as port:
        post = SmtpMail(host="127.0.0.1", port=port, sender=SENDER, seconds_max=1)
        with pytest.raises((Failed, Undeliverable)) as raised:
            await post.send(letter())
    assert type(raised.value) is expected


async def test_a_letter_that_was_taken_is_sent_though_the_goodbye_fails():
    taken = (b"220 hi\r\n", b"250 hi\r\n", b"250 OK\r\n", b"250 OK\r\n", b"354 go\r\n")
    async with scripted(*taken, b"250 2.0.0 queued as 17\r\n", b"") as port:
        post = SmtpMail(host="127.0.0.1", port=port, sender=SENDER, seconds_max=1)
        assert await post.send(letter()) == "250 2.0.0 queued as 17"


async def test_the_address_is_not_kept_with_the_answer():
    async with scripted(
        b"220 hi\r\n", b"250 hi\r\n", b"250 OK\r\n", b"550 <buyer@example.org>: unknown\r\n"
    ) as port:
        post = SmtpMail(host="127.0.0.1", port=port, sender=SENDER, seconds_max=1)
        with pytest.raises(Undeliverable, match=r"^550 <\(the recipient\)>: unknown$"):
            await post.send(letter())


@pytest.mark.parametrize("subject", ["Hello\r\nBcc: everybody@example.org", "a\nb", "a\rb"])
def test_a_subject_cannot_add_a_header(subject):
    with pytest.raises(ValueError, match="linefeed or carriage return"):
        mail.message(letter(subject=subject), SENDER)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "nobody",
        "a@b@c",
        "a@example.org, b@example.org",
        "a@example.org\r\nBcc: b@example.org",
        "a@example.org\nX: y",
        "A <a@example.org>",
        "a b@example.org",
        "a@",
        "@example.org",
    ],
)
async def test_what_is_no_address_gets_no_letter(post, mailbox, address):
    with pytest.raises(Undeliverable):
        await post.send(letter(address))
    assert mailbox.received == []


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "a b", "x\n", "é", "a" * 201])
def test_an_id_that_could_be_a_path_is_refused(name):
    with pytest.raises(ValueError, match="a letter's id"):
        mail.message(letter(id=name), SENDER)


async def test_a_folder_gets_one_file_a_letter_however_often_it_is_sent(tmp_path):
    folder = FolderMail(tmp_path / "mail", SENDER)
    assert await folder.send(letter()) == f"written to {letter().id}.eml"
    await folder.send(letter())
    (file,) = (tmp_path / "mail").iterdir()
    read = message_from_bytes(file.read_bytes(), policy=policy.default)
    assert read["Subject"] == letter().subject
    assert read.get_content().replace("\r\n", "\n") == letter().text


@pytest.mark.parametrize(
    ("url", "host", "port", "tls", "username", "password"),
    [
        ("smtp://mail.example", "mail.example", 25, False, None, None),
        ("smtps://mail.example", "mail.example", 465, True, None, None),
        ("smtp://u:p%40ss%2F@mail.example:587", "mail.example", 587, False, "u", "p@ss/"),
        ("smtp://[::1]:2525", "::1", 2525, False, None, None),
    ],
)
def test_an_address_of_a_server_is_read(url, host, port, tls, username, password):
    made = mail.from_url(url, SENDER)
    assert isinstance(made, SmtpMail)
    assert (made.host, made.port, made.tls) == (host, port, tls)
    assert (made.username, made.password) == (username, password)
    assert "p@ss" not in repr(made)


@pytest.mark.parametrize("url", ["http://mail.example", "mail.example", "smtp://", ""])
def test_what_is_no_mail_server_is_refused(url):
    with pytest.raises(ValueError, match="mail goes to"):
        mail.from_url(url, SENDER)


async def test_a_password_is_not_told_to_a_server_without_encryption(mailbox):
    """By this name it is another machine, so STARTTLS is required; this server has none."""
    there = {"host": "127.1", "port": mailbox.port, "sender": SENDER}
    assert await SmtpMail(**there).send(letter()) == "250 OK"
    with pytest.raises(Failed):
        await SmtpMail(**there, username="u", password="p").send(letter())
    assert len(mailbox.received) == 1


class scripted:  # noqa: N801 - reads as what it is
    """A server that says its lines, one for each of ours, whatever we say, and hangs up."""

    def __init__(self, *lines: bytes) -> None:
        self.lines = lines
        self.talks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> int:
        self.server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        return self.server.sockets[0].getsockname()[1]

    async def __aexit__(self, *_: object) -> None:
        self.server.close()
        await asyncio.gather(*self.talks)
        await self.server.wait_closed()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.talks.add(asyncio.current_task())
        for line in self.lines:
            writer.write(line)
            await writer.drain()
            if line.startswith(b"354"):
                await reader.readuntil(b"\r\n.\r\n")
            else:
                await reader.readline()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

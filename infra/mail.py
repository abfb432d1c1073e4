"""Mail: letters into a folder, for a demonstration, or to an SMTP server.

Both fill ``odr.notices.Mail``. A letter that was handed over twice has one Message-ID, and in the
folder one file. What may come from people is put in by ``email``'s own types, which refuse a
header that would be two.
"""

import asyncio
import os
import re
from contextlib import suppress
from dataclasses import dataclass, field
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime, parseaddr
from pathlib import Path
from typing import Final, NoReturn
from urllib.parse import unquote, urlsplit

import aiosmtplib
from aiosmtplib import (
    SMTPDataError,
    SMTPException,
    SMTPRecipientRefused,
    SMTPRecipientsRefused,
    SMTPResponseException,
)

from odr.notices import Letter, Mail, Undeliverable
from odr.outbox import Failed

SECONDS_MAX: Final = 30.0
"""For a whole letter: a server that answers a byte now and then holds nobody for ever."""

_STEP_SECONDS: Final = 10.0
_QUIT_SECONDS: Final = 1.0
_PERMANENT: Final = 500
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")


def message(letter: Letter, sender: str) -> EmailMessage:
    """Write a letter as a message from ``sender``; ``Undeliverable`` if it goes to no address."""
    if not _ID.fullmatch(letter.id):
        raise ValueError("a letter's id is of letters, digits, dots, hyphens and underscores")
    try:
        to = Address(addr_spec=letter.to)
    except (HeaderParseError, ValueError, IndexError) as error:
        raise Undeliverable("not an address") from error
    made = EmailMessage(policy=SMTP if letter.to.isascii() else SMTPUTF8)
    made["From"] = sender
    made["To"] = to
    made["Subject"] = letter.subject
    made["Date"] = format_datetime(letter.at)
    made["Message-ID"] = f"<{letter.id}@{_domain(sender)}>"
    made["Auto-Submitted"] = "auto-generated"  # RFC 3834, 5: nobody on holiday answers it
    made.set_content(letter.text)
    made["Content-Language"] = letter.language
    return made


def _domain(sender: str) -> str:
    return parseaddr(sender)[1].rpartition("@")[2]


@dataclass(frozen=True, slots=True)
class FolderMail:
    """Writes each letter to a file of its own, whole or not at all."""

    folder: Path
    sender: str

    async def send(self, letter: Letter) -> str:
        """Write the letter to ``<id>.eml``."""
        made = message(letter, self.sender)
        return await asyncio.to_thread(self._write, f"{letter.id}.eml", made.as_bytes())

    def _write(self, name: str, data: bytes) -> str:
        self.folder.mkdir(parents=True, exist_ok=True)
        part = self.folder / f".{name}.part"
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(self.folder / name)
        return f"written to {name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpMail:
    """Hands letters to an SMTP server, each over a connection of its own.

    ``tls`` is True from the first byte on, False by STARTTLS; that is required where there is a
    password that would cross a network, and elsewhere used if the server has it.
    """

    host: str
    port: int
    sender: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: bool = False
    seconds_max: float = SECONDS_MAX

    async def send(self, letter: Letter) -> str:
        """Hand over a letter.

        What the server says of the recipient or the letter with 5xx is for good. All else (4xx,
        no answer, a refusal to talk to us at all) may pass.
        """
        made = message(letter, self.sender)
        client = self._client()
        try:
            async with asyncio.timeout(self.seconds_max):
                await client.connect()
                _, answer = await client.send_message(made)
        except (SMTPException, OSError, TimeoutError, ValueError) as error:
            self._refuse(error, letter)
        finally:
            await _leave(client)
        return f"250 {answer}"

    def _client(self) -> aiosmtplib.SMTP:
        secret = self.username is not None and self.host not in _LOOPBACK
        return aiosmtplib.SMTP(
            hostname=self.host,
            port=self.port,
            username=self.username,
            password=self.password,
            use_tls=self.tls,
            start_tls=True if secret and not self.tls else None,
            validate_certs=self.tls or secret,
            local_hostname=_domain(self.sender),
            timeout=min(_STEP_SECONDS, self.seconds_max),
        )

    def _refuse(self, error: Exception, letter: Letter) -> NoReturn:
        answer = _answer(error)
        said = type(error).__name__ if answer is None else f"{answer.code} {answer.message}"
        said = " ".join(said.replace(letter.to, "(the recipient)").split())
        about_letter = isinstance(answer, SMTPRecipientRefused | SMTPDataError)
        if answer is not None and about_letter and answer.code >= _PERMANENT:
            raise Undeliverable(said) from None
        raise Failed(said) from None


def _answer(error: Exception) -> SMTPResponseException | None:
    """The server's answer that is behind an error, if there is one."""
    if isinstance(error, SMTPRecipientsRefused):
        return error.recipients[0]
    return error if isinstance(error, SMTPResponseException) else None


async def _leave(client: aiosmtplib.SMTP) -> None:
    """Say goodbye; what the server makes of it changes nothing any more."""
    with suppress(SMTPException, OSError, TimeoutError):
        async with asyncio.timeout(_QUIT_SECONDS):
            await client.quit()
    client.close()


def from_url(url: str, sender: str) -> Mail:
    """Mail by ``smtp://user:password@host:port`` or ``smtps://``, the ports 25 and 465 if not told.

    User and password are percent-encoded.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
        raise ValueError("mail goes to smtp://host or smtps://host")
    tls = parts.scheme == "smtps"
    return SmtpMail(
        host=parts.hostname,
        port=parts.port or (465 if tls else 25),
        sender=sender,
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        tls=tls,
    )

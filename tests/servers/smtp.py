"""A real SMTP server for the tests: it keeps what it is sent, and can be told to be difficult.

It runs in a thread of its own (aiosmtpd, installed with the requirements), on loopback and a
free port. How it treats a recipient is told by `behaviours`, by the whole address or by the part
before the @; whoever is not named gets the mail.
"""

import asyncio
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from enum import StrEnum

from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.servers.background import Background


class Behaviour(StrEnum):
    """What becomes of mail to a recipient; the first three are told to RCPT, the others to DATA."""

    TAKES = "250 OK"
    GREYLISTS = "451 4.7.1 greylisted, come again"
    KNOWS_NOBODY = "550 5.1.1 no such mailbox"
    IS_FULL = "452 4.2.2 mailbox full"
    CALLS_IT_SPAM = "554 5.7.1 refused as spam"
    HANGS = "hangs"
    HANGS_UP = "hangs up"


AT_RECIPIENT = {Behaviour.GREYLISTS, Behaviour.KNOWS_NOBODY, Behaviour.IS_FULL}


@dataclass
class Mailbox:
    """Everything that arrived, oldest first, and who is treated how."""

    port: int = 0
    host: str = "127.0.0.1"
    received: list[EmailMessage] = field(default_factory=list)
    behaviours: dict[str, Behaviour] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"smtp://{self.host}:{self.port}"

    def to(self, address: str) -> list[EmailMessage]:
        """What arrived for an address."""
        return [mail for mail in self.received if address in mail["X-Test-Recipients"].split()]

    def empty(self) -> None:
        self.received.clear()
        self.behaviours.clear()

    def behaviour(self, address: str) -> Behaviour:
        before_at = address.partition("@")[0]
        named = self.behaviours.get(address) or self.behaviours.get(before_at)
        return named or Behaviour.TAKES


class Handler:
    """aiosmtpd's hooks, by the names that it looks for."""

    def __init__(self, mailbox: Mailbox) -> None:
        self.mailbox = mailbox

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name for it
        self,
        server: SMTP,  # noqa: ARG002 - aiosmtpd hands it in
        session: Session,  # noqa: ARG002 - the same
        envelope: Envelope,
        address: str,
        options: list[str],  # noqa: ARG002 - the same
    ) -> str:
        behaviour = self.mailbox.behaviour(address)
        if behaviour in AT_RECIPIENT:
            return behaviour
        envelope.rcpt_tos.append(address)
        return Behaviour.TAKES

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name for it
        self,
        server: SMTP,
        session: Session,  # noqa: ARG002 - aiosmtpd hands it in
        envelope: Envelope,
    ) -> str:
        behaviours = {self.mailbox.behaviour(address) for address in envelope.rcpt_tos}
        if Behaviour.HANGS in behaviours:
            await asyncio.Event().wait()
        if Behaviour.HANGS_UP in behaviours and server.transport is not None:
            server.transport.abort()
        if refusals := sorted(behaviours & {Behaviour.CALLS_IT_SPAM}):
            return refusals[0]
        if behaviours <= {Behaviour.TAKES}:
            mail = message_from_bytes(envelope.original_content or b"", policy=policy.SMTP)
            mail["X-Test-Recipients"] = " ".join(envelope.rcpt_tos)
            self.mailbox.received.append(mail)
        return Behaviour.TAKES


class MailServer:
    """Starts and stops; `mailbox` may be read and told from the test's own thread."""

    def __init__(self) -> None:
        self.mailbox = Mailbox()
        self._background = Background("smtp")
        self._server: asyncio.Server | None = None
        self._connections: set[SMTP] = set()

    def __enter__(self) -> Mailbox:
        self._background.run(self._open()).result()
        return self.mailbox

    def __exit__(self, *_: object) -> None:
        self._background.run(self._close()).result()
        self._background.close()

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._answer, self.mailbox.host, 0)
        self.mailbox.port = self._server.sockets[0].getsockname()[1]

    def _answer(self) -> SMTP:
        connection = SMTP(Handler(self.mailbox), hostname="test.invalid", enable_SMTPUTF8=True)
        self._connections.add(connection)
        return connection

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        for connection in self._connections:
            if connection.transport is not None:
                connection.transport.abort()
        await asyncio.sleep(0)

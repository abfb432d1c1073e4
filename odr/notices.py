"""Notices: who is told of what, in which words, and the proof that it was sent.

A notice is a row, and an outbox row by which the worker sends it as a letter; both are written
in the transaction of what it tells. The acts of a case tell its seats (``odr.cases``); ``tell``
tells the people of an organisation. What a letter says is put together when it is sent: what was
done, the case's number, what is due from its reader, by when and what happens by default, and a
link. A letter holds nothing private: no names, no amounts, no words of anybody.

English stands here; other languages come by the function that is handed in. The module knows no
mail server and no address of a page.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Final, NamedTuple, Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
from babel import Locale
from babel.dates import format_date, format_time, get_timezone_gmt, get_timezone_name
from sqlalchemy import Boolean, Text, TextClause, Uuid, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.types import TypeEngine

from odr import policy, sentences, signin
from odr.errors import NotFound
from odr.outbox import Hopeless
from odr.procedure.acts import Role
from odr.procedure.clocks import TIMERS, Clock
from odr.words import Party, Side
from odr.work import Work

OUTBOX: Final = "notice"
"""The kind of the outbox rows by which the worker finds notices."""

PROOF_MAX: Final = 500
_REGIONS: Final = {"en": "en_GB"}
"""Where a language writes dates in several ways, the one that the pages use too."""

Translate = Callable[[str, str], str]
"""Gives, for a language (BCP 47) and an English text, the text; the English where there is none."""

Link = Callable[[str | None], str]
"""Gives the address of a case's page by its number, and of the reader's notices for None."""


# Telling.


async def tell(
    conn: AsyncConnection,
    case_id: UUID,
    kind: str,
    facts: Mapping[str, Any],
    *,
    at: datetime,
    organisations: Collection[UUID] = (),
    operators: bool = False,
) -> None:
    """Tell every member of ``organisations``, and the operator's people, about a case."""
    await conn.execute(
        _TELL,
        {
            "case": case_id,
            "kind": kind,
            "facts": orjson.dumps(facts).decode(),
            "at": at,
            "organisations": list(organisations),
            "operators": operators,
        },
    )


async def mark_read(work: Work, notice_ids: Collection[UUID]) -> None:
    """Note that the actor has read their notices; ``NotFound`` if one is not theirs.

    A notice that was read before keeps its time.
    """
    values = {"ids": list(notice_ids), "account": work.actor.person, "at": work.at}
    found = (await work.conn.execute(_READ, values)).all()
    if len(found) != len(set(notice_ids)):
        raise NotFound


# Putting into words.


class Due(NamedTuple):
    """What is due from a notice's reader, and by when (UTC)."""

    clock: Clock
    due: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A notice with what its letter needs: its reader, and what is due from them now."""

    id: UUID
    kind: str
    case_id: UUID | None
    number: str | None
    email: str
    language: str
    zone: str
    created: datetime
    sent: datetime | None
    due: Sequence[Due]


class Rendered(NamedTuple):
    """A letter's words."""

    subject: str
    text: str


SUBJECT: Final = "Case {number}: {what}"
DUE: Final = "{what}, by {when}. If nothing is done by then: {default}"
NOTHING_DUE: Final = "Nothing is due from you at the moment."
SEE_CASE: Final = "Everything is in the case: {link}"
SEE_HOME: Final = "See: {link}"
AUTOMATIC: Final = "This letter was sent automatically."
WHEN: Final = "{date} at {time} ({zone}, {offset})"

SIGN_IN_SUBJECT: Final = "Your link to sign in"
SIGN_IN: Final = "Sign in with this link: {link}"
SIGN_IN_ONCE: Final = "It works once, for {minutes} minutes."
SIGN_IN_NOT_ASKED: Final = "If you did not ask for it, do nothing: nobody is signed in."

SENTENCES: Final = (
    *(SUBJECT, DUE, NOTHING_DUE, SEE_CASE, SEE_HOME, AUTOMATIC, WHEN),
    *(SIGN_IN_SUBJECT, SIGN_IN, SIGN_IN_ONCE, SIGN_IN_NOT_ASKED),
)
"""What is translated beside ``odr.sentences`` and the clocks' own words."""


async def read(conn: AsyncConnection, notice_id: UUID) -> Told | None:
    """A notice with what its letter needs, in one statement; None if it is not there."""
    row = (await conn.execute(_TOLD, {"notice": notice_id})).one_or_none()
    if row is None:
        return None
    roles = frozenset(Role(role) for role in row.roles or ())
    if row.claimant_party is not None:
        roles = policy.roles_of(roles, Party(row.claimant_party), operator=row.operator)
    return Told(
        id=row.id,
        kind=row.kind,
        case_id=row.case_id,
        number=row.number,
        email=row.email,
        language=row.language,
        zone=row.zone,
        created=row.created,
        sent=row.sent,
        due=_due_from(roles, row.clocks or ()),
    )


def _due_from(roles: frozenset[Role], clocks: Sequence[Mapping[str, Any]]) -> tuple[Due, ...]:
    """The clocks that await the reader; those that await others are not told."""
    side = policy.side_of(roles)
    mine: list[Due] = []
    for running in clocks:
        clock = Clock(running["clock"])
        awaited = TIMERS[clock].awaits & roles
        if running["side"] is not None:
            awaited = awaited if Side(running["side"]) is side else frozenset()
        if awaited:
            mine.append(Due(clock, datetime.fromisoformat(running["due"])))
    return tuple(mine)


def render(told: Told, translate: Translate, link: Link) -> Rendered:
    """Put a notice into its reader's language, times into their zone, the zone named."""

    def say(english: str, **given: str) -> str:
        return translate(told.language, english).format(**given)

    what = say(sentences.sentence(told.kind))
    address = link(told.number)
    if told.number is None:
        return Rendered(what, _letter(what, say(SEE_HOME, link=address), say(AUTOMATIC)))
    lines = [
        "- "
        + say(
            DUE,
            what=translate(told.language, due.clock.title),
            when=when(due.due, told.language, told.zone, translate),
            default=translate(told.language, due.clock.meaning),
        )
        for due in told.due
    ]
    due = "\n".join(lines) or say(NOTHING_DUE)
    words = _letter(what, due, say(SEE_CASE, link=address), say(AUTOMATIC))
    return Rendered(say(SUBJECT, number=told.number, what=what), words)


def _letter(*paragraphs: str) -> str:
    return "\n\n".join(paragraphs) + "\n"


def when(instant: datetime, language: str, zone: str, translate: Translate) -> str:
    """Spell an instant in a zone, which is named with its distance from Greenwich."""
    local = instant.astimezone(ZoneInfo(zone))
    locale = Locale.parse(_REGIONS.get(language, language.replace("-", "_")))
    return translate(language, WHEN).format(
        date=format_date(local, "long", locale=locale),
        time=format_time(local, "short", tzinfo=ZoneInfo(zone), locale=locale),
        zone=get_timezone_name(local, locale=locale),
        offset=get_timezone_gmt(local, locale=locale),
    )


# Sending.


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A letter to one person. Two with the same ``id`` are one letter, sent twice."""

    id: str
    to: str
    language: str
    at: datetime
    subject: str
    text: str


def sign_in(issued: signin.Mail, link: str, *, at: datetime, translate: Translate) -> Letter:
    """Write the letter that brings a link to sign in."""

    def say(english: str, **given: object) -> str:
        return translate(issued.language, english).format(**given)

    minutes = round((issued.expires - at).total_seconds() / 60)
    once = say(SIGN_IN_ONCE, minutes=minutes)
    return Letter(
        id=f"sign-in-{sha256(issued.secret.encode()).hexdigest()}",
        to=issued.email,
        language=issued.language,
        at=at,
        subject=say(SIGN_IN_SUBJECT),
        text=_letter(say(SIGN_IN, link=link), once, say(SIGN_IN_NOT_ASKED), say(AUTOMATIC)),
    )


class Undeliverable(Exception):  # noqa: N818 - said as one would say it
    """The letter will never arrive; the text is the mail server's answer, without the address."""


class Mail(Protocol):
    """Sends letters, one after the other or side by side."""

    async def send(self, letter: Letter) -> str:
        """Hand a letter over for good, and give the server's answer as the proof of it.

        ``Undeliverable`` if it never will be, ``outbox.Failed`` if that may pass.
        """


async def deliver(
    engine: AsyncEngine, mail: Mail, notice_id: UUID, *, translate: Translate, link: Link
) -> None:
    """Send a notice that was not sent, and keep the server's answer.

    Order: read → send → note. A crash after sending sends the same letter again, under the same
    id. ``Hopeless`` if it cannot be delivered; the answer is kept then as well.
    """
    async with engine.connect() as conn:
        told = await read(conn, notice_id)
    if told is None or told.sent is not None:
        return
    rendered = render(told, translate, link)
    letter = Letter(
        id=str(told.id),
        to=told.email,
        language=told.language,
        at=told.created,
        subject=rendered.subject,
        text=rendered.text,
    )
    try:
        proof = await mail.send(letter)
    except Undeliverable as refused:
        await _note(engine, notice_id, str(refused), sent=False)
        raise Hopeless(str(refused)) from refused
    await _note(engine, notice_id, proof, sent=True)


async def _note(engine: AsyncEngine, notice_id: UUID, proof: str, *, sent: bool) -> None:
    values = {"notice": notice_id, "proof": proof[:PROOF_MAX], "sends": sent}
    async with engine.begin() as conn:
        await conn.execute(_NOTE, values)


def _typed(sql: str) -> TextClause:
    types: dict[str, TypeEngine[Any]] = {
        "case": Uuid(),
        "notice": Uuid(),
        "account": Uuid(),
        "ids": ARRAY(Uuid()),
        "at": TIMESTAMP(timezone=True),
        "organisations": ARRAY(Uuid()),
        "operators": Boolean(),
        "sends": Boolean(),
    }
    statement = text(sql)
    names = list(statement._bindparams)  # noqa: SLF001 - names only; SQLAlchemy has no public list
    return statement.bindparams(*(bindparam(name, type_=types.get(name, Text())) for name in names))


_TELL: Final = _typed(
    """
WITH told AS (
    INSERT INTO notices (id, case_id, account_id, kind, facts, created)
    SELECT child_id(:case), :case, who.account_id, :kind, CAST(:facts AS jsonb), :at
    FROM (
        SELECT DISTINCT m.account_id
        FROM memberships m JOIN organisations o ON o.id = m.organisation_id
        WHERE m.organisation_id = ANY(:organisations) OR (:operators AND o.kind = 'operator')
    ) AS who RETURNING id
)
INSERT INTO outbox (id, kind, subject_id, state, due, tries)
SELECT child_id(id), 'notice', id, 'due', :at, 0 FROM told
"""
)
_READ: Final = _typed(
    "UPDATE notices SET read = coalesce(read, :at)"
    " WHERE id = ANY(:ids) AND account_id = :account RETURNING id"
)
_TOLD: Final = _typed(
    """
SELECT n.id, n.kind, n.case_id, n.created, n.sent, a.email, a.language, a.zone,
    c.number, c.claimant_party,
    EXISTS (
        SELECT FROM memberships m JOIN organisations o ON o.id = m.organisation_id
        WHERE m.account_id = n.account_id AND o.kind = 'operator'
    ) AS operator,
    (
        SELECT array_agg(DISTINCT s.role) FROM seats s
        WHERE s.case_id = n.case_id AND s.until IS NULL AND (
            s.account_id = n.account_id OR s.organisation_id IN (
                SELECT m.organisation_id FROM memberships m WHERE m.account_id = n.account_id))
    ) AS roles,
    (
        SELECT json_agg(json_build_object('clock', k.clock, 'side', k.side, 'due', k.due)
                        ORDER BY k.due, k.id)
        FROM clocks k WHERE k.case_id = n.case_id AND k.state = 'running'
    ) AS clocks
FROM notices n JOIN accounts a ON a.id = n.account_id LEFT JOIN cases c ON c.id = n.case_id
WHERE n.id = :notice
"""
)
_NOTE: Final = _typed(
    "UPDATE notices SET proof = :proof, sent = CASE WHEN :sends THEN service_now() END"
    " WHERE id = :notice AND sent IS NULL"
)

"""The limit of writing: the rows of an act by hand-written statements, in one transaction.

Two statements an act, between BEGIN and COMMIT: one that takes the key, reads and locks; one that
writes everything. The receipt is signed after the commit and stored before the answer, as the
vault promises. Formats, ids and the calendar are the project's own functions: what is saved here
is everything between them and the database.
"""

import os
import secrets
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

import asyncpg
import orjson

from evidence import entry, note, receipt, shard
from evidence.keys import LocalSigner
from infra.parts import MERGE_DELAY
from odr import ids, ledger, numbers
from odr.calendar import Place, due
from odr.ledger import Account, Kind
from odr.policy import Viewer
from odr.rulebook import Rulebooks, Window
from schema import ids as global_ids

_SORTED: Final = orjson.OPT_SORT_KEYS


@dataclass(frozen=True, slots=True)
class Signed:
    """By whom receipts are signed, and for which log."""

    origin: str
    signer: LocalSigner


class RefusedError(Exception):
    """The request cannot be done; the bench makes none of these."""


_KEY: Final = """
WITH first AS (
    INSERT INTO idempotency (actor_id, key, act, digest, result_id, at)
    VALUES ($1, $2, $3, $4, $5, service_now()) ON CONFLICT (actor_id, key) DO NOTHING RETURNING at
)
"""
_ORDERED: Final = (
    _KEY
    + """
SELECT first.at, o.marketplace_id, o.buyer_id, o.seller_id, o.currency, o.total_minor, o.language,
    o.country, o.zone, o.placed_at, o.policy,
    (SELECT array_agg(l.total_minor) FROM order_lines l WHERE l.order_id = o.id) AS lines,
    (SELECT max(h.delivered_at) FROM shipments h WHERE h.order_id = o.id
        AND h.direction = 'outbound') AS delivered_at,
    (SELECT b.credits_posted - b.debits_posted - b.debits_pending FROM ledger.balances b
        WHERE b.account = $7 AND b.stripe = 0) AS escrow
FROM first, orders o WHERE o.id = $6
"""
)
_TOLD: Final = """
told AS (
    INSERT INTO notices (id, case_id, account_id, kind, facts, created)
    SELECT child_id($1), $1, m.account_id, '{act}', $2::jsonb, $3
    FROM memberships m WHERE m.organisation_id = {seller}
    RETURNING id
), queued AS (
    INSERT INTO outbox (id, kind, subject_id, state, due, tries)
    SELECT child_id(id), 'notice', id, 'due', $3, 0 FROM told
)
"""
_FILE: Final = (
    """
WITH opened AS (
    INSERT INTO cases (id, number, order_id, marketplace_id, claimant_party, state, version,
        rulebook, rulebook_digest, language, country, zone, currency, reason, claimed_minor,
        filed_at, entered_at, acted_at, record_stream)
    VALUES ($1, $4, $5, $6, 'buyer', 'filed', 1, $7, $8, $9, $10, $11, $12, $13, $14, $3, $3, $3,
        $15)
), seated AS (
    INSERT INTO seats (id, case_id, role, account_id, organisation_id, since)
    VALUES (child_id($1), $1, 'claimant', $16, NULL, $3),
        (child_id($1), $1, 'respondent', NULL, $17, $3)
), claimed AS (
    INSERT INTO claims (id, case_id, version, reason, statement, terms, amount_minor, at)
    VALUES (child_id($1), $1, 1, $13, $18, $19::jsonb, $14, $3)
), stream AS (
    INSERT INTO vault_streams (id, size, head) VALUES ($15, 1, $20)
), entered AS (
    INSERT INTO vault_entries (stream, seq, prev, leaf, entry, time, recorded, salt, body)
    VALUES ($15, 0, $21, $20, $22, $3, $3, $23, $24::jsonb)
), unlogged AS (
    INSERT INTO vault_unlogged (stream, seq, origin, recorded) VALUES ($15, 0, $32, $3)
), acted AS (
    INSERT INTO acts (id, case_id, act, role, side, account_id, at, before, after, channel,
        stream_id, sequence, leaf, facts)
    VALUES (child_id($1), $1, 'file', 'claimant', 'claimant', $16, $3, 'filed', 'filed', 'record',
        $15, 0, $20, $25::jsonb)
), started AS (
    INSERT INTO clocks (id, case_id, clock, subject_id, side, state, starts, due, amount_minor)
    VALUES (child_id($1), $1, 'answer', $1, 'respondent', 'running', $3, $26, $14),
        (child_id($1), $1, 'acknowledge', $27, 'respondent', 'running', $3, $28, NULL)
), """
    + _TOLD.format(act="file", seller="$17")
    + """
SELECT ledger.open_accounts(ARRAY[$29::uuid], '{payable}', ARRAY[$1], ARRAY[$12::text]),
    ledger.book(ARRAY[$30::uuid], '{pending}', ARRAY[$31::uuid], ARRAY[$29], ARRAY[$12],
        ARRAY[$14::bigint], '{NULL}', '{NULL}', '{claim_held}', ARRAY[$1])
"""
)
_LOCKED: Final = (
    _KEY
    + """
SELECT first.at, c.number, c.state, c.version, c.rulebook, c.country, c.zone, c.currency,
    c.record_stream, me.role, o.total_minor, o.seller_id,
    (SELECT array_agg(l.total_minor) FROM order_lines l WHERE l.order_id = o.id) AS lines,
    (SELECT count(*) FROM offers f WHERE f.case_id = c.id AND f.state = 'open'
        AND f.side = me.role) AS open,
    EXISTS (SELECT FROM clocks k WHERE k.case_id = c.id AND k.state = 'running'
        AND k.due <= first.at) AS overdue
FROM first, cases c JOIN orders o ON o.id = c.order_id
JOIN seats me ON me.case_id = c.id AND me.until IS NULL
    AND (me.account_id = $1 OR me.organisation_id = ANY ($7::uuid[]))
WHERE c.id = $6 FOR NO KEY UPDATE OF c
"""
)
_OFFER: Final = (
    """
WITH offered AS (
    INSERT INTO offers (id, case_id, side, counter, channel, terms, amount_minor, message, state,
        at, valid_until)
    VALUES ($4, $1, $5, false, 'record', $6::jsonb, $7, $8, 'open', $3, $9)
), head AS (
    SELECT size, head FROM vault_streams WHERE id = $10 FOR NO KEY UPDATE
), next AS MATERIALIZED (
    SELECT size AS seq, head AS prev, $11::bytea
        || convert_to(encode(head, 'hex') || '","seq":' || size, 'UTF8') || $12::bytea AS entry
    FROM head
), linked AS MATERIALIZED (
    SELECT seq, prev, entry, sha256('\\x00'::bytea || entry) AS leaf FROM next
), grown AS (
    UPDATE vault_streams SET size = linked.seq + 1, head = linked.leaf FROM linked WHERE id = $10
), entered AS (
    INSERT INTO vault_entries (stream, seq, prev, leaf, entry, time, recorded, salt, body)
    SELECT $10, seq, prev, leaf, entry, $3, $3, $13, $14::jsonb FROM linked
), unlogged AS (
    INSERT INTO vault_unlogged (stream, seq, origin, recorded) SELECT $10, seq, $18, $3 FROM linked
), moved AS (
    UPDATE cases SET version = version + 1, acted_at = $3 WHERE id = $1
), acted AS (
    INSERT INTO acts (id, case_id, act, role, side, account_id, at, before, after, channel,
        stream_id, sequence, leaf, facts)
    SELECT child_id($1), $1, 'make_offer', $5, $5, $15, $3, 'filed', 'filed', 'record', $10, seq,
        leaf, $16::jsonb FROM linked
), started AS (
    INSERT INTO clocks (id, case_id, clock, subject_id, side, state, starts, due, amount_minor)
    VALUES (child_id($1), $1, 'offer', $4, 'respondent', 'running', $3, $9, $7)
), """
    + _TOLD.format(act="make_offer", seller="$17")
    + "SELECT seq, leaf FROM linked"
)
_RECEIPT: Final = "INSERT INTO vault_receipts (stream, seq, note) VALUES ($1, $2, $3)"


def _digest(asked: dict[str, Any]) -> bytes:
    given = {name: value for name, value in asked.items() if name != "idempotencyKey"}
    return sha256(orjson.dumps(given, option=_SORTED)).digest()


def _terms(asked: dict[str, Any]) -> dict[str, Any]:
    items = [
        {"remedy": item["remedy"].lower(), "amount_minor": item["amountMinor"]}
        for item in asked["terms"]["items"]
    ]
    return {"currency": asked["terms"]["currency"], "items": items}


def _slot(
    clock: str, subject: UUID, starts: datetime, ends: datetime, amount: int | None
) -> dict[str, Any]:
    return {
        "clock": clock,
        "subject": str(subject),
        "side": "respondent",
        "starts": starts.isoformat(),
        "due": ends.isoformat(),
        "amount": amount,
    }


def _commit(act: str, body: dict[str, Any]) -> tuple[bytes, bytes, bytes]:
    """Salt, private body in canonical JSON, and what commits to it."""
    salt = os.urandom(entry.SALT_SIZE)
    private = orjson.dumps({"act": act, "body": body}, option=_SORTED)
    return salt, private, entry.commit(salt, private)


async def _receipted(
    connection: asyncpg.Connection,
    signed: Signed,
    stream: UUID,
    seq: int,
    leaf: bytes,
    at: datetime,
) -> None:
    log = shard.name(signed.origin, at)
    latest = entry.to_microseconds(at + MERGE_DELAY)
    given = receipt.Receipt(log, stream, seq, leaf, entry.to_microseconds(at), latest)
    text = receipt.write(given)
    whole = note.assemble(text, signed.signer.key, await signed.signer.sign(text.encode()))
    await connection.execute(_RECEIPT, stream, seq, whole)


async def file(
    connection: asyncpg.Connection, viewer: Viewer, books: Rulebooks, signed: Signed, asked: Any
) -> str:
    """Open a case on an order of the viewer's."""
    order, key, digest = UUID(hex=asked["orderId"][2:]), asked["idempotencyKey"], _digest(asked)
    case, terms, reason = ids.child(order), _terms(asked), asked["reason"].lower()
    amount = sum(item["amount_minor"] for item in terms["items"])
    async with connection.transaction():
        escrow = ledger.account_id(Kind.ESCROW, order, terms["currency"])
        row = await connection.fetchrow(
            _ORDERED, viewer.account_id, key, "file", digest, case, order, escrow
        )
        if row is None or row["buyer_id"] != viewer.account_id or amount > row["total_minor"]:
            raise RefusedError
        at, number, stream = row["at"], numbers.case(row["at"]), ids.child(case)
        book, place = books.in_force(at), Place(row["country"], row["zone"])
        answer = due(at, book.windows[Window.ANSWER], place)
        noted = due(at, book.windows[Window.ACKNOWLEDGE], place)
        acknowledge = ids.derive(case, "acknowledge")
        shown = {"reason": reason, "amount_minor": amount}
        salt, private, commitment = _commit(
            "file",
            {
                "case": str(case),
                "number": number,
                "role": "claimant",
                "account": str(viewer.account_id),
                "before": "filed",
                "after": "filed",
                "shown": shown,
                "stops": [],
                "clocks": [
                    _slot("answer", case, at, answer, amount),
                    _slot("acknowledge", acknowledge, at, noted, None),
                ],
                "order": str(order),
                "reason": reason,
                "statement": asked["statement"],
                "terms": terms,
                "rulebook": book.version,
                "rulebook_digest": book.digest,
            },
        )
        log = shard.name(signed.origin, at)
        data = entry.encode(entry.Entry(log, stream, 0, entry.FIRST_PREV, at, commitment))
        leaf = entry.leaf_hash(data)
        payable = Account(Kind.PAYABLE, case, row["currency"]).id
        await connection.execute(
            _FILE,
            case, orjson.dumps({"number": number, "state": "filed"}).decode(), at, number, order,
            row["marketplace_id"], book.version, bytes.fromhex(book.digest), row["language"],
            row["country"], row["zone"], row["currency"], reason, amount, stream,
            viewer.account_id, row["seller_id"], asked["statement"],
            orjson.dumps(terms).decode(), leaf, entry.FIRST_PREV, data, salt, private.decode(),
            orjson.dumps(shown).decode(), answer, acknowledge, noted, payable,
            ledger.transfer_id(case, "claim_held"), escrow, log,
        )  # fmt: skip
    await _receipted(connection, signed, stream, 0, leaf, at)
    told = {"id": global_ids.write("ca", case), "number": number, "state": "FILED", "version": 1}
    return orjson.dumps({"data": {"file": {"case": told, "userErrors": []}}}).decode()


async def offer(
    connection: asyncpg.Connection, viewer: Viewer, books: Rulebooks, signed: Signed, asked: Any
) -> str:
    """Offer terms to the other side."""
    case, key, digest = UUID(hex=asked["caseId"][2:]), asked["idempotencyKey"], _digest(asked)
    made, terms = ids.child(case), _terms(asked)
    amount = sum(item["amount_minor"] for item in terms["items"])
    async with connection.transaction():
        row = await connection.fetchrow(
            _LOCKED, viewer.account_id, key, "make_offer", digest, made, case,
            viewer.organisation_ids,
        )  # fmt: skip
        if row is None or row["overdue"] or row["state"] != "filed" or row["role"] != "claimant":
            raise RefusedError
        book = books.version(row["rulebook"])
        if row["open"] >= book.limits.open_offers_per_side or amount > row["total_minor"]:
            raise RefusedError
        at, stream = row["at"], row["record_stream"]
        window = book.windows[Window.OFFER]
        until = due(at, window, Place(row["country"], row["zone"]))
        shown = {"offer": str(made), "amount_minor": amount, "currency": row["currency"]}
        salt, private, commitment = _commit(
            "make_offer",
            {
                "case": str(case),
                "number": row["number"],
                "role": "claimant",
                "account": str(viewer.account_id),
                "before": "filed",
                "after": "filed",
                "shown": shown,
                "stops": [],
                "clocks": [_slot("offer", made, at, until, amount)],
                "offer": str(made),
                "terms": terms,
                "message": asked["message"],
            },
        )
        log = shard.name(signed.origin, at)
        before, after = entry.frame(entry.Entry(log, stream, 0, entry.FIRST_PREV, at, commitment))
        seq, leaf = await connection.fetchrow(
            _OFFER,
            case, orjson.dumps({"number": row["number"], "state": "filed"}).decode(), at, made,
            "claimant", orjson.dumps(terms).decode(), amount, asked["message"], until, stream,
            before, after, salt, private.decode(), viewer.account_id,
            orjson.dumps(shown).decode(), row["seller_id"], log,
        )  # fmt: skip
    await _receipted(connection, signed, stream, seq, leaf, at)
    told = {
        "offer": {"id": global_ids.write("of", made), "state": "OPEN"},
        "case": {"id": asked["caseId"], "state": "FILED", "version": row["version"] + 1},
        "userErrors": [],
    }
    return orjson.dumps({"data": {"makeOffer": told}}).decode()


def key() -> str:
    """A fresh idempotency key."""
    return secrets.token_hex(12)

"""What is measured upon: the demonstration's world, and thousands of rows beside it.

The demonstration's world has a rich case, made by the acts themselves. Beside it stand a few
thousand settled insurance claims, and orders on which nobody has claimed yet, written in bulk with
all constraints in force; the orders' money is booked by the ledger itself.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from infra import site
from infra.demo import cast, scenes, seed
from infra.parts import Parts
from odr import ids, journal, ledger, people, signin
from odr.journal import Trade
from odr.money import Money

TOTAL_MINOR: Final = 12_900
CURRENCY: Final = "EUR"
_BATCH: Final = 2_000
_FIRM: Final = cast.SELLERS["ceramics"]


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is signed in: the headers of their requests."""

    account_id: UUID
    cookie: str
    csrf: str

    @property
    def headers(self) -> dict[str, str]:
        """What a browser would send."""
        return {"cookie": f"concord_session={self.cookie}", "x-csrf-token": self.csrf}


@dataclass(frozen=True, slots=True)
class Ground:
    """What there is to be measured upon."""

    buyer: Person
    insurer: Person
    seller_id: UUID
    case_number: str
    orders: list[UUID]


async def made(parts: Parts, admin_url: str, *, claims: int, orders: int) -> Ground:
    """Make the world if there is none, and ``orders`` and settled ``claims`` beside it."""
    await _world(parts)
    buyer = await _signed_in(parts, cast.BUYERS["marlene"].email)
    insurer = await _signed_in(parts, cast.UNDERWRITER.email)
    async with _connected(admin_url) as admin:
        seller_id = await admin.fetchval("SELECT id FROM organisations WHERE name = $1", _FIRM.name)
        case_number = await admin.fetchval("SELECT number FROM cases WHERE state = 'ruled' LIMIT 1")
        there = await admin.fetchval(
            "SELECT count(*) FROM insurance_claims WHERE settled_at IS NOT NULL"
        )
        if there < claims:
            given = [buyer.account_id, seller_id, there]
            for statement in _SETTLED.split(";\n"):
                wanted = [claims, *given][: statement.count("$")] if "$" in statement else []
                await admin.execute(statement, *wanted)
        fresh = [ids.new(await _now(admin)) for _ in range(orders)]
        await _ordered(admin, fresh, buyer.account_id, seller_id)
        await admin.execute("VACUUM ANALYZE")
    await _paid(parts, fresh, seller_id)
    return Ground(buyer, insurer, seller_id, case_number, fresh)


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def _now(admin: asyncpg.Connection) -> datetime:
    now: datetime = await admin.fetchval("SELECT service_now()")
    return now


async def _world(parts: Parts) -> None:
    if not await seed.is_seeded(parts.office):
        world = await seed.seed(parts.office)
        async with site.opened(parts) as built:

            async def catch_up() -> None:
                await built.worker.drain(built.worker.duties)

            await scenes.play(scenes.Stage(parts.office, world, catch_up))


async def _signed_in(parts: Parts, email: str) -> Person:
    async with parts.engine.begin() as conn:
        account = await people.account_by_email(conn, email)
        if account is None:
            raise LookupError(email)
        now = (await conn.exec_driver_sql("SELECT service_now()")).scalar_one()
        secret = await signin.demo_link(conn, account, now, demo=True)
        opened = await signin.redeem(conn, secret, now)
    return Person(account, opened.cookie, opened.csrf)


async def _ordered(admin: asyncpg.Connection, fresh: list[UUID], buyer: UUID, seller: UUID) -> None:
    async with admin.transaction():
        await admin.execute(_ORDERS, fresh, buyer, seller, TOTAL_MINOR)
        await admin.execute(_LINES, fresh)
        await admin.execute(_SHIPMENTS, fresh)


async def _paid(parts: Parts, fresh: list[UUID], seller: UUID) -> None:
    amount = Money(TOTAL_MINOR, CURRENCY)
    for start in range(0, len(fresh), _BATCH):
        trades = [Trade(order, seller, CURRENCY) for order in fresh[start : start + _BATCH]]
        async with parts.engine.begin() as conn:
            accounts = [account for trade in trades for account in trade.accounts()]
            await ledger.open_accounts(conn, accounts)
            lines = [line for trade in trades for line in journal.order_paid(trade, amount)]
            await ledger.book(conn, lines)


_ORDERS: Final = """
INSERT INTO orders (id, marketplace_id, reference, buyer_id, seller_id, currency, total_minor,
    freight_minor, category, language, country, zone, placed_at, paid_at, promised_at, policy,
    policy_digest, registered_at)
SELECT id, s.marketplace_id, 'B-' || id, $2, $3, 'EUR', $4, 900, 'electronics', 'en', 'DE',
    'Europe/Berlin', now.at - interval '10 days', now.at - interval '10 days',
    now.at - interval '5 days', '{"returnDays":14}', sha256('{"returnDays":14}'), now.at
FROM unnest($1::uuid[]) AS id, (SELECT service_now() AS at) AS now,
    (SELECT marketplace_id FROM organisations WHERE id = $3) AS s
"""
_LINES: Final = """
INSERT INTO order_lines (id, order_id, number, title, sku, quantity, unit_minor, total_minor)
SELECT child_id(id), id, 1, 'A pair of speakers', 'SPK-2', 2, 6000, 12000
FROM unnest($1::uuid[]) AS id
"""
_SHIPMENTS: Final = """
INSERT INTO shipments (id, order_id, direction, carrier, service, tracking_number, shipped_at,
    delivered_at)
SELECT child_id(o.id), o.id, 'outbound', 'Postal Example', 'standard', 'T' || o.id,
    o.placed_at + interval '1 day', o.placed_at + interval '4 days'
FROM orders o WHERE o.id = ANY ($1::uuid[])
"""
_SETTLED: Final = """
CREATE TEMPORARY TABLE settled AS
SELECT n, child_id(m.id) AS order_id, child_id(m.id) AS case_id, m.id AS market, c.id AS cover_id,
    c.insurer_id, c.insured_id, $2::uuid AS buyer, service_now() - n * interval '1 minute' AS at
FROM generate_series($4::int + 1, $1::int) AS n,
    (SELECT id FROM organisations WHERE kind = 'marketplace' LIMIT 1) AS m,
    (SELECT * FROM covers WHERE insured_id = $3::uuid AND currency = 'EUR' LIMIT 1) AS c;
INSERT INTO orders (id, marketplace_id, reference, buyer_id, seller_id, currency, total_minor,
    freight_minor, category, language, country, zone, placed_at, paid_at, promised_at, policy,
    policy_digest, registered_at)
SELECT order_id, market, 'S-' || n, buyer, insured_id, 'EUR', 10000 + n, 900, 'electronics', 'en',
    'DE', 'Europe/Berlin', at - interval '40 days', at - interval '40 days',
    at - interval '30 days', '{}', sha256('{}'), at - interval '40 days'
FROM settled;
INSERT INTO order_lines (id, order_id, number, title, sku, quantity, unit_minor, total_minor)
SELECT child_id(order_id), order_id, 1, 'A lamp', 'L-1', 1, 9100 + n, 9100 + n FROM settled;
INSERT INTO shipments (id, order_id, direction, carrier, service, tracking_number, shipped_at,
    delivered_at)
SELECT child_id(order_id), order_id, 'outbound', 'Postal Example', 'standard', 'S' || n,
    at - interval '39 days', at - interval '35 days'
FROM settled;
INSERT INTO cases (id, number, order_id, marketplace_id, claimant_party, state, outcome, version,
    rulebook, rulebook_digest, language, country, zone, currency, reason, claimed_minor,
    granted_minor, filed_at, entered_at, acted_at, closed_at, record_stream)
SELECT case_id, 'S-' || n, order_id, market, 'buyer', 'closed',
    CASE n % 3 WHEN 0 THEN 'ruled' WHEN 1 THEN 'settled' ELSE 'defaulted' END, 9, '2026-11',
    sha256('r'), 'en', 'DE', 'Europe/Berlin', 'EUR', 'damaged_in_transit', 10000 + n, 10000 + n,
    at - interval '20 days', at - interval '9 days', at - interval '9 days',
    at - interval '9 days', child_id(case_id)
FROM settled;
INSERT INTO seats (id, case_id, role, account_id, organisation_id, since)
SELECT child_id(case_id), case_id, who.role, who.account, who.organisation, at
FROM settled, LATERAL (VALUES
    ('claimant', buyer, NULL), ('respondent', NULL, insured_id), ('insurer', NULL, insurer_id)
) AS who (role, account, organisation);
INSERT INTO insurance_claims (id, number, cover_id, insurer_id, insured_id, case_id, order_id,
    peril, state, version, currency, claimed_minor, reserved_minor, approved_minor, paid_minor,
    recovered_minor, grounds, notified_at, decided_at, settled_at)
SELECT child_id(case_id), 'IS-' || n, cover_id, insurer_id, insured_id, case_id, order_id,
    'damage', 'paid', 3, 'EUR', 10000 + n, 0, 9500 + n, 9500 + n, 0, 'Covered.',
    at - interval '9 days', at - interval '1 day', at
FROM settled;
DROP TABLE settled
"""

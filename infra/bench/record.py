"""The record's verification beside its bare cryptography; the ledger beside its SQL function."""

import itertools
import zipfile
from collections.abc import Awaitable, Callable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import asyncpg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from evidence import bundle, entry, note, verify
from evidence import report as reports
from infra.bench.data import CURRENCY
from infra.bench.figures import Do, spread
from infra.parts import Parts
from odr import ids, journal, ledger
from odr.journal import Shares, Trade
from odr.ledger import Transfer

ENTRIES: Final = 100
_BOOK: Final = (
    "SELECT ledger.book($1::uuid[], $2::text[], $3::uuid[], $4::uuid[], $5::text[], $6::bigint[],"
    " $7::timestamptz[], $8::uuid[], $9::text[], $10::uuid[])"
)
# What a refund takes from escrow, bond and advance: two, three and four lines.
_SHARES: Final = (Shares(1, 0, 0), Shares(1, 1, 0), Shares(1, 1, 1))


async def bundled(parts: Parts, path: Path) -> None:
    """Make a record of a hundred entries with their receipts, and write its bundle."""
    vault = parts.vault
    async with parts.engine.begin() as conn:
        now = (await conn.exec_driver_sql("SELECT service_now()")).scalar_one()
        stream = ids.new(now)
        await vault.create_stream(conn, stream)
        appended = [
            await vault.append(
                conn,
                stream,
                act="send_message",
                body={"number": number, "text": "The parcel was open when it came."},
                at=now,
            )
            for number in range(ENTRIES)
        ]
    receipts = [await vault.sign(each) for each in appended]
    async with parts.engine.begin() as conn:
        await vault.store_receipts(conn, receipts)
    async with parts.engine.connect() as conn:
        contents = await bundle.collect(conn, [stream])
    path.unlink(missing_ok=True)  # noqa: ASYNC240 - one small call before anything is served
    await bundle.write(vault, contents, path, name="record", made=now)


def verified(path: Path, key: note.VerifierKey) -> Do:
    """Verify the bundle, and every check of it."""

    async def do(count: int) -> None:
        for _ in range(count):
            report = verify.verify(path, [key])
            if report.code != reports.SOUND:
                raise AssertionError(report.findings)

    return do


def bare(path: Path, key: note.VerifierKey) -> Do:
    """The bare work over the same bytes: every file hashed, chained, committed, and verified."""
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    entries = [data for name, data in files.items() if "/entries/" in name]
    salts = [bytes.fromhex(data.decode()) for name, data in files.items() if "/salts/" in name]
    bodies = [data for name, data in files.items() if "/bodies/" in name]
    signed = []
    for name, data in files.items():
        if "/receipts/" in name:
            read = note.parse(data)
            signed.append((read.text.encode(), read.signatures[0].signature))
    assert len(entries) == len(salts) == len(bodies) == len(signed) == ENTRIES

    async def do(count: int) -> None:
        public = Ed25519PublicKey.from_public_bytes(key.public)
        for _ in range(count):
            for data in files.values():
                sha256(data).digest()
            for data in entries:
                sha256(b"\0" + data).digest()
            for salt, body in zip(salts, bodies, strict=True):
                entry.commit(salt, body)
            for text, signature in signed:
                public.verify(signature, text)

    return do


def refunds(orders: Sequence[UUID], seller: UUID) -> Iterator[list[Transfer]]:
    """Refunds of two, three and four lines, of orders in turn."""
    shares = itertools.cycle(_SHARES)
    for order in itertools.cycle(orders):
        trade = Trade(order, seller, CURRENCY)
        yield journal.refund(ids.child(order), trade, order, next(shares))


async def opened(parts: Parts, orders: Sequence[UUID]) -> None:
    """Open what a case has granted, for each order."""
    async with parts.engine.begin() as conn:
        await ledger.open_accounts(conn, [journal.payable(order, CURRENCY) for order in orders])


def booked(parts: Parts, lines: Iterator[list[Transfer]], connections: int) -> Do:
    """``ledger.book`` in a transaction of the service's engine."""

    async def one() -> None:
        transfers = next(lines)
        async with parts.engine.begin() as conn:
            await ledger.book(conn, transfers)

    async def do(count: int) -> None:
        await spread(count, [one] * connections)

    return do


def by_hand(connections: Sequence[asyncpg.Connection], lines: Iterator[list[Transfer]]) -> Do:
    """The same function, called by asyncpg."""

    def on(connection: asyncpg.Connection) -> Callable[[], Awaitable[None]]:
        async def one() -> None:
            arrays = _arrays(next(lines))
            async with connection.transaction():
                await connection.fetchval(_BOOK, *arrays)

        return one

    async def do(count: int) -> None:
        await spread(count, [on(connection) for connection in connections])

    return do


def _arrays(transfers: Sequence[Transfer]) -> tuple[list[Any], ...]:
    rows = [
        (
            each.id,
            each.op.value,
            each.debit.id if each.debit else None,
            each.credit.id if each.credit else None,
            each.amount.currency if each.amount else None,
            each.amount.amount_minor if each.amount else None,
            each.expires,
            each.pending,
            each.code,
            each.cause,
        )
        for each in transfers
    ]
    return tuple(map(list, zip(*rows, strict=True)))

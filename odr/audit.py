"""The audit: replays every case's record, and names what the tables say otherwise.

The record is the vault's: its own audit says whether it is whole. Here the rows are held against
it: state, outcome and version, every act's row, terms, offers, bids, messages, exhibits, proposals,
rulings, seats and clocks, and the ledger against its own transfers. A row that was changed, added
or taken away behind the service's back is a finding, named by case, table and column; what people
wrote is not repeated in it.

Not bound by any record, and so not seen here: notices, readings, uploads, the outbox, what a
marketplace registered (an order's policy but for its digest) and insurance claims.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import TableClause, Uuid, bindparam, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import SQLModel

from evidence import audit as vault_audit
from evidence import body as bodies
from evidence import entry as entries
from evidence.errors import Malformed
from odr import envelope, ledger, traces
from odr.errors import NotFound
from odr.models.cases import Case, Record, Seat
from odr.models.dialogue import Citation
from odr.models.money import InsuranceClaim, Payout
from odr.models.recorded import KEYS
from odr.models.states import (
    Channel,
    ClockState,
    ObligationState,
    OfferState,
    PayoutState,
)
from odr.models.trade import Order
from odr.procedure.acts import Act, Role
from odr.procedure.clocks import Clock
from odr.replay import PARTY_MARKS, Replay
from odr.traces import KEEPING, Entry, Key, Row
from odr.words import Party, Side
from odr.work import Office

_STREAMS: Final = {
    Channel.RECORD: "record_stream",
    Channel.MEDIATION: "mediation_stream",
    Channel.CLAIMANT_CAUCUS: "claimant_stream",
    Channel.RESPONDENT_CAUCUS: "respondent_stream",
}
_SHOWN: Final = (int, datetime, UUID, Channel)
_FROM_ORDER: Final = ("marketplace_id", "language", "country", "zone", "currency")

_ENTRIES: Final = text(
    "SELECT stream, seq, entry, salt, body FROM vault_entries WHERE stream = :stream ORDER BY seq"
).bindparams(bindparam("stream", type_=Uuid()))
_NOBODYS: Final = text(
    "SELECT s.id FROM vault_streams s WHERE NOT EXISTS (SELECT FROM cases c WHERE s.id IN"
    " (c.record_stream, c.mediation_stream, c.claimant_stream, c.respondent_stream))"
    " AND NOT EXISTS (SELECT FROM vault_leaves l WHERE l.stream = s.id AND l.index = 0)"
    " ORDER BY s.id"
)
_BOOKED: Final = text("SELECT id FROM ledger.transfers WHERE id = ANY(:ids)").bindparams(
    bindparam("ids", type_=ARRAY(Uuid()))
)
_CASES: Final = text("SELECT id FROM cases ORDER BY id")
_ONE_MOMENT: Final = (
    text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"),
    text("SET LOCAL statement_timeout = 0"),
    text("SET LOCAL idle_in_transaction_session_timeout = 0"),
)


@dataclass(slots=True)
class Report:
    """What the audit found, what it could not check, and how many cases it replayed."""

    findings: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)
    cases: int = 0

    @property
    def ok(self) -> bool:
        """Nothing was found."""
        return not self.findings


async def audit(office: Office) -> Report:
    """Check the whole service, as it was at one moment.

    1. The vault's own audit: entries, chains, receipts, files.
    2. The ledger's own audit: every counter from the transfers.
    3. No stream of the vault is without its case.
    4. Every case replayed from its record, and compared with its rows.
    """
    report = Report()
    async with office.engine.connect() as conn, conn.begin():
        for statement in _ONE_MOMENT:
            await conn.execute(statement)
        kept = await vault_audit.audit(conn, office.vault)
        report.findings += [f"{each.where}: {each.what}" for each in kept.findings]
        report.unchecked += kept.unchecked
        report.findings += [
            f"ledger {each['finding']} {each['id']}" for each in await ledger.findings(conn)
        ]
        for stream in (await conn.execute(_NOBODYS)).scalars():
            report.findings.append(f"vault_streams {stream}: belongs to no case")
        for case_id in (await conn.execute(_CASES)).scalars().all():
            found = await audit_case(conn, office, case_id)
            report.findings += found.findings
            report.unchecked += found.unchecked
            report.cases += 1
    return report


async def audit_case(conn: AsyncConnection, office: Office, case_id: UUID) -> Report:
    """Replay one case's record and compare it with the case's rows; locks nothing.

    ``NotFound`` if there is no such case.
    """
    case = await _one(conn, Case, case_id)
    if case is None:
        raise NotFound
    report = Report(cases=1)
    name = f"case {case['number']}"
    order = await _one(conn, Order, case["order_id"])
    if order is None:
        report.findings = [f"{name}: cases: order_id is of no order"]
        return report
    run = _Comparison(conn, office, case, order)
    await run.compare()
    report.findings = [f"{name}: {what}" for what in run.findings]
    report.unchecked = [f"{name}: {what}" for what in run.unchecked]
    return report


class _Comparison:
    """One case: its rows beside what its record says."""

    def __init__(self, conn: AsyncConnection, office: Office, case: Row, order: Row) -> None:
        self.findings: list[str] = []
        self.unchecked: list[str] = []
        self._conn = conn
        self._office = office
        self._case = case
        self._order = order
        self._replay = Replay(case["id"], order["buyer_id"])
        self._last: set[datetime] = set()

    async def compare(self) -> None:
        if not await self._replayed():
            return
        payouts = await self._rows(Payout)
        for payout in payouts:
            if payout["obligation_id"] is not None:
                self._replay.expect_payout(
                    payout["id"], payout["expected_at"], payout["amount_minor"]
                )
        self._replay.finish()
        self.findings += self._replay.problems
        expected = self._replay.rows
        self._row("cases", self._case, expected.of("cases")[self._case["id"],])
        self._check_case()
        acts = await self._rows(Record)
        self._check_streams(acts)
        tables = {name: await self._rows(model) for name, (model, _) in KEYS.items()}
        await self._check_appointments(tables["appointments"])
        await self._add_citations(tables["ruling_findings"])
        for message in tables["caucus_messages"]:
            message["sealed"] = self._office.caucus.bound(message["id"], bytes(message["sealed"]))
        for bid in tables["bids"]:
            bid["sealed"] = envelope.bound(self._office.caucus, bid["id"], bid["sealed"])
        self._let_offers_clocks_run(tables["clocks"], tables["offers"])
        for name, (_, key) in KEYS.items():
            self._table(name, key, tables[name], expected.of(name))
        await self._check_money(payouts, tables["obligations"], tables["clocks"])

    async def _replayed(self) -> bool:
        """Whether the whole record could be read and taken."""
        whole = True
        for channel, column in _STREAMS.items():
            stream = self._case[column]
            if stream is None:
                continue
            last: datetime | None = None
            async for entry in self._entries(channel, stream):
                if entry is None:
                    whole = False
                    continue
                last = entry.at
                try:
                    self._replay.take(entry)
                except (KeyError, ValueError, StopIteration) as error:
                    what = f"{entry.act.value}, entry {entry.seq} of the {channel.value}"
                    self.findings.append(f"{what}, cannot be read: {type(error).__name__}")
                    whole = False
            if last is not None:
                self._last.add(last)
        return whole

    async def _entries(self, channel: Channel, stream: UUID) -> AsyncIterator[Entry | None]:
        """The entries of a stream, None for one that cannot be read."""
        rows = (await self._conn.execute(_ENTRIES, {"stream": stream})).all()
        kept = traces.kept(row.body for row in rows)
        for row in rows:
            where = f"entry {row.seq} of the {channel.value}"
            said = kept.get(row.seq, row.body)
            self.unchecked += [f"{where} was erased"] if row.body is None else []
            if said is None:
                yield None
                continue
            try:
                found, body = entries.decode(row.entry), bodies.read(said)
                if body.act in KEEPING:
                    continue
                act = Act(body.act)
            except (Malformed, ValueError) as error:
                self.findings.append(f"{where} cannot be read: {type(error).__name__}")
                yield None
                continue
            yield Entry(
                channel=channel,
                stream=found.stream,
                seq=found.seq,
                at=found.time,
                leaf=entries.leaf_hash(row.entry),
                act=act,
                said=body.body,
                blob=body.blob,
                root=body.record,
            )

    async def _rows(self, model: type[SQLModel]) -> list[Row]:
        table = _table_of(model)
        found = await self._conn.execute(
            select(*table.c).where(table.c.case_id == self._case["id"])
        )
        return [dict(row) for row in found.mappings()]

    # What is compared.

    def _table(
        self, name: str, key: Sequence[str], rows: Sequence[Row], expected: Mapping[Key, Row]
    ) -> None:
        found: set[Key] = set()
        for row in rows:
            at = tuple(row[column] for column in key)
            if at in found:
                self.findings.append(f"{_name(name, at)}: is there twice")
            found.add(at)
            if at not in expected:
                self.findings.append(f"{_name(name, at)}: no entry of the record made it")
            else:
                self._row(_name(name, at), row, expected[at])
        for at in expected.keys() - found:
            self.findings.append(f"{_name(name, at)}: is in the record and not in the table")

    def _row(self, where: str, row: Row, expected: Row) -> None:
        for column, said in expected.items():
            if column in row and row[column] != said:
                self.findings.append(f"{where}: {_differs(column, row[column], said)}")

    def _check_case(self) -> None:
        case, version = self._case, self._case["rulebook"]
        for column in _FROM_ORDER:
            if case[column] != self._order[column]:
                self.findings.append(f"cases: {_differs(column, case[column], 'the order')}")
        if case["acted_at"] not in self._last:
            self.findings.append("cases: acted_at is not the time of a last act")
        if case["stayed_at"] is not None:
            self.findings.append("cases: stayed_at is set, and the record says of no stay")
        installed = {book.version: bytes.fromhex(book.digest) for book in self._office.rulebooks}
        if installed.get(version) != bytes(case["rulebook_digest"]):
            self.findings.append(f"cases: rulebook {version} is installed with another digest")

    def _check_streams(self, acts: Sequence[Row]) -> None:
        """The acts of a channel stand in the stream that the case names for it."""
        for channel, column in _STREAMS.items():
            streams = {act["stream_id"] for act in acts if act["channel"] is channel}
            named = {self._case[column]} - {None}
            if streams != named:
                self.findings.append(f"cases: {column} is not the stream of the acts")

    async def _add_citations(self, findings: Sequence[Row]) -> None:
        cited = await self._rows(Citation)
        known = {row["id"] for row in findings}
        for row in findings:
            mine = [each["exhibit_id"] for each in cited if each["finding_id"] == row["id"]]
            row["ruling_citations"] = sorted(mine)
        for each in cited:
            if each["finding_id"] not in known:
                self.findings.append(f"ruling_citations {each['finding_id']}: no entry made it")

    def _let_offers_clocks_run(self, clocks: Sequence[Row], offers: Sequence[Row]) -> None:
        """An offer's clock outlives the case's moves, and may run out after the offer ended."""
        ended = {row["id"] for row in offers if row["state"] is not OfferState.OPEN}
        expected = self._replay.rows.of("clocks")
        for row in clocks:
            said = expected.get((row["clock"], row["subject_id"]))
            late = row["clock"] is Clock.OFFER and row["subject_id"] in ended
            runs = said is not None and said["state"] is ClockState.RUNNING
            if late and runs and said is not None and row["state"] is ClockState.FIRED:
                said.update(state=ClockState.FIRED, ended_at=said["due"])

    async def _check_appointments(self, appointments: Sequence[Row]) -> None:
        """Every seat is a party's, an appointed neutral's, or the insurer's."""
        expected = self._replay.rows.of("appointments")
        of_seat = {row["seat_id"]: expected.get((row["id"],)) for row in appointments}
        insurers = {row["insurer_id"] for row in await self._rows(InsuranceClaim)}
        parties = self._replay.rows.of("parties")
        buys = self._replay.rows.of("cases")[self._case["id"],].get("claimant_party")
        found: set[Side] = set()
        for row in await self._rows(Seat):
            where = f"seats {row['role'].value}"
            if row["role"] in {Role.CLAIMANT, Role.RESPONDENT}:
                side = Side(row["role"].value)
                if side in found:
                    self.findings.append(f"{where}: is there twice")
                found.add(side)
                is_buyer = (side is Side.CLAIMANT) == (buys is Party.BUYER)
                holder = self._holder(is_buyer=is_buyer)
                self._row(where, row, parties.get((side,), {}) | holder | {"until": None})
            elif (said := of_seat.get(row["id"])) is not None:
                self._row(
                    where,
                    row,
                    {
                        "role": Role(said["kind"].value),
                        "account_id": said["neutral_id"],
                        "organisation_id": None,
                        "since": said["appointed_at"],
                        "until": said["until"],
                        **dict.fromkeys(PARTY_MARKS),
                    },
                )
                del of_seat[row["id"]]
            elif row["role"] is not Role.INSURER or row["organisation_id"] not in insurers:
                self.findings.append(f"{where} {row['id']}: no entry of the record gave it")
        missing = [f"seats {side}" for (side,) in parties if side not in found]
        missing += [f"seats {seat}, by appointments as seat_id," for seat in of_seat]
        self.findings += [f"{each} is in the record and not in the table" for each in missing]

    def _holder(self, *, is_buyer: bool) -> Row:
        order = self._order
        return {
            "account_id": order["buyer_id"] if is_buyer else None,
            "organisation_id": None if is_buyer else order["seller_id"],
        }

    async def _check_money(
        self, payouts: Sequence[Row], obligations: Sequence[Row], clocks: Sequence[Row]
    ) -> None:
        """A payout is of an obligation, as the record and the ledger say; so is what is done."""
        recorded = self._replay.rows.of("payouts")
        known = {row["id"] for row in payouts}
        due = {row["subject_id"]: row["due"] for row in clocks if row["clock"] is Clock.PAYOUT}
        owed = {row["id"]: row for row in obligations}
        for row in payouts:
            where = f"payouts {row['id']}"
            self._row(where, row, recorded.get((row["id"],), {"paid_at": row["paid_at"]}))
            booked = await self._booked(row["id"])
            if row["state"] not in _standing(booked):
                self.findings.append(f"{where}: state is {row['state']}, the ledger says otherwise")
            obligation = owed.get(row["obligation_id"])
            if obligation is None:
                self.findings.append(f"{where}: obligation_id is of no obligation of the case")
                continue
            self._row(where, row, self._payout_of(obligation, again=row["again_of"] is not None))
            if due.get(row["id"]) != row["expected_at"]:
                self.findings.append(f"{where}: expected_at is not when its clock is due")
        for at in recorded:
            if at[0] not in known:
                self.findings.append(f"{_name('payouts', at)}: is in the record, not in the table")
        self._check_done(payouts, obligations)

    async def _booked(self, payout_id: UUID) -> frozenset[str]:
        """Which of a payout's lines are in the ledger."""
        lines = {ledger.transfer_id(payout_id, code): code for code in _LINES}
        found = await self._conn.execute(_BOOKED, {"ids": list(lines)})
        return frozenset(lines[booked] for booked in found.scalars())

    def _payout_of(self, obligation: Row, *, again: bool) -> Row:
        said: Row = {
            "payee": f"account:{self._order['buyer_id']}",
            "purpose": obligation["remedy"].value,
            "amount_minor": obligation["amount_minor"],
            "currency": obligation["currency"],
        }
        return said if again else said | {"created": obligation["created"]}

    def _check_done(self, payouts: Sequence[Row], obligations: Sequence[Row]) -> None:
        """What is to be paid is done when its payment is in the record, and was not returned."""
        recorded = self._replay.rows.of("payouts")
        paid = {
            row["obligation_id"]: recorded[row["id"],]["paid_at"]
            for row in payouts
            if (row["id"],) in recorded and row["state"] is PayoutState.PAID
        }
        expected = self._replay.rows.of("obligations")
        for row in obligations:
            if "state" in expected.get((row["number"],), {"state": None}):
                continue
            at = paid.get(row["id"])
            state = ObligationState.DUE if at is None else ObligationState.DONE
            self._row(f"obligations {row['number']}", row, {"state": state, "ended_at": at})


def _standing(booked: frozenset[str]) -> frozenset[PayoutState]:
    """The states that a payout can have with these lines in the ledger."""
    for code, states in _LINES.items():
        if code in booked:
            return states
    return frozenset({PayoutState.PLANNED})


_LINES: Final = {
    "payout_returned": frozenset({PayoutState.RETURNED}),
    "payout_paid_after_all": frozenset({PayoutState.PAID}),
    "payout_rejected": frozenset({PayoutState.REJECTED, PayoutState.RETURNED}),
    "payout_settled": frozenset({PayoutState.PAID}),
    "payout_sent": frozenset(
        {
            PayoutState.HELD,
            PayoutState.AWAITING_APPROVAL,
            PayoutState.SUBMITTING,
            PayoutState.SUBMITTED,
        }
    ),
}
"""The ledger's lines of a payout, the last of them first, and what it can be then."""


def _name(name: str, key: Key) -> str:
    return " ".join([name, *(getattr(part, "value", None) or str(part) for part in key)])


def _differs(column: str, found: object, said: object) -> str:
    """Say that a column differs; what people wrote is not repeated."""
    if all(isinstance(value, _SHOWN) or value is None for value in (found, said)):
        return f"{column} is {_spelt(found)}, the record says {_spelt(said)}"
    words = [getattr(value, "value", None) for value in (found, said)]
    if None not in words:
        return f"{column} is {words[0]}, the record says {words[1]}"
    return f"{column} is not what the record says"


def _spelt(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


async def _one(conn: AsyncConnection, model: type[SQLModel], row_id: UUID) -> Row | None:
    table = _table_of(model)
    found = await conn.execute(select(*table.c).where(table.c.id == row_id))
    row = found.mappings().one_or_none()
    return None if row is None else dict(row)


def _table_of(model: type[SQLModel]) -> TableClause:
    made: TableClause = model.__table__  # type: ignore[attr-defined]  # SQLModel gives every table class its Table
    return made

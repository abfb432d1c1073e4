"""Examinations: an exhibit is compared with all that is known, and what is found is kept.

Done once for each exhibit, by the worker, after the act that gave it. Order of writes (what holds
after a crash between two steps):

1. read the exhibit, its file's facts and the order, and keep the picture's hash, in a transaction.
2. look at the file itself, outside any: its credentials, and a tracking document's events.
3. look for the same file and for pictures alike in other cases, and write what is found, in a
   transaction. Crash before it: the outbox row is due, and everything is done again; a finding
   that is there stays as it is.

Since the hash is kept before others' are looked for, two that are given at once find each other;
only the later one says so. What is said of another case is that there is one, and nothing else.
"""

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import and_, func, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from evidence import credentials, facts, likeness
from evidence.blob import Blob
from evidence.credentials import Credentials
from evidence.errors import Malformed
from odr import epcis, ids, policy, vouchers
from odr.errors import Invalid, NotFound
from odr.findings import rules
from odr.findings.kinds import Finding, FindingKind, Ground, GroundName, Strength
from odr.findings.subject import PHOTOS, Challenge, Parcel, Purchase, Reuse, Subject
from odr.models.cases import Case
from odr.models.dialogue import Exhibit, Message
from odr.models.findings import Examination, ExhibitFinding
from odr.models.people import Account, Organisation
from odr.models.states import Channel, Direction
from odr.models.trade import Order, OrderLine, Shipment, ShipmentEvent
from odr.policy import SERVICE
from odr.words import ExhibitKind, Party, Side
from odr.work import Office, Work

OFTEN: Final = 12
"""In so many other cases a file is everybody's: a form, a logo, a page of terms."""

TRACKING_MAX: Final = 200
"""How many events of a tracking document are shown: the last ones."""

_TRACKING_TYPE: Final = "application/json"


@dataclass(frozen=True, slots=True)
class _Known:
    """What step 1 has read."""

    subject: Subject
    case_id: UUID
    blob: Blob
    perceptual: int | None


@dataclass(frozen=True, slots=True)
class _Seen:
    """What step 2 has seen in the file."""

    credentials: Credentials
    events: Sequence[epcis.Event] = ()
    broken: Invalid | None = None


async def examine(office: Office, exhibit_id: UUID, *, anchors: str = "") -> None:
    """Examine an exhibit, if that was not done before; ``NotFound`` if there is none.

    ``anchors`` are the certificates (PEM) of signers of content credentials who are trusted.
    Raises what the store or the reader of credentials raises when they do not answer.
    """
    async with office.work(SERVICE, policy.NOBODY) as work:
        known = await _read(work, exhibit_id)
        if known is not None and not await work.vault.is_readable(work.conn, known.blob.id):
            return
        if known is not None and known.perceptual is not None:
            await likeness.add(work.conn, known.blob.id, known.perceptual)
    if known is None:
        return
    seen = await _look(office, known, anchors)
    async with office.work(SERVICE, policy.NOBODY) as work:
        if not await work.vault.is_readable(work.conn, known.blob.id):
            return  # erased meanwhile: nothing may be said of it any more
        subject = replace(known.subject, credentials=seen.credentials)
        subject = replace(subject, reuse=await _reuse(work, exhibit_id, known))
        found = rules.find(subject) + _misread(seen)
        await _write(work, exhibit_id, known.case_id, found, seen.events)


# --- reading -------------------------------------------------------------------------------------


async def _read(work: Work, exhibit_id: UUID) -> _Known | None:
    """What is known of an exhibit; None if it was examined."""
    columns = Exhibit.__table__.c  # type: ignore[attr-defined]  # SQLModel gives every table class its Table
    row = (
        await work.conn.execute(
            select(
                *columns,
                col(Case.order_id),
                col(Case.claimant_party),
                col(Examination.exhibit_id).label("examined"),
                col(Message.code),
                col(Message.at).label("asked_at"),
            )
            .join(Case, col(Case.id) == columns.case_id)
            .outerjoin(Examination, col(Examination.exhibit_id) == columns.id)
            .outerjoin(Message, col(Message.id) == columns.challenge_id)
            .where(columns.id == exhibit_id)
        )
    ).one_or_none()
    if row is None:
        raise NotFound
    if row.examined is not None:
        return None
    told = await _facts(work, row.blob_id)
    subject = Subject(
        kind=ExhibitKind(row.kind),
        party=_party(Side(row.side), Party(row.claimant_party)),
        media_type=row.media_type,
        given_at=row.at,
        purchase=await _purchase(work, row.order_id),
        facts=told,
        voucher=_voucher(row.voucher),
        parcels=_placed(await _parcels(work, row.order_id), await _spot(work, row)),
        challenge=None if row.code is None else Challenge(row.code, row.asked_at),
    )
    blob = await work.vault.find_blob(work.conn, row.blob_id)
    return _Known(subject, row.case_id, blob, _perceptual(told, row.media_type))


def _party(side: Side, claimant: Party) -> Party | None:
    if side is Side.NEUTRAL:
        return None
    return claimant if side is Side.CLAIMANT else claimant.other


async def _facts(work: Work, blob_id: UUID) -> Mapping[str, Any]:
    inspection = await work.office.quarantine.find(work.conn, blob_id)
    try:
        return {} if inspection is None else facts.read(facts.write(inspection.facts))
    except Malformed:
        return {}


def _perceptual(told: Mapping[str, Any], media_type: str) -> int | None:
    """The hash by which the picture is known again; documents are not compared by their looks."""
    found: int | None = told.get("perceptual")
    if found is None or not media_type.startswith(("image/", "video/")):
        return None
    return None if likeness.plain(found, told.get("contrast")) else found


def _voucher(told: Mapping[str, Any] | None) -> vouchers.Voucher | None:
    try:
        return None if told is None else vouchers.from_json(told)
    except Invalid:
        return None


async def _purchase(work: Work, order_id: UUID) -> Purchase:
    lines = (
        select(func.array_agg(col(OrderLine.total_minor)))
        .where(col(OrderLine.order_id) == order_id)
        .scalar_subquery()
    )
    row = (
        await work.conn.execute(
            select(
                col(Order.reference),
                col(Order.currency),
                col(Order.total_minor),
                col(Order.freight_minor),
                col(Account.name).label("buyer"),
                col(Organisation.name).label("seller"),
                lines.label("lines"),
            )
            .join(Account, col(Account.id) == col(Order.buyer_id))
            .join(Organisation, col(Organisation.id) == col(Order.seller_id))
            .where(col(Order.id) == order_id)
        )
    ).one()
    totals = {row.total_minor, row.total_minor - row.freight_minor, *(row.lines or ())}
    return Purchase(
        reference=row.reference,
        currency=row.currency,
        total_minor=row.total_minor,
        totals=frozenset(totals),
        buyer=row.buyer,
        seller=row.seller,
    )


async def _parcels(work: Work, order_id: UUID) -> tuple[Parcel, ...]:
    handed_over = (
        select(col(ShipmentEvent.place))
        .where(
            col(ShipmentEvent.shipment_id) == col(Shipment.id),
            col(ShipmentEvent.code) == "delivered",
        )
        .order_by(col(ShipmentEvent.at))
        .limit(1)
        .scalar_subquery()
    )
    columns = Shipment.__table__.c  # type: ignore[attr-defined]  # SQLModel gives every table class its Table
    rows = await work.conn.execute(
        select(*columns, handed_over.label("place"))
        .where(columns.order_id == order_id)
        .order_by(columns.id)
    )
    return tuple(
        Parcel(
            carrier=row.carrier,
            tracking_number=row.tracking_number,
            back=row.direction == Direction.RETURN,
            shipped_at=row.shipped_at,
            delivered_at=row.delivered_at,
            place=row.place or "",
        )
        for row in rows
    )


async def _spot(work: Work, exhibit: Any) -> tuple[float, float] | None:
    """The last place, in degrees, that tracking documents of the case name in this room."""
    rows = await work.conn.execute(
        select(col(Examination.tracking))
        .join(Exhibit, col(Exhibit.id) == col(Examination.exhibit_id))
        .where(
            col(Examination.case_id) == exhibit.case_id,
            col(Exhibit.channel).in_({Channel.RECORD, exhibit.channel}),
            func.jsonb_array_length(col(Examination.tracking)) > 0,
        )
    )
    events = [event for tracking in rows.scalars() for event in tracking]
    events.sort(key=lambda event: datetime.fromisoformat(event["at"]))
    spots = [epcis.spot(event["location"] or event["readPoint"]) for event in events]
    return next((spot for spot in reversed(spots) if spot is not None), None)


def _placed(parcels: tuple[Parcel, ...], spot: tuple[float, float] | None) -> tuple[Parcel, ...]:
    """The parcels; where only one went out, with the place where it came to."""
    there = [parcel for parcel in parcels if not parcel.back]
    if spot is None or len(there) != 1:
        return parcels
    return tuple(parcel if parcel.back else replace(parcel, spot=spot) for parcel in parcels)


# --- looking into the file -----------------------------------------------------------------------


async def _look(office: Office, known: _Known, anchors: str) -> _Seen:
    blob, media_type = known.blob, known.subject.media_type
    if media_type == _TRACKING_TYPE and blob.plaintext.size <= epcis.SIZE_MAX:
        async with aclosing(office.vault.open_blob(blob)) as pieces:
            data = b"".join([piece async for piece in pieces])
        none = Credentials(credentials.State.UNSEEN)
        try:
            return _Seen(none, epcis.read(data) or ())
        except Invalid as broken:
            return _Seen(none, broken=broken)
    if media_type not in credentials.TYPES:
        return _Seen(Credentials(credentials.State.UNSEEN))
    async with aclosing(office.vault.open_blob(blob)) as pieces:
        return _Seen(await credentials.examine(pieces, media_type, anchors=anchors))


def _misread(seen: _Seen) -> list[Finding]:
    """What is said of a document that says that it is EPCIS and breaks the standard."""
    if seen.broken is None:
        return []
    where = ".".join(map(str, seen.broken.path))
    fails = Ground(GroundName.FAILS, f"{where}: {seen.broken.code}"[:300])
    return [Finding(FindingKind.NOT_STANDARD, Strength.SLIGHT, (fails,))]


# --- other cases ---------------------------------------------------------------------------------


async def _reuse(work: Work, exhibit_id: UUID, known: _Known) -> Reuse:
    """What was given earlier in other cases: the very file, or a picture like it."""
    earlier = and_(
        col(Exhibit.case_id) != known.case_id,
        tuple_(col(Exhibit.at), col(Exhibit.id)) < tuple_(known.subject.given_at, exhibit_id),
    )
    digest = known.blob.plaintext.sha256
    elsewhere = select(col(Exhibit.case_id)).where(col(Exhibit.sha256) == digest, earlier)
    counted = select(func.count()).select_from(elsewhere.distinct().limit(OFTEN).subquery())
    same = (await work.conn.execute(counted)).scalar_one()
    if same:
        return Reuse(same=True, often=same == OFTEN)
    if known.perceptual is None or known.subject.kind not in PHOTOS:
        return Reuse()
    alike = await likeness.near(work.conn, known.perceptual)
    distances = {each.blob: each.distance for each in reversed(alike)}
    rows = await work.conn.execute(
        select(col(Exhibit.case_id), col(Exhibit.blob_id)).where(
            col(Exhibit.blob_id).in_(distances), col(Exhibit.kind).in_(PHOTOS), earlier
        )
    )
    found = [(distances[row.blob_id], row.case_id) for row in rows]
    if not found or len({case for _, case in found}) >= OFTEN:
        return Reuse()
    return Reuse(distance=min(distance for distance, _ in found))


# --- writing -------------------------------------------------------------------------------------


async def _write(
    work: Work,
    exhibit_id: UUID,
    case_id: UUID,
    found: Sequence[Finding],
    events: Sequence[epcis.Event],
) -> None:
    examined = await work.conn.execute(
        insert(Examination)
        .values(
            exhibit_id=exhibit_id,
            case_id=case_id,
            tracking=[_event(event) for event in events[-TRACKING_MAX:]],
            at=work.at,
        )
        .on_conflict_do_nothing()
    )
    if examined.rowcount == 0 or not found:
        return
    rows = [
        {
            "id": ids.child(case_id),
            "case_id": case_id,
            "exhibit_id": exhibit_id,
            "kind": each.kind,
            "strength": each.strength,
            "grounds": [_ground(ground) for ground in each.grounds],
            "at": work.at,
        }
        for each in found
    ]
    await work.conn.execute(insert(ExhibitFinding), rows)


def _ground(ground: Ground) -> dict[str, Any]:
    told = {"name": ground.name.value, "text": ground.text, "at": _iso(ground.at)}
    return {name: value for name, value in told.items() if value is not None}


def _event(event: epcis.Event) -> dict[str, Any]:
    return {
        "at": _iso(event.at),
        "type": event.type,
        "action": event.action,
        "step": event.step,
        "disposition": event.disposition,
        "readPoint": event.read_point,
        "location": event.location,
        "epcs": list(event.epcs),
        "moreEpcs": event.more_epcs,
    }


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()

"""Cases of the demonstration, one in every stage: made by the acts themselves, with real pictures.

Time is moved forward where a clock has to run out, so that what waits in the end waits for today.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select, text
from sqlmodel import col

from evidence.deposit import Declared
from infra.demo import goods, scenery
from infra.demo.seed import World
from odr import (
    claims,
    exhibits,
    hearings,
    ids,
    insurance,
    messages,
    neutrals,
    offers,
    proposals,
    rulings,
    uploads,
)
from odr.models.cases import Seat
from odr.models.dialogue import Exhibit
from odr.models.money import InsuranceClaim
from odr.models.states import RulingKind
from odr.models.trade import Shipment
from odr.policy import Viewer
from odr.rulings import Decision, Found
from odr.terms import Item, Terms
from odr.words import ExhibitKind, Reason, Remedy, Side
from odr.work import Office

_PIECE: Final = 256 * 1024
_ADVANCE: Final = text("SELECT advance_service_clock(:by)")
Act = Callable[..., Awaitable[Any]]
_SALES: Final = {sale.key: sale for sale in goods.SALES}


@dataclass(slots=True)
class Stage:
    """Where scenes are played: the office, the world, and the worker's turn between acts."""

    office: Office
    world: World
    catch_up: Callable[[], Awaitable[None]]

    async def act(self, viewer: Viewer, below: UUID, act: Act, *given: Any, **named: Any) -> UUID:
        """One act in a transaction of its own; the id of what it made."""
        async with self.office.work(viewer, ids.child(below)) as work:
            await act(work, *given, **named)
            return work.result

    async def let_pass(self, days: float) -> None:
        """Let days pass, and let the worker catch up with them."""
        async with self.office.engine.begin() as conn:
            await conn.execute(_ADVANCE, {"by": timedelta(days=days)})
        await self.catch_up()

    async def file(self, key: str, reason: Reason, statement: str, **asked: Any) -> UUID:
        """The buyer of an order files a claim, with pictures given as ``photos``."""
        buyer = self.world.buyers[_SALES[key].buyer]
        given = [await self.give(buyer, key, *photo_) for photo_ in asked.pop("photos", ())]
        filing = claims.Filing(
            order_id=self.world.orders[key],
            reason=reason,
            statement=statement,
            terms=refund(key, **asked),
            exhibits=given,
        )
        return await self.act(buyer, filing.order_id, claims.file, filing)

    async def give(
        self, viewer: Viewer, key: str, picture: str, kind: ExhibitKind, title: str
    ) -> exhibits.Given:
        """Deposit a picture that belongs to an order, ready to be given as an exhibit."""
        data = scenery.drawing(picture, key, await self._unpacked(key))
        media = "image/png" if picture.endswith(".png") else "image/jpeg"
        declared = Declared(size=len(data), media_type=media)
        upload = await uploads.deposit(self.office, viewer, _pieces(data), declared, picture)
        return exhibits.Given(upload_id=upload, kind=kind, title=title)

    async def _unpacked(self, key: str) -> datetime:
        """When an order's parcel was opened, to the second: soon after it was delivered."""
        statement = select(func.max(col(Shipment.delivered_at))).where(
            col(Shipment.order_id) == self.world.orders[key]
        )
        async with self.office.engine.connect() as conn:
            delivered = (await conn.execute(statement)).scalar_one()
        assert delivered is not None
        return delivered.replace(microsecond=0) + timedelta(minutes=40)

    async def seated(self, case_id: UUID, role: str) -> Viewer:
        """Who sits as mediator or arbitrator in a case."""
        statement = select(Seat.__table__.c.account_id).where(  # type: ignore[attr-defined]  # SQLModel gives every table class its Table
            col(Seat.case_id) == case_id, col(Seat.role) == role, col(Seat.until).is_(None)
        )
        async with self.office.engine.connect() as conn:
            account: UUID = (await conn.execute(statement)).scalar_one()
        return self.world.neutrals[account]

    async def exhibits(self, case_id: UUID) -> dict[str, UUID]:
        """The exhibits of a case by side and number: A-1, B-1."""
        statement = select(col(Exhibit.side), col(Exhibit.number), col(Exhibit.id)).where(
            col(Exhibit.case_id) == case_id
        )
        async with self.office.engine.connect() as conn:
            rows = (await conn.execute(statement)).all()
        return {f"{Side(side).letter}-{number}": key for side, number, key in rows}


async def _pieces(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), _PIECE):
        yield data[start : start + _PIECE]


def _total(key: str) -> int:
    sale = _SALES[key]
    return sum(line.quantity * line.unit_minor for line in sale.lines) + sale.freight_minor


def refund(key: str, percent: int = 100) -> Terms:
    """A refund of so much of an order's total."""
    amount = _total(key) * percent // 100
    full = percent == 100  # noqa: PLR2004 - all of it
    remedy = Remedy.FULL_REFUND if full else Remedy.PARTIAL_REFUND
    return Terms(_SALES[key].currency, (Item(remedy=remedy, amount_minor=amount),))


_DAMAGED: Final = (
    "The parcel came damaged. Inside, the vase has a long crack and a piece of the rim is missing. "
    "I photographed it before I unpacked it, and after."
)


async def play(stage: Stage) -> None:
    """All scenes, the ones that need time first."""
    await _silent(stage)
    await _paid(stage)
    await stage.let_pass(6)
    await _filed(stage)
    await _negotiated(stage)
    await _mediated(stage)
    heard = await _heard(stage, "0127", "soaked.jpg")
    await stage.act(await stage.seated(heard, "arbitrator"), heard, neutrals.disclose, heard)
    await _ruled(stage)


async def _silent(stage: Stage) -> None:
    """The seller never answers: the clock grants the request while time passes."""
    await stage.file(
        "0123",
        Reason.NOT_RECEIVED,
        "The tent was due two weeks ago. Tracking has not moved since the hub.",
    )


async def _paid(stage: Stage) -> None:
    """The seller accepts at once: refund paid, case closed; one of two insurance claims settled."""
    await _accepted(stage, "0120", "split.jpg", "Two of the five cups arrived broken.", percent=40)
    case_id = await _accepted(stage, "0121", "crushed.jpg", "The front element is cracked.")
    await _insured(stage, case_id)


async def _accepted(
    stage: Stage, key: str, picture: str, statement: str, *, percent: int = 100
) -> UUID:
    case_id = await stage.file(
        key,
        Reason.DAMAGED_IN_TRANSIT,
        statement,
        percent=percent,
        photos=[(picture, ExhibitKind.PACKAGING_PHOTO, "The parcel on arrival")],
    )
    seller = stage.world.sellers[_SALES[key].seller]
    await stage.act(seller, case_id, claims.accept_claim, case_id)
    await stage.catch_up()
    return case_id


async def _insured(stage: Stage, case_id: UUID) -> None:
    """The insurer approves the loss of a case and pays it."""
    statement = select(
        InsuranceClaim.__table__.c.id,  # type: ignore[attr-defined]  # SQLModel gives every table class its Table
        col(InsuranceClaim.claimed_minor),
    ).where(col(InsuranceClaim.case_id) == case_id)
    async with stage.office.engine.connect() as conn:
        claim, claimed = (await conn.execute(statement)).one()
    insurer = stage.world.insurer
    grounds = "The photo shows a crushed corner; the carrier took the parcel without remark."
    await stage.act(insurer, claim, insurance.decide, claim, approve_minor=claimed, grounds=grounds)
    await stage.act(insurer, claim, insurance.pay, claim)
    await stage.catch_up()


async def _filed(stage: Stage) -> None:
    await stage.file(
        "0126",
        Reason.NOT_AS_DESCRIBED,
        "The listing says 45 litres. It holds 32; I measured it with bags of rice.",
        percent=50,
    )
    await stage.file(
        "0124",
        Reason.DAMAGED_IN_TRANSIT,
        "碗到货时已经裂开,外箱被压坏。",
        photos=[("holed.jpg", ExhibitKind.PACKAGING_PHOTO, "外箱")],
    )


async def _contested(
    stage: Stage, key: str, statement: str, *, answer: str, percent: int, **asked: Any
) -> UUID:
    """A claim that the seller contests with a waybill and a counter-offer."""
    seller = stage.world.sellers[_SALES[key].seller]
    reason = asked.pop("reason", Reason.DAMAGED_IN_TRANSIT)
    case_id = await stage.file(key, reason, statement, **asked)
    bill = await stage.give(seller, key, "waybill.png", ExhibitKind.WAYBILL, "The waybill")
    await stage.act(seller, case_id, claims.contest, case_id, statement=answer, given=[bill])
    await stage.act(
        seller,
        case_id,
        offers.make_counter_offer,
        case_id,
        refund(key, percent=percent),
        message="We meet you part of the way; you keep the goods.",
    )
    return case_id


async def _negotiated(stage: Stage) -> None:
    case_id = await _contested(
        stage,
        "0119",
        "I ordered navy. This is olive.",
        answer="The colour shows differently on screens; the listing says so.",
        percent=20,
        reason=Reason.WRONG_ITEM,
        photos=[("jacket.jpg", ExhibitKind.PRODUCT_PHOTO, "The jacket that came")],
    )
    await stage.act(
        stage.world.buyers["marlene"],
        case_id,
        messages.send_message,
        case_id,
        "It is a different colour, not a different screen. Please look at the label.",
    )


async def _rejected(
    stage: Stage, key: str, statement: str, *photos: tuple[str, ExhibitKind, str]
) -> UUID:
    """A case that the buyer took to mediation by rejecting the counter-offer."""
    sale = _SALES[key]
    buyer = stage.world.buyers[sale.buyer]
    case_id = await _contested(
        stage,
        key,
        statement,
        answer="It left us in a double-walled carton. The carrier took it without remark.",
        percent=30,
        photos=photos,
    )
    offer = await _latest_offer(stage, case_id)
    await stage.act(buyer, case_id, offers.reject_counter_offer, offer, reason="It is worthless.")
    mediator = await stage.seated(case_id, "mediator")
    await stage.act(mediator, case_id, neutrals.disclose, case_id)
    return case_id


async def _latest_offer(stage: Stage, case_id: UUID) -> UUID:
    latest = text("SELECT id FROM offers WHERE case_id = :case ORDER BY at DESC LIMIT 1")
    async with stage.office.engine.connect() as conn:
        found: UUID = (await conn.execute(latest, {"case": case_id})).scalar_one()
    return found


async def _proposed(stage: Stage, case_id: UUID, key: str) -> UUID:
    mediator = await stage.seated(case_id, "mediator")
    return await stage.act(
        mediator,
        case_id,
        proposals.propose_terms,
        case_id,
        refund(key, percent=70),
        reasons="The photos show damage from outside; the packing was sound. Both bear a part.",
    )


async def _mediated(stage: Stage) -> None:
    """A case in mediation, with a proposal on the table and a word in confidence."""
    case_id = await _rejected(
        stage,
        "0122",
        "Something has gone through the carton, and through the lamp's foot behind it.",
        ("holed.jpg", ExhibitKind.PACKAGING_PHOTO, "The parcel before unpacking"),
    )
    buyer = stage.world.buyers["amira"]
    await stage.act(
        buyer,
        case_id,
        messages.send_caucus_message,
        case_id,
        "Between us: I could live with 60 percent if it comes this week.",
    )
    await _proposed(stage, case_id, "0122")


async def _heard(stage: Stage, key: str, picture: str) -> UUID:
    """A case that comes before an arbitrator after a proposal that failed."""
    sale = _SALES[key]
    buyer, seller = stage.world.buyers[sale.buyer], stage.world.sellers[sale.seller]
    case_id = await _rejected(
        stage,
        key,
        _DAMAGED,
        (picture, ExhibitKind.PACKAGING_PHOTO, "The parcel before unpacking"),
        ("vase.jpg", ExhibitKind.PRODUCT_PHOTO, "The crack"),
    )
    proposal = await _proposed(stage, case_id, key)
    await stage.act(buyer, case_id, proposals.accept_proposal, proposal)
    await stage.act(seller, case_id, proposals.reject_proposal, proposal)
    await stage.act(buyer, case_id, hearings.request_arbitration, case_id)
    return case_id


async def _ruled(stage: Stage) -> None:
    """A case with a ruling that may still be appealed."""
    case_id = await _heard(stage, "0117", "crushed.jpg")
    buyer, seller = stage.world.buyers["marlene"], stage.world.sellers["ceramics"]
    arbitrator = await stage.seated(case_id, "arbitrator")
    await stage.act(arbitrator, case_id, neutrals.disclose, case_id)
    shown = await stage.exhibits(case_id)
    await stage.act(
        seller,
        case_id,
        exhibits.answer_exhibit,
        shown["A-1"],
        "The corner was whole when the carrier scanned it.",
    )
    await stage.act(buyer, case_id, hearings.consent, case_id)
    for side in (buyer, seller):
        await stage.act(side, case_id, hearings.rest, case_id)
    decision = Decision(
        kind=RulingKind.GRANTED_IN_PART,
        findings=[
            Found(
                "Was the vase damaged on the way?",
                "The carton is crushed at the corner behind which the crack begins.",
                [shown["A-1"], shown["A-2"]],
            ),
            Found(
                "Who bears it?",
                "The waybill shows that the seller chose the carrier. Until delivery the risk is "
                "the seller's.",
                [shown["B-1"]],
            ),
        ],
        not_relied_on=[],
        reasons="The stand is whole and stays with the buyer; the rest is refunded.",
        terms=refund("0117", percent=93),
    )
    await stage.act(arbitrator, case_id, rulings.rule, case_id, decision)

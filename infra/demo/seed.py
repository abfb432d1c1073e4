"""The demonstration's world: people, orders, covers; registered by the same acts as anybody's."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlmodel import col

from infra.demo import cast, goods
from infra.demo.goods import Sale
from odr import bonds, covers, ids, people, registration, roster, shipments
from odr.bonds import Secured
from odr.covers import Insured
from odr.models.people import Organisation
from odr.models.states import NeutralKind, OrganisationKind
from odr.people import Person
from odr.policy import SERVICE, Viewer
from odr.registration import Paid, Registered
from odr.shipments import Parcel, Reported, Scan
from odr.words import Peril
from odr.work import Office, Work

_BOND: Final = {"JPY": 500_000, "KWD": 900_000}
_BOND_ELSE: Final = 300_000
_PERILS: Final = (Peril.DAMAGE, Peril.LOSS, Peril.NON_DELIVERY)


@dataclass(slots=True)
class World:
    """Everybody and everything of the demonstration, by the names that its data use."""

    operator: Viewer
    market: Viewer
    insurer: Viewer
    market_id: UUID
    insurer_id: UUID
    buyers: dict[str, Viewer] = field(default_factory=dict)
    sellers: dict[str, Viewer] = field(default_factory=dict)
    seller_ids: dict[str, UUID] = field(default_factory=dict)
    neutrals: dict[UUID, Viewer] = field(default_factory=dict)
    orders: dict[str, UUID] = field(default_factory=dict)


async def is_seeded(office: Office) -> bool:
    """Whether the demonstration's world is there already."""
    statement = select(col(Organisation.id)).where(col(Organisation.name) == goods.MARKETPLACE)
    async with office.engine.connect() as conn:
        return (await conn.execute(statement)).first() is not None


async def seed(office: Office) -> World:
    """Make the world; once."""
    world = await _people(office)
    for key, firm in cast.SELLERS.items():
        await _seller(office, world, key, firm)
    for sale in goods.SALES:
        world.orders[sale.key] = await _order(office, world, sale)
    return world


async def _do(office: Office, viewer: Viewer, act: Callable[[Work], Awaitable[Any]]) -> UUID:
    async with office.work(viewer, UUID(int=0)) as work:
        work.result = ids.new(work.at)
        await act(work)
        return work.result


async def _person(office: Office, person: Person) -> Viewer:
    account = await _do(office, SERVICE, lambda work: people.register(work, person))
    async with office.engine.connect() as conn:
        found = await people.account_by_email(conn, person.email)
        return await people.viewer_of(conn, found or account)


async def _firm(office: Office, kind: OrganisationKind, name: str, person: Person) -> Viewer:
    member = await _person(office, person)
    await _do(
        office,
        SERVICE,
        lambda work: people.open_organisation(work, kind, name, "DE", (member.account_id,)),
    )
    async with office.engine.connect() as conn:
        return await people.viewer_of(conn, member.account_id)


async def _people(office: Office) -> World:
    operator = await _firm(office, OrganisationKind.OPERATOR, "Concord Operations", cast.OPERATOR)
    market = await _firm(office, OrganisationKind.MARKETPLACE, goods.MARKETPLACE, cast.MARKET)
    insurer = await _firm(office, OrganisationKind.INSURER, goods.INSURER, cast.UNDERWRITER)
    world = World(
        operator, market, insurer, market.organisation_ids[0], insurer.organisation_ids[0]
    )
    for key, person in cast.BUYERS.items():
        world.buyers[key] = await _person(office, person)
    for kind, neutrals in (
        (NeutralKind.MEDIATOR, cast.MEDIATORS),
        (NeutralKind.ARBITRATOR, cast.ARBITRATORS),
    ):
        for person in neutrals:
            viewer = await _person(office, person)
            world.neutrals[viewer.account_id] = viewer
            await _listed(office, world, viewer, kind)
    return world


async def _listed(office: Office, world: World, viewer: Viewer, kind: NeutralKind) -> None:
    await _do(
        office,
        world.operator,
        lambda work: roster.list_neutral(
            work, viewer.account_id, kinds=[kind], languages=["en", "zh"]
        ),
    )


async def _seller(office: Office, world: World, key: str, firm: cast.Firm) -> None:
    seller_id = await _do(
        office,
        world.market,
        lambda work: registration.register_seller(
            work,
            world.market_id,
            reference=firm.reference,
            name=firm.name,
            country=firm.country,
            members=[firm.person],
        ),
    )
    world.seller_ids[key] = seller_id
    world.sellers[key] = await _person(office, firm.person)
    for currency in goods.CURRENCIES:
        deposit = _BOND.get(currency, _BOND_ELSE)
        secured = Secured(
            seller_id=seller_id,
            currency=currency,
            floor_minor=deposit // 3,
            deposit_minor=deposit,
        )
        await _do(
            office,
            world.market,
            partial(_bond, world.market_id, secured),
        )
        await _cover(office, world, key, seller_id, currency)


async def _bond(market_id: UUID, secured: Secured, work: Work) -> UUID:
    return await bonds.register_bond(work, market_id, secured)


async def _cover(office: Office, world: World, key: str, seller_id: UUID, currency: str) -> None:
    limit = 10 * _BOND.get(currency, _BOND_ELSE)
    cover = Insured(
        insurer_id=world.insurer_id,
        insured_id=seller_id,
        reference=f"HM-{key.upper()}-{currency}",
        perils=_PERILS,
        currency=currency,
        claim_limit_minor=limit,
        aggregate_limit_minor=limit * 10,
        deductible_minor=limit // 1000,
        starts=date(2026, 1, 1),
        ends=date(2027, 12, 31),
        deposit_minor=limit,
    )
    await _do(office, world.market, lambda work: covers.register_cover(work, cover))


async def _order(office: Office, world: World, sale: Sale) -> UUID:
    async with office.work(world.market, UUID(int=0)) as work:
        placed = work.at - timedelta(days=sale.days_ago)
    order = Registered(
        reference=sale.reference,
        buyer=world.buyers[sale.buyer].account_id,
        seller_id=world.seller_ids[sale.seller],
        currency=sale.currency,
        lines=sale.lines,
        category=sale.category,
        language="zh" if sale.currency == "CNY" else "en",
        country=sale.country,
        zone=sale.zone,
        placed_at=placed,
        freight_minor=sale.freight_minor,
        promised_at=placed + timedelta(days=14),
        policy={"returnDays": 14, "warrantyDays": 730, "listing": sale.lines[0].title},
    )
    order_id = await _do(
        office,
        world.market,
        lambda work: registration.register_order(work, world.market_id, order),
    )
    total = sum(line.quantity * line.unit_minor for line in sale.lines) + sale.freight_minor
    paid = Paid(
        reference=f"P-{sale.key}",
        method="card",
        amount_minor=total,
        currency=sale.currency,
        paid_at=placed + timedelta(minutes=2),
    )
    await _do(
        office, world.market, lambda work: registration.register_payment(work, order_id, paid)
    )
    await _shipped(office, world, sale, order_id, placed)
    return order_id


def _scan(at: datetime, code: Scan, place: str, description: str) -> Reported:
    return Reported(at=at, code=code, place=place, description=description)


async def _shipped(
    office: Office, world: World, sale: Sale, order_id: UUID, placed: datetime
) -> None:
    parcel = Parcel(carrier=sale.carrier, service="Tracked", tracking_number=sale.tracking)
    shipment = await _do(
        office,
        world.market,
        lambda work: shipments.register_shipment(work, order_id, parcel),
    )
    told = [
        _scan(placed + timedelta(days=1), Scan.ACCEPTED, "Sender", "Accepted from the sender"),
        _scan(placed + timedelta(days=4), Scan.DEPARTED, "Hub", "Left the sorting centre"),
    ]
    if sale.delivered_after is not None:
        told.append(_scan(placed + sale.delivered_after, Scan.DELIVERED, sale.country, "Delivered"))
    await _do(
        office,
        world.market,
        lambda work: shipments.register_shipment_events(work, shipment, told),
    )

"""Registration: what marketplaces and insurers tell of their trade.

Told again with the same content by the same reference, a thing is the same thing.
"""

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

import strawberry

from odr import bonds, covers, registration, shipments
from odr.bonds import Secured
from odr.covers import Insured
from odr.errors import NotFound
from odr.people import Person
from odr.registration import Goods, Paid, Registered
from odr.shipments import Parcel, Reported, Scan
from odr.work import Work
from schema import ids
from schema.mutations import desk
from schema.mutations.acts import does
from schema.mutations.desk import Info, Input
from schema.payloads import Payload
from schema.reader import declaration as read
from schema.scalars import Int64
from schema.types import words
from schema.types.account import Account
from schema.types.cover import Bond, Cover
from schema.types.order import Order, Payment
from schema.types.organisation import Organisation
from schema.types.shipment import Shipment
from schema.types.words import Direction, Peril

_SCOPE = "register"


@strawberry.input(description="Somebody, known by their e-mail address.")
class PersonInput:
    """A person."""

    email: str
    name: str
    language: str = strawberry.field(default="en", description="BCP 47, as in `en` or `zh-CN`.")
    zone: str = strawberry.field(default="UTC", description="A zone of the IANA database.")

    def person(self) -> Person:
        """Read the input."""
        return Person(email=self.email, name=self.name, language=self.language, zone=self.zone)


@strawberry.input(description="Register a person, or find the one with this address.")
class RegisterPersonInput(Input):
    """A person."""

    person: PersonInput


@strawberry.type
class RegisterPersonPayload(Payload):
    """The account's id; one that was there before is not changed."""

    account_id: strawberry.ID | None
    account: Account | None = read.key(description="If the viewer sees it.")


@strawberry.input(description="Let a seller in, with the people who act for it.")
class RegisterSellerInput(Input):
    """A seller."""

    marketplace_id: strawberry.ID
    reference: str = strawberry.field(description="The marketplace's own.")
    name: str
    country: str = strawberry.field(description="ISO 3166, two letters.")
    members: list[PersonInput]


@strawberry.type
class RegisterSellerPayload(Payload):
    """The seller."""

    seller: Organisation | None = read.key()


@strawberry.input(description="One line of an order.")
class OrderLineInput:
    """A line; lines are numbered from 1 in this order."""

    title: str
    quantity: int
    unit_minor: Int64 = strawberry.field(description="For a piece, with taxes.")
    sku: str = ""


@strawberry.input(description="What was shown at purchase.")
class OrderPolicyInput:
    """The policy and listing shown at purchase, pinned by their digest."""

    return_days: int | None = strawberry.field(
        default=None, description="In natural days; 0 where returns were excluded."
    )
    warranty_days: int | None = None
    listing: str | None = None

    def shown(self) -> dict[str, Any]:
        """Give it as it is pinned."""
        named = {
            "returnDays": self.return_days,
            "warrantyDays": self.warranty_days,
            "listing": self.listing,
        }
        return {name: value for name, value in named.items() if value is not None}


@strawberry.input(description="Register an order.")
class RegisterOrderInput(Input):
    """An order; it is paid by `registerPayment`."""

    marketplace_id: strawberry.ID
    reference: str = strawberry.field(description="The marketplace's own.")
    buyer_email: str = strawberry.field(description="Of a person who is registered.")
    seller_id: strawberry.ID
    currency: str = strawberry.field(description="ISO 4217.")
    lines: list[OrderLineInput]
    freight_minor: Int64 = Int64(0)
    total_minor: Int64 | None = strawberry.field(
        default=None, description="To be checked against lines and freight."
    )
    category: str
    language: str = strawberry.field(description="Of cases about it.")
    country: str = strawberry.field(description="Whose working days count.")
    zone: str
    placed_at: datetime
    promised_at: datetime | None = None
    policy: OrderPolicyInput | None = None


@strawberry.type
class RegisterOrderPayload(Payload):
    """The order."""

    order: Order | None = read.key()


@strawberry.input(description="Register the payment of an order, whole.")
class RegisterPaymentInput(Input):
    """A payment: the money is in escrow."""

    order_id: strawberry.ID
    reference: str
    method: str
    amount_minor: Int64
    currency: str
    paid_at: datetime


@strawberry.type
class RegisterPaymentPayload(Payload):
    """The payment."""

    payment: Payment | None = read.key()


@strawberry.input(description="Register a shipment of an order.")
class RegisterShipmentInput(Input):
    """A parcel."""

    order_id: strawberry.ID
    carrier: str
    service: str
    tracking_number: str
    direction: Direction = Direction.OUTBOUND


@strawberry.type
class RegisterShipmentPayload(Payload):
    """The shipment."""

    shipment: Shipment | None = read.key()


words.show(Scan)


@strawberry.input(description="One scan of a parcel.")
class ShipmentEventInput:
    """A scan."""

    at: datetime
    code: Scan
    place: str = ""
    description: str = ""


@strawberry.input(description="Register scans of a parcel; some may be known.")
class RegisterShipmentEventsInput(Input):
    """Scans."""

    shipment_id: strawberry.ID
    events: list[ShipmentEventInput]


@strawberry.type
class RegisterShipmentEventsPayload(Payload):
    """The shipment with its events."""

    shipment: Shipment | None = read.key()


@strawberry.input(description="Register a seller's bond.")
class RegisterBondInput(Input):
    """A bond."""

    marketplace_id: strawberry.ID
    seller_id: strawberry.ID
    currency: str
    floor_minor: Int64
    deposit_minor: Int64 = strawberry.field(description="What is paid in with it.")


@strawberry.type
class RegisterBondPayload(Payload):
    """The bond."""

    bond: Bond | None = read.key()


@strawberry.input(description="Register that a seller paid more into a bond.")
class DepositIntoBondInput(Input):
    """A deposit, told once by its reference."""

    bond_id: strawberry.ID
    reference: str
    amount_minor: Int64


@strawberry.type
class DepositIntoBondPayload(Payload):
    """The bond."""

    bond: Bond | None = read.key()


@strawberry.input(description="Register a cover.")
class RegisterCoverInput(Input):
    """A cover as it was agreed, from `starts` to `ends`, both included."""

    insurer_id: strawberry.ID
    insured_id: strawberry.ID
    reference: str
    perils: list[Peril]
    currency: str
    claim_limit_minor: Int64
    aggregate_limit_minor: Int64
    deductible_minor: Int64
    starts: date
    ends: date
    deposit_minor: Int64 = Int64(0)


@strawberry.type
class RegisterCoverPayload(Payload):
    """The cover."""

    cover: Cover | None = read.key()


@strawberry.input(description="Agree to a cover that an insurer told of.")
class ConfirmCoverInput(Input):
    """Which cover."""

    cover_id: strawberry.ID


@strawberry.type
class ConfirmCoverPayload(Payload):
    """The cover."""

    cover: Cover | None = read.key()


def _there(key: UUID | None) -> UUID:
    if key is None:
        raise NotFound
    return key


@strawberry.type
class RegistrationActs:
    """What marketplaces and insurers tell."""

    @does("Register a person, or find the one with this address.")
    async def register_person(
        self, info: Info, input_: Annotated[RegisterPersonInput, strawberry.argument(name="input")]
    ) -> RegisterPersonPayload:
        """Find or make an account."""
        done = await desk.act(
            info,
            "register_person",
            input_,
            lambda work: registration.register_person(work, input_.person.person()),
            scope=_SCOPE,
        )
        told = None if done.result is None else strawberry.ID(ids.write("ac", done.result))
        return RegisterPersonPayload(account_id=told, account=done.result, user_errors=done.errors)

    @does("Let a seller in, with the people who act for it.")
    async def register_seller(
        self, info: Info, input_: Annotated[RegisterSellerInput, strawberry.argument(name="input")]
    ) -> RegisterSellerPayload:
        """Let a seller in."""
        marketplace = desk.find(input_.marketplace_id, "og")

        async def do(work: Work) -> UUID:
            return await registration.register_seller(
                work,
                _there(marketplace),
                reference=input_.reference,
                name=input_.name,
                country=input_.country,
                members=[member.person() for member in input_.members],
            )

        done = await desk.act(info, "register_seller", input_, do, scope=_SCOPE)
        return RegisterSellerPayload(seller=done.result, user_errors=done.errors)

    @does("Register an order; it is paid by `registerPayment`.")
    async def register_order(
        self, info: Info, input_: Annotated[RegisterOrderInput, strawberry.argument(name="input")]
    ) -> RegisterOrderPayload:
        """Register an order."""
        marketplace = desk.find(input_.marketplace_id, "og")

        async def do(work: Work) -> UUID:
            return await registration.register_order(work, _there(marketplace), _order(input_))

        done = await desk.act(info, "register_order", input_, do, scope=_SCOPE)
        return RegisterOrderPayload(order=done.result, user_errors=done.errors)

    @does("Register the payment of an order, whole.")
    async def register_payment(
        self, info: Info, input_: Annotated[RegisterPaymentInput, strawberry.argument(name="input")]
    ) -> RegisterPaymentPayload:
        """Put the order's money into escrow."""
        order = desk.find(input_.order_id, "or")
        paid = Paid(
            reference=input_.reference,
            method=input_.method,
            amount_minor=input_.amount_minor,
            currency=input_.currency,
            paid_at=input_.paid_at,
        )

        async def do(work: Work) -> UUID:
            return await registration.register_payment(work, _there(order), paid)

        done = await desk.act(info, "register_payment", input_, do, below=order, scope=_SCOPE)
        return RegisterPaymentPayload(payment=done.result, user_errors=done.errors)

    @does("Register a shipment of an order.")
    async def register_shipment(
        self,
        info: Info,
        input_: Annotated[RegisterShipmentInput, strawberry.argument(name="input")],
    ) -> RegisterShipmentPayload:
        """Register a parcel."""
        order = desk.find(input_.order_id, "or")
        parcel = Parcel(
            carrier=input_.carrier,
            service=input_.service,
            tracking_number=input_.tracking_number,
            direction=input_.direction,
        )

        async def do(work: Work) -> UUID:
            return await shipments.register_shipment(work, _there(order), parcel)

        done = await desk.act(info, "register_shipment", input_, do, below=order, scope=_SCOPE)
        return RegisterShipmentPayload(shipment=done.result, user_errors=done.errors)

    @does("Register scans of a parcel; some may be known.")
    async def register_shipment_events(
        self,
        info: Info,
        input_: Annotated[RegisterShipmentEventsInput, strawberry.argument(name="input")],
    ) -> RegisterShipmentEventsPayload:
        """Register scans."""
        shipment = desk.find(input_.shipment_id, "sh")
        reported = [
            Reported(at=event.at, code=event.code, place=event.place, description=event.description)
            for event in input_.events
        ]

        async def do(work: Work) -> int:
            return await shipments.register_shipment_events(work, _there(shipment), reported)

        done = await desk.act(
            info, "register_shipment_events", input_, do, below=shipment, scope=_SCOPE
        )
        return RegisterShipmentEventsPayload(shipment=done.result, user_errors=done.errors)

    @does("Register a seller's bond.")
    async def register_bond(
        self, info: Info, input_: Annotated[RegisterBondInput, strawberry.argument(name="input")]
    ) -> RegisterBondPayload:
        """Register a bond."""
        marketplace = desk.find(input_.marketplace_id, "og")

        async def do(work: Work) -> UUID:
            secured = Secured(
                seller_id=desk.keyed(input_.seller_id, "og", ("seller_id",)),
                currency=input_.currency,
                floor_minor=input_.floor_minor,
                deposit_minor=input_.deposit_minor,
            )
            return await bonds.register_bond(work, _there(marketplace), secured)

        done = await desk.act(info, "register_bond", input_, do, scope=_SCOPE)
        return RegisterBondPayload(bond=done.result, user_errors=done.errors)

    @does("Register that a seller paid more into a bond.")
    async def deposit_into_bond(
        self, info: Info, input_: Annotated[DepositIntoBondInput, strawberry.argument(name="input")]
    ) -> DepositIntoBondPayload:
        """Register a deposit."""
        bond = desk.find(input_.bond_id, "bo")

        async def do(work: Work) -> None:
            await bonds.deposit_into_bond(
                work,
                _there(bond),
                reference=input_.reference,
                amount_minor=input_.amount_minor,
            )

        done = await desk.act(info, "deposit_into_bond", input_, do, below=bond, scope=_SCOPE)
        return DepositIntoBondPayload(bond=done.result, user_errors=done.errors)

    @does("Register a cover.")
    async def register_cover(
        self, info: Info, input_: Annotated[RegisterCoverInput, strawberry.argument(name="input")]
    ) -> RegisterCoverPayload:
        """Register a cover."""

        async def do(work: Work) -> UUID:
            return await covers.register_cover(work, _cover(input_))

        done = await desk.act(info, "register_cover", input_, do, scope=_SCOPE)
        return RegisterCoverPayload(cover=done.result, user_errors=done.errors)

    @does("Agree to a cover that an insurer told of, as its insured or the insured's marketplace.")
    async def confirm_cover(
        self, info: Info, input_: Annotated[ConfirmCoverInput, strawberry.argument(name="input")]
    ) -> ConfirmCoverPayload:
        """Agree to a cover."""
        row, do = desk.find(input_.cover_id, "co"), covers.confirm_cover
        done = await desk.upon(info, "confirm_cover", input_, row, do, scope=_SCOPE)
        return ConfirmCoverPayload(cover=done.row, user_errors=done.errors)


def _order(given: RegisterOrderInput) -> Registered:
    return Registered(
        reference=given.reference,
        buyer=given.buyer_email,
        seller_id=desk.keyed(given.seller_id, "og", ("seller_id",)),
        currency=given.currency,
        lines=[
            Goods(
                title=line.title, quantity=line.quantity, unit_minor=line.unit_minor, sku=line.sku
            )
            for line in given.lines
        ],
        category=given.category,
        language=given.language,
        country=given.country,
        zone=given.zone,
        placed_at=given.placed_at,
        freight_minor=given.freight_minor,
        total_minor=given.total_minor,
        promised_at=given.promised_at,
        policy=given.policy.shown() if given.policy is not None else {},
    )


def _cover(given: RegisterCoverInput) -> Insured:
    return Insured(
        insurer_id=_there(desk.find(given.insurer_id, "og")),
        insured_id=desk.keyed(given.insured_id, "og", ("insured_id",)),
        reference=given.reference,
        perils=given.perils,
        currency=given.currency,
        claim_limit_minor=given.claim_limit_minor,
        aggregate_limit_minor=given.aggregate_limit_minor,
        deductible_minor=given.deductible_minor,
        starts=given.starts,
        ends=given.ends,
        deposit_minor=given.deposit_minor,
    )

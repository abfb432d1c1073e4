"""Offers: made, accepted, rejected, revoked."""

from datetime import datetime
from typing import Annotated

import strawberry

from odr import offers
from odr.models import dialogue
from odr.procedure.acts import Act
from schema.mutations import desk
from schema.mutations.acts import CasePayload, act
from schema.mutations.desk import CaseInput, Info, Input, TermsInput
from schema.reader import declaration as read
from schema.types.offer import Offer

_OFFERS = read.columns(dialogue.Offer)


@strawberry.interface(description="What an act upon an offer answers.")
class OfferPayload(CasePayload):
    """The offer as it is now."""

    offer: Offer | None = read.key()


@strawberry.input(description="Terms that are offered.")
class OfferedInput(CaseInput):
    """An offer."""

    terms: TermsInput
    message: str = ""
    valid_until: datetime | None = strawberry.field(
        default=None, description="By default, and at the latest, as long as the rulebook says."
    )


@strawberry.input(description="An offer that is named.")
class OfferInput(Input):
    """An offer of the case."""

    offer_id: strawberry.ID
    expected_version: int | None = strawberry.field(
        default=None, description="Refused as stale if the case has another `version`."
    )


@strawberry.input(description=Act.MAKE_OFFER.meaning)
class MakeOfferInput(OfferedInput):
    """An offer to the other side."""


@strawberry.type
class MakeOfferPayload(OfferPayload):
    """The offer."""


@strawberry.input(description=Act.MAKE_COUNTER_OFFER.meaning)
class MakeCounterOfferInput(OfferedInput):
    """The answer to the claim, once."""


@strawberry.type
class MakeCounterOfferPayload(OfferPayload):
    """The counter-offer."""


@strawberry.input(description=Act.ACCEPT_OFFER.meaning)
class AcceptOfferInput(OfferInput):
    """An open offer of the other side."""


@strawberry.type
class AcceptOfferPayload(OfferPayload):
    """The offer that settled the case."""


@strawberry.input(description=Act.REJECT_OFFER.meaning)
class RejectOfferInput(OfferInput):
    """An open offer of the other side."""

    reason: str = ""


@strawberry.type
class RejectOfferPayload(OfferPayload):
    """The offer."""


@strawberry.input(description=Act.REJECT_COUNTER_OFFER.meaning)
class RejectCounterOfferInput(OfferInput):
    """The open counter-offer to the claim."""

    reason: str = ""


@strawberry.type
class RejectCounterOfferPayload(OfferPayload):
    """The counter-offer."""


@strawberry.input(description=Act.REVOKE_OFFER.meaning)
class RevokeOfferInput(OfferInput):
    """An open offer of one's own."""


@strawberry.type
class RevokeOfferPayload(OfferPayload):
    """The offer."""


@strawberry.type
class OfferActs:
    """Acts of offers."""

    @act(Act.MAKE_OFFER)
    async def make_offer(
        self, info: Info, input_: Annotated[MakeOfferInput, strawberry.argument(name="input")]
    ) -> MakeOfferPayload:
        """Offer terms."""
        done = await desk.in_case(
            info,
            Act.MAKE_OFFER,
            input_,
            lambda work, case: offers.make_offer(
                work,
                case,
                desk.terms_of(input_.terms),
                message=input_.message,
                valid_until=input_.valid_until,
                version=input_.expected_version,
            ),
        )
        return MakeOfferPayload(case=done.case, offer=done.result, user_errors=done.errors)

    @act(Act.MAKE_COUNTER_OFFER)
    async def make_counter_offer(
        self,
        info: Info,
        input_: Annotated[MakeCounterOfferInput, strawberry.argument(name="input")],
    ) -> MakeCounterOfferPayload:
        """Offer other terms in answer to the claim."""
        done = await desk.in_case(
            info,
            Act.MAKE_COUNTER_OFFER,
            input_,
            lambda work, case: offers.make_counter_offer(
                work,
                case,
                desk.terms_of(input_.terms),
                message=input_.message,
                valid_until=input_.valid_until,
                version=input_.expected_version,
            ),
        )
        return MakeCounterOfferPayload(case=done.case, offer=done.result, user_errors=done.errors)

    @act(Act.ACCEPT_OFFER)
    async def accept_offer(
        self, info: Info, input_: Annotated[AcceptOfferInput, strawberry.argument(name="input")]
    ) -> AcceptOfferPayload:
        """Settle the case on the offer."""
        done = await desk.on_row(
            info,
            Act.ACCEPT_OFFER,
            input_,
            desk.find(input_.offer_id, "of"),
            _OFFERS,
            lambda work, offer: offers.accept_offer(work, offer, version=input_.expected_version),
        )
        return AcceptOfferPayload(case=done.case, offer=done.row, user_errors=done.errors)

    @act(Act.REJECT_OFFER)
    async def reject_offer(
        self, info: Info, input_: Annotated[RejectOfferInput, strawberry.argument(name="input")]
    ) -> RejectOfferPayload:
        """Close the offer."""
        done = await desk.on_row(
            info,
            Act.REJECT_OFFER,
            input_,
            desk.find(input_.offer_id, "of"),
            _OFFERS,
            lambda work, offer: offers.reject_offer(
                work, offer, reason=input_.reason, version=input_.expected_version
            ),
        )
        return RejectOfferPayload(case=done.case, offer=done.row, user_errors=done.errors)

    @act(Act.REJECT_COUNTER_OFFER)
    async def reject_counter_offer(
        self,
        info: Info,
        input_: Annotated[RejectCounterOfferInput, strawberry.argument(name="input")],
    ) -> RejectCounterOfferPayload:
        """Go to mediation."""
        done = await desk.on_row(
            info,
            Act.REJECT_COUNTER_OFFER,
            input_,
            desk.find(input_.offer_id, "of"),
            _OFFERS,
            lambda work, offer: offers.reject_counter_offer(
                work, offer, reason=input_.reason, version=input_.expected_version
            ),
        )
        return RejectCounterOfferPayload(case=done.case, offer=done.row, user_errors=done.errors)

    @act(Act.REVOKE_OFFER)
    async def revoke_offer(
        self, info: Info, input_: Annotated[RevokeOfferInput, strawberry.argument(name="input")]
    ) -> RevokeOfferPayload:
        """Take the offer back."""
        done = await desk.on_row(
            info,
            Act.REVOKE_OFFER,
            input_,
            desk.find(input_.offer_id, "of"),
            _OFFERS,
            lambda work, offer: offers.revoke_offer(work, offer, version=input_.expected_version),
        )
        return RevokeOfferPayload(case=done.case, offer=done.row, user_errors=done.errors)

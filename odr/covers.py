"""Covers: what an insurer covers for an insured, matched to the orders that fall under it.

A cover is known by the insurer's reference. It is told by its insurer, or by the marketplace that
is insured or whose seller is. What an insurer tells of another is in force when the insured, or its
marketplace, has confirmed it: it seats the insurer in the insured's cases. An order falls under it
by its insured, its currency and the day on which it was placed (UTC); one that is in dispute
already does not fall under a later cover.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy import or_, select, update
from sqlmodel import col

from odr import bonds, bounds, ids, journal, policy, registration
from odr.errors import Invalid, NotFound
from odr.models.people import Organisation
from odr.models.states import OrganisationKind
from odr.models.trade import Cover
from odr.money import Money
from odr.sql import typed
from odr.words import Peril
from odr.work import Work


@dataclass(frozen=True, slots=True, kw_only=True)
class Insured:
    """A cover as it was agreed, from ``starts`` to ``ends``, both included.

    ``insured_id`` is a marketplace or a seller. ``deposit_minor`` is what the insurer pays into
    its fund for losses when the cover is registered.
    """

    insurer_id: UUID
    insured_id: UUID
    reference: str
    perils: Sequence[Peril]
    currency: str
    claim_limit_minor: int
    aggregate_limit_minor: int
    deductible_minor: int
    starts: date
    ends: date
    deposit_minor: int = 0


async def register_cover(work: Work, cover: Insured) -> UUID:
    """Tell of a cover; its id.

    Told by a marketplace it is matched to the orders that were registered before; told by the
    insurer it waits for ``confirm_cover``.
    """
    policy.require(work.actor, "register")
    await registration.require_kind(work, (cover.insurer_id,), OrganisationKind.INSURER)
    await _require_party(work, cover)
    given = _checked(cover)
    deposit = Money(bounds.whole(cover.deposit_minor, ("deposit_minor",)), cover.currency)
    natural = {name: given[name] for name in ("insurer_id", "reference")}
    is_insurer = cover.insurer_id in work.actor.organisation_ids
    waits = is_insurer and not await _is_insured(work, cover.insured_id)
    confirmed = None if waits else work.at
    made = Cover(id=ids.new(work.at), registered_at=work.at, confirmed_at=confirmed, **given)
    new = await registration.once(work, made, natural, given)
    lines = journal.fund_deposited(work.result, cover.insurer_id, deposit)
    await bonds.deposited(work, lines, again=not new)
    if new and confirmed is not None:
        await work.conn.execute(_MATCH_COVER, {"id": work.result})
    return work.result


async def confirm_cover(work: Work, cover_id: UUID) -> None:
    """Agree to a cover that an insurer told of, as its insured or the insured's marketplace.

    From then on it is in force, for orders that were registered before as well; once more changes
    nothing. ``NotFound`` for everybody else.
    """
    policy.require(work.actor, "register")
    wanted = select(col(Cover.insured_id), col(Cover.confirmed_at)).where(col(Cover.id) == cover_id)
    found = (await work.conn.execute(wanted.with_for_update())).one_or_none()
    if found is None or not await _is_insured(work, found.insured_id):
        raise NotFound
    if found.confirmed_at is None:
        confirmed = update(Cover).where(col(Cover.id) == cover_id).values(confirmed_at=work.at)
        await work.conn.execute(confirmed)
        await work.conn.execute(_MATCH_COVER, {"id": cover_id})


async def _is_insured(work: Work, insured_id: UUID) -> bool:
    """Whether the actor acts for the insured, or for the marketplace that admitted it."""
    mine = work.actor.organisation_ids
    insured = select(col(Organisation.id)).where(
        col(Organisation.id) == insured_id,
        or_(col(Organisation.id).in_(mine), col(Organisation.marketplace_id).in_(mine)),
    )
    return (await work.conn.execute(insured)).first() is not None


_MATCH_COVER: Final = typed(
    """
INSERT INTO order_covers (order_id, cover_id)
SELECT o.id, c.id
FROM covers c JOIN orders o ON c.insured_id IN (o.marketplace_id, o.seller_id)
WHERE c.id = :id AND c.confirmed_at IS NOT NULL AND c.currency = o.currency
  AND o.placed_at >= CAST(c.starts AS timestamp) AT TIME ZONE 'UTC'
  AND o.placed_at < CAST(c.ends + 1 AS timestamp) AT TIME ZONE 'UTC'
  AND NOT EXISTS (SELECT FROM cases k WHERE k.order_id = o.id)
ON CONFLICT DO NOTHING
"""
)


def _checked(cover: Insured) -> dict[str, Any]:
    perils = sorted(Peril(peril).value for peril in cover.perils)
    if not perils:
        raise Invalid(("perils",), "missing")
    if len(set(perils)) != len(perils):
        raise Invalid(("perils",), "listed_twice")
    if cover.ends < cover.starts:
        raise Invalid(("ends",), "before_starts", minimum=cover.starts)
    claim = bounds.whole(cover.claim_limit_minor, ("claim_limit_minor",), least=1)
    aggregate = bounds.whole(cover.aggregate_limit_minor, ("aggregate_limit_minor",), least=claim)
    return {
        "insurer_id": cover.insurer_id,
        "insured_id": cover.insured_id,
        "reference": bounds.reference(cover.reference, ("reference",)),
        "perils": perils,
        "currency": bounds.currency(cover.currency, ("currency",)),
        "claim_limit_minor": claim,
        "aggregate_limit_minor": aggregate,
        "deductible_minor": bounds.whole(cover.deductible_minor, ("deductible_minor",)),
        "starts": cover.starts,
        "ends": cover.ends,
    }


async def _require_party(work: Work, cover: Insured) -> None:
    """The insurer may tell of its covers; a marketplace of its own and its sellers'."""
    mine = work.actor.organisation_ids
    insured = select(col(Organisation.id)).where(col(Organisation.id) == cover.insured_id)
    marketplace = col(Organisation.kind) == OrganisationKind.MARKETPLACE
    seller = col(Organisation.kind) == OrganisationKind.SELLER
    if cover.insurer_id in mine:
        insured = insured.where(or_(marketplace, seller))
    else:
        await registration.require_marketplace(work)
        own = marketplace & col(Organisation.id).in_(mine)
        admitted = or_(
            col(Organisation.marketplace_id).in_(mine), col(Organisation.marketplace_id).is_(None)
        )
        insured = insured.where(or_(own, seller & admitted))
    if (await work.conn.execute(insured)).first() is None:
        raise NotFound if cover.insurer_id not in mine else Invalid(("insured_id",), "unknown")

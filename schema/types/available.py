"""The acts that the viewer may do in a case now, with the bounds of their input.

Asked of the procedure's table, the facts that hold, and the list of acts that people can do: what
is shown here is not refused a moment later for a reason that was known.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Final, TypeVar, cast

import strawberry

from odr import actions, bids, facts, offers, policy, proposals, rulings
from odr.procedure import clocks as timers
from odr.procedure import table
from odr.procedure.acts import Act as _Act
from odr.procedure.acts import Role as _Role
from odr.procedure.acts import State as _State
from odr.procedure.clocks import Clock as _Clock
from odr.procedure.facts import REQUIRES
from odr.rulebook import Limits, Rulebook
from odr.words import Party, Reason
from schema.context import Context
from schema.types.bounds import Goods, RemedyBounds, TextBound
from schema.types.words import Act, Role

_CLOCKS: Final[Mapping[_Act, tuple[_Clock, ...]]] = {
    _Act.ACKNOWLEDGE: (_Clock.ACKNOWLEDGE,),
    _Act.ACCEPT_OFFER: (_Clock.OFFER,),
    _Act.REJECT_OFFER: (_Clock.OFFER,),
    _Act.REJECT_COUNTER_OFFER: (_Clock.OFFER,),
    _Act.REVOKE_OFFER: (_Clock.OFFER,),
    _Act.PLACE_BID: (_Clock.BID_ROUND,),
    _Act.DISCLOSE: (_Clock.DISCLOSURE,),
    _Act.ANSWER_REQUEST: (_Clock.INFORMATION,),
    _Act.SUBMIT_EXHIBIT: (_Clock.EVIDENCE,),
    _Act.ANSWER_EXHIBIT: (_Clock.EVIDENCE_ANSWER, _Clock.EVIDENCE),
}
"""The slot clock that an act must beat; any other act has the time of its stage."""

_TERMS: Final = frozenset(
    {
        *(_Act.FILE, _Act.MODIFY_CLAIM, _Act.MAKE_OFFER, _Act.MAKE_COUNTER_OFFER),
        *(_Act.PROPOSE_TERMS, _Act.RULE, _Act.CORRECT_RULING),
        *(_Act.VARY_RULING, _Act.SET_ASIDE_RULING),
    }
)
_CLAIMS: Final = frozenset({_Act.FILE, _Act.MODIFY_CLAIM})
_NAME_MAX: Final = 200
_TEXT_MAX: Final = 4000
_STATES: Final = {state.value: state for state in _State}

Resolver = TypeVar("Resolver", bound=Callable[..., Any])
Longest = Callable[[Limits], int]
_DECISION: Final[Mapping[str, Longest]] = {
    "reasons": lambda limits: limits.ruling_characters,
    "findings.issue": lambda _: rulings.ISSUE_MAX,
    "findings.body": lambda _: rulings.FINDING_MAX,
    "notReliedOn.why": lambda _: rulings.WHY_MAX,
}
_TEXTS: Final[Mapping[_Act, Mapping[str, Longest]]] = {
    _Act.FILE: {"statement": lambda limits: limits.statement_characters},
    _Act.MODIFY_CLAIM: {"statement": lambda limits: limits.statement_characters},
    _Act.CONTEST: {"statement": lambda limits: limits.statement_characters},
    _Act.WITHDRAW: {"reason": lambda _: _TEXT_MAX},
    _Act.MAKE_OFFER: {"message": lambda _: offers.MESSAGE_MAX},
    _Act.MAKE_COUNTER_OFFER: {"message": lambda _: offers.MESSAGE_MAX},
    _Act.REJECT_OFFER: {"reason": lambda _: offers.MESSAGE_MAX},
    _Act.REJECT_COUNTER_OFFER: {"reason": lambda _: offers.MESSAGE_MAX},
    _Act.REQUEST_INTERVENTION: {"reason": lambda _: _TEXT_MAX},
    _Act.SEND_MESSAGE: {"body": lambda limits: limits.message_characters},
    _Act.SEND_CAUCUS_MESSAGE: {"body": lambda limits: limits.message_characters},
    _Act.SUBMIT_EXHIBIT: {"title": lambda _: _NAME_MAX, "description": lambda _: _TEXT_MAX},
    _Act.ANSWER_EXHIBIT: {"body": lambda _: _TEXT_MAX},
    _Act.DISCLOSE: {"disclosure": lambda _: _TEXT_MAX},
    _Act.REQUEST_INFORMATION: {"question": lambda limits: limits.message_characters},
    _Act.ANSWER_REQUEST: {"body": lambda limits: limits.message_characters},
    _Act.PROPOSE_TERMS: {"reasons": lambda _: proposals.REASONS_MAX},
    _Act.REQUEST_CORRECTION: {"body": lambda limits: limits.message_characters},
    _Act.CORRECT_RULING: {"body": lambda limits: limits.message_characters},
    _Act.RULE: _DECISION,
    _Act.APPEAL: {"statement": lambda limits: limits.statement_characters},
    _Act.AFFIRM_RULING: {"reasons": lambda limits: limits.ruling_characters},
    _Act.VARY_RULING: _DECISION,
    _Act.SET_ASIDE_RULING: _DECISION,
}


def mutation_name(act: _Act) -> str:
    """Give the mutation of an act: ACCEPT_OFFER is ``acceptOffer``."""
    first, *rest = act.value.split("_")
    return first + "".join(word.capitalize() for word in rest)


@dataclass(frozen=True)
class Standing:
    """What is known of a case and its viewer, as the acts ask it."""

    book: Rulebook
    state: _State
    reason: Reason
    roles: frozenset[_Role]
    row: Mapping[str, Any]

    @cached_property
    def acts(self) -> list[_Act]:
        """The acts whose row and facts hold, in the order of the table."""
        held = facts.holding(
            self.row["measures"], self.book, self.state, self.reason, policy.side_of(self.roles)
        )
        return [
            act
            for act in table.acts(self.state, self.roles)
            if actions.offered(act) and all(fact in held for fact in REQUIRES.get(act, ()))
        ]

    def due(self, act: _Act) -> datetime | None:
        """The earliest running clock that the act must beat."""
        kinds = _CLOCKS.get(act, ())
        if act is _Act.REQUEST_CORRECTION:
            return datetime.fromisoformat(self.row["measures"]["correctable"])
        own = policy.side_of(self.roles)
        stage = timers.STAGE_CLOCKS.get(self.state)
        for wanted in (kinds, (stage,) if stage is not None else ()):
            dues = [
                due
                for kind, due, side in self.row["clocks"] or ()
                if kind in wanted and (kind != _Clock.INFORMATION or side == own)
            ]
            if dues:
                return min(datetime.fromisoformat(due) for due in dues)
        return None

    @cached_property
    def goods(self) -> Goods:
        """What the order's terms are bounded by."""
        bought = self.row["order"]
        return Goods(
            bought["currency"], bought["lines"] or [], bought["freight_minor"], bought["left"]
        )


def _field(description: str) -> Callable[[Resolver], Resolver]:
    """Declare a field that is computed only when it is asked for."""
    return cast("Callable[[Resolver], Resolver]", strawberry.field(description=description))


@strawberry.type(description="What the input of an act may hold.")
class ActBounds:
    """An act's bounds."""

    standing: strawberry.Private[Standing]
    of_act: strawberry.Private[_Act]

    @_field("What terms, or a bid, may hold; empty where the act takes none.")
    def remedies(self) -> list[RemedyBounds]:
        """List the remedies with their highest amounts."""
        bid = self.of_act is _Act.PLACE_BID
        if self.of_act not in _TERMS and not bid:
            return []
        claim = self.of_act in _CLAIMS
        bounds = self.standing.goods.bounds(self.standing.book, self.standing.reason, claim=claim)
        return [bound for bound in bounds if bound.remedy is bids.REMEDY] if bid else bounds

    @_field("The longest texts.")
    def texts(self) -> list[TextBound]:
        """List the texts of the input with their bounds."""
        limits = self.standing.book.limits
        return [
            TextBound(name=name, longest=longest(limits))
            for name, longest in _TEXTS.get(self.of_act, {}).items()
        ]

    @_field("How many items terms may have, where the act takes any.")
    def terms_items(self) -> int | None:
        """Say how many items terms may have."""
        return self.standing.book.limits.terms_items if self.of_act in _TERMS else None


@strawberry.type(description="An act that the viewer may do in the case now.")
class AvailableAct:
    """An act, its sentence, its input and the time that it has."""

    act: Act
    mutation: str = strawberry.field(description="The mutation by which it is done.")
    input: str = strawberry.field(description="That mutation's input type.")
    sentence: str
    due_by: datetime | None = strawberry.field(description="It is in time before this instant.")
    bounds: ActBounds


def viewer_roles(context: Context, row: Mapping[str, Any]) -> list[Role]:
    """List the roles of the viewer in a case, in the order of the procedure's list."""
    held = _roles(context, row)
    return [role for role in _Role if role in held]


def available(context: Context, row: Mapping[str, Any]) -> list[AvailableAct]:
    """List what the viewer may do now."""
    if not context.actor.may("act"):
        return []
    standing = Standing(
        context.rulebooks.version(row["rulebook"]),
        _STATES[row["state"]],
        Reason(row["reason"]),
        _roles(context, row),
        row,
    )
    return [_shown(standing, act) for act in standing.acts]


def _roles(context: Context, row: Mapping[str, Any]) -> frozenset[_Role]:
    seated = frozenset(_Role(role) for role in row["roles"] or ())
    return policy.roles_of(seated, Party(row["claimant_party"]), operator=context.actor.operator)


def _shown(standing: Standing, act: _Act) -> AvailableAct:
    name = mutation_name(act)
    return AvailableAct(
        act=act,
        mutation=name,
        input=f"{name[0].upper()}{name[1:]}Input",
        sentence=act.meaning,
        due_by=standing.due(act),
        bounds=ActBounds(standing=standing, of_act=act),
    )

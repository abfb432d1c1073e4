"""The closed lists as GraphQL enums: names in capitals, sentences as descriptions.

Types take their lists from here, so that a list is never used before it is shown.
"""

from enum import StrEnum
from typing import Final, cast

import strawberry
from strawberry.types.enum import StrawberryEnumDefinition

from evidence.tombstone import Ground as ErasureGround
from odr.findings.kinds import FindingKind, GroundName, Strength
from odr.models.states import (
    AppealDecision,
    AppealGround,
    Channel,
    Direction,
    ErasureState,
    InsuranceState,
    NeutralKind,
    ObligationState,
    OfferState,
    OrganisationKind,
    PayoutState,
    ProposalState,
    RulingKind,
)
from odr.procedure.acts import Act, Role, Stage
from odr.procedure.acts import State as CaseState
from odr.procedure.clocks import Clock as ClockKind
from odr.procedure.facts import Fact
from odr.rulebook import Need, Window
from odr.words import ExhibitKind, Outcome, Party, Peril, Reason, Remedy, Side

LISTS: Final[tuple[type[StrEnum], ...]] = (
    Act,
    AppealDecision,
    AppealGround,
    CaseState,
    Channel,
    ClockKind,
    Direction,
    ErasureGround,
    ErasureState,
    ExhibitKind,
    Fact,
    FindingKind,
    GroundName,
    InsuranceState,
    Need,
    NeutralKind,
    ObligationState,
    OfferState,
    OrganisationKind,
    Outcome,
    Party,
    PayoutState,
    Peril,
    ProposalState,
    Reason,
    Remedy,
    Role,
    RulingKind,
    Side,
    Stage,
    Strength,
    Window,
)
_NAMES: Final[dict[type[StrEnum], str]] = {
    CaseState: "CaseState",
    ClockKind: "ClockKind",
    ErasureGround: "ErasureGround",
}


def show(kind: type[StrEnum], name: str = "") -> None:
    """Make an enum of a list, each value with its sentence."""
    sentence = (kind.__doc__ or "").strip().splitlines()[0]
    made = strawberry.enum(kind, name=name or kind.__name__, description=sentence)
    definition = cast("StrawberryEnumDefinition", made.__strawberry_definition__)  # type: ignore[attr-defined]  # strawberry's
    for value, member in zip(definition.values, kind, strict=True):
        value.description = getattr(member, "meaning", "") or None


for _kind in LISTS:
    show(_kind, _NAMES.get(_kind, ""))

__all__ = [
    "LISTS",
    "Act",
    "AppealDecision",
    "AppealGround",
    "CaseState",
    "Channel",
    "ClockKind",
    "Direction",
    "ErasureGround",
    "ErasureState",
    "ExhibitKind",
    "Fact",
    "FindingKind",
    "GroundName",
    "InsuranceState",
    "Need",
    "NeutralKind",
    "ObligationState",
    "OfferState",
    "OrganisationKind",
    "Outcome",
    "Party",
    "PayoutState",
    "Peril",
    "ProposalState",
    "Reason",
    "Remedy",
    "Role",
    "RulingKind",
    "Side",
    "Stage",
    "Strength",
    "Window",
    "show",
]

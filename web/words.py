"""The sentences of the closed lists by their names in the API, for templates to translate."""

from enum import StrEnum
from types import SimpleNamespace
from typing import Final

from evidence.tombstone import Ground
from odr import sentences
from odr.findings.kinds import LIMITS, FindingKind, GroundName, Strength
from odr.models.states import (
    AppealDecision,
    AppealGround,
    Channel,
    InsuranceState,
    ObligationState,
    OfferState,
    PayoutState,
    ProposalState,
    RulingKind,
)
from odr.procedure.acts import Act, Role, Stage, State
from odr.procedure.facts import Fact
from odr.rulebook import Need, Window
from odr.words import ExhibitKind, Outcome, Party, Peril, Reason, Remedy, Side, Word


def _titles(kind: type[Word]) -> dict[str, str]:
    return {member.name: member.title for member in kind}


def _sentences(kind: type[StrEnum]) -> dict[str, str]:
    return {member.name: getattr(member, "meaning", "") or _title(member) for member in kind}


def _title(member: StrEnum) -> str:
    return member.value.replace("_", " ").capitalize()


WORDS: Final = SimpleNamespace(
    act=_sentences(Act),
    appeal=_sentences(AppealDecision),
    appeal_ground=_sentences(AppealGround),
    channel=_titles(Channel),
    done={act.name: said for act, said in sentences.DONE.items()},
    erasure=_sentences(Ground),
    fact=_sentences(Fact),
    finding=_sentences(FindingKind),
    ground=_sentences(GroundName),
    insurance=_titles(InsuranceState),
    kind=_titles(ExhibitKind),
    limits={kind.name: said for kind, said in LIMITS.items()},
    need=_titles(Need),
    obligation=_sentences(ObligationState),
    offer=_titles(OfferState),
    outcome=_titles(Outcome),
    party=_titles(Party),
    payout=_sentences(PayoutState),
    peril=_titles(Peril),
    proposal=_titles(ProposalState),
    reason=_sentences(Reason),
    remedy=_titles(Remedy),
    role=_titles(Role),
    ruling=_titles(RulingKind),
    side=_titles(Side),
    stage=_titles(Stage),
    state=_sentences(State),
    strength=_sentences(Strength),
    window={window.name: _title(window) for window in Window},
)
"""Each list as a mapping from the API's name to English text."""


def texts() -> set[str]:
    """Every text of the lists that pages show, to be translated."""
    return {text for listed in vars(WORDS).values() for text in listed.values()}

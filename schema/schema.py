"""The schema: all types, put together and checked; with the reader that answers it."""

from dataclasses import dataclass
from typing import Final

import strawberry
from strawberry.schema.config import StrawberryConfig
from strawberry.tools import merge_types

from schema import scalars
from schema.mutations.account import AccountActs
from schema.mutations.appeals import AppealActs
from schema.mutations.bids import BidActs
from schema.mutations.claims import ClaimActs
from schema.mutations.corrections import CorrectionActs
from schema.mutations.exhibits import ExhibitActs
from schema.mutations.hearings import HearingActs
from schema.mutations.information import InformationActs
from schema.mutations.insurance import InsuranceActs
from schema.mutations.keeping import KeepingActs
from schema.mutations.messages import MessageActs
from schema.mutations.notices import NoticeActs
from schema.mutations.offers import OfferActs
from schema.mutations.payouts import PayoutActs
from schema.mutations.proposals import ProposalActs
from schema.mutations.registration import RegistrationActs
from schema.mutations.roster import RosterActs
from schema.mutations.rulings import RulingActs
from schema.mutations.time import TimeActs
from schema.mutations.tokens import TokenActs
from schema.reader.connections import Connections
from schema.reader.reading import Reader
from schema.types.query import Query

ACTS: Final = (
    ClaimActs,
    OfferActs,
    BidActs,
    ExhibitActs,
    MessageActs,
    HearingActs,
    InformationActs,
    ProposalActs,
    RulingActs,
    CorrectionActs,
    AppealActs,
)
"""The acts of the procedure, which a case's ``availableActs`` names."""

OTHERS: Final = (
    RegistrationActs,
    InsuranceActs,
    PayoutActs,
    NoticeActs,
    AccountActs,
    TokenActs,
    RosterActs,
    KeepingActs,
)
"""What is done beside cases."""


@dataclass(frozen=True)
class Api:
    """The schema and its reader."""

    schema: strawberry.Schema
    reader: Reader


def compose(*, moves_time: bool = False) -> strawberry.Schema:
    """Put the types together; with ``moves_time`` the time of a demonstration can be moved."""
    groups = (*ACTS, *OTHERS, *((TimeActs,) if moves_time else ()))
    return strawberry.Schema(
        Query,
        merge_types("Mutation", groups),
        config=StrawberryConfig(scalar_map=scalars.SCALARS),
    )


def build(connections: Connections, *, moves_time: bool = False) -> Api:
    """Build the schema and its reader; ``NotReadable`` if a declaration is wrong."""
    schema = compose(moves_time=moves_time)
    return Api(schema, Reader(schema, connections))

"""The schema: all types, put together and checked; with the reader that answers it."""

from dataclasses import dataclass

import strawberry
from strawberry.schema.config import StrawberryConfig
from strawberry.tools import merge_types

from schema import scalars
from schema.mutations.claims import ClaimActs
from schema.mutations.exhibits import ExhibitActs
from schema.mutations.hearings import HearingActs
from schema.mutations.messages import MessageActs
from schema.mutations.offers import OfferActs
from schema.mutations.proposals import ProposalActs
from schema.mutations.rulings import RulingActs
from schema.reader.connections import Connections
from schema.reader.reading import Reader
from schema.types.query import Query

GROUPS: tuple[type, ...] = (
    ClaimActs,
    OfferActs,
    ExhibitActs,
    MessageActs,
    HearingActs,
    ProposalActs,
    RulingActs,
)


@dataclass(frozen=True)
class Api:
    """The schema and its reader."""

    schema: strawberry.Schema
    reader: Reader


def compose() -> strawberry.Schema:
    """Put the types together."""
    return strawberry.Schema(
        Query,
        merge_types("Mutation", GROUPS),
        config=StrawberryConfig(scalar_map=scalars.SCALARS),
    )


def build(connections: Connections) -> Api:
    """Build the schema and its reader; ``NotReadable`` if a declaration is wrong."""
    schema = compose()
    return Api(schema, Reader(schema, connections))

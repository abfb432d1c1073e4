"""What the mutations of acts share: their sentence, and the case in every payload."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import strawberry

from odr.procedure.acts import Act
from schema.payloads import Payload
from schema.reader import declaration as read
from schema.types.case import Case

Resolver = TypeVar("Resolver", bound=Callable[..., Any])


@strawberry.interface(description="What an act in a case answers.")
class CasePayload(Payload):
    """The case as it is now, read with today's rights."""

    case: Case | None = read.key(description="The case as it is now, if the viewer sees it.")


def act(named: Act) -> Callable[[Resolver], Resolver]:
    """Declare the mutation of an act; its sentence is the description."""
    return cast("Callable[[Resolver], Resolver]", strawberry.mutation(description=named.meaning))


def does(sentence: str) -> Callable[[Resolver], Resolver]:
    """Declare a mutation that is no act of the procedure, with its sentence."""
    return cast("Callable[[Resolver], Resolver]", strawberry.mutation(description=sentence))

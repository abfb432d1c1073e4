"""Node: whatever has a global id, by which it can be read again."""

import strawberry

from schema.reader import declaration as read


@strawberry.interface(description="Something with a global id.")
class Node:
    """Relay's Node; each type over a table that implements it has a tag of its own."""

    id: strawberry.ID = read.identity(description="Opaque, and never an authorisation.")

"""The real schema over a database of the test's own: ask as anybody, act as anybody."""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
from graphql import GraphQLObjectType, get_named_type, is_composite_type
from sqlalchemy.ext.asyncio import AsyncEngine

from evidence.deposit import Declared
from odr import uploads
from odr.policy import Viewer
from odr.work import Office
from schema import ids
from schema.context import Context
from schema.reader.connections import Connections
from schema.reader.document import Documents
from schema.reader.reading import Answer
from schema.schema import Api, build
from tests.odr import world

ERRORS = "userErrors { code rule path message retryable facts { name values } }"
CASE = "id number version stage state outcome viewerState"
TEXT = b"The parcel was open when it came.\n"


@dataclass
class House:
    """Office and schema on one database; `people` are who there is."""

    engine: AsyncEngine
    office: Office
    api: Api
    connections: Connections
    people: world.World
    documents: Documents
    keys: Any = field(default_factory=lambda: count(1))

    @classmethod
    async def opened(cls, database: Any, engine: AsyncEngine, folder: Path, **chosen: Any) -> Any:
        """Everything over a database; ``moves_time`` as for ``build``, the rest for the world."""
        moves_time = chosen.pop("moves_time", False)
        connections = Connections(database.reader_url, size=3, timeout_ms=60_000)
        api = build(connections, moves_time=moves_time)
        return cls(
            engine,
            world.office(engine, folder),
            api,
            connections,
            await world.make(engine, **chosen),
            Documents(api.reader.catalogue.core, most=200),
        )

    async def answer(self, actor: Viewer, text: str, variables: dict[str, Any]) -> Answer:
        document = self.documents.get(text, None)
        values = document.values(variables)
        context = Context(self.office, actor)
        return await self.api.reader.execute(document, values, context, variables)

    async def ask(self, actor: Viewer, text: str, **variables: Any) -> Any:
        """The data of a document that has no errors."""
        answer = await self.answer(actor, text, variables)
        for error in answer.errors:
            raise error.original_error or error
        return orjson.loads(answer.data)

    async def act(self, actor: Viewer, mutation: str, **given: Any) -> Any:
        """What a mutation answers, with a key of its own unless one is given."""
        given.setdefault("idempotencyKey", f"key-{next(self.keys)}")
        return (await self.ask(actor, self.document(mutation), input=given))[mutation]

    async def done(self, actor: Viewer, mutation: str, **given: Any) -> Any:
        """What a mutation answers that is not refused."""
        payload = await self.act(actor, mutation, **given)
        assert payload["userErrors"] == [], payload
        return payload

    async def refused(self, actor: Viewer, mutation: str, **given: Any) -> Any:
        """The one error of a mutation that is refused."""
        payload = await self.act(actor, mutation, **given)
        (error,) = payload["userErrors"]
        return error

    def document(self, mutation: str) -> str:
        """A mutation that asks for all that its payload has."""
        root = self.api.reader.catalogue.core.mutation_type
        payload = get_named_type(root.fields[mutation].type)
        input_ = get_named_type(root.fields[mutation].args["input"].type).name
        parts = [_shown(name, field_.type) for name, field_ in payload.fields.items()]
        return (
            f"mutation($input: {input_}!) {{ {mutation}(input: $input) {{ {' '.join(parts)} }} }}"
        )

    async def upload(self, actor: Viewer, content: bytes = TEXT, name: str = "note.txt") -> str:
        """The id of a text file that is deposited."""
        declared = Declared(len(content), "text/plain", hashlib.sha256(content).digest())
        made = await uploads.deposit(self.office, actor, _pieces(content), declared, name)
        return ids.write("up", made)

    async def order(self, **chosen: Any) -> str:
        return ids.write("or", await world.order(self.engine, self.people, **chosen))

    async def file(self, order: str | None = None, **changed: Any) -> str:
        """The id of a case that the buyer files, for the whole price by default."""
        given = {
            "orderId": order or await self.order(),
            "reason": "DAMAGED_IN_TRANSIT",
            "statement": "It arrived broken.",
            "terms": refund(12_900, remedy="FULL_REFUND"),
        }
        return (await self.done(self.people.buyer, "file", **given | changed))["case"]["id"]

    def viewers(self) -> dict[str, Viewer]:
        """Everybody, by name."""
        names = ("operator", "marketplace", "buyer", "seller", "insurer", "stranger")
        return {name: getattr(self.people, name) for name in names}

    async def close(self) -> None:
        await self.connections.close()


def refund(amount_minor: int, currency: str = "EUR", *, remedy: str = "PARTIAL_REFUND") -> Any:
    return {"currency": currency, "items": [{"remedy": remedy, "amountMinor": amount_minor}]}


def key(id_: str) -> UUID:
    """The key in a global id."""
    found = ids.find(id_)
    assert found is not None
    return found


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    yield content


def _shown(name: str, type_: Any) -> str:
    target = get_named_type(type_)
    if name == "userErrors":
        return ERRORS
    if target.name == "Case":
        return f"{name} {{ {CASE} }}"
    if not is_composite_type(target):
        return name
    assert isinstance(target, GraphQLObjectType)
    leaves = [
        leaf
        for leaf, declared in target.fields.items()
        if not is_composite_type(get_named_type(declared.type)) and not declared.args
    ]
    return f"{name} {{ {' '.join(leaves)} }}"

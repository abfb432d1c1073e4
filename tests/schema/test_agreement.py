"""The real schema's compiled reading answers what the slow and plain reading answers."""

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text

from infra import database as db
from schema import ids, schema
from schema.context import Context
from schema.reader.declaration import TableReading
from schema.reader.document import Refused
from schema.reader.reference import Reference
from tests.schema.house import House
from tests.schema.journey import until
from tests.schema.reader.queries import Hints, queries

EXAMPLES = 120
SCHEMA = schema.compose()
# Where null rises, graphql-core leaves the resolvers that it did not get to.
pytestmark = [
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def room(databases, tmp_path_factory):
    """A case ruled, one in mediation and one just filed; both ways to read them."""
    loop = asyncio.new_event_loop()
    taken = databases.take()
    engine = db.create_engine(taken.url, connections_max=4)
    reading = db.create_engine(taken.reader_url, connections_max=2)

    async def build() -> Any:
        house = await House.opened(taken, engine, tmp_path_factory.mktemp("agreement"))
        ruled = await until(house, "insured")
        talked = await until(house, "proposed")
        await house.file()
        connection = await reading.connect()
        people = house.people
        viewers = [
            *house.viewers().values(),
            people.buyer,
            people.seller,
            talked.mediator,
            ruled.arbitrator,
        ]
        return SimpleNamespace(
            house=house,
            viewers=viewers,
            connection=connection,
            reference=Reference(schema.compose(), connection),
            hints=await _hints(house),
        )

    made = loop.run_until_complete(build())
    made.loop = loop
    yield made
    loop.run_until_complete(made.connection.close())
    loop.run_until_complete(made.house.close())
    loop.run_until_complete(engine.dispose())
    loop.run_until_complete(reading.dispose())
    loop.close()
    databases.give_back(taken)


async def _hints(house: House) -> Hints:
    found: list[str] = []
    catalogue = house.api.reader.catalogue
    async with house.engine.connect() as connection:
        for name, reading in sorted(catalogue.readings.items()):
            if isinstance(reading, TableReading) and reading.tag is not None:
                rows = await connection.execute(select(reading.key).limit(6))
                found += [ids.write(catalogue.table(name).tag or "", row[0]) for row in rows]
    cursors = await house.ask(
        house.people.operator,
        "{ cases(first: 9) { edges { cursor } } orders(first: 9) { edges { cursor } } }",
    )
    return Hints(
        ids=[*found, "nothing", "ca" + "0" * 32],
        cursors={
            f"Query.{name}": [edge["cursor"] for edge in cursors[name]["edges"]]
            for name in ("cases", "orders")
        },
        leaves={
            "locale": ["en", "de", "zh-CN", "nowhere"],
            "number": ["2611-0000-0000-00", "'"],
            "caseNumber": ["x"],
            "version": ["2026-11", "none"],
            "currency": ["EUR", "USD"],
            "reference": ["x"],
            "filedFrom": ["2026-01-01T00:00:00Z"],
            "filedUntil": ["2030-01-01T00:00:00Z"],
            "notifiedFrom": ["2026-01-01T00:00:00Z"],
            "notifiedUntil": ["2030-01-01T00:00:00Z"],
            "settledFrom": ["2026-01-01T00:00:00Z"],
            "settledUntil": ["2030-01-01T00:00:00Z"],
            "claimedMin": [0, 8_500],
            "claimedMax": [8_500, 9_000],
            "paidMin": [0, 1],
            "paidMax": [0, 8_500],
        },
        # The service's time is another at each reading.
        left_out=frozenset({"Order.reasons"}),
        rare=frozenset({"rulebook"}),
    )


async def _both(room: Any, query: Any, actor: Any) -> tuple[Any, Any]:
    house, context = room.house, Context(room.house.office, actor)
    document = house.documents.get(query.text, None)
    values = document.values(query.variables)
    ours = await house.api.reader.execute(document, values, context, query.variables)
    await room.connection.rollback()
    for name, value in context.viewer.settings.items():
        await room.connection.execute(
            text("SELECT set_config(:name, :value, true)"), {"name": name, "value": value}
        )
    theirs = await room.reference.execute(query.text, query.variables, context)
    return ours, theirs


def _told(value: Any) -> Any:
    """An answer so that equal means: the same keys in the same order, the same JSON values."""
    if isinstance(value, dict):
        return [(name, _told(below)) for name, below in value.items()]
    if isinstance(value, list):
        return [None, *map(_told, value)]
    return (isinstance(value, bool), value)


def _agree(room: Any, data: Any) -> None:
    query = data.draw(queries(SCHEMA._schema, room.hints))
    actor = data.draw(st.sampled_from(room.viewers))
    try:
        ours, theirs = room.loop.run_until_complete(_both(room, query, actor))
    except Refused as refused:
        assert "conflict" in str(refused)  # noqa: PT017 - said of what graphql-core refuses
        return
    assert _told(json.loads(ours.data)) == _told(theirs.data)
    assert len(ours.errors) == len(theirs.errors or ())


def drawn(examples: int, *, again: bool) -> Any:
    """Run a test with so many queries; nothing is shrunk."""
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=again,
        phases=[Phase.explicit, Phase.reuse, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


@given(st.data())
@drawn(EXAMPLES, again=True)
def test_generated_queries_of_the_real_schema_are_answered_alike(room, data):
    _agree(room, data)


@pytest.mark.long
@given(st.data())
@drawn(3_000, again=False)
def test_ever_new_queries_of_the_real_schema_are_answered_alike(room, data):
    _agree(room, data)

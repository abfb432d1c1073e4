"""Declarations that are missing or contradict themselves do not build."""

import json
from typing import Annotated

import pytest
import sqlalchemy as sa
import strawberry
from sqlalchemy.dialects import postgresql
from strawberry.schema.config import StrawberryConfig

from schema import scalars
from schema.reader import declaration as read
from schema.reader.catalogue import Catalogue, NotReadable
from schema.reader.document import Documents
from schema.reader.page import Connection
from schema.reader.reading import Reader

TABLES = sa.MetaData()
THINGS = sa.Table(
    "things",
    TABLES,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("name", sa.Text),
    sa.Column("large", sa.BigInteger, nullable=False),
)
NAME = {"name": (str | None, read.column(THINGS.c.name))}
MINE = THINGS.c.id == read.viewer("account", sa.Uuid)


def build(query, types=()):
    config = StrawberryConfig(scalar_map=scalars.SCALARS)
    return Catalogue(strawberry.Schema(query, types=types, config=config))


def thing(row=MINE, fields=None, *, tag="th"):
    """Make a type over THINGS with these fields, given as (annotation, reading)."""
    fields = NAME if fields is None else fields
    body = {name: reading for name, (_type, reading) in fields.items()}
    body["__annotations__"] = {name: type_ for name, (type_, _reading) in fields.items()}
    return read.table(THINGS, row=row, tag=tag)(strawberry.type(type("Thing", (), body)))


def query(type_, reading):
    return strawberry.type(
        type("Query", (), {"found": reading, "__annotations__": {"found": type_}})
    )


def test_a_type_whose_rows_bind_no_viewer_does_not_build():
    for row in (sa.true(), THINGS.c.name == "x", THINGS.c.id == sa.bindparam("account")):
        found = thing(row)
        with pytest.raises(NotReadable, match="Thing's row predicate binds no viewer"):
            build(query(found | None, read.one()))


def test_rows_that_everybody_sees_need_a_reason():
    found = thing(read.everyone("a published list"))
    build(query(found | None, read.one()))
    with pytest.raises(ValueError, match="reason"):
        read.everyone(" ")


def test_rows_seen_as_a_parents_end_at_a_viewer():
    loop = thing(read.as_parent(THINGS.c.id == THINGS.c.id, lambda: loop))
    with pytest.raises(NotReadable, match="not here"):
        build(query(loop | None, read.one()))

    @strawberry.type
    class Elsewhere:
        name: str

    lost = thing(read.as_parent(THINGS.c.id == THINGS.c.id, lambda: Elsewhere))
    with pytest.raises(NotReadable, match="not here"):
        build(query(lost | None, read.one()))


def test_a_field_that_does_not_say_how_it_is_had_does_not_build():
    found = thing(MINE, {"name": (str | None, strawberry.field(default=None))})
    with pytest.raises(NotReadable, match=r"Thing\.name does not say how it is had"):
        build(query(found | None, read.one()))


def test_a_field_hidden_from_some_is_nullable():
    found = thing(MINE, {"name": (str, read.column(THINGS.c.name, when=MINE))})
    with pytest.raises(NotReadable, match=r"Thing\.name is hidden from some viewers"):
        build(query(found | None, read.one()))


def test_an_id_needs_a_tag_and_tags_are_told_apart():
    found = thing(MINE, {"id": (strawberry.ID, read.identity())}, tag=None)
    with pytest.raises(NotReadable, match="has no tag"):
        build(query(found | None, read.one()))
    with pytest.raises(ValueError, match="two small letters"):
        thing(tag="Th")

    @read.table(THINGS, row=MINE, tag="th")
    @strawberry.type
    class Other:
        name: str | None = read.column(THINGS.c.name)

    with pytest.raises(NotReadable, match="the same tag 'th'"):
        build(query(thing() | None, read.one()), [Other])


def test_a_relation_leads_to_a_table_and_fits_its_type():
    @strawberry.type
    class Plain:
        name: str

    with pytest.raises(NotReadable, match="stands over no table"):
        build(query(Plain | None, read.one()))
    with pytest.raises(NotReadable, match="a list, its reading is not"):
        build(query(list[thing()], read.one()))
    with pytest.raises(NotReadable, match="no list, its reading is not"):
        build(query(thing() | None, read.many()))


def test_an_abstract_relation_names_its_members_with_an_order():
    @read.table(THINGS, row=MINE)
    @strawberry.type
    class Other:
        name: str | None = read.column(THINGS.c.name)

    found = thing()
    union = Annotated[found | Other, strawberry.union("Either")]
    with pytest.raises(NotReadable, match="needs members"):
        build(query(list[union], read.many()))
    unordered = read.many(members=lambda: {found: read.Member(sa.true())})
    with pytest.raises(NotReadable, match="needs an order"):
        build(query(list[union], unordered))


def test_a_connection_is_ordered_by_what_is_never_null():
    found = thing()
    for order, words in (((), "needs an order"), ((THINGS.c.name.desc(),), "can be null")):
        with pytest.raises(NotReadable, match=words):
            build(query(Connection[found], read.connection(order=order)))


def planned(schema, document):
    parsed = Documents(schema._schema, most=1).get(document, None)
    values = parsed.values({})
    return Reader(schema, None).statement(parsed, values), values


@read.table(THINGS, row=MINE)
@strawberry.type
class Other:
    name: str | None = read.column(THINGS.c.name)


@pytest.mark.parametrize(
    ("type_", "reading", "document", "words"),
    [
        (int, read.column(THINGS.c.large), "{ found { f } }", "Int64"),
        (str, read.part(), "{ found { f } }", "has a table"),
        (Other, read.json(THINGS.c.name), "{ found { f { name } } }", "not embedded"),
        (Other, read.computed(lambda _c, _row: None), "{ found { f { name } } }", "over a table"),
    ],
)
def test_what_cannot_be_read_in_sql_is_told_when_it_is_planned(type_, reading, document, words):
    schema = strawberry.Schema(query(thing(MINE, {"f": (type_, reading)}) | None, read.one()))
    with pytest.raises(TypeError, match=words):
        planned(schema, document)


def test_constants_of_declarations_are_written_into_the_statement_and_quoted():
    quoted = "it's \\ 100% :x"
    named = sa.and_(MINE, THINGS.c.name.in_(["a", quoted]), THINGS.c.large == 5)
    found = thing(named)
    schema = strawberry.Schema(query(found | None, read.one(THINGS.c.name != quoted)))
    statement, _values = planned(schema, "{ found { name } }")
    assert statement.sql.count("'it''s \\ 100% :x'") == 2
    assert "large = 5" in statement.sql
    assert len(statement.getters) == 1


def test_a_viewer_is_bound_by_name_and_must_be_there():
    schema = strawberry.Schema(query(thing() | None, read.one()))
    statement, values = planned(schema, "{ found { name } }")
    assert statement.parameters({"account": 5}, values) == [5]
    with pytest.raises(KeyError):
        statement.parameters({}, values)


def test_an_array_of_a_declaration_is_bound():
    listed = sa.and_(MINE, THINGS.c.name == sa.any_(sa.literal(["a"], postgresql.ARRAY(sa.Text))))
    schema = strawberry.Schema(query(thing(listed) | None, read.one()))
    statement, values = planned(schema, "{ found { name } }")
    assert statement.parameters({"account": 5}, values) == [5, ["a"]]


async def test_a_subquery_is_asked_once_however_often_its_value_is_written(asked):
    text = (
        "{ shelves(last: 1) { nodes { size firstBook { label lengthMm cut screws { turns } } } } }"
    )
    document = asked.documents.get(text, None)
    statement = asked.reader.statement(document, document.values({}))
    assert statement.sql.count("sum(books.size_bytes)") == 1
    assert statement.sql.count("jsonb_build_object(") == 1
    (node,) = json.loads((await asked(text)).data)["shelves"]["nodes"]
    # Shelf 1 holds books 1, 7, 13 and 19; the sum is of all rows, seen or not.
    first = {"label": "book 1 ", "lengthMm": 10**12, "cut": None, "screws": []}
    assert node == {"size": 40 * 10**12, "firstBook": first}

"""Connections: pages that join without gap or overlap, and cursors that are not misread."""

import json

import pytest
from graphql import GraphQLError

from schema.reader.declaration import Connected
from schema.reader.reading import Reader
from tests.schema.reader import library

EVERYTHING = {"member": 1, "owners": (0,), "trusted": True}


def _books(answer):
    return [edge["node"]["id"] for edge in json.loads(answer.data)["books"]["edges"]]


@pytest.mark.parametrize("size", [1, 5, 23, 24, 100])
async def test_pages_forward_and_backward_hold_every_row_once_and_in_order(asked, size):
    whole = _books(await asked("{ books(first: 100) { edges { node { id } } } }", **EVERYTHING))
    assert len(whole) == 24
    for end, cursor, more, other, step in (
        ("first", "after", "hasNextPage", "hasPreviousPage", "endCursor"),
        ("last", "before", "hasPreviousPage", "hasNextPage", "startCursor"),
    ):
        query = f"""query ($size: Int!, $cursor: String) {{
          books({end}: $size, {cursor}: $cursor) {{
            edges {{ node {{ id }} }} pageInfo {{ {more} {other} {step} }} totalCount
          }} }}"""
        found, place = [], None
        while True:
            answer = await asked(query, {"size": size, "cursor": place}, **EVERYTHING)
            told = json.loads(answer.data)["books"]
            page = _books(answer)
            assert told["totalCount"] == 24
            assert told["pageInfo"][other] is (place is not None)
            found = found + page if end == "first" else page + found
            place = told["pageInfo"][step]
            if not told["pageInfo"][more]:
                break
        assert found == whole


async def test_a_page_beyond_the_end_is_empty_and_has_no_cursors(asked):
    last = await asked("{ books(last: 1) { edges { cursor } } }", **EVERYTHING)
    cursor = json.loads(last.data)["books"]["edges"][0]["cursor"]
    query = """query ($c: String!) { books(first: 5, after: $c) {
        nodes { id } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""
    assert json.loads((await asked(query, {"c": cursor}, **EVERYTHING)).data)["books"] == {
        "nodes": [],
        "pageInfo": {
            "hasNextPage": False,
            "hasPreviousPage": True,
            "startCursor": None,
            "endCursor": None,
        },
    }


async def test_a_cursor_stands_where_its_row_was_even_when_that_is_not_seen(asked):
    query = "query ($c: String) { books(first: 100, after: $c) { edges { cursor node { id } } } }"
    whole = json.loads((await asked(query, **EVERYTHING)).data)["books"]["edges"]
    part = await asked(query, member=1)
    seen = set(_books(part))
    for place, edge in enumerate(whole):
        rest = _books(await asked(query, {"c": edge["cursor"]}, member=1))
        assert rest == [e["node"]["id"] for e in whole[place + 1 :] if e["node"]["id"] in seen]


async def test_a_cursor_of_another_list_or_none_is_refused(asked):
    own = await asked("{ books(first: 1) { edges { cursor } } }", **EVERYTHING)
    other = await asked("{ shelves(first: 1) { edges { cursor } } }", **EVERYTHING)
    good = json.loads(own.data)["books"]["edges"][0]["cursor"]
    foreign = json.loads(other.data)["shelves"]["edges"][0]["cursor"]
    told = json.loads(bytes.fromhex(good))

    print_, title, id_ = told
    told_wrong = [
        [], [print_], [print_, 5, id_], [print_, title, "no id"], [print_, "x\0", id_], {}, 5, None,
        [print_, None, id_], [print_, title, id_, 1], [[print_], title, id_], [id_, title, print_],
    ]  # fmt: skip
    wrong = [json.dumps(each).encode().hex() for each in told_wrong]
    query = "query ($c: String!) { books(first: 1, after: $c) { totalCount } }"
    for cursor in (
        "", "zz", good[:-1], good[:-2], good + "00", foreign, "\u0661" * 8, "5b" * 5000,
        good.upper(), *wrong,
    ):  # fmt: skip
        with pytest.raises(GraphQLError) as refused:
            await asked(query, {"c": cursor}, **EVERYTHING)
        assert refused.value.extensions == {"code": "BAD_CURSOR"}, cursor


async def test_a_cursor_whose_number_is_out_of_range_is_refused_and_no_fault(asked):
    shelf = f"sh{library.key(2, 1).hex}"
    query = f"""query ($c: String) {{ shelf(id: "{shelf}") {{
        page(first: 1, after: $c) {{ edges {{ cursor }} }} }} }}"""
    good = json.loads((await asked(query, **EVERYTHING)).data)["shelf"]["page"]["edges"][0][
        "cursor"
    ]
    told = json.loads(bytes.fromhex(good))
    for number in (2**63, 2**31, True, 1.5, "1"):
        told[1] = number
        with pytest.raises(GraphQLError):
            await asked(query, {"c": json.dumps(told).encode().hex()}, **EVERYTHING)


async def test_one_statement_answers_each_connection_however_many_rows_it_has(asked, wire):
    below = {
        "Shelf": "nodes { books { marks { book { title } } } page(first: 9) { nodes { id } } }",
        "Book": "nodes { marks { words } shelf { owner { name } } description { words } }",
        "Mark": "nodes { book { shelf { things { __typename } } } }",
    }
    ways = {
        "Query": "{ %s }",
        "Member": "{ me { %s } }",
        "Shelf": "{ shelves(first: 100) { nodes { %s } } }",
        "Book": "{ books(first: 100) { nodes { %s } } }",
    }
    catalogue = asked.reader.catalogue
    found = [
        field
        for fields in catalogue.fields.values()
        for field in fields.values()
        if isinstance(field.reading, Connected)
    ]
    assert len(found) == 5
    reader = Reader(library.schema(), wire.connections)
    for field in found:
        inner = below[catalogue.item_of(field.target).name]
        for size in (1, 100):
            asks = f"{field.name}(first: {size}) {{ {inner} edges {{ cursor }} totalCount }}"
            document = asked.documents.get(ways[field.parent] % asks, None)
            context = library.Context(library.viewer(1, owners=(0,), trusted=True))
            await reader.execute(document, document.values({}), context)  # asyncpg learns types
            await wire.quiet()
            wire.sent.clear()
            await reader.execute(document, document.values({}), context)
            await wire.quiet()
            # BEGIN with the settings, the statement, COMMIT: the statement is not parsed again
            assert wire.sent == {"simple": 2, "bind": 1, "execute": 1, "other": 1}, field


@pytest.mark.parametrize("connections", [1], indirect=True)
async def test_a_statement_is_planned_once_and_kept_under_its_name(asked, connections):
    for _ in range(3):
        await asked("query ($n: Int!) { books(first: $n) { totalCount } }", {"n": 5})
        await asked("query ($n: Int!) { shelves(first: $n) { totalCount } }", {"n": 5})
    kept = "SELECT string_agg(name, ' ' ORDER BY name) FROM pg_prepared_statements"
    assert await connections.read(kept, (), {}) == "reading_1 reading_2 reading_3"

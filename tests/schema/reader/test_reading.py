"""Documents answered by one statement each, as the viewer."""

import json

import pytest

from schema import ids
from tests.schema.reader import library
from tests.schema.reader.library import NASTY, key

SHELF = ids.write("sh", key(2, 2))


async def test_an_operation_with_several_roots_is_one_answer_in_the_documents_order(asked):
    answer = await asked("{ b: me { name } __typename a: shelves(last: 1) { totalCount } }")
    assert answer.errors == []
    assert answer.data == json.dumps(
        {"b": {"name": f"member 1 {NASTY}"}, "__typename": "Query", "a": {"totalCount": 3}},
        separators=(",", ":"),
        ensure_ascii=False,
    )


async def test_what_would_break_json_or_sql_is_escaped(asked):
    answer = await asked("{ shelves(first: 9) { nodes { note tags words boards { label } } } }")
    assert NASTY in [node["note"] for node in json.loads(answer.data)["shelves"]["nodes"]]


async def test_a_row_of_somebody_else_is_not_there(asked):
    seen = await asked(f'{{ shelf(id: "{SHELF}") {{ name }} }}', member=0)
    unseen = await asked(f'{{ shelf(id: "{SHELF}") {{ name }} }}', member=2)
    assert json.loads(seen.data)["shelf"]["name"].startswith("shelf 2")
    assert unseen.data == '{"shelf":null}'


@pytest.mark.parametrize("id_", ["", "sh", "bo" + SHELF[2:], SHELF.upper(), SHELF + "0", "'\0"])
async def test_an_id_of_another_type_or_none_finds_nothing(asked, id_):
    answer = await asked("query ($id: ID!) { shelf(id: $id) { name } }", {"id": id_}, member=0)
    assert answer.data == '{"shelf":null}'


async def test_a_node_is_found_by_its_tag_and_authorised_by_its_type(asked):
    query = "query ($id: ID!) { node(id: $id) { __typename id ... on Book { title } } }"
    book = ids.write("bo", key(3, 1))
    for id_, expected in (
        (book, {"__typename": "Book", "id": book, "title": "book 1 "}),
        (ids.write("me", key(1, 1)), {"__typename": "Member", "id": ids.write("me", key(1, 1))}),
        (ids.write("bo", key(3, 99)), None),
        (ids.write("bo", key(3, 2)), None),
        (ids.write("zz", key(3, 1)), None),
        ("nonsense", None),
    ):
        answer = await asked(query, {"id": id_})
        assert json.loads(answer.data) == {"node": expected}


async def test_a_field_that_only_some_may_see_is_null_for_others(asked):
    query = "{ shelves(first: 9) { nodes { owner { id } note } } }"
    own = json.loads((await asked(query, member=1)).data)["shelves"]["nodes"]
    lent = json.loads((await asked(query, member=0, owners=(1,))).data)["shelves"]["nodes"]
    assert [node["note"] for node in own] == [NASTY] * 3
    assert [node["note"] for node in lent] == [None] * 7


async def test_filters_narrow_only_when_given_and_not_null(asked):
    query = """
      query ($lent: Boolean, $search: BookFilter, $shelf: ID) {
        books(first: 100, lent: $lent, search: $search, onShelf: $shelf) { totalCount }
      }
    """
    counts = []
    for variables in (
        {},
        {"lent": None, "search": None, "shelf": None},
        {"lent": True},
        {"search": {}},
        {"search": {"pagesMin": 5, "lent": None}},
        {"search": {"titles": ["book 3 ", "\u65e5"], "lent": False}},
        {"shelf": ids.write("sh", key(2, 3))},
        {"shelf": ids.write("bo", key(2, 3))},
    ):
        answer = await asked(query, variables, owners=(0,), trusted=True)
        counts.append(json.loads(answer.data)["books"]["totalCount"])
    assert counts == [24, 24, 12, 24, 14, 3, 4, 0]


async def test_a_mutation_answers_by_the_same_reader_with_what_was_just_written(asked):
    answer = await asked(
        """mutation ($id: ID!) {
             first: rename(shelf: $id, name: "a") { shelf { name books { title } } said }
             second: rename(shelf: $id, name: "b") { s: shelf { name } shelves { id name } }
           }""",
        {"id": SHELF},
        member=0,
    )
    data = json.loads(answer.data)
    assert data["first"]["shelf"]["name"] == "a"
    assert len(data["first"]["shelf"]["books"]) == 3  # the fourth is hidden
    assert data["second"] == {
        "s": {"name": "b"},
        "shelves": [{"id": SHELF, "name": "b"}, {"id": SHELF, "name": "b"}],
    }
    await asked(
        "mutation ($id: ID!, $name: String!) { rename(shelf: $id, name: $name) { said } }",
        {"id": SHELF, "name": library.rows()[library.SHELVES][2]["name"]},
    )


async def test_fields_with_a_resolver_stand_beside_fields_that_are_read(asked):
    answer = await asked('{ plain(word: "y") me { name shelves(first: 1) { totalCount } } broken }')
    assert json.loads(answer.data) == {
        "plain": "yy",
        "me": {"name": f"member 1 {NASTY}", "shelves": {"totalCount": 3}},
        "broken": None,
    }
    assert [error.path for error in answer.errors] == [["broken"]]


async def test_a_row_seen_as_its_parents_is_not_reached_by_another_way(asked):
    shelf = ids.write("sh", key(2, 1))
    query = f"""{{ shelf(id: "{shelf}") {{ things {{ __typename ... on Mark {{ words }} }}
                   stack {{ __typename ... on Mark {{ words }} }} }} allMarks {{ words }} }}"""
    hidden = {f"mark {number} {NASTY}" for number in (7, 19)}  # of a book that only some may see
    for trusted in (False, True):
        told = json.loads((await asked(query, member=1, trusted=trusted)).data)
        for found in (told["shelf"]["things"], told["shelf"]["stack"], told["allMarks"]):
            words = {each["words"] for each in found if "words" in each}
            assert len(words) > 2
            assert (hidden <= words) is trusted
            assert (hidden & words == set()) is not trusted


async def test_an_alias_table_far_outside_is_joined_and_not_read_anew(asked):
    query = f"""{{ shelf(id: "{SHELF}") {{
        things {{ ... on Mark {{ id book {{ id shelf {{ id }} }} }} ... on Book {{ id }} }}
    }} }}"""
    things = json.loads((await asked(query, member=0)).data)["shelf"]["things"]
    marks = [thing["book"]["shelf"]["id"] for thing in things if "book" in thing]
    assert marks == [SHELF] * 5

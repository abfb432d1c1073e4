"""What fails in Python or has no JSON becomes null where it may, and is told with its path."""

import json

from schema import ids
from tests.schema.reader import library

ALL = {"member": 1, "owners": (0,), "trusted": True}


def book(number):
    return f'node(id: "{ids.write("bo", library.key(3, number))}")'


async def test_a_computed_field_that_fails_nulls_its_book_and_no_other(asked):
    answer = await asked(
        f"""{{ a: {book(13)} {{ ... on Book {{ id shouted }} }}
               b: {book(1)} {{ ... on Book {{ shouted(times: 2) }} }} }}""",
        **ALL,
    )
    assert json.loads(answer.data) == {"a": None, "b": {"shouted": "BOOK 1 !!"}}
    (error,) = answer.errors
    assert error.path == ["a", "shouted"]
    assert isinstance(error.original_error, RuntimeError)
    assert error.locations


async def test_null_rises_through_lists_to_the_next_nullable(asked):
    shelf = ids.write("sh", library.key(2, 1))
    answer = await asked(
        f'{{ shelf(id: "{shelf}") {{ name books {{ title critic {{ name }} }} }} me {{ id }} }}',
        **ALL,
    )
    data = json.loads(answer.data)
    assert data["shelf"] is None
    assert data["me"]
    (error,) = answer.errors
    assert error.path[:2] == ["shelf", "books"]
    assert error.path[3:] == ["critic"]


async def test_null_in_the_whole_answer(asked):
    answer = await asked('{ must(id: "nothing") { id } me { id } }', **ALL)
    assert answer.data == "null"
    assert [error.path for error in answer.errors] == [["must"]]
    beside = await asked('{ must(id: "nothing") { id } plain }', **ALL)
    assert beside.data == "null"
    assert [error.path for error in beside.errors] == [["must"]]


async def test_a_value_that_its_scalar_cannot_hold_is_null_and_told(asked):
    shelf = ids.write("sh", library.key(2, 5))
    answer = await asked(
        f'{{ shelf(id: "{shelf}") {{ name price {{ amountMinor }} p: price {{ currency }} }} }}',
        **ALL,
    )
    data = json.loads(answer.data)["shelf"]
    assert (data["price"], data["p"]) == (None, {"currency": "EUR"})
    assert [error.path for error in answer.errors] == [["shelf", "price", "amountMinor"]]


async def test_a_batch_is_computed_by_one_call_with_all_rows_of_the_field(asked):
    context = library.Context(library.viewer(1, owners=(0,), trusted=True))
    document = asked.documents.get(
        "{ books(first: 100) { nodes { description { words } again: description { heavy } } } }",
        None,
    )
    await asked.reader.execute(document, document.values({}), context)
    assert context.noted == ["described 24", "described 24"]


async def test_a_batch_that_gives_too_few_values_is_a_fault_of_each(asked):
    answer = await asked("{ books(first: 3) { nodes { id miscounted } } }", **ALL)
    nodes = json.loads(answer.data)["books"]["nodes"]
    assert [node["miscounted"] for node in nodes] == [None] * 3
    paths = [error.path for error in answer.errors]
    assert paths == [["books", "nodes", number, "miscounted"] for number in range(3)]


async def test_marks_in_the_data_itself_are_data(asked):
    query = f"{{ {book(0)} {{ ... on Book {{ title shouted marks {{ words }} }} }} }}"
    told = json.loads((await asked(query, **ALL)).data)["node"]
    assert told["marks"][0]["words"].endswith(library.NASTY)
    assert told["shouted"] == told["title"].upper() + "!"

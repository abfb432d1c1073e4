"""Documents are parsed and planned once for each shape of their variables."""

import pytest

from schema.reader.document import Documents, Recent, Refused
from schema.reader.reading import Reader
from tests.schema.reader import library

QUERY = """
query Q($id: ID!, $n: Int = 2, $b: Boolean, $s: BookFilter, $k: Kind, $u: Boolean = true) {
  node(id: $id) { id @include(if: $u) } shelves(first: $n, kind: $k) { totalCount }
  books(first: 1, lent: $b, search: $s) { totalCount }
}"""
SHELF = "sh" + library.key(2, 1).hex


@pytest.fixture
def planned(connections):
    reader = Reader(library.schema(), connections)
    documents = Documents(reader.catalogue.core, most=3)

    def plan(variables, text=QUERY):
        document = documents.get(text, None)
        return reader.statement(document, document.values(variables))

    plan.documents = documents
    return plan


def test_values_that_only_bind_share_a_statement(planned):
    first = planned({"id": SHELF, "k": "OAK", "s": {"titles": ["a"], "pagesMin": 1}})
    second = planned({"id": SHELF[:-1] + "9", "k": "GLASS", "s": {"titles": [], "pagesMin": 2}})
    assert second is first


@pytest.mark.parametrize(
    "other",
    [
        {"b": None}, {"b": True}, {"b": False}, {"s": None}, {"s": {}}, {"s": {"lent": None}},
        {"s": {"lent": True}}, {"k": "OAK"}, {"k": None}, {"u": False}, {"id": "bo" + SHELF[2:]},
        {"id": "no id"}, {"n": 3},
    ],
)  # fmt: skip
def test_what_changes_the_statement_has_one_of_its_own(planned, other):
    assert planned({"id": SHELF} | other) is not planned({"id": SHELF})
    assert planned({"id": SHELF} | other) is planned({"id": SHELF} | other)


def test_a_document_that_was_not_asked_for_the_longest_time_is_forgotten(planned):
    documents = planned.documents
    texts = [f"{{ a{number}: __typename }}" for number in range(4)]
    kept = [documents.get(text, None) for text in texts[:3]]
    assert documents.get(texts[0], None) is kept[0]
    documents.get(texts[3], None)
    assert documents.get(texts[0], None) is kept[0]
    assert documents.get(texts[1], None) is not kept[1]


def test_a_statement_of_a_forgotten_document_is_not_anothers(planned):
    # A new document may get the number by which Python knew the old one.
    for number in range(200):
        statement = planned({}, f"{{ me {{ a{number}: name }} }}")
        assert f'"a{number}":' in statement.sql


def test_an_operation_is_chosen_by_name(planned):
    text = "query A { me { id } } query B { me { name } } mutation C { __typename }"
    documents = planned.documents
    assert documents.get(text, "B").operation.name.value == "B"
    assert documents.get(text, "C").is_mutation
    for name in (None, "D", ""):
        with pytest.raises(Refused) as refused:
            documents.get(text, name)
        assert refused.value.errors[0].extensions["code"] == "OPERATION_RESOLUTION_FAILURE"


def test_recent_keeps_what_was_asked_for_last():
    recent = Recent(2)
    assert recent.put("a", 1) is None
    assert recent.put("b", 2) is None
    assert recent.get("a") == 1
    assert recent.put("c", 3) == 2
    assert (recent.get("a"), recent.get("b"), recent.get("c"), len(recent)) == (1, None, 3, 2)

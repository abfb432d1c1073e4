"""A token without the scope `read` may act, and hears the ids of what came of it, no more."""

import pytest
from graphql import get_named_type, is_composite_type

from schema import scopes
from schema.reader.document import Refused
from tests.schema import everything

FILED = (
    "mutation($input: FileInput!) { file(input: $input) { userErrors { code facts { name } } %s } }"
)


def refused(house, text: str) -> bool:
    document = house.documents.get(text, None)
    try:
        scopes.check(document)
    except Refused as error:
        return error.errors[0].extensions == {"code": scopes.CODE}
    return False


def test_no_query_is_answered(house):
    found = everything.roots(house.api.schema)
    assert len(found) > 5
    for root in found:
        assert refused(house, everything.document(house.api.schema, root, depth=1)), root
    assert refused(house, everything.case(house.api.schema))
    assert refused(house, "{ __schema { types { name } } }")


def test_of_what_a_mutation_made_only_the_id_is_told(house):
    mutations = house.api.reader.catalogue.core.mutation_type.fields
    with_rows = 0
    for name, mutation in mutations.items():
        payload = get_named_type(mutation.type)
        rows = [
            field
            for field, declared in payload.fields.items()
            if field != "userErrors"
            and "id" in getattr(get_named_type(declared.type), "fields", {})
        ]
        with_rows += bool(rows)
        assert not rows or refused(house, house.document(name)), name
        asked = "".join(f"{row} {{ __typename id }} " for row in rows)
        input_ = get_named_type(mutation.args["input"].type).name
        only_ids = (
            f"mutation($input: {input_}!) {{ {name}(input: $input)"
            f" {{ {asked} __typename userErrors {{ code message facts {{ name values }} }} }} }}"
        )
        assert not refused(house, only_ids), name
        for field, declared in payload.fields.items():
            assert field in {"userErrors", *rows} or not is_composite_type(
                get_named_type(declared.type)
            ), f"{name}.{field} is neither a row nor a plain value"
    assert with_rows > 30


@pytest.mark.parametrize(
    "told",
    [
        "case { id number }",
        "case { ...F } } } fragment F on Case { id state",
        "... on FilePayload { case { ... { id number } } }",
        "case { again: id order { id } }",
        "...P } } fragment P on FilePayload { case { state }",
    ],
)
def test_a_fragment_does_not_get_around_it(house, told):
    text = FILED % told
    assert refused(house, text.removesuffix(" }") if "fragment" in told else text)


def test_an_id_may_have_another_name(house):
    assert not refused(house, FILED % "case { key: id }")

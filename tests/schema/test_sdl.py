"""The schema's file is current; one word everywhere; everything has its sentence."""

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    build_schema,
    get_named_type,
)

from odr import actions
from odr.procedure.acts import Act
from schema import schema, sdl
from schema.types import available

COMPOSED = schema.compose()
CORE = build_schema(sdl.text())
MUTATIONS = CORE.mutation_type.fields
ACTS = {
    name
    for group in schema.ACTS
    for name in (field.python_name for field in group.__strawberry_definition__.fields)
}


def test_the_file_is_what_the_schema_says():
    assert sdl.FILE.read_text(encoding="utf-8") == sdl.text(), "run: make docs"


def test_one_word_names_function_mutation_and_record_entry():
    owed = sorted({act.value for act in actions.PEOPLE} ^ ACTS)
    assert not owed, f"{owed}: an @act in a class of schema/mutations that schema.ACTS lists"
    assert {function.__name__ for function in actions.PEOPLE.values()} == ACTS
    assert {available.mutation_name(act) for act in actions.PEOPLE} <= set(MUTATIONS)
    assert {value.upper() for value in ACTS} <= {act.name for act in Act}
    assert set(CORE.type_map["Act"].values) == {act.name for act in Act}


def test_an_act_is_described_by_its_sentence():
    for act in actions.PEOPLE:
        assert MUTATIONS[available.mutation_name(act)].description == act.meaning


def test_every_mutation_has_one_input_with_a_key_and_a_payload_with_errors():
    for name, mutation in MUTATIONS.items():
        title = name[0].upper() + name[1:]
        assert list(mutation.args) == ["input"], name
        given = get_named_type(mutation.args["input"].type)
        assert given.name == f"{title}Input"
        assert str(given.fields["idempotencyKey"].type) == "String!"
        payload = get_named_type(mutation.type)
        assert payload.name == f"{title}Payload"
        assert str(payload.fields["userErrors"].type) == "[UserError!]!"
        assert CORE.type_map["Payload"] in payload.interfaces


def test_what_an_act_in_a_case_answers_has_the_case():
    for act in actions.PEOPLE:
        payload = get_named_type(MUTATIONS[available.mutation_name(act)].type)
        assert str(payload.fields["case"].type) == "Case"


def test_where_two_may_act_the_input_takes_a_version():
    for act in set(actions.PEOPLE) - {Act.FILE}:
        given = get_named_type(MUTATIONS[available.mutation_name(act)].args["input"].type)
        assert str(given.fields["expectedVersion"].type) == "Int", act


def test_time_moves_only_where_it_is_asked_for():
    assert "moveTime" not in MUTATIONS
    moving = schema.compose(moves_time=True)
    assert "moveTime" in moving._schema.mutation_type.fields


def test_money_is_never_a_float():
    floats = {
        f"{type_.name}.{name}"
        for type_ in CORE.type_map.values()
        if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType)
        and not type_.name.startswith("__")
        for name, field in type_.fields.items()
        if get_named_type(field.type).name == "Float"
    }
    assert floats == set()


def test_every_value_of_a_list_of_words_has_its_sentence():
    without = {
        f"{type_.name}.{name}"
        for type_ in CORE.type_map.values()
        if isinstance(type_, GraphQLEnumType)
        and type_.name not in {"__DirectiveLocation", "__TypeKind", "Window", "Use"}
        for name, value in type_.values.items()
        if not value.description
    }
    assert without == set()


def test_every_type_over_a_table_with_an_id_is_a_node():
    for type_ in CORE.type_map.values():
        if isinstance(type_, GraphQLObjectType) and "id" in type_.fields:
            assert CORE.type_map["Node"] in type_.interfaces, type_.name

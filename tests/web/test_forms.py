"""The forms, the acts, the documents and the mutations are the same list."""

from pathlib import Path

import pytest
from graphql import build_schema, parse, validate

from odr import actions
from odr.procedure.acts import Act
from schema import schema
from web import forms, reading
from web.routes import ROUTES

ACTS = reading.OPERATIONS / "acts"
DOCUMENTS = sorted(reading.OPERATIONS.rglob("*.graphql"))


@pytest.fixture(scope="module")
def core():
    return build_schema(str(schema.compose(moves_time=True)))


def _camel(value: str) -> str:
    first, *rest = value.split("_")
    return first + "".join(part.title() for part in rest)


def test_every_act_that_people_do_has_a_form():
    owed = sorted(forms.FORMS.keys() ^ (actions.PEOPLE.keys() - {Act.FILE}))
    assert not owed, f"{owed}: a line in web/forms.py, FORMS"


def test_every_act_that_people_do_has_a_document():
    owed = {path.stem for path in ACTS.glob("*.graphql")} ^ {act.value for act in actions.PEOPLE}
    assert not owed, f"{sorted(owed)}: a document of this name in web/operations/acts"


def test_every_act_that_people_do_is_a_mutation(core):
    assert {_camel(act.value) for act in actions.PEOPLE} <= core.mutation_type.fields.keys()


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_every_document_is_valid(core, path):
    assert validate(core, parse(path.read_text(encoding="utf-8"))) == []


def test_every_document_of_an_act_does_that_act():
    for path in ACTS.glob("*.graphql"):
        (operation,) = parse(path.read_text(encoding="utf-8")).definitions
        (field,) = operation.selection_set.selections
        assert field.name.value == _camel(path.stem)


@pytest.mark.parametrize("act", sorted(forms.FORMS), ids=lambda act: act.value)
def test_the_fields_of_a_form_are_those_of_the_input(core, act):
    name = _camel(act.value)
    given = core.type_map[f"{name[0].upper()}{name[1:]}Input"].fields.keys()
    subject = {"offer", "own_offer", "proposal", "request", "exhibit", "walled"}
    asked = {field.name for field in forms.FORMS[act].fields}
    if not {field.kind for field in forms.FORMS[act].fields} & subject:
        asked.add("caseId")
    asked |= {"expectedVersion", "idempotencyKey"}
    assert asked <= given
    required = {
        key
        for key, field in core.type_map[f"{name[0].upper()}{name[1:]}Input"].fields.items()
        if str(field.type).endswith("!") and field.default_value is not None
    }
    assert required <= asked | {"expectedVersion"}


def test_all_urls_fit_on_one_screen():
    lines = Path(reading.__file__).with_name("routes.py").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 64
    assert len({(route.path, *(getattr(route, "methods", None) or ())) for route in ROUTES}) == len(
        ROUTES
    )

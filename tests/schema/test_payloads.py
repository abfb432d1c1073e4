"""Every refusal has its code, and its facts as the API spells them."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from evidence.errors import HarmfulFile
from evidence.flags import WARNINGS, Code, Flag, once
from odr import errors, uploads
from odr.procedure.acts import Act, State
from odr.procedure.facts import Fact
from odr.words import Remedy
from schema import flags, payloads
from schema.payloads import ERRORS, ErrorCode

DUE = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
EXAMPLES = {
    errors.NotFound: errors.NotFound(),
    errors.NotAllowed: errors.NotAllowed(act=Act.RULE, state=State.FILED, role="buyer"),
    errors.Unmet: errors.Unmet(act=Act.MAKE_OFFER, fact=Fact.OFFERS_LEFT),
    errors.Late: errors.Late(act=Act.CONTEST, due=DUE),
    errors.Early: errors.Early(act=Act.FILE, opens=DUE),
    errors.Stale: errors.Stale(expected=3, version=5),
    errors.Conflict: errors.Conflict("reference", existing=UUID(int=1)),
    errors.Invalid: errors.Invalid(
        ("terms", "items", 0, "amount_minor"), "above_order", maximum=12_900
    ),
    errors.Gone: errors.Gone(ground="court_order", at=datetime(2026, 11, 23, tzinfo=UTC)),
    errors.TooMuch: errors.TooMuch(limit="open_offers", maximum=1),
    errors.Unfunded: errors.Unfunded(account="bond"),
    errors.Unavailable: errors.Unavailable("database"),
}


def _tree(kind):
    for below in kind.__subclasses__():
        yield below
        yield from _tree(below)


def test_the_table_covers_the_tree_of_refusals():
    assert set(ERRORS) == set(_tree(errors.Refused))


def test_every_code_is_used_once():
    codes = [mapped.code for mapped in ERRORS.values()]

    assert sorted(codes) == sorted(ErrorCode)


@pytest.mark.parametrize("kind", list(_tree(errors.Refused)), ids=lambda kind: kind.__name__)
def test_a_refusal_is_told_with_its_code_and_a_sentence(kind):
    told = payloads.refused(EXAMPLES[kind])

    assert told.code is ERRORS[kind].code
    assert told.message.endswith(".")
    assert told.retryable is EXAMPLES[kind].retryable


def test_an_invalid_input_is_told_by_path_rule_and_bounds():
    told = payloads.refused(EXAMPLES[errors.Invalid])

    assert told.path == ["terms", "items", "0", "amountMinor"]
    assert told.rule == "above_order"
    assert [(fact.name, fact.values) for fact in told.facts] == [("maximum", ["12900"])]


def test_facts_are_spelled_as_the_api_spells_them():
    facts = {"due": DUE, "allowed": (Remedy.COUPON,), "left": timedelta(days=1), "none": None}
    error = errors.Invalid((), "out_of_bounds", **facts)

    told = {fact.name: fact.values for fact in payloads.refused(error).facts}

    assert told == {
        "due": ["2026-11-27T12:00:00.000000Z"],
        "allowed": ["COUPON"],
        "left": ["86400"],
        "none": [],
    }


def test_an_unmet_fact_is_told_in_its_own_words():
    assert payloads.refused(EXAMPLES[errors.Unmet]).message == Fact.OFFERS_LEFT.meaning


def test_what_is_not_a_known_refusal_is_a_bug():
    with pytest.raises(TypeError):
        payloads.refused(errors.Refused())


def test_every_flag_of_a_file_has_a_sentence_of_its_own():
    assert flags.SENTENCES.keys() == set(Code)
    assert len(set(flags.SENTENCES.values())) == len(Code)


@pytest.mark.parametrize("code", sorted(set(Code) - WARNINGS))
def test_a_harmful_file_is_refused_by_its_gravest_flag(code):
    found = once([Flag.of(Code.ATTACHMENTS, count=1), Flag.of(code, what="x")])
    told = payloads.refused(uploads.refusal(HarmfulFile(found)))
    assert (told.code.name, told.rule, told.path) == ("INVALID", code.value, ["file"])
    assert told.message == flags.SENTENCES[code]
    assert [(fact.name, fact.values) for fact in told.facts] == [("what", ["x"])]

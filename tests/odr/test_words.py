import copy
import pickle
import re

import pytest

from odr import words

LISTS = (
    words.Side,
    words.Party,
    words.Reason,
    words.Remedy,
    words.ExhibitKind,
    words.Outcome,
    words.Peril,
)
EVERY_WORD = [pytest.param(word, id=f"{type(word).__name__}-{word}") for e in LISTS for word in e]


@pytest.mark.parametrize("word", EVERY_WORD)
def test_a_word_is_its_name_in_lower_case_and_has_a_sentence(word: words.Word):
    assert word.value == word.name.lower()
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", word.value)
    assert word.meaning[0].isupper()
    assert word.meaning.endswith(".")
    assert f"{word}" == word.value


@pytest.mark.parametrize("word", EVERY_WORD)
def test_a_word_survives_being_copied_and_sent(word: words.Word):
    assert pickle.loads(pickle.dumps(word)) is word  # noqa: S301  # our own bytes
    assert copy.deepcopy(word) is word
    assert type(word)(word.value) is word


@pytest.mark.parametrize("words_of_one_list", LISTS)
def test_no_two_words_of_a_list_mean_the_same(words_of_one_list: type[words.Word]):
    meanings = [word.meaning for word in words_of_one_list]
    assert len(set(meanings)) == len(meanings)


def test_a_word_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="bribe"):
        words.Remedy("bribe")


def test_every_reason_is_filed_by_the_buyer_or_by_the_seller_and_never_both():
    assert set(words.Reason) == words.BUYER_REASONS | words.SELLER_REASONS
    assert not words.BUYER_REASONS & words.SELLER_REASONS
    assert {r for r in words.Reason if r.filer is words.Party.SELLER} == words.SELLER_REASONS


def test_exhibits_are_lettered_by_side():
    assert [side.letter for side in words.Side] == ["A", "B", "N"]


def test_a_side_has_an_opposite_and_a_neutral_has_none():
    assert words.Side.CLAIMANT.other is words.Side.RESPONDENT
    assert words.Side.RESPONDENT.other is words.Side.CLAIMANT
    with pytest.raises(ValueError, match="neutral"):
        _ = words.Side.NEUTRAL.other
    assert [party.other for party in words.Party] == [words.Party.SELLER, words.Party.BUYER]


def test_the_title_of_a_word_is_its_value_in_plain_letters():
    assert words.Reason.NOT_RECEIVED.title == "Not received"

"""Every text is there in every language, with what is filled into it."""

import re

import pytest

from web import translations
from web.wording import CATALOGUES, LANGUAGES, Wording

FILLED = re.compile(r"%\(\w+\)[sd]|\{\w+\}")


@pytest.fixture(params=sorted(CATALOGUES))
def language(request):
    return request.param


def test_every_language_but_english_has_a_catalogue():
    assert LANGUAGES.keys() - CATALOGUES.keys() == {"en"}


def test_no_text_lacks_a_translation(language):
    missing = translations.missing(language)
    assert not missing, f"run: make docs, then fill in {translations.path(language)}: {missing}"


def test_no_translation_is_of_a_text_that_nobody_says(language):
    assert translations.held(language).keys() - translations.texts() == set()


def test_every_translation_fills_in_what_the_text_does(language):
    for text, said in translations.held(language).items():
        # "one day" may leave the number out: what the plural fills in, each of its forms must.
        wanted = sorted(FILLED.findall(text if isinstance(text, str) else text[1]))
        for form in (said,) if isinstance(said, str) else said:
            assert sorted(FILLED.findall(form)) == wanted, text


def test_every_catalogue_says_how_its_language_counts(language):
    for text, said in translations.held(language).items():
        if not isinstance(text, str):
            forms = Wording(language, "UTC").locale.plural_form.tags | {"other"}
            assert len(said) == len(forms), text


def test_renewing_a_catalogue_changes_nothing(language):
    before = translations.path(language).read_text(encoding="utf-8")
    made = translations.written(translations.renewed(language, translations.held(language)))
    assert made.decode() == before, "run: make docs"


def test_counted_texts_follow_the_number():
    english, chinese = Wording("en", "UTC"), Wording("zh", "UTC")
    counted = ("%(num)d exhibit", "%(num)d exhibits")
    assert [english.ngettext(*counted, n) for n in (0, 1, 2)] == [
        "%(num)d exhibits",
        "%(num)d exhibit",
        "%(num)d exhibits",
    ]
    assert chinese.ngettext(*counted, 1) == chinese.ngettext(*counted, 2) == "%(num)d 件证据"

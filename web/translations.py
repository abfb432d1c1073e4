"""The catalogues of translations, brought up to date: ``python -m web.translations``.

Gathers every English text that a reader can meet: what templates and pages say, and the sentences
of the closed lists, the acts, the clocks and the notices. Writes each catalogue anew, keeps what is
translated and drops what is said no more. Exits 1 while a text has no translation.
"""

import sys
from collections.abc import Iterable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Final

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_python
from babel.messages.pofile import read_po, write_po
from jinja2.ext import babel_extract

from odr import notices, sentences
from odr.procedure.clocks import Clock
from web import errors, forms, refusals, words
from web.pages import case, exhibit, insurance, signin
from web.templating import TEMPLATES
from web.wording import CATALOGUES, INSTANT, LANGUAGES, LOCALES

Text = str | tuple[str, str]
"""A text, or a counted text's singular and plural."""

_PACKAGE: Final = Path(__file__).parent
_CALLS: Final = ("_", "gettext", "ngettext")
_PYTHON_CALLS: Final = dict.fromkeys(_CALLS)
_WIDTH: Final = 96
_HEADER: Final = """\
msgid ""
msgstr ""
"Language: {language}\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
"Plural-Forms: {plural}\\n"

"""
_ROLES: Final = ("Insurer", "Marketplace", "Operator of the service")
"""Whom a demonstration has, beside the roles of a case."""


def texts() -> set[Text]:
    """Every text that a reader can meet."""
    return _in_templates() | _in_python() | set(_listed())


def _in_templates() -> set[Text]:
    found: set[Text] = set()
    for path in sorted(TEMPLATES.glob("*.html")):
        with path.open("rb") as file:
            options = {"extensions": "jinja2.ext.do"}
            for _, call, given, _ in babel_extract(file, _CALLS, (), options):
                found |= _text(call, given)
    return found


def _in_python() -> set[Text]:
    found: set[Text] = set()
    for path in sorted(_PACKAGE.rglob("*.py")):
        with path.open("rb") as file:
            for _, call, given, _ in extract_python(file, _PYTHON_CALLS, (), {}):
                found |= _text(call, given)
    return found


def _text(call: object, given: object) -> set[Text]:
    """The text of a call; none where what is said is not written there."""
    said = [each for each in (given if isinstance(given, tuple | list) else (given,)) if each]
    if not said:
        return set()
    return {(str(said[0]), str(said[1]))} if call == "ngettext" else {str(said[0])}


def _listed() -> Iterable[str]:
    yield from words.texts() | errors.texts()
    yield INSTANT
    yield from case.MONEY_LINES
    yield from signin.MESSAGES
    yield from insurance.DENIALS.values()
    yield from _ROLES
    for said in (*refusals.SAID.values(), *refusals.OTHERS):
        yield from (said.title, said.advice)
    yield from forms.VOUCHER.values()
    yield from exhibit.VOUCHER.values()
    for form in forms.FORMS.values():
        yield form.button
        for field in form.fields:
            yield from (text for text in (field.label, field.help) if text)
    yield from notices.SENTENCES
    yield from (*sentences.DONE.values(), sentences.UNKNOWN)
    yield from (other.meaning for other in sentences.Other)
    for clock in Clock:
        yield from (clock.title, clock.meaning)


def path(language: str) -> Path:
    """Where a language's catalogue lies."""
    return LOCALES / CATALOGUES[language] / "LC_MESSAGES" / "web.po"


def renewed(language: str, known: Mapping[Text, str | tuple[str, ...]]) -> Catalog:
    """A catalogue of every text there is, with the translations that are known."""
    made = Catalog(locale=CATALOGUES[language], fuzzy=False)
    for text in sorted(texts(), key=lambda each: each if isinstance(each, str) else each[0]):
        made.add(text, known.get(text, "" if isinstance(text, str) else ("",)))
    return made


def held(language: str) -> dict[Text, str | tuple[str, ...]]:
    """What a language's catalogue says now."""
    with path(language).open("rb") as file:
        catalogue = read_po(file, locale=CATALOGUES[language])
    found: dict[Text, str | tuple[str, ...]] = {}
    for message in catalogue:
        if message.id:
            key = message.id if isinstance(message.id, str) else (message.id[0], message.id[1])
            said = message.string
            found[key] = said if isinstance(said, str) else tuple(said or ())
    return found


def missing(language: str) -> list[Text]:
    """The texts that have no translation in a language."""
    known = held(language)
    return sorted((text for text in texts() if not any(known.get(text, ()))), key=str)


def written(catalogue: Catalog) -> bytes:
    """A catalogue as a file, the same bytes for the same texts."""
    made = BytesIO()
    write_po(made, catalogue, width=_WIDTH, omit_header=True, sort_output=True)
    plural = f"nplurals={catalogue.num_plurals}; plural={catalogue.plural_expr};"
    header = _HEADER.format(language=catalogue.locale_identifier, plural=plural)
    return header.encode() + made.getvalue()


def main() -> int:
    """Renew every catalogue; 1 if something is left to translate."""
    left = 0
    for language in LANGUAGES:
        if language not in CATALOGUES:
            continue
        made = renewed(language, held(language))
        path(language).write_bytes(written(made))
        lacking = missing(language)
        left += len(lacking)
        sys.stdout.write(f"{path(language).relative_to(_PACKAGE.parent)}: {len(lacking)} missing\n")
        sys.stdout.writelines(f"  {text}\n" for text in lacking)
    return 1 if left else 0


if __name__ == "__main__":
    raise SystemExit(main())

"""The languages of the pages: translations, and money, dates and zones as each writes them.

Translations are gettext catalogues (``locale/<language>/LC_MESSAGES/web.po``), read when the
service starts; what is not translated is shown in English, and a test says that there is none.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import Locale, dates, plural
from babel.messages.pofile import read_po

from odr.money import Money

LOCALES: Final = Path(__file__).parent / "locale"
LANGUAGES: Final[Mapping[str, str]] = {"en": "English", "zh": "中文"}
CATALOGUES: Final = {"zh": "zh_CN"}
_REGIONS: Final = {"en": "en_GB", "zh": "zh_Hans_CN"}
_DAY_SECONDS: Final = 86_400
INSTANT: Final = "%(day)s, %(time)s (%(place)s)"
"""How day, time and the zone's city stand together, to be translated."""


@cache
def catalogue(language: str) -> Mapping[str, str | tuple[str, ...]]:
    """The translations of a language by their English text; empty for English."""
    folder = CATALOGUES.get(language)
    if folder is None:
        return {}
    path = LOCALES / folder / "LC_MESSAGES" / "web.po"
    with path.open("rb") as file:
        found = read_po(file, locale=folder)
    texts: dict[str, str | tuple[str, ...]] = {}
    for message in found:
        if message.id and message.string and not message.fuzzy:
            key = message.id[0] if isinstance(message.id, tuple | list) else message.id
            string = message.string
            texts[key] = string if isinstance(string, str) else tuple(string)
    return texts


@dataclass(frozen=True, slots=True)
class Wording:
    """How one reader is addressed: a language of ``LANGUAGES`` and an IANA time zone."""

    language: str
    zone: str

    @property
    def locale(self) -> Locale:
        """Babel's locale for the language."""
        return Locale.parse(_REGIONS[self.language])

    @property
    def direction(self) -> str:
        """``ltr`` or ``rtl``, for the page."""
        return self.locale.text_direction

    @property
    def _zone(self) -> ZoneInfo:
        try:
            return ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError):
            return ZoneInfo("UTC")

    def gettext(self, text: str) -> str:
        """``text`` in the reader's language."""
        found = catalogue(self.language).get(text, text)
        return found if isinstance(found, str) else found[0]

    def ngettext(self, one: str, many: str, count: int) -> str:
        """The form of a counted text for ``count``."""
        found = catalogue(self.language).get(one)
        if isinstance(found, tuple):
            return found[min(_form(self.locale, count), len(found) - 1)]
        return one if count == 1 else many

    def money(self, amount_minor: int, currency: str) -> str:
        """An amount as the reader's language writes it."""
        return Money(amount_minor, currency).format(_REGIONS[self.language])

    def instant(self, value: str | datetime) -> str:
        """Day and time in the reader's zone, with the zone's name."""
        place = dates.get_timezone_location(self._zone, locale=self.locale, return_city=True)
        return self.gettext(INSTANT) % {
            "day": self.weekday(value),
            "time": self.time(value),
            "place": "UTC" if self._zone.key == "UTC" else place,
        }

    def time(self, value: str | datetime) -> str:
        """The time of day in the reader's zone."""
        at = _aware(value).astimezone(self._zone)
        return dates.format_time(at, "short", tzinfo=self._zone, locale=self.locale)

    def weekday(self, value: str | datetime) -> str:
        """A day with its weekday, in the reader's zone."""
        at = _aware(value).astimezone(self._zone)
        return dates.format_skeleton("yMMMEd", at, locale=self.locale)

    def day(self, value: str | datetime | date) -> str:
        """A day in the reader's zone."""
        if isinstance(value, date) and not isinstance(value, datetime):
            return dates.format_date(value, "medium", locale=self.locale)
        at = _aware(value).astimezone(self._zone)
        return dates.format_date(at.date(), "medium", locale=self.locale)

    def left(self, due: str | datetime, now: datetime) -> str:
        """How long there is until ``due``: "in 2 days"; also for what has passed."""
        seconds = (_aware(due) - now).total_seconds()
        threshold = 1.5 if abs(seconds) < _DAY_SECONDS else 1.0
        return dates.format_timedelta(
            _aware(due) - now, add_direction=True, threshold=threshold, locale=self.locale
        )


def _aware(value: str | datetime | date) -> datetime:
    if isinstance(value, str):
        return datetime.fromisoformat(value)
    if isinstance(value, datetime):
        return value
    return datetime(value.year, value.month, value.day, tzinfo=UTC)


def _form(locale: Locale, count: int) -> int:
    tag = locale.plural_form(count)
    tags = sorted(locale.plural_form.tags | {"other"}, key=plural._plural_tags.index)  # noqa: SLF001 - babel has no public order of its tags
    return tags.index(tag)


def chosen(wanted: str | None, accepted: str) -> str:
    """The language to speak: the one chosen, or the first accepted one that there is."""
    for part in (wanted or "", *accepted.lower().split(",")):
        language = part.split(";")[0].strip().split("-")[0]
        if language in LANGUAGES:
            return language
    return "en"

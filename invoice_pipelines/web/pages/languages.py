"""The languages of the desk: texts by gettext, and amounts and days as people of a language write them.

Texts stand in the code in English. `locale/LANGUAGE/*.po` has the others, a file for each part of the desk; they are
read as they are, so that nothing has to be compiled.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from functools import cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path

from babel import Locale, dates, numbers
from babel.core import negotiate_locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from fastapi import Request

LANGUAGES = {"en": "English", "de": "Deutsch"}
"""By code, each in its own words. The first is that of who wants none of them."""
LANGUAGE_COOKIE = "__Host-language"
HERE = Path(__file__).parents[1] / "locale"
_RUN = re.compile(r"(?:(?P<person>.+) \()?run [0-9a-f-]+\)?|sensor|invoice_pipelines")
_LOCALES = {"en": Locale("en", "GB"), "de": Locale("de", "DE")}


class Language:
    """A language, with the time zone in which its reader lives: that of the organization."""

    def __init__(self, code: str, zone: tzinfo = UTC) -> None:
        self.code = code
        self._zone = zone
        self._locale = _LOCALES[code]
        self._texts = texts_of(code)

    def gettext(self, message: str) -> str:
        """A text of the code in the language."""
        return self._texts.gettext(message)

    def ngettext(self, one: str, many: str, count: int) -> str:
        """Likewise, of so many things."""
        return self._texts.ngettext(one, many, count)

    def in_english(self, words: str) -> str:
        """What a program or a provider says in English, and nobody has put into other words: marked as such for who
        reads another language.
        """
        return words if self.code == "en" or not words else self.gettext("in English: %(words)s") % {"words": words}

    def amount(self, value: Decimal | None, currency: str | None = None) -> str:
        """An amount of money, such as 1.190,00 EUR; a dash where there is none."""
        if value is None:
            return "–"
        shown = numbers.format_decimal(value, "#,##0.00#####", locale=self._locale)
        return f"{shown}\u00a0{currency}" if currency else shown

    def number(self, value: Decimal | float | None) -> str:
        """A number that is no money: a Decimal, such as a quantity, with all its digits."""
        if value is None:
            return "–"
        return numbers.format_decimal(value, locale=self._locale, decimal_quantization=not isinstance(value, Decimal))

    def percent(self, share: float | None) -> str:
        """A share of 1 as a percentage."""
        return "–" if share is None else self.rate(round(Decimal(share) * 100, 1))

    def rate(self, percent: Decimal | None) -> str:
        """So many percent, such as 19 % in German and 19% in English."""
        if percent is None:
            return "–"
        return f"{self.number(percent)}\u00a0%" if self.code == "de" else f"{self.number(percent)}%"

    def day(self, value: date | None) -> str:
        """A day of the calendar."""
        return "–" if value is None else dates.format_date(value, "dd.MM.yyyy" if self.code == "de" else "d MMM yyyy")

    def month(self, value: date) -> str:
        """A month of a year."""
        return dates.format_date(value, "LLL yyyy", locale=self._locale)

    def moment(self, value: datetime | None) -> str:
        """A moment, in the zone of the organization."""
        if value is None:
            return "–"
        local = value.astimezone(self._zone)
        return f"{self.day(local.date())}, {local:%H:%M}"

    def ago(self, value: datetime | None) -> str:
        """How long ago a moment was, or how far ahead it is, such as "3 hours ago"."""
        if value is None:
            return "–"
        passed = value - datetime.now(UTC)
        return dates.format_timedelta(passed, add_direction=True, threshold=1.5, locale=self._locale)

    def who(self, actor: str | None) -> str:
        """Who did something, of what the audit trail names: of a run, the person who started it, if any."""
        if not actor:
            return "–"
        if match := _RUN.fullmatch(actor):
            actor = match["person"] or self.gettext("the pipeline")
        place, _, login = actor.partition(": ")
        if place == "command line":
            return (
                self.gettext("%(login)s at the command line") % {"login": login}
                if login
                else self.gettext("command line")
            )
        if actor.startswith("token "):
            return self.gettext("API token %(name)s") % {"name": actor.removeprefix("token ")}
        return actor

    def country(self, code: str | None) -> str:
        """The name of a country, of its code of two letters."""
        return str(self._locale.territories.get(code or "", code or "–"))

    def tongue(self, code: str) -> str:
        """The name of a language, of its code."""
        return str(self._locale.languages.get(code, code))

    def lasting(self, value: timedelta | float | None) -> str:
        """A length of time, or so many seconds, in its largest unit."""
        return "–" if value is None else dates.format_timedelta(_as_delta(value), threshold=1.5, locale=self._locale)


def language_of(request: Request, zone: tzinfo = UTC) -> Language:
    """What the reader chose, otherwise what the browser asks for, otherwise English."""
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    if chosen not in LANGUAGES:
        wanted = [part.partition(";")[0].strip() for part in request.headers.get("accept-language", "").split(",")]
        chosen = (negotiate_locale(wanted[:20], list(LANGUAGES), sep="-") or "en")[:2]
    return Language(chosen, zone)


@cache
def texts_of(code: str) -> NullTranslations:
    """The texts of a language, of all its files."""
    found: NullTranslations = NullTranslations()
    for file in sorted((HERE / code).glob("*.po")):
        compiled = BytesIO()
        with file.open("rb") as opened:
            write_mo(compiled, read_po(opened, locale=code))
        compiled.seek(0)
        read = GNUTranslations(compiled)
        read.add_fallback(found)
        found = read
    return found


def _as_delta(value: timedelta | float) -> timedelta:
    return value if isinstance(value, timedelta) else timedelta(seconds=value)

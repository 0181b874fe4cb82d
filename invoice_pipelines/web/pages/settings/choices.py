"""What can be chosen for a setting, in words."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from babel import Locale
from babel.numbers import get_currency_name, get_territory_currencies

from invoice_pipelines.organizations.time_zones import time_zones
from invoice_pipelines.registry import EXPORT_FORMATS, OCR_ENGINES
from invoice_pipelines.web.pages.languages import LANGUAGES, Language

_NO_COUNTRIES = frozenset({"EU", "EZ", "QO", "UN", "XA", "XB", "ZZ"})
Pairs = Sequence[tuple[str, str]]


def countries(language: Language) -> Pairs:
    """Countries by name."""
    return _countries(language.code)


def currencies(language: Language) -> Pairs:
    """The money of today, by code."""
    return _currencies(language.code)


def zones(_: Language) -> Pairs:
    """Time zones by the names of the IANA database, which people know by their cities."""
    return _zones()


def languages(_: Language) -> Pairs:
    """Those of documents and messages."""
    return list(LANGUAGES.items())


def papers(language: Language) -> Pairs:
    """Sizes of pages."""
    return [("a4", language.gettext("A4, window on the left")), ("us-letter", language.gettext("US Letter"))]


def engines(language: Language) -> Pairs:
    """What reads pictures."""
    _ = language.gettext
    known = {
        "rapidocr": _("RapidOCR, on our own server"),
        "tesseract": _("Tesseract, on our own server"),
        "cloud_vision": _("Google Cloud Vision: pages leave the house"),
    }
    return [
        ("", _("As the operator has set it")),
        *((name, known.get(name, name)) for name in OCR_ENGINES.names()),
        ("none", _("None: scans wait for a person")),
    ]


def formats(language: Language) -> Pairs:
    """Formats of exports."""
    known = {"CSV": language.gettext("CSV table"), "DATEV": language.gettext("DATEV batch of bookings")}
    return [(name, known.get(name, name)) for name in EXPORT_FORMATS.names()]


def charts(_: Language) -> Pairs:
    """Charts of accounts."""
    return [("SKR03", "SKR 03"), ("SKR04", "SKR 04")]


def months(language: Language) -> Pairs:
    """The months by name."""
    return [(str(number), name) for number, name in Locale(language.code).months["stand-alone"]["wide"].items()]


@cache
def _countries(code: str) -> Pairs:
    named = Locale(code).territories.items()
    found = [(short, str(name)) for short, name in named if len(short) == 2 and short not in _NO_COUNTRIES]
    return sorted(found, key=lambda pair: pair[1])


@cache
def _currencies(code: str) -> Pairs:
    used = {each for short, _ in _countries(code) for each in get_territory_currencies(short)}
    return [(each, f"{each} – {get_currency_name(each, locale=code)}") for each in sorted(used)]


@cache
def _zones() -> Pairs:
    named = (
        name for name in time_zones() if "/" in name and not name.startswith(("Etc/", "SystemV/", "posix", "right"))
    )
    return [(name, name.replace("_", " ").replace("/", " / ")) for name in ("UTC", *sorted(named))]

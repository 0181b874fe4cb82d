"""German for what rules say: what those of others demand (`messages_de.toml`), sentences of schemas, publishers and
readers (`sentences_de.toml`), and how amounts, dates and counts are written. Own rules bring their German with them.
"""

from __future__ import annotations

import functools
import re
import tomllib
from datetime import date
from decimal import Decimal
from importlib import resources
from typing import Any

_CATEGORY_RULE = re.compile(r"BR-([A-Z]{1,2})-(0[1-9]|10)")
# Factur-X EXTENDED has rules of EN 16931 in a form of its own, with variants (b, ini, rev) that demand the same.
_EXTENDED = re.compile(r"BR-FXEXT-(?:BR-)?(?P<category>[A-Z]{1,2}-)?(?P<number>S?\d\d)(?:b|ini|rev)?")
_GROUPED = re.compile(r"\d{1,3}(,\d{3})+")
_RENAMED_CATEGORIES = {"IG": "AF", "IP": "AG"}  # as older releases call them
_SWAPPED = str.maketrans(",.", ".,")


def as_german(value: Any) -> Any:
    """An amount as 1.190,00 with all its decimals, a date as 31.03.2026, a count as 2.800; anything else as it is."""
    match value:
        case Decimal():
            return f"{value:,f}".translate(_SWAPPED)
        case date():
            return f"{value:%d.%m.%Y}"
        case int():
            return f"{value:,}".translate(_SWAPPED)
    return value


def german_message(rule: str, text: str = "") -> str | None:
    """What a rule demands, in German; None for a rule that has no German text.

    `text` is what its publisher says of it, from which some are translated.
    """
    texts = _texts("messages_de.toml")
    known = texts["rules"]
    if rule in known:
        return str(known[rule])
    if rule in texts["once"]:
        return f"{texts['once'][rule]} darf höchstens einmal vorkommen."
    match = _CATEGORY_RULE.fullmatch(rule)
    if match is None and (extended := _EXTENDED.fullmatch(rule)):
        category, number = (extended["category"] or "").rstrip("-"), extended["number"]
        if number.startswith("S"):  # as one of them is written
            category, number = "S", number[1:]
        base = f"BR-{category}-{number}" if category else f"BR-{number}"
        return german_message(base)
    if match is None:
        return in_german(text)
    found = texts["categories"].get(_RENAMED_CATEGORIES.get(match.group(1), match.group(1)))
    return str(texts["category_rules"][match.group(2)]).format(**found) if found else None


def in_german(sentence: str) -> str | None:
    """A sentence of a reader, a schema or a publisher in German; None where it is not known."""
    for pattern, german in _sentences():
        if match := pattern.fullmatch(sentence):
            return german.format(sentence, *(_german_number(group or "-") for group in match.groups()))
    return None


def _german_number(text: str) -> str:
    return text.replace(",", ".") if _GROUPED.fullmatch(text) else text


@functools.cache
def _sentences() -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((re.compile(entry["en"]), entry["de"]) for entry in _texts("sentences_de.toml")["sentences"])


@functools.cache
def _texts(name: str) -> dict[str, Any]:
    return tomllib.loads(resources.files(__package__).joinpath(name).read_text("utf-8"))

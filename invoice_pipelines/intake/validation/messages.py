"""Holds the look-up of German messages: what the rules of others demand (`messages_de.toml`), and how sentences of
readers and schemas are said in German (`sentences_de.toml`).

The messages of this project's own rules stand with those rules, in both languages.
"""

from __future__ import annotations

import functools
import re
import tomllib
from importlib import resources
from typing import Any

_CATEGORY_RULE = re.compile(r"BR-([A-Z]{1,2})-(0[1-9]|10)")
# Factur-X EXTENDED has rules of EN 16931 in a form of its own, with variants (b, ini, rev) that demand the same.
_EXTENDED = re.compile(r"BR-FXEXT-(?:BR-)?(?P<category>[A-Z]{1,2}-)?(?P<number>S?\d\d)(?:b|ini|rev)?")
_GROUPED = re.compile(r"\d{1,3}(,\d{3})+")
_RENAMED_CATEGORIES = {"IG": "AF", "IP": "AG"}  # as older releases call them
_OF_READING = {  # codes of `ReadingError` whose sentences vary too much, or come from other libraries
    "PDF_ENCRYPTED": "Das PDF ist durch ein Kennwort geschützt; bitte ohne Kennwort anfordern.",
    "PDF_DAMAGED": "Das PDF ist beschädigt; bitte erneut anfordern.",
    "PDF_TOO_MANY_PAGES": "Das PDF hat zu viele Seiten.",
    "PDF_TOO_MANY_ATTACHMENTS": "Das PDF hat zu viele Anhänge.",
    "PDF_TOO_MUCH_TEXT": "Das PDF enthält zu viel Text.",
    "PDF_TOO_COMPLEX": "Das PDF ist zu aufwendig, um gelesen zu werden.",
    "PDF_NO_TEXT_LAYER": "Das PDF enthält keinen Text, nur Bilder, und die Texterkennung ist abgeschaltet.",
    "PDF_TOO_MANY_SCANNED_PAGES": "Das PDF hat zu viele Seiten, die nur Bilder sind.",
    "NO_OCR_ENGINE": "Das Dokument ist ein Bild, und die Texterkennung ist abgeschaltet.",
    "OCR_NO_TEXT": "Auf den Seiten wurde kein Text erkannt.",
    "OCR_UNAVAILABLE": "Die Texterkennung steht nicht zur Verfügung.",
    "OCR_TIMEOUT": "Die Texterkennung einer Seite hat zu lange gedauert.",
    "OCR_PROCESS_DIED": "Die Texterkennung ist abgebrochen; möglicherweise fehlt Speicher.",
    "OCR_FAILED": "Die Texterkennung einer Seite ist gescheitert.",
    "PICTURE_DAMAGED": "Das Bild ist beschädigt; bitte erneut anfordern.",
    "PICTURE_TOO_LARGE": "Das Bild ist zu groß.",
    "PICTURE_TOO_SMALL": "Das Bild ist zu klein, um lesbar zu sein.",
    "PICTURE_TOO_MANY_PAGES": "Das Bild hat zu viele Seiten.",
    "NOT_A_FILE": "Das ist keine Datei.",
    "NOT_AN_INVOICE": "Das Dokument ist keine Rechnung.",
    "FILE_UNREADABLE": "Die Datei lässt sich nicht öffnen.",
}


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


def german_reading_error(code: str, message: str) -> str:
    """Why a document cannot be read, in German; the English message where there is no German one."""
    return in_german(message) or _OF_READING.get(code) or message


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
    return tomllib.loads(resources.files("invoice_pipelines.intake.validation").joinpath(name).read_text("utf-8"))

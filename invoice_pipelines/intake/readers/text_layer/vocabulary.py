"""Holds the words of invoices by language, as loaded from the files in `labels/`, and how text is compared with them.

To add a language, add a file; nothing else knows which languages there are. Not here: where labels stand on a page
(see `labels`) and what their values are.
"""

from __future__ import annotations

import tomllib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import chain


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a phrase stands for. `group` is the table of the file (labels, amounts, columns, titles), `kind` its key."""

    group: str
    kind: str
    language: str


@dataclass(frozen=True)
class Vocabulary:
    """The phrases of all languages, by their `key`, each with the meanings it has; and what dates and numbers need.

    `months` maps the key of a month's name to its number. `day_first` and `decimal` are by language.
    """

    phrases: Mapping[str, tuple[Meaning, ...]]
    title_endings: Mapping[str, Meaning]
    months: Mapping[str, int]
    day_first: Mapping[str, bool]
    decimal: Mapping[str, str]
    legal_forms: frozenset[str]
    salutations: frozenset[str]
    longest: int


def key(text: str) -> str:
    """The text without case, accents, blanks and punctuation: what phrases are compared by. `#` and `%` stay.

    >>> key("Rechnungs-Nr.:")
    'rechnungsnr'
    """
    folded = text.casefold()
    if not folded.isascii():
        folded = unicodedata.normalize("NFKD", folded)
    return "".join(character for character in folded if character.isalnum() or character in "#%")


@cache
def load_vocabulary() -> Vocabulary:
    """The vocabulary of all languages that have a file in `labels/`."""
    phrases: dict[str, dict[Meaning, None]] = {}
    title_endings: dict[str, Meaning] = {}
    months: dict[str, int] = {}
    day_first: dict[str, bool] = {}
    decimal: dict[str, str] = {}
    legal_forms: set[str] = set()
    salutations: set[str] = set()
    files = resources.files(__package__) / "labels"
    for file in sorted(files.iterdir(), key=lambda file: file.name):
        if not file.name.endswith(".toml"):
            continue
        language = file.name.removesuffix(".toml")
        content = tomllib.loads(file.read_text(encoding="utf-8"))
        day_first[language] = content["day_first"]
        decimal[language] = content["decimal"]
        for ending in content["title_endings"]:
            title_endings[key(ending)] = Meaning("titles", "380", language)
        legal_forms.update(map(key, content["legal_forms"]))
        salutations.update(map(key, content["salutations"]))
        for number, names in enumerate(content["months"], start=1):
            months.update((key(name), number) for name in names)
        for group in ("labels", "amounts", "columns", "titles"):
            for kind, texts in content[group].items():
                for text in texts:
                    phrases.setdefault(key(text), {})[Meaning(group, kind, language)] = None
    return Vocabulary(
        {phrase: tuple(meanings) for phrase, meanings in phrases.items()},
        title_endings,
        months,
        day_first,
        decimal,
        frozenset(legal_forms),
        frozenset(salutations),
        longest=max(len(phrase) for phrase in chain(phrases, title_endings)),
    )

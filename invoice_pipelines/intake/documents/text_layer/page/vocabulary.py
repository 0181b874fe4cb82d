"""The words of invoices by language, as loaded from the files in `labels/`, and how text is compared with them.

To add a language, add a file; nothing else knows which languages there are. Not here: where labels stand on a page
(see `labels`) and what their values are.
"""

from __future__ import annotations

import tomllib
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from itertools import chain
from typing import Any

# Below this many words of its own a language is not taken to be that of a document, and neither is one with a smaller
# share of them than another has.
_CLEAR = 3.0
_SHARE = 0.12

_STROKES = str.maketrans("łøđħ", "lodh")  # letters with a stroke, which are no letters with an accent to Unicode
_ALIKE = str.maketrans("i1|0", "lllo")
_SHORTEST_ALIKE = 5
_SHORTEST_FUZZY = 8
_SHORTEST_CUT = 7
_SHORTEST_TITLE = 6

TITLES = ("titles", "other_titles")
"""The groups of phrases that stand for themselves."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """The meaning of a phrase. `group` is the table of the file (labels, amounts, columns, titles, other_titles) and
    `kind` its key."""

    group: str
    kind: str
    language: str


@dataclass(frozen=True)
class Vocabulary:
    """The phrases of all languages, by their `key`, each with the meanings it has; and what dates and numbers need.

    `languages` maps the key of a word to the languages it is a word of, of those that the phrases are made of and of
    those that stand in any text. `months` maps the key of a month's name to its number. `day_first` and `decimal` are
    by language.
    """

    phrases: Mapping[str, tuple[Meaning, ...]]
    title_endings: Mapping[str, Meaning]
    months: Mapping[str, int]
    day_first: Mapping[str, bool]
    decimal: Mapping[str, str]
    legal_forms: frozenset[str]
    salutations: frozenset[str]
    longest: int
    languages: Mapping[str, tuple[str, ...]]

    def spelled(self, known: str) -> str:
        """The key of a phrase for the key of a word that was misread, if it looks like only that one: i, l and 1 are
        alike, and of a long word one letter may be another. Other keys as they are."""
        if len(known) < _SHORTEST_ALIKE or known in self.phrases or known in self.languages:
            return known
        spelled = self._alike.get(known.translate(_ALIKE)) or self._cut.get(known)
        if spelled is None and len(known) >= _SHORTEST_FUZZY and sum(map(str.isalpha, known)) >= len(known) - 1:
            found = {self._fuzzy[form] for form in _with_gap(known) if form in self._fuzzy}
            spelled = found.pop() if len(found) == 1 else None
        return spelled or known

    def title_like(self, known: str) -> tuple[Meaning, ...]:
        """What titles mean that differ in one letter from the key of what stands alone in a cell; nothing where they
        mean different things."""
        found = {meaning for form in _with_gap(known) for meaning in self._titles.get(form, ())}
        return tuple(found) if len({(meaning.group, meaning.kind) for meaning in found}) == 1 else ()

    @cached_property
    def _titles(self) -> Mapping[str, set[Meaning]]:
        forms: dict[str, set[Meaning]] = defaultdict(set)
        for phrase, meanings in self.phrases.items():
            if len(phrase) >= _SHORTEST_TITLE:
                for form in _with_gap(phrase):
                    forms[form].update(meaning for meaning in meanings if meaning.group in TITLES)
        return {form: meanings for form, meanings in forms.items() if meanings}

    @cached_property
    def titles(self) -> Mapping[str, frozenset[str]]:
        """The titles of each kind."""
        found: dict[str, set[str]] = defaultdict(set)
        for phrase, meanings in self.phrases.items():
            for meaning in meanings:
                if meaning.group == "titles":
                    found[meaning.kind].add(phrase)
        return {kind: frozenset(phrases) for kind, phrases in found.items()}

    @cached_property
    def _alike(self) -> Mapping[str, str]:
        return _unique((phrase.translate(_ALIKE), phrase) for phrase in self.phrases if len(phrase) >= _SHORTEST_ALIKE)

    @cached_property
    def _cut(self) -> Mapping[str, str]:
        """Labels of numbers whose first letters the edge of the paper took ("nungs-Nr."), where that leaves only one
        meaning."""
        ends: dict[str, str] = {}
        of_others: set[str] = set()
        for phrase, meanings in self.phrases.items():
            is_number = all(meaning.group == "labels" and meaning.kind == "number" for meaning in meanings)
            for start in range(1, len(phrase) - _SHORTEST_CUT + 1):
                if is_number:
                    ends.setdefault(phrase[start:], phrase)
                else:
                    of_others.add(phrase[start:])
        return {end: phrase for end, phrase in ends.items() if end not in of_others}

    @cached_property
    def _fuzzy(self) -> Mapping[str, str]:
        long = (phrase for phrase in self.phrases if len(phrase) >= _SHORTEST_FUZZY)
        return _unique((form, phrase) for phrase in long for form in _with_gap(phrase))


def _unique(pairs: Iterable[tuple[str, str]]) -> Mapping[str, str]:
    """The phrase of each form; the empty text where a form is that of several."""
    phrases: dict[str, str] = {}
    for form, phrase in pairs:
        phrases[form] = phrase if phrases.get(form, phrase) == phrase else ""
    return phrases


def _with_gap(text: str) -> Iterable[str]:
    return (f"{text[:index]}?{text[index + 1 :]}" for index in range(len(text)))


def key(text: str) -> str:
    """The text without case, accents, blanks and punctuation: what phrases are compared by. `#` and `%` stay.

    >>> key("Rechnungs-Nr.:")
    'rechnungsnr'
    """
    folded = text.casefold()
    if not folded.isascii():
        folded = unicodedata.normalize("NFKD", folded.translate(_STROKES))
    return "".join(character for character in folded if character.isalnum() or character in "#%")


_known = cache(key)
"""Of the words of the files, which stand in the vocabulary of each choice of languages."""


def vocabulary_of(texts: Iterable[str]) -> Vocabulary:
    """The vocabulary of the languages that a document with these words is written in; of all, where that is not clear.

    What is a label in one language is an ordinary word in another ("data", "due", "per"), so the others stay out.
    """
    everything = load_vocabulary()
    scores: dict[str, float] = defaultdict(float)
    for word in {key(text) for text in texts}:
        languages = everything.languages.get(word, ())
        for language in languages:
            scores[language] += 1 / len(languages)
    best = max(scores.values(), default=0.0)
    if best < _CLEAR:
        return everything
    return load_vocabulary(frozenset(language for language, score in scores.items() if score >= _SHARE * best))


@cache
def load_vocabulary(languages: frozenset[str] | None = None) -> Vocabulary:
    """The vocabulary of some languages, by the names of their files in `labels/`; without a choice, of all."""
    phrases: dict[str, dict[Meaning, None]] = {}
    title_endings: dict[str, Meaning] = {}
    months: dict[str, int] = {}
    day_first: dict[str, bool] = {}
    decimal: dict[str, str] = {}
    legal_forms: set[str] = set()
    salutations: set[str] = set()
    words: dict[str, dict[str, None]] = {}
    for language, content in _files().items():
        # Names of months and companies are understood in any document.
        legal_forms.update(map(_known, content["legal_forms"]))
        for number, names in enumerate(content["months"], start=1):
            months.update((_known(name), number) for name in names)
        day_first[language] = content["day_first"]
        decimal[language] = content["decimal"]
        if languages is not None and language not in languages:
            # "Invoice" is the title of documents that are otherwise in another language.
            for group in ("titles", "other_titles"):
                for code, texts in content.get(group, {}).items():
                    phrases.setdefault(_known(texts[0]), {})[Meaning(group, code, language)] = None
            continue
        for ending in content["title_endings"]:
            title_endings[_known(ending)] = Meaning("titles", "380", language)
        salutations.update(map(_known, content["salutations"]))
        for text in content["common"]:
            words.setdefault(_known(text), {})[language] = None
        for group in ("labels", "amounts", "columns", "titles"):
            for kind, texts in content.get(group, {}).items():
                for text in texts:
                    phrases.setdefault(_known(text), {})[Meaning(group, kind, language)] = None
                    for word in text.replace("/", " ").split():
                        if len(_known(word)) > 2:
                            words.setdefault(_known(word), {})[language] = None
        for kind, texts in content.get("other_titles", {}).items():
            for text in texts:
                phrases.setdefault(_known(text), {})[Meaning("other_titles", kind, language)] = None
    return Vocabulary(
        {phrase: tuple(meanings) for phrase, meanings in phrases.items()},
        title_endings,
        months,
        day_first,
        decimal,
        frozenset(legal_forms),
        frozenset(salutations),
        longest=max(len(phrase) for phrase in chain(phrases, title_endings)),
        languages={word: tuple(spoken) for word, spoken in words.items()},
    )


@cache
def _files() -> Mapping[str, Mapping[str, Any]]:
    """The content of each file in `labels/` by its name, which is the code of the language (ISO 639-1)."""
    folder = resources.files(__package__) / "labels"
    return {
        file.name.removesuffix(".toml"): tomllib.loads(file.read_text(encoding="utf-8"))
        for file in sorted(folder.iterdir(), key=lambda file: file.name)
        if file.name.endswith(".toml")
    }

"""How the words of a name are spelled: whether they are printed once more, exactly or nearly, how well they are read,
and what they are where an engine has misread one letter."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from invoice_pipelines.intake.documents.text_layer.header import Found
from invoice_pipelines.intake.documents.text_layer.page.layout import Line
from invoice_pipelines.intake.documents.text_layer.page.recognized_words import FORM_REPAIRED
from invoice_pipelines.intake.documents.text_layer.page.vocabulary import Vocabulary, key
from invoice_pipelines.intake.documents.text_layer.page.words import Word
from invoice_pipelines.intake.documents.text_layer.ranking.words import are_words

WELL = (0.9, 0.95, 0.98, 0.99)
SITE = re.compile(r"(?i)(?:www\.|@|\b)([a-z\d.-]{3,60})\.[a-z]{2,3}\b")
# What a shop is, and not what it is called: "Pizzeria", "Indian Restaurant".
KIND = re.compile(
    r"(?i)(?:the|zum|zur|la|el|il|le|&|und|and|y|e|et|indian|indisches?|italian|argentini\w*|asia\w*|thai|sushi|fresh|super|new|"
    r"restaurante?|ristorante|pizzeria|trattoria|osteria|gasthaus|gasthof|gastst[äa]tte|hotel|hostal|caf[eéè]|kaffee|"
    r"coffee|bar|bistro|pub|lounge|brewery|brauhaus|grill|steakh(?:aus|ouse)|burgers?|kitchen|food|foods|imbiss|b[äa]ckerei|"
    r"fries|chicken|noodles?|ramen|sandwich(?:es)?|salads?|d[öo]ner|keba[bp]|tapas|wok|bakery|boulangerie|konditorei|metzgerei|markt|markets?|supermarket|supermarkt|shop|store|taxi\w*|apotheke|"
    r"pharmacy|drogerie|garage|tankstelle|parking|museum|ticket|tickets|inc|ltd|gmbh)"
)
# Digits and signs among letters, an I between small ones, and other alphabets, which engines take Latin letters for.
_ODD = re.compile(
    r"[^\W\d_]\d[^\W\d_]|\d[^\W\d_]{2}|[a-zß-ÿ][IJ][a-zß-ÿ]|[$*<>{}\[\]\\_^~|]|[^\x00-\u024f\u2010-\u201f\u20ac™®·]"
)
_PARTS = re.compile(r"[^\W_]+")
_ALIKE = {"l": "i", "I": "l", "1": "li", "0": "o"}
_LONG = 4
_WHOLE = 6


class Spelling:
    """What the lines of a page say of how names are spelled."""

    def __init__(self, lines: Sequence[Line], vocabulary: Vocabulary, recognized: bool) -> None:
        self.recognized = recognized
        self.words = [(word, known) for line in lines for word in line.words if len(known := key(word.text)) >= _LONG]
        self.lines = [({id(word) for word in line.words}, key(line.text)) for line in lines]
        self.sites = {key(match[1]) for line in lines for match in SITE.finditer(line.text.replace(". ", "."))}
        self.vocabulary = vocabulary

    def is_elsewhere(self, known: str, words: Sequence[Word]) -> bool:
        """Whether a whole name is in an address of the web, or printed in another line."""
        own = set(map(id, words))
        return len(known) >= _WHOLE and (
            any(known in site for site in self.sites) or any(known in text for ids, text in self.lines if not ids & own)
        )

    def put_right(self, found: Found[str]) -> Found[str]:
        """The name with another word for each that is none, if that word stands elsewhere and one letter differs, or if
        letters that look alike make one single word of it ("drogerle")."""
        if not self.recognized:
            return found
        own = set(map(id, found.words))
        others = {known: word.text for word, known in self.words if id(word) not in own and not _ODD.search(word.text)}
        value = _PARTS.sub(lambda part: self._put_right(part[0], others), found.value)
        return found if value == found.value else replace(found, value=value)

    def _put_right(self, text: str, others: dict[str, str]) -> str:
        known = key(text)
        if len(known) < _LONG or are_words(text) or known in self.vocabulary.legal_forms or not known.isalnum():
            return text
        odd = _ODD.search(text)
        near: set[str] = {
            part for other in others.values() for part in _PARTS.findall(other) if _nearly(known, key(part))
        }
        near = near if odd else {part for part in near if are_words(part)}
        near = near or {variant for variant in _variants(text) if len(variant) > _LONG and are_words(variant)}
        if len({key(one) for one in near}) != 1:
            return text
        right = min(near)
        return right.upper() if text.isupper() else right.capitalize() if text[0].isupper() else right.lower()

    def said_of(self, found: Found[str], form: str) -> Iterator[str]:
        """What is to be said of a name."""
        forms = self.vocabulary.legal_forms
        plain = [known for word in found.words if (known := key(word.text)) and known not in forms]
        telling = [known for known in plain if len(known) >= _LONG and not KIND.fullmatch(known)]
        whole = "".join(plain)
        if len(whole) >= _LONG and any(whole in site for site in self.sites):
            yield "whole in a site"
            yield f"{form} whole in a site"
        if telling and any(telling[0] in site for site in self.sites):
            yield "first in a site"
        if not self.recognized:
            yield "printed"
            return
        if self.is_elsewhere(whole, found.words):
            yield "whole elsewhere"
        own = set(map(id, found.words))
        others = {known for word, known in self.words if id(word) not in own}
        again = {known for known in telling if known in others or any(known in site for site in self.sites)}
        if telling and again == set(telling):
            yield f"{form} printed again"
        elif again:
            yield f"{form} partly printed again"
        if any(_nearly(known, other) for known in telling if known not in again for other in (*others, *self.sites)):
            yield f"{form} spelled otherwise elsewhere"
        read = sum(min(word.confidence for word in found.words) >= step for step in WELL)
        yield f"read {read}"
        yield f"{form} read {read}"
        if key(found.value) != key(found.text) or min(word.confidence for word in found.words) <= FORM_REPAIRED:
            yield "put right"
        if any(_ODD.search(word) for word in found.value.split()):
            yield "odd letters"
        if are_words(" ".join(word for word in found.value.split() if key(word) not in forms)):
            yield "words"
            yield f"{form} words"


def _variants(text: str) -> Iterator[str]:
    for place, letter in enumerate(text):
        for other in _ALIKE.get(letter, ""):
            yield text[:place] + other + text[place + 1 :]


def _nearly(one: str, other: str) -> bool:
    """Whether two words differ by one letter that is not there or is another one."""
    if abs(len(one) - len(other)) > 1 or one == other or (one[0] != other[0] and one[-1] != other[-1]):
        return False
    if len(one) == len(other):
        return sum(a != b for a, b in zip(one, other, strict=True)) == 1
    short, long = sorted((one, other), key=len)
    return short not in long and any(long[:i] + long[i + 1 :] == short for i in range(len(long)))

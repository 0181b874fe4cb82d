"""What a name looks like: of a company by its legal form, of anybody by being no address and no number."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from invoice_pipelines.intake.documents.text_layer.header import Found
from invoice_pipelines.intake.documents.text_layer.page.layout import Cell
from invoice_pipelines.intake.documents.text_layer.page.vocabulary import Vocabulary, key
from invoice_pipelines.intake.documents.text_layer.page.words import Word

_POST_CODE = re.compile(r"^(?:[A-Z]{1,2}[- ])?\d{4,5} [^\W\d_]{2,}")
# Where the town comes first: "Dublin D02 X285", "Toronto ON M5V 2T6", "Seattle WA 98101", "Leeds LS1 4AP".
_TOWN_FIRST = re.compile(
    r"^[^\W\d_][^\d]{1,40}[ ,](?:[A-Z]{2},? )?"
    r"(?:[A-Z]{2} \d{5}(?:-\d{4})?|[A-Z]\d[A-Z] ?\d[A-Z]\d|[A-Z]{1,2}\d[A-Z\d]? \d[A-Z]{2}|[A-Z]\d[\dW] [A-Z\d]{4})$"
)
STREET = re.compile(
    r"(?i)\b(?:rue|route|place|street|st|road|rd|avenue|ave|boulevard|blvd|drive|lane|square|via|viale|piazza|calle|paseo|avda|plaza|"
    r"plac|ulica|ul|weg|allee|platz|gade|gata|laan|straat|str)\b|stra(?:ss|ß)e|(?:gasse|gatan|gade|straat|weg|platz|str)\b"
)
_SEPARATOR = re.compile(r"^[|·•●∙,;*\-–—/]+$")
_STATES = frozenset({"nv", "co"})
_SHORT_FORM = 2
_LONGEST = 9  # words
_FORMS_IN_FRONT = frozenset({"uab", "sia", "pt"})  # Lithuania, Latvia, Indonesia
_BEFORE = frozenset({"der", "die", "das", "des", "dem", "bei", "durch", "by", "from", "to", "par", "por"})


def name_of(words: Sequence[Word], vocabulary: Vocabulary, confidence: float) -> Found[str] | None:
    """The words as a name, without separators before and after and without a form of address."""
    kept = list(words)
    while kept and (not key(kept[0].text) or key(kept[0].text) in vocabulary.salutations):
        kept.pop(0)
    while kept and not key(kept[-1].text):
        kept.pop()
    if not kept:
        return None
    value = " ".join(word.text.strip("_*<>") for word in kept).strip(" ,;:|·•")
    letters = sum(character.isalpha() for character in value)
    if letters < 2 or letters < len(value) * 0.5 or len(value) > 120 or is_town(value):
        return None
    return Found(value, tuple(kept), round(confidence * min(word.confidence for word in kept), 3))


def pieces(cell: Cell, vocabulary: Vocabulary) -> Iterator[tuple[Word, ...]]:
    """The parts of a cell between separators such as bullets and dashes; commas end a part, too."""
    piece: list[Word] = []
    for index, word in enumerate(cell.words):
        if _SEPARATOR.match(word.text):
            if piece:
                yield tuple(piece)
            piece = []
            continue
        piece.append(word)
        follower = cell.words[index + 1].text if index + 1 < len(cell.words) else ""
        if word.text.endswith((",", ";")) and key(follower) not in vocabulary.legal_forms:
            yield tuple(piece)
            piece = []
    if piece:
        yield tuple(piece)


def company(words: Sequence[Word], vocabulary: Vocabulary) -> Found[str] | None:
    """The words up to a legal form, if there is one after a name; two letters in capitals only, as "Sa" is a day."""
    in_front = len(words) > 1 and words[0].text.isupper() and key(words[0].text) in _FORMS_IN_FRONT
    if in_front and len(words) <= _LONGEST and len(key(words[1].text)) > _SHORT_FORM:
        return name_of(words, vocabulary, 0.7)
    last = 0
    for index, word in enumerate(words):
        form = key(word.text)
        dotted = "." in word.text[1:-1] and word.text != "e.g."  # "d.o.o.", "a.s."
        short = len(form) <= _SHORT_FORM and not dotted
        written = word.text.isupper() if short else word.text[0].isupper() or dotted
        # "Sweden SE 516405399201", "Las Vegas, NV"
        place = index + 1 < len(words) and words[index + 1].text[:1].isdigit()
        place = place or (form in _STATES and words[index - 1].text.endswith(","))
        if index and form in vocabulary.legal_forms and written and not (short and place):
            last = index + 1
    named = [word.text for word in words[:last] if key(word.text) not in vocabulary.legal_forms | {"co", "und"}]
    article = bool(named) and (named[0].isdigit() or any("%" in text for text in named))
    # "Sitz der Premier Inn GmbH", "Emite: Starbucks S.L."
    first = max(
        (i + 1 for i, w in enumerate(words[: max(last - 2, 0)]) if w.text in _BEFORE or w.text.endswith(":")), default=0
    )
    if last - first > _LONGEST:  # a sentence before it: "... um 13:27 Uhr. DB Fernverkehr AG"
        first = max((index + 1 for index in range(last - 2) if words[index].text.endswith(".")), default=first)
    if not any(map(key, named)) or article or last - first > _LONGEST:
        return None
    return name_of(words[first:last], vocabulary, 0.7)


def is_town(text: str) -> bool:
    """Whether this is the line of an address that has the post code and the town."""
    return bool(_POST_CODE.match(text) or _TOWN_FIRST.match(text))

"""Puts right what an OCR engine read: words that were glued together, and digits read as letters,
where only one reading makes sense.

Words of a text layer never come here. What was read is kept as it is in `Reading.raw`; this is for finding fields only.
A repaired word is less sure than one that needed no repair.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from invoice_pipelines.intake.documents.text_layer.page.layout import enclosing
from invoice_pipelines.intake.documents.text_layer.page.notation import CURRENCIES, SYMBOLS
from invoice_pipelines.intake.documents.text_layer.page.vocabulary import Vocabulary, key, load_vocabulary
from invoice_pipelines.intake.documents.text_layer.page.words import Page, Word

_REPAIRED = 0.98
FORM_REPAIRED = 0.5
"""How sure a legal form is that was misread: what else it may belong to was hardly read better."""

_SHORTEST_GLUED = 7
_MOST_PARTS = 5
_SCRAP = 3

# "25/12/201818:30", "19%MwSt", "Betrag:12,50"
_SEAMS = (
    re.compile(r"(\d{1,2}[./-]\d{1,2}[./-]20\d{2})(\d{1,2}:\d{2}.*)"),
    re.compile(r"(20\d{2}[./-]\d{2}[./-]\d{2})(\d{1,2}:\d{2}.*)"),
    re.compile(r"(\d{1,2}[./-]\d{1,2}[./-]\d{2,4})([^\W\d_]{3,}.*)"),
    re.compile(r"(\d{1,2}[./-]\d{1,2}[./-]20\d{2})([A-Z]\..*)"),
    re.compile(r"((?:19|20)\d{2})(\d{1,2}:\d{2}.*)"),
    re.compile(r"(\d{1,2}[./-]\d{1,2}[./-]\d{2})(\d{2}:\d{2}.*)"),
    re.compile(r"(\d{1,2}[-/]?[^\W\d_]{3,9}[-/]?20\d{2})(\d{1,2}:\d{2}.*)"),
    re.compile(r"(d[ei]l?)((?:19|20)\d{2})"),
    re.compile(r"(\d{1,2}(?:[.,]\d{1,2})?%)([^\W\d_].*)"),
    re.compile(r"([^\W\d_][^\d]*[.:=])([-+(]?(?:€|[A-Z]{0,2}\$|£|RM)?\d.*)"),
    re.compile(r"([^\W\d_][^\d]*[.:])([A-Z]{2,3}\d{6}.*|[A-Z]{2}\d{2}[A-Z0-9]{4}.*)"),
    re.compile(r"((?i:iban)[.:]?)([A-Z]{2}\d{2}.*)"),
    re.compile(r"((?i:n[°º]|no\.|nr\.)[.:]*)((?:[A-Z]{1,4}-?)?\d.*)"),
    re.compile(r"(\w{2,})(&)"),
)
_WORD_AND_VALUE = re.compile(r"([^\W\d_][^\d]*?)((?:€|\$|£|[#(])?\d.*)")
_MONEY_OR_DATE = re.compile(
    r"\W*\d[\d.,]*[.,]\d{2}\D*|\W*\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|\(?\d{1,2}(?:[.,]\d{1,2})?%\W*"
)
_NAME_AND_FORM = re.compile(r"([^\W\d_]{2,}[^\W\d_A-Z])([A-Z][\w.]+)")
_OF_MONTH = re.compile(r"(d[ei]l?)([^\W\d_]{3,10})")
_MONTH_OF = re.compile(r"([^\W\d_]{3,10}?)(del?)((?:20\d{2})?)")
_NAME_AND_ID = re.compile(r"([^\W\d_][^\d]*?)([A-Z]{2}\d{8,}[A-Z0-9]*)")
_DAY_AND_MONTH = re.compile(r"(\d{1,2}\.?)([^\W\d_]{3,10})\.?((?:\d{4})?)")
_NUMBER = re.compile(r"[-(]?[\dOoIl|]{1,3}(?:[.,]?[\dOoIl|]{3})*[.,][\dOoIl|]{2}[-)]?")
_DATE = re.compile(r"[\dOoIl|]{1,2}([./-])[\dOoIl|]{1,2}\1(?:2[\dOoCc])?[\dOoIl|]{2}")
_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
_DIGITS = str.maketrans("OoCcIl|", "0000111")
# Legal forms, as engines misread them: "CimbH", "d. 0.0."; and LLC, which is one after a name only.
_FORMS = (
    (re.compile(r"(?:[GC6]|[C(][iIl1])[mn]b[HhtK]?"), "GmbH"),
    (re.compile(r"[dD]\.[0oO]\.[0oO]\.?"), "d.o.o."),
)
_LLC = re.compile(r"L[I1l]C|[I1l]LC")
_FORM_CUT, _FORM_REST = re.compile(r"[dD]\."), re.compile(r"[0oO]\.[0oO]\.?")
_CUT = re.compile(r"\d{1,6}[.,]")
_REST = re.compile(r"\d{2}(?!\d)")


def tidied(pages: Sequence[Page]) -> list[Page]:
    """The pages with the words of those that were recognized put right."""
    return [replace(page, words=tuple(_tidied(page.words))) if page.engine else page for page in pages]


def _tidied(words: Sequence[Word]) -> Iterator[Word]:
    vocabulary = load_vocabulary()
    before = ""
    for word in _joined([_plain(word) for word in words]):
        word, before = _with_form(word, before), word.text
        for part in _parts(word, vocabulary):
            yield _with_digits(part)


def _plain(word: Word) -> Word:
    """The word with the usual signs for those of full width, which engines take for them beside Latin letters."""
    plain = word.text.translate(_FULL_WIDTH)
    return word if plain == word.text else replace(word, text=plain)


def _with_form(word: Word, before: str) -> Word:
    """The word, or the legal form that it was misread from; `before` is the word before it."""
    form = next((form for misread, form in _FORMS if misread.fullmatch(word.text)), word.text)
    if _LLC.fullmatch(word.text) and before[-1:].islower():
        form = "LLC"
    return word if key(form) == key(word.text) else replace(word, text=form, confidence=word.confidence * FORM_REPAIRED)


def _joined(words: Sequence[Word]) -> Iterator[Word]:
    """Words, an amount as one whose decimals were read apart ("33. 90"), or all of it that is printed in wide letters
    ("10 0. 00"), where another one begins so, too; and so a legal form ("d. o.o.")."""
    beginnings = {word.text[:-2] for word in words}
    waiting: Word | None = None
    for word in words:
        if waiting is not None:
            height = waiting.box[3] - waiting.box[1]
            level = abs(word.box[1] - waiting.box[1]) < 0.4 * height
            near = -0.2 * height < word.box[0] - waiting.box[2] < 0.5 * height
            is_cut = near and _CUT.fullmatch(waiting.text) and _REST.match(word.text)
            is_wide = near and _CUT.fullmatch(word.text) and waiting.text + word.text in beginnings
            is_form = _FORM_CUT.fullmatch(waiting.text) and _FORM_REST.fullmatch(word.text)
            if level and (is_cut or is_wide or is_form):
                confidence = min(waiting.confidence, word.confidence) * _REPAIRED
                waiting = Word(waiting.text + word.text, enclosing((waiting.box, word.box)), word.page, confidence)
                continue
            yield waiting
        waiting = word
    if waiting is not None:
        yield waiting


def _parts(word: Word, vocabulary: Vocabulary) -> Iterator[Word]:
    """The words that one word is glued together of; most often itself."""
    meanings = vocabulary.phrases.get(key(word.text), ())
    # "Totaalexcl" heads a column, and is made of words that an amount is named by.
    if len(word.text) < 4 or any(meaning.group != "columns" for meaning in meanings):
        yield word
        return
    if label := _label_of(word.text, vocabulary):
        left, value = word.cut(label)
        yield from _parts(left, vocabulary)
        yield from _parts(value, vocabulary)
        return
    for seam in _SEAMS:
        if match := seam.fullmatch(word.text):
            for part in _groups(word, match):
                yield from _parts(part, vocabulary)
            return
    for form, group, known in (
        (_DAY_AND_MONTH, 2, vocabulary.months),
        (_OF_MONTH, 2, vocabulary.months),
        (_MONTH_OF, 1, vocabulary.months),
        (_NAME_AND_ID, 1, vocabulary.phrases),
        (_NAME_AND_FORM, 2, vocabulary.legal_forms - {"ag", "sa"}),
    ):
        match = form.fullmatch(word.text)
        if match and key(match[group]) in known:
            yield from _groups(word, match)
            return
    match = _WORD_AND_VALUE.fullmatch(word.text)
    # "RE4711" is the number of a document, "TOTAL12.50" and "Rechnungsnr.4711" are not.
    if match and len(key(match[1])) >= 3 and _may_be_value(match[1], match[2], vocabulary):
        for currency in ("", *(symbol for symbol in (*SYMBOLS, *CURRENCIES) if match[1].endswith(symbol))):
            name = match[1].removesuffix(currency)
            if key(name) in vocabulary.phrases or (
                len(key(name)) >= _SHORTEST_GLUED and _covered(key(name), vocabulary)
            ):
                left, right = word.cut(len(name))
                yield from _parts(left, vocabulary)
                yield right
                return
    text = word.text
    if len(key(text)) >= _SHORTEST_GLUED and text[0].isalpha() and not any(map(str.isdigit, text)):
        lengths = _covered(key(text), vocabulary)
        # "Toronto" is no "To ron to": of scraps of words, most things can be made.
        if lengths and len(lengths) > 1 and sum(length <= _SCRAP for length in lengths) < 2:
            for length in lengths[:-1]:
                left, word = word.cut(_end_of(word.text, length))
                yield left
    yield word


def _label_of(text: str, vocabulary: Vocabulary) -> int:
    """How long a label is that nothing but a colon divides from its value ("Rech-Nr.:K1/2021/17"), or a counter and a
    hyphen from what stands before it ("8-Fra:17"), with these; 0 where there is none."""
    label, colon, value = text.partition(":")
    before, hyphen, after = label.rpartition("-")
    if hyphen and before.isdigit() and key(after) in vocabulary.phrases:
        return len(before) + 1
    return len(label) + 1 if colon and value.strip(":. ") and key(label) in vocabulary.phrases else 0


def _may_be_value(name: str, value: str, vocabulary: Vocabulary) -> bool:
    if _MONEY_OR_DATE.fullmatch(value) or name.endswith((".", ":", "#", "°", "º")):
        return True
    # "MwSt19"
    return (
        value.isdigit()
        and len(value) < 3
        and not name.endswith("-")
        and any(meaning.kind in ("tax", "regional_tax") for meaning in vocabulary.phrases.get(key(name), ()))
    )


def _covered(text: str, vocabulary: Vocabulary) -> list[int] | None:
    """The lengths of the words that a key is made of, the fewest; None where known words do not cover it, or a single
    one does that is no label."""
    if text in vocabulary.languages:
        return None
    best: list[list[int] | None] = [[]] + [None] * len(text)
    for end in range(2, len(text) + 1):
        for start in range(end - 1, -1, -1):
            before = best[start]
            if before is None or len(before) >= _MOST_PARTS:
                continue
            part = text[start:end]
            known = part in vocabulary.phrases or part in vocabulary.languages or part.upper() in CURRENCIES
            if known and len(part) > 1 and (best[end] is None or len(before) + 1 < len(best[end] or [])):
                best[end] = [*before, end - start]
    return best[-1]


def _end_of(text: str, length: int) -> int:
    """Where in a text the first `length` characters of its key end, with the punctuation after them."""
    end = counted = 0
    while end < len(text) and counted < length:
        counted += len(key(text[end]))
        end += 1
    while end < len(text) and not key(text[end]) and text[end] not in "([":
        end += 1
    return end


def _groups(word: Word, match: re.Match[str]) -> Iterator[Word]:
    """The word, cut where the groups of a match of it end."""
    taken = 0
    for group in range(1, len(match.groups())):
        if match[group + 1]:
            left, word = word.cut(match.end(group) - taken)
            taken = match.end(group)
            yield left
    yield word


def _with_digits(word: Word) -> Word:
    """The word with digits for the letters that look like them, where it is an amount or a date beyond doubt."""
    text = word.text
    if not any(map(str.isdigit, text)) or not (_NUMBER.fullmatch(text) or _DATE.fullmatch(text)):
        return word
    digits = text.translate(_DIGITS)
    return word if digits == text else replace(word, text=digits, confidence=word.confidence * _REPAIRED)

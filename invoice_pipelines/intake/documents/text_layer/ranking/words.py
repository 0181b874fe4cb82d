"""Which words are words: some hundred thousand that ten languages use, names of people and towns among them.

An engine that misreads a letter of a word seldom makes another word of it ("drogerle"). The words themselves are not
kept, but a filter of bits (Bloom's) that takes about one in a hundred of other strings for a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from hashlib import blake2b
from importlib import resources

from invoice_pipelines.intake.documents.text_layer.page.vocabulary import key

FILE = "words.bin"
_BITS_OF_A_WORD = 10
_LOOKS = 7
_NO_LETTERS = re.compile(r"[\W\d_]+")
_OF_SOMEBODY = re.compile(r"['’]s\b", re.IGNORECASE)


def are_words(text: str) -> bool:
    """Whether all that is written in letters is words; False where nothing is."""
    parts = [known for part in _NO_LETTERS.split(_OF_SOMEBODY.sub("", text)) if (known := key(part))]
    return bool(parts) and all(len(part) > 1 and _is_word(part) for part in parts)


def _is_word(known: str) -> bool:
    bits = _load()
    return all(bits[place // 8] >> place % 8 & 1 for place in _places(known, 8 * len(bits)))


def filter_of(words: Iterable[str]) -> bytes:
    """The filter that knows these words."""
    known = sorted({key(word) for word in words})
    bits = bytearray(len(known) * _BITS_OF_A_WORD // 8 + 1)
    for word in known:
        for place in _places(word, 8 * len(bits)):
            bits[place // 8] |= 1 << place % 8
    return bytes(bits)


def _places(known: str, size: int) -> Iterator[int]:
    digest = blake2b(known.encode(), digest_size=16).digest()
    first, step = int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:], "big") | 1
    return ((first + turn * step) % size for turn in range(_LOOKS))


@cache
def _load() -> bytes:
    return (resources.files(__package__) / FILE).read_bytes()

"""Makes the filter of words from the lists of wordfreq.

    uv run --with wordfreq==3.1.1 python -m invoice_pipelines.workshop.training.words

What these lists are and under which licence they stand is said in `text_layer/ranking/words.md`.
"""

from __future__ import annotations

from pathlib import Path

from invoice_pipelines.intake.documents.text_layer import ranking
from invoice_pipelines.intake.documents.text_layer.ranking.words import FILE, filter_of

LANGUAGES = ("en", "de", "fr", "es", "it", "nl", "pl", "cs", "sv", "da", "nb", "sh")
LEAST = 2.5
"""Zipf's scale: ten to this power times in a billion words."""
LEAST_OF_SHORT = 3.0
"""Of words of two and three letters, which a misread word is more easily taken for."""


def words_of(language: str) -> set[str]:
    """Words of letters only that a language uses often enough."""
    from wordfreq import available_languages, zipf_frequency
    from wordfreq import get_frequency_dict as frequencies

    wordlist = "large" if language in available_languages("large") else "small"
    return {
        word
        for word in frequencies(language, wordlist)
        if word.isalpha()
        and len(word) > 1
        and zipf_frequency(word, language, wordlist) >= (LEAST if len(word) > 3 else LEAST_OF_SHORT)
    }


if __name__ == "__main__":
    known = set().union(*(words_of(language) for language in LANGUAGES))
    (Path(ranking.__path__[0]) / FILE).write_bytes(filter_of(known))

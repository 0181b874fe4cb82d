"""The first step for every use of a document's words: its lines, and the labels on them in its languages."""

from __future__ import annotations

from collections.abc import Sequence

from invoice_pipelines.intake.documents.text_layer.page.labels import LabelledLines, find_labels
from invoice_pipelines.intake.documents.text_layer.page.layout import read_lines
from invoice_pipelines.intake.documents.text_layer.page.recognized_words import tidied
from invoice_pipelines.intake.documents.text_layer.page.vocabulary import Vocabulary, vocabulary_of
from invoice_pipelines.intake.documents.text_layer.page.words import Page


def labelled_lines(pages: Sequence[Page]) -> tuple[LabelledLines, Vocabulary]:
    """The lines of these pages with their labels, and the vocabulary that they were looked up in."""
    pages = tidied(pages)
    vocabulary = vocabulary_of(word.text for page in pages for word in page.words)
    recognized = {page.number for page in pages if page.engine}
    return find_labels(read_lines(pages), vocabulary, recognized), vocabulary

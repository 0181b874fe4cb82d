"""Help that readers may have besides the bytes of a document: text recognition, and places learned for a layout."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from invoice_pipelines.intake.documents.ocr.engine import PageImage
    from invoice_pipelines.intake.documents.text_layer.learned import LearnedPlace
    from invoice_pipelines.intake.documents.text_layer.page.words import Page

FindPages: TypeAlias = "Callable[[Iterator[tuple[int, PageImage]]], Sequence[Page]]"
"""Turns numbered pictures of pages into pages with words, in their order."""


@dataclass(frozen=True, slots=True)
class Aids:
    """Both are optional. Without them, pictured pages are not read and every layout is new.

    `recognize` raises ReadingError for a page that cannot be read. `learned` gives the places that people have shown
    for the layout with a fingerprint.
    """

    recognize: FindPages | None = None
    learned: Callable[[str], Sequence[LearnedPlace]] | None = None


NO_AIDS = Aids()

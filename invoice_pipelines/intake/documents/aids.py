"""Help that readers may have besides the bytes of a document: text recognition, places learned for a layout, and whose
documents they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from invoice_pipelines.intake.documents.recipient import NOBODY, Recipient

if TYPE_CHECKING:
    from invoice_pipelines.intake.documents.ocr.engine import PageImage
    from invoice_pipelines.intake.documents.text_layer.learned import LearnedPlace
    from invoice_pipelines.intake.documents.text_layer.page.words import Page

FindPages: TypeAlias = "Callable[[Iterator[tuple[int, PageImage]]], Sequence[Page]]"
"""Turns numbered pictures of pages into pages with words, in their order."""


@dataclass(frozen=True, slots=True)
class Aids:
    """All are optional. Without them, pictured pages are not read, every layout is new, and buyer and seller are told
    apart by the document alone.

    `recognize` raises ReadingError for a page that cannot be read. `learned` gives the places that people have shown
    for the layout with a fingerprint. `recipient` is the organization that has received the documents.
    """

    recognize: FindPages | None = None
    learned: Callable[[str], Sequence[LearnedPlace]] | None = None
    recipient: Recipient = NOBODY


NO_AIDS = Aids()

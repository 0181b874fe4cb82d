"""How the tests look at a document: its text page by page, and where its characters stand."""

from __future__ import annotations

import pypdfium2

from invoice_pipelines.delivery.rendering.bundle import bundle_of
from invoice_pipelines.delivery.rendering.renderer import Look, Renderer
from invoice_pipelines.delivery.rendering.samples import DOCUMENTS as SETTINGS
from invoice_pipelines.organizations.settings import DocumentSettings

XML = "<invoice>äöü 漢字</invoice>".encode()


def render_with(settings: DocumentSettings = SETTINGS, own: dict[str, bytes] | None = None) -> Renderer:
    return Renderer(bundle_of(own or {}), Look(settings, "de"))


def page_texts(pdf: bytes) -> list[str]:
    """The text layer of each page, with blanks of all kinds as blanks, and without places to break."""
    document = pypdfium2.PdfDocument(pdf)
    try:
        texts = [document[number].get_textpage().get_text_range() for number in range(len(document))]
    finally:
        document.close()
    return ["\n".join(" ".join(line.split()) for line in text.replace("\u200b", "").splitlines()) for text in texts]


def text_outside(pdf: bytes, margin: float = 30) -> str:
    """The characters that stand nearer to the edge of their page than a margin in points, or beyond it."""
    document = pypdfium2.PdfDocument(pdf)
    outside = ""
    try:
        for number in range(len(document)):
            page = document[number]
            width, height = page.get_size()
            text = page.get_textpage()
            for index in range(text.count_chars()):
                left, bottom, right, top = text.get_charbox(index)
                if right > left and (
                    left < margin or right > width - margin or bottom < margin / 2 or top > height - margin / 2
                ):
                    outside += text.get_text_range(index, 1)
    finally:
        document.close()
    return outside

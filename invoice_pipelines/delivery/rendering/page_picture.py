"""The picture of a page, for those who look at a run or an invoice and not at a file."""

from __future__ import annotations

import threading
from io import BytesIO

import pypdfium2
from PIL import Image

_one_at_a_time = threading.Lock()
"""PDFium knows no threads."""


def page_png(pdf: bytes, page: int = 1, *, width: int = 700) -> bytes:
    """A page (from 1) as PNG of a width in pixels. Raises IndexError for a page that is not there."""
    with _one_at_a_time:
        document = pypdfium2.PdfDocument(pdf)
        try:
            if not 1 <= page <= len(document):
                raise IndexError(f"the document has {len(document)} pages, not {page}")
            shown = document[page - 1]
            picture = shown.render(scale=width / shown.get_width()).to_pil()
        finally:
            document.close()
    written = BytesIO()
    picture.quantize(256, dither=Image.Dither.NONE).save(written, format="PNG", optimize=True)
    return written.getvalue()

"""Draws pages of a PDF, after a look at the pictures on them. To be called where PDFium may do harm: `rendering` has
it done in another process.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from io import BytesIO

import pypdf
import pypdfium2
from PIL import Image
from pypdf.generic import ArrayObject, DictionaryObject, IndirectObject, PdfObject, StreamObject
from pypdfium2 import raw as pdfium

from invoice_pipelines.einvoice.errors import ReadingError
from invoice_pipelines.intake.documents.limits import Limits
from invoice_pipelines.intake.documents.pdf_attachments import bounded
from invoice_pipelines.intake.documents.text_layer.page.words import PDFIUM_LOCK, open_pdf

DPI = 200
"""Engines read best at this resolution; a higher one costs time and finds no more."""

# A2 at 200 dpi. Larger pages are rendered smaller.
_MOST_PIXELS = 16_000_000
_LONGEST_SIDE = 20_000
_OBJECTS_LOOKED_AT = 5_000
_DEPTH_OF_FORMS = 5
_MOST_SCANS = 100
"""Of a progressive JPEG. Usual are 10, each is decoded over the whole picture."""

_SAMPLE = 500
"""Characters that show which way a text runs."""


Drawn = tuple[str, tuple[int, int], bytes, float]
"""Mode, size and pixels of a picture, and its dots per inch."""


def draw_pages(data: bytes, numbers: Sequence[int], limits: Limits) -> Iterator[Drawn | None]:
    """The pages with these numbers; before them None, as soon as the PDF is open. Raises ReadingError."""
    pictures = _Pictures(data, limits)
    document = open_pdf(data)
    try:
        yield None
        for number in numbers:
            pictures.refuse_huge(number)
            try:
                yield _draw(document, number, limits)
            except (pypdfium2.PdfiumError, IndexError):
                raise _damaged(number) from None
    finally:
        document.close()


def _draw(document: pypdfium2.PdfDocument, number: int, limits: Limits) -> Drawn:
    page = document[number - 1]
    try:
        _refuse_huge_objects(page, number, limits)
        width, height = page.get_size()
        if not (0 < width < math.inf and 0 < height < math.inf):
            raise _damaged(number)
        scale = min(DPI / 72, math.sqrt(_MOST_PIXELS / (width * height)), _LONGEST_SIDE / width, _LONGEST_SIDE / height)
        bitmap = page.render(scale=scale, grayscale=True, limit_image_cache=True)
        picture: Image.Image = bitmap.to_pil()
        drawn = picture.mode, picture.size, picture.tobytes(), scale * 72
        bitmap.close()
        return drawn
    finally:
        page.close()


def _refuse_huge_objects(page: pypdfium2.PdfPage, number: int, limits: Limits) -> None:
    """Looks at the pictures as PDFium found them, those inside the page's content included."""
    pixels = 0
    for drawing in page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_IMAGE], max_depth=_DEPTH_OF_FORMS):
        width, height = drawing.get_px_size()
        if width * height > limits.picture_pixels:
            raise _too_large(number, width * height, limits)
        pixels += width * height
        if pixels > 4 * limits.picture_pixels:  # the same one may be there several times
            raise _too_large(number, pixels, limits)


class _Pictures:
    """The pictures that a PDF has, wherever they are: masks and patterns too, which PDFium decodes without asking."""

    def __init__(self, data: bytes, limits: Limits) -> None:
        self._limits = limits
        self._reader: pypdf.PdfReader | None = None
        # What pypdf cannot read, PDFium may; what is found on the page by itself is then all there is to look at.
        with suppress(Exception), bounded(limits.pdf_stream_bytes):
            self._reader = pypdf.PdfReader(BytesIO(data))
            if self._reader.is_encrypted:
                self._reader.decrypt("")

    def refuse_huge(self, number: int) -> None:
        """Raises ReadingError PICTURE_TOO_LARGE where the pictures of a page are."""
        pictures: list[StreamObject] = []
        with suppress(Exception), bounded(self._limits.pdf_stream_bytes):
            if self._reader is not None:
                pictures = list(_reachable_pictures(self._reader.pages[number - 1]))
        pixels = 0
        for picture in pictures:
            pixels += _pixels(picture)
            if pixels > 2 * self._limits.picture_pixels:
                raise _too_large(number, pixels, self._limits)


def _reachable_pictures(page: DictionaryObject) -> Iterator[StreamObject]:
    waiting: list[PdfObject | None] = [page.get("/Resources"), page.get("/Annots"), page.get("/Contents")]
    parent = page.get("/Parent")
    for _ in range(50):  # resources are inherited
        node = parent.get_object() if parent is not None else None
        if not isinstance(node, DictionaryObject):
            break
        waiting.append(node.get("/Resources"))
        parent = node.get("/Parent")
    seen: set[tuple[int, int]] = set()
    for _ in range(_OBJECTS_LOOKED_AT):
        if not waiting:
            return
        node = waiting.pop()
        if isinstance(node, IndirectObject):
            if (node.idnum, node.generation) in seen:
                continue
            seen.add((node.idnum, node.generation))
            node = node.get_object()
        if isinstance(node, StreamObject) and "/Width" in node and "/Height" in node:
            yield node
        if isinstance(node, DictionaryObject):
            waiting += [value for key, value in node.items() if key not in ("/Parent", "/P", "/Popup", "/Dest", "/A")]
        elif isinstance(node, ArrayObject):
            waiting += list(node)


def _pixels(picture: StreamObject) -> int:
    """Of a picture, as its dictionary says, or as its data say where PDFium goes by these."""
    said = _whole(picture["/Width"]) * _whole(picture["/Height"])
    data = bytes(picture._data)
    filters = str(picture.get("/Filter", ""))
    if "DCTDecode" in filters:
        said *= 1 if data.count(b"\xff\xda") <= _MOST_SCANS else 1_000_000
    if "JPXDecode" in filters:
        header = data.find(b"\xff\x4f\xff\x51")  # start of codestream, then the size of the picture
        if header >= 0 and len(data) >= header + 16:
            width, height = (int.from_bytes(data[header + at : header + at + 4], "big") for at in (8, 12))
            said = max(said, width * height)
    return said


def _whole(number: PdfObject) -> int:
    resolved = number.get_object()
    return int(resolved) if isinstance(resolved, int | float) else 0


def _too_large(number: int, pixels: int, limits: Limits) -> ReadingError:
    return ReadingError(
        "PICTURE_TOO_LARGE",
        f"Page {number} holds pictures of more than {limits.picture_pixels // 1_000_000} megapixels. Scan it again at "
        "300 dpi.",
    )


def _damaged(number: int) -> ReadingError:
    return ReadingError("PDF_DAMAGED", f"Page {number} of the PDF cannot be drawn. Ask the sender for the file again.")


def turns_of_text(data: bytes, number: int) -> int:
    """How often a page has to be turned clockwise, beyond what the PDF says itself, until its text is upright, as boxes
    have it."""
    with PDFIUM_LOCK, closing(open_pdf(data)) as document, closing(document[number - 1]) as page:
        with closing(page.get_textpage()) as text_page:
            quarters = Counter(
                round(pdfium.FPDFText_GetCharAngle(text_page.raw, index) / (math.pi / 2)) % 4
                for index in range(min(text_page.count_chars(), _SAMPLE))
                if not chr(pdfium.FPDFText_GetUnicode(text_page.raw, index)).isspace()
            )
        rotation = page.get_rotation() // 90
    if not quarters:
        return 0
    return int((-quarters.most_common(1)[0][0] - rotation) % 4)

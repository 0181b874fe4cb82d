"""The words of a page with their boxes, and how to get them from the text layer of a PDF.

No meaning here: what a word says is for `fields`, how words stand together for `layout`. OCR engines fill the same
`Page` and `Word`, so that everything after this module does not know where the words come from.
"""

from __future__ import annotations

import ctypes
import math
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import pypdfium2
from pypdfium2 import raw as pdfium

from invoice_pipelines.einvoice.errors import ReadingError
from invoice_pipelines.intake.documents.limits import Limits

Box = tuple[float, float, float, float]

MAX_CHARACTERS = 2_000_000
"""Of a whole document. A dense page has 6,000; what is far beyond a long invoice is an attack or no invoice."""

# Gaps as a share of the height of the letters. A blank is about a quarter of it.
_WORD_GAP = 0.22
_USABLE_CHARACTERS = 20
_UNMAPPED_SHARE = 0.3
_SCANNED_SHARE = 0.8
_DEPTH_OF_FORMS = 5
_ASLANT = -1  # for a turn: by no quarter

# Typographic variants of one character that would only get in the way of comparing text. PDFium gives 0x02 for a hyphen
# at the end of a line.
_PLAIN = dict.fromkeys((0x02, 0xAD, 0x2010, 0x2011, 0xFFFE), "-")
_PLAIN |= dict(enumerate(("ff", "fi", "fl", "ffi", "ffl", "st", "st"), start=0xFB00))

# PDFium keeps global state and must not be entered by two threads at once.
PDFIUM_LOCK = threading.Lock()


@dataclass(frozen=True, slots=True)
class Word:
    """Characters without a blank between them.

    `box` is (left, top, right, bottom) in PDF points from the top left corner of the page as it is shown; where the
    text of a page runs sideways, of the page turned until it is upright. `page` counts from 1. `confidence` is 0 to
    1: how sure it is that the text is what is printed (1 in a text layer, the engine's figure in OCR).
    """

    text: str
    box: Box
    page: int
    confidence: float = 1.0

    def cut(self, end: int) -> tuple[Word, Word]:
        """The first characters and the rest, each on its share of the box."""
        left, top, right, bottom = self.box
        middle = left + (right - left) * end / len(self.text)
        return (
            Word(self.text[:end], (left, top, middle, bottom), self.page, self.confidence),
            Word(self.text[end:], (middle, top, right, bottom), self.page, self.confidence),
        )


@dataclass(frozen=True, slots=True)
class Page:
    """The words of one page in the order of the document, and the size of the page in points.

    `usable` is False where there is no text, or where most of it has no known characters (fonts without a
    character map). `needs_ocr` is True where what is printed is not in the text layer: such a page has pictures or
    drawings and no usable text, or it is a scan under the invisible text of an OCR that nobody here knows. `engine`
    names the OCR engine and its version that read the words; None for a text layer. `aslant` is what is set at an angle
    across the page, such as a watermark, which belongs to no line.
    """

    number: int
    width: float
    height: float
    words: tuple[Word, ...]
    usable: bool = True
    needs_ocr: bool = False
    engine: str | None = None
    aslant: str = ""


@dataclass(frozen=True, slots=True)
class _Character:
    text: str
    box: Box  # in user space: left, bottom, right, top
    turn: int  # quarter turns clockwise of the glyph against the user space, or _ASLANT
    invisible: bool
    unmapped: bool


def read_pages(data: bytes, limits: Limits) -> tuple[Page, ...]:
    """The pages of a PDF with the words of their text layer, in order.

    Raises ReadingError: PDF_ENCRYPTED, PDF_DAMAGED, PDF_TOO_MANY_PAGES, PDF_TOO_MUCH_TEXT. Pages without text are
    part of the result, with `usable` False.
    """
    with PDFIUM_LOCK, closing(open_pdf(data)) as document:
        if len(document) > limits.pdf_pages:
            raise ReadingError(
                "PDF_TOO_MANY_PAGES",
                f"The PDF has {len(document)} pages, more than the limit of {limits.pdf_pages}. Split it and send "
                "the invoice alone.",
            )
        pages = []
        characters_left = MAX_CHARACTERS
        for index in range(len(document)):
            page, used = _read_page(document, index, characters_left)
            characters_left -= used
            pages.append(page)
    if not pages:
        raise ReadingError("PDF_DAMAGED", "The PDF has no pages. Ask the sender for the file again.")
    return tuple(pages)


def open_pdf(data: bytes) -> pypdfium2.PdfDocument:
    """The PDF in PDFium; to be called, used and closed under PDFIUM_LOCK. Raises ReadingError: PDF_ENCRYPTED,
    PDF_DAMAGED."""
    try:
        return pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        if error.err_code in (pdfium.FPDF_ERR_PASSWORD, pdfium.FPDF_ERR_SECURITY):
            raise ReadingError(
                "PDF_ENCRYPTED", "The PDF is protected by a password. Ask the sender for an open one."
            ) from None
        raise ReadingError(
            "PDF_DAMAGED", "The file cannot be read as a PDF. It may be cut off; ask the sender for it again."
        ) from None


def _read_page(document: pypdfium2.PdfDocument, index: int, characters_left: int) -> tuple[Page, int]:
    """One page and the number of characters on it."""
    try:
        with closing(document[index]) as page:
            frame = page.get_bbox()
            page_turn = page.get_rotation() // 90
            with closing(page.get_textpage()) as text_page:
                count = text_page.count_chars()
                if count > characters_left:
                    raise ReadingError(
                        "PDF_TOO_MUCH_TEXT",
                        f"The PDF has more than {MAX_CHARACTERS:,} characters of text, far more than an invoice. "
                        "Send the invoice alone.",
                    )
                characters = list(_characters(text_page.raw, count))
            written = [character for character in characters if character.text.strip()]
            seen = [character for character in written if not character.invisible]
            # Invisible letters are the text of a scan when they are most of the page, else not what is printed.
            keep_invisible = len(seen) < len(written) / 2
            unmapped = sum(character.unmapped for character in written)
            # Looking at what else is drawn costs more than the text, and only matters where the text does not suffice.
            doubtful = keep_invisible or len(written) < _USABLE_CHARACTERS or unmapped > len(written) * _UNMAPPED_SHARE
            drawn, scanned = _drawings(page, frame) if doubtful else (False, False)
    except pypdfium2.PdfiumError:
        # One damaged page (an advertisement, an empty trailer) does not make the others worthless.
        return Page(index + 1, 0.0, 0.0, (), usable=False), 0

    turns = Counter(character.turn for character in written)
    text_turn = max(turns.most_common(1)[0][0], 0) if turns else 0
    # The page is turned until its text is upright. That is how it is shown, unless the text lies on its side there.
    turn = -text_turn % 4 if turns else page_turn
    printed = [one for one in characters if one.turn == text_turn and (keep_invisible or not one.invisible)]
    words = tuple(_words(printed, index + 1, frame, turn))
    left, bottom, right, top = frame
    width, height = (right - left, top - bottom) if turn % 2 == 0 else (top - bottom, right - left)
    usable = (
        sum(character.isalnum() for word in words for character in word.text) >= _USABLE_CHARACTERS
        and unmapped <= len(written) * _UNMAPPED_SHARE
    )
    needs_ocr = (not usable and (drawn or unmapped > 0)) or (keep_invisible and scanned)
    aslant = "".join(character.text for character in characters if character.turn == _ASLANT or character.text == " ")
    return Page(index + 1, width, height, words, usable, needs_ocr, aslant=" ".join(aslant.split())), count


def _drawings(page: pypdfium2.PdfPage, frame: Box) -> tuple[bool, bool]:
    """Whether anything but text is on a page, and whether pictures cover it as a scan does."""
    drawn = False
    area = (frame[2] - frame[0]) * (frame[3] - frame[1])
    covered = 0.0
    for drawing in page.get_objects(max_depth=_DEPTH_OF_FORMS):
        if drawing.type == pdfium.FPDF_PAGEOBJ_TEXT:
            continue
        drawn = True
        if drawing.type == pdfium.FPDF_PAGEOBJ_IMAGE:
            left, bottom, right, top = drawing.get_bounds()
            width = min(right, frame[2]) - max(left, frame[0])
            covered += max(width, 0.0) * max(min(top, frame[3]) - max(bottom, frame[1]), 0.0)
            if covered >= _SCANNED_SHARE * area:
                return True, True
    return drawn, False


def _characters(text_page: ctypes.c_void_p, count: int) -> Iterator[_Character]:
    rectangle = pdfium.FS_RECTF()
    invisible_of: dict[int, bool] = {}
    for index in range(count):
        code = pdfium.FPDFText_GetUnicode(text_page, index)
        text = _PLAIN.get(code) or _text(code)
        if not text:
            continue
        if text.isspace():
            yield _Character(" ", (0.0, 0.0, 0.0, 0.0), 0, invisible=False, unmapped=False)
            continue
        if not pdfium.FPDFText_GetLooseCharBox(text_page, index, rectangle):
            continue
        angle = pdfium.FPDFText_GetCharAngle(text_page, index) / (math.pi / 2)
        turn = round(angle)
        text_object = pdfium.FPDFText_GetTextObject(text_page, index)
        address = ctypes.cast(text_object, ctypes.c_void_p).value or 0
        if address not in invisible_of:
            mode = pdfium.FPDFTextObj_GetTextRenderMode(text_object) if address else -1
            invisible_of[address] = mode == pdfium.FPDF_TEXTRENDERMODE_INVISIBLE
        yield _Character(
            text,
            (rectangle.left, rectangle.bottom, rectangle.right, rectangle.top),
            turn % 4 if abs(angle - turn) < 0.1 else _ASLANT,
            invisible_of[address],
            unmapped=text == "\ufffd" or pdfium.FPDFText_HasUnicodeMapError(text_page, index) == 1,
        )


def _text(code: int) -> str:
    """The character of a code point; nothing for control characters, U+FFFD for an invalid one."""
    if code in (0x09, 0x0A, 0x0D):
        return " "
    if code < 0x20 or 0x7F <= code < 0xA0 or 0x200B <= code <= 0x200F or code == 0xFEFF:
        return ""
    if 0xD800 <= code < 0xE000 or 0xE000 <= code < 0xF900 or code > 0x10FFFF:
        return "\ufffd"
    return chr(code)


def _words(characters: list[_Character], page: int, frame: Box, turn: int) -> Iterator[Word]:
    letters: list[tuple[str, Box]] = []
    for character in characters:
        if character.text == " ":
            yield from _word(letters, page)
            letters = []
            continue
        box = _shown(character.box, frame, turn)
        if letters and _breaks(letters[-1][1], box):
            yield from _word(letters, page)
            letters = []
        if letters and letters[-1][0] == character.text and _is_shadow(letters[-1][1], box):
            continue
        letters.append((character.text, box))
    yield from _word(letters, page)


def _word(letters: list[tuple[str, Box]], page: int) -> Iterator[Word]:
    if letters:
        lefts, tops, rights, bottoms = zip(*(box for _, box in letters), strict=True)
        yield Word(
            "".join(text for text, _ in letters),
            (round(min(lefts), 2), round(min(tops), 2), round(max(rights), 2), round(max(bottoms), 2)),
            page,
        )


def _is_shadow(last: Box, box: Box) -> bool:
    """Whether a letter is the one before it set again, a hair apart, which is how some programs print bold.

    The two letters of a ligature ("tt") share one box exactly: they are two.
    """
    return 0.01 < abs(last[0] - box[0]) < 0.1 * (box[3] - box[1])


def _breaks(last: Box, box: Box) -> bool:
    """Whether a letter begins a new word: after a gap, further left, or on another line."""
    height = max(min(last[3] - last[1], box[3] - box[1]), 1.0)
    return (
        box[0] - last[2] > _WORD_GAP * height
        or box[0] < last[0] - 0.5 * height
        or abs((box[1] + box[3]) - (last[1] + last[3])) > height
    )


def _shown(box: Box, frame: Box, turn: int) -> Box:
    """A box in user space (y upwards) as a box on the page turned clockwise by quarter turns (y downwards)."""
    left, bottom, right, top = box[0] - frame[0], box[1] - frame[1], box[2] - frame[0], box[3] - frame[1]
    width, height = frame[2] - frame[0], frame[3] - frame[1]
    return (
        (left, height - top, right, height - bottom),
        (bottom, left, top, right),
        (width - right, bottom, width - left, top),
        (height - top, width - right, height - bottom, width - left),
    )[turn]

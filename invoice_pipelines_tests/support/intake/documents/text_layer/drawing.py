"""The drawing of small PDFs for tests: texts at places of an A4 page, in points from the top left corner."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from io import BytesIO

from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from invoice_pipelines.intake.documents.text_layer.page.words import Page, Word

Text = tuple[float, float, str]
Row = tuple[float, Sequence[tuple[float, str]]]


def draw(
    *pages: Iterable[Text],
    size: float = 10,
    rotation: int = 0,
    text_rotation: int = 0,
    invisible: Iterable[Text] = (),
) -> bytes:
    """A PDF of these pages. A negative x sets the text flush right at -x. `invisible` goes on the first page.

    `rotation` turns the page clockwise when it is shown, `text_rotation` the drawing counterclockwise on the page: both
    by 90 make an upright landscape page as scanners and reports write it.
    """
    buffer = BytesIO()
    canvas = Canvas(buffer, pagesize=A4, invariant=1)
    for number, texts in enumerate(pages):
        canvas.setFont("Helvetica", size)
        if rotation:
            canvas.setPageRotation(rotation)
        if text_rotation:
            middle = (A4[0] / 2, A4[1] / 2)
            canvas.translate(*middle)
            canvas.rotate(text_rotation)
            canvas.translate(-middle[0], -middle[1])
        for x, y, text in texts:
            if x < 0:
                canvas.drawRightString(-x, A4[1] - y, text)
            else:
                canvas.drawString(x, A4[1] - y, text)
        if number == 0:
            for x, y, text in invisible:
                hidden = canvas.beginText(x, A4[1] - y)
                hidden.setTextRenderMode(3)
                hidden.textOut(text)
                canvas.drawText(hidden)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def rows(top: float, columns: Sequence[float], cells: str, step: float = 14) -> list[Text]:
    """A table, such as "Net | 100.00; Total | 119.00": its texts at the x of `columns`; empty texts are left out."""
    return [
        (x, top + step * number, text.strip())
        for number, row in enumerate(cells.split(";"))
        for x, text in zip(columns, row.split("|"), strict=False)
        if text.strip()
    ]


def words_of(text: str, left: float, top: float, page: int = 1) -> list[Word]:
    """The words of a text as if they were read, with letters 5 points wide."""
    words = []
    for part in text.split():
        words.append(Word(part, (left, top, left + 5 * len(part), top + 10), page))
        left += 5 * len(part) + 3
    return words


def page_of(rows: Iterable[tuple[str, object]], right: float) -> Page:
    """A page of words at the left and amounts that end at `right`; None: a row without an amount."""
    words: list[Word] = []
    for number, (name, amount) in enumerate(rows):
        text = "" if amount is None else str(amount)
        words += words_of(name, 20, 20.0 + 16 * number)
        words += words_of(text, right - 5 * len(text), 20.0 + 16 * number)
    return Page(1, right + 20, 900, tuple(words))

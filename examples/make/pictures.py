"""Holds documents that are pictures: a photo, and a scan without text layer."""

from __future__ import annotations

import io

import pypdfium2
from PIL import Image, ImageDraw
from reportlab.lib.pagesizes import LETTER
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas


def photo() -> bytes:
    """A PNG that shows a till receipt."""
    image = Image.new("L", (360, 480), 205)
    drawing = ImageDraw.Draw(image)
    drawing.rectangle((60, 30, 300, 450), fill=250)
    for step, text in enumerate(["CORNER SHOP", "", "Milk        1.20", "Bread       2.35", "", "TOTAL EUR   3.55"]):
        drawing.text((80, 60 + 28 * step), text, fill=20)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def scanned(pdf: bytes) -> bytes:
    """The first page of a PDF as a picture of 120 dots per inch, in a PDF of its own."""
    with pypdfium2.PdfDocument(pdf) as document:
        picture = document[0].render(scale=120 / 72, grayscale=True).to_pil().convert("1")
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=LETTER, invariant=1)
    canvas.drawImage(ImageReader(picture), 0, 0, LETTER[0], LETTER[1])
    canvas.showPage()
    canvas.save()
    return buffer.getvalue()

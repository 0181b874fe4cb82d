"""Documents that are pictures of paper: a photo of an invoice, one of a till receipt, a scan, a fax."""

from __future__ import annotations

import io

import pypdfium2
from PIL import Image, ImageDraw, ImageFont
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

_TURNED_RIGHT = 6  # EXIF: to be turned clockwise by 90 degrees before it is shown
_ORIENTATION = 0x0112
_FAX_DPI = (204, 196)


def receipt() -> bytes:
    """A PNG that shows a till receipt: gross total and date, and hardly more."""
    lines = [
        *("CORNER SHOP", "12 Baggot Lane, Dublin 4", "", "14/04/2026 09:41", "", ""),
        *("TOTAL EUR      3.55", "", "", "Thank you"),
    ]
    image = Image.new("L", (720, 960), 205)
    drawing = ImageDraw.Draw(image)
    drawing.rectangle((90, 40, 630, 920), fill=250)
    font = ImageFont.load_default(30)
    for step, text in enumerate(lines):
        name, _, amount = text.partition("  ")
        drawing.text((130, 80 + 58 * step), name, fill=20, font=font)
        drawing.text((590, 80 + 58 * step), amount.strip(), fill=20, font=font, anchor="ra")
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def scanned(pdf: bytes) -> bytes:
    """The first page of a PDF as it comes from an office scanner: a slightly turned picture in a PDF of its own."""
    picture = _page(pdf, 200).rotate(0.7, Image.Resampling.BICUBIC, fillcolor=255)
    jpeg = io.BytesIO()
    picture.save(jpeg, "JPEG", quality=55)
    width, height = (side * 72 / 200 for side in picture.size)
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=(width, height), invariant=1)
    canvas.drawImage(ImageReader(jpeg), 0, 0, width, height)
    canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def photographed(pdf: bytes) -> bytes:
    """The first page of a PDF as a phone takes it: on a desk, a little askew, with the phone held sideways."""
    page = _page(pdf, 170)
    desk = Image.new("L", (page.width + 160, page.height + 160), 150)
    desk.paste(page.point(lambda white: white * 235 // 255), (80, 80))
    picture = desk.rotate(-1.2, Image.Resampling.BICUBIC, fillcolor=150).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[_ORIENTATION] = _TURNED_RIGHT
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=60, exif=exif)
    return buffer.getvalue()


def faxed(pdf: bytes) -> bytes:
    """The first page of a PDF as a fax of fine resolution: black and white, with pixels that are not square."""
    page = _page(pdf, _FAX_DPI[0])
    size = (page.width, page.height * _FAX_DPI[1] // _FAX_DPI[0])
    buffer = io.BytesIO()
    black_and_white = page.resize(size).point(lambda white: 255 * (white > 160), "1")
    black_and_white.save(buffer, "TIFF", compression="group4", dpi=_FAX_DPI)
    return buffer.getvalue()


def _page(pdf: bytes, dpi: int) -> Image.Image:
    with pypdfium2.PdfDocument(pdf) as document:
        return document[0].render(scale=dpi / 72, grayscale=True).to_pil()

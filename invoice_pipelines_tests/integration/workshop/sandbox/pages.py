"""Pages for tests of Cloud Vision: small pictures, each unlike any other, with what stands on them."""

from __future__ import annotations

from collections.abc import Mapping

from PIL import Image, ImageDraw

from invoice_pipelines.intake.documents.ocr.engine import PageImage, RecognizedPage, RecognizedWord
from invoice_pipelines.workshop.sandbox.vision import Read, picture_identity

SIZE = (200, 60)


def page_picture(number: int, size: tuple[int, int] = SIZE) -> PageImage:
    """A picture that carries its number as black and white squares."""
    image = Image.new("L", size, "white")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, size[0] - 1, 3), fill="black")
    for bit in range(24):
        if number >> bit & 1:
            draw.rectangle((bit * 8, 10, bit * 8 + 5, 18), fill="black")
    return PageImage(image, 200.0)


def page_text(number: int) -> tuple[str, ...]:
    """The words on it; nothing on each eleventh page."""
    return () if number % 11 == 10 else ("Rechnung", f"R-{number:06}", f"{number},60€")


def recorded_page(number: int) -> RecognizedPage:
    """The words with their places."""
    words = tuple(
        RecognizedWord(text, (10.0 + 60 * place, 20.0, 60.0 + 60 * place, 40.0), 0.5 + place / 8)
        for place, text in enumerate(page_text(number))
    )
    return RecognizedPage(words, *SIZE)


def recorded(pages: Mapping[int, RecognizedPage]) -> Read:
    """Reads these pages by their pictures."""
    by_identity = {picture_identity(page_picture(number).image): page for number, page in pages.items()}
    return lambda image: by_identity[picture_identity(image)]

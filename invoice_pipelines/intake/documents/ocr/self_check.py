"""The picture by which an engine is checked, and what must be read on it.

Engines load their models with the first picture, and wrong models read without complaint: only reading shows that one
works.
"""

from __future__ import annotations

from importlib import resources
from io import BytesIO

from PIL import Image

from invoice_pipelines.intake.documents.ocr.engine import Engine, EngineUnavailable, PageError, PageImage

LINES = (
    "Rechnung Nr. 2024-0815",
    "Müßiggang & Söhne GmbH",
    "Größe, Übergröße, Öl, Äpfel",
    "12.345,60 € nach § 14 UStG",
)


def check_picture() -> PageImage:
    """The lines, as they stand in a file beside this one: set in Liberation Sans at 40 pixels, black on white."""
    data = resources.files(__package__).joinpath("self_check.png").read_bytes()
    return PageImage(Image.open(BytesIO(data)).convert("L"), dpi=300.0)


def check_reading(engine: Engine) -> None:
    """Raises EngineUnavailable unless the engine reads as much of the picture as it should, blanks apart."""
    page = engine.recognize([check_picture()])[0]
    if isinstance(page, PageError):
        raise EngineUnavailable(f"The OCR engine {engine.name} does not read its test picture: {page.message}")
    expected = "".join(LINES).replace(" ", "")
    read = "".join(word.text for word in page.words)
    right = 1 - _distance(read, expected) / len(expected)
    if right < engine.least_read:
        raise EngineUnavailable(
            f"The OCR engine {engine.name} reads only {right:.0%} of its test picture right. Install it again; its "
            "models do not fit."
        )


def _distance(one: str, other: str) -> int:
    """How many characters must be put in, taken out or changed to make one text the other (Levenshtein)."""
    row = list(range(len(other) + 1))
    for number, letter in enumerate(one, start=1):
        before, row[0] = row[0], number
        for position, wanted in enumerate(other, start=1):
            before, row[position] = (
                row[position],
                min(row[position] + 1, row[position - 1] + 1, before + (letter != wanted)),
            )
    return row[-1]

"""The picture by which an engine is checked, and what must be read on it.

Engines load their models with the first picture, and wrong models read without complaint: only reading shows that one
works.
"""

from __future__ import annotations

from difflib import SequenceMatcher
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
    right = share_read("".join(word.text for word in page.words), "".join(LINES).replace(" ", ""))
    if right < engine.least_read:
        raise EngineUnavailable(
            f"The OCR engine {engine.name} reads only {right:.0%} of its test picture right. Install it again; its "
            "models do not fit."
        )


def share_read(read: str, expected: str) -> float:
    """Of the characters expected, the share that was read, in their order; less where others stand between them."""
    return SequenceMatcher(None, read, expected, autojunk=False).ratio()

"""Pictures of pages that tests draw, with the words that stand on them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

import reportlab
from PIL import Image, ImageDraw, ImageFont

INVOICE = (
    "Müßiggang & Söhne GmbH · Große Straße 7 · 80333 München",
    "Rechnung Nr. RE-2024-0815 vom 17.03.2024",
    "Übergrößen für Äpfel und Öl: 25 Stück à 493,82 € netto",
    "Nettobetrag 12.345,60 €   USt 19 % 2.345,66 €",
    "Gesamtbetrag 14.691,26 € fällig am 31.03.2024",
    "Steuerfrei nach § 4 Nr. 1 UStG, Kunde DE123456789",
    "IBAN DE02 1203 0000 0000 2020 51 BIC BYLADEM1001",
)
SHORT = (
    "Rechnung RE-2024-0815",
    "Müßiggang & Söhne",
    "Kunde DE123456789",
    "netto 12.345,60 €",
    "USt 19 % 2.345,66 €",
    "Gesamtbetrag 14.691,26",
    "fällig am 31.03.2024",
)
"""Read in a third of the time, as the picture of it is nearly square."""

FRENCH = (
    "Facture n° F-2024-17 émise à Besançon le 3 août 2024",
    "Société Générale d'Équipement, forêt de chênes",
    "Total hors taxes 1 234,56 € déjà réglé",
    "Garçon, où êtes-vous? Noël, naïve, cœur",
)
POLISH = (
    "Faktura VAT nr 17/2024, Łódź, dnia 3 października",
    "Sprzedawca: Źródło Żółtych Gęsi sp. z o.o.",
    "Należność ogółem: 1 234,56 zł, zapłacono gotówką",
    "Ćwierć, śnieg, koń, mąż, Święta",
)

_SYSTEM_FONTS = ("dejavu/DejaVuSans.ttf", "liberation/LiberationSans-Regular.ttf")


def latin_font() -> Path:
    """A font that is always there; it has no Polish letters."""
    return Path(reportlab.__file__).parent / "fonts" / "Vera.ttf"


def polish_font() -> Path | None:
    """One of the machine's, if it has any that is known to have them."""
    found = (Path("/usr/share/fonts/truetype") / name for name in _SYSTEM_FONTS)
    return next((path for path in found if path.exists()), None)


@cache
def lines_picture(lines: tuple[str, ...], font: Path | None = None, size: int = 28, width: int = 1100) -> Image.Image:
    """Lines of text under each other, black on white, as at 200 dpi; 10 point letters have a size of 28."""
    picture = Image.new("L", (width, 80 + 60 * len(lines)), 255)
    draw = ImageDraw.Draw(picture)
    letters = ImageFont.truetype(str(font or latin_font()), size)
    for number, line in enumerate(lines):
        draw.text((60, 40 + 60 * number), line, fill=0, font=letters)
    return picture


def squeezed(texts: Iterable[str]) -> str:
    """The characters without blanks."""
    return "".join("".join(text.split()) for text in texts)

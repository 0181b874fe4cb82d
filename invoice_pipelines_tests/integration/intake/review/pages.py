"""Drawn invoices of one supplier whose number stands beside a label that no invoice has."""

from __future__ import annotations

from decimal import Decimal
from io import BytesIO

import pypdf

from invoice_pipelines_tests.support.intake.documents.text_layer.drawing import draw

NUMBER_LABEL = "Kennwort"


def page_of(
    number: str,
    net: str,
    *,
    day: int = 5,
    seller: str = "Zimmerei Holzwurm GmbH",
    vat_id: str = "DE136695976",
) -> bytes:
    """An invoice over a net amount with 19 % VAT."""
    tax = (Decimal(net) * 19 / 100).quantize(Decimal("0.01"))
    gross = Decimal(net) + tax

    def money(amount: Decimal) -> str:
        return f"{amount:,.2f}".replace(",", " ").replace(".", ",").replace(" ", ".") + " EUR"

    return draw(
        [
            (50, 50, seller),
            (50, 64, "Hobelweg 4, 50667 Köln"),
            (50, 120, "Kunde AG"),
            (50, 134, "Marktplatz 1"),
            (50, 148, "10115 Berlin"),
            (50, 210, "Rechnung"),
            (350, 230, NUMBER_LABEL),
            (450, 230, number),
            (350, 246, "Rechnungsdatum"),
            (450, 246, f"{day:02}.03.2026"),
            (50, 300, "Dachstuhl gerichtet"),
            (-545, 300, money(Decimal(net))),
            (350, 500, "Nettobetrag"),
            (-545, 500, money(Decimal(net))),
            (350, 516, "zzgl. 19 % MwSt."),
            (-545, 516, money(tax)),
            (350, 532, "Gesamtbetrag"),
            (-545, 532, money(gross)),
            (50, 780, f"{seller} · USt-IdNr. {vat_id} · IBAN DE02120300000000202051"),
        ]
    )


def turned(data: bytes, degrees: int, *, in_content: bool) -> bytes:
    """The page turned clockwise: by how it is to be shown, or by how its content is set."""
    writer = pypdf.PdfWriter(BytesIO(data))
    page = writer.pages[0].rotate(degrees)
    if in_content:
        page.transfer_rotation_to_content()
    buffer = BytesIO()
    writer.write(buffer)
    return buffer.getvalue()

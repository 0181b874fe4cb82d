"""Makes the pictures of documents in `docs/images` anew.

    python -m invoice_pipelines_tests.support.delivery.rendering.pictures

Look at them before they are committed.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from io import BytesIO

from PIL import Image, ImageOps

from invoice_pipelines.billing.issued_invoices import DocumentKind, IssuedInvoice
from invoice_pipelines.delivery.rendering.page_picture import page_png
from invoice_pipelines.delivery.rendering.samples import BUYER, sample_invoice
from invoice_pipelines_tests.conftest import PROJECT
from invoice_pipelines_tests.support.delivery.rendering.looking import SETTINGS, XML, render_with

FOLDER = PROJECT / "docs" / "images"
LOGO = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 200 60">
<path d="M8 50V12L36 48V24" fill="none" stroke="#0f766e" stroke-width="6.5" stroke-linejoin="round"
stroke-linecap="round"/>
<circle cx="36" cy="9" r="6.5" fill="#d3ad76"/>
<g font-family="Inter"><text x="60" y="32" font-weight="600" font-size="27" fill="#16191f">Nordlicht</text>
<text x="61" y="51" font-size="13" letter-spacing="2.6" fill="#687080">WERKSTÄTTEN</text></g></svg>"""
ABROAD = replace(
    BUYER,
    name="شركة النور للتجارة والتوريدات ذ.م.م",
    street="12 شارع الملك فيصل",
    post_code="11511",
    city="القاهرة",
    country_code="EG",
    vat_id=None,
    customer_number="K-20077",
)
SCRIPTS = (
    "Sales & <b>marketing</b> *2026* #1 — $5 off_",
    "مكتب خشبي للاجتماعات، بلوط طبيعي",
    "שולחן עץ אלון, 120 × 80 ס״מ",
    "会議用テーブル（オーク材）· 한국어 설명 · 中文名称",
    "🪑 Chair with cushion ☕ ✓ · Ελληνικό τραπέζι · Дубовый стол · Bàn gỗ sồi · हिन्दी",
)
THANKS = "Vielen Dank für Ihren Auftrag. Fragen beantwortet Jana Petersen gern: +49 40 5550123."


def main() -> None:
    """Writes them."""
    settings = SETTINGS.model_copy(update={"accent_colour": "#0f766e"})
    renderer = render_with(settings, own={"logo.svg": LOGO.encode()})

    def pages(invoice: IssuedInvoice, *numbers: int, width: int) -> list[Image.Image]:
        pdf = renderer.render(invoice, XML, language=invoice.language).pdf
        return [_framed(page_png(pdf, number, width=width - 2)) for number in numbers]

    single = {
        "invoice-de": sample_invoice("de", note=THANKS),
        "invoice-en": sample_invoice("en"),
        "invoice-scripts": sample_invoice("en", lines=5, buyer=ABROAD, names=SCRIPTS, note="شكراً لطلبكم — תודה!"),
    }
    for name, invoice in single.items():
        _write(name, *pages(invoice, 1, width=925))
    _write("credit-note-de", *pages(sample_invoice("de", lines=3, kind=DocumentKind.CREDIT_NOTE), 1, width=776))
    many = sample_invoice("de", lines=44, discount_percent=Decimal(5), note="Vielen Dank für Ihren Auftrag.")
    first, last = pages(many, 1, 3, width=716)
    both = Image.new("RGB", (first.width + 24 + last.width, first.height), "#d9dce5")
    both.paste(first, (0, 0))
    both.paste(last, (first.width + 24, 0))
    _write("invoice-pages", both)


def _framed(png: bytes) -> Image.Image:
    return ImageOps.expand(Image.open(BytesIO(png)).convert("RGB"), border=1, fill="#d9dce5")


def _write(name: str, picture: Image.Image) -> None:
    small = picture.quantize(256, dither=Image.Dither.NONE)
    small.save(FOLDER / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()

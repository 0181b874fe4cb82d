"""How an invoice is drawn on paper, in three layouts, and how its XML is put into the PDF.

The layouts differ in what makes reading hard: labels beside, above or far from their values, sums in a column or in a
table, several pages, numbers that are no invoice number.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable
from decimal import Decimal

from facturx import generate_from_binary
from pypdf import PdfWriter
from reportlab.lib.pagesizes import A4, LETTER
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from examples.make.model import Invoice, Party
from examples.make.wording import Wording

for _name, _file in [("Vera", "Vera.ttf"), ("Vera-Bold", "VeraBd.ttf")]:
    pdfmetrics.registerFont(TTFont(_name, _file))

LEFT, RIGHT = 57.0, 538.0
_HELVETICA = ("Helvetica", "Helvetica-Bold")
_TIMES = ("Times-Roman", "Times-Bold")
_VERA = ("Vera", "Vera-Bold")


class Page:
    """A sheet of paper that is written from top to bottom; `y` counts from the top, in points."""

    def __init__(self, canvas: Canvas, fonts: tuple[str, str], height: float) -> None:
        self.canvas = canvas
        self.fonts = fonts
        self.height = height
        self.number = 1

    def text(self, x: float, y: float, text: str, size: float = 9, *, bold: bool = False, right: bool = False) -> None:
        self.canvas.setFont(self.fonts[bold], size)
        draw = self.canvas.drawRightString if right else self.canvas.drawString
        draw(x, self.height - y, text)

    def rule(self, y: float, left: float = LEFT, right: float = RIGHT) -> None:
        self.canvas.setLineWidth(0.5)
        self.canvas.line(left, self.height - y, right, self.height - y)

    def turn(self) -> None:
        self.canvas.showPage()
        self.number += 1


def _canvas(buffer: io.BytesIO, title: str, size: tuple[float, float], encrypt: object = None) -> Canvas:
    canvas = Canvas(buffer, pagesize=size, invariant=1, encrypt=encrypt)
    canvas.setTitle(title)
    return canvas


def draw(
    invoice: Invoice,
    words: Wording,
    layout: Callable[[Page, Invoice, Wording], float],
    *,
    embed_font: bool = False,
    encrypt: object = None,
    total_off_by: Decimal = Decimal(0),
) -> bytes:
    """The invoice as PDF with a text layer; its total is wrong by an amount where one is given."""
    size = LETTER if invoice.seller.country in {"CA", "US"} else A4
    buffer = io.BytesIO()
    title = words.credit_title if invoice.type_code == "381" else words.title
    canvas = _canvas(buffer, f"{title} {invoice.number}", size, encrypt)
    fonts = _VERA if embed_font else _TIMES if layout is band else _HELVETICA
    page = Page(canvas, fonts, size[1])
    y = layout(page, invoice, words)
    y = _table(page, invoice, words, y)
    y = _sums(page, invoice, words, y, total_off_by)
    _closing(page, invoice, words, y)
    canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def letter(page: Page, invoice: Invoice, words: Wording) -> float:
    """A business letter: window address on the left, a block of label and value on the right."""
    seller, buyer = invoice.seller, invoice.buyer
    page.text(LEFT, 60, seller.name, 15, bold=True)
    page.text(LEFT, 118, f"{seller.name} · {seller.street} · {seller.post_code} {seller.city}", 6.5)
    _address(page, LEFT, 134, buyer)
    y = 134.0
    for label, value in _header_values(invoice, words):
        page.text(350, y, f"{label}:")
        page.text(RIGHT, y, value, right=True)
        y += 13
    title = words.credit_title if invoice.type_code == "381" else words.title
    page.text(LEFT, 262, f"{title} {invoice.number}", 14, bold=True)
    if invoice.note:
        page.text(LEFT, 282, invoice.note)
    return 306


def band(page: Page, invoice: Invoice, words: Wording) -> float:
    """A modern form: seller on the right, labels in a row above their values."""
    seller = invoice.seller
    title = words.credit_title if invoice.type_code == "381" else words.title
    page.text(LEFT, 70, title, 22, bold=True)
    page.text(RIGHT, 62, seller.name, 11, bold=True, right=True)
    for step, one in enumerate(_address_lines(seller)[1:] + [part for part in (seller.phone, seller.email) if part]):
        page.text(RIGHT, 76 + 11 * step, one, 8, right=True)
    _address(page, LEFT, 140, invoice.buyer)
    page.rule(216)
    values = _header_values(invoice, words)
    width = (RIGHT - LEFT) / len(values)
    for position, (label, value) in enumerate(values):
        page.text(LEFT + position * width, 230, label, 7.5)
        page.text(LEFT + position * width, 243, value, 8.5, bold=True)
    page.rule(252)
    if invoice.note:
        page.text(LEFT, 272, invoice.note)
    return 296


def statement(page: Page, invoice: Invoice, words: Wording) -> float:
    """Two columns: from whom and to whom; label and value close together on the left below."""
    title = words.credit_title if invoice.type_code == "381" else words.title
    page.text(RIGHT, 64, title, 20, bold=True, right=True)
    page.text(LEFT, 62, invoice.seller.name, 12, bold=True)
    for step, one in enumerate(_address_lines(invoice.seller)[1:]):
        page.text(LEFT, 78 + 12 * step, one)
    page.text(320, 140, "Rechnung an" if words.decimal_comma else "Bill to", 8, bold=True)
    _address(page, 320, 154, invoice.buyer)
    y = 140.0
    for label, value in _header_values(invoice, words):
        page.text(LEFT, y, label, bold=True)
        page.text(LEFT + 110, y, value)
        y += 14
    if invoice.note:
        page.text(LEFT, 246, invoice.note)
    return 270


def _header_values(invoice: Invoice, words: Wording) -> list[tuple[str, str]]:
    values = [(words.number, invoice.number), (words.issued, words.date(invoice.issued))]
    # A number that looks like an invoice number and is none.
    values.append((words.customer, f"{10000 + sum(map(ord, invoice.buyer.name)) % 9000}"))
    if invoice.order_reference:
        values.append((words.order, invoice.order_reference))
    if invoice.delivered:
        values.append((words.delivered, words.date(invoice.delivered)))
    if invoice.due:
        values.append((words.due, words.date(invoice.due)))
    return values


def _address_lines(party: Party) -> list[str]:
    if party.country in {"CA", "US"}:
        return [party.name, party.street, f"{party.city} {party.region} {party.post_code}"]
    if party.country in {"IE", "GB"}:
        return [party.name, party.street, f"{party.city} {party.post_code}"]
    return [party.name, party.street, f"{party.post_code} {party.city}"]


def _address(page: Page, x: float, y: float, party: Party) -> None:
    for step, one in enumerate(_address_lines(party)):
        page.text(x, y + 13 * step, one, 10)


def _table(page: Page, invoice: Invoice, words: Wording, y: float) -> float:
    columns = (LEFT, LEFT + 28, 340.0, 410.0, 455.0, RIGHT)

    def header(y: float) -> float:
        for position, (x, title) in enumerate(zip(columns, words.columns, strict=True)):
            page.text(x, y, title, 8, bold=True, right=position > 1)
        page.rule(y + 4)
        return y + 18

    y = header(y)
    carried = Decimal(0)
    for position, line in enumerate(invoice.lines, start=1):
        if y > page.height - 130:
            page.text(columns[4], y, words.carried, 8, right=True)
            page.text(RIGHT, y, words.amount(carried), 8, right=True)
            page.text(RIGHT, page.height - 40, f"{words.page} {page.number}", 7, right=True)
            page.turn()
            y = header(70)
        rate = line.category.rate
        cells = (
            str(position),
            line.name,
            f"{words.number_of(line.quantity)} {words.units[line.unit]}",
            words.amount(line.price),
            "" if invoice.sales_taxes else f"{words.number_of(rate)}%",
            words.amount(line.net),
        )
        for column, (x, cell) in enumerate(zip(columns, cells, strict=True)):
            page.text(x, y, cell, right=column > 1)
        carried += line.net
        y += 13
        remarks = [line.description] if line.description else []
        if line.allowance:
            remarks.append(f"{line.allowance_reason}: {words.amount(-line.allowance)}")
        for remark in remarks:
            page.text(columns[1], y - 2, remark, 7.5)
            y += 11
    page.rule(y - 6)
    return y + 10


def _sums(page: Page, invoice: Invoice, words: Wording, y: float, off_by: Decimal) -> float:
    if y > page.height - 220:
        page.turn()
        y = 80
    currency = invoice.currency
    rows: list[tuple[str, str, bool]] = []
    if invoice.allowances_charges:
        rows.append((words.subtotal, words.amount(invoice.line_total), False))
        for extra in invoice.allowances_charges:
            sign = 1 if extra.is_charge else -1
            rows.append((extra.reason, words.amount(sign * extra.amount), False))
    rows.append((words.net, words.amount(invoice.net), False))
    for label, rate, amount in invoice.taxes:
        if rate:
            base = next((one.base for one in invoice.breakdowns if one.category.rate == rate), invoice.net)
            name = words.tax.format(label=label or "VAT", rate=words.number_of(rate), base=words.amount(base))
            rows.append((name, words.amount(amount), False))
    rows.append((words.gross, f"{words.amount(invoice.gross + off_by)} {currency}", True))
    if invoice.prepaid:
        rows.append((words.prepaid, words.amount(-invoice.prepaid), False))
        rows.append((words.payable, f"{words.amount(invoice.payable)} {currency}", True))
    for label, value, bold in rows:
        page.text(330, y, label, bold=bold)
        page.text(RIGHT, y, value, bold=bold, right=True)
        y += 14
    return y + 16


def _closing(page: Page, invoice: Invoice, words: Wording, y: float) -> None:
    for reason in dict.fromkeys(one.category.reason for one in invoice.breakdowns if one.category.reason):
        page.text(LEFT, y, reason)
        y += 14
    if invoice.terms:
        page.text(LEFT, y, invoice.terms)
    seller = invoice.seller
    foot = page.height - 78
    page.rule(foot - 12)
    left = [*_address_lines(seller), seller.registration or ""]
    middle = [
        f"{label} {value}"
        for label, value in [(words.our_vat_id, seller.vat_id), (words.our_tax_number, seller.tax_number)]
        if value
    ]
    middle += [part for part in (seller.phone, seller.email) if part]
    right = [words.bank]
    if seller.iban:
        right += ["IBAN " + " ".join(re.findall(".{1,4}", seller.iban)), f"BIC {seller.bic}" if seller.bic else ""]
    elif seller.account:
        right.append(seller.account)
    for x, column in [(LEFT, left), (225.0, middle), (380.0, right)]:
        for step, one in enumerate(column):
            page.text(x, foot + 10 * step, one, 7)


def prose(title: str, lines: list[str]) -> bytes:
    """A letter that is no invoice."""
    buffer = io.BytesIO()
    canvas = _canvas(buffer, title, A4)
    page = Page(canvas, _HELVETICA, A4[1])
    for step, one in enumerate(lines):
        page.text(LEFT, 90 + 15 * step, one, 10)
    canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def factur_x(pdf: bytes, xml: bytes, title: str) -> bytes:
    """A Factur-X/ZUGFeRD 2 PDF: the XML attached as factur-x.xml. Refuses an XML that its profile's schema refuses."""
    made: bytes = generate_from_binary(
        pdf, xml, flavor="factur-x", pdf_metadata={"title": title}, xmp_compression=False
    )
    # The time of making stands in it in several forms; replacements of the same length keep all offsets.
    made = re.sub(rb"(D(?::|\\072))\d{14}", rb"\g<1>20260101000000", made)
    made = re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", b"2026-01-01T00:00:00", made)
    file_id = hashlib.md5(xml, usedforsecurity=False).hexdigest().encode()
    return re.sub(rb"/ID \[ <\w{32}> <\w{32}> \]", b"/ID [ <" + file_id + b"> <" + file_id + b"> ]", made)


def with_attachment(pdf: bytes, xml: bytes, attachment_name: str) -> bytes:
    """The PDF with an XML attached under any name, as programs did and do that follow other specifications."""
    writer = PdfWriter(clone_from=io.BytesIO(pdf))
    writer.add_attachment(attachment_name, xml)
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()

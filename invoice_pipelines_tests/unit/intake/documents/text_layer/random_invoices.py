"""Made-up documents with what is true of them: invoices in six languages and English till receipts, in random
layouts, as words with boxes. The same seed makes the same document.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from random import Random
from typing import Any

from babel.dates import get_month_names

from invoice_pipelines.intake.documents.text_layer.page.words import Page, Word
from invoice_pipelines.workshop.misreading import recognized
from invoice_pipelines_tests.unit.intake.documents.text_layer.wordings import RARE, WORDINGS, Wording

CENT = Decimal("0.01")


@dataclass(frozen=True)
class Made:
    """A document and what is true of it, by the fields of a reading; `sort` is its language or "receipt"."""

    sort: str
    pages: tuple[Page, ...]
    truth: dict[str, Any]


class _Sheet:
    """A page that words are put on."""

    def __init__(self, width: float, height: float, size: float) -> None:
        self.width, self.height, self.size = width, height, size
        self.words: list[Word] = []
        self.net = Decimal(0)  # the sum of the lines

    def put(self, x: float, y: float, text: str, right: bool = False) -> None:
        parts = text.split(" ")
        advance = self.size * 0.5
        if right:
            x -= sum(advance * len(part) for part in parts) + 0.28 * self.size * (len(parts) - 1)
        for part in parts:
            if part:
                # A blank inside of an amount, as in 1 234,56, is narrow.
                self.words.append(Word(part, (x, y, x + advance * len(part), y + self.size), 1))
            x += advance * len(part) + 0.28 * self.size

    def page(self) -> Page:
        return Page(1, self.width, self.height, tuple(self.words))


def written(value: Decimal, example: str) -> str:
    """An amount as in the example, which is that of 1234.56."""
    group, decimal = example[1] if not example[1].isdigit() else "", example[-3]
    return f"{value:,.2f}".replace(",", "\0").replace(".", decimal).replace("\0", group)


def date_text(day: date, form: str, language: str) -> str:
    month = get_month_names("wide", locale=language)[day.month]
    return day.strftime(form.replace("%B", month).replace("%d ", f"{day.day} "))


def invoice(language: str, seed: int, rare: bool = False) -> Made:
    """An invoice; with `rare`, one of its labels is one that the reader does not know."""
    rng = Random(f"{language}-{seed}")
    wording = WORDINGS[language]
    held_out = dict([rng.choice(sorted(RARE[language].items()))]) if rare else {}
    pick = {
        name: held_out.get(name, rng.choice(getattr(wording, name)))
        for name in ("title", "number", "issued", "due", "order", "customer", "buyer", "vat_id", "net", "tax", "gross")
    }
    sheet = _Sheet(595, 842, rng.choice([8.0, 9.0, 10.0, 11.0]))
    step = sheet.size * rng.choice([1.3, 1.5, 1.8])
    example = rng.choice(wording.amounts)
    currency = rng.choice(wording.currencies)
    seller, buyer = rng.sample(wording.companies, 2)
    issued = date(2019, 1, 1) + timedelta(days=rng.randrange(2500))
    due = issued + timedelta(days=rng.choice([7, 10, 14, 30, 45]))
    form = rng.choice(wording.dates)
    number = rng.choice(["{y}-{n}", "{n}", "INV-{n}", "{y}/{n}", "R{n}", "F{y}{n}", "{n}/{y}"]).format(
        y=issued.year, n=rng.randrange(100, 99999)
    )
    vat_id = rng.choice(wording.vat_ids)
    left = rng.choice([40.0, 60.0, 75.0])

    def money(value: Decimal, plain: bool = False) -> str:
        text = written(value, example)
        return text if plain else currency.format(text)

    # Head: seller, buyer, and the block of numbers and dates in one of three styles.
    y = 40.0
    sheet.put(left, y, seller)
    sheet.put(left, y + step, rng.choice(wording.places))
    if rng.random() < 0.5:
        sheet.put(left, y + 2 * step, f"{pick['vat_id']} {vat_id}")
        vat_at_foot = False
    else:
        vat_at_foot = True
    y = 130.0
    if rng.random() < 0.7:
        sheet.put(left, y, pick["buyer"])
        y += step
    for text in (buyer, *rng.choice(wording.places).split(", ")):
        sheet.put(left, y, text)
        y += step
    block = [(pick["number"], number), (pick["issued"], date_text(issued, form, language))]
    extra = [
        (pick["customer"], str(rng.randrange(10000, 99999))),
        (pick["order"], f"B{rng.randrange(1000, 9999)}"),
        (pick["due"], date_text(due, form, language)),
    ]
    has_due = rng.random() < 0.6
    block += [pair for pair in extra if rng.random() < 0.5 and pair[0] != pick["due"]]
    if has_due:
        block.append(extra[2])
    if rng.random() < 0.4:
        rng.shuffle(block)
    y = max(y + step, 215.0)
    sheet.put(left, y, pick["title"])
    y += 1.6 * step
    style = rng.choice(["left", "right", "above"])
    if style == "above" and len(block) <= 4:
        gap = 470 / len(block)
        for index, (label, value) in enumerate(block):
            sheet.put(left + index * gap, y, label)
            sheet.put(left + index * gap, y + step, value)
        y += 2 * step
    else:
        x = left if style != "right" else 330.0
        for label, value in block:
            sheet.put(x, y, label)
            sheet.put(x + sheet.size * 13 if style != "right" else 560, y, value, right=style == "right")
            y += step
    y = _table(sheet, wording, rng, left, y + 2 * step, step, money)
    net = sheet.net
    rate = Decimal(rng.choice(wording.rates).replace(",", "."))
    tax = (net * rate / 100).quantize(CENT, ROUND_HALF_UP)
    label_x = rng.choice([left, 320.0, 360.0])
    shown_rate = str(rate).replace(".", example[-3])
    for label, value in (  # type: ignore[assignment]
        (pick["net"], net),
        (pick["tax"].format(shown_rate), tax),
        (pick["gross"], net + tax),
    ):
        sheet.put(label_x, y, label)
        sheet.put(555, y, money(value), right=True)
        y += step
    y += 2 * step
    sheet.put(left, y, rng.choice(wording.thanks))
    sheet.put(left, 790, f"IBAN {wording.iban}")
    if vat_at_foot:
        sheet.put(330, 790, f"{pick['vat_id']} {vat_id}")
    truth: dict[str, Any] = {
        "number": number,
        "issue_date": issued,
        "net_amount": net,
        "tax_amount": tax,
        "gross_amount": net + tax,
        "seller.name": seller,
        "seller.vat_id": vat_id,
        "iban": wording.iban.replace(" ", ""),
    }
    if has_due:
        truth["due_date"] = due
    return Made(language, (sheet.page(),), truth)


def _table(sheet: _Sheet, wording: Wording, rng: Random, left: float, y: float, step: float, money: Any) -> float:
    columns = rng.choice(wording.columns)
    places = (330.0, 440.0, 555.0)
    sheet.put(left, y, columns[0])
    for x, title in zip(places, columns[1:], strict=True):
        sheet.put(x, y, title, right=True)
    for _ in range(rng.randrange(1, 8)):
        y += step
        quantity = rng.randrange(1, 20)
        price = Decimal(rng.randrange(100, 60000)) / 100
        sheet.put(left, y, rng.choice(wording.items))
        sheet.put(places[0], y, str(quantity), right=True)
        sheet.put(places[1], y, money(price, plain=True), right=True)
        sheet.put(places[2], y, money(price * quantity, plain=True), right=True)
        sheet.net += price * quantity
    return y + 2 * step


_SHOPS = ("GOLDEN WOK RESTAURANT SDN BHD", "AH SENG HARDWARE TRADING", "Corner Books Ltd", "SUNRISE MART", "Café Bo")
_GOODS = (
    "NASI LEMAK",
    "TEH TARIK",
    "PVC PIPE 1/2",
    "BLUE PEN",
    "WHITE BREAD",
    "MINERAL WATER",
    "A4 PAPER",
    "BATTERY AA",
)


def receipt(seed: int) -> Made:
    """A till receipt in English, as shops in Malaysia, Britain or Australia print it. Its total is what was paid."""
    rng = Random(f"receipt-{seed}")
    sheet = _Sheet(rng.choice([300.0, 380.0]), 900.0, rng.choice([9.0, 10.0, 11.0]))
    step = sheet.size * rng.choice([1.3, 1.6])
    right = sheet.width - 20
    ringgit = rng.random() < 0.7
    sign = rng.choice(["RM", "RM ", "", ""]) if ringgit else rng.choice(["£", "$", ""])
    day = date(2016, 1, 1) + timedelta(days=rng.randrange(1200))
    form = rng.choice(["%d/%m/%Y", "%d-%m-%Y", "%d/%m/%y", "%d %b %Y", "%d-%b-%Y", "%Y-%m-%d", "%d.%m.%Y"])
    y = 20.0
    sheet.put(40, y, rng.choice(_SHOPS))
    for text in ("LOT 12, JALAN BUNGA 3" if ringgit else "12 High Street", "TEL : 03-8076 1234"):
        y += step
        sheet.put(40, y, text)
    if ringgit and rng.random() < 0.7:
        y += step
        sheet.put(40, y, "GST ID : 000306020352")
    if rng.random() < 0.5:
        y += step
        sheet.put(90, y, rng.choice(["TAX INVOICE", "RECEIPT", "CASH BILL", "INVOICE"]))
    shown = day.strftime(form)
    head = [
        rng.choice(
            [f"Date : {shown}", f"DATE: {shown} 18:22", f"{shown} 06:13:22 PM", f"Date/Time: {shown} 14:05", shown]
        ),
        rng.choice(["Receipt No : R000452", "Bill No: 10-2213", "Inv No: CS00012", "Slip: 4471", "CHECK #: 8821"]),
        rng.choice(["Cashier : USER", "Table: 12", "Member: 8822", "Counter 02"]),
    ]
    rng.shuffle(head)
    for text in head:
        y += step
        sheet.put(20, y, text)
    y += 2 * step
    taxed = rng.choice(["none", "included", "added"]) if ringgit else rng.choice(["none", "included"])
    prices = []
    for _ in range(rng.randrange(1, 7)):
        price, quantity = Decimal(rng.randrange(50, 9000)) / 100, rng.choice([1, 1, 1, 2, 3])
        sheet.put(20, y, rng.choice(_GOODS))
        if quantity > 1 and rng.random() < 0.5:
            y += step
            sheet.put(40, y, f"{quantity} x {price}")
        sheet.put(
            right, y, f"{price * quantity}{rng.choice(['', ' SR', 'Z', '']) if taxed == 'included' else ''}", right=True
        )
        prices.append(price * quantity)
        y += step
    y += step
    subtotal = sum(prices, Decimal(0))
    total = subtotal
    rows: list[tuple[str, Decimal]] = []
    if taxed == "added":
        tax = (subtotal * 6 / 100).quantize(CENT, ROUND_HALF_UP)
        total += tax
        rows += [(rng.choice(["SUB TOTAL", "Sub-Total", "Total Excl. GST"]), subtotal)]
        rows += [(rng.choice(["GST 6%", "Add GST @6%", "GST @ 6%"]), tax)]
    elif rng.random() < 0.5:
        rows.append((rng.choice(["SUBTOTAL", "Sub Total", "Subtotal :"]), subtotal))
    name = rng.choice(
        ["TOTAL", "Total :", "TOTAL AMOUNT", "Grand Total", "TOTAL INCL. GST", "Total Sales", "NET TOTAL"]
    )
    rows.append((name, total))
    paid = total
    if ringgit and rng.random() < 0.5:
        paid = (total * 20).quantize(Decimal(1), ROUND_HALF_UP) / 20
        paid = paid.quantize(CENT)
        rows.append((rng.choice(["ROUNDING", "Rounding Adj", "Rounding Adjustment :"]), paid - total))
        rows.append((rng.choice(["ROUNDED TOTAL (RM)", "Total Rounded", "TOTAL AFTER ROUNDING", "NETT TOTAL"]), paid))
    if rng.random() < 0.75:
        given = paid + rng.choice([Decimal(0), Decimal("0.50"), Decimal(5), Decimal("13.40")])
        rows.append((rng.choice(["CASH", "Cash Tendered", "CASH RECEIVED", "Cash :"]), given))
        rows.append((rng.choice(["CHANGE", "Change Due", "CHANGE :"]), given - paid))
    elif rng.random() < 0.5:
        rows.append((rng.choice(["VISA", "MASTERCARD", "Credit Card"]), paid))
    for label, value in rows:
        sheet.put(rng.choice([20, 20, 60]), y, label)
        sheet.put(right, y, f"{sign}{value}", right=True)
        y += step
    if taxed != "none" and rng.random() < 0.6:
        base = (total / Decimal("1.06")).quantize(CENT, ROUND_HALF_UP)
        y += step
        for x, text in ((20.0, "GST Summary"), (170.0, "Amount"), (right - 60, "Tax")):
            sheet.put(x, y, text)
        y += step
        sheet.put(20, y, "SR @ 6%")
        sheet.put(215, y, str(base), right=True)
        sheet.put(right, y, str(total - base), right=True)
    y += 2 * step
    sheet.put(30, y, rng.choice(["THANK YOU, PLEASE COME AGAIN", "Goods sold are not returnable", "Thank you!"]))
    return Made("receipt", (sheet.page(),), {"issue_date": day, "gross_amount": paid})


def as_recognized(made: Made, seed: int) -> Made:
    """The same document as an OCR engine reads a scan."""
    rng = Random(f"ocr-{seed}")
    slope = rng.uniform(-0.004, 0.004)
    pages = (recognized(page, rng, slope=slope, glued=0.15, misread=0.012, engine="rapidocr 3") for page in made.pages)
    return replace(made, pages=tuple(pages))

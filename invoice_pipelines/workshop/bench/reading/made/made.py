"""Made-up invoices and receipts in layouts and wordings that no reader was made or trained with, and what is true of
them. The same seed makes the same document.

They try a reader where it is weak: a customer's VAT id and account, days of delivery, printing and card expiry, numbers
of orders and of card slips, balances carried over, VAT tables whose sums stand nowhere else, words glued by an OCR.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from importlib import resources
from random import Random

from babel.dates import get_month_names

from invoice_pipelines.intake.documents.text_layer.identifiers import iban_is_valid
from invoice_pipelines.intake.documents.text_layer.page.words import Page, Word
from invoice_pipelines.workshop.bench.reading.documents import Document
from invoice_pipelines.workshop.bench.reading.truth import KIND, Truth
from invoice_pipelines.workshop.misreading import recognized

MADE = "made"
_CENT = Decimal("0.01")
_VAT_IDS = {
    "de": ["DE136695976", "DE811569869", "DE129273398"],
    "en": ["GB980780684"],
    "fr": ["FR40303265045"],
    "es": ["ESB58378431"],
    "it": ["IT00743110157"],
    "nl": ["NL004495445B01"],
}
_BANKS = {
    "de": ("DE", "10020500"),
    "en": ("GB", "NWBK601613"),
    "fr": ("FR", "3000600001"),
    "es": ("ES", "21000418"),
    "it": ("IT", "X0542811101"),
    "nl": ("NL", "ABNA"),
}
_LENGTHS = {"DE": 22, "GB": 22, "FR": 27, "ES": 24, "IT": 27, "NL": 18}
_SIGNS = {"EUR": "€", "GBP": "£"}


def made_documents(count: int, first: int = 0) -> Iterator[Document]:
    """So many documents, of seeds from `first` on; the part is MADE, and each is of a seller of its own."""
    for seed in range(first, first + count):
        yield _Paper(seed).document()


@cache
def _wordings() -> Mapping[str, Mapping[str, Sequence[str]]]:
    return tomllib.loads((resources.files(__package__) / "wordings.toml").read_text(encoding="utf-8"))


class _Paper:
    """One document while it is written: from top to bottom, with what is true of it so far."""

    def __init__(self, seed: int) -> None:
        self.seed, self.rng = seed, Random(f"bench-{seed}")
        self.language = self.rng.choice(["de", "de", "de", *sorted(_wordings())])
        self.wording = _wordings()[self.language]
        self.narrow = self.rng.random() < 0.5
        self.width, self.height = (self.rng.choice([200.0, 226.0, 280.0]), 1400.0) if self.narrow else (595.0, 842.0)
        self.size = self.rng.choice([7.0, 8.0]) if self.narrow else self.rng.choice([8.0, 9.5, 11.0])
        self.step = self.size * self.rng.choice([1.25, 1.45, 1.7])
        self.left = self.rng.choice([8.0, 14.0]) if self.narrow else self.rng.choice([45.0, 70.0])
        self.right = self.width - self.left
        self.y = self.rng.choice([12.0, 40.0])
        self.words: list[Word] = []
        self.truth: dict[str, Sequence[str] | None] = {"iban": None, "vat_id": None, KIND: ["invoice"]}
        self.currency = self.rng.choice(self.wording["currencies"])
        self.money_form = self.rng.choice(["{} EUR", "{} €", "€ {}", "{}", "{}"]).replace("EUR", self.currency)
        self.money_form = self.money_form.replace("€", _SIGNS[self.currency])
        self.issued = date(2020, 1, 1) + timedelta(days=self.rng.randrange(2100))
        self.form = self.rng.choice(self.wording["dates"])
        self.grouped = self.rng.random() < 0.7
        self.seller, self.buyer = self.rng.sample(self.wording["companies"], 2)

    def document(self) -> Document:
        (self.receipt if self.narrow else self.letter)()
        if any(sign in word.text for word in self.words for sign in (self.currency, *_SIGNS.values())):
            self.truth["currency"] = [self.currency]
        pages: tuple[Page, ...] = (Page(1, self.width, self.height, tuple(self.words)),)
        if self.rng.random() < (0.8 if self.narrow else 0.35):
            slope = self.rng.uniform(-0.006, 0.006)
            engine = "rapidocr 3"
            pages = (recognized(pages[0], self.rng, slope=slope, glued=0.2, misread=0.01, engine=engine),)
        truth: Truth = self.truth
        return Document(MADE, f"made-{self.seed}-{self.language}", f"made-{self.seed}", pages, truth, True)

    # What is put on the page

    def put(self, x: float, text: str, *, right: bool = False, centre: bool = False, size: float | None = None) -> None:
        size = size or self.size
        advance, gap = size * 0.5, size * 0.28
        parts = text.split(" ")
        length = sum(advance * len(part) for part in parts) + gap * (len(parts) - 1)
        x = x - length if right else x - length / 2 if centre else x
        for part in parts:
            if part:
                self.words.append(Word(part, (x, self.y, x + advance * len(part), self.y + size), 1))
            x += advance * len(part) + gap

    def row(self, *cells: tuple[float, str, bool]) -> None:
        for x, text, right in cells:
            self.put(x, text, right=right)
        self.y += self.step

    def pair(self, label: str, value: str) -> None:
        self.row((self.left, label, False), (self.right, value, True))

    def pick(self, name: str) -> str:
        return self.rng.choice(self.wording[name])

    def money(self, value: Decimal, plain: bool = False) -> str:
        text = f"{value:,.2f}" if self.grouped else f"{value:.2f}"
        if self.wording["decimal"] == ",":
            text = text.translate(str.maketrans(",.", ".,"))
        return text if plain else self.money_form.format(text)

    def day(self, day: date) -> str:
        month = get_month_names("wide", locale=self.language)[day.month]
        return day.strftime(self.form.replace("%B", month).replace("%d ", f"{day.day} "))

    def number(self) -> str:
        year, count = self.issued.year, self.rng.randrange(10, 99999)
        number = self.rng.choice(["{n}", "{y}-{n}", "RE{n}", "{y}/{n:06}", "A-{n}", "{n}/{y}", "INV{y}{n:05}"])
        written = number.format(y=year, n=count)
        self.truth["number"] = [written]
        return written

    def iban(self) -> str:
        country, bank = _BANKS[self.language]
        text = ""
        while not iban_is_valid(text):  # in some countries the account has check digits of its own
            rest = bank + "".join(self.rng.choice("0123456789") for _ in range(_LENGTHS[country] - 4 - len(bank)))
            figures = "".join(str(int(sign, 36)) for sign in rest + country + "00")
            text = f"{country}{98 - int(figures) % 97:02}{rest}"
        return " ".join(text[start : start + 4] for start in range(0, len(text), 4))

    # The sums

    def goods(self, most: int) -> list[tuple[str, int, Decimal, Decimal]]:
        """Name, quantity, price and rate; prices are with VAT on a receipt."""
        rates = self.rng.choice([self.wording["rates"][:1], self.wording["rates"][:1], self.wording["rates"][:2]])
        top = 4000 if self.narrow else 90000
        return [
            (
                self.pick("goods"),
                self.rng.choice([1, 1, 1, 2, 3, 12]),
                Decimal(self.rng.randrange(90, top)) / 100,
                Decimal(self.rng.choice(rates)),
            )
            for _ in range(self.rng.randrange(1, most))
        ]

    def sums(self, goods: Sequence[tuple[str, int, Decimal, Decimal]]) -> list[tuple[Decimal, Decimal, Decimal]]:
        """By rate: rate, net and tax."""
        found: dict[Decimal, Decimal] = {}
        for _, quantity, price, rate in goods:
            found[rate] = found.get(rate, Decimal(0)) + quantity * price
        rows = []
        for rate, amount in found.items():
            share = rate / (100 + rate) if self.narrow else rate / 100
            tax = (amount * share).quantize(_CENT, ROUND_HALF_UP)
            rows.append((rate, amount - tax if self.narrow else amount, tax))
        net, tax = sum((row[1] for row in rows), Decimal(0)), sum((row[2] for row in rows), Decimal(0))
        self.truth |= {"net": [str(net)], "tax": [str(tax)], "gross": [str(net + tax)]}
        return rows

    def rate(self, rate: Decimal) -> str:
        return str(rate).replace(".", "," if self.wording["decimal"] == "," else ".")

    def vat_table(self, rows: Sequence[tuple[Decimal, Decimal, Decimal]]) -> None:
        """Rate, net, VAT and gross in columns; their order differs, and so does where the sign of percent stands."""
        order = self.rng.choice([(0, 1, 2, 3), (0, 2, 1, 3), (0, 3, 1, 2)])
        places = [self.left, *(self.left + (self.right - self.left) * share for share in (0.45, 0.72, 1.0))]
        heads = self.wording["table"]
        self.row(*((x, heads[column], index > 0) for index, (x, column) in enumerate(zip(places, order, strict=True))))
        for rate, net, tax in rows:
            percent = self.rate(rate) + self.rng.choice(["%", " %", ",00%"])
            cells = (percent, *(self.money(value, plain=True) for value in (net, tax, net + tax)))
            self.row(
                *((x, cells[column], index > 0) for index, (x, column) in enumerate(zip(places, order, strict=True)))
            )

    # A till receipt

    def receipt(self) -> None:
        rng = self.rng
        middle = self.width / 2
        self.truth["seller"] = [self.seller]
        self.put(middle, self.seller, centre=True, size=self.size * rng.choice([1.0, 1.4]))
        self.y += self.step * 1.4
        for text in (
            *self.pick("places").split("|"),
            f"Tel. 0{rng.randrange(200, 999)} {rng.randrange(10000, 999999)}",
        ):
            self.put(middle, text, centre=True)
            self.y += self.step
        vat_id = rng.choice(_VAT_IDS[self.language])
        at_head = rng.random() < 0.5
        has_vat_id = rng.random() < 0.6
        if has_vat_id:
            self.truth["vat_id"] = [vat_id, vat_id[2:]]
            if at_head:
                self.put(middle, f"{self.pick('vat')} {vat_id}", centre=True)
                self.y += self.step
        self.y += self.step
        clock = f"{rng.randrange(8, 22)}:{rng.randrange(10, 59)}"
        shown = self.day(self.issued)
        at_foot = rng.random() < 0.4
        self.truth["issue_date"] = [self.issued.isoformat()]
        if rng.random() < 0.6:
            self.pair(f"{self.pick('number')}:", self.number())
        if not at_foot:
            self.row((self.left, rng.choice([f"{shown} {clock}", f"{self.pick('issued')}: {shown}", shown]), False))
        self.y += self.step
        goods = self.goods(8)
        for name, quantity, price, _ in goods:
            if quantity > 1:
                self.row((self.left, f"{quantity} x {self.money(price, plain=True)}", False))
            self.pair(name, self.money(quantity * price, plain=True) + rng.choice(["", "", " A"]))
        rows = self.sums(goods)
        gross = sum((net + tax for _, net, tax in rows), Decimal(0))
        self.y += self.step * 0.5
        self.pair(self.pick("total"), self.money(gross))
        style = rng.choice(["table", "table", "within", "none"])
        if rng.random() < 0.6:
            self.pay(gross)
            self.taxes(rows, style)
        else:
            self.taxes(rows, style)
            self.pay(gross)
        if at_foot:
            self.row((self.left, f"{shown} {clock} {rng.randrange(1, 9)} {rng.randrange(1000, 9999)}", False))
        if has_vat_id and not at_head:
            self.put(middle, f"{self.pick('vat')}: {vat_id}", centre=True)
            self.y += self.step

    def pay(self, total: Decimal) -> None:
        rng = self.rng
        if rng.random() < 0.5:
            given = total + rng.choice([Decimal(0), Decimal("0.40"), Decimal(5), Decimal("13.10")])
            self.pair(self.pick("cash"), self.money(given))
            self.pair(self.pick("change"), self.money(given - total))
            return
        self.pair(self.pick("card"), self.money(total))
        if rng.random() < 0.5:  # the slip of the card, with numbers and days of its own
            self.row((self.left, f"Terminal-ID {rng.randrange(10**7, 10**8)}", False))
            self.row(
                (
                    self.left,
                    f"Trace-Nr. {rng.randrange(1000, 99999)} {rng.randrange(1, 12):02}/{rng.randrange(26, 30)}",
                    False,
                )
            )

    def taxes(self, rows: Sequence[tuple[Decimal, Decimal, Decimal]], style: str) -> None:
        if style == "table":
            self.vat_table(rows)
            return
        del self.truth["net"]  # not printed, but it may be reckoned
        if style == "within":
            for rate, _, tax in rows:
                self.pair(self.pick("within").format(self.rate(rate)), self.money(tax))
        else:
            self.truth["tax"] = None

    # A letter

    def letter(self) -> None:
        self.truth |= {"seller": [self.seller], "issue_date": [self.issued.isoformat()], "vat_id": None}
        self.head()
        self.meta()
        self.y += self.step
        goods = self.goods(9)
        columns = [self.left, *(self.left + (self.right - self.left) * share for share in (0.6, 0.8, 1.0))]
        self.row(
            *(
                (x, text, index > 0)
                for index, (x, text) in enumerate(zip(columns, self.wording["columns"], strict=True))
            )
        )
        for name, quantity, price, _ in goods:
            cells = (name, str(quantity), self.money(price, plain=True), self.money(quantity * price, plain=True))
            self.row(*((x, text, index > 0) for index, (x, text) in enumerate(zip(columns, cells, strict=True))))
        self.y += self.step
        rows = self.sums(goods)
        self.totals(rows)
        self.y += 2 * self.step
        self.foot()

    def head(self) -> None:
        rng = self.rng
        place, other = self.pick("places"), self.pick("places")
        style = rng.choice(["above", "beside", "line"])
        if style == "above":
            self.put(self.right, self.seller, right=True, size=self.size * 1.5)
            self.y += 2 * self.step
            for text in place.split("|"):
                self.put(self.right, text, right=True)
                self.y += self.step
        elif style == "line":
            self.put(self.left, f"{self.seller} · {place.replace('|', ' · ')}", size=self.size * 0.7)
            self.y += 1.5 * self.step
        if style == "beside":
            for mine, theirs in zip((self.seller, *place.split("|")), (self.buyer, *other.split("|")), strict=True):
                self.row((self.left, mine, False), (self.width * 0.6, theirs, False))
        else:
            for text in (self.buyer, *other.split("|")):
                self.row((self.left, text, False))
        self.y += 2 * self.step

    def meta(self) -> None:
        """Title, numbers and days, in a column, a row of columns, or a sentence of the title."""
        rng = self.rng
        self.put(self.left, self.pick("title"), size=self.size * 1.6)
        self.y += 2.4 * self.step
        pairs = [(self.pick("number"), self.number()), (self.pick("issued"), self.day(self.issued))]
        for name, days in (("due", rng.choice([8, 14, 30])), ("delivered", -rng.randrange(1, 20)), ("printed", 1)):
            if rng.random() < 0.4:
                pairs.append((self.pick(name), self.day(self.issued + timedelta(days=days))))
        for name, value in (("order", f"B{rng.randrange(1000, 99999)}"), ("customer", str(rng.randrange(1000, 99999)))):
            if rng.random() < 0.5:
                pairs.append((self.pick(name), value))
        if rng.random() < 0.3:
            theirs = rng.choice(_VAT_IDS["de" if self.language != "de" else "fr"])
            pairs.append((self.pick("their_vat"), theirs))
        if rng.random() < 0.5:
            rng.shuffle(pairs)
        style = rng.choice(["column", "right", "row", "glued"])
        if style == "row" and len(pairs) <= 5:
            width = (self.right - self.left) / len(pairs)
            self.row(*((self.left + index * width, label, False) for index, (label, _) in enumerate(pairs)))
            self.row(*((self.left + index * width, value, False) for index, (_, value) in enumerate(pairs)))
            return
        for label, value in pairs:
            if style == "glued":
                self.row((self.left, f"{label}: {value}", False))
            elif style == "right":
                self.row((self.width * 0.6, label, False), (self.right, value, True))
            else:
                self.row((self.left, f"{label}:", False), (self.left + 17 * self.size, value, False))

    def totals(self, rows: Sequence[tuple[Decimal, Decimal, Decimal]]) -> None:
        rng = self.rng
        net = sum((row[1] for row in rows), Decimal(0))
        gross = net + sum((row[2] for row in rows), Decimal(0))
        style = rng.choice(["block", "block", "table", "top"])
        label_x = rng.choice([self.left, self.width * 0.55])

        def line(label: str, value: Decimal) -> None:
            self.row((label_x, label, False), (self.right, self.money(value), True))

        if style == "table":
            self.vat_table(rows)
            self.y += self.step
            line(self.pick("gross"), gross)
        else:
            line(self.pick("net"), net)
            for rate, _, of_rate in rows:
                line(self.pick("tax").format(self.rate(rate)), of_rate)
            line(self.pick("gross"), gross)
        if rng.random() < 0.12:
            part = (gross * rng.randrange(1, 9) / 10).quantize(_CENT)
            line(self.pick("paid"), -part)

    def foot(self) -> None:
        """VAT id and account, in columns or in one line; sometimes also the customer's account, to be debited."""
        rng = self.rng
        self.y = max(self.y, self.height - 60)
        parts = []
        if rng.random() < 0.8:
            vat_id = rng.choice(_VAT_IDS[self.language])
            self.truth["vat_id"] = [vat_id, vat_id[2:]]
            parts.append(f"{self.pick('vat')} {vat_id}")
        if rng.random() < 0.8:
            account = self.iban()
            self.truth["iban"] = [account.replace(" ", "")]
            parts.append(f"IBAN {account if rng.random() < 0.7 else account.replace(' ', '')}")
        if rng.random() < 0.5:
            for text in parts:
                self.row((self.left, text, False))
        else:
            self.row(*((self.left + index * self.width * 0.4, text, False) for index, text in enumerate(parts)))

"""Made-up documents to learn from: invoices and receipts in many layouts, with the totals that are true of them.

Nothing here is drawn: a document is words with boxes, as a text layer or an OCR engine gives them. The same seed makes
the same document. The tests have a generator of their own, which must stay another one: it judges what is learned.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from importlib import resources
from random import Random

from invoice_pipelines.intake.documents.text_layer.page.words import Page, Word
from invoice_pipelines.workshop.misreading import recognized

CENT = Decimal("0.01")


@dataclass(frozen=True)
class Sample:
    """A document and its totals by role (gross, net, tax): the accepted values, none where no such amount is printed.
    What nobody knows is left out."""

    name: str
    pages: tuple[Page, ...]
    totals: Mapping[str, frozenset[Decimal]]
    seller: str = ""


@cache
def wordings() -> Mapping[str, Mapping[str, Sequence[str]]]:
    """By language what things are called."""
    found: dict[str, Mapping[str, Sequence[str]]] = tomllib.loads(
        (resources.files(__package__) / "wordings.toml").read_text(encoding="utf-8")
    )
    return found


def samples(count: int, first: int = 0) -> Iterator[Sample]:
    """So many documents of all languages and sorts."""
    languages = sorted(wordings())
    for seed in range(first, first + count):
        rng = Random(f"learn-{seed}")
        language = rng.choice([*languages, "de", "en", "en", "de"])
        paper = _Paper(rng, language)
        sample = paper.receipt(seed) if rng.random() < 0.6 else paper.invoice(seed)
        if rng.random() < 0.55:
            page = recognized(
                sample.pages[0],
                rng,
                slope=rng.uniform(-0.006, 0.006),
                glued=rng.choice([0.03, 0.15, 0.4]),
                misread=rng.choice([0.0, 0.01, 0.05]),
                engine="made up",
            )
            sample = replace(sample, pages=(page,))
        yield sample


@dataclass
class _Sums:
    """What the articles come to."""

    prices: list[Decimal]
    net: Decimal
    taxes: list[tuple[str, Decimal, Decimal]]  # rate as printed, net, tax
    gross: Decimal
    adjusted: list[tuple[str, Decimal]] = field(default_factory=list)  # by the name of a wording

    @property
    def tax(self) -> Decimal:
        return sum((tax for _, _, tax in self.taxes), Decimal(0))


class _Paper:
    """One document that is being written from the top down."""

    def __init__(self, rng: Random, language: str) -> None:
        self.rng = rng
        self.words: list[Word] = []
        self.known = wordings()[language]
        self.language = language
        self.notation = rng.choice(self.known["notation"])
        self.money_of_totals = rng.choice(self.known["money"])
        self.money_of_lines = rng.choice(["{}", "{}", self.money_of_totals])
        self.size = rng.choice([7.0, 8.0, 9.0, 10.0, 11.0])
        self.step = self.size * rng.choice([1.15, 1.3, 1.5, 1.9])
        self.upper = rng.random() < 0.2
        self.ending = rng.choice(["", "", ":", " :", "..."])
        self.y = 25.0
        self.left, self.right, self.width = 40.0, 550.0, 595.0
        self.letter = 0.5

    # Words

    def put(self, x: float, text: str, *, right: bool = False, size: float | None = None) -> None:
        size = size or self.size
        parts = [part for part in text.split(" ") if part]
        advance = size * self.letter
        if right:
            x -= sum(advance * len(part) for part in parts) + 0.28 * size * (len(parts) - 1)
        for part in parts:
            box = (x, self.y + self.size - size, x + advance * len(part), self.y + self.size)
            self.words.append(Word(part, box, 1))
            x += advance * len(part) + 0.28 * size

    def row(self, name: str, value: str, *, size: float | None = None, x: float | None = None) -> None:
        """A name and its value in one of the ways of this document."""
        start = self.left if x is None else x
        if self.style == "together":
            self.put(start, f"{name} {value}", size=size)
        elif self.style == "before":
            self.put(start, value, size=size)
            self.put(start + 9 * self.size, name, size=size)
        elif self.style == "below":
            self.put(start, name)
            self.y += self.step
            self.put(start, value, size=size)
        else:
            self.put(start, name, size=size)
            self.put(self.right, value, right=True, size=size)
        self.y += (size or self.size) * self.step / self.size

    def say(self, what: str, rate: str = "") -> str:
        text = self.rng.choice(self.known[what])
        text = (
            text.replace("{}", rate) if rate else text.replace("{} %", "").replace("{}%", "").replace("()", "").strip()
        )
        # What a document calls its total in a way that nobody has met has to be seen by place and sums.
        if self.rng.random() < 0.06:
            text = "".join(self.rng.choice("aeilnorst") for _ in range(self.rng.randrange(4, 11)))
        return (text.upper() if self.upper else text) + (self.ending if what != "titles" else "")

    def money(self, value: Decimal, plain: bool = False) -> str:
        group, decimal = self.notation[1] if not self.notation[1].isdigit() else "", self.notation[-3]
        text = f"{abs(value):,.2f}".replace(",", "\0").replace(".", decimal).replace("\0", group)
        text = (self.money_of_lines if plain else self.money_of_totals).format(text)
        return text if value >= 0 else self.rng.choice([f"-{text}", f"{text}-"])

    # Sums

    def sums(self, most: int, dearest: int, *, included: bool, taxed: bool = True) -> _Sums:
        rng = self.rng
        rates = rng.sample(self.known["percents"], 1 if rng.random() < 0.75 else 2) if taxed else []
        prices = [Decimal(rng.randrange(50, dearest)) / 100 for _ in range(rng.randrange(1, most))]
        if rng.random() < 0.25:
            prices = [price.quantize(Decimal(1)).quantize(CENT) + Decimal(1) for price in prices]
        of_rate: dict[str, Decimal] = {}
        for price in prices:
            rate = rng.choice(rates) if rates else ""
            of_rate[rate] = of_rate.get(rate, Decimal(0)) + price
        adjusted = []
        if rng.random() < 0.15:
            what = rng.choice(["discount", "charge"])
            value = (sum(prices, Decimal(0)) * rng.choice([5, 10, 20]) / 100).quantize(CENT)
            value = -value if what == "discount" else value
            adjusted.append((what, value))
            first = next(iter(of_rate))
            of_rate[first] += value
        taxes = []
        net = gross = Decimal(0)
        for rate, value in of_rate.items():
            percent = Decimal(rate.replace(",", ".")) if rate else Decimal(0)
            if included:
                base = (value * 100 / (100 + percent)).quantize(CENT, ROUND_HALF_UP)
                tax = value - base
            else:
                base, tax = value, (value * percent / 100).quantize(CENT, ROUND_HALF_UP)
            net, gross = net + base, gross + base + tax
            if rate:
                taxes.append((rate, base, tax))
        return _Sums(prices, net, taxes, gross, adjusted)

    def items(self, sums: _Sums, columns: bool) -> None:
        rng = self.rng
        letters = rng.choice(["", "", " A", " B", "A"])
        places = (self.right - 24 * self.size * self.letter, self.right - 12 * self.size * self.letter)
        if columns:
            names = rng.sample(self.known["columns"], 4)
            self.put(self.left, names[0])
            self.put(places[0], names[1], right=True)
            self.put(places[1], names[2], right=True)
            self.put(self.right, names[3], right=True)
            self.y += self.step
        for price in sums.prices:
            count = rng.choice([1, 1, 1, 2, 3, 4])
            each = (price / count).quantize(CENT)
            count = count if each * count == price else 1
            self.put(self.left, rng.choice(self.known["items"]))
            if columns:
                self.put(places[0], str(count), right=True)
                self.put(places[1], self.money(price / count if count == 1 else each, True), right=True)
            elif count > 1:
                if rng.random() < 0.5:
                    self.put(self.left + 15 * self.size * self.letter, f"{count} x {self.money(each, True)}")
                else:
                    self.y += self.step
                    self.put(self.left + 10, f"{count} * {self.money(each, True)}")
            self.put(self.right, self.money(price, True) + letters, right=True)
            self.y += self.step

    # Sorts of documents

    def head(self, date_beside: bool) -> None:
        rng = self.rng
        size = self.size * rng.choice([1.0, 1.0, 1.5, 2.2])
        self.y += size
        self.put(self.left + rng.choice([0, 30]), rng.choice(self.known["sellers"]), size=size)
        self.y += self.step
        for place in rng.sample(self.known["places"], rng.randrange(1, len(self.known["places"]) + 1)):
            self.put(self.left, place)
            self.y += self.step
        self.put(self.left, self.say("titles"), size=size)
        day = f"{rng.randrange(1, 29):02}.{rng.randrange(1, 13):02}.{rng.randrange(2018, 2027)}"
        if not date_beside:
            self.y += self.step
        self.put(self.right, rng.choice([day, day.replace(".", "/"), f"{day} 14:22"]), right=True)
        self.y += 1.5 * self.step

    def receipt(self, seed: int) -> Sample:
        """A till receipt, a bill of a restaurant or hotel, a ticket, or the slip of a card."""
        rng = self.rng
        self.width = rng.choice([200.0, 240.0, 300.0, 420.0, 595.0])
        self.left = rng.choice([8.0, 20.0]) if self.width < 500 else 60.0
        self.right = self.width - rng.choice([8.0, 25.0]) if self.width < 500 else rng.choice([300.0, 540.0])
        self.letter = min(0.5, self.width / 60 / self.size)
        self.style = rng.choice(["apart"] * 8 + ["together", "before", "below"])
        included = self.language not in ("en",) or rng.random() < 0.5
        sums = self.sums(
            rng.choice([2, 5, 9, 22]), rng.choice([600, 3000, 20000]), included=included, taxed=rng.random() < 0.85
        )
        self.head(rng.random() < 0.5)
        big = self.size * rng.choice([1.0, 1.0, 1.0, 1.3, 1.7, 2.1])
        if rng.random() < 0.9:
            self.items(sums, rng.random() < 0.35)
        for what, value in sums.adjusted:
            self.row(self.say(what), self.money(value))
        if rng.random() < 0.5:
            self.y += self.step
        net = tax = False
        if rng.random() < 0.35 or not included:
            self.row(self.say("subtotal"), self.money(sums.net if not included else sums.gross))
            net = not included
        if not included and sums.taxes:
            for rate, _, value in sums.taxes:
                self.row(self.say("tax", rate), self.money(value))
            tax = len(sums.taxes) == 1
            if len(sums.taxes) > 1 and rng.random() < 0.4:
                self.row(self.say("tax"), self.money(sums.tax))
                tax = True
        total = sums.gross
        if rng.random() < 0.07 and self.language in ("en", "cs"):
            total = (total * 20).quantize(Decimal(1), ROUND_HALF_UP) / 20
            total = total.quantize(CENT)
            if total != sums.gross:
                self.row("Rounding", self.money(total - sums.gross))
        tip = rng.random() < 0.06
        if tip and rng.random() < 0.5:  # what is added after a first total makes another
            self.row(self.say("receipt"), self.money(total), size=big)
            extra = (total * rng.choice([5, 10, 15, 18, 20]) / 100).quantize(CENT)
            self.row(rng.choice([self.say("charge"), "Tip", "Trinkgeld"]), self.money(extra))
            total += extra
        self.row(self.say("receipt"), self.money(total), size=big)
        if total != sums.gross:
            net = tax = False
        if rng.random() < 0.25:
            self.y += self.step
        taxes_first = rng.random() < 0.5
        if included and sums.taxes and taxes_first and rng.random() < 0.85:
            net, tax = self.taxes(sums)
        self.paid(total)
        if included and sums.taxes and not taxes_first and rng.random() < 0.85:
            net, tax = self.taxes(sums)
        if tip:
            self.row("Tip", "______")
        self.tail(sums)
        return self.sample(f"receipt-{seed}", sums, total, net and total == sums.gross, tax and total == sums.gross)

    def paid(self, total: Decimal) -> None:
        rng = self.rng
        way = rng.random()
        if way < 0.35:
            given = total + rng.choice([Decimal(0), Decimal("0.50"), Decimal(5), Decimal("12.30")])
            if rng.random() < 0.5:
                given = (total / 10).quantize(Decimal(1), ROUND_HALF_UP).quantize(CENT) * 10 + 10
            self.row(self.say("given"), self.money(given))
            if given != total or rng.random() < 0.4:
                self.row(self.say("change"), self.money(given - total))
        elif way < 0.75:
            self.row(self.say("card"), self.money(total))
        if rng.random() < 0.25:
            self.y += self.step
            self.put(
                self.left,
                rng.choice(["* * KUNDENBELEG * *", "Terminal-ID 60412233", "AID A0000000041010", "Trace 004418"]),
            )
            self.y += self.step
            self.row(self.say("slip"), self.money(total), size=self.size * rng.choice([1.0, 1.4]))
            self.put(self.left, rng.choice(["Autorisierung 774120", "APPROVED", "Genehmigt 0012", "Zahlung erfolgt"]))
            self.y += self.step

    def taxes(self, sums: _Sums) -> tuple[bool, bool]:
        """The taxes in a total: as rows of words or as a table. Says whether net and tax of the whole are printed."""
        rng = self.rng
        one = len(sums.taxes) == 1
        if rng.random() < 0.4:
            with_net = rng.random() < 0.4
            for rate, base, value in sums.taxes:
                if with_net:
                    self.row(self.say("net"), self.money(base, True))
                self.row(self.say("contained" if rng.random() < 0.6 else "tax", rate), self.money(value, True))
            return with_net and one, one
        cells = rng.sample(["net", "tax", "gross"], rng.choice([2, 3, 3]))
        if "tax" not in cells:
            cells[0] = "tax"
        start = self.left + 8 * self.size * self.letter * 1.5
        gap = (self.right - start) / len(cells)
        flush = rng.random() < 0.7
        lead = rng.random() < 0.85
        if rng.random() < 0.9:
            self.put(self.left, self.say("rates"))
            for index, cell in enumerate(cells):
                name = self.say(f"head_{cell}").rstrip(":. ")
                self.put(start + gap * (index + flush), name, right=flush)
            self.y += self.step
        mark = rng.choice(["", "A ", "A=", "1 "])
        rows = [(f"{mark if lead else ''}{rate}%", base, value) for rate, base, value in sums.taxes]
        summed = (not one) and rng.random() < 0.6
        if summed or (one and rng.random() < 0.2):
            rows.append((self.say("receipt"), sums.net, sums.tax))
        for name, base, value in rows:
            self.put(self.left, name)
            for index, cell in enumerate(cells):
                shown = {"net": base, "tax": value, "gross": base + value}[cell]
                self.put(start + gap * (index + flush), self.money(shown, True), right=flush)
            self.y += self.step
        return "net" in cells and (one or summed), one or summed

    def tail(self, sums: _Sums) -> None:
        rng = self.rng
        for _ in range(rng.choice([0, 0, 1, 2])):
            self.row(self.say("other"), self.money(Decimal(rng.randrange(10, 30000)) / 100))
        if rng.random() < 0.06:
            for percent in (15, 18, 20):
                self.row(
                    f"{percent}% {rng.choice(['tip', 'gratuity', 'is'])}",
                    self.money((sums.gross * percent / 100).quantize(CENT)),
                )
        self.y += self.step
        for note in rng.sample(self.known["notes"], rng.randrange(len(self.known["notes"]))):
            self.put(self.left, note)
            self.y += self.step

    def invoice(self, seed: int) -> Sample:
        """An invoice on A4 or letter paper."""
        rng = self.rng
        self.left = rng.choice([35.0, 50.0, 70.0])
        self.right = rng.choice([520.0, 550.0, 565.0])
        self.style = rng.choice(["apart"] * 6 + ["together"])
        taxed = rng.random() < 0.9
        included = rng.random() < 0.2
        sums = self.sums(rng.choice([3, 6, 14]), rng.choice([5000, 60000, 400000]), included=included, taxed=taxed)
        self.head(False)
        total = sums.gross
        if rng.random() < 0.12:  # the sum in a box at the top
            self.row(self.say("payable"), self.money(total), size=self.size * rng.choice([1.0, 1.6]))
        self.y += self.step * rng.choice([1, 4])
        self.items(sums, True)
        self.y += self.step * rng.choice([0.5, 2])
        net, tax = self.totals(sums, taxed, included)
        if rng.random() < 0.12:
            part = (total * rng.choice([10, 30, 50]) / 100).quantize(CENT)
            self.row(self.say("prepaid"), self.money(-part if rng.random() < 0.5 else part))
            self.row(self.say("payable"), self.money(total - part))
        elif rng.random() < 0.12:
            self.row(self.say("payable"), self.money(total), size=self.size * rng.choice([1.0, 1.5]))
        self.tail(sums)
        self.y = 790.0
        self.put(self.left, rng.choice(self.known["sellers"]))
        self.put(250.0, rng.choice(["IBAN DE44 5001 0517 5407 3249 31", "BIC INGDDEFF", "Tel 0555 123456"]))
        return self.sample(f"invoice-{seed}", sums, total, net, tax)

    def totals(self, sums: _Sums, taxed: bool, included: bool) -> tuple[bool, bool]:
        rng = self.rng
        x = rng.choice([self.left, 300.0, 350.0])
        big = self.size * rng.choice([1.0, 1.0, 1.2, 1.5])
        lines = sum(sums.prices, Decimal(0))
        for what, value in sums.adjusted:
            if rng.random() < 0.7:
                self.row(self.say("subtotal"), self.money(lines), x=x)
            self.row(self.say(what), self.money(value), x=x)
        one = len(sums.taxes) == 1
        if taxed and rng.random() < 0.22:  # side by side below headings
            cells = ["net", "tax", "gross"] if rng.random() < 0.7 else ["net", "rate", "tax", "gross"]
            if not one:
                cells = ["net", "tax", "gross"]
            gap = (self.right - self.left) / len(cells)
            flush = rng.random() < 0.6
            for index, cell in enumerate(cells):
                name = self.say("rates" if cell == "rate" else f"head_{cell}").rstrip(":. ")
                self.put(self.left + gap * (index + flush), name, right=flush)
            self.y += self.step
            for index, cell in enumerate(cells):
                shown = {"net": sums.net, "tax": sums.tax, "gross": sums.gross}
                text = f"{sums.taxes[0][0]} %" if cell == "rate" else self.money(shown[cell])
                self.put(self.left + gap * (index + flush), text, right=flush)
            self.y += self.step
            if rng.random() < 0.5:
                self.row(self.say("gross"), self.money(sums.gross), size=big, x=x)
            return True, True
        if not taxed:
            if rng.random() < 0.4:
                self.row(self.say("net"), self.money(sums.net), x=x)
            if rng.random() < 0.4:
                self.row(self.say("tax", "0"), self.money(Decimal(0)), x=x)
            self.row(self.say("gross"), self.money(sums.gross), size=big, x=x)
            return False, False
        if included and rng.random() < 0.6:
            self.row(self.say("gross"), self.money(sums.gross), size=big, x=x)
            for rate, _, value in sums.taxes:
                self.row(self.say("contained", rate), self.money(value), x=x)
            return False, one
        self.row(self.say("gross" if rng.random() < 0.1 else "net"), self.money(sums.net), x=x)
        for rate, base, value in sums.taxes:
            name = self.say("charge" if rng.random() < 0.06 else "tax", rate)
            if rng.random() < 0.25:
                name += f" {rng.choice(['auf', 'on', 'sur', 'su', 'über', 'of'])} {self.money(base)}"
            self.row(name, self.money(value), x=x)
        summed = not one and rng.random() < 0.4
        if summed:
            self.row(self.say("tax"), self.money(sums.tax), x=x)
        self.row(self.say("gross"), self.money(sums.gross), size=big, x=x)
        return True, one or summed

    def sample(self, name: str, sums: _Sums, total: Decimal, net: bool, tax: bool) -> Sample:
        height = max(self.y + 40.0, 842.0 if self.width == 595.0 else 0.0)
        page = Page(1, self.width, height, tuple(self.words))
        totals = {"gross": frozenset({total})}
        if sums.taxes:  # whether a total without tax is a net amount is a matter of names
            totals["net"] = frozenset({sums.net} if net else set())
            totals["tax"] = frozenset({sums.tax} if tax else set())
        return Sample(name, (page,), totals)

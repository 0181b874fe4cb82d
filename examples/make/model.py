"""What an example is made from: parties, an invoice with its sums, and a document with its expected outcome.

The sums are computed as EN 16931 asks (BR-CO-10 to BR-CO-17): VAT is rounded once per category and rate. Syntaxes are
written elsewhere; a broken example is a right invoice in which `dataclasses.replace` or a text replacement breaks one
thing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

CENT = Decimal("0.01")

EXPORTED = "EXPORTED"
FAILED = "FAILED"
PARSED = "PARSED"
DUPLICATE = "DUPLICATE"


def cents(value: Decimal) -> Decimal:
    return value.quantize(CENT, ROUND_HALF_UP)


@dataclass(frozen=True)
class Party:
    name: str
    street: str
    post_code: str
    city: str
    country: str
    region: str | None = None
    vat_id: str | None = None
    tax_number: str | None = None
    registration: str | None = None
    identifier: str | None = None  # BT-29, such as the number that the buyer gave to the seller
    endpoint: tuple[str, str] | None = None  # EAS scheme and address
    contact: str = ""
    phone: str = ""
    email: str = ""
    iban: str | None = None
    bic: str | None = None
    account: str | None = None  # where there is no IBAN, as people write it


@dataclass(frozen=True)
class Category:
    """A VAT category (UNTDID 5305) with its rate in percent, and why no VAT is charged."""

    code: str
    rate: Decimal
    reason: str | None = None
    reason_code: str | None = None


def standard(rate: str) -> Category:
    return Category("S", Decimal(rate))


ZERO = Category("Z", Decimal(0))
REVERSE_CHARGE = Category("AE", Decimal(0), "Reverse charge", "VATEX-EU-AE")
INTRA_COMMUNITY = Category("K", Decimal(0), "Intra-community supply", "VATEX-EU-IC")
EXPORT = Category("G", Decimal(0), "Export outside the EU", "VATEX-EU-G")
SMALL_BUSINESS = Category("E", Decimal(0), "Umsatzsteuerbefreit nach § 19 UStG")


@dataclass(frozen=True)
class AllowanceCharge:
    is_charge: bool
    amount: Decimal
    reason: str
    category: Category


@dataclass(frozen=True)
class Line:
    name: str
    quantity: Decimal
    unit: str  # UN/ECE Recommendation 20
    price: Decimal
    category: Category
    description: str | None = None
    item_id: str | None = None
    allowance: Decimal = Decimal(0)
    allowance_reason: str = "Discount"

    @property
    def net(self) -> Decimal:
        return cents(self.quantity * self.price) - self.allowance


def line(
    name: str, quantity: str, unit: str, price: str, category: Category, *, allowance: str = "0", **more: str
) -> Line:
    return Line(name, Decimal(quantity), unit, Decimal(price), category, allowance=Decimal(allowance), **more)


@dataclass(frozen=True)
class Breakdown:
    category: Category
    base: Decimal
    tax: Decimal


@dataclass(frozen=True)
class Invoice:
    number: str
    issued: date
    due: date | None
    seller: Party
    buyer: Party
    currency: str
    lines: tuple[Line, ...]
    allowances_charges: tuple[AllowanceCharge, ...] = ()
    type_code: str = "380"
    prepaid: Decimal = Decimal(0)
    buyer_reference: str | None = None
    order_reference: str | None = None
    preceding: str | None = None
    delivered: date | None = None
    note: str | None = None
    terms: str | None = None
    # Taxes that stand side by side on the same net amount, such as GST and QST: label and rate in percent.
    # Only for invoices without XML; the categories of the lines are not used then.
    sales_taxes: tuple[tuple[str, Decimal], ...] = field(default=())

    @property
    def line_total(self) -> Decimal:
        return sum((one.net for one in self.lines), Decimal(0))

    def total_of(self, *, charges: bool) -> Decimal:
        return sum((one.amount for one in self.allowances_charges if one.is_charge == charges), Decimal(0))

    @property
    def net(self) -> Decimal:
        return self.line_total - self.total_of(charges=False) + self.total_of(charges=True)

    @property
    def breakdowns(self) -> list[Breakdown]:
        bases: dict[Category, Decimal] = {}
        for one in self.lines:
            bases[one.category] = bases.get(one.category, Decimal(0)) + one.net
        for extra in self.allowances_charges:
            sign = 1 if extra.is_charge else -1
            bases[extra.category] = bases.get(extra.category, Decimal(0)) + sign * extra.amount
        return [Breakdown(category, base, cents(base * category.rate / 100)) for category, base in bases.items()]

    @property
    def taxes(self) -> list[tuple[str | None, Decimal, Decimal]]:
        """Label (None: VAT), rate and amount of each tax."""
        if self.sales_taxes:
            return [(label, rate, cents(self.net * rate / 100)) for label, rate in self.sales_taxes]
        return [(None, one.category.rate, one.tax) for one in self.breakdowns]

    @property
    def tax(self) -> Decimal:
        return sum((amount for _, _, amount in self.taxes), Decimal(0))

    @property
    def gross(self) -> Decimal:
        return self.net + self.tax

    @property
    def payable(self) -> Decimal:
        return self.gross - self.prepaid


@dataclass(frozen=True)
class Document:
    """One file of an inbox, and what shall become of it.

    `reason` is the code of the reader or the id of the rule that refuses it, or of the rule that warns. `same_as` names
    the file with which it competes: whichever of the two arrives later gets this outcome.
    """

    file_name: str
    kind: str
    content: bytes
    state: str = EXPORTED
    reason: str | None = None
    same_as: str | None = None
    invoice: Invoice | None = None  # what a reader must find


def good(file_name: str, kind: str, content: bytes, invoice: Invoice, warning: str | None = None) -> Document:
    return Document(file_name, kind, content, reason=warning, invoice=invoice)


def bad(file_name: str, kind: str, content: bytes, reason: str, same_as: str | None = None) -> Document:
    return Document(file_name, kind, content, FAILED, reason, same_as)


def doubtful(file_name: str, kind: str, content: bytes, reason: str) -> Document:
    """A document that stays PARSED until a person has looked at it."""
    return Document(file_name, kind, content, PARSED, reason)


def replaced(content: bytes, old: str, new: str) -> bytes:
    """The content with one text replaced; the text must stand there exactly once."""
    found = content.count(old.encode())
    if found != 1:
        raise ValueError(f"{old!r} stands {found} times in the document")
    return content.replace(old.encode(), new.encode())

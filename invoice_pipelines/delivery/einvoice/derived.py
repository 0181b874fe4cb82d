"""Holds what an e-invoice says that the rows of an invoice imply: allowances, means of payment, electronic addresses.

Both syntaxes are written from this, so that they say the same. No XML here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from stdnum import iban
from stdnum.de import leitweg

from invoice_pipelines.billing import DocumentKind, IssuedInvoice, IssuedInvoiceLine, IssuedInvoiceTax
from invoice_pipelines.delivery.einvoice.codes import SEPA_COUNTRIES, VAT_ID_SCHEMES
from invoice_pipelines.delivery.einvoice.seller import Seller
from invoice_pipelines.einvoice.writing.xml_text import CENT, EXACT, clean, percent_of

SCHEME_EMAIL = "EM"
SCHEME_LEITWEG_ID = "0204"
_SLACK = Decimal("0.02")
"""By how much an allowance may miss its percentage (PEPPOL-EN16931-R040, which is also asked of XRechnung)."""

# UNTDID 4461
_SEPA_TRANSFER = "58"
_CREDIT_TRANSFER = "30"
_CLEARING = "97"  # what two partners owe each other is set off
_NOT_DEFINED = "1"

_DISCOUNT = "Discount"
_DISCOUNT_CODE = "95"  # UNTDID 5189
_ROUNDING = "Rounding"

_EXEMPTION_CODES = {"AE": "VATEX-EU-AE", "K": "VATEX-EU-IC", "G": "VATEX-EU-G"}
"""Of categories that have but one reason. What E is exempt for, only the organization knows."""


@dataclass(frozen=True, slots=True)
class Adjustment:
    """An allowance or charge: BG-20 of the invoice, BG-27 or BG-28 of a line."""

    is_charge: bool
    amount: Decimal
    reason: str
    reason_code: str | None = None
    base_amount: Decimal | None = None
    percent: Decimal | None = None


@dataclass(frozen=True, slots=True)
class PaymentMeans:
    """BG-16 and BG-17."""

    code: str
    """BT-81"""
    reference: str | None = None
    """BT-83"""
    account_id: str | None = None
    """BT-84"""
    is_iban: bool = False
    account_name: str | None = None
    bic: str | None = None


@dataclass(frozen=True, slots=True)
class ElectronicAddress:
    """BT-34 or BT-49, with its scheme by the EAS list."""

    value: str
    scheme: str


def line_adjustments(line: IssuedInvoiceLine) -> Iterator[Adjustment]:
    """What lies between quantity x unit price, rounded to two decimals, and the net amount as it was billed.

    That is the discount. Where the net amount is not what the discount leads to, the difference is said as rounding: in
    currencies without decimals, and in the last credit note of a line, which takes up what rounding left. So price,
    quantity, allowances and charges always come to the net amount exactly.
    """
    base = EXACT.quantize(EXACT.multiply(line.quantity, line.unit_price), CENT)
    difference = base - line.net_amount
    if not difference and not line.discount_percent:
        return
    discount = percent_of(base, line.discount_percent)
    if abs(difference - discount) > _SLACK or not line.discount_percent:
        discount = EXACT.quantize(discount, CENT)
    else:
        discount = difference
    if discount:
        yield Adjustment(False, discount, _DISCOUNT, _DISCOUNT_CODE, base, line.discount_percent)
    if rounding := discount - difference:
        yield Adjustment(rounding > 0, abs(rounding), _ROUNDING)


def document_allowance(invoice: IssuedInvoice, tax: IssuedInvoiceTax) -> Adjustment | None:
    """The share of one category and rate in the discount on the whole (BG-20).

    A credit note may have another share than its percentage says, as all of them together come to that of the invoice:
    then the amount stands alone.
    """
    if not tax.allowance_amount:
        return None
    expected = percent_of(tax.line_amount, invoice.discount_percent)
    if not invoice.discount_percent or abs(expected - tax.allowance_amount) > _SLACK:
        return Adjustment(False, tax.allowance_amount, _DISCOUNT, _DISCOUNT_CODE)
    return Adjustment(False, tax.allowance_amount, _DISCOUNT, _DISCOUNT_CODE, tax.line_amount, invoice.discount_percent)


def exemption(tax: IssuedInvoiceTax) -> tuple[str | None, str | None]:
    """Reason and code why there is no VAT (BT-120, BT-121); none where there is, or for zero rated (BR-Z-10)."""
    if tax.tax_category in ("S", "Z"):
        return None, None
    return tax.exemption_reason, tax.exemption_reason_code or _EXEMPTION_CODES.get(tax.tax_category)


def payment_means(invoice: IssuedInvoice, seller: Seller) -> PaymentMeans:
    """How an invoice is to be paid: to the account of its seller, where there is one.

    A credit note reduces what is due and is never paid: it names no account, so that nobody transfers its amount. Nor
    does an invoice on which nothing is due.
    """
    if invoice.document_kind is DocumentKind.CREDIT_NOTE:
        return PaymentMeans(_CLEARING)
    if not invoice.asks_for_payment:
        return PaymentMeans(_NOT_DEFINED)
    account = compact(invoice.seller.iban)
    if not account:
        return PaymentMeans(_NOT_DEFINED, invoice.invoice_number)
    is_iban = is_valid_iban(account)
    in_sepa = is_iban and account[:2] in SEPA_COUNTRIES and invoice.currency == "EUR"
    return PaymentMeans(
        _SEPA_TRANSFER if in_sepa else _CREDIT_TRANSFER,
        invoice.invoice_number,
        account,
        is_iban,
        seller.account_name,
        seller.bic if seller.iban is None or compact(seller.iban) == account else None,
    )


def payment_terms(invoice: IssuedInvoice, seller: Seller) -> tuple[str | None, str]:
    """BT-20, and what stands after it: a cash discount in the notation of XRechnung ends its line (BR-DE-18)."""
    terms = clean(seller.payment_terms or "")
    if terms:
        return terms, "\n" if _CASH_DISCOUNT.match(terms.rpartition("\n")[2]) else ""
    if invoice.document_kind is DocumentKind.CREDIT_NOTE and invoice.corrected_invoice_number:
        return f"Set off against invoice {invoice.corrected_invoice_number}.", ""
    return None, ""


_CASH_DISCOUNT = re.compile(r"\s*#SKONTO#")


def needs_deliver_to(invoice: IssuedInvoice) -> bool:
    """Whether the invoice must say where the goods went: in an intra-community supply (BR-IC-12)."""
    return any(tax.tax_category == "K" for tax in invoice.taxes)


def seller_address(invoice: IssuedInvoice, seller: Seller) -> ElectronicAddress | None:
    """BT-34: the email address of the contact, else the VAT id."""
    email = clean(seller.contact_email or "")
    return ElectronicAddress(email, SCHEME_EMAIL) if email else _vat_address(invoice.seller.vat_id)


def buyer_address(invoice: IssuedInvoice) -> ElectronicAddress | None:
    """BT-49: the Leitweg-ID of a German authority, else the email address, else the VAT id."""
    buyer = invoice.buyer
    if is_leitweg_id(buyer.buyer_reference):
        return ElectronicAddress(compact(buyer.buyer_reference), SCHEME_LEITWEG_ID)
    email = clean(buyer.email or "")
    return ElectronicAddress(email, SCHEME_EMAIL) if email else _vat_address(buyer.vat_id)


def _vat_address(vat_id: str | None) -> ElectronicAddress | None:
    number = compact(vat_id)
    scheme = VAT_ID_SCHEMES.get(number[:2])
    return ElectronicAddress(number, scheme) if scheme else None


def seller_identifier(invoice: IssuedInvoice) -> str | None:
    """BT-29. Who has no VAT id is known by the tax number, since one identifier there must be (BR-CO-26)."""
    return None if compact(invoice.seller.vat_id) else invoice.seller.tax_number


def name_and_description(line: IssuedInvoiceLine) -> tuple[str, str | None]:
    """BT-153 and BT-154: the first line of what stands on the page, and the lines below it."""
    name, _, description = clean(line.description).partition("\n")
    return name, description.strip() or None


def compact(identifier: str | None) -> str:
    """An identifier as machines write it: without blanks, in capitals. Empty where there is none."""
    return "".join(clean(identifier or "").split()).upper()


@lru_cache(maxsize=1000)
def is_valid_iban(account: str) -> bool:
    """Length and form of the country, and check digits (ISO 13616)."""
    return bool(iban.is_valid(account, check_country=False))


@lru_cache(maxsize=1000)
def is_leitweg_id(reference: str | None) -> bool:
    """Form and check digits, by the format specification of the Leitweg-ID."""
    return bool(leitweg.is_valid(compact(reference)))

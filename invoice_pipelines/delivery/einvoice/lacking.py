"""Checks that an invoice has all it needs to be written as an e-invoice, with messages for bookkeepers.

An issued invoice never changes. What stands in the settings of the organization can be added at once; what seller,
buyer or lines say needs a void or a credit note, the correction, and a new invoice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal

from invoice_pipelines.billing import IssuedInvoice, IssuedInvoiceTax, Party
from invoice_pipelines.delivery.einvoice.issued import (
    buyer_address,
    compact,
    exemption,
    payment_terms,
    percent_of,
    said,
    seller_address,
)
from invoice_pipelines.delivery.einvoice.seller import Seller
from invoice_pipelines.delivery.values import DocumentFormat
from invoice_pipelines.einvoice.codes import is_country, is_currency, is_exemption_code, is_unit
from invoice_pipelines.einvoice.identifiers import LIKE_IBAN, is_valid_iban
from invoice_pipelines.einvoice.profiles import Profile
from invoice_pipelines.einvoice.vat_categories import VAT_CATEGORIES
from invoice_pipelines.einvoice.writing.xml_text import CENT, EXACT, clean, end_of_terms, number

_LINES_NAMED = 5
_VAT_PREFIXES_BESIDE_COUNTRIES = ("EL", "XI", "1A")


def lacking(invoice: IssuedInvoice, seller: Seller, format: DocumentFormat) -> list[str]:
    """All that is missing or impossible, each in a sentence with the rule that asks for it. Empty: it can be written.

    Findings that XRechnung only warns of are among them, as what they ask for is easily added.
    """
    found = [
        *_parties(invoice),
        *_vat(invoice),
        *_amounts(invoice),
        *_lines(invoice),
    ]
    if format.profile is Profile.XRECHNUNG:
        found += _xrechnung(invoice, seller)
    return found


def impossible(invoice: IssuedInvoice) -> str | None:
    """Why no e-invoice can say what an invoice says, whatever is added or corrected; None: one can."""
    amounts = [
        (invoice.currency, amount)
        for amount in (
            *(line.net_amount for line in invoice.lines),
            *(amount for tax in invoice.taxes for amount in (tax.allowance_amount, tax.taxable_amount, tax.tax_amount)),
            invoice.line_amount,
            invoice.gross_amount,
        )
    ]
    if invoice.states_tax_in_tax_currency:
        amounts.append((invoice.tax_currency or "", invoice.tax_amount_in_tax_currency or Decimal(0)))
    for currency, amount in amounts:
        if _has_three_decimals(amount):
            return (
                f"Amounts in {currency} such as {amount} have more than two decimals, which no e-invoice after "
                "EN 16931 can have (BR-DEC-14, BR-DEC-23 and others)."
            )
    return None


def _parties(invoice: IssuedInvoice) -> Iterator[str]:
    for party, who, name_rule in ((invoice.seller, "organization", "BR-06"), (invoice.buyer, "buyer", "BR-07")):
        if not clean(party.name):
            yield f"The {who} has no name ({name_rule})."
        if not is_country(party.country_code):
            yield f"The {who} has the country {party.country_code}, which is not a code of ISO 3166-1 (BR-CL-14)."
        if (vat_id := compact(party.vat_id)) and not _has_vat_prefix(vat_id):
            yield f"The VAT id {vat_id} of the {who} does not begin with the code of a country (BR-CO-09)."


def _has_vat_prefix(vat_id: str) -> bool:
    return vat_id[:2] in _VAT_PREFIXES_BESIDE_COUNTRIES or is_country(vat_id[:2])


def _vat(invoice: IssuedInvoice) -> Iterator[str]:
    has_vat_id = bool(said(invoice.seller.vat_id))
    has_number = has_vat_id or bool(said(invoice.seller.tax_number))
    categories = [VAT_CATEGORIES[code] for code in dict.fromkeys(tax.tax_category for tax in invoice.taxes)]
    if not has_number:
        rules = ", ".join([*(category.rule("02") for category in categories), "BR-CO-26"])
        yield f"The organization has neither a VAT id nor a tax number, one of which every invoice needs ({rules})."
    for category in categories:
        named = f"{category.name} needs ({category.rule('02')})"
        is_known = has_vat_id or not has_number or category.tax_number_will_do
        if "seller_vat_id" in category.needs and not is_known:
            yield f"The organization has no VAT id, which {named}."
        if "buyer_vat_id" in category.needs and not said(invoice.buyer.vat_id):
            yield f"The buyer has no VAT id, which {named}."
    for tax in invoice.taxes:
        yield from _breakdown(tax)


def _breakdown(tax: IssuedInvoiceTax) -> Iterator[str]:
    category = VAT_CATEGORIES[tax.tax_category]
    reason, code = exemption(tax)
    if "reason" in category.needs and not (said(reason) or said(code)):
        yield f"The reason why there is no VAT is missing, which {category.name} needs ({category.rule('10')})."
    if code and not is_exemption_code(code):
        yield f"The reason {code} why there is no VAT is not a code of the VATEX list (BR-CL-22)."
    expected = EXACT.quantize(percent_of(tax.taxable_amount, tax.tax_rate), CENT)
    if abs(expected - tax.tax_amount) >= 1:
        yield (
            f"The VAT of {number(tax.tax_rate)} % is {tax.tax_amount} and should be {expected}: earlier credit notes "
            "left more than rounding may explain (BR-CO-17)."
        )


def _amounts(invoice: IssuedInvoice) -> Iterator[str]:
    if not is_currency(invoice.currency):
        yield f"The currency {invoice.currency} is not a code of ISO 4217 (BR-CL-04)."
    if (reason := impossible(invoice)) is not None:
        yield reason


def _has_three_decimals(amount: Decimal) -> bool:
    exponent = amount.as_tuple().exponent
    return isinstance(exponent, int) and exponent < -2 and EXACT.quantize(amount, CENT) != amount


def _lines(invoice: IssuedInvoice) -> Iterator[str]:
    if not invoice.lines:
        yield "The invoice has no lines (BR-16)."
    if numbers := [line.line_number for line in invoice.lines if not clean(line.description)]:
        yield f"{_named(numbers)}: a description is missing (BR-25)."
    if numbers := [line.line_number for line in invoice.lines if line.unit_price < 0]:
        yield f"{_named(numbers)}: the unit price is below zero (BR-27)."
    for unit in dict.fromkeys(line.unit_code for line in invoice.lines):
        if not is_unit(unit):
            numbers = [line.line_number for line in invoice.lines if line.unit_code == unit]
            yield (
                f"{_named(numbers)}: the unit {unit} is not a code of UN/ECE recommendation 20, such as C62 for one, "
                "HUR for an hour or KGM for a kilogram (BR-CL-23)."
            )


def _named(numbers: list[int]) -> str:
    named = ", ".join(map(str, numbers[:_LINES_NAMED]))
    if len(numbers) > _LINES_NAMED:
        named += f" and {len(numbers) - _LINES_NAMED} more"
    return f"Line {named}" if len(numbers) == 1 else f"Lines {named}"


_EMAIL = re.compile(r"[^@\s]+@([^@.\s]+\.)+[^@.\s]+")
_CASH_DISCOUNT = re.compile(r"#SKONTO#TAGE=[0-9]+#PROZENT=[0-9]+\.[0-9]{2}(#BASISBETRAG=-?[0-9]+\.[0-9]{2})?#")


def _xrechnung(invoice: IssuedInvoice, seller: Seller) -> Iterator[str]:
    in_settings = "in the settings of the organization's documents"
    if not said(seller.contact_name):
        yield f"A contact is missing {in_settings}: contact_name (BR-DE-5)."
    if not said(seller.contact_phone):
        yield f"The phone number of the contact is missing {in_settings}: contact_phone (BR-DE-6)."
    elif sum(character in "0123456789" for character in said(seller.contact_phone) or "") < 3:
        yield f"The phone number of the contact has fewer than three digits {in_settings}: contact_phone (BR-DE-27)."
    if not said(seller.contact_email):
        yield f"The email address of the contact is missing {in_settings}: contact_email (BR-DE-7)."
    elif not _EMAIL.fullmatch(said(seller.contact_email) or ""):
        yield f"The email address of the contact is not valid {in_settings}: contact_email (BR-DE-28)."
    yield from _place(invoice.seller, "organization", "BR-DE-3", "BR-DE-4")
    yield from _place(invoice.buyer, "buyer", "BR-DE-8", "BR-DE-9")
    if not said(invoice.buyer.buyer_reference):
        yield "The buyer has no reference, such as the Leitweg-ID of a German authority (BT-10, BR-DE-15)."
    if seller_address(invoice, seller) is None:
        yield "The organization has no electronic address: no email address of a contact (BT-34, PEPPOL-EN16931-R020)."
    if buyer_address(invoice) is None:
        yield "The buyer has no electronic address: neither Leitweg-ID nor email (BT-49, PEPPOL-EN16931-R010)."
    if invoice.asks_for_payment:
        account = compact(invoice.seller.iban)
        if not account:
            yield "The organization has no IBAN, and an XRechnung says how it is to be paid (BR-DE-1, BR-DE-23)."
        if LIKE_IBAN.fullmatch(account) and not is_valid_iban(account):
            yield f"The IBAN {account} of the organization has wrong check digits or a wrong length (BR-DE-19)."
    if not _terms_are_in_notation(payment_terms(invoice, seller) or ""):
        yield (
            "The payment terms have a line that begins with #, but is no cash discount like "
            "#SKONTO#TAGE=14#PROZENT=2.00# with nothing after it (BR-DE-18)."
        )


def _place(party: Party, who: str, city_rule: str, post_code_rule: str) -> Iterator[str]:
    if not said(party.city):
        yield f"The {who} has no city ({city_rule})."
    if not said(party.post_code):
        yield f"The {who} has no post code ({post_code_rule})."


def _terms_are_in_notation(terms: str) -> bool:
    """BR-DE-18: every line that begins with # is a cash discount, and a line break follows the last number sign."""
    lines = [line.strip() for line in terms.split("\n")]
    if not all(_CASH_DISCOUNT.fullmatch(line) for line in lines if line.startswith("#")):
        return False
    if not any(line.startswith("#") for line in lines):
        return True
    return re.match(r"\s*\n", re.split("#.+#", terms + end_of_terms(terms))[-1]) is not None

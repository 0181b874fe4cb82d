"""Maps the rows of an issued invoice to the terms of EN 16931, with all that they imply.

Implied are allowances, means of payment and electronic addresses. How the terms are written is not known here.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal

from invoice_pipelines.billing import DocumentKind, IssuedInvoice, IssuedInvoiceLine, IssuedInvoiceTax, Party
from invoice_pipelines.delivery.einvoice.seller import Seller
from invoice_pipelines.einvoice import Profile, model
from invoice_pipelines.einvoice.codes import SEPA_COUNTRIES, VAT_ID_SCHEMES
from invoice_pipelines.einvoice.identifiers import is_leitweg_id, is_valid_iban
from invoice_pipelines.einvoice.vat_categories import VAT_CATEGORIES
from invoice_pipelines.einvoice.writing.xml_text import CENT, EXACT, clean

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


def invoice_of(issued: IssuedInvoice, seller: Seller, profile: Profile) -> model.Invoice:
    """The invoice or credit note as it is sent. Written, it keeps the rules of the profile where `lacking` names
    nothing."""
    states_tax = issued.states_tax_in_tax_currency
    due_date = issued.due_date if issued.asks_for_payment else None
    note = clean(issued.note or "")
    corrected = issued.corrected_invoice_number
    return model.Invoice(
        specification_identifier=profile.value,
        business_process=profile.business_process,
        number=issued.invoice_number,
        issue_date=issued.issue_date,
        due_date=due_date,
        due_dates=(due_date,) if due_date else (),
        type_code=issued.document_kind.type_code,
        notes=(model.Note(note),) if note else (),
        currency=issued.currency,
        tax_currency=issued.tax_currency if states_tax else None,
        buyer_reference=said(issued.buyer.buyer_reference),
        period=_period(issued.period_start, issued.period_end),
        sales_order_reference=said(issued.order_number),
        order_reference=said(issued.purchase_order_reference),
        preceding_invoices=(model.PrecedingInvoice(corrected, issued.corrected_invoice_date),) if corrected else (),
        seller=_seller(issued, seller),
        buyer=_buyer(issued),
        delivery=model.Delivery(
            date=issued.delivery_date, address=_address(issued.buyer) if _needs_deliver_to(issued) else None
        ),
        payments=(_payment(issued, seller),),
        payment_terms=payment_terms(issued, seller),
        allowances_charges=tuple(_document_allowances(issued)),
        line_total=issued.line_amount,
        allowance_total=issued.allowance_amount or None,
        net_amount=issued.net_amount,
        tax_amount=issued.tax_amount,
        tax_amount_in_tax_currency=issued.tax_amount_in_tax_currency if states_tax else None,
        gross_amount=issued.gross_amount,
        payable_amount=issued.gross_amount,
        tax_breakdowns=tuple(map(_breakdown, issued.taxes)),
        lines=tuple(map(_line, issued.lines)),
    )


def _seller(issued: IssuedInvoice, seller: Seller) -> model.Party:
    party = issued.seller
    vat_id, tax_id = compact(party.vat_id) or None, said(party.tax_number)
    return model.Party(
        name=party.name,
        # Who has no VAT id is known by the tax number, since one identifier there must be (BR-CO-26).
        identifiers=(model.Identifier(tax_id),) if tax_id and not vat_id else (),
        vat_id=vat_id,
        tax_id=tax_id,
        legal_information=said(seller.legal_text),
        electronic_address=seller_address(issued, seller),
        address=_address(party),
        contact=model.Contact(seller.contact_name, seller.contact_phone, seller.contact_email),
    )


def _buyer(issued: IssuedInvoice) -> model.Party:
    party = issued.buyer
    customer_number = said(party.customer_number)
    return model.Party(
        name=party.name,
        identifiers=(model.Identifier(customer_number),) if customer_number else (),
        vat_id=compact(party.vat_id) or None,
        electronic_address=buyer_address(issued),
        address=_address(party),
    )


def _address(party: Party) -> model.Address:
    return model.Address(
        line_one=party.street,
        line_two=party.additional_street,
        city=party.city,
        post_code=party.post_code,
        country_code=party.country_code,
    )


def _period(start: date | None, end: date | None) -> model.Period | None:
    return model.Period(start, end) if start and end else None


def _line(line: IssuedInvoiceLine) -> model.Line:
    name, description = name_and_description(line)
    return model.Line(
        identifier=str(line.line_number),
        quantity=line.quantity,
        unit=line.unit_code,
        net_amount=line.net_amount,
        period=_period(line.period_start, line.period_end),
        allowances_charges=tuple(_line_adjustments(line)),
        unit_price=line.unit_price,
        tax_category=line.tax_category,
        tax_rate=line.tax_rate,
        name=name,
        description=description,
        seller_item_id=said(line.sku),
    )


def _line_adjustments(line: IssuedInvoiceLine) -> Iterator[model.AllowanceCharge]:
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
        yield _discount(discount, base, line.discount_percent)
    if rounding := discount - difference:
        yield model.AllowanceCharge(rounding > 0, abs(rounding), reason=_ROUNDING)


def _document_allowances(issued: IssuedInvoice) -> Iterator[model.AllowanceCharge]:
    """The share of each category and rate in the discount on the whole (BG-20).

    A credit note may have another share than its percentage says, as all of them together come to that of the invoice:
    then the amount stands alone.
    """
    for tax in issued.taxes:
        if tax.allowance_amount:
            expected = percent_of(tax.line_amount, issued.discount_percent)
            is_its_percentage = issued.discount_percent and abs(expected - tax.allowance_amount) <= _SLACK
            base, percentage = (tax.line_amount, issued.discount_percent) if is_its_percentage else (None, None)
            yield _discount(tax.allowance_amount, base, percentage, tax)


def _discount(
    amount: Decimal, base: Decimal | None, percentage: Decimal | None, tax: IssuedInvoiceTax | None = None
) -> model.AllowanceCharge:
    return model.AllowanceCharge(
        is_charge=False,
        amount=amount,
        base_amount=base,
        percentage=percentage,
        tax_category=tax.tax_category if tax else None,
        tax_rate=tax.tax_rate if tax else None,
        reason=_DISCOUNT,
        reason_code=_DISCOUNT_CODE,
    )


def _breakdown(tax: IssuedInvoiceTax) -> model.TaxBreakdown:
    return model.TaxBreakdown(tax.taxable_amount, tax.tax_amount, tax.tax_category, tax.tax_rate, *exemption(tax))


def exemption(tax: IssuedInvoiceTax) -> tuple[str | None, str | None]:
    """Reason and code why there is no VAT (BT-120, BT-121); none where there is, or for zero rated (BR-Z-10)."""
    category = VAT_CATEGORIES[tax.tax_category]
    if "reason" not in category.needs:
        return None, None
    return tax.exemption_reason, tax.exemption_reason_code or category.only_reason


def _payment(issued: IssuedInvoice, seller: Seller) -> model.Payment:
    """How an invoice is to be paid: to the account of its seller, where there is one.

    A credit note reduces what is due and is never paid: it names no account, so that nobody transfers its amount. Nor
    does an invoice on which nothing is due.
    """
    if issued.document_kind is DocumentKind.CREDIT_NOTE:
        return model.Payment(_CLEARING)
    if not issued.asks_for_payment:
        return model.Payment(_NOT_DEFINED)
    account = compact(issued.seller.iban)
    if not account:
        return model.Payment(_NOT_DEFINED, remittance_information=issued.invoice_number)
    in_sepa = is_valid_iban(account) and account[:2] in SEPA_COUNTRIES and issued.currency == "EUR"
    bic = seller.bic if seller.iban is None or compact(seller.iban) == account else None
    return model.Payment(
        _SEPA_TRANSFER if in_sepa else _CREDIT_TRANSFER,
        remittance_information=issued.invoice_number,
        accounts=(model.PaymentAccount(account, seller.account_name, bic),),
    )


def payment_terms(issued: IssuedInvoice, seller: Seller) -> str | None:
    """BT-20. Of a credit note without any: what it is set off against."""
    if terms := clean(seller.payment_terms or ""):
        return terms
    if issued.document_kind is DocumentKind.CREDIT_NOTE and issued.corrected_invoice_number:
        return f"Set off against invoice {issued.corrected_invoice_number}."
    return None


def _needs_deliver_to(issued: IssuedInvoice) -> bool:
    """Whether the invoice must say where the goods went: in an intra-community supply (BR-IC-12)."""
    return any("delivery" in VAT_CATEGORIES[tax.tax_category].needs for tax in issued.taxes)


def seller_address(issued: IssuedInvoice, seller: Seller) -> model.Identifier | None:
    """BT-34: the email address of the contact, else the VAT id."""
    email = said(seller.contact_email)
    return model.Identifier(email, SCHEME_EMAIL) if email else _vat_address(issued.seller.vat_id)


def buyer_address(issued: IssuedInvoice) -> model.Identifier | None:
    """BT-49: the Leitweg-ID of a German authority, else the email address, else the VAT id."""
    buyer = issued.buyer
    if is_leitweg_id(reference := compact(buyer.buyer_reference)):
        return model.Identifier(reference, SCHEME_LEITWEG_ID)
    email = said(buyer.email)
    return model.Identifier(email, SCHEME_EMAIL) if email else _vat_address(buyer.vat_id)


def _vat_address(vat_id: str | None) -> model.Identifier | None:
    number = compact(vat_id)
    scheme = VAT_ID_SCHEMES.get(number[:2])
    return model.Identifier(number, scheme) if scheme else None


def name_and_description(line: IssuedInvoiceLine) -> tuple[str, str | None]:
    """BT-153 and BT-154: the first line of what stands on the page, and the lines below it."""
    name, _, description = clean(line.description).partition("\n")
    return name, description.strip() or None


def said(text: str | None) -> str | None:
    """A text as XML can hold it; None where that is nothing."""
    return clean(text or "") or None


def compact(identifier: str | None) -> str:
    """An identifier as machines write it: without blanks, in capitals. Empty where there is none."""
    return "".join(clean(identifier or "").split()).upper()


def percent_of(amount: Decimal, percent: Decimal) -> Decimal:
    """A percentage of an amount, exactly."""
    return EXACT.multiply(EXACT.multiply(amount, percent), CENT)

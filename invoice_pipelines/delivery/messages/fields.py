"""The fields that the texts of messages are written with, as a template names them: `{{ invoice.number }}`.

All are texts in the language of the message, ready to be shown, except where they are said to be otherwise; what an
invoice or an organization does not have is empty. None holds control characters, so that no field adds a line.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, is_dataclass, replace
from dataclasses import fields as dataclass_fields
from datetime import date, timedelta
from decimal import Decimal

from invoice_pipelines.billing.issued_invoices import DocumentKind, IssuedInvoice
from invoice_pipelines.delivery.rendering.language.catalogue import Catalogue, project_catalogue
from invoice_pipelines.delivery.rendering.language.formats import in_groups
from invoice_pipelines.delivery.rendering.samples import BUYER, sample_invoice, sample_organization
from invoice_pipelines.organizations import Organization

# What turns the direction of writing for the text behind it, and what is no character.
_LEFT_OUT = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufffe")


@dataclass(frozen=True, slots=True)
class InvoiceFields:
    """The invoice or credit note that a message is about."""

    number: str
    title: str
    """Invoice, Credit note: as the document is titled"""
    is_credit_note: bool
    """yes or no"""
    corrected_number: str
    """of a credit note: the invoice that it corrects"""
    issue_date: str
    due_date: str
    delivery_date: str
    currency: str
    """ISO 4217"""
    net_amount: str
    """amounts have the sign of the currency with them"""
    tax_amount: str
    gross_amount: str
    amount_due: str
    """what is outstanding now"""
    amount_due_is_nothing: bool
    """yes or no"""
    days_overdue: int
    """a number; 0 before the due date"""
    order_number: str
    purchase_order_reference: str


@dataclass(frozen=True, slots=True)
class CustomerFields:
    """Whom the message goes to."""

    name: str
    number: str


@dataclass(frozen=True, slots=True)
class OrganizationFields:
    """Whom the message comes from."""

    name: str
    contact_name: str
    contact_phone: str
    contact_email: str
    website: str
    legal_text: str
    bank_name: str
    iban: str
    """in groups of four"""
    bic: str
    accent_colour: str
    """#rrggbb"""


@dataclass(frozen=True, slots=True)
class Fields:
    """All that a template can name."""

    invoice: InvoiceFields
    customer: CustomerFields
    organization: OrganizationFields
    level: int
    """of a reminder, a number: from so many days past due on; 0 for an invoice"""
    has_pdf: bool
    """yes or no: the document is attached"""
    language: str
    """ISO 639-1"""
    has_e_invoice: bool = False
    """yes or no: the document that is attached has an e-invoice in it"""


def fields_of(
    invoice: IssuedInvoice,
    organization: Organization,
    *,
    language: str,
    catalogue: Catalogue,
    today: date,
    level: int = 0,
    has_pdf: bool = False,
    has_e_invoice: bool = False,
    amount_due: Decimal | None = None,
) -> Fields:
    """The fields of a message about an invoice: titles, dates and amounts as the `catalogue` of documents has them.
    `today` is the day of the organization; an `amount_due` that is given stands above that of the invoice.
    """
    formats = catalogue.formats
    documents = organization.settings.documents
    is_credit_note = invoice.document_kind is DocumentKind.CREDIT_NOTE
    due = invoice.amount_due if amount_due is None else amount_due

    def amount(value: Decimal) -> str:
        return formats.money(value, invoice.currency)

    def day(value: date | None) -> str:
        return "" if value is None else formats.day(value, catalogue.date_pattern)

    return Fields(
        invoice=InvoiceFields(
            number=clean(invoice.invoice_number),
            title=clean(catalogue.words["credit_note" if is_credit_note else "invoice"]),
            is_credit_note=is_credit_note,
            corrected_number=clean(invoice.corrected_invoice_number),
            issue_date=day(invoice.issue_date),
            due_date=day(invoice.due_date),
            delivery_date=day(invoice.delivery_date),
            currency=invoice.currency,
            net_amount=amount(invoice.net_amount),
            tax_amount=amount(invoice.tax_amount),
            gross_amount=amount(invoice.gross_amount),
            amount_due=amount(due),
            amount_due_is_nothing=due == 0,
            days_overdue=max((today - invoice.due_date).days, 0),
            order_number=clean(invoice.order_number),
            purchase_order_reference=clean(invoice.purchase_order_reference),
        ),
        customer=CustomerFields(name=clean(invoice.buyer.name), number=clean(invoice.buyer.customer_number)),
        organization=OrganizationFields(
            name=clean(invoice.seller.name),
            contact_name=clean(documents.contact_name),
            contact_phone=clean(documents.contact_phone),
            contact_email=clean(documents.contact_email),
            website=clean(documents.website),
            legal_text=clean(documents.legal_text),
            bank_name=clean(documents.bank_name),
            iban=in_groups(clean(invoice.seller.iban), " "),
            bic=clean(documents.bic),
            accent_colour=documents.accent_colour,
        ),
        level=level,
        has_pdf=has_pdf,
        language=language,
        has_e_invoice=has_e_invoice,
    )


def named(fields: Fields) -> dict[str, str]:
    """All that a template can name, such as `invoice.number`, with what it is."""
    found: dict[str, str] = {}
    for part in dataclass_fields(fields):
        value = getattr(fields, part.name)
        if is_dataclass(value):
            found |= {f"{part.name}.{each.name}": str(getattr(value, each.name)) for each in dataclass_fields(value)}
        else:
            found[part.name] = str(value)
    return found


def clean(value: str | None) -> str:
    """The text on one line without control characters, nor those that turn the direction of what follows them."""
    if value is None:
        return ""
    shown = (sign for sign in value if sign not in _LEFT_OUT)
    return " ".join("".join(" " if unicodedata.category(sign) == "Cc" else sign for sign in shown).split())


def sample_fields(*, language: str, level: int, is_credit_note: bool = False, is_sparse: bool = False) -> Fields:
    """Fields to check a template with; `is_sparse`: without all that may be empty."""
    kind = DocumentKind.CREDIT_NOTE if is_credit_note else DocumentKind.INVOICE
    invoice = sample_invoice(language, kind=kind, buyer=replace(BUYER, name="Müller & Söhne GmbH"))
    invoice = replace(invoice, invoice_number="INV-2026-000042", language=language)
    found = fields_of(
        invoice,
        sample_organization(),
        language=language,
        catalogue=project_catalogue(language),
        today=invoice.due_date + timedelta(days=level),
        level=level,
        has_pdf=not is_sparse,
        has_e_invoice=not is_sparse,
        amount_due=Decimal(0) if is_sparse else None,
    )
    if not is_sparse:
        return found
    kept = {"name": found.organization.name, "accent_colour": found.organization.accent_colour}
    return replace(
        found,
        invoice=replace(found.invoice, delivery_date="", order_number="", purchase_order_reference=""),
        customer=replace(found.customer, number=""),
        organization=OrganizationFields(**dict.fromkeys(OrganizationFields.__slots__, "") | kept),
    )

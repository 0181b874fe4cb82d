"""The reason why no VAT is charged, in the language of the document: on the page, and as BT-120 in the XML."""

from __future__ import annotations

from dataclasses import replace

from invoice_pipelines.billing.issued_invoices import IssuedInvoice, IssuedInvoiceTax
from invoice_pipelines.delivery.rendering.language.catalogue import Catalogue


def with_reasons_in(catalogue: Catalogue, invoice: IssuedInvoice, own_language: str) -> IssuedInvoice:
    """The invoice with the reasons of its exemptions in the language of a catalogue.

    An organization writes its own reasons in its language, `own_language`; they stand in a document of that language.
    In another the code of the exemption is put into words, or the category; only where neither is known is the
    organization's text used, as a reason in another language is better than none (Directive 2006/112/EC, Article
    226(11)).
    """
    taxes = tuple(
        tax if tax.tax_amount else replace(tax, exemption_reason=_reason(catalogue, tax, own_language))
        for tax in invoice.taxes
    )
    return replace(invoice, taxes=taxes)


def reason_in_words(catalogue: Catalogue, tax: IssuedInvoiceTax) -> str | None:
    """What the catalogue says of an exemption by its code, else by its category; None: nothing."""
    known = catalogue.exemption_codes.get((tax.exemption_reason_code or "").upper())
    return known or catalogue.exemption_reasons.get(tax.tax_category)


def _reason(catalogue: Catalogue, tax: IssuedInvoiceTax, own_language: str) -> str | None:
    in_words = reason_in_words(catalogue, tax)
    if catalogue.language == own_language:
        return tax.exemption_reason or in_words
    return in_words or tax.exemption_reason

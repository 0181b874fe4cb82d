"""DE-R-*: what Peppol asks of invoices between German parties, which is what XRechnung asks, in an older reading."""

from __future__ import annotations

from invoice_pipelines.einvoice.rules.declarations.national.countries.parties import BUYER, SELLER, country_rule
from invoice_pipelines.einvoice.rules.declarations.national.peppol.document import is_german
from invoice_pipelines.einvoice.rules.declarations.national.shapes import absent, exists, says_something
from invoice_pipelines.einvoice.rules.declarations.national.xrechnung import (
    CARD,
    DEBIT,
    EMAIL_OLDER,
    MAIL,
    PHONE,
    SEPA_TRANSFER,
    THREE_DIGITS,
    TRANSFER,
    TYPES,
    account_is_iban,
    corrects,
    creditor_ubl,
    discounts,
    file_names,
    for_codes,
    is_like,
    tax_identifier_ubl,
    ubl_documents,
)
from invoice_pipelines.einvoice.rules.declarations.places import quoted
from invoice_pipelines.einvoice.rules.engine.declaration import Declaration, Facts, Test, any_of
from invoice_pipelines.einvoice.rules.engine.walk import Node, View

_CONTACT = f"/*/{SELLER}/cac:Contact"
_PLACE = "cac:Delivery/cac:DeliveryLocation/cac:Address"
_CODE = "cbc:PaymentMeansCode"
_CREDITED, _DEBITED = "cac:PayeeFinancialAccount/cbc:ID", "cac:PaymentMandate/cac:PayerFinancialAccount/cbc:ID"


def _german(
    number: str, like: str, context: str, test: Test, facts: Facts | None = None, *, warns: bool = False
) -> Declaration:
    """A rule, and that of XRechnung whose words it has."""
    return country_rule(f"DE-R-{number}", is_german, context, test, facts, warns=warns, text=f"BR-DE-{like}")


def _type_is_taken(node: Node, view: View) -> bool:
    found = (*node.kids.get("cbc:InvoiceTypeCode", ()), *node.kids.get("cbc:CreditNoteTypeCode", ()))
    return any(each.string in TYPES for each in found)


def _means(number: str, like: str, codes: frozenset[str], test: Test, *, value: str = "") -> Declaration:
    facts = quoted(value=value) if value else quoted(code=_CODE)
    return _german(number, like, "/*/cac:PaymentMeans", for_codes(_CODE, codes, test), facts, warns=bool(value))


RULES: tuple[Declaration, ...] = (
    _german("001", "1", "/*", exists("cac:PaymentMeans")),
    _german("002", "2", "/*/cac:AccountingSupplierParty", exists("cac:Party/cac:Contact")),
    _german("003", "3", f"/*/{SELLER}/cac:PostalAddress", says_something("cbc:CityName")),
    _german("004", "4", f"/*/{SELLER}/cac:PostalAddress", says_something("cbc:PostalZone")),
    _german("005", "5", _CONTACT, says_something("cbc:Name")),
    _german("006", "6", _CONTACT, says_something(PHONE[0])),
    _german("007", "7", _CONTACT, says_something(MAIL[0])),
    _german("008", "8", f"/*/{BUYER}/cac:PostalAddress", says_something("cbc:CityName")),
    _german("009", "9", f"/*/{BUYER}/cac:PostalAddress", says_something("cbc:PostalZone")),
    _german("010", "10", f"/*/{_PLACE}", says_something("cbc:CityName")),
    _german("011", "11", f"/*/{_PLACE}", says_something("cbc:PostalZone")),
    _german("014", "14", "/*/cac:TaxTotal/cac:TaxSubtotal", says_something("cac:TaxCategory/cbc:Percent")),
    _german("015", "15", "/*", says_something("cbc:BuyerReference")),
    _german("016", "16", "/*", tax_identifier_ubl),
    _german("017", "17", "/*", _type_is_taken, quoted(value="cbc:InvoiceTypeCode|cbc:CreditNoteTypeCode"), warns=True),
    _german(
        "018",
        "18",
        "/*",
        discounts("cac:PaymentTerms", "cbc:Note", whole_line=False),
        quoted(value="cac:PaymentTerms/cbc:Note"),
    ),
    _means("019", "19", SEPA_TRANSFER, account_is_iban(_CREDITED), value=_CREDITED),
    _means("020", "20", DEBIT, account_is_iban(_DEBITED), value=_DEBITED),
    _german("022", "22", "/*", file_names(ubl_documents, "cac:Attachment/cbc:EmbeddedDocumentBinaryObject")),
    _means("023-1", "23-a", TRANSFER, exists("cac:PayeeFinancialAccount")),
    _means("023-2", "23-b", TRANSFER, absent("cac:CardAccount | cac:PaymentMandate")),
    _means("024-1", "24-a", CARD, exists("cac:CardAccount")),
    _means("024-2", "24-b", CARD, absent("cac:PayeeFinancialAccount | cac:PaymentMandate")),
    _means("025-1", "25-a", DEBIT, exists("cac:PaymentMandate")),
    _means("025-2", "25-b", DEBIT, absent("cac:PayeeFinancialAccount | cac:CardAccount")),
    _german("026", "26", "/*", corrects, warns=True),
    _german("027", "27", _CONTACT, is_like(PHONE[0], THREE_DIGITS, anywhere=True), quoted(value=PHONE[0]), warns=True),
    _german("028", "28", _CONTACT, is_like(MAIL[0], EMAIL_OLDER), quoted(value=MAIL[0]), warns=True),
    _german("030", "30", "/*", creditor_ubl),
    _german(
        "031",
        "31",
        "/*",
        any_of(
            absent("cac:PaymentMeans/cac:PaymentMandate"),
            exists("cac:PaymentMeans/cac:PaymentMandate/cac:PayerFinancialAccount/cbc:ID"),
        ),
    ),
)

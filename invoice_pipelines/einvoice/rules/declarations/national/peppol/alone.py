"""The rules that Peppol alone has."""

from __future__ import annotations

from invoice_pipelines.einvoice.rules.declarations.national.peppol.declaring import peppol_rule
from invoice_pipelines.einvoice.rules.declarations.national.peppol.document import (
    currencies,
    is_german,
    own_text,
    process,
)
from invoice_pipelines.einvoice.rules.declarations.national.places import UBL_AMOUNTS
from invoice_pipelines.einvoice.rules.declarations.national.shapes import attribute, exists
from invoice_pipelines.einvoice.rules.declarations.places import quoted
from invoice_pipelines.einvoice.rules.engine.declaration import Asked, Test
from invoice_pipelines.einvoice.rules.engine.paths import path
from invoice_pipelines.einvoice.rules.engine.walk import Node, View

# The rules of self-billing, where the buyer writes the invoice, differ from these in identifiers and types only.
_IDENTIFIERS = (
    "urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0",
    "urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:selfbilling:3.0",
)


def _notes_ubl(node: Node, view: View) -> bool:
    return len(node.kids.get("cbc:Note", ())) <= 1 or view.once(is_german)


def _notes_cii(node: Node, view: View) -> bool:
    notes = node.kids.get("ram:IncludedNote", [])
    return len(notes) <= 1 and not any("ram:SubjectCode" in note.kids for note in notes)


def _specification(steps: str) -> Test:
    found = path(steps)
    return lambda node, view: own_text(found(node)).startswith(_IDENTIFIERS)


def _at_most_one(documents: str, kind: str, code: str) -> Test:
    found = path(documents)
    return lambda node, view: (
        sum(any(each.string == code for each in document.kids.get(kind, ())) for document in found(node)) <= 1
    )


def _in_own_currency(node: Node, view: View) -> bool:
    """R051. The VAT total in the currency for VAT (BT-111) has no breakdown, so it is not asked."""
    if node.name == "cbc:TaxAmount":
        around = node.parent
        if around is None or not (
            around.name == "cac:TaxSubtotal" or (around.name == "cac:TaxTotal" and "cac:TaxSubtotal" in around.kids)
        ):
            return True
    return node.get("currencyID") in view.once(currencies)


ONLY_PEPPOL = (
    peppol_rule(
        "R002",
        Asked("/*", _notes_ubl),
        Asked("rsm:ExchangedDocument", _notes_cii),
    ),
    peppol_rule(
        "R003",
        Asked("/*", exists("cbc:BuyerReference | cac:OrderReference/cbc:ID")),
        Asked(
            "ram:ApplicableHeaderTradeAgreement",
            exists("ram:BuyerReference | ram:BuyerOrderReferencedDocument/ram:IssuerAssignedID"),
        ),
    ),
    peppol_rule(
        "R004",
        Asked("/*", _specification("cbc:CustomizationID"), quoted(value="cbc:CustomizationID")),
        Asked(
            "rsm:ExchangedDocumentContext",
            _specification("ram:GuidelineSpecifiedDocumentContextParameter/ram:ID"),
            quoted(value="ram:GuidelineSpecifiedDocumentContextParameter/ram:ID"),
        ),
    ),
    peppol_rule(
        "R006",
        None,
        Asked(
            "ram:ApplicableHeaderTradeAgreement",
            _at_most_one("ram:AdditionalReferencedDocument", "ram:TypeCode", "130"),
        ),
    ),
    peppol_rule(
        "R007",
        Asked("/*", lambda node, view: view.once(process) is not None, quoted(value="cbc:ProfileID")),
        Asked(
            "rsm:ExchangedDocumentContext",
            lambda node, view: view.once(process) is not None,
            quoted(value="ram:BusinessProcessSpecifiedDocumentContextParameter/ram:ID"),
        ),
    ),
    peppol_rule("R051", Asked(UBL_AMOUNTS, _in_own_currency, attribute("currencyID")), None),
    peppol_rule(
        "R080",
        Asked("cn:CreditNote", _at_most_one("cac:AdditionalDocumentReference", "cbc:DocumentTypeCode", "50")),
        Asked(
            "ram:ApplicableHeaderTradeAgreement", _at_most_one("ram:AdditionalReferencedDocument", "ram:TypeCode", "50")
        ),
    ),
    peppol_rule(
        "R100",
        Asked(
            "cac:InvoiceLine | cac:CreditNoteLine",
            lambda node, view: len(node.kids.get("cac:DocumentReference", ())) <= 1,
        ),
        Asked(
            "ram:IncludedSupplyChainTradeLineItem",
            _at_most_one("ram:SpecifiedLineTradeSettlement/ram:AdditionalReferencedDocument", "ram:TypeCode", "130"),
        ),
    ),
)
"""What XRechnung has not taken over."""

"""Reads ZUGFeRD 1.0 (2014, CrossIndustryDocument) as the draft of CII that it is.

Its elements are those of CII D16B under older names, and in older namespaces. So the tree is renamed, and read by
`cii`. What has no counterpart in EN 16931 stays in the raw form.
"""

from __future__ import annotations

from lxml import etree

from invoice_pipelines.einvoice.model import Invoice
from invoice_pipelines.einvoice.syntaxes import cii

INVOICE = "{urn:ferd:CrossIndustryDocument:invoice:1p0}CrossIndustryDocument"

_NAMESPACES = {
    "urn:ferd:CrossIndustryDocument:invoice:1p0": cii.RSM,
    "urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:12": cii.RAM,
    "urn:un:unece:uncefact:data:standard:UnqualifiedDataType:15": cii.UDT,
}
_NAMES = {
    "CrossIndustryDocument": "CrossIndustryInvoice",
    "SpecifiedExchangedDocumentContext": "ExchangedDocumentContext",
    "HeaderExchangedDocument": "ExchangedDocument",
    "SpecifiedSupplyChainTradeTransaction": "SupplyChainTradeTransaction",
    "ApplicableSupplyChainTradeAgreement": "ApplicableHeaderTradeAgreement",
    "ApplicableSupplyChainTradeDelivery": "ApplicableHeaderTradeDelivery",
    "ApplicableSupplyChainTradeSettlement": "ApplicableHeaderTradeSettlement",
    "SpecifiedSupplyChainTradeAgreement": "SpecifiedLineTradeAgreement",
    "SpecifiedSupplyChainTradeDelivery": "SpecifiedLineTradeDelivery",
    "SpecifiedSupplyChainTradeSettlement": "SpecifiedLineTradeSettlement",
    "SpecifiedTradeAccountingAccount": "ReceivableSpecifiedTradeAccountingAccount",
    "ApplicablePercent": "RateApplicablePercent",
}
# What an element is called depends on the element around it.
_NAMES_WITHIN = {
    ("ApplicableSupplyChainTradeSettlement", "SpecifiedTradeSettlementMonetarySummation"): (
        "SpecifiedTradeSettlementHeaderMonetarySummation"
    ),
    ("SpecifiedSupplyChainTradeSettlement", "SpecifiedTradeSettlementMonetarySummation"): (
        "SpecifiedTradeSettlementLineMonetarySummation"
    ),
}


def read_zugferd1(root: etree._Element, warnings: list[str]) -> Invoice:
    """Read a CrossIndustryDocument. Renames the elements of the tree in place; otherwise like `cii.read_cii`."""
    renamed = [(element, _cii_name(element)) for element in root.iter(etree.Element)]
    for element, name in renamed:
        element.tag = name
    return cii.read_cii(root, warnings)


def _cii_name(element: etree._Element) -> str:
    name = etree.QName(element)
    parent = element.getparent()
    within = etree.QName(parent).localname if parent is not None else ""
    local = _NAMES_WITHIN.get((within, name.localname)) or _NAMES.get(name.localname, name.localname)
    if local == "ID" and within.endswith("ReferencedDocument"):
        local = "IssuerAssignedID"
    namespace = _NAMESPACES.get(name.namespace or "", name.namespace)
    return f"{{{namespace}}}{local}" if namespace else local

"""What every profile asks of the document, and what BASIC WL and those above it do."""

from __future__ import annotations

from invoice_pipelines.einvoice.rules.declarations.national.factur_x.declaring import (
    TAX,
    is_stated,
    profile_rule,
    stated_or_absent,
)
from invoice_pipelines.einvoice.rules.declarations.national.places import DELIVERY, LINES, SETTLEMENT
from invoice_pipelines.einvoice.rules.declarations.national.shapes import exists
from invoice_pipelines.einvoice.rules.declarations.places import quoted
from invoice_pipelines.einvoice.rules.engine.declaration import Test
from invoice_pipelines.einvoice.rules.engine.paths import path


def _anywhere(name: str, steps: str, *, stated: bool) -> Test:
    """As `is_stated` or `exists`, below any element of a name."""
    found = path(steps)
    return lambda node, view: any(
        not stated or each.string != "" for start in view.index.get(name, ()) for each in found(start)
    )


ALL_PROFILES = (
    profile_rule(
        "BR-01", "/*", is_stated("rsm:ExchangedDocumentContext/ram:GuidelineSpecifiedDocumentContextParameter/ram:ID")
    ),
    profile_rule("BR-02", "/*", is_stated("rsm:ExchangedDocument/ram:ID")),
    profile_rule(
        "BR-03",
        "/*",
        is_stated(
            "rsm:ExchangedDocument/ram:IssueDateTime/udt:DateTimeString", lambda each: each.get("format") == "102"
        ),
    ),
    profile_rule("BR-04", "/*", is_stated("rsm:ExchangedDocument/ram:TypeCode")),
    profile_rule("BR-05", "/*", is_stated(SETTLEMENT + "ram:InvoiceCurrencyCode")),
    profile_rule(
        "BR-06",
        "/*",
        is_stated(LINES.rpartition("/")[0] + "/ram:ApplicableHeaderTradeAgreement/ram:SellerTradeParty/ram:Name"),
    ),
    profile_rule(
        "BR-07",
        "/*",
        is_stated(LINES.rpartition("/")[0] + "/ram:ApplicableHeaderTradeAgreement/ram:BuyerTradeParty/ram:Name"),
    ),
    profile_rule("BR-08", "/*", _anywhere("ram:SellerTradeParty", "ram:PostalTradeAddress", stated=False)),
    profile_rule("BR-09", "/*", _anywhere("ram:SellerTradeParty", "ram:PostalTradeAddress/ram:CountryID", stated=True)),
)
"""What all three profiles ask for."""
FROM_BASIC_WL = (
    profile_rule("BR-55", f"/*/{SETTLEMENT}ram:InvoiceReferencedDocument", is_stated("ram:IssuerAssignedID")),
    profile_rule(
        "BR-56",
        "ram:SellerTaxRepresentativeTradeParty",
        is_stated("ram:SpecifiedTaxRegistration/ram:ID", lambda each: each.get("schemeID") == "VA"),
    ),
    profile_rule(
        "BR-57",
        f"/*/{DELIVERY.rstrip('/')}",
        stated_or_absent(
            "ram:ShipToTradeParty/ram:PostalTradeAddress", "ram:ShipToTradeParty/ram:PostalTradeAddress/ram:CountryID"
        ),
    ),
    profile_rule("BR-10", "/*", _anywhere("ram:BuyerTradeParty", "ram:PostalTradeAddress", stated=False)),
    profile_rule("BR-11", "/*", _anywhere("ram:BuyerTradeParty", "ram:PostalTradeAddress/ram:CountryID", stated=True)),
    profile_rule(
        "BR-CO-03",
        TAX,
        lambda node, view: "ram:TaxPointDate" not in node.kids or "ram:DueDateTypeCode" not in node.kids,
        quoted(date="ram:TaxPointDate", code="ram:DueDateTypeCode"),
    ),
    profile_rule("BR-45", TAX, exists("ram:BasisAmount")),
    profile_rule("BR-46", TAX, exists("ram:CalculatedAmount")),
    profile_rule("BR-47", TAX, exists("ram:CategoryCode")),
    profile_rule(
        "BR-48",
        TAX,
        lambda node, view: (
            "ram:RateApplicablePercent" in node.kids
            or any(each.string == "O" for each in node.kids.get("ram:CategoryCode", ()))
        ),
    ),
    profile_rule(
        "BR-CO-18",
        "rsm:SupplyChainTradeTransaction/ram:ApplicableHeaderTradeSettlement",
        exists("ram:ApplicableTradeTax"),
    ),
)
"""What BASIC WL and EXTENDED ask for."""

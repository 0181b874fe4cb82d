"""The rules that Peppol and XRechnung share."""

from __future__ import annotations

from invoice_pipelines.einvoice.rules.declarations.national.peppol.charges import CII_INDICATOR, charge_rules
from invoice_pipelines.einvoice.rules.declarations.national.peppol.declaring import peppol_rule
from invoice_pipelines.einvoice.rules.declarations.national.peppol.document import own_text
from invoice_pipelines.einvoice.rules.declarations.national.peppol.lines import (
    CII_LINE_FACTS,
    UBL_LINE_FACTS,
    above_zero,
    cii_line_amount,
    cii_net_price,
    cii_only_discount,
    cii_same_unit,
    ubl_line_amount,
    ubl_net_price,
    ubl_same_unit,
)
from invoice_pipelines.einvoice.rules.declarations.national.peppol.periods import (
    CII_PERIOD,
    UBL_PERIOD,
    cii_within_period,
    later,
    sooner,
    ubl_within_period,
)
from invoice_pipelines.einvoice.rules.declarations.national.peppol.tolerance import slack_by_currency, two_cents
from invoice_pipelines.einvoice.rules.declarations.national.peppol.vat_totals import (
    cii_one_total,
    cii_other_totals,
    cii_signs,
    ubl_one_total,
    ubl_other_totals,
    ubl_signs,
)
from invoice_pipelines.einvoice.rules.declarations.national.places import LINES
from invoice_pipelines.einvoice.rules.declarations.national.shapes import (
    attribute,
    empty_elements,
    exists,
    never,
    text_of,
)
from invoice_pipelines.einvoice.rules.declarations.places import quoted, stated
from invoice_pipelines.einvoice.rules.engine.declaration import Asked, Declaration, Facts, Test
from invoice_pipelines.einvoice.rules.engine.paths import path
from invoice_pipelines.einvoice.rules.engine.values import normalized, said
from invoice_pipelines.einvoice.rules.engine.walk import Node, View
from invoice_pipelines.einvoice.rules.verdict import Severity


def _may_be_empty(node: Node, view: View) -> bool:
    # R008: the one element that the schema asks for, whatever is in it. The official rule looks at its prefix.
    return node.name == "ram:ApplicableHeaderTradeDelivery" and node.element.prefix == "ram"


def _other_currency(own: str) -> Test:
    """R005: the currency for VAT is another than that of the invoice."""

    def test(node: Node, view: View) -> bool:
        currency = own_text(node.parent.kids.get(own, []) if node.parent is not None else [])
        return own_text((node,)) != currency

    return test


def _means(code: str, test: Test) -> Test:
    """R061 is asked of direct debits."""

    def asked(node: Node, view: View) -> bool:
        codes = node.kids.get(code, ())
        return len(codes) != 1 or normalized(codes[0].string) not in ("49", "59") or test(node, view)

    return asked


def _only_objects(documents: str, kind: str) -> Test:
    """R101: what a line refers to by a document is the object that is invoiced (type 130)."""
    found = path(documents)

    def test(node: Node, view: View) -> bool:
        references = found(node)
        return not references or any(
            each.string == "130" for reference in references for each in reference.kids.get(kind, ())
        )

    return test


def _is_discount(node: Node, view: View) -> bool:
    return said(node.kids.get("cbc:ChargeIndicator", [])) == "false"


def shared_rules(*, xrechnung: bool) -> tuple[Declaration, ...]:
    """The rules as Peppol has them, or as XRechnung has taken them over."""
    slack = slack_by_currency if xrechnung else two_cents
    line_amount_severity = Severity.WARNING if xrechnung else Severity.FATAL
    return (
        peppol_rule(
            "R001",
            Asked("/*", exists("cbc:ProfileID")),
            Asked(
                "rsm:ExchangedDocumentContext",
                exists("ram:BusinessProcessSpecifiedDocumentContextParameter/ram:ID"),
            ),
        ),
        peppol_rule(
            "R005",
            Asked("cbc:TaxCurrencyCode", _other_currency("cbc:DocumentCurrencyCode"), text_of),
            Asked(
                "ram:ApplicableHeaderTradeSettlement",
                lambda node, view: (
                    "ram:TaxCurrencyCode" not in node.kids
                    or own_text(node.kids["ram:TaxCurrencyCode"])
                    != own_text(node.kids.get("ram:InvoiceCurrencyCode", []))
                ),
                quoted(value="ram:TaxCurrencyCode"),
            ),
        ),
        peppol_rule("R008", Asked(empty_elements, never), Asked(empty_elements, _may_be_empty) if xrechnung else None),
        peppol_rule(
            "R010",
            Asked("cac:AccountingCustomerParty/cac:Party", exists("cbc:EndpointID")),
            Asked("ram:BuyerTradeParty", exists("ram:URIUniversalCommunication/ram:URIID")),
        ),
        peppol_rule(
            "R020",
            Asked("cac:AccountingSupplierParty/cac:Party", exists("cbc:EndpointID")),
            Asked("ram:SellerTradeParty", exists("ram:URIUniversalCommunication/ram:URIID")),
        ),
        *charge_rules(slack, numbered=xrechnung),
        peppol_rule(
            "R044",
            Asked("cac:Price/cac:AllowanceCharge", _is_discount, quoted(value="cbc:ChargeIndicator")),
            _gross(cii_only_discount, quoted(value="ram:AppliedTradeAllowanceCharge/" + CII_INDICATOR))
            if xrechnung
            else None,
        ),
        peppol_rule(
            "R046",
            Asked(
                "cac:Price/cac:AllowanceCharge",
                ubl_net_price,
                stated(net="../cbc:PriceAmount", gross="cbc:BaseAmount", discount="cbc:Amount"),
            ),
            _gross(
                cii_net_price,
                stated(
                    net="../ram:NetPriceProductTradePrice/ram:ChargeAmount",
                    gross="ram:ChargeAmount",
                    discount="ram:AppliedTradeAllowanceCharge/ram:ActualAmount",
                ),
            )
            if xrechnung
            else None,
        ),
        peppol_rule(
            "R053",
            Asked("/*", ubl_one_total),
            Asked("ram:ApplicableHeaderTradeSettlement", cii_one_total(none_will_do=xrechnung)),
        ),
        peppol_rule(
            "R054", Asked("/*", ubl_other_totals), Asked("ram:ApplicableHeaderTradeSettlement", cii_other_totals)
        ),
        peppol_rule(
            "R055",
            Asked("/*", ubl_signs),
            Asked("ram:ApplicableHeaderTradeSettlement", cii_signs(without_total=xrechnung)),
        ),
        peppol_rule(
            "R061",
            Asked("cac:PaymentMeans", _means("cbc:PaymentMeansCode", exists("cac:PaymentMandate/cbc:ID"))),
            Asked(
                "ram:SpecifiedTradeSettlementPaymentMeans",
                _means("ram:TypeCode", exists("../ram:SpecifiedTradePaymentTerms/ram:DirectDebitMandateID")),
            ),
        ),
        peppol_rule(
            "R101",
            Asked(
                "cac:InvoiceLine | cac:CreditNoteLine", _only_objects("cac:DocumentReference", "cbc:DocumentTypeCode")
            ),
            Asked(
                "ram:IncludedSupplyChainTradeLineItem",
                _only_objects("ram:SpecifiedLineTradeSettlement/ram:AdditionalReferencedDocument", "ram:TypeCode"),
            ),
        ),
        peppol_rule(
            "R110",
            Asked(UBL_PERIOD.format("cbc:StartDate"), ubl_within_period("cbc:StartDate", later), text_of),
            Asked(
                CII_PERIOD + "ram:StartDateTime",
                cii_within_period("ram:StartDateTime", lambda day, limit: day >= limit),
                text_of,
            ),
        ),
        peppol_rule(
            "R111",
            Asked(UBL_PERIOD.format("cbc:EndDate"), ubl_within_period("cbc:EndDate", sooner), text_of),
            Asked(
                CII_PERIOD + "ram:EndDateTime",
                cii_within_period("ram:EndDateTime", lambda day, limit: day <= limit),
                text_of,
            ),
        ),
        peppol_rule(
            "R120",
            Asked("cac:InvoiceLine | cac:CreditNoteLine", ubl_line_amount(slack), UBL_LINE_FACTS),
            Asked("ram:IncludedSupplyChainTradeLineItem", cii_line_amount(slack, gross_base=xrechnung), CII_LINE_FACTS),
            severity=line_amount_severity,
        ),
        peppol_rule(
            "R121",
            Asked(
                "cac:InvoiceLine | cac:CreditNoteLine",
                above_zero("cac:Price/cbc:BaseQuantity"),
                stated(value="cac:Price/cbc:BaseQuantity"),
            ),
            Asked(
                "ram:NetPriceProductTradePrice | ram:GrossPriceProductTradePrice",
                above_zero("ram:BasisQuantity"),
                stated(value="ram:BasisQuantity"),
            ),
        ),
        peppol_rule(
            "R130",
            Asked("cac:Price/cbc:BaseQuantity", ubl_same_unit, attribute("unitCode")),
            Asked(
                "ram:NetPriceProductTradePrice/ram:BasisQuantity | ram:GrossPriceProductTradePrice/ram:BasisQuantity",
                cii_same_unit,
                attribute("unitCode"),
            ),
        ),
    )


def _gross(test: Test, facts: Facts) -> Asked:
    return Asked(f"{LINES}/ram:SpecifiedLineTradeAgreement/ram:GrossPriceProductTradePrice", test, facts)

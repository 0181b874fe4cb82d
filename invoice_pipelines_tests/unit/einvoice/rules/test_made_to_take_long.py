"""Invoices that were made to take long: thousands of VAT rates, amounts and categories, each of which asks for all;
and those whose values are none."""

import time

import pytest
from lxml import etree

from invoice_pipelines.einvoice import Syntax, write
from invoice_pipelines.einvoice.rules.judging import business_rules
from invoice_pipelines_tests.support.einvoice.cases import bases
from invoice_pipelines_tests.unit.einvoice.rules.syntax.documents import cii, document, inside

MANY = 2_000
ODD = (
    *("1e400", "9" * 100, "-0", "+1.00", ".5", "NaN", "-INF", "1_000", "0x10", "1 2", "", "\t1\n", "1\u00a0000"),
    *("\u0663\u0664.\u0665", "\uff11.\uff10", "\u00b2", "\U0001d7d9", "\u200b1", "\u2028", "ß", "\u0130"),
    *("2026-02-30", "\u00b20260101", "\u0662\u0660\u0662\u0666\u0660\u0661\u0660\u0661", "#SKONTO#" * 12),
)


def ubl() -> str:
    vat = inside("cac:TaxScheme/cbc:ID", "VAT")
    parts = []
    for number in range(MANY):
        category = f"<cbc:ID>S</cbc:ID><cbc:Percent>{number / 100}</cbc:Percent>{vat}"
        item = inside("cac:Item/cac:ClassifiedTaxCategory", category)
        parts.append(f"<cac:InvoiceLine><cbc:LineExtensionAmount>1</cbc:LineExtensionAmount>{item}</cac:InvoiceLine>")
        sum_and_rate = inside("cac:TaxCategory", category)
        charge = f"<cbc:ChargeIndicator>true</cbc:ChargeIndicator><cbc:Amount>1</cbc:Amount>{sum_and_rate}"
        parts.append(inside("cac:AllowanceCharge", charge))
        subtotal = f"<cbc:TaxableAmount>2</cbc:TaxableAmount><cbc:TaxAmount>0</cbc:TaxAmount>{sum_and_rate}"
        parts.append(inside("cac:TaxTotal/cac:TaxSubtotal", subtotal))
    return document("".join(parts))


def cross_industry() -> str:
    lines, settled = [], []
    for number in range(MANY):
        rate = f"<ram:RateApplicablePercent>{number / 100}</ram:RateApplicablePercent>"
        tax = f"<ram:TypeCode>VAT</ram:TypeCode><ram:CategoryCode>S</ram:CategoryCode>{rate}"
        total = inside("ram:SpecifiedTradeSettlementLineMonetarySummation/ram:LineTotalAmount", "1")
        lines.append(inside("ram:SpecifiedLineTradeSettlement", inside("ram:ApplicableTradeTax", tax) + total))
        indicator = inside("ram:ChargeIndicator/udt:Indicator", "true")
        charge = f"{indicator}<ram:ActualAmount>1</ram:ActualAmount>{inside('ram:CategoryTradeTax', tax)}"
        settled.append(inside("ram:SpecifiedTradeAllowanceCharge", charge))
        settled.append(inside("ram:ApplicableTradeTax", f"<ram:BasisAmount>2</ram:BasisAmount>{tax}"))
    return cii(lines=lines, settlement="".join(settled))


@pytest.mark.parametrize("xml", [ubl(), cross_industry()], ids=["UBL", "CII"])
def test_thousands_of_rates_are_summed_without_going_through_all_for_each(xml: str) -> None:
    start = time.process_time()
    rules = {violation.rule for violation in business_rules(xml.encode())}
    assert time.process_time() - start < 20  # the square takes minutes
    assert "BR-S-08" not in rules


def test_what_is_told_of_a_finding_is_worked_out_for_those_that_are_told() -> None:
    category = inside("cac:TaxCategory", "<cbc:ID>S</cbc:ID>" + inside("cac:TaxScheme/cbc:ID", "VAT"))
    subtotal = ("<cbc:TaxableAmount>1</cbc:TaxableAmount>" + category) * 4_000
    start = time.process_time()
    found = business_rules(document(inside("cac:TaxTotal/cac:TaxSubtotal", subtotal)).encode())
    assert time.process_time() - start < 20  # the square takes minutes
    assert max(violation.times for violation in found) > 3_000


@pytest.mark.parametrize("text", ODD)
def test_no_rule_raises_where_every_value_is_odd(text: str) -> None:
    for name in ("S", "extension", "CVD", "Peppol"):
        for syntax in (Syntax.UBL, Syntax.CII):
            root = etree.fromstring(write(bases()[name], syntax))
            for element in root.iterdescendants():
                if len(element) == 0 and "urn:" not in (element.text or ""):  # so that the same rules are asked
                    element.text = text
                    element.insert(0, etree.Comment("a comment in a value"))
            assert business_rules(etree.tostring(root)) != ()

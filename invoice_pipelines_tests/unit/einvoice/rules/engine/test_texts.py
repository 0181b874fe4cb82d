"""What broken rules say: a text for each rule, in two languages that name the same values."""

from string import Formatter

import pytest
from lxml import etree

from invoice_pipelines.einvoice.rules.declarations import decimals, required, sums, vat
from invoice_pipelines.einvoice.rules.engine.asking import Plan
from invoice_pipelines.einvoice.rules.engine.texts import message_of, text_of
from invoice_pipelines.einvoice.rules.engine.walk import Syntax, walk

MODULES = (required, sums, decimals, vat)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__.rpartition(".")[2])
def test_each_rule_has_a_text_in_both_languages_with_the_same_values(module: object) -> None:
    for rule in module.RULES:  # type: ignore[attr-defined]
        english, german = text_of(rule.text or rule.id)
        named = [{name for _, name, _, _ in Formatter().parse(text) if name} for text in (english, german)]
        assert named[0] == named[1], rule.id
        assert english != german


def test_a_text_has_the_values_of_the_invoice() -> None:
    root = etree.fromstring(
        '<i:Invoice xmlns:i="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2"'
        ' xmlns:a="urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2"'
        ' xmlns:b="urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2"><a:LegalMonetaryTotal>'
        "<b:LineExtensionAmount>100.00</b:LineExtensionAmount></a:LegalMonetaryTotal>"
        "<a:InvoiceLine><b:LineExtensionAmount>1234.50</b:LineExtensionAmount></a:InvoiceLine></i:Invoice>"
    )
    found = Plan(sums.RULES, Syntax.UBL).ask(walk(root, Syntax.UBL)).findings
    english, german = next(message_of(each) for each in found if each.rule.id == "BR-CO-10")
    assert "stated as 100.00" in english
    assert "1234.50" in english
    assert "1.234,50" in german

"""The walk over a document, paths, and how declared rules are asked."""

from decimal import Decimal

import pytest
from lxml import etree

from invoice_pipelines.einvoice.rules.declarations import required
from invoice_pipelines.einvoice.rules.engine.asking import Plan
from invoice_pipelines.einvoice.rules.engine.declaration import Asked, declare, has
from invoice_pipelines.einvoice.rules.engine.paths import path
from invoice_pipelines.einvoice.rules.engine.values import (
    Stopped,
    as_decimal,
    as_indicator,
    as_number,
    cents,
    day_number,
    normalized,
)
from invoice_pipelines.einvoice.rules.engine.walk import Syntax, View, walk

INVOICE = """<i:Invoice xmlns:i="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2"
  xmlns:a="urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2"
  xmlns:b="urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2">{}</i:Invoice>"""


def view(content: str) -> View:
    return walk(etree.fromstring(INVOICE.format(content)), Syntax.UBL)


def fired(content: str) -> set[str]:
    return {finding.rule.id for finding in Plan(required.RULES, Syntax.UBL).ask(view(content)).findings}


def test_a_view_has_texts_as_they_are_under_the_usual_names() -> None:
    seen = view("<b:ID> A<!-- no -->1 </b:ID><b:ID/><a:Item><b:Name>x</b:Name></a:Item>")
    assert [node.text for node in seen.root.kids["cbc:ID"]] == [" A1 ", ""]
    assert [node.string for node in path("cac:Item/cbc:Name")(seen.root)] == ["x"]
    assert [node.name for node in path("../cbc:ID")(seen.root.kids["cac:Item"][0])] == ["cbc:ID", "cbc:ID"]
    assert seen.root.kids["cac:Item"][0].text is None


def test_rules_are_asked_where_they_say_and_stop_instead_of_raising() -> None:
    assert fired("<b:CustomizationID>x</b:CustomizationID>") >= {"BR-02", "BR-03"}
    assert "BR-01" not in fired("<b:CustomizationID>x</b:CustomizationID>")
    assert "BR-02" in fired("<b:ID> \n </b:ID>")
    line = "<a:InvoiceLine><a:InvoicePeriod>{}</a:InvoicePeriod></a:InvoiceLine>"
    period = "<b:StartDate>2026-02-01</b:StartDate><b:EndDate>2026-01-31</b:EndDate>"
    assert {"BR-29", "BR-30"} & fired(line.format(period)) == {"BR-30"}
    assert {"BR-29", "BR-30"} & fired(f"<a:InvoicePeriod>{period}</a:InvoicePeriod>") == {"BR-29"}
    found = Plan(required.RULES, Syntax.UBL).ask(view("<b:ID>1</b:ID><b:ID>2</b:ID>"))
    assert [(rule.id, code) for rule, code, _ in found.stopped] == [("BR-02", "XPTY0004")]


def test_a_context_can_be_the_end_of_a_name() -> None:
    rule = declare("X-1", Asked("*Amount", has("@currencyID")), source="here")
    found = Plan((rule,), Syntax.UBL).ask(view("<b:TaxAmount>1</b:TaxAmount><b:Amount currencyID='EUR'>1</b:Amount>"))
    assert [finding.node.name for finding in found.findings] == ["cbc:TaxAmount"]


def test_texts_mean_what_they_mean_in_xpath() -> None:
    assert as_decimal(" +1.50 ") == Decimal("1.50")
    assert as_number("1e2") == 100
    assert (as_indicator("0"), as_indicator(" true ")) == (False, True)
    for convert, text in ((as_decimal, "1e2"), (as_decimal, ""), (as_decimal, "1,5"), (as_indicator, "yes")):
        with pytest.raises(Stopped, match="FORG0001"):
            convert(text)
    assert (cents(Decimal("0.005")), cents(Decimal("-0.005"))) == (Decimal("0.01"), 0)
    assert normalized(" a \n b\N{NO-BREAK SPACE}") == "a b\N{NO-BREAK SPACE}"
    assert day_number("2026-01-02+02:00") < day_number("2026-01-02")
    with pytest.raises(Stopped):
        day_number("2026-02-30")

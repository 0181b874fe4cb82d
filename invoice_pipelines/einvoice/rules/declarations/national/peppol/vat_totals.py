"""VAT totals in the currency of the invoice, and in that for VAT: R053 to R055."""

from __future__ import annotations

from invoice_pipelines.einvoice.rules.declarations.national.peppol.document import currencies
from invoice_pipelines.einvoice.rules.declarations.national.places import SETTLEMENT
from invoice_pipelines.einvoice.rules.engine.declaration import Test
from invoice_pipelines.einvoice.rules.engine.paths import path
from invoice_pipelines.einvoice.rules.engine.values import as_number, said
from invoice_pipelines.einvoice.rules.engine.walk import Node, View

_CII_TAX_CURRENCY = path(SETTLEMENT + "ram:TaxCurrencyCode")


def ubl_signs(node: Node, view: View) -> bool:
    """R055: the VAT totals in both currencies have the same sign."""
    if "cbc:TaxCurrencyCode" not in node.kids:
        return True
    totals = [each for total in node.kids.get("cac:TaxTotal", ()) for each in total.kids.get("cbc:TaxAmount", ())]
    tax_currency = said(node.kids["cbc:TaxCurrencyCode"])
    currency = said(node.kids.get("cbc:DocumentCurrencyCode", []))
    in_tax = [as_number(each.string) for each in totals if each.get("currencyID") == tax_currency]
    in_own = [as_number(each.string) for each in totals if each.get("currencyID") == currency]
    return (any(a <= 0 for a in in_tax) and any(a <= 0 for a in in_own)) or (
        any(a >= 0 for a in in_tax) and any(a >= 0 for a in in_own)
    )


_CII_TOTALS = path("ram:SpecifiedTradeSettlementHeaderMonetarySummation/ram:TaxTotalAmount")


def cii_signs(*, without_total: bool) -> Test:
    """R055 in CII, where zero counts as positive. In XRechnung there need be no total in the invoice's currency."""

    def test(node: Node, view: View) -> bool:
        tax_currencies = {each.string for each in _CII_TAX_CURRENCY(view.root)}
        if not tax_currencies:
            return True
        own = view.once(currencies)
        totals = _CII_TOTALS(node)
        in_own = [each for each in totals if each.get("currencyID") in own]
        if without_total and not in_own:
            return True
        tax_amounts = [as_number(each.string) for each in totals if each.get("currencyID") in tax_currencies]
        amounts = [as_number(each.string) for each in in_own]
        return (any(a < 0 for a in tax_amounts) and any(a < 0 for a in amounts)) or (
            any(a >= 0 for a in tax_amounts) and any(a >= 0 for a in amounts)
        )

    return test


def ubl_one_total(node: Node, view: View) -> bool:
    """R053: one VAT total has a breakdown."""
    return sum("cac:TaxSubtotal" in each.kids for each in node.kids.get("cac:TaxTotal", ())) == 1


def ubl_other_totals(node: Node, view: View) -> bool:
    """R054: another VAT total where, and only where, there is a currency for VAT."""
    others = sum("cac:TaxSubtotal" not in each.kids for each in node.kids.get("cac:TaxTotal", ()))
    return others == (1 if "cbc:TaxCurrencyCode" in node.kids else 0)


def cii_one_total(*, none_will_do: bool) -> Test:
    """R053 in CII: one VAT total is in the currency of the invoice."""

    def test(node: Node, view: View) -> bool:
        own = view.once(currencies)
        count = sum(each.get("currencyID") in own for each in _CII_TOTALS(node))
        return count == 1 or (none_will_do and count == 0)

    return test


def cii_other_totals(node: Node, view: View) -> bool:
    """R054 in CII: one VAT total in another currency where, and only where, there is one for VAT."""
    own = view.once(currencies)
    others = sum(
        each.get("currencyID") is not None and any(each.get("currencyID") != currency for currency in own)
        for each in _CII_TOTALS(node)
    )
    return others == (1 if "ram:TaxCurrencyCode" in node.kids else 0)

"""What BASIC WL asks otherwise: VAT totals, the tax of a rate, charges for logistics, and taxes of any type."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from invoice_pipelines.einvoice.rules.declarations.national.factur_x.amounts import charge_sum, says, surcharges
from invoice_pipelines.einvoice.rules.declarations.national.factur_x.declaring import TAX, TOTALS, profile_rule
from invoice_pipelines.einvoice.rules.declarations.national.places import SETTLEMENT
from invoice_pipelines.einvoice.rules.declarations.places import stated
from invoice_pipelines.einvoice.rules.engine.declaration import Declaration
from invoice_pipelines.einvoice.rules.engine.paths import path
from invoice_pipelines.einvoice.rules.engine.values import cents, decimal, first_decimal, said, whole
from invoice_pipelines.einvoice.rules.engine.walk import Node, Syntax, View


def _tax_is_rate(node: Node, view: View) -> bool:
    """BR-CO-17: VAT is taxable amount x rate, give or take one unit of the currency, inclusive."""
    rate = decimal(node.kids.get("ram:RateApplicablePercent", []))
    if said(node.kids.get("ram:TypeCode", [])).upper() != "VAT":
        rate = None
    amount, basis = decimal(node.kids.get("ram:CalculatedAmount", [])), decimal(node.kids.get("ram:BasisAmount", []))
    if rate is None or whole(rate) == 0:
        return amount is not None and whole(amount) == 0
    if amount is None or basis is None:
        return False
    return abs(abs(amount) - cents(abs(basis) * rate / 100)) <= 1


def _charges_add_up(node: Node, view: View) -> bool:
    """BR-CO-12: with the charges for logistics."""
    if not view.once(surcharges) and "ram:ChargeTotalAmount" not in node.kids:
        return True
    stated = decimal(_STATED_CHARGES(view.root))
    if stated is None:
        return False
    return cents(stated) == cents(view.once(charge_sum))


_STATED_CHARGES = path(f"{SETTLEMENT}{TOTALS}/ram:ChargeTotalAmount")
_NET_TOTALS = path(f"{SETTLEMENT}{TOTALS}/ram:TaxBasisTotalAmount")
_TAX_TOTALS = path(f"{SETTLEMENT}{TOTALS}/ram:TaxTotalAmount")
_GROSS_TOTALS = path(f"{SETTLEMENT}{TOTALS}/ram:GrandTotalAmount")
_CURRENCIES = path(SETTLEMENT + "ram:InvoiceCurrencyCode")


def _gross_is_net_and_tax(node: Node, view: View) -> bool:
    """BR-CO-15: with the VAT total in the currency of the invoice, or without VAT. Of the document, for each total."""
    return view.once(_gross_totals_are_net_and_tax)


def _gross_totals_are_net_and_tax(view: View) -> bool:
    by_currency: dict[str | None, list[Node]] = defaultdict(list)
    for each in _TAX_TOTALS(view.root):
        by_currency[each.get("currencyID")].append(each)
    for currency in {each.string for each in _CURRENCIES(view.root)}:
        taxes = by_currency[currency]
        net, gross = first_decimal(_NET_TOTALS(view.root)), first_decimal(_GROSS_TOTALS(view.root))
        if net is None or gross is None:
            return False
        tax = first_decimal(taxes) if len(taxes) == 1 else None
        if gross != net and (tax is None or gross != cents(net + tax)):
            return False
    return True


ONLY_BASIC_WL = (
    profile_rule(
        "BR-CO-15",
        TOTALS,
        _gross_is_net_and_tax,
        stated(
            net="ram:TaxBasisTotalAmount",
            tax="ram:TaxTotalAmount",
            gross="ram:GrandTotalAmount",
            currency="../ram:InvoiceCurrencyCode",
        ),
    ),
    profile_rule(
        "BR-CO-17",
        TAX,
        _tax_is_rate,
        stated(tax="ram:CalculatedAmount", basis="ram:BasisAmount", rate="ram:RateApplicablePercent"),
    ),
    profile_rule(
        "BR-CO-12",
        TOTALS,
        _charges_add_up,
        lambda node, view: {**stated(charges="ram:ChargeTotalAmount")(node, view), "sum": view.once(charge_sum)},
    ),
)
"""What BASIC WL asks of sums, as EXTENDED does not."""


_OF_ALLOWANCES, _OF_CHARGES = ("03", "06"), ("04", "07")


def of_any_type(rule: Declaration) -> Declaration:
    """A rule of a VAT category as BASIC WL asks it of allowances and charges: also where a tax does not say that it is
    VAT. Any other rule as it is."""
    code, number = rule.about.get("code"), rule.id[-2:]
    if code is None or number not in (*_OF_ALLOWANCES, *_OF_CHARGES):
        return rule
    indicator = "false" if number in _OF_ALLOWANCES else "true"

    def where(tax: Node) -> bool:
        return (
            tax.parent is not None
            and says(tax.parent, indicator)
            and any(each.string == code for each in tax.kids.get("ram:CategoryCode", ()))
        )

    context = "ram:SpecifiedTradeAllowanceCharge/ram:CategoryTradeTax"
    asked = tuple(replace(each, context=context, where=where) for each in rule.asked[Syntax.CII])
    return replace(rule, asked={Syntax.CII: asked})

"""EN 16931: amounts have at most two decimals (BR-DEC). What counts is how many characters follow the first point."""

from __future__ import annotations

from invoice_pipelines.einvoice.rules.declarations.places import (
    CII_ALLOWANCE,
    CII_LINE,
    CII_LINE_ALLOWANCE,
    CII_TAX,
    CII_TOTALS,
    LINE_TOTAL,
    SETTLEMENT,
    UBL_ALLOWANCE,
    UBL_LINE,
    UBL_LINE_ALLOWANCE,
    UBL_SUBTOTAL,
    UBL_TOTALS,
    is_allowance,
    is_charge,
    says_false,
    says_true,
    stated,
)
from invoice_pipelines.einvoice.rules.declarations.required import is_of_any_category
from invoice_pipelines.einvoice.rules.declarations.sums import is_in_currency
from invoice_pipelines.einvoice.rules.engine.declaration import (
    Asked,
    Declaration,
    Test,
    Where,
    declare,
    in_cents,
)
from invoice_pipelines.einvoice.rules.engine.paths import path
from invoice_pipelines.einvoice.rules.engine.values import as_number, cents
from invoice_pipelines.einvoice.rules.engine.walk import Node, View

_SOURCE = "EN 16931-1:2017+A1:2019, 6.5.2"

# The rule, its term, and where that stands in UBL and in CII.
_TOTALS = (
    ("BR-DEC-09", "BT-106", "cbc:LineExtensionAmount", "ram:LineTotalAmount"),
    ("BR-DEC-10", "BT-107", "cbc:AllowanceTotalAmount", "ram:AllowanceTotalAmount"),
    ("BR-DEC-11", "BT-108", "cbc:ChargeTotalAmount", "ram:ChargeTotalAmount"),
    ("BR-DEC-12", "BT-109", "cbc:TaxExclusiveAmount", "ram:TaxBasisTotalAmount"),
    ("BR-DEC-14", "BT-112", "cbc:TaxInclusiveAmount", "ram:GrandTotalAmount"),
    ("BR-DEC-16", "BT-113", "cbc:PrepaidAmount", "ram:TotalPrepaidAmount"),
    ("BR-DEC-17", "BT-114", "cbc:PayableRoundingAmount", "ram:RoundingAmount"),
    ("BR-DEC-18", "BT-115", "cbc:PayableAmount", "ram:DuePayableAmount"),
)
_TAXES = (
    ("BR-DEC-19", "BT-116", "cbc:TaxableAmount", "ram:BasisAmount"),
    ("BR-DEC-20", "BT-117", "cbc:TaxAmount", "ram:CalculatedAmount"),
)
_ALLOWANCES = (
    ("BR-DEC-01", "BT-92", "BR-DEC-02", "BT-93", UBL_ALLOWANCE, is_allowance, CII_ALLOWANCE, says_false),
    ("BR-DEC-05", "BT-99", "BR-DEC-06", "BT-100", UBL_ALLOWANCE, is_charge, CII_ALLOWANCE, says_true),
    ("BR-DEC-24", "BT-136", "BR-DEC-25", "BT-137", UBL_LINE_ALLOWANCE, is_allowance, CII_LINE_ALLOWANCE, says_false),
    ("BR-DEC-27", "BT-141", "BR-DEC-28", "BT-142", UBL_LINE_ALLOWANCE, is_charge, CII_LINE_ALLOWANCE, says_true),
)


def _at(context: str, steps: str, where: Where | None = None, *, first: bool = False) -> Asked:
    return Asked(context, in_cents(steps, first), stated(amount=steps), where)


def _limited(rule: str, term: str, ubl: Asked | None, cii: Asked | None) -> Declaration:
    return declare(rule, ubl, cii, source=_SOURCE, text="BR-DEC", about={"term": term})


_CURRENCIES = path(f"/*/{SETTLEMENT}/ram:InvoiceCurrencyCode")
_TAX_CURRENCIES = path(f"/*/{SETTLEMENT}/ram:TaxCurrencyCode")


def _is_in_cents(node: Node) -> bool:
    number = as_number(node.string)
    return number.is_finite() and number == cents(number)


def _tax_total(node: Node, view: View) -> bool:
    """CII has the two tax totals (BT-110, BT-111) in elements of one name; one of them in order is enough."""
    amounts = node.kids.get("ram:TaxTotalAmount", ())
    return not amounts or any(not is_in_currency(each) or _is_in_cents(each) for each in amounts)


def _tax_total_in_tax_currency(node: Node, view: View) -> bool:
    amounts = node.kids.get("ram:TaxTotalAmount", ())
    wanted = {each.string for each in _TAX_CURRENCIES(node)}
    return not amounts or not wanted or any(each.get("currencyID") in wanted and _is_in_cents(each) for each in amounts)


def _of_tax_total(rule: str, term: str, test: Test) -> Declaration:
    """In UBL the official rule looks for the currency in the amount itself, where it never is, and lets all pass."""
    return _limited(rule, term, None, Asked(CII_TOTALS, test, stated(amount="ram:TaxTotalAmount")))


RULES: tuple[Declaration, ...] = (
    *(_limited(rule, term, _at(UBL_TOTALS, ubl), _at(CII_TOTALS, cii)) for rule, term, ubl, cii in _TOTALS),
    *(
        _limited(rule, term, _at(UBL_SUBTOTAL, ubl), _at(CII_TAX, cii, is_of_any_category))
        for rule, term, ubl, cii in _TAXES
    ),
    *(
        declaration
        for rule, term, basis_rule, basis_term, ubl, where, cii, cii_where in _ALLOWANCES
        for declaration in (
            _limited(rule, term, _at(ubl, "cbc:Amount", where), _at(cii, "../ram:ActualAmount", cii_where, first=True)),
            _limited(
                basis_rule, basis_term, _at(ubl, "cbc:BaseAmount", where), _at(cii, "../ram:BasisAmount", cii_where)
            ),
        )
    ),
    _limited("BR-DEC-23", "BT-131", _at(UBL_LINE, "cbc:LineExtensionAmount"), _at(CII_LINE, LINE_TOTAL)),
    _of_tax_total("BR-DEC-13", "BT-110", _tax_total),
    _of_tax_total("BR-DEC-15", "BT-111", _tax_total_in_tax_currency),
)

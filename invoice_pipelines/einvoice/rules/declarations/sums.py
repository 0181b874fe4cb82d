"""EN 16931: sums, roundings and what belongs together (BR-CO-03 to BR-CO-17), and split payment (BR-B).

BR-CO-05 to BR-CO-08 ask whether a code and a text mean the same, which no machine can say: the official rules let all
pass, and so do these.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from decimal import Decimal

from invoice_pipelines.einvoice.rules.declarations.places import (
    CII_TAX,
    CII_TOTALS,
    SETTLEMENT,
    UBL_SUBTOTAL,
    UBL_TOTALS,
    both,
    is_allowance,
    is_charge,
    is_cii_allowance,
    is_cii_charge,
    is_vat,
    quoted,
    stated,
)
from invoice_pipelines.einvoice.rules.declarations.required import is_of_any_category
from invoice_pipelines.einvoice.rules.declarations.vat_prefixes import VAT_PREFIXES, VAT_PREFIXES_UBL
from invoice_pipelines.einvoice.rules.engine.declaration import Asked, Declaration, Facts, Test, Where, declare
from invoice_pipelines.einvoice.rules.engine.paths import path
from invoice_pipelines.einvoice.rules.engine.values import (
    ZERO,
    Stopped,
    as_decimal,
    as_number,
    cents,
    decimal,
    first_decimal,
    normalized,
    numbers,
    one,
    total,
    whole,
)
from invoice_pipelines.einvoice.rules.engine.walk import Node, View

_SOURCE = "EN 16931-1:2017+A1:2019, 6.4"
_NONE: tuple[Node, ...] = ()


def _kids(node: Node, name: str) -> Sequence[Node]:
    return node.kids.get(name, _NONE)


def _binary_sum(nodes: Sequence[Node]) -> float:
    """A sum as the official rules of CII have it, which add amounts in binary."""
    return float(sum(float(as_number(node.string)) for node in nodes))


def _binary_cents(amount: float) -> float:
    """Rounded as they round it."""
    return math.floor(amount * 10 * 10 + 0.5) / 100 if math.isfinite(amount) else amount


def _due_once(node: Node, view: View) -> bool:
    """Either the day on which VAT is due is stated (BT-7), or a code for it (BT-8)."""
    return not ("cbc:TaxPointDate" in node.kids and _UBL_DUE_CODE(node))


_UBL_DUE_CODE = path("cac:InvoicePeriod/cbc:DescriptionCode")


def _cii_due_once(node: Node, view: View) -> bool:
    return not ("ram:TaxPointDate" in view.index and "ram:DueDateTypeCode" in view.index)


def _prefixed(node: Node, view: View) -> bool:
    identifier = one(_kids(node, "cbc:CompanyID"))
    return (identifier.string[:2] if identifier is not None else "") in VAT_PREFIXES_UBL


def _cii_prefixed(node: Node, view: View) -> bool:
    return f" {node.string[:2]} " in VAT_PREFIXES


# BR-CO-10: lines


def _ubl_lines(view: View) -> Decimal:
    return sum(
        (total(one_of(line, "cbc:LineExtensionAmount")) for name in _UBL_LINES for line in view.index.get(name, ())),
        ZERO,
    )


_UBL_LINES = ("cac:InvoiceLine", "cac:CreditNoteLine")


def one_of(node: Node, name: str) -> Sequence[Node]:
    """The element of this name in another, as none or one. Stops where there are two."""
    found = node.kids.get(name, _NONE)
    if len(found) > 1:
        one(found)
    return found


def _lines_sum(node: Node, view: View) -> bool:
    amount = decimal(_kids(node, "cbc:LineExtensionAmount"))
    return amount == cents(view.once(_ubl_lines))


_CII_LINE_TOTALS = path(
    "../../ram:IncludedSupplyChainTradeLineItem/ram:SpecifiedLineTradeSettlement"
    "/ram:SpecifiedTradeSettlementLineMonetarySummation/ram:LineTotalAmount"
)


def _cii_lines(node: Node, view: View) -> Decimal:
    summed = _binary_sum(_CII_LINE_TOTALS(node))
    if not math.isfinite(summed):
        raise Stopped("FOCA0002")
    return Decimal(summed)


def _cii_lines_sum(node: Node, view: View) -> bool:
    amount = decimal(_kids(node, "ram:LineTotalAmount"))
    return amount == cents(_cii_lines(node, view))


# BR-CO-11, BR-CO-12: allowances and charges of the whole invoice


def _sums(name: str, kind: Where) -> Test:
    def test(node: Node, view: View) -> bool:
        amount = decimal(_kids(node, name))
        if amount is None:
            return not any(kind(each) for each in _UBL_ALLOWANCES(node))
        return amount == cents(_sum_of(kind)(node, view))

    return test


def _sum_of(kind: Where) -> Callable[[Node, View], Decimal]:
    return lambda node, view: sum(
        (total(one_of(each, "cbc:Amount")) for each in _UBL_ALLOWANCES(node) if kind(each)), ZERO
    )


_UBL_ALLOWANCES = path("../cac:AllowanceCharge")


def _cii_sums(name: str, kind: Where) -> Test:
    def test(node: Node, view: View) -> bool:
        totals = _kids(node, name)
        if not totals:
            return not any(kind(each) for each in _CII_ALLOWANCES(node))
        expected = _binary_cents(_cii_sum_of(kind, node))
        return any(float(number) == expected for number in numbers(totals))

    return test


def _cii_sum_of(kind: Where, node: Node) -> float:
    return _binary_sum(
        [amounts[0] for each in _CII_ALLOWANCES(node) if kind(each) and (amounts := _kids(each, "ram:ActualAmount"))]
    )


_CII_ALLOWANCES = path(f"/*/{SETTLEMENT}/ram:SpecifiedTradeAllowanceCharge")


# BR-CO-13, BR-CO-16: from the lines to the amount due


def _net(node: Node, view: View) -> bool:
    net = decimal(_kids(node, "cbc:TaxExclusiveAmount"))
    lines = None if net is None else decimal(_kids(node, "cbc:LineExtensionAmount"))
    if lines is None:
        return False
    allowances = decimal(_kids(node, "cbc:AllowanceTotalAmount"))
    charges = decimal(_kids(node, "cbc:ChargeTotalAmount"))
    if allowances is None and charges is None:
        return net == lines  # not rounded, unlike the others
    return net == cents(lines + (charges or ZERO) - (allowances or ZERO))


def _cii_net(node: Node, view: View) -> bool:
    net = first_decimal(_kids(node, "ram:TaxBasisTotalAmount"))
    lines = None if net is None else first_decimal(_kids(node, "ram:LineTotalAmount"))
    if lines is None:
        return False
    allowances = first_decimal(_kids(node, "ram:AllowanceTotalAmount"))
    charges = first_decimal(_kids(node, "ram:ChargeTotalAmount"))
    return net == cents(lines + (charges or ZERO) - (allowances or ZERO))


def _due(node: Node, view: View) -> bool:
    due, gross, prepaid, rounding = (
        decimal(_kids(node, name))
        for name in (
            "cbc:PayableAmount",
            "cbc:TaxInclusiveAmount",
            "cbc:PrepaidAmount",
            "cbc:PayableRoundingAmount",
        )
    )
    if due is None or gross is None:
        return False
    if rounding is not None:
        due = cents(due - rounding)
    return due == (gross if prepaid is None else cents(gross - prepaid))


def _cii_due(node: Node, view: View) -> bool:
    due, gross, prepaid, rounding = (
        first_decimal(_kids(node, name))
        for name in ("ram:DuePayableAmount", "ram:GrandTotalAmount", "ram:TotalPrepaidAmount", "ram:RoundingAmount")
    )
    return due is not None and gross is not None and due == gross - (prepaid or ZERO) + (rounding or ZERO)


# BR-CO-14, BR-CO-15, BR-CO-17: VAT


def _tax_sums(node: Node, view: View) -> bool:
    subtotals = _kids(node, "cac:TaxSubtotal")
    if not subtotals:
        return True
    amount = decimal(_kids(node, "cbc:TaxAmount"))
    return amount == cents(sum((total(one_of(each, "cbc:TaxAmount")) for each in subtotals), ZERO))


def _cii_tax_sums(node: Node, view: View) -> bool:
    return float(as_number(node.string)) == _binary_cents(_binary_sum(_CII_TAXES(node)))


_CII_TAXES = path(f"/*/{SETTLEMENT}/ram:ApplicableTradeTax/ram:CalculatedAmount")
_CII_CURRENCY = path(f"/*/{SETTLEMENT}/ram:InvoiceCurrencyCode")


def is_in_currency(node: Node) -> bool:
    """CII: whether an amount states the currency of the invoice."""
    currency = node.get("currencyID")
    return currency is not None and any(each.string == currency for each in _CII_CURRENCY(node))


def _gross(node: Node, view: View) -> bool:
    return all(_gross_in(node, each.string) for each in _kids(node, "cbc:DocumentCurrencyCode"))


def _gross_in(node: Node, currency: str) -> bool:
    taxes = []
    for tax_total in _kids(node, "cac:TaxTotal"):
        tax = decimal([each for each in _kids(tax_total, "cbc:TaxAmount") if each.get("currencyID") == currency])
        if tax is not None:
            taxes.append(tax)
    if len(taxes) != 1:
        return False
    sums = _kids(node, "cac:LegalMonetaryTotal")
    grosses = [gross for each in sums if (gross := decimal(_kids(each, "cbc:TaxInclusiveAmount"))) is not None]
    nets = [net for each in sums if (net := decimal(_kids(each, "cbc:TaxExclusiveAmount"))) is not None]
    net = one(nets)
    return net is not None and cents(net + taxes[0]) in grosses


def _cii_gross(node: Node, view: View) -> bool:
    return all(_cii_gross_in(node, each.string) for each in _CII_CURRENCY(node))


_CII_SUMS = f"/*/{SETTLEMENT}/{CII_TOTALS}"
_CII_GROSS, _CII_NET, _CII_TAX_TOTALS = (
    path(f"{_CII_SUMS}/{name}") for name in ("ram:GrandTotalAmount", "ram:TaxBasisTotalAmount", "ram:TaxTotalAmount")
)


def _cii_gross_in(node: Node, currency: str) -> bool:
    taxes = [each for each in _CII_TAX_TOTALS(node) if each.get("currencyID") == currency]
    gross, net = first_decimal(_CII_GROSS(node)), first_decimal(_CII_NET(node))
    if gross is None or net is None:
        return False
    if len(taxes) == 1 and gross == cents(net + as_decimal(taxes[0].string)):
        return True
    return gross == net


def _tax_of_rate(node: Node, view: View) -> bool:
    rates = [
        rate
        for each in _kids(node, "cac:TaxCategory")
        if is_vat(each) and (rate := decimal(_kids(each, "cbc:Percent"))) is not None
    ]
    tax = decimal(_kids(node, "cbc:TaxAmount"))
    rate = one(rates)
    if rate is None or whole(rate) == 0:
        return tax is not None and whole(tax) == 0
    basis = decimal(_kids(node, "cbc:TaxableAmount"))
    if tax is None or basis is None:
        return False
    return abs(abs(tax) - cents(abs(basis) * rate / 100)) < 1


def _cii_tax_of_rate(node: Node, view: View) -> bool:
    kind = one(_kids(node, "ram:TypeCode"))
    applies = kind is not None and normalized(kind.string.upper()) == "VAT"
    rate = decimal(_kids(node, "ram:RateApplicablePercent")) if applies else None
    tax = decimal(_kids(node, "ram:CalculatedAmount"))
    if rate is None or whole(rate) == 0:
        return tax is not None and whole(tax) == 0
    basis = decimal(_kids(node, "ram:BasisAmount"))
    if tax is None or basis is None:
        return False
    return abs(abs(tax) - cents(abs(basis) * rate / 100)) <= 1  # UBL lets a deviation of one whole unit not pass


# BR-B: split payment


def _texts(view: View, *names: str) -> set[str]:
    return {node.string for name in names for node in view.index.get(name, ())}


def _categories(view: View) -> set[str]:
    return {
        code.string for name in _UBL_CATEGORIES for node in view.index.get(name, ()) for code in _kids(node, "cbc:ID")
    }


_UBL_CATEGORIES = ("cac:TaxCategory", "cac:ClassifiedTaxCategory")


def _split_in_italy(node: Node, view: View) -> bool:
    return "B" not in view.once(_categories) or _texts(view, "cbc:IdentificationCode") <= {"IT"}


def _cii_split_in_italy(node: Node, view: View) -> bool:
    return "B" not in _texts(view, "ram:CategoryCode") or _texts(view, "ram:CountryID") <= {"IT"}


_TOTAL_CODES = path("cac:TaxTotal/cac:TaxSubtotal/cac:TaxCategory/cbc:ID")
_ALLOWANCE_CODES = path("cac:AllowanceCharge/cac:TaxCategory/cbc:ID")


def _split_alone(node: Node, view: View) -> bool:
    if "B" not in view.once(_categories):
        return True
    codes = {code.string for found in (_TOTAL_CODES(node), _ALLOWANCE_CODES(node)) for code in found}
    for each in view.index.get("cac:ClassifiedTaxCategory", ()):
        codes |= {code.string for code in _kids(each, "cbc:ID")}
    return not {"B", "S"} <= codes


def _cii_split_alone(node: Node, view: View) -> bool:
    return not {"B", "S"} <= _texts(view, "ram:CategoryCode")


# What texts name

_TOTALS_FACTS = (
    stated(
        lines="cbc:LineExtensionAmount",
        allowances="cbc:AllowanceTotalAmount",
        charges="cbc:ChargeTotalAmount",
        net="cbc:TaxExclusiveAmount",
        gross="cbc:TaxInclusiveAmount",
        prepaid="cbc:PrepaidAmount",
        rounding="cbc:PayableRoundingAmount",
        due="cbc:PayableAmount",
    ),
    stated(
        lines="ram:LineTotalAmount",
        allowances="ram:AllowanceTotalAmount",
        charges="ram:ChargeTotalAmount",
        net="ram:TaxBasisTotalAmount",
        gross="ram:GrandTotalAmount",
        prepaid="ram:TotalPrepaidAmount",
        rounding="ram:RoundingAmount",
        due="ram:DuePayableAmount",
    ),
)
_GROSS_FACTS = (
    stated(
        net="cac:LegalMonetaryTotal/cbc:TaxExclusiveAmount",
        gross="cac:LegalMonetaryTotal/cbc:TaxInclusiveAmount",
        tax="cac:TaxTotal/cbc:TaxAmount",
    ),
    stated(
        net=f"{_CII_SUMS}/ram:TaxBasisTotalAmount",
        gross=f"{_CII_SUMS}/ram:GrandTotalAmount",
        tax=f"{_CII_SUMS}/ram:TaxTotalAmount",
    ),
)
_TAX_FACTS = (
    stated(basis="cbc:TaxableAmount", tax="cbc:TaxAmount", rate="cac:TaxCategory/cbc:Percent"),
    stated(basis="ram:BasisAmount", tax="ram:CalculatedAmount", rate="ram:RateApplicablePercent"),
)


def _of_totals(rule: str, ubl: Test, cii: Test) -> Declaration:
    facts, cii_facts = _TOTALS_FACTS
    return declare(rule, Asked(UBL_TOTALS, ubl, facts), Asked(CII_TOTALS, cii, cii_facts), source=_SOURCE)


def _with_sum(stated_facts: Facts, sum_up: Callable[[Node, View], Decimal]) -> Facts:
    """The stated totals, and as `sum` what they should be."""
    return lambda node, view: {**stated_facts(node, view), "sum": _or_dash(lambda: sum_up(node, view))}


def _or_dash(work_out: Callable[[], Decimal]) -> Decimal | str:
    try:
        return cents(work_out())
    except (Stopped, ArithmeticError):
        return "–"


def _of_sums(
    rule: str,
    ubl: Test,
    sum_up: Callable[[Node, View], Decimal],
    cii: Test,
    sum_up_cii: Callable[[Node, View], Decimal],
) -> Declaration:
    facts, cii_facts = _TOTALS_FACTS
    return declare(
        rule,
        Asked(UBL_TOTALS, ubl, _with_sum(facts, sum_up)),
        Asked(CII_TOTALS, cii, _with_sum(cii_facts, sum_up_cii)),
        source=_SOURCE,
    )


RULES: tuple[Declaration, ...] = (
    declare(
        "BR-CO-03", Asked("/*", _due_once), Asked(CII_TAX, _cii_due_once, where=is_of_any_category), source=_SOURCE
    ),
    *(declare(f"BR-CO-{number:02}", source=_SOURCE) for number in range(5, 9)),
    declare(
        "BR-CO-09",
        Asked("cac:PartyTaxScheme", _prefixed, quoted(identifier="cbc:CompanyID"), where=is_vat),
        Asked(
            "ram:SpecifiedTaxRegistration/ram:ID",
            _cii_prefixed,
            quoted(identifier=""),
            where=lambda node: node.get("schemeID") == "VA",
        ),
        source=_SOURCE,
    ),
    _of_sums(
        "BR-CO-10",
        _lines_sum,
        lambda node, view: _ubl_lines(view),
        _cii_lines_sum,
        _cii_lines,
    ),
    _of_sums(
        "BR-CO-11",
        _sums("cbc:AllowanceTotalAmount", is_allowance),
        _sum_of(is_allowance),
        _cii_sums("ram:AllowanceTotalAmount", is_cii_allowance),
        lambda node, view: Decimal(_cii_sum_of(is_cii_allowance, node)),
    ),
    _of_sums(
        "BR-CO-12",
        _sums("cbc:ChargeTotalAmount", is_charge),
        _sum_of(is_charge),
        _cii_sums("ram:ChargeTotalAmount", is_cii_charge),
        lambda node, view: Decimal(_cii_sum_of(is_cii_charge, node)),
    ),
    _of_totals("BR-CO-13", _net, _cii_net),
    declare(
        "BR-CO-14",
        Asked("/*/cac:TaxTotal", _tax_sums, stated(tax="cbc:TaxAmount", taxes="cac:TaxSubtotal/cbc:TaxAmount")),
        Asked(
            f"{CII_TOTALS}/ram:TaxTotalAmount",
            _cii_tax_sums,
            stated(tax="", taxes=f"/*/{SETTLEMENT}/ram:ApplicableTradeTax/ram:CalculatedAmount"),
            where=is_in_currency,
        ),
        source=_SOURCE,
    ),
    declare(
        "BR-CO-15",
        Asked("/*", _gross, both(_GROSS_FACTS[0], quoted(currency="cbc:DocumentCurrencyCode"))),
        Asked("/*", _cii_gross, both(_GROSS_FACTS[1], quoted(currency=f"/*/{SETTLEMENT}/ram:InvoiceCurrencyCode"))),
        source=_SOURCE,
    ),
    _of_totals("BR-CO-16", _due, _cii_due),
    declare(
        "BR-CO-17",
        Asked(UBL_SUBTOTAL, _tax_of_rate, _TAX_FACTS[0]),
        Asked(CII_TAX, _cii_tax_of_rate, _TAX_FACTS[1], where=is_of_any_category),
        source=_SOURCE,
    ),
    declare("BR-B-01", Asked("/*", _split_in_italy), Asked("/*", _cii_split_in_italy), source=_SOURCE),
    declare("BR-B-02", Asked("/*", _split_alone), Asked("/*", _cii_split_alone), source=_SOURCE),
)

"""The tests of the VAT categories in CII. Unlike in UBL, codes must be written without blanks around them, and
tolerances are a unit where UBL has none, and none where UBL has one: so are the official rules."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from invoice_pipelines.einvoice.rules.declarations.places import (
    AGREEMENT,
    CII_SELLER,
    DELIVERY,
    SETTLEMENT,
    is_cii_allowance,
    is_cii_charge,
    is_vat_type,
    stated,
)
from invoice_pipelines.einvoice.rules.declarations.vat_family import Elements, Family, Parties, Rate, identified, is_so
from invoice_pipelines.einvoice.rules.engine.declaration import Find, Test
from invoice_pipelines.einvoice.rules.engine.paths import path
from invoice_pipelines.einvoice.rules.engine.values import (
    TWICE,
    ZERO,
    Stopped,
    as_decimal,
    cents,
    decimal,
    numbers,
    one,
)
from invoice_pipelines.einvoice.rules.engine.walk import Node, View

_NONE: tuple[Node, ...] = ()


def _kids(node: Node, name: str) -> Sequence[Node]:
    return node.kids.get(name, _NONE)


def _codes(tax: Node) -> set[str]:
    return {code.string for code in _kids(tax, "ram:CategoryCode")}


@dataclass(slots=True)
class _Asked(Elements):
    """Those of type VAT, and beside them those of all types, which are counted where that is enough."""

    all_lines: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    all_allowances: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    all_entries: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    any_entries: dict[str, list[Node]] = field(default_factory=lambda: defaultdict(list))


def asked_of(view: View) -> _Asked:
    asked = _Asked()
    for node in view.index.get("ram:ApplicableTradeTax", ()):
        above = node.parent
        if above is None:
            continue
        outer = above.parent.name if above.parent is not None else ""
        if above.name == "ram:ApplicableHeaderTradeSettlement":
            is_own = outer == "rsm:SupplyChainTradeTransaction" and is_so(is_vat_type, node)
            for code in _codes(node):
                asked.all_entries[code] += 1
                asked.any_entries[code].append(node)
                if is_own:
                    asked.entries[code].append(node)
        elif above.name == "ram:SpecifiedLineTradeSettlement":
            line = above.parent
            is_line = (
                line is not None
                and line.name == "ram:IncludedSupplyChainTradeLineItem"
                and line.parent is not None
                and line.parent.name == "rsm:SupplyChainTradeTransaction"
            )
            _sort(node, asked.all_lines, (asked.lines,) if is_line else ())
    for node in view.index.get("ram:CategoryTradeTax", ()):
        above = node.parent
        kinds = ((is_cii_allowance, asked.allowances), (is_cii_charge, asked.charges))
        own = above is not None and above.name == "ram:SpecifiedTradeAllowanceCharge"
        into = [found for kind, found in kinds if own and above is not None and is_so(kind, above)]
        _sort(node, asked.all_allowances, into)
    return asked


def _sort(node: Node, counted: dict[str, int], into: Sequence[dict[str, list[Node]]]) -> None:
    codes = _codes(node)
    for code in codes:
        counted[code] += 1
    if into and codes and is_so(is_vat_type, node):
        for found in into:
            # Of a tax that has two codes, the rules of one are asked.
            found[min(codes, key=_rank)].append(node)


def _rank(code: str) -> tuple[int, str]:
    return _ORDER.index(code) if code in _ORDER else len(_ORDER), code


_ORDER = ("AE", "L", "M", "E", "G", "K", "O", "S", "Z")


def entries_of(family: Family) -> Find:
    """Entries of category S and Z count whatever their type is."""
    if family.prefix in ("S", "Z"):
        return lambda view: view.once(asked_of).any_entries.get(family.code, _NONE)
    return lambda view: view.once(asked_of).entries.get(family.code, _NONE)


def in_breakdown(family: Family) -> Test:
    """-01."""
    code = family.code

    def test(node: Node, view: View) -> bool:
        asked = view.once(asked_of)
        entries, lines, allowances = (
            counted.get(code, 0) for counted in (asked.all_entries, asked.all_lines, asked.all_allowances)
        )
        if family.by_rate:
            # What the official rule counts: two lines make up for a missing entry.
            return (not lines or lines + entries >= 2) and (not allowances or allowances + entries >= 2)
        if entries == 0:
            return family.prefix == "O" or not (lines or allowances)
        return entries == 1 and bool(lines or allowances)

    return test


def _number(steps: str, *schemes: str) -> Callable[[View], bool]:
    """Whether a party has such a registration; a path from the root, or a name of parties wherever they stand."""
    registrations = path(f"{steps}/ram:SpecifiedTaxRegistration/ram:ID") if "/" in steps else None
    inner = path("ram:SpecifiedTaxRegistration/ram:ID")

    def test(view: View) -> bool:
        found = (
            registrations(view.root)
            if registrations
            else [each for party in view.index.get(steps, ()) for each in inner(party)]
        )
        return any(each.get("schemeID") in schemes for each in found)

    return test


_REPRESENTATIVE = "ram:SellerTaxRepresentativeTradeParty"
_own_number, _own_vat = _number(CII_SELLER, "VA", "FC"), _number(CII_SELLER, "VA")
_own_representative = _number(f"{AGREEMENT}/{_REPRESENTATIVE}", "VA")
_seller_number, _seller_vat = _number("ram:SellerTradeParty", "VA", "FC"), _number("ram:SellerTradeParty", "VA")
_representative_vat, _buyer_vat = _number(_REPRESENTATIVE, "VA"), _number("ram:BuyerTradeParty", "VA")
_REGISTRATION = path("ram:SpecifiedLegalOrganization/ram:ID")


def _buyer_registration(view: View) -> bool:
    return any(_REGISTRATION(party) for party in view.index.get("ram:BuyerTradeParty", ()))


_IDENTIFIED = {
    **identified(_seller_number, _seller_vat, _representative_vat, _buyer_vat, _buyer_registration),
    Parties.SELLER: lambda view: _own_number(view) or _own_representative(view),
    Parties.NO_VAT: lambda view: not (_own_vat(view) or _own_representative(view) or _buyer_vat(view)),
}


def parties(family: Family) -> Test:
    """-02, -03, -04."""
    identified = _IDENTIFIED[family.parties]
    return lambda node, view: view.once(identified)


def rate(family: Family) -> Test:
    """-05, -06, -07. Of category L (IGIC) the official rule refuses a rate of zero, in CII only."""
    if family.rate is Rate.NONE:
        return lambda node, view: "ram:RateApplicablePercent" not in node.kids
    kept: Callable[[Decimal], bool]
    if family.rate is Rate.ZERO:
        kept = _is_zero
    else:
        kept = _is_positive if family.rate is Rate.POSITIVE or family.prefix == "AF" else _is_not_negative
    return lambda node, view: any(kept(each) for each in numbers(_kids(node, "ram:RateApplicablePercent")))


def _is_zero(number: Decimal) -> bool:
    return number == 0


def _is_positive(number: Decimal) -> bool:
    return number > 0


def _is_not_negative(number: Decimal) -> bool:
    return number >= 0


_LINES = path("rsm:SupplyChainTradeTransaction/ram:IncludedSupplyChainTradeLineItem/ram:SpecifiedLineTradeSettlement")
_LINE_TOTALS = path("ram:SpecifiedTradeSettlementLineMonetarySummation")
_ALLOWANCES = path(f"{SETTLEMENT}/ram:SpecifiedTradeAllowanceCharge")
_INDICATORS = path("ram:ChargeIndicator/udt:Indicator")


@dataclass(slots=True)
class _Sums:
    """What lines, charges and allowances sum to in a category, each of the three apart: in all, and by rate."""

    total: list[Decimal] = field(default_factory=lambda: [ZERO, ZERO, ZERO])
    at: dict[Decimal, list[Decimal]] = field(default_factory=lambda: defaultdict(lambda: [ZERO, ZERO, ZERO]))

    def add(self, which: int, amount: Decimal, rates: Iterable[Decimal]) -> None:
        self.total[which] += amount
        for rate in rates:
            self.at[rate][which] += amount


def _taxed(sums: Sequence[Decimal]) -> Decimal:
    """Each of the three is rounded."""
    lines, charges, allowances = map(cents, sums)
    return lines + charges - allowances


def _sums_of(family: Family) -> Callable[[View], _Sums]:
    strict = family.prefix in ("Z", "O")  # stops where an allowance does not say which it is

    def rates(taxes: Sequence[Node]) -> set[Decimal] | None:
        """The rates of a line or an allowance; None where it has another category."""
        if not any(family.code in _codes(each) for each in taxes):
            return None
        if not family.by_rate:
            return set()
        found = (decimal(_kids(each, "ram:RateApplicablePercent")) for each in taxes)
        return {rate for rate in found if rate is not None}

    def sums_of(view: View) -> _Sums:
        sums = _Sums()
        for settlement in _LINES(view.root):
            at = rates(_kids(settlement, "ram:ApplicableTradeTax"))
            if at is not None:
                for summation in _LINE_TOTALS(settlement):
                    sums.add(0, decimal(_kids(summation, "ram:LineTotalAmount")) or ZERO, at)
        for each in _ALLOWANCES(view.root):
            at = rates(_kids(each, "ram:CategoryTradeTax"))
            if at is None:
                continue
            if strict and len(_INDICATORS(each)) != 1:
                raise Stopped(TWICE)
            for which, kind in ((1, is_cii_charge), (2, is_cii_allowance)):
                if kind(each) and (amounts := _kids(each, "ram:ActualAmount")):
                    sums.add(which, as_decimal(amounts[0].string), at)
        return sums

    return sums_of


_NO_SUMS = (ZERO, ZERO, ZERO)


def _floats(nodes: Iterable[Node]) -> list[float]:
    """Amounts as the official rule has them where it compares them as they are: in binary."""
    return [float(number) for number in numbers(nodes)]


def taxable(family: Family) -> Test:
    """-08. In categories L and M the official rule looks for the rate beside the entry, and lets all pass."""
    sums_of = _sums_of(family)
    if family.by_rate:

        def at_rate(node: Node, view: View) -> bool:
            stated_amounts = _floats(_kids(node, "ram:BasisAmount"))
            for each in _kids(node, "ram:RateApplicablePercent"):
                rate = as_decimal(each.string)
                if float(_taxed(view.once(sums_of).at.get(rate, _NO_SUMS))) not in stated_amounts:
                    return False
            return True

        return at_rate if family.prefix == "S" else (lambda node, view: True)

    def total(node: Node, view: View) -> bool:
        summed = float(_taxed(view.once(sums_of).total))
        amounts = _floats(_kids(node, "ram:BasisAmount"))
        if family.prefix == "O":
            return summed in amounts
        basis = one(amounts)
        return basis is not None and basis - 1 < summed < basis + 1

    return total


def tax(family: Family) -> Test:
    """-09. In categories L and M the official rule lets all pass."""
    if not family.by_rate:
        return lambda node, view: 0 in numbers(_kids(node, "ram:CalculatedAmount"))
    if family.prefix != "S":
        return lambda node, view: True

    def test(node: Node, view: View) -> bool:
        amount, basis = decimal(_kids(node, "ram:CalculatedAmount")), decimal(_kids(node, "ram:BasisAmount"))
        rate = one(numbers(_kids(node, "ram:RateApplicablePercent")))
        if amount is None or basis is None or rate is None:
            return False
        return abs(abs(amount) - cents(abs(basis) * rate / 100)) < 1

    return test


def reason(family: Family) -> Test:
    """-10."""
    names = ("ram:ExemptionReason", "ram:ExemptionReasonCode")
    return lambda node, view: (not node.kids.keys().isdisjoint(names)) == family.reason


FACTS = stated(rate="ram:RateApplicablePercent", basis="ram:BasisAmount", tax="ram:CalculatedAmount")

_DELIVERED_ON = path(f"/*/{DELIVERY}/ram:ActualDeliverySupplyChainEvent/ram:OccurrenceDateTime/udt:DateTimeString")
_DELIVERED_TO = path(f"/*/{DELIVERY}/ram:ShipToTradeParty/ram:PostalTradeAddress/ram:CountryID")
_PERIODS = path("../ram:BillingSpecifiedPeriod")


def delivered(node: Node, view: View) -> bool:
    """BR-IC-11."""
    bounds = ("ram:StartDateTime", "ram:EndDateTime")
    return bool(_DELIVERED_ON(node)) or any(not each.kids.keys().isdisjoint(bounds) for each in _PERIODS(node))


def delivered_to(node: Node, view: View) -> bool:
    """BR-IC-12."""
    return bool(_DELIVERED_TO(node))


def _others(name: str) -> Test:
    def alone(view: View) -> bool:
        return all(_codes(each) <= {"O"} for each in view.index.get(name, ()))

    return lambda node, view: view.once(alone)


ALONE = {
    "11": _others("ram:ApplicableTradeTax"),
    "12": _others("ram:ApplicableTradeTax"),
    "13": _others("ram:CategoryTradeTax"),
    "14": _others("ram:CategoryTradeTax"),
}

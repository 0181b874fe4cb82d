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
from invoice_pipelines.einvoice.rules.declarations.vat_family import Family, Parties, Rate
from invoice_pipelines.einvoice.rules.engine.declaration import Test
from invoice_pipelines.einvoice.rules.engine.paths import Path, path
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
Nodes = Callable[[View], Sequence[Node]]


def _kids(node: Node, name: str) -> Sequence[Node]:
    return node.kids.get(name, _NONE)


def _codes(tax: Node) -> set[str]:
    return {code.string for code in _kids(tax, "ram:CategoryCode")}


@dataclass(slots=True)
class _Asked:
    """The taxes of lines, allowances, charges and of the breakdown, by code: first all, then those of type VAT."""

    all_lines: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    all_allowances: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    all_entries: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    lines: dict[str, list[Node]] = field(default_factory=lambda: defaultdict(list))
    allowances: dict[str, list[Node]] = field(default_factory=lambda: defaultdict(list))
    charges: dict[str, list[Node]] = field(default_factory=lambda: defaultdict(list))
    entries: dict[str, list[Node]] = field(default_factory=lambda: defaultdict(list))
    any_entries: dict[str, list[Node]] = field(default_factory=lambda: defaultdict(list))


def _asked(view: View) -> _Asked:
    asked = _Asked()
    for node in view.index.get("ram:ApplicableTradeTax", ()):
        above = node.parent
        if above is None:
            continue
        outer = above.parent.name if above.parent is not None else ""
        if above.name == "ram:ApplicableHeaderTradeSettlement":
            is_own = outer == "rsm:SupplyChainTradeTransaction" and _is_so(is_vat_type, node)
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
        into = [found for kind, found in kinds if own and above is not None and _is_so(kind, above)]
        _sort(node, asked.all_allowances, into)
    return asked


def _sort(node: Node, counted: dict[str, int], into: Sequence[dict[str, list[Node]]]) -> None:
    codes = _codes(node)
    for code in codes:
        counted[code] += 1
    if into and codes and _is_so(is_vat_type, node):
        for found in into:
            # Of a tax that has two codes, the rules of one are asked.
            found[min(codes, key=_rank)].append(node)


def _rank(code: str) -> tuple[int, str]:
    return _ORDER.index(code) if code in _ORDER else len(_ORDER), code


_ORDER = ("AE", "L", "M", "E", "G", "K", "O", "S", "Z")


def _is_so(kind: Callable[[Node], bool], node: Node) -> bool:
    try:
        return kind(node)
    except Stopped:
        return False


def lines_of(family: Family) -> Nodes:
    return lambda view: view.once(_asked).lines.get(family.code, _NONE)


def allowances_of(family: Family) -> Nodes:
    return lambda view: view.once(_asked).allowances.get(family.code, _NONE)


def charges_of(family: Family) -> Nodes:
    return lambda view: view.once(_asked).charges.get(family.code, _NONE)


def entries_of(family: Family) -> Nodes:
    """Entries of category S and Z count whatever their type is."""
    if family.prefix in ("S", "Z"):
        return lambda view: view.once(_asked).any_entries.get(family.code, _NONE)
    return lambda view: view.once(_asked).entries.get(family.code, _NONE)


def in_breakdown(family: Family) -> Test:
    """-01."""
    code = family.code

    def test(node: Node, view: View) -> bool:
        asked = view.once(_asked)
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


def parties(family: Family) -> Test:
    """-02, -03, -04."""

    def test(node: Node, view: View) -> bool:
        match family.parties:
            case Parties.SELLER:
                return _own_number(view) or _own_representative(view)
            case Parties.SELLER_AND_BUYER:
                return (_seller_number(view) or _representative_vat(view)) and (
                    _buyer_vat(view) or _buyer_registration(view)
                )
            case Parties.SELLER_VAT:
                return _seller_vat(view) or _representative_vat(view)
            case Parties.BOTH_VAT:
                return (_seller_vat(view) or _representative_vat(view)) and _buyer_vat(view)
            case Parties.NO_VAT:
                return not (_own_vat(view) or _own_representative(view) or _buyer_vat(view))

    return test


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


_TAXES = {"lines": path("ram:ApplicableTradeTax"), "allowances": path("ram:CategoryTradeTax")}


def _with_code(view: View, name: str, code: str) -> list[Node]:
    """The lines, or allowances and charges, of which a tax has this code."""
    taxes, nodes = _TAXES[name], (_LINES if name == "lines" else _ALLOWANCES)(view.root)
    return [node for node in nodes if any(code in _codes(each) for each in taxes(node))]


def _by_rate(nodes: Iterable[Node], taxes: Path) -> dict[Decimal, list[Node]]:
    """The nodes by the rates of their taxes. A document may have thousands of both, so this is done once."""
    found: dict[Decimal, list[Node]] = defaultdict(list)
    for node in nodes:
        rates = {decimal(_kids(each, "ram:RateApplicablePercent")) for each in taxes(node)}
        for rate in rates:
            if rate is not None:
                found[rate].append(node)
    return found


def _at_rate(view: View, name: str, code: str, rate: Decimal | None) -> Sequence[Node]:
    """The lines, or allowances and charges, of which one tax has this code, and one, maybe another, this rate."""
    coded = view.kept((_with_code, name, code), lambda: _with_code(view, name, code))
    if rate is None:
        return coded
    return view.kept((_by_rate, name, code), lambda: _by_rate(coded, _TAXES[name])).get(rate, _NONE)


def _sum(view: View, code: str, rate: Decimal | None, *, strict: bool) -> Decimal:
    """What lines, charges and allowances sum to in a category, each of the three rounded. `strict` stops where an
    allowance does not say which it is."""
    return view.kept((_sum, code, rate, strict), lambda: _summed(view, code, rate, strict))


def _summed(view: View, code: str, rate: Decimal | None, strict: bool) -> Decimal:
    lines = ZERO
    for settlement in _at_rate(view, "lines", code, rate):
        for summation in _LINE_TOTALS(settlement):
            lines += decimal(_kids(summation, "ram:LineTotalAmount")) or ZERO
    own = _at_rate(view, "allowances", code, rate)
    if strict and not all(len(_INDICATORS(each)) == 1 for each in own):
        raise Stopped(TWICE)
    charges, allowances = (
        sum(
            (
                as_decimal(amounts[0].string)
                for each in own
                if kind(each) and (amounts := _kids(each, "ram:ActualAmount"))
            ),
            ZERO,
        )
        for kind in (is_cii_charge, is_cii_allowance)
    )
    return cents(lines) + cents(charges) - cents(allowances)


def _floats(nodes: Iterable[Node]) -> list[float]:
    """Amounts as the official rule has them where it compares them as they are: in binary."""
    return [float(number) for number in numbers(nodes)]


def taxable(family: Family) -> Test:
    """-08. In categories L and M the official rule looks for the rate beside the entry, and lets all pass."""
    code, strict = family.code, family.prefix in ("Z", "O")
    if family.by_rate:

        def at_rate(node: Node, view: View) -> bool:
            for each in _kids(node, "ram:RateApplicablePercent"):
                summed = float(_sum(view, code, as_decimal(each.string), strict=strict))
                if summed not in _floats(_kids(node, "ram:BasisAmount")):
                    return False
            return True

        return at_rate if family.prefix == "S" else (lambda node, view: True)
    if family.prefix == "O":
        return lambda node, view: (
            float(_sum(view, code, None, strict=strict)) in _floats(_kids(node, "ram:BasisAmount"))
        )

    def about(node: Node, view: View) -> bool:
        basis = one(_floats(_kids(node, "ram:BasisAmount")))
        summed = float(_sum(view, code, None, strict=strict))
        return basis is not None and basis - 1 < summed < basis + 1

    return about


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
    def test(node: Node, view: View) -> bool:
        return all(_codes(each) <= {"O"} for each in view.index.get(name, ()))

    return test


ALONE = {
    "11": _others("ram:ApplicableTradeTax"),
    "12": _others("ram:ApplicableTradeTax"),
    "13": _others("ram:CategoryTradeTax"),
    "14": _others("ram:CategoryTradeTax"),
}

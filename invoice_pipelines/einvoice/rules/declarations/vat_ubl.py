"""The tests of the VAT categories in UBL.

Where a rule of the whole document (-01 to -04) cannot read one category, it stops; where one of a category (-05 to -10)
cannot, it is not asked of that one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from invoice_pipelines.einvoice.rules.declarations.places import (
    is_allowance,
    is_charge,
    is_only_vat,
    is_vat,
    stated,
)
from invoice_pipelines.einvoice.rules.declarations.vat_family import FAMILIES, Elements, Family, Rate, identified, is_so
from invoice_pipelines.einvoice.rules.engine.declaration import Find, Test
from invoice_pipelines.einvoice.rules.engine.paths import path
from invoice_pipelines.einvoice.rules.engine.values import (
    ZERO,
    Stopped,
    as_number,
    cents,
    decimal,
    normalized,
    numbers,
    one,
    said,
)
from invoice_pipelines.einvoice.rules.engine.walk import Node, View

_NONE: tuple[Node, ...] = ()


def _kids(node: Node, name: str) -> Sequence[Node]:
    return node.kids.get(name, _NONE)


def _code(category: Node) -> str:
    return said(_kids(category, "cbc:ID"))


# Of which elements the rules of a category are asked


def asked_of(view: View) -> Elements:
    asked = Elements()
    for node in view.index.get("cac:ClassifiedTaxCategory", ()):
        item = node.parent
        line = item.parent if item is not None and item.name == "cac:Item" else None
        if line is not None and line.name in ("cac:InvoiceLine", "cac:CreditNoteLine"):
            _sort(node, (asked.lines,))
    for node in view.index.get("cac:TaxCategory", ()):
        above = node.parent
        if above is None:
            continue
        if above.name == "cac:AllowanceCharge":
            kinds = ((is_allowance, asked.allowances), (is_charge, asked.charges))
            _sort(node, [found for kind, found in kinds if is_so(kind, above)])
        elif above.name == "cac:TaxSubtotal" and _is_total(above.parent, view):
            _sort(node, (asked.entries,))
    return asked


def _is_total(node: Node | None, view: View) -> bool:
    return node is not None and node.name == "cac:TaxTotal" and node.parent is view.root


def _sort(node: Node, into: Iterable[dict[str, list[Node]]]) -> None:
    try:
        if is_vat(node):
            for found in into:
                found[_code(node)].append(node)
    except Stopped:
        return


def entries_of(family: Family) -> Find:
    return lambda view: view.once(asked_of).entries.get(family.code, _NONE)


# -01 to -04: what the document has


@dataclass(slots=True)
class _Document:
    """Which categories occur where. Those of lines and allowances also where their tax scheme is not VAT (`any_`)."""

    everywhere: set[str]
    lines: Counter[str]
    any_lines: Counter[str]
    allowances: Counter[str]
    charges: Counter[str]
    exact_charges: set[str]
    root_allowances: set[str]
    root_charges: set[str]
    any_allowances: Counter[str]
    vat_allowances: Counter[str]
    entries: Counter[str]
    """By identifier, of those that are VAT."""
    any_entries: Counter[str]
    vat_entries: Counter[str]
    exact_entries: set[str]
    exact_vat_entries: set[str]


_ENTRIES = path("cac:TaxTotal/cac:TaxSubtotal/cac:TaxCategory")


def _document(view: View) -> _Document:
    found = _Document(
        set(), Counter(), Counter(), Counter(), Counter(), set(), set(), set(), Counter(), Counter(), Counter(),
        Counter(), Counter(), set(), set(),
    )  # fmt: skip
    for name in ("cac:TaxCategory", "cac:ClassifiedTaxCategory"):
        for node in view.index.get(name, ()):
            if is_vat(node):
                found.everywhere |= {normalized(code.string) for code in _kids(node, "cbc:ID")}
    for node in view.index.get("cac:ClassifiedTaxCategory", ()):
        code = _code(node)
        found.any_lines[code] += 1
        found.lines[code] += is_vat(node)
    for node in view.index.get("cac:AllowanceCharge", ()):
        _add_allowance(found, node, view)
    for node in _ENTRIES(view.root):
        code, vat, exact = _code(node), is_vat(node), {each.string for each in _kids(node, "cbc:ID")}
        found.any_entries[code] += 1
        found.exact_entries |= exact
        if vat:
            found.vat_entries[code] += 1
            found.exact_vat_entries |= exact
            found.entries.update(normalized(each.string) for each in _kids(node, "cbc:ID"))
    return found


def _add_allowance(found: _Document, node: Node, view: View) -> None:
    allowance, charge, in_root = is_allowance(node), is_charge(node), node.parent is view.root
    for category in _kids(node, "cac:TaxCategory"):
        code, vat = _code(category), is_vat(category)
        found.any_allowances[code] += 1
        if not vat:
            continue
        found.vat_allowances[code] += 1
        found.allowances[code] += allowance
        found.charges[code] += charge
        if charge:
            found.exact_charges |= {each.string for each in _kids(category, "cbc:ID")}
        if in_root and allowance:
            found.root_allowances.add(code)
        if in_root and charge:
            found.root_charges.add(code)


def in_breakdown(family: Family) -> Test:
    """-01. Categories with one rate have one entry; those with several have at least one."""
    code = family.code
    if not family.by_rate:

        def once(node: Node, view: View) -> bool:
            document = view.once(_document)
            return code not in document.everywhere or document.entries[code] == 1

        return once

    def some(node: Node, view: View) -> bool:
        document = view.once(_document)
        if family.prefix == "S":  # whatever the tax scheme is
            used, entries = document.any_lines[code] + document.any_allowances[code], document.any_entries[code]
            return (used > 0) == (entries > 0)
        used = document.lines[code] + document.vat_allowances[code]
        if not used:
            return not document.vat_entries[code]
        # One entry is enough whatever its tax scheme is, in category L only.
        return code in (document.exact_entries if family.prefix == "AF" else document.exact_vat_entries)

    return some


def _with_party(name: str, steps: str, scheme: Callable[[Node], bool] | None = None) -> Callable[[View], bool]:
    inner = path(steps)

    def test(view: View) -> bool:
        return any(
            "cbc:CompanyID" in each.kids
            for party in view.index.get(name, ())
            for each in inner(party)
            if scheme is None or scheme(each)
        )

    return test


_seller_number = _with_party("cac:AccountingSupplierParty", "cac:Party/cac:PartyTaxScheme")
_seller_vat = _with_party("cac:AccountingSupplierParty", "cac:Party/cac:PartyTaxScheme", is_only_vat)
_representative_vat = _with_party("cac:TaxRepresentativeParty", "cac:PartyTaxScheme", is_only_vat)
_buyer_vat = _with_party("cac:AccountingCustomerParty", "cac:Party/cac:PartyTaxScheme", is_only_vat)
_buyer_registration = _with_party("cac:AccountingCustomerParty", "cac:Party/cac:PartyLegalEntity")


_IDENTIFIED = identified(_seller_number, _seller_vat, _representative_vat, _buyer_vat, _buyer_registration)


def line_parties(family: Family) -> Test:
    """-02."""
    code = family.code

    def test(node: Node, view: View) -> bool:
        document = view.once(_document)
        if not document.lines[code]:
            # Of category S, a line with another tax scheme breaks the rule, whoever has which number.
            return not (family.prefix == "S" and document.any_lines[code])
        return view.once(_IDENTIFIED[family.parties])

    return test


def allowance_parties(family: Family) -> Test:
    """-03."""
    code = family.code

    def test(node: Node, view: View) -> bool:
        document = view.once(_document)
        occurs = code in document.root_allowances if family.prefix == "O" else document.allowances[code] > 0
        return not occurs or view.once(_IDENTIFIED[family.parties])

    return test


def charge_parties(family: Family) -> Test:
    """-04."""
    code = family.code

    def test(node: Node, view: View) -> bool:
        document = view.once(_document)
        if family.prefix == "O":
            occurs = code in document.root_charges
        elif family.prefix == "AF":  # here no blank may stand around the code
            occurs = code in document.exact_charges
        else:
            occurs = document.charges[code] > 0
        return not occurs or view.once(_IDENTIFIED[family.parties])

    return test


# -05 to -10: each category


def rate(family: Family) -> Test:
    """-05, -06, -07."""
    match family.rate:
        case Rate.ZERO:
            return lambda node, view: decimal(_kids(node, "cbc:Percent")) == 0
        case Rate.POSITIVE:
            return lambda node, view: any(each > 0 for each in numbers(_kids(node, "cbc:Percent")))
        case Rate.ANY:
            return lambda node, view: any(each >= 0 for each in numbers(_kids(node, "cbc:Percent")))
        case Rate.NONE:
            return lambda node, view: "cbc:Percent" not in node.kids


_LINE_CATEGORIES = path("cac:Item/cac:ClassifiedTaxCategory")
_LINES = ("cac:InvoiceLine", "cac:CreditNoteLine")


@dataclass(slots=True)
class _Sums:
    """What lines, charges and allowances of the whole invoice sum to in a category: in all, and by rate."""

    total: Decimal = ZERO
    at: dict[Decimal, Decimal] = field(default_factory=lambda: defaultdict(Decimal))


def _rates(categories: Sequence[Node], family: Family) -> set[Decimal] | None:
    """The rates of a line or an allowance; None where it has another category."""
    if not any(_code(each) == family.code for each in categories):
        return None
    if not family.by_rate:
        return set()
    return {rate for each in categories if (rate := decimal(_kids(each, "cbc:Percent"))) is not None}


def _rates_of_lines(family: Family, lines: str) -> Callable[[View], set[Decimal]]:
    """The rates of a category that lines of one kind have, wherever they stand."""

    def rates(view: View) -> set[Decimal]:
        found = (_rates(_LINE_CATEGORIES(line), family) for line in view.index.get(lines, _NONE))
        return {rate for rates in found if rates for rate in rates}

    return rates


def _standard_rates_of_allowances(view: View) -> set[Decimal]:
    """The rates of category S that allowances and charges have, wherever they stand."""
    found = (_rates(_kids(each, "cac:TaxCategory"), _STANDARD) for each in view.index.get("cac:AllowanceCharge", _NONE))
    return {rate for rates in found if rates for rate in rates}


_STANDARD = next(family for family in FAMILIES if family.prefix == "S")


def _sums_of(family: Family, lines: str) -> Callable[[View], _Sums]:
    """Those of a category, with lines of one kind."""

    def sums_of(view: View) -> _Sums:
        sums = _Sums()

        def add(sign: int, amount: Decimal | None, at: set[Decimal]) -> None:
            if amount is not None:
                sums.total += sign * amount
                for rate in at:
                    sums.at[rate] += sign * amount

        for line in _kids(view.root, lines):
            at = _rates(_LINE_CATEGORIES(line), family)
            if at is not None:
                add(1, decimal(_kids(line, "cbc:LineExtensionAmount")), at)
        for each in _kids(view.root, "cac:AllowanceCharge"):
            at = _rates(_kids(each, "cac:TaxCategory"), family)
            sign = 0 if at is None else is_charge(each) - is_allowance(each)
            if at is not None and sign:
                add(sign, decimal(_kids(each, "cbc:Amount")), at)
        return sums

    return sums_of


def taxable(family: Family) -> Test:
    """-08."""
    sums = [(name, _sums_of(family, name), _rates_of_lines(family, name)) for name in _LINES]
    if not family.by_rate:

        def exactly(node: Node, view: View) -> bool:
            return any(name in view.index and _taxable(node) == view.once(summed).total for name, summed, _ in sums)

        return exactly

    def about(node: Node, view: View) -> bool:
        at_rate = decimal(_kids(node, "cbc:Percent"))
        if at_rate is None:
            return True
        for name, sums_of, rates_of_lines in sums:
            if family is _STANDARD:  # asks for a line or an allowance at the rate, the others for any line
                occurs = at_rate in view.once(rates_of_lines) or at_rate in view.once(_standard_rates_of_allowances)
            else:
                occurs = name in view.index
            if occurs and _is_about(node, view.once(sums_of).at.get(at_rate, ZERO)):
                return True
        return False

    return about


def _is_about(category: Node, expected: Decimal) -> bool:
    """Whether the taxable amount deviates by less than a unit."""
    amount = one(_kids(category.parent, "cbc:TaxableAmount")) if category.parent is not None else None
    if amount is None:
        return False
    # The official rule adds the unit in binary, so that a deviation of one whole unit may or may not pass.
    stated_amount = as_number(amount.string)
    if not stated_amount.is_finite():
        raise Stopped("FOCA0002")
    basis = float(stated_amount)
    return Decimal(basis - 1) < expected < Decimal(basis + 1)


def _taxable(category: Node) -> Decimal | None:
    return decimal(_kids(category.parent, "cbc:TaxableAmount")) if category.parent is not None else None


def tax(family: Family) -> Test:
    """-09."""
    if not family.by_rate:
        return lambda node, view: _tax(node) == 0

    def test(node: Node, view: View) -> bool:
        amount, basis, at_rate = _tax(node), _taxable(node), decimal(_kids(node, "cbc:Percent"))
        if amount is None or basis is None or at_rate is None:
            return False
        return abs(abs(amount) - cents(abs(basis) * (at_rate / 100))) < 1

    return test


def _tax(category: Node) -> Decimal | None:
    return decimal(_kids(category.parent, "cbc:TaxAmount")) if category.parent is not None else None


def reason(family: Family) -> Test:
    """-10."""
    names = ("cbc:TaxExemptionReason", "cbc:TaxExemptionReasonCode")
    return lambda node, view: (not node.kids.keys().isdisjoint(names)) == family.reason


FACTS = stated(rate="cbc:Percent", basis="../cbc:TaxableAmount", tax="../cbc:TaxAmount")

# BR-IC-11, BR-IC-12, BR-O-11 to -14

_DELIVERED_ON = path("cac:Delivery/cbc:ActualDeliveryDate")
_DELIVERED_TO = path("cac:Delivery/cac:DeliveryLocation/cac:Address/cac:Country/cbc:IdentificationCode")


def delivered(node: Node, view: View) -> bool:
    """BR-IC-11. What is longer than a character counts as a day, and a period with anything in it."""
    if not view.once(_document).entries["K"]:
        return True
    day = one(_DELIVERED_ON(node))
    return (day is not None and len(day.string) > 1) or any(each.kids for each in _kids(node, "cac:InvoicePeriod"))


def delivered_to(node: Node, view: View) -> bool:
    """BR-IC-12."""
    if not view.once(_document).entries["K"]:
        return True
    country = one(_DELIVERED_TO(node))
    return country is not None and len(country.string) > 1


def alone(categories: Callable[[View], Mapping[str, int]]) -> Test:
    """BR-O-11 to -14: no other category beside O."""

    def test(node: Node, view: View) -> bool:
        if not view.once(_document).entries["O"]:
            return True
        return not any(count for code, count in categories(view).items() if code != "O")

    return test


ALONE = {
    "11": alone(lambda view: view.once(_document).vat_entries),
    "12": alone(lambda view: view.once(_document).lines),
    "13": alone(lambda view: view.once(_document).allowances),
    "14": alone(lambda view: view.once(_document).charges),
}

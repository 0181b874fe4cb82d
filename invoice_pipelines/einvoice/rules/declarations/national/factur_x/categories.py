"""Sums by VAT category, as EXTENDED takes them, and MINIMUM would."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from invoice_pipelines.einvoice.rules.declarations.national.factur_x.amounts import (
    CENT,
    CHARGES,
    INDICATOR,
    LINE_SETTLEMENTS,
    LINE_TAX,
    LINE_TOTAL,
    LOGISTICS,
    details,
    is_detail,
    sum_of_amounts,
)
from invoice_pipelines.einvoice.rules.declarations.national.factur_x.declaring import SOURCE, TAX, profile_rule
from invoice_pipelines.einvoice.rules.declarations.places import stated
from invoice_pipelines.einvoice.rules.engine.declaration import Asked, Declaration, Test, Where, declare
from invoice_pipelines.einvoice.rules.engine.values import (
    ZERO,
    Stopped,
    as_decimal,
    as_indicator,
    cents,
    decimal,
    one_text,
    said,
    total,
)
from invoice_pipelines.einvoice.rules.engine.walk import Node, View
from invoice_pipelines.einvoice.rules.verdict import Severity

FAMILIES = {"S": "S", "Z": "Z", "E": "E", "AE": "AE", "IC": "K", "G": "G", "O": "O", "AF": "L", "AG": "M"}
"""The codes of the VAT categories by the names that their rules have."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """An amount with its taxes, that counts into a category of the VAT breakdown."""

    kind: str
    node: Node
    taxes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class _Entries:
    """All entries by category, and by category and rate. Of a category of `unclear` some rate is no number."""

    by_code: Mapping[str, list[_Entry]]
    by_rate: Mapping[tuple[str, Decimal], list[_Entry]]
    unclear: Mapping[str, Stopped]
    sums: dict[tuple[str, Decimal | None, tuple[str, str] | None], tuple[Decimal, int]]
    """What was summed before, as a breakdown may name a category a thousand times."""


def _entries(view: View) -> _Entries:
    by_code: dict[str, list[_Entry]] = defaultdict(list)
    by_rate: dict[tuple[str, Decimal], list[_Entry]] = defaultdict(list)
    unclear: dict[str, Stopped] = {}
    for entry in _all_entries(view):
        known = {each.string for tax in entry.taxes for each in tax.kids.get("ram:CategoryCode", ())}
        rates = [each.string for tax in entry.taxes for each in tax.kids.get("ram:RateApplicablePercent", ())]
        for code in known:
            by_code[code].append(entry)
            try:
                for rate in {as_decimal(text) for text in rates}:
                    by_rate[code, rate].append(entry)
            except Stopped as stopped:
                unclear[code] = stopped
    return _Entries(by_code, by_rate, unclear, {})


def _all_entries(view: View) -> Iterator[_Entry]:
    for line in view.once(details):
        for settlement in LINE_SETTLEMENTS(line):
            yield _Entry("line", settlement, tuple(LINE_TAX(settlement)))
    for charge in CHARGES(view.root):
        yield _Entry("charge", charge, tuple(charge.kids.get("ram:CategoryTradeTax", ())))
    for logistics in LOGISTICS(view.root):
        yield _Entry("logistics", logistics, tuple(logistics.kids.get("ram:AppliedTradeTax", ())))


def _summed(tax: Node, view: View, code: str, *, by_rate: bool, by_reason: bool) -> tuple[Decimal, int]:
    """What a category of the breakdown is the sum of, and how many amounts that are."""
    entries = view.once(_entries)
    rate = decimal(tax.kids.get("ram:RateApplicablePercent", [])) if by_rate else None
    if by_rate and code in entries.unclear:
        raise entries.unclear[code]
    found = entries.by_code.get(code, ()) if rate is None else entries.by_rate.get((code, rate), ())
    if not found:
        return ZERO, 0
    reason = (_reason(_REASONS[0], (tax,)), _reason(_REASONS[1], (tax,))) if by_reason else None
    if (code, rate, reason) not in entries.sums:
        entries.sums[code, rate, reason] = _sum_of(found if reason is None else _of_reason(found, reason))
    return entries.sums[code, rate, reason]


def _of_reason(entries: Iterable[_Entry], reason: tuple[str, str]) -> list[_Entry]:
    return [
        entry
        for entry in entries
        if all(_reason(name, entry.taxes) == text for name, text in zip(_REASONS, reason, strict=True))
    ]


def _sum_of(entries: Iterable[_Entry]) -> tuple[Decimal, int]:
    by_kind: dict[str, list[Node]] = {"line": [], "charge": [], "logistics": []}
    for entry in entries:
        by_kind[entry.kind].append(entry.node)
    kinds = [(each, {as_indicator(said.string) for said in INDICATOR(each)}) for each in by_kind["charge"]]
    amount = (
        cents(sum((total(LINE_TOTAL(line)) for line in by_kind["line"]), ZERO))
        + sum_of_amounts(each for each, kind in kinds if True in kind)
        - sum_of_amounts(each for each, kind in kinds if False in kind)
        + sum_of_amounts(by_kind["logistics"], "ram:AppliedAmount")
    )
    return amount, sum(map(len, by_kind.values()))


_REASONS = ("ram:ExemptionReasonCode", "ram:ExemptionReason")


def _reason(name: str, taxes: tuple[Node, ...]) -> str:
    return said([each for tax in taxes for each in tax.kids.get(name, ())])


def _in_breakdown(code: str) -> Where:
    def where(node: Node) -> bool:
        return (
            any(each.string == code for each in node.kids.get("ram:CategoryCode", ()))
            and one_text(node.kids.get("ram:TypeCode", [])).upper() == "VAT"
        )

    return where


def _basis_is_sum(code: str, *reasons: bool) -> Test:
    """The taxable amount of a category is the sum of what is in it: of one reason of exemption, or of all."""
    by_rate = code != "O"  # what is outside the scope of VAT has no rate

    def test(node: Node, view: View) -> bool:
        if "ram:BasisAmount" not in node.kids or (by_rate and "ram:RateApplicablePercent" not in node.kids):
            return False
        basis = as_decimal(one_text(node.kids["ram:BasisAmount"]))
        summed = (_summed(node, view, code, by_rate=by_rate, by_reason=reason) for reason in reasons)
        return any(abs(basis - amount) <= CENT * count for amount, count in summed)

    return test


def _standard_tax(node: Node, view: View) -> bool:
    """BR-FXEXT-S-09b: VAT at the standard rate, give or take a cent for each amount that is in it."""
    names = ("ram:RateApplicablePercent", "ram:BasisAmount", "ram:CalculatedAmount")
    if any(name not in node.kids for name in names):
        return False
    rate, basis, amount = (as_decimal(one_text(node.kids[name])) for name in names)
    deviation = abs(amount - cents(basis * rate / 100))
    return any(
        deviation <= CENT * _summed(node, view, "S", by_rate=True, by_reason=reason)[1] for reason in (True, False)
    )


_BASIS = stated(basis="ram:BasisAmount", rate="ram:RateApplicablePercent")


def sums_of_category(family: str, code: str) -> tuple[Declaration, ...]:
    """The rules of the taxable amount of a category: by reason of exemption, in all, or either."""
    name = "BR-FXEXT-S08b" if family == "S" else f"BR-FXEXT-{family}-08b"
    about = {"category": code}
    return tuple(
        declare(
            rule,
            None,
            Asked(TAX, _basis_is_sum(code, *reasons), _BASIS, _in_breakdown(code)),
            source=SOURCE,
            severity=severity,
            text="extended-basis",
            about=about,
        )
        for rule, reasons, severity in (
            (name, (True, False), Severity.FATAL),
            (f"BR-FXEXT-{family}-08rev", (True,), Severity.WARNING),
            (f"BR-FXEXT-{family}-08ini", (False,), Severity.WARNING),
        )
    )


def _category_is_broken_down(code: str) -> Test:
    """A category is in the breakdown where, and only where, something has it."""

    def has(node: Node) -> bool:
        return any(each.string == code for each in node.kids.get("ram:CategoryCode", ()))

    def test(node: Node, view: View) -> bool:
        taxes = view.index.get("ram:ApplicableTradeTax", ())
        in_breakdown = any(
            has(tax) and tax.parent is not None and tax.parent.name == "ram:ApplicableHeaderTradeSettlement"
            for tax in taxes
        )
        in_lines = any(has(tax) and _is_of_detail(tax) for tax in taxes)
        others = (*view.index.get("ram:CategoryTradeTax", ()), *view.index.get("ram:AppliedTradeTax", ()))
        return in_breakdown == (in_lines or any(has(tax) for tax in others))

    return test


def _is_of_detail(tax: Node) -> bool:
    settlement = tax.parent
    if settlement is None or settlement.name != "ram:SpecifiedLineTradeSettlement":
        return False
    return settlement.parent is not None and is_detail(settlement.parent)


CATEGORIES = (
    *(
        declare(
            f"BR-FXEXT-{family}-01",
            None,
            Asked("/*", _category_is_broken_down(code)),
            source=SOURCE,
            text="extended-category",
            about={"category": code},
        )
        for family, code in FAMILIES.items()
    ),
    *(rule for family, code in FAMILIES.items() for rule in sums_of_category(family, code)),
    profile_rule(
        "BR-FXEXT-S-09b",
        TAX,
        _standard_tax,
        stated(tax="ram:CalculatedAmount", basis="ram:BasisAmount", rate="ram:RateApplicablePercent"),
        lambda node: any(each.string == "S" for each in node.kids.get("ram:CategoryCode", ())),
    ),
)
"""The categories of EXTENDED: what is in the breakdown, and how it is summed."""

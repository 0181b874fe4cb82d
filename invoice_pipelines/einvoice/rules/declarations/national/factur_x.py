"""Factur-X MINIMUM, BASIC WL and EXTENDED: the rules of EN 16931 that each profile keeps, and those it has of its own.

A profile below EN 16931 has no lines, so it leaves out what is asked of them. EXTENDED is above it: it has lines of
lines, charges for logistics and reasons of exemption for each line, so its sums are taken otherwise (BR-FXEXT-*), and
each may deviate by a cent for each amount that is summed. A profile takes an element for stated where it has any
character in it, even a blank.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from invoice_pipelines.einvoice.code_lists import codes
from invoice_pipelines.einvoice.rules.declarations import decimals, required, sums, vat
from invoice_pipelines.einvoice.rules.declarations.national.places import DELIVERY, LINES, SETTLEMENT
from invoice_pipelines.einvoice.rules.declarations.national.shapes import (
    empty_elements,
    exists,
    is_blank,
    is_within,
    never,
    text_of,
)
from invoice_pipelines.einvoice.rules.declarations.places import quoted, stated
from invoice_pipelines.einvoice.rules.engine.declaration import Asked, Declaration, Facts, Test, Where, declare
from invoice_pipelines.einvoice.rules.engine.paths import path
from invoice_pipelines.einvoice.rules.engine.values import (
    Stopped,
    as_decimal,
    as_indicator,
    as_number,
    cents,
    decimal,
    first_decimal,
    normalized,
    numbers,
    one,
    said,
    total,
    whole,
)
from invoice_pipelines.einvoice.rules.engine.walk import Node, View
from invoice_pipelines.einvoice.rules.verdict import Severity

_SOURCE = "Factur-X 1.09, profile rules"
_NOTHING = Decimal(0)
_CENT = Decimal("0.01")

_FAMILIES = {"S": "S", "Z": "Z", "E": "E", "AE": "AE", "IC": "K", "G": "G", "O": "O", "AF": "L", "AG": "M"}
"""The codes of the VAT categories by the names that their rules have."""

_TAX = "ram:ApplicableHeaderTradeSettlement/ram:ApplicableTradeTax"
_TOTALS = "ram:SpecifiedTradeSettlementHeaderMonetarySummation"
_LINE_TAX = path("ram:ApplicableTradeTax")
_LINE_TOTAL = path("ram:SpecifiedTradeSettlementLineMonetarySummation/ram:LineTotalAmount")
_LINE_SETTLEMENTS = path("ram:SpecifiedLineTradeSettlement")
_STATUS = path("ram:AssociatedDocumentLineDocument/ram:LineStatusReasonCode")
_ALL_LINES = path(LINES)
_CHARGES = path(SETTLEMENT + "ram:SpecifiedTradeAllowanceCharge")
_LOGISTICS = path(SETTLEMENT + "ram:SpecifiedLogisticsServiceCharge")
_INDICATOR = path("ram:ChargeIndicator/udt:Indicator")


def _rule(
    rule: str,
    context: str,
    test: Test,
    facts: Facts | None = None,
    where: Where | None = None,
    severity: Severity = Severity.FATAL,
) -> Declaration:
    return declare(rule, None, Asked(context, test, facts, where), source=_SOURCE, severity=severity)


def _is_stated(steps: str, where: Callable[[Node], bool] | None = None) -> Test:
    """That one of the elements at a path has any text."""
    found = path(steps)
    return lambda node, view: any(each.string != "" and (where is None or where(each)) for each in found(node))


def _anywhere(name: str, steps: str, *, stated: bool) -> Test:
    """As `_is_stated` or `exists`, below any element of a name."""
    found = path(steps)
    return lambda node, view: any(
        not stated or each.string != "" for start in view.index.get(name, ()) for each in found(start)
    )


def _is_detail(line: Node) -> bool:
    """Whether a line counts: one that groups or explains others does not."""
    status = _STATUS(line)
    return not status or any(each.string == "DETAIL" for each in status)


def _details(view: View) -> tuple[Node, ...]:
    return tuple(line for line in _ALL_LINES(view.root) if _is_detail(line))


def _says(node: Node, indicator: str) -> bool:
    return any(each.string == indicator for each in _INDICATOR(node))


def _allowances(view: View) -> list[Node]:
    return [each for each in _CHARGES(view.root) if _says(each, "false")]


def _surcharges(view: View) -> list[Node]:
    return [each for each in _CHARGES(view.root) if _says(each, "true")]


def _allowance_sum(view: View) -> Decimal:
    return _amounts(view.once(_allowances))


def _charge_sum(view: View) -> Decimal:
    return _amounts(view.once(_surcharges)) + _amounts(_LOGISTICS(view.root), "ram:AppliedAmount")


def _amounts(nodes: Iterable[Node], name: str = "ram:ActualAmount") -> Decimal:
    return cents(sum((total(node.kids.get(name, ())) for node in nodes), _NOTHING))


# --- what all three profiles ask for ---

_HEADER = (
    _rule(
        "BR-01", "/*", _is_stated("rsm:ExchangedDocumentContext/ram:GuidelineSpecifiedDocumentContextParameter/ram:ID")
    ),
    _rule("BR-02", "/*", _is_stated("rsm:ExchangedDocument/ram:ID")),
    _rule(
        "BR-03",
        "/*",
        _is_stated(
            "rsm:ExchangedDocument/ram:IssueDateTime/udt:DateTimeString", lambda each: each.get("format") == "102"
        ),
    ),
    _rule("BR-04", "/*", _is_stated("rsm:ExchangedDocument/ram:TypeCode")),
    _rule("BR-05", "/*", _is_stated(SETTLEMENT + "ram:InvoiceCurrencyCode")),
    _rule(
        "BR-06",
        "/*",
        _is_stated(LINES.rpartition("/")[0] + "/ram:ApplicableHeaderTradeAgreement/ram:SellerTradeParty/ram:Name"),
    ),
    _rule(
        "BR-07",
        "/*",
        _is_stated(LINES.rpartition("/")[0] + "/ram:ApplicableHeaderTradeAgreement/ram:BuyerTradeParty/ram:Name"),
    ),
    _rule("BR-08", "/*", _anywhere("ram:SellerTradeParty", "ram:PostalTradeAddress", stated=False)),
    _rule("BR-09", "/*", _anywhere("ram:SellerTradeParty", "ram:PostalTradeAddress/ram:CountryID", stated=True)),
)


def _stated_or_absent(group: str, steps: str, attribute: str | None = None) -> Test:
    """That one of the elements at a path, or its attribute, has any text, where there is the group they stand in."""
    groups, found = path(group), path(steps)

    def test(node: Node, view: View) -> bool:
        texts = (each.string if attribute is None else each.get(attribute) for each in found(node))
        return not groups(node) or any(texts)

    return test


_PRODUCT_CLASS = "ram:SpecifiedTradeProduct/ram:DesignatedProductClassification"
_LINE = "ram:IncludedSupplyChainTradeLineItem"

_OF_EXTENDED_LINES = (
    _rule("BR-21", _LINE, _is_stated("ram:AssociatedDocumentLineDocument/ram:LineID")),
    _rule(
        "BR-25",
        _LINE,
        _is_stated("ram:SpecifiedTradeProduct/ram:Name"),
        quoted(line="ram:AssociatedDocumentLineDocument/ram:LineID"),
    ),
    _rule("BR-52", "ram:AdditionalReferencedDocument", _is_stated("ram:IssuerAssignedID")),
    _rule(
        "BR-64",
        _LINE,
        _stated_or_absent(
            "ram:SpecifiedTradeProduct/ram:GlobalID", "ram:SpecifiedTradeProduct/ram:GlobalID", "schemeID"
        ),
    ),
    _rule("BR-65", _LINE, _stated_or_absent(_PRODUCT_CLASS, _PRODUCT_CLASS + "/ram:ClassCode", "listID")),
)
_FROM_BASIC_WL = (
    _rule("BR-55", f"/*/{SETTLEMENT}ram:InvoiceReferencedDocument", _is_stated("ram:IssuerAssignedID")),
    _rule(
        "BR-56",
        "ram:SellerTaxRepresentativeTradeParty",
        _is_stated("ram:SpecifiedTaxRegistration/ram:ID", lambda each: each.get("schemeID") == "VA"),
    ),
    _rule(
        "BR-57",
        f"/*/{DELIVERY.rstrip('/')}",
        _stated_or_absent(
            "ram:ShipToTradeParty/ram:PostalTradeAddress", "ram:ShipToTradeParty/ram:PostalTradeAddress/ram:CountryID"
        ),
    ),
    _rule("BR-10", "/*", _anywhere("ram:BuyerTradeParty", "ram:PostalTradeAddress", stated=False)),
    _rule("BR-11", "/*", _anywhere("ram:BuyerTradeParty", "ram:PostalTradeAddress/ram:CountryID", stated=True)),
    _rule(
        "BR-CO-03",
        _TAX,
        lambda node, view: "ram:TaxPointDate" not in node.kids or "ram:DueDateTypeCode" not in node.kids,
        quoted(date="ram:TaxPointDate", code="ram:DueDateTypeCode"),
    ),
    _rule("BR-45", _TAX, exists("ram:BasisAmount")),
    _rule("BR-46", _TAX, exists("ram:CalculatedAmount")),
    _rule("BR-47", _TAX, exists("ram:CategoryCode")),
    _rule(
        "BR-48",
        _TAX,
        lambda node, view: (
            "ram:RateApplicablePercent" in node.kids
            or any(each.string == "O" for each in node.kids.get("ram:CategoryCode", ()))
        ),
    ),
    _rule(
        "BR-CO-18",
        "rsm:SupplyChainTradeTransaction/ram:ApplicableHeaderTradeSettlement",
        exists("ram:ApplicableTradeTax"),
    ),
)


# --- BASIC WL ---


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
    if not view.once(_surcharges) and "ram:ChargeTotalAmount" not in node.kids:
        return True
    stated = decimal(_STATED_CHARGES(view.root))
    if stated is None:
        return False
    return cents(stated) == cents(view.once(_charge_sum))


_STATED_CHARGES = path(f"{SETTLEMENT}{_TOTALS}/ram:ChargeTotalAmount")

_NET_TOTALS = path(f"{SETTLEMENT}{_TOTALS}/ram:TaxBasisTotalAmount")
_TAX_TOTALS = path(f"{SETTLEMENT}{_TOTALS}/ram:TaxTotalAmount")
_GROSS_TOTALS = path(f"{SETTLEMENT}{_TOTALS}/ram:GrandTotalAmount")
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


_BASIC_WL = (
    _rule(
        "BR-CO-15",
        _TOTALS,
        _gross_is_net_and_tax,
        stated(
            net="ram:TaxBasisTotalAmount",
            tax="ram:TaxTotalAmount",
            gross="ram:GrandTotalAmount",
            currency="../ram:InvoiceCurrencyCode",
        ),
    ),
    _rule(
        "BR-CO-17",
        _TAX,
        _tax_is_rate,
        stated(tax="ram:CalculatedAmount", basis="ram:BasisAmount", rate="ram:RateApplicablePercent"),
    ),
    _rule(
        "BR-CO-12",
        _TOTALS,
        _charges_add_up,
        lambda node, view: {**stated(charges="ram:ChargeTotalAmount")(node, view), "sum": view.once(_charge_sum)},
    ),
)


# --- sums by VAT category, as EXTENDED takes them, and MINIMUM would ---


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
    for line in view.once(_details):
        for settlement in _LINE_SETTLEMENTS(line):
            yield _Entry("line", settlement, tuple(_LINE_TAX(settlement)))
    for charge in _CHARGES(view.root):
        yield _Entry("charge", charge, tuple(charge.kids.get("ram:CategoryTradeTax", ())))
    for logistics in _LOGISTICS(view.root):
        yield _Entry("logistics", logistics, tuple(logistics.kids.get("ram:AppliedTradeTax", ())))


def _summed(tax: Node, view: View, code: str, *, by_rate: bool, by_reason: bool) -> tuple[Decimal, int]:
    """What a category of the breakdown is the sum of, and how many amounts that are."""
    entries = view.once(_entries)
    rate = decimal(tax.kids.get("ram:RateApplicablePercent", [])) if by_rate else None
    if by_rate and code in entries.unclear:
        raise entries.unclear[code]
    found = entries.by_code.get(code, ()) if rate is None else entries.by_rate.get((code, rate), ())
    if not found:
        return _NOTHING, 0
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
    kinds = [(each, {as_indicator(said.string) for said in _INDICATOR(each)}) for each in by_kind["charge"]]
    amount = (
        cents(sum((total(_LINE_TOTAL(line)) for line in by_kind["line"]), _NOTHING))
        + _amounts(each for each, kind in kinds if True in kind)
        - _amounts(each for each, kind in kinds if False in kind)
        + _amounts(by_kind["logistics"], "ram:AppliedAmount")
    )
    return amount, sum(map(len, by_kind.values()))


_REASONS = ("ram:ExemptionReasonCode", "ram:ExemptionReason")


def _reason(name: str, taxes: tuple[Node, ...]) -> str:
    return said([each for tax in taxes for each in tax.kids.get(name, ())])


def _in_breakdown(code: str) -> Where:
    def where(node: Node) -> bool:
        return (
            any(each.string == code for each in node.kids.get("ram:CategoryCode", ()))
            and _one_text(node.kids.get("ram:TypeCode", [])).upper() == "VAT"
        )

    return where


def _one_text(nodes: list[Node]) -> str:
    node = one(nodes)
    return "" if node is None else node.string


def _basis_is_sum(code: str, *reasons: bool) -> Test:
    """The taxable amount of a category is the sum of what is in it: of one reason of exemption, or of all."""
    by_rate = code != "O"  # what is outside the scope of VAT has no rate

    def test(node: Node, view: View) -> bool:
        if "ram:BasisAmount" not in node.kids or (by_rate and "ram:RateApplicablePercent" not in node.kids):
            return False
        basis = as_decimal(_one_text(node.kids["ram:BasisAmount"]))
        summed = (_summed(node, view, code, by_rate=by_rate, by_reason=reason) for reason in reasons)
        return any(abs(basis - amount) <= _CENT * count for amount, count in summed)

    return test


def _standard_tax(node: Node, view: View) -> bool:
    """BR-FXEXT-S-09b: VAT at the standard rate, give or take a cent for each amount that is in it."""
    names = ("ram:RateApplicablePercent", "ram:BasisAmount", "ram:CalculatedAmount")
    if any(name not in node.kids for name in names):
        return False
    rate, basis, amount = (as_decimal(_one_text(node.kids[name])) for name in names)
    deviation = abs(amount - cents(basis * rate / 100))
    return any(
        deviation <= _CENT * _summed(node, view, "S", by_rate=True, by_reason=reason)[1] for reason in (True, False)
    )


_BASIS = stated(basis="ram:BasisAmount", rate="ram:RateApplicablePercent")


def _sums_of_category(family: str, code: str) -> tuple[Declaration, ...]:
    name = "BR-FXEXT-S08b" if family == "S" else f"BR-FXEXT-{family}-08b"
    about = {"category": code}
    return tuple(
        declare(
            rule,
            None,
            Asked(_TAX, _basis_is_sum(code, *reasons), _BASIS, _in_breakdown(code)),
            source=_SOURCE,
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


# --- EXTENDED ---


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
    return settlement.parent is not None and _is_detail(settlement.parent)


def _within(tolerance: int, *amounts: Decimal | None) -> bool:
    """Whether amounts come to nothing, give or take a cent for each of so many. Not where one is missing."""
    return all(each is not None for each in amounts) and abs(sum(filter(None, amounts), _NOTHING)) <= _CENT * tolerance


def _beside(node: Node, name: str) -> list[Node]:
    return node.parent.kids.get(name, []) if node.parent is not None else []


@dataclass(frozen=True, slots=True)
class _Lines:
    """How many lines there are beside the totals, how many of them count, and the sum of these."""

    count: int
    details: int
    amount: Decimal


def _lines_beside(node: Node, view: View) -> _Lines:
    transaction = node.parent.parent if node.parent is not None else None
    if transaction is None:
        return _Lines(0, 0, _NOTHING)
    known = view.once(_known_lines)
    if transaction not in known:
        lines = transaction.kids.get("ram:IncludedSupplyChainTradeLineItem", [])
        details = [line for line in lines if _is_detail(line)]
        known[transaction] = _Lines(len(lines), len(details), _line_sum(details))
    return known[transaction]


def _known_lines(view: View) -> dict[Node, _Lines]:
    return {}


def _counts_beside(node: Node, view: View) -> tuple[int, int]:
    """How many allowances there are beside the totals, and how many charges."""
    known = view.once(_known_counts)
    around = node.parent
    if around is None:
        return 0, 0
    if around not in known:
        charges = around.kids.get("ram:SpecifiedTradeAllowanceCharge", ())
        logistics = around.kids.get("ram:SpecifiedLogisticsServiceCharge", ())
        known[around] = (
            sum(_says(each, "false") for each in charges),
            sum(_says(each, "true") for each in charges) + len(logistics),
        )
    return known[around]


def _known_counts(view: View) -> dict[Node, tuple[int, int]]:
    return {}


def _line_sum(lines: Iterable[Node]) -> Decimal:
    return cents(sum((total(_LINE_TOTAL(each)) for line in lines for each in _LINE_SETTLEMENTS(line)), _NOTHING))


def _extended_lines(node: Node, view: View) -> bool:
    lines = _lines_beside(node, view)
    return _within(lines.count, decimal(node.kids.get("ram:LineTotalAmount", [])), -lines.amount)


def _extended_allowances(node: Node, view: View) -> bool:
    if not view.once(_allowances) and "ram:AllowanceTotalAmount" not in node.kids:
        return True
    stated = decimal(node.kids.get("ram:AllowanceTotalAmount", []))
    return _within(_counts_beside(node, view)[0], stated, -view.once(_allowance_sum))


def _extended_charges(node: Node, view: View) -> bool:
    if not view.once(_surcharges) and "ram:ChargeTotalAmount" not in node.kids:
        return True
    stated = decimal(node.kids.get("ram:ChargeTotalAmount", []))
    return _within(_counts_beside(node, view)[1], stated, -view.once(_charge_sum))


def _summed_count(node: Node, view: View) -> int:
    return _lines_beside(node, view).details + sum(_counts_beside(node, view))


def _extended_net(node: Node, view: View) -> bool:
    return _within(
        _summed_count(node, view),
        decimal(node.kids.get("ram:TaxBasisTotalAmount", [])),
        -_lines_beside(node, view).amount,
        view.once(_allowance_sum),
        -view.once(_charge_sum),
    )


def _extended_gross(node: Node, view: View) -> bool:
    """BR-FXEXT-CO-15. An invoice without a VAT total in its currency breaks it, even where it states no VAT."""
    currency = one(_beside(node, "ram:InvoiceCurrencyCode"))
    if currency is None:
        return False
    taxes = [each for each in node.kids.get("ram:TaxTotalAmount", ()) if each.get("currencyID") == currency.string]
    names = ("ram:TaxBasisTotalAmount", "ram:GrandTotalAmount")
    if not taxes or any(name not in node.kids for name in names):
        return False
    net, gross = (as_decimal(_one_text(node.kids[name])) for name in names)
    return _within(_summed_count(node, view), gross, -as_decimal(_one_text(taxes)), -net)


def _extended_due(node: Node, view: View) -> bool:
    due = decimal(node.kids.get("ram:DuePayableAmount", []))
    adjustments = (
        each
        for one_of in _beside(node, "ram:SpecifiedFinancialAdjustment")
        for each in one_of.kids.get("ram:ActualAmount", ())
    )
    return due is not None and due == (
        total(node.kids.get("ram:GrandTotalAmount", ()))
        - total(node.kids.get("ram:TotalPrepaidAmount", ()))
        + total(node.kids.get("ram:RoundingAmount", ()))
        + total(adjustments)
    )


def _due_date_is_known(node: Node, view: View) -> bool:
    """BR-CO-25: what is to be paid has a date or terms."""
    due = one(view.index.get("ram:DuePayableAmount", []))
    text = "" if due is None else normalized(due.string)
    if not text or as_number(text) <= 0:
        return True
    return any(
        name in terms.kids
        for terms in view.index.get("ram:SpecifiedTradePaymentTerms", ())
        for name in ("ram:DueDateDateTime", "ram:Description")
    )


def _says_note(node: Node, view: View) -> bool:
    return "ram:SubjectCode" not in node.kids or "ram:ContentCode" in node.kids or "ram:Content" in node.kids


def _value_is_one(node: Node, view: View) -> bool:
    """A characteristic has a text or a measure with its unit, not both."""
    measures = node.kids.get("ram:ValueMeasure", ())
    if "ram:Value" in node.kids:
        return not measures
    return any(each.get("unitCode") for each in measures)


_PARENT = path("ram:AssociatedDocumentLineDocument/ram:ParentLineID")
_NUMBER = path("ram:AssociatedDocumentLineDocument/ram:LineID")
_NET = path("ram:SpecifiedLineTradeSettlement/ram:SpecifiedTradeSettlementLineMonetarySummation/ram:LineTotalAmount")


def _is_group(line: Node) -> bool:
    return any(each.string == "GROUP" for each in _STATUS(line))


def _lower_line_has_status(node: Node, view: View) -> bool:
    return not said(_PARENT(node)) or any(each.string != "" for each in _STATUS(node))


def _upper_line_exists(node: Node, view: View) -> bool:
    parent = said(_PARENT(node))
    return not parent or parent in view.once(_numbers)


def _numbers(view: View) -> frozenset[str]:
    """The numbers of all lines."""
    lines = view.index.get("ram:IncludedSupplyChainTradeLineItem", ())
    return frozenset(normalized(each.string) for line in lines for each in _NUMBER(line))


def _groups_add_up(view: View) -> bool:
    """Whether each line that groups others and states an amount is their sum."""
    lines = view.index.get("ram:IncludedSupplyChainTradeLineItem", [])
    lower: dict[str, list[Node]] | None = None
    for line in lines:
        if not _is_group(line) or not said(_NET(line)):
            continue
        if lower is None:
            lower = defaultdict(list)
            for each in lines:
                if _is_group(each) or _says_detail(each):
                    lower[said(_PARENT(each))].append(each)
        amounts = [_NET(each) for each in lower[said(_NUMBER(line))]]
        if any(not found or is_blank(found[0].string) for found in amounts):
            return False
        if numbers(_NET(line))[0] != cents(sum((numbers(found)[0] for found in amounts), _NOTHING)):
            return False
    return True


def _says_detail(line: Node) -> bool:
    return any(each.string == "DETAIL" for each in _STATUS(line))


def _groups_state_amounts(node: Node, view: View) -> bool:
    """BR-FXEXT-12: where a group of lines states an amount, the groups in it do, too."""
    if not _is_group(node) or not _NET(node):
        return True
    number = one(_NUMBER(node))
    if number is None:
        return False
    lower = view.once(_groups_by_parent).get(number.string, ())
    return sum(len(_NET(line)) for line in lower) == len(lower)


def _groups_by_parent(view: View) -> dict[str, list[Node]]:
    found: dict[str, list[Node]] = defaultdict(list)
    for line in _ALL_LINES(view.root):
        if _is_group(line):
            for parent in {each.string for each in _PARENT(line)}:
                found[parent].append(line)
    return found


def _of_detail(test: Test) -> Test:
    """A test of the line around, which is asked of lines that count."""

    def asked(node: Node, view: View) -> bool:
        line = node.parent
        return line is None or not _is_detail(line) or test(line, view)

    return asked


def _line_has_category(line: Node, view: View) -> bool:
    taxes = [tax for settlement in _LINE_SETTLEMENTS(line) for tax in _LINE_TAX(settlement)]
    return any(each.string == "VAT" for tax in taxes for each in tax.kids.get("ram:TypeCode", ())) and any(
        "ram:CategoryCode" in tax.kids and _one_text(tax.kids.get("ram:TypeCode", [])).upper() == "VAT" for tax in taxes
    )


def _has_unit(line: Node, view: View) -> bool:
    return any(each.get("unitCode") is not None for each in _QUANTITY(line))


_QUANTITY = path("ram:SpecifiedLineTradeDelivery/ram:BilledQuantity")


def _charge_has_reason(node: Node, view: View) -> bool:
    charge = node.parent
    is_charge = any(each.string == "true" for each in node.kids.get("udt:Indicator", ()))
    return not is_charge or charge is None or "ram:Reason" in charge.kids or "ram:ReasonCode" in charge.kids


def _is_vat_number(node: Node, view: View) -> bool:
    return is_within(node, "ram:SellerTradeParty") or node.get("schemeID") == "VA"


def _split_payment_is_italian(node: Node, view: View) -> bool:
    return not view.once(_has_split_payment) or all(each.string == "IT" for each in view.index.get("ram:CountryID", ()))


def _split_payment_is_alone(node: Node, view: View) -> bool:
    return not view.once(_has_split_payment) or not any(
        each.string == "S" for each in view.index.get("ram:CategoryCode", ())
    )


def _has_split_payment(view: View) -> bool:
    return any(each.string == "B" for each in view.index.get("ram:CategoryCode", ()))


_MINUTE = re.compile(r"[ \t\r\n]*[0-9]{4}(1[0-2]|0[1-9])(3[01]|[12][0-9]|0[1-9])([01][0-9]|2[0-3])[0-5][0-9][ \t\r\n]*")

_LINE_DOCUMENT = "ram:IncludedSupplyChainTradeLineItem/ram:AssociatedDocumentLineDocument"

_EXTENDED = (
    _rule("BR-B-01", "/*", _split_payment_is_italian),
    _rule("BR-B-02", "/*", _split_payment_is_alone),
    _rule("BR-CO-25", "/*", _due_date_is_known),
    _rule("BR-FXEXT-01", "/*/rsm:ExchangedDocument/ram:IncludedNote", _says_note),
    _rule("BR-FXEXT-02", "ram:AssociatedDocumentLineDocument/ram:IncludedNote", _says_note),
    _rule("BR-FXEXT-03", "ram:SpecifiedTaxRegistration/ram:ID", _is_vat_number, text_of),
    _rule(
        "BR-FXEXT-04",
        "ram:ApplicableProductCharacteristic/ram:TypeCode",
        lambda node, view: normalized(node.string) in codes("characteristics"),
        text_of,
        severity=Severity.WARNING,
    ),
    _rule(
        "BR-FXEXT-CII-DT-097a",
        "udt:DateTimeString",
        lambda node, view: node.get("format") != "205" or _MINUTE.fullmatch(node.string) is not None,
        text_of,
    ),
    _rule("BR-FXEXT-06", _LINE, _lower_line_has_status, quoted(line="ram:AssociatedDocumentLineDocument/ram:LineID")),
    _rule("BR-FXEXT-08", _LINE, lambda node, view: view.once(_groups_add_up)),
    _rule(
        "BR-FXEXT-11",
        _LINE,
        _upper_line_exists,
        quoted(
            line="ram:AssociatedDocumentLineDocument/ram:LineID",
            upper="ram:AssociatedDocumentLineDocument/ram:ParentLineID",
        ),
    ),
    _rule("BR-FXEXT-12", _LINE, _groups_state_amounts, quoted(line="ram:AssociatedDocumentLineDocument/ram:LineID")),
    *(
        declare(
            f"BR-FXEXT-{family}-01",
            None,
            Asked("/*", _category_is_broken_down(code)),
            source=_SOURCE,
            text="extended-category",
            about={"category": code},
        )
        for family, code in _FAMILIES.items()
    ),
    *(rule for family, code in _FAMILIES.items() for rule in _sums_of_category(family, code)),
    _rule(
        "BR-FXEXT-S-09b",
        _TAX,
        _standard_tax,
        stated(tax="ram:CalculatedAmount", basis="ram:BasisAmount", rate="ram:RateApplicablePercent"),
        lambda node: any(each.string == "S" for each in node.kids.get("ram:CategoryCode", ())),
    ),
    _rule("BR-FXEXT-BR-22", _LINE_DOCUMENT, _of_detail(exists("ram:SpecifiedLineTradeDelivery/ram:BilledQuantity"))),
    _rule("BR-FXEXT-BR-23", _LINE_DOCUMENT, _of_detail(_has_unit)),
    _rule("BR-FXEXT-BR-24", _LINE_DOCUMENT, _of_detail(lambda line, view: bool(_NET(line)))),
    _rule(
        "BR-FXEXT-BR-26",
        _LINE_DOCUMENT,
        _of_detail(exists("ram:SpecifiedLineTradeAgreement/ram:NetPriceProductTradePrice/ram:ChargeAmount")),
    ),
    _rule("BR-FXEXT-CO-04", _LINE_DOCUMENT, _of_detail(_line_has_category)),
    _rule(
        "BR-FXEXT-BR-38",
        "ram:ApplicableHeaderTradeSettlement/ram:SpecifiedTradeAllowanceCharge/ram:ChargeIndicator",
        _charge_has_reason,
    ),
    _rule(
        "BR-FXEXT-BR-44",
        "ram:SpecifiedLineTradeSettlement/ram:SpecifiedTradeAllowanceCharge/ram:ChargeIndicator",
        _charge_has_reason,
    ),
    _rule("BR-FXEXT-BR-54-1", "ram:ApplicableProductCharacteristic", exists("ram:Description | ram:TypeCode")),
    _rule("BR-FXEXT-BR-54-2", "ram:ApplicableProductCharacteristic", _value_is_one),
    _rule("BR-FXEXT-CO-10", _TOTALS, _extended_lines, stated(stated="ram:LineTotalAmount")),
    _rule("BR-FXEXT-CO-11", _TOTALS, _extended_allowances, stated(stated="ram:AllowanceTotalAmount")),
    _rule("BR-FXEXT-CO-12", _TOTALS, _extended_charges, stated(stated="ram:ChargeTotalAmount")),
    _rule("BR-FXEXT-CO-13", _TOTALS, _extended_net, stated(stated="ram:TaxBasisTotalAmount")),
    _rule(
        "BR-FXEXT-CO-15",
        _TOTALS,
        _extended_gross,
        stated(net="ram:TaxBasisTotalAmount", tax="ram:TaxTotalAmount", gross="ram:GrandTotalAmount"),
    ),
    _rule(
        "BR-FXEXT-CO-16",
        _TOTALS,
        _extended_due,
        stated(due="ram:DuePayableAmount", gross="ram:GrandTotalAmount", paid="ram:TotalPrepaidAmount"),
    ),
)

# The rules of EN 16931 that a profile of Factur-X takes over as they are, without the BR- of their ids.
_TAKEN_OVER = {
    "MINIMUM": (
        "13 14 15 CO-09 CO-26 DEC-12 DEC-13 DEC-14 DEC-18 E-02 E-03 E-04 E-05 E-06 E-07 E-10 G-02 G-03 G-04 G-05 "
        "G-06 G-07 G-08 G-09 G-10 IC-02 IC-03 IC-04 IC-05 IC-06 IC-07 IC-08 IC-09 IC-10 IC-11 IC-12 O-03 O-04 O-06 "
        "O-08 O-09 O-10 O-11 O-12 O-13 O-14 "
    ),
    "BASIC_WL": (
        "12 13 14 15 17 18 19 20 29 31 32 33 36 37 38 49 50 53 61 62 63 AE-03 AE-04 AE-06 AE-07 AE-09 "
        "AE-10 AF-03 AF-04 AF-06 AF-07 AF-09 AF-10 AG-03 AG-04 AG-06 AG-07 AG-09 AG-10 CO-09 CO-11 CO-13 "
        "CO-14 CO-16 CO-19 CO-21 CO-22 CO-26 DEC-01 DEC-02 DEC-05 DEC-06 DEC-09 DEC-10 DEC-11 DEC-12 DEC-13 "
        "DEC-14 DEC-15 DEC-16 DEC-17 DEC-18 DEC-19 DEC-20 E-03 E-04 E-06 E-07 E-09 E-10 G-03 G-04 G-06 G-07 G-09 "
        "G-10 IC-03 IC-04 IC-06 IC-07 IC-09 IC-10 IC-11 IC-12 O-03 O-04 O-06 O-07 O-09 O-10 O-11 O-13 O-14 S-03 "
        "S-04 S-06 S-07 S-09 S-10 Z-03 Z-04 Z-06 Z-07 Z-09 Z-10 "
    ),
    "EXTENDED": (
        "12 13 14 15 16 17 18 19 20 29 30 31 32 33 36 37 41 42 43 49 50 51 53 61 62 63 "
        "AE-02 AE-03 AE-04 AE-05 AE-06 AE-07 AE-09 AE-10 AF-02 AF-03 AF-04 AF-05 AF-06 AF-07 AF-09 AG-02 AG-03 "
        "AG-04 AG-05 AG-06 AG-07 AG-09 CO-09 CO-14 CO-19 CO-20 CO-21 CO-23 CO-26 DEC-01 DEC-02 DEC-05 DEC-06 "
        "DEC-09 DEC-10 DEC-11 DEC-12 DEC-13 DEC-14 DEC-15 DEC-16 DEC-17 DEC-18 DEC-19 DEC-20 DEC-23 DEC-24 DEC-25 "
        "DEC-27 DEC-28 E-02 E-03 E-04 E-05 E-06 E-07 E-09 E-10 G-02 G-03 G-04 G-05 G-06 G-07 G-09 G-10 IC-02 IC-03 "
        "IC-04 IC-05 IC-06 IC-07 IC-09 IC-10 IC-11 IC-12 O-05 O-06 O-07 O-09 O-10 S-02 S-03 S-04 S-05 S-06 S-07 "
        "Z-02 Z-03 Z-04 Z-05 Z-06 Z-07 Z-09 "
    ),
}


def _profile(name: str, *own: Declaration) -> tuple[Declaration, ...]:
    taken_over = {f"BR-{number}" for number in _TAKEN_OVER[name].split()}
    core = (*required.RULES, *sums.RULES, *decimals.RULES, *vat.RULES)
    return (*own, *(rule for rule in core if rule.id in taken_over))


# --- what the profiles take over from the syntax rules of EN 16931, all as warnings ---


def _at_most_one(rule: str, context: str, steps: str, where: Where | None = None) -> Declaration:
    """How often something stands in an element, or in those of them for which `where` is true."""
    group, _, last = steps.rpartition("/")
    groups = path(group) if group else None

    def count(node: Node) -> int:
        around = [node] if groups is None else [each for each in groups(node) if where is None or where(each)]
        return sum(len(each.kids.get(last, ())) for each in around)

    return declare(
        rule,
        None,
        Asked(
            context,
            lambda node, view: count(node) <= 1,
            lambda node, view: {"what": last, "count": count(node), "often": "0..1"},
        ),
        source=_SOURCE,
        severity=Severity.WARNING,
        text="profile-count",
    )


def _all_alike(name: str) -> Test:
    found = path("ram:" + name)

    def test(node: Node, view: View) -> bool:
        means = view.index.get("ram:SpecifiedTradeSettlementPaymentMeans", ())
        return len({normalized(each.string) for one_of in means for each in found(one_of)}) <= 1

    return test


def _person_or_department(party: str) -> Test:
    contacts = path(f"ram:{party}/ram:DefinedTradeContact")
    return lambda node, view: (
        not (
            any("ram:PersonName" in each.kids for each in contacts(node))
            and any("ram:DepartmentName" in each.kids for each in contacts(node))
        )
    )


_CHARGE = "ram:SpecifiedTradeAllowanceCharge"
_AGREEMENT = "/*/rsm:SupplyChainTradeTransaction/ram:ApplicableHeaderTradeAgreement"
_DAY = re.compile(r"[ \t\r\n]*[0-9]{4}(1[0-2]|0[1-9])(3[01]|[12][0-9]|0[1-9])[ \t\r\n]*")


def _warning(rule: str, context: str, test: Test, text: str, facts: Facts | None = None, **about: str) -> Declaration:
    asked = Asked(context, test, facts)
    return declare(rule, None, asked, source=_SOURCE, severity=Severity.WARNING, text=text, about=about)


def _is_supporting(document: Node) -> bool:
    return any(normalized(each.string) == "916" for each in document.kids.get("ram:TypeCode", ()))


def _references(view: View) -> int:
    settlements = view.index.get("ram:ApplicableHeaderTradeSettlement", ())
    return sum(len(each.kids.get("ram:PaymentReference", ())) for each in settlements)


_SYNTAX_OF_ALL = (
    _warning(
        "CII-SR-463",
        _CHARGE,
        exists("ram:ChargeIndicator"),
        "profile-count",
        what="ram:ChargeIndicator",
        count="0",
        often="1",
    ),
    _warning("CII-SR-465", _AGREEMENT, _person_or_department("SellerTradeParty"), "profile-contact"),
    _warning("CII-SR-466", _AGREEMENT, _person_or_department("BuyerTradeParty"), "profile-contact"),
)
_SYNTAX_FROM_BASIC_WL = (
    _warning("CII-SR-467", "/*", _all_alike("TypeCode"), "profile-alike", what="BT-81"),
    _warning("CII-SR-468", "/*", _all_alike("Information"), "profile-alike", what="BT-82"),
    _warning(
        "CII-SR-469",
        "/*",
        lambda node, view: _references(view) <= 1,
        "profile-count",
        lambda node, view: {"count": _references(view)},
        what="ram:PaymentReference",
        often="0..1",
    ),
    _at_most_one("CII-SR-471", _CHARGE, "ram:CategoryTradeTax"),
    _at_most_one("CII-SR-472", _CHARGE, "ram:RateApplicablePercent"),
    _at_most_one("CII-SR-473", _CHARGE, "ram:ActualAmount"),
)
_SYNTAX_OF_EXTENDED = (
    _at_most_one("CII-SR-475", _AGREEMENT, "ram:AdditionalReferencedDocument/ram:Name", _is_supporting),
    _at_most_one(
        "CII-SR-476", _AGREEMENT, "ram:AdditionalReferencedDocument/ram:AttachmentBinaryObject", _is_supporting
    ),
    _warning(
        "CII-DT-097",
        "udt:DateTimeString",
        lambda node, view: node.get("format") != "102" or _DAY.fullmatch(node.string) is not None,
        "profile-day",
        text_of,
    ),
    declare("PEPPOL-EN16931-R008", None, Asked(empty_elements, never), source=_SOURCE, severity=Severity.WARNING),
)

MINIMUM: tuple[Declaration, ...] = _profile(
    "MINIMUM",
    *_HEADER,
    *_SYNTAX_OF_ALL,
    *(rule for family in ("G", "IC", "O", "Z") for rule in _sums_of_category(family, _FAMILIES[family])),
)
BASIC_WL: tuple[Declaration, ...] = _profile(
    "BASIC_WL", *_HEADER, *_FROM_BASIC_WL, *_BASIC_WL, *_SYNTAX_OF_ALL, *_SYNTAX_FROM_BASIC_WL
)
EXTENDED: tuple[Declaration, ...] = _profile(
    "EXTENDED",
    *_HEADER,
    *_FROM_BASIC_WL,
    *_OF_EXTENDED_LINES,
    *_EXTENDED,
    *_SYNTAX_OF_ALL,
    *_SYNTAX_FROM_BASIC_WL,
    *_SYNTAX_OF_EXTENDED,
)

"""The lines of EXTENDED, which may group or explain others."""

from __future__ import annotations

from collections import defaultdict

from invoice_pipelines.einvoice.rules.declarations.national.factur_x.amounts import (
    ALL_LINES,
    LINE_SETTLEMENTS,
    LINE_TAX,
    STATUS,
    is_detail,
)
from invoice_pipelines.einvoice.rules.declarations.national.factur_x.declaring import (
    LINE,
    is_stated,
    profile_rule,
    stated_or_absent,
)
from invoice_pipelines.einvoice.rules.declarations.national.shapes import exists, is_blank
from invoice_pipelines.einvoice.rules.declarations.places import quoted
from invoice_pipelines.einvoice.rules.engine.declaration import Test
from invoice_pipelines.einvoice.rules.engine.paths import path
from invoice_pipelines.einvoice.rules.engine.values import ZERO, cents, normalized, numbers, one, one_text, said
from invoice_pipelines.einvoice.rules.engine.walk import Node, View

_PRODUCT_CLASS = "ram:SpecifiedTradeProduct/ram:DesignatedProductClassification"
STATED = (
    profile_rule("BR-21", LINE, is_stated("ram:AssociatedDocumentLineDocument/ram:LineID")),
    profile_rule(
        "BR-25",
        LINE,
        is_stated("ram:SpecifiedTradeProduct/ram:Name"),
        quoted(line="ram:AssociatedDocumentLineDocument/ram:LineID"),
    ),
    profile_rule("BR-52", "ram:AdditionalReferencedDocument", is_stated("ram:IssuerAssignedID")),
    profile_rule(
        "BR-64",
        LINE,
        stated_or_absent(
            "ram:SpecifiedTradeProduct/ram:GlobalID", "ram:SpecifiedTradeProduct/ram:GlobalID", "schemeID"
        ),
    ),
    profile_rule("BR-65", LINE, stated_or_absent(_PRODUCT_CLASS, _PRODUCT_CLASS + "/ram:ClassCode", "listID")),
)
"""What a line has to state, and what its documents."""
_PARENT = path("ram:AssociatedDocumentLineDocument/ram:ParentLineID")
_NUMBER = path("ram:AssociatedDocumentLineDocument/ram:LineID")
_NET = path("ram:SpecifiedLineTradeSettlement/ram:SpecifiedTradeSettlementLineMonetarySummation/ram:LineTotalAmount")


def _is_group(line: Node) -> bool:
    return any(each.string == "GROUP" for each in STATUS(line))


def _lower_line_has_status(node: Node, view: View) -> bool:
    return not said(_PARENT(node)) or any(each.string != "" for each in STATUS(node))


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
        if numbers(_NET(line))[0] != cents(sum((numbers(found)[0] for found in amounts), ZERO)):
            return False
    return True


def _says_detail(line: Node) -> bool:
    return any(each.string == "DETAIL" for each in STATUS(line))


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
    for line in ALL_LINES(view.root):
        if _is_group(line):
            for parent in {each.string for each in _PARENT(line)}:
                found[parent].append(line)
    return found


def _of_detail(test: Test) -> Test:
    """A test of the line around, which is asked of lines that count."""

    def asked(node: Node, view: View) -> bool:
        line = node.parent
        return line is None or not is_detail(line) or test(line, view)

    return asked


def _line_has_category(line: Node, view: View) -> bool:
    taxes = [tax for settlement in LINE_SETTLEMENTS(line) for tax in LINE_TAX(settlement)]
    return any(each.string == "VAT" for tax in taxes for each in tax.kids.get("ram:TypeCode", ())) and any(
        "ram:CategoryCode" in tax.kids and one_text(tax.kids.get("ram:TypeCode", [])).upper() == "VAT" for tax in taxes
    )


def _has_unit(line: Node, view: View) -> bool:
    return any(each.get("unitCode") is not None for each in _QUANTITY(line))


_QUANTITY = path("ram:SpecifiedLineTradeDelivery/ram:BilledQuantity")
_LINE_DOCUMENT = "ram:IncludedSupplyChainTradeLineItem/ram:AssociatedDocumentLineDocument"
GROUPS = (
    profile_rule(
        "BR-FXEXT-06", LINE, _lower_line_has_status, quoted(line="ram:AssociatedDocumentLineDocument/ram:LineID")
    ),
    profile_rule("BR-FXEXT-08", LINE, lambda node, view: view.once(_groups_add_up)),
    profile_rule(
        "BR-FXEXT-11",
        LINE,
        _upper_line_exists,
        quoted(
            line="ram:AssociatedDocumentLineDocument/ram:LineID",
            upper="ram:AssociatedDocumentLineDocument/ram:ParentLineID",
        ),
    ),
    profile_rule(
        "BR-FXEXT-12", LINE, _groups_state_amounts, quoted(line="ram:AssociatedDocumentLineDocument/ram:LineID")
    ),
)
"""Lines that group others."""
DETAILS = (
    profile_rule(
        "BR-FXEXT-BR-22", _LINE_DOCUMENT, _of_detail(exists("ram:SpecifiedLineTradeDelivery/ram:BilledQuantity"))
    ),
    profile_rule("BR-FXEXT-BR-23", _LINE_DOCUMENT, _of_detail(_has_unit)),
    profile_rule("BR-FXEXT-BR-24", _LINE_DOCUMENT, _of_detail(lambda line, view: bool(_NET(line)))),
    profile_rule(
        "BR-FXEXT-BR-26",
        _LINE_DOCUMENT,
        _of_detail(exists("ram:SpecifiedLineTradeAgreement/ram:NetPriceProductTradePrice/ram:ChargeAmount")),
    ),
    profile_rule("BR-FXEXT-CO-04", _LINE_DOCUMENT, _of_detail(_line_has_category)),
)
"""Lines that count."""

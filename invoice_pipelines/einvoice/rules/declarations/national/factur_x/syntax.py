"""What the profiles take over from the syntax rules of EN 16931, all as warnings."""

from __future__ import annotations

import re

from invoice_pipelines.einvoice.rules.declarations.national.factur_x.declaring import SOURCE
from invoice_pipelines.einvoice.rules.declarations.national.shapes import empty_elements, exists, never, text_of
from invoice_pipelines.einvoice.rules.engine.declaration import Asked, Declaration, Facts, Test, Where, declare
from invoice_pipelines.einvoice.rules.engine.paths import path
from invoice_pipelines.einvoice.rules.engine.values import normalized
from invoice_pipelines.einvoice.rules.engine.walk import Node, View
from invoice_pipelines.einvoice.rules.verdict import Severity


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
        source=SOURCE,
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
    return declare(rule, None, asked, source=SOURCE, severity=Severity.WARNING, text=text, about=about)


def _is_supporting(document: Node) -> bool:
    return any(normalized(each.string) == "916" for each in document.kids.get("ram:TypeCode", ()))


def _references(view: View) -> int:
    settlements = view.index.get("ram:ApplicableHeaderTradeSettlement", ())
    return sum(len(each.kids.get("ram:PaymentReference", ())) for each in settlements)


SYNTAX = (
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
"""Of all profiles."""
SYNTAX_FROM_BASIC_WL = (
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
"""Of BASIC WL and EXTENDED."""
SYNTAX_OF_EXTENDED = (
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
    declare("PEPPOL-EN16931-R008", None, Asked(empty_elements, never), source=SOURCE, severity=Severity.WARNING),
)
"""Of EXTENDED."""

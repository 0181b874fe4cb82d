"""The rules of EXTENDED: its own of the document, and those of its lines, categories and totals."""

from __future__ import annotations

import re

from invoice_pipelines.einvoice.code_lists import codes
from invoice_pipelines.einvoice.rules.declarations.national.factur_x.categories import CATEGORIES
from invoice_pipelines.einvoice.rules.declarations.national.factur_x.declaring import profile_rule
from invoice_pipelines.einvoice.rules.declarations.national.factur_x.lines import DETAILS, GROUPS
from invoice_pipelines.einvoice.rules.declarations.national.factur_x.totals import SUMS
from invoice_pipelines.einvoice.rules.declarations.national.shapes import exists, is_within, text_of
from invoice_pipelines.einvoice.rules.engine.values import as_number, normalized, one
from invoice_pipelines.einvoice.rules.engine.walk import Node, View
from invoice_pipelines.einvoice.rules.verdict import Severity


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
ONLY_EXTENDED = (
    profile_rule("BR-B-01", "/*", _split_payment_is_italian),
    profile_rule("BR-B-02", "/*", _split_payment_is_alone),
    profile_rule("BR-CO-25", "/*", _due_date_is_known),
    profile_rule("BR-FXEXT-01", "/*/rsm:ExchangedDocument/ram:IncludedNote", _says_note),
    profile_rule("BR-FXEXT-02", "ram:AssociatedDocumentLineDocument/ram:IncludedNote", _says_note),
    profile_rule("BR-FXEXT-03", "ram:SpecifiedTaxRegistration/ram:ID", _is_vat_number, text_of),
    profile_rule(
        "BR-FXEXT-04",
        "ram:ApplicableProductCharacteristic/ram:TypeCode",
        lambda node, view: normalized(node.string) in codes("characteristics"),
        text_of,
        severity=Severity.WARNING,
    ),
    profile_rule(
        "BR-FXEXT-CII-DT-097a",
        "udt:DateTimeString",
        lambda node, view: node.get("format") != "205" or _MINUTE.fullmatch(node.string) is not None,
        text_of,
    ),
    *GROUPS,
    *CATEGORIES,
    *DETAILS,
    profile_rule(
        "BR-FXEXT-BR-38",
        "ram:ApplicableHeaderTradeSettlement/ram:SpecifiedTradeAllowanceCharge/ram:ChargeIndicator",
        _charge_has_reason,
    ),
    profile_rule(
        "BR-FXEXT-BR-44",
        "ram:SpecifiedLineTradeSettlement/ram:SpecifiedTradeAllowanceCharge/ram:ChargeIndicator",
        _charge_has_reason,
    ),
    profile_rule("BR-FXEXT-BR-54-1", "ram:ApplicableProductCharacteristic", exists("ram:Description | ram:TypeCode")),
    profile_rule("BR-FXEXT-BR-54-2", "ram:ApplicableProductCharacteristic", _value_is_one),
    *SUMS,
)
"""What EXTENDED alone asks for, but for what lines have to state."""

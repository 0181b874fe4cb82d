"""PEPPOL-EN16931-CL*, -P* and -F001: the codes, types and dates that Peppol BIS Billing takes. Its lists are older than
those of EN 16931, and shorter.

P0100 has no counterpart in CII: the official sheet looks for the type of the document in a namespace where it never is.
"""

from __future__ import annotations

import re
from datetime import date

from invoice_pipelines.einvoice.code_lists import codes
from invoice_pipelines.einvoice.rules.declarations.national.peppol.declaring import SOURCE
from invoice_pipelines.einvoice.rules.declarations.national.peppol.document import (
    is_german,
    own_text,
    process,
)
from invoice_pipelines.einvoice.rules.declarations.national.places import UBL_AMOUNTS
from invoice_pipelines.einvoice.rules.declarations.national.shapes import attribute, text_of
from invoice_pipelines.einvoice.rules.engine.declaration import Asked, Declaration, Test, declare
from invoice_pipelines.einvoice.rules.engine.values import normalized, said
from invoice_pipelines.einvoice.rules.engine.walk import Node, View

_INVOICES = codes("invoice_types") - frozenset(
    ("81", "130", "202", "203", "204", "211", "295", "325", "385", "387", "389", "390", "394", "456", "457", "471",
     "472", "473", "500", "501", "527", "633", "751", "935")
)  # fmt: skip
_CREDIT_NOTES = frozenset(("381", "396", "81", "83", "532"))
_GERMAN_ONLY = frozenset(("326", "384"))
_BILLING = "billing:01"

_CATEGORIES = {
    "P0104": ("VATEX-EU-G", "G"),
    "P0105": ("VATEX-EU-O", "O"),
    "P0106": ("VATEX-EU-IC", "K"),
    "P0107": ("VATEX-EU-AE", "AE"),
    "P0108": ("VATEX-EU-D", "E"),
    "P0109": ("VATEX-EU-F", "E"),
    "P0110": ("VATEX-EU-I", "E"),
    "P0111": ("VATEX-EU-J", "E"),
}

_UBL_DATES = "cbc:IssueDate | cbc:DueDate | cbc:TaxPointDate | cbc:StartDate | cbc:EndDate | cbc:ActualDeliveryDate"
_CII_ADDRESSES = (
    "ram:BuyerTradeParty/ram:URIUniversalCommunication/ram:URIID | "
    "ram:SellerTradeParty/ram:URIUniversalCommunication/ram:URIID"
)


def _code_in(listed: str) -> Test:
    return lambda node, view: own_text((node,)) in codes(listed)


def _attribute_in(name: str, listed: str, *, needed: bool = False) -> Test:
    return lambda node, view: (node.get(name) is None and not needed) or node.get(name) in codes(listed)


def _reason(listed: str, indicator: str, *steps: str) -> Test:
    """A code of a reason, where the element around is said to be a charge, or an allowance."""

    def test(node: Node, view: View) -> bool:
        found = [node.parent] if node.parent is not None else []
        for step in steps:
            found = [kid for each in found for kid in each.kids.get(step, ())]
        is_asked = any(each.string == indicator for each in found)
        return not is_asked or own_text((node,)) in codes(listed)

    return test


def _cii_reason(listed: str, indicator: str) -> Test:
    steps = ("ram:ChargeIndicator", "udt:Indicator")

    def test(node: Node, view: View) -> bool:
        found = [node.parent] if node.parent is not None else []
        for step in steps:
            found = [kid for each in found for kid in each.kids.get(step, ())]
        is_asked = len(found) == 1 and normalized(found[0].string) == indicator
        return not is_asked or own_text((node,)) in codes(listed)

    return test


def _type_in(allowed: frozenset[str]) -> Test:
    return lambda node, view: view.once(process) != _BILLING or own_text((node,)) in allowed


def _type_is_not_german(node: Node, view: View) -> bool:
    return normalized(node.string) not in _GERMAN_ONLY or view.once(is_german)


def _category(reason: str, category: str) -> Test:
    def test(node: Node, view: View) -> bool:
        reasons = node.kids.get("cbc:TaxExemptionReasonCode", ())
        is_asked = len(reasons) == 1 and reasons[0].string.upper() == reason
        return not is_asked or said(node.kids.get("cbc:ID", [])) == category

    return test


def _is_ubl_date(node: Node, view: View) -> bool:
    text = node.text or ""
    if len(text) != 10:
        return False
    try:
        return re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text) is not None and bool(date.fromisoformat(text))
    except ValueError:
        return False


def _is_cii_date(node: Node, view: View) -> bool:
    text = node.text or ""
    return (
        normalized(node.get("format") or "") == "102"
        and len(text) == 8
        and re.search(r"20[0-9]{6}", normalized(text)) is not None
    )


def _peppol(number: str, ubl: Asked | None, cii: Asked | None = None) -> Declaration:
    return declare(f"PEPPOL-EN16931-{number}", ubl, cii, source=SOURCE)


RULES: tuple[Declaration, ...] = (
    _peppol(
        "CL001",
        Asked("cbc:EmbeddedDocumentBinaryObject", _attribute_in("mimeCode", "media_types"), attribute("mimeCode")),
        Asked("ram:AttachmentBinaryObject", _attribute_in("mimeCode", "media_types"), attribute("mimeCode")),
    ),
    _peppol(
        "CL002",
        Asked(
            "cac:AllowanceCharge/cbc:AllowanceChargeReasonCode",
            _reason("allowance_reasons", "false", "cbc:ChargeIndicator"),
            text_of,
        ),
        Asked("ram:SpecifiedTradeAllowanceCharge/ram:ReasonCode", _cii_reason("allowance_reasons", "false"), text_of),
    ),
    _peppol(
        "CL003",
        Asked(
            "cac:AllowanceCharge/cbc:AllowanceChargeReasonCode",
            _reason("charge_reasons", "true", "cbc:ChargeIndicator"),
            text_of,
        ),
        Asked("ram:SpecifiedTradeAllowanceCharge/ram:ReasonCode", _cii_reason("charge_reasons", "true"), text_of),
    ),
    _peppol("CL006", Asked("cac:InvoicePeriod/cbc:DescriptionCode", _code_in("tax_point_ubl"), text_of)),
    _peppol(
        "CL007",
        Asked(UBL_AMOUNTS, _attribute_in("currencyID", "currencies_peppol", needed=True), attribute("currencyID")),
        Asked("ram:TaxTotalAmount", _attribute_in("currencyID", "currencies_peppol"), attribute("currencyID")),
    ),
    _peppol(
        "CL008",
        Asked("cbc:EndpointID", _attribute_in("schemeID", "eas_peppol"), attribute("schemeID")),
        Asked(_CII_ADDRESSES, _attribute_in("schemeID", "eas_peppol", needed=True), attribute("schemeID")),
    ),
    _peppol("P0100", Asked("cbc:InvoiceTypeCode", _type_in(_INVOICES), text_of)),
    _peppol("P0101", Asked("cbc:CreditNoteTypeCode", _type_in(_CREDIT_NOTES), text_of)),
    _peppol("P0112", Asked("cbc:InvoiceTypeCode", _type_is_not_german, text_of)),
    *(
        declare(
            f"PEPPOL-EN16931-{number}",
            Asked(
                "cac:TaxCategory",
                _category(reason, category),
                lambda node, view: {"value": said(node.kids.get("cbc:ID", []))},
            ),
            source=SOURCE,
            text="vat-category-of-reason",
            about={"reason": reason, "category": category},
        )
        for number, (reason, category) in _CATEGORIES.items()
    ),
    _peppol(
        "F001",
        Asked(_UBL_DATES, _is_ubl_date, text_of),
        Asked("udt:DateTimeString", _is_cii_date, text_of),
    ),
)

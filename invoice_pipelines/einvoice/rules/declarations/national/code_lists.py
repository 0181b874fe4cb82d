"""BR-CL-01 to -26: which codes may stand where. The lists themselves are data (`einvoice.code_lists`).

The official sheets know a code by its text without blanks around, and refuse one with a blank inside; upper and lower
case differ, but for the reasons of an exemption (BR-CL-22).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from invoice_pipelines.einvoice.code_lists import codes, release
from invoice_pipelines.einvoice.rules.declarations.national.places import UBL_AMOUNTS
from invoice_pipelines.einvoice.rules.declarations.national.shapes import is_within
from invoice_pipelines.einvoice.rules.engine.declaration import Asked, Declaration, declare
from invoice_pipelines.einvoice.rules.engine.values import Stopped, as_indicator, normalized
from invoice_pipelines.einvoice.rules.engine.walk import Node, View

_SOURCE = "EN 16931-1, 7 (code lists)"
_Applies = Callable[[Node], bool]


def _code(context: str, listed: str, *, where: _Applies | None = None, upper: bool = False) -> Asked:
    """What an element says must be in a list."""

    def test(node: Node, view: View) -> bool:
        if where is not None and not where(node):
            return True
        text = node.string
        if upper:
            text = text.upper()
        return text in codes(listed) or normalized(text) in codes(listed)

    return Asked(context, test, lambda node, view: _facts(node.string, listed))


def _scheme(
    context: str,
    name: str,
    listed: str,
    *,
    where: _Applies | None = None,
    needed: bool = False,
    exact: bool = False,
    also: _Applies | None = None,
) -> Asked:
    """What an attribute says must be in a list, where it is there or is `needed`; or `also` must let it pass."""

    def test(node: Node, view: View) -> bool:
        value = node.get(name)
        if value is None and not needed:
            return True
        if where is not None and not where(node):
            return True
        if value in codes(listed) or (not exact and normalized(value or "") in codes(listed)):
            return True
        return also is not None and also(node)

    return Asked(context, test, lambda node, view: _facts(node.get(name) or "", listed))


def _facts(value: str, listed: str) -> Mapping[str, Any]:
    return {"value": normalized(value), "release": release(listed)}


def _object_reference(node: Node) -> bool:
    """BT-18 and BT-128: a reference of type 130."""
    return node.parent is not None and any(
        kind.string == "130" for kind in node.parent.kids.get("cbc:DocumentTypeCode", ())
    )


def _creditor(node: Node) -> bool:
    """BT-90, the creditor of direct debits, whose identifier has the scheme SEPA."""
    return normalized(node.get("schemeID") or "") == "SEPA" and is_within(
        node, "cac:AccountingSupplierParty", "cac:PayeeParty"
    )


def _indicated(value: bool, *steps: str) -> _Applies:
    """That the element around is a charge, or an allowance: the latter where it says both."""

    def applies(node: Node) -> bool:
        found = [node.parent] if node.parent is not None else []
        for step in steps:
            found = [kid for each in found for kid in each.kids.get(step, ())]
        try:
            stated = {as_indicator(each.string) for each in found}
        except Stopped:
            return False
        return stated == {value} or (value is False and False in stated)

    return applies


def _note_subject(node: Node, view: View) -> bool:
    """UBL has the subject (BT-21) in the text of the note, between two number signs: `#AAI#...`."""
    subject = _subject(node)
    return len(subject) != 3 or subject in codes("note_subjects_ubl")


def _subject(node: Node) -> str:
    inside, sign, _ = node.string.partition("#")[2].partition("#")
    return inside if sign else ""


def _other_party(node: Node) -> bool:
    return not is_within(node, "ram:SpecifiedTradeProduct", "ram:ShipToTradeParty")


def _no_registration(node: Node) -> bool:
    return not is_within(node, "ram:SpecifiedTaxRegistration")


def _without_scheme(node: Node) -> bool:
    # One with a scheme is asked for BR-CL-11 instead: the first rule of a pattern that fits an element is its only one.
    return node.get("schemeID") is None


_CHARGE_UBL, _CHARGE_CII = ("cbc:ChargeIndicator",), ("ram:ChargeIndicator", "udt:Indicator")

RULES: tuple[Declaration, ...] = (
    declare(
        "BR-CL-01",
        source=_SOURCE,
        ubl=(_code("cbc:InvoiceTypeCode", "invoice_types"), _code("cbc:CreditNoteTypeCode", "credit_note_types")),
        cii=(
            Asked(
                "rsm:ExchangedDocument/ram:TypeCode",
                lambda node, view: (
                    normalized(node.string) in codes("invoice_types")
                    or normalized(node.string) in codes("credit_note_types")
                ),
                lambda node, view: _facts(node.string, "invoice_types"),
            ),
        ),
    ),
    declare(
        "BR-CL-03",
        source=_SOURCE,
        ubl=_scheme(UBL_AMOUNTS, "currencyID", "currencies", needed=True),
        cii=_scheme("ram:TaxTotalAmount", "currencyID", "currencies"),
    ),
    declare(
        "BR-CL-04",
        source=_SOURCE,
        ubl=_code("cbc:DocumentCurrencyCode", "currencies"),
        cii=_code("ram:InvoiceCurrencyCode", "currencies"),
    ),
    declare(
        "BR-CL-05",
        source=_SOURCE,
        ubl=_code("cbc:TaxCurrencyCode", "currencies"),
        cii=_code("ram:TaxCurrencyCode", "currencies"),
    ),
    declare(
        "BR-CL-06",
        source=_SOURCE,
        ubl=_code("cac:InvoicePeriod/cbc:DescriptionCode", "tax_point_ubl"),
        cii=_code("ram:DueDateTypeCode", "tax_point_cii"),
    ),
    declare(
        "BR-CL-07",
        source=_SOURCE,
        ubl=_scheme(
            "cac:AdditionalDocumentReference/cbc:ID | cac:DocumentReference/cbc:ID",
            "schemeID",
            "object_schemes",
            where=_object_reference,
        ),
        cii=_code("ram:ReferenceTypeCode", "object_schemes"),
    ),
    declare(
        "BR-CL-08",
        source=_SOURCE,
        ubl=Asked("/*/cbc:Note", _note_subject, lambda node, view: _facts(_subject(node), "note_subjects_ubl")),
        cii=_code("ram:SubjectCode", "note_subjects_cii"),
    ),
    declare(
        "BR-CL-10",
        source=_SOURCE,
        ubl=_scheme("cac:PartyIdentification/cbc:ID", "schemeID", "icd", also=_creditor),
        cii=_scheme("ram:GlobalID", "schemeID", "icd", where=_other_party),
    ),
    declare(
        "BR-CL-11",
        source=_SOURCE,
        ubl=_scheme("cac:PartyLegalEntity/cbc:CompanyID", "schemeID", "icd"),
        cii=_scheme("ram:ID", "schemeID", "icd", where=_no_registration),
    ),
    declare(
        "BR-CL-13",
        source=_SOURCE,
        ubl=_scheme("cac:CommodityClassification/cbc:ItemClassificationCode", "listID", "item_classes"),
        cii=_scheme("ram:ClassCode", "listID", "item_classes"),
    ),
    declare(
        "BR-CL-14",
        source=_SOURCE,
        ubl=_code("cac:Country/cbc:IdentificationCode", "countries_ubl"),
        cii=_code("ram:CountryID", "countries_cii"),
    ),
    declare(
        "BR-CL-15",
        source=_SOURCE,
        ubl=_code("cac:OriginCountry/cbc:IdentificationCode", "countries_ubl"),
        cii=_code("ram:OriginTradeCountry/ram:ID", "countries_cii", where=_without_scheme),
    ),
    declare(
        "BR-CL-16",
        source=_SOURCE,
        ubl=_code("cac:PaymentMeans/cbc:PaymentMeansCode", "payment_means"),
        cii=_code("ram:SpecifiedTradeSettlementPaymentMeans/ram:TypeCode", "payment_means"),
    ),
    declare(
        "BR-CL-17",
        source=_SOURCE,
        ubl=_code("cac:TaxCategory/cbc:ID", "vat_categories"),
        cii=_code("ram:CategoryTradeTax/ram:CategoryCode", "vat_categories"),
    ),
    declare(
        "BR-CL-18",
        source=_SOURCE,
        ubl=_code("cac:ClassifiedTaxCategory/cbc:ID", "vat_categories"),
        cii=_code("ram:ApplicableTradeTax/ram:CategoryCode", "vat_categories"),
    ),
    declare(
        "BR-CL-19",
        source=_SOURCE,
        ubl=_code(
            "cac:AllowanceCharge/cbc:AllowanceChargeReasonCode",
            "allowance_reasons",
            where=_indicated(False, *_CHARGE_UBL),
        ),
        cii=_code(
            "ram:SpecifiedTradeAllowanceCharge/ram:ReasonCode",
            "allowance_reasons",
            where=_indicated(False, *_CHARGE_CII),
        ),
    ),
    declare(
        "BR-CL-20",
        source=_SOURCE,
        ubl=_code(
            "cac:AllowanceCharge/cbc:AllowanceChargeReasonCode",
            "charge_reasons",
            where=_indicated(True, *_CHARGE_UBL),
        ),
        cii=_code(
            "ram:SpecifiedTradeAllowanceCharge/ram:ReasonCode",
            "charge_reasons",
            where=_indicated(True, *_CHARGE_CII),
        ),
    ),
    declare(
        "BR-CL-21",
        source=_SOURCE,
        ubl=_scheme("cac:StandardItemIdentification/cbc:ID", "schemeID", "icd"),
        cii=_scheme("ram:SpecifiedTradeProduct/ram:GlobalID", "schemeID", "icd"),
    ),
    declare(
        "BR-CL-22",
        source=_SOURCE,
        ubl=_code("cbc:TaxExemptionReasonCode", "exemption_reasons", upper=True),
        cii=_code("ram:ExemptionReasonCode", "exemption_reasons", upper=True),
    ),
    declare(
        "BR-CL-23",
        source=_SOURCE,
        ubl=_scheme("cbc:InvoicedQuantity | cbc:BaseQuantity | cbc:CreditedQuantity", "unitCode", "units"),
        cii=_scheme("ram:BasisQuantity | ram:BilledQuantity", "unitCode", "units"),
    ),
    declare(
        "BR-CL-24",
        source=_SOURCE,
        ubl=_scheme("cbc:EmbeddedDocumentBinaryObject", "mimeCode", "media_types", exact=True),
        cii=_scheme("ram:AttachmentBinaryObject", "mimeCode", "media_types", exact=True),
    ),
    declare(
        "BR-CL-25",
        source=_SOURCE,
        ubl=_scheme("cbc:EndpointID", "schemeID", "eas"),
        cii=_scheme("ram:URIUniversalCommunication/ram:URIID", "schemeID", "eas"),
    ),
    declare(
        "BR-CL-26",
        source=_SOURCE,
        ubl=_scheme("cac:DeliveryLocation/cbc:ID", "schemeID", "icd"),
        cii=_scheme("ram:ApplicableHeaderTradeDelivery/ram:ShipToTradeParty/ram:GlobalID", "schemeID", "icd"),
    ),
)

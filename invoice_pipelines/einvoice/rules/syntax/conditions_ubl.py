"""Of which elements in UBL the conditional rules of its table speak."""

from __future__ import annotations

from invoice_pipelines.einvoice.rules.engine.paths import path
from invoice_pipelines.einvoice.rules.engine.states import Condition
from invoice_pipelines.einvoice.rules.engine.values import Stopped, as_indicator
from invoice_pipelines.einvoice.rules.engine.walk import Node, View

_OBJECT = "130"
_PROJECT = "50"
_TYPE_CODES = path("cbc:DocumentTypeCode")
_SCHEMES = path("cac:TaxScheme")
_PAYEE_NAMES = path("cac:PartyName/cbc:Name")
_SELLER_NAMES = path("cac:AccountingSupplierParty/cac:Party/cac:PartyLegalEntity/cbc:RegistrationName")


def _types(reference: Node) -> frozenset[str]:
    return frozenset(code.string for code in _TYPE_CODES(reference))


def _other_version(version: Node, view: View) -> bool:
    return "2.1" not in (view.of(version.parent, _versions) or ())


def _versions(invoice: Node) -> frozenset[str]:
    return frozenset(version.string for version in path("cbc:UBLVersionID")(invoice))


def _in_an_invoice(node: Node, view: View) -> bool:
    return view.root.name != "cn:CreditNote"


def _of_no_object(identifier: Node, view: View) -> bool:
    return view.of(identifier.parent, _types) != frozenset((_OBJECT,))


def _of_an_object(node: Node, view: View) -> bool:
    return _OBJECT in (view.of(node.parent, _types) or ())


def _named_elsewhere(node: Node, view: View) -> bool:
    return node.name != "cbc:PaymentMeansCode"


def _many_decimals(amount: Node, view: View) -> bool:
    if len(amount.string.partition(".")[2]) <= 2 or amount.name.endswith("PriceAmount"):
        return False
    around = amount.parent
    while around is not None:
        if around.name == "cac:AllowanceCharge" and around.parent is not None and around.parent.name == "cac:Price":
            return False
        around = around.parent
    return True


def _schemes(registration: Node) -> frozenset[str]:
    """What the tax schemes of a registration say, in capitals; a scheme without a name says nothing."""
    names = (scheme.kids.get("cbc:ID") for scheme in _SCHEMES(registration))
    return frozenset(found[0].string.upper() if found else "" for found in names)


def _of_vat(number: Node, view: View) -> bool:
    return "VAT" in (view.of(number.parent, _schemes) or ())


def _of_another_tax(number: Node, view: View) -> bool:
    return bool((view.of(number.parent, _schemes) or frozenset()) - {"VAT"})


def _sepa(identifier: Node, view: View) -> bool:
    return (identifier.get("schemeID") or "").upper() == "SEPA"


def _sellers(around: Node) -> frozenset[str]:
    return frozenset(name.string for name in _SELLER_NAMES(around))


def _payee_is_seller(payee: Node, view: View) -> bool:
    """Whether no name of the payee is another one than that of the seller; also where one of the two has none."""
    names = {name.string for name in _PAYEE_NAMES(payee)}
    sellers = view.of(payee.parent, _sellers) or frozenset()
    return not names or not sellers or len(names | sellers) == 1


def _payee_name(payee: Node, view: View) -> bool:
    return _payee_is_seller(payee, view) or len(_PAYEE_NAMES(payee)) > 1


def _payee_identifier(payee: Node, view: View) -> bool:
    others = [each for each in path("cac:PartyIdentification/cbc:ID")(payee) if not _sepa(each, view)]
    return _payee_is_seller(payee, view) or len(others) > 1


def _payee_registration(payee: Node, view: View) -> bool:
    return _payee_is_seller(payee, view) or len(path("cac:PartyLegalEntity/cbc:CompanyID")(payee)) > 1


def _of_unknown_type(reference: Node, view: View) -> bool:
    codes = _types(reference)
    if _OBJECT in codes or (_PROJECT in codes and view.root.element.tag.rpartition("}")[2] == "CreditNote"):
        return False
    return bool(codes) or any(each.get("schemeID") is not None for each in path("cbc:ID")(reference))


def _indicators(charge: Node) -> set[bool]:
    """What the indicators of an allowance or charge say; nothing where one cannot be understood."""
    try:
        return {as_indicator(each.string) for each in path("cbc:ChargeIndicator")(charge)}
    except Stopped:
        return set()


def _of_an_allowance(reason: Node, view: View) -> bool:
    return False in (view.of(reason.parent, _indicators) or ())


def _of_a_charge(reason: Node, view: View) -> bool:
    return view.of(reason.parent, _indicators) == {True}


def _without_scheme_or_number(tax: Node, view: View) -> bool:
    return not path("cac:TaxScheme/cbc:ID")(tax) or "cbc:CompanyID" not in tax.kids


UBL: dict[str, Condition] = {
    "UBL-CR-002": _other_version,
    "UBL-CR-412": _in_an_invoice,
    "UBL-CR-665": _of_no_object,
    "UBL-CR-666": _of_an_object,
    "UBL-CR-673": _of_an_object,
    "UBL-DT-01": _many_decimals,
    "UBL-DT-18": _named_elsewhere,
    "UBL-SR-04": _of_an_object,
    "UBL-SR-12": _of_vat,
    "UBL-SR-13": _of_another_tax,
    "UBL-SR-18": _of_vat,
    "UBL-SR-19": _payee_name,
    "UBL-SR-20": _payee_identifier,
    "UBL-SR-21": _payee_registration,
    "UBL-SR-29": _sepa,
    "UBL-SR-30": _of_an_allowance,
    "UBL-SR-31": _of_a_charge,
    "UBL-SR-43": _of_unknown_type,
    "UBL-SR-53": _without_scheme_or_number,
}

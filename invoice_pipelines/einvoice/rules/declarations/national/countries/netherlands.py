"""NL-R-*: what Peppol asks of invoices of sellers in the Netherlands."""

from __future__ import annotations

from decimal import Decimal

from invoice_pipelines.einvoice.rules.declarations.national.countries.parties import (
    BUYER,
    SELLER,
    country_rule,
    of,
    representative_address,
)
from invoice_pipelines.einvoice.rules.declarations.national.shapes import attribute, is_blank
from invoice_pipelines.einvoice.rules.declarations.places import quoted
from invoice_pipelines.einvoice.rules.engine.declaration import Declaration
from invoice_pipelines.einvoice.rules.engine.paths import path
from invoice_pipelines.einvoice.rules.engine.values import decimal, normalized, said
from invoice_pipelines.einvoice.rules.engine.walk import Node, View

_SELLER = of("NL")
_BOTH = of("NL", "NL")
MEANS = frozenset(("30", "48", "49", "57", "58", "59"))
"""How money may be sent within the country."""
REGISTERS = frozenset(("0106", "0190"))
"""KVK and OIN."""
_INVOICE = path("cac:BillingReference/cac:InvoiceDocumentReference/cbc:ID")
_ORDER = path("cac:OrderReference/cbc:ID")


def _with_representative(view: View) -> bool:
    return _SELLER(view) and normalized(view.once(representative_address)).upper() == "NL"


def _address(node: Node, view: View) -> bool:
    return all(name in node.kids for name in ("cbc:StreetName", "cbc:CityName", "cbc:PostalZone"))


def _register(node: Node, view: View) -> bool:
    return node.get("schemeID") in REGISTERS and not is_blank(node.string)


def _means_of_payment(node: Node, view: View) -> bool:
    if "cac:PaymentMeans" in view.index:
        return True
    due = decimal(node.kids.get("cbc:PayableAmount", []))
    if due is None:
        return False
    return due <= Decimal(0) if view.root.name == "ubl:Invoice" else due >= Decimal(0)


_COMPANY = "cac:PartyLegalEntity/cbc:CompanyID"

RULES: tuple[Declaration, ...] = (
    country_rule("NL-R-001", _SELLER, "cbc:CreditNoteTypeCode", lambda node, view: bool(_INVOICE(view.root))),
    country_rule("NL-R-002", _SELLER, f"{SELLER}/cac:PostalAddress", _address, text="NL-R-address"),
    country_rule("NL-R-003", _SELLER, f"{SELLER}/{_COMPANY}", _register, attribute("schemeID"), text="NL-R-register"),
    country_rule("NL-R-004", _BOTH, f"{BUYER}/cac:PostalAddress", _address, text="NL-R-address"),
    country_rule("NL-R-005", _BOTH, f"{BUYER}/{_COMPANY}", _register, attribute("schemeID"), text="NL-R-register"),
    country_rule(
        "NL-R-006", _with_representative, "cac:TaxRepresentativeParty/cac:PostalAddress", _address, text="NL-R-address"
    ),
    country_rule("NL-R-007", _SELLER, "cac:LegalMonetaryTotal", _means_of_payment),
    country_rule(
        "NL-R-008",
        _BOTH,
        "cac:PaymentMeans",
        lambda node, view: said(node.kids.get("cbc:PaymentMeansCode", [])) in MEANS,
        quoted(value="cbc:PaymentMeansCode"),
    ),
    country_rule("NL-R-009", _SELLER, "cac:OrderLineReference/cbc:LineID", lambda node, view: bool(_ORDER(view.root))),
)

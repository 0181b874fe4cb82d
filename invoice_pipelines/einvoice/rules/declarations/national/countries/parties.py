"""Where seller and buyer of a document in UBL are, in the readings that the rules of countries have of it."""

from __future__ import annotations

from collections.abc import Callable

from invoice_pipelines.einvoice.rules.engine.declaration import Asked, Declaration, Facts, Test, declare
from invoice_pipelines.einvoice.rules.engine.paths import path
from invoice_pipelines.einvoice.rules.engine.values import TWICE, Stopped, normalized, said
from invoice_pipelines.einvoice.rules.engine.walk import Node, View
from invoice_pipelines.einvoice.rules.verdict import Severity

SELLER = "cac:AccountingSupplierParty/cac:Party"
BUYER = "cac:AccountingCustomerParty/cac:Party"
_SOURCE = "Peppol BIS Billing 3.0, rules of countries"
_COUNTRY = "/cac:PostalAddress/cac:Country/cbc:IdentificationCode"
_SCHEME = path("cac:TaxScheme/cbc:ID")

Applies = Callable[[View], bool]


def vat_ids(party: Node, *, exact: bool = True) -> list[Node]:
    """The VAT identifiers of a party: of tax schemes that are called VAT, if not `exact` also with blanks around."""
    return [
        each
        for scheme in party.kids.get("cac:PartyTaxScheme", ())
        if any((kind.string if exact else normalized(kind.string)) == "VAT" for kind in _SCHEME(scheme))
        for each in scheme.kids.get("cbc:CompanyID", ())
    ]


def _country_of_vat_id(parties: tuple[Node, ...] | list[Node]) -> str:
    starts = [each.string[:2] for party in parties for each in vat_ids(party)]
    if len(starts) > 1:
        raise Stopped(TWICE)
    return normalized(starts[0]).upper() if starts else ""


_SELLERS, _BUYERS = path(SELLER), path(BUYER)
_REPRESENTATIVES = path("cac:TaxRepresentativeParty")
_SELLER_COUNTRY, _BUYER_COUNTRY = path(SELLER + _COUNTRY), path(BUYER + _COUNTRY)
_REPRESENTATIVE_COUNTRY = path("cac:TaxRepresentativeParty" + _COUNTRY)


def seller_country(view: View) -> str:
    """The country of the seller's VAT identifier, else of its representative's, else of its address."""
    return (
        _country_of_vat_id(list(_SELLERS(view.root)))
        or _country_of_vat_id(list(_REPRESENTATIVES(view.root)))
        or said(_SELLER_COUNTRY(view.root)).upper()
    )


def own_country(view: View) -> str:
    """As `seller_country`, whatever the representative has."""
    return _country_of_vat_id(list(_SELLERS(view.root))) or said(_SELLER_COUNTRY(view.root)).upper()


def buyer_country(view: View) -> str:
    """The country of the buyer's VAT identifier, else of its address."""
    return _country_of_vat_id(list(_BUYERS(view.root))) or said(_BUYER_COUNTRY(view.root)).upper()


def seller_address(view: View) -> str:
    """The country of the seller's address, as it stands there."""
    return "".join(each.string for each in _SELLER_COUNTRY(view.root))


def buyer_address(view: View) -> str:
    """The country of the buyer's address, as it stands there."""
    return "".join(each.string for each in _BUYER_COUNTRY(view.root))


def representative_address(view: View) -> str:
    """The country of the tax representative's address."""
    return "".join(each.string for each in _REPRESENTATIVE_COUNTRY(view.root))


def of(seller: str, buyer: str | None = None) -> Applies:
    """Whether the address of the seller, and that of the buyer if asked for, is in a country."""

    def applies(view: View) -> bool:
        return normalized(view.once(seller_address)).upper() == seller and (
            buyer is None or normalized(view.once(buyer_address)).upper() == buyer
        )

    return applies


def country_rule(
    rule: str,
    applies: Applies,
    context: str,
    test: Test,
    facts: Facts | None = None,
    *,
    warns: bool = False,
    text: str = "",
    in_cii: bool = False,
) -> Declaration:
    """A rule, in UBL if not `in_cii`, that is asked of documents to which `applies` says yes; not of those of which it
    cannot say."""

    def asked(node: Node, view: View) -> bool:
        try:
            is_asked = view.once(applies)
        except Stopped:
            return True
        return not is_asked or test(node, view)

    return declare(
        rule,
        None if in_cii else Asked(context, asked, facts),
        Asked(context, asked, facts) if in_cii else None,
        source=_SOURCE,
        severity=Severity.WARNING if warns else Severity.FATAL,
        text=text,
    )

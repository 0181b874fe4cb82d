"""NO-R-*, SE-R-* and IS-R-*: what Peppol asks of invoices of sellers in Norway, Sweden and Iceland."""

from __future__ import annotations

import re

from invoice_pipelines.einvoice.rules.declarations.national.countries.numbers import (
    has_swedish_check_digit,
    is_norwegian,
    is_number,
)
from invoice_pipelines.einvoice.rules.declarations.national.countries.parties import (
    SELLER,
    buyer_address,
    country_rule,
    seller_address,
    seller_country,
    vat_ids,
)
from invoice_pipelines.einvoice.rules.declarations.national.peppol.periods import moment
from invoice_pipelines.einvoice.rules.declarations.national.shapes import text_of
from invoice_pipelines.einvoice.rules.declarations.places import quoted, stated
from invoice_pipelines.einvoice.rules.engine.declaration import Declaration, Test
from invoice_pipelines.einvoice.rules.engine.paths import path
from invoice_pipelines.einvoice.rules.engine.values import Stopped, normalized, one, said
from invoice_pipelines.einvoice.rules.engine.walk import Node, View

_SCHEME = path("cac:TaxScheme/cbc:ID")
_COUNTRY = path("cac:PostalAddress/cac:Country/cbc:IdentificationCode")
_COMPANY = path("cac:PartyLegalEntity/cbc:CompanyID")


# --- Norway ---


def _from_norway(view: View) -> bool:
    return view.once(seller_country) == "NO"


def _registered(node: Node, view: View) -> bool:
    found = [
        each
        for scheme in node.kids.get("cac:PartyTaxScheme", ())
        if said(_SCHEME(scheme)) == "TAX"
        for each in scheme.kids.get("cbc:CompanyID", ())
    ]
    return said(found) == "Foretaksregisteret"


def _norwegian_vat_id(node: Node, view: View) -> bool:
    numbers = [each.string for each in vat_ids(node, exact=False)]
    if not any(number.startswith("NO") for number in numbers):
        return True
    (number,) = numbers if len(numbers) == 1 else ("",)
    return re.fullmatch(r"NO[0-9]{9}MVA", number) is not None and is_norwegian(number[2:11])


_NORWAY = (
    country_rule("NO-R-001", _from_norway, SELLER, _norwegian_vat_id),
    country_rule("NO-R-002", _from_norway, SELLER, _registered, warns=True),
)


# --- Sweden ---


def _swedish(party: Node) -> bool:
    return any(each.string == "SE" for each in _COUNTRY(party))


def _with_swedish_vat_id(party: Node) -> bool:
    return _swedish(party) and any(each.string.startswith("SE") for each in vat_ids(party))


def _from_sweden(view: View) -> bool:
    return any(_swedish(party) for party in _SELLERS(view.root))


def _from_sweden_with_vat_id(view: View) -> bool:
    return any(_with_swedish_vat_id(party) for party in _SELLERS(view.root))


def _within_sweden(view: View) -> bool:
    return _from_sweden(view) and any(_swedish(party) for party in _BUYERS(view.root))


def _always(view: View) -> bool:
    return True


_SELLERS, _BUYERS = path(SELLER), path("cac:AccountingCustomerParty/cac:Party")


def _vat_id(test: Test) -> Test:
    return lambda node, view: not _with_swedish_vat_id(node) or test(node, view)


def _vat_id_length(node: Node, view: View) -> bool:
    return len(said(vat_ids(node))) == 14


def _vat_id_digits(node: Node, view: View) -> bool:
    number = one(vat_ids(node))
    return number is not None and is_number(number.string[2:14])


def _company(test: Test) -> Test:
    """Asked of the registration of a seller with an address in Sweden."""

    def asked(node: Node, view: View) -> bool:
        party = node.parent
        is_asked = party is not None and _swedish(party) and "cbc:CompanyID" in node.kids
        return not is_asked or test(node, view)

    return asked


def _company_is_number(node: Node, view: View) -> bool:
    company = one(node.kids["cbc:CompanyID"])
    return company is not None and is_number(company.string)


def _f_tax(node: Node, view: View) -> bool:
    scheme = node.parent
    party = scheme.parent if scheme is not None else None
    if scheme is None or party is None or not (_swedish(party) and _COMPANY(party)):
        return True
    kinds = _SCHEME(scheme)
    is_asked = len(kinds) <= 1 and (normalized(kinds[0].string).upper() if kinds else "") != "VAT"
    return not is_asked or normalized(node.string.upper()) == "GODKÄND FÖR F-SKATT"


def _rate(node: Node, view: View) -> bool:
    if not any(each.string == "S" for each in node.kids.get("cbc:ID", ())):
        return True
    rate = one(node.kids.get("cbc:Percent", []))
    return rate is not None and is_number(rate.string) and float(rate.string) in (25, 12, 6)


_BRANCH = path("cac:PayeeFinancialAccount/cac:FinancialInstitutionBranch/cbc:ID")


def _giro(name: str, test: Test) -> Test:
    """Asked of accounts that are paid to by giro."""

    def asked(node: Node, view: View) -> bool:
        means = node.parent.parent if node.parent is not None else None
        if means is None:
            return True
        codes, branches = means.kids.get("cbc:PaymentMeansCode", []), _BRANCH(means)
        is_asked = (
            len(codes) == 1
            and normalized(codes[0].string) == "30"
            and len(branches) == 1
            and normalized(branches[0].string) == f"SE:{name}"
        )
        return not is_asked or test(node, view)

    return asked


def _is_numeric(node: Node, view: View) -> bool:
    return is_number(node.string)


def _code_is_not(*codes: str) -> Test:
    return lambda node, view: not any(each.string in codes for each in node.kids.get("cbc:PaymentMeansCode", ()))


_LEGAL = f"{SELLER}/cac:PartyLegalEntity"
_ACCOUNT = "cac:PaymentMeans/cac:PayeeFinancialAccount/cbc:ID"
_LEGAL_FACTS = quoted(value="cbc:CompanyID")

_SWEDEN = (
    country_rule("SE-R-001", _always, SELLER, _vat_id(_vat_id_length), text="SE-R-vat"),
    country_rule("SE-R-002", _always, SELLER, _vat_id(_vat_id_digits), text="SE-R-vat"),
    country_rule("SE-R-003", _always, _LEGAL, _company(_company_is_number), _LEGAL_FACTS, text="SE-R-company"),
    country_rule(
        "SE-R-004",
        _always,
        _LEGAL,
        _company(lambda node, view: len(said(node.kids["cbc:CompanyID"])) == 10),
        _LEGAL_FACTS,
        text="SE-R-company",
    ),
    country_rule(
        "SE-R-013",
        _always,
        _LEGAL,
        _company(lambda node, view: has_swedish_check_digit(said(node.kids["cbc:CompanyID"]))),
        _LEGAL_FACTS,
        text="SE-R-company",
    ),
    country_rule("SE-R-005", _always, f"{SELLER}/cac:PartyTaxScheme/cbc:CompanyID", _f_tax, text_of),
    country_rule(
        "SE-R-006",
        _from_sweden_with_vat_id,
        "cac:TaxCategory | cac:ClassifiedTaxCategory",
        _rate,
        stated(value="cbc:Percent"),
    ),
    *(
        country_rule(rule, _from_sweden, _ACCOUNT, _giro(name, test), text_of, warns=True, text="SE-R-giro")
        for rule, name, test in (
            ("SE-R-007", "PLUSGIRO", _is_numeric),
            ("SE-R-010", "PLUSGIRO", lambda node, view: 2 <= len(normalized(node.string)) <= 8),
            ("SE-R-008", "BANKGIRO", _is_numeric),
            ("SE-R-009", "BANKGIRO", lambda node, view: len(normalized(node.string)) in (7, 8)),
        )
    ),
    country_rule("SE-R-011", _from_sweden, "cac:PaymentMeans", _code_is_not("50", "56"), warns=True, text="SE-R-means"),
    country_rule("SE-R-012", _within_sweden, "cac:PaymentMeans", _code_is_not("31"), warns=True, text="SE-R-means"),
)


# --- Iceland ---

_TYPE = path("cbc:InvoiceTypeCode|cbc:CreditNoteTypeCode")
_SELLER_COMPANY = path(f"{SELLER}/cac:PartyLegalEntity/cbc:CompanyID")
_BUYER_COMPANY = path("cac:Party/cac:PartyLegalEntity/cbc:CompanyID")
_SELLER_ADDRESS = path(f"{SELLER}/cac:PostalAddress")
_BUYER_ADDRESS = path("cac:Party/cac:PostalAddress")
_LAST_DAY = "EINDAGI"


def _from_iceland(view: View) -> bool:
    return view.once(seller_address) == "IS"


def _within_iceland(view: View) -> bool:
    return _from_iceland(view) and view.once(buyer_address) == "IS"


def _icelandic(companies: list[Node] | tuple[Node, ...]) -> bool:
    return any(each.get("schemeID") == "0196" for each in companies)


def _complete(addresses: list[Node] | tuple[Node, ...]) -> bool:
    return all(any(name in address.kids for address in addresses) for name in ("cbc:StreetName", "cbc:PostalZone"))


def _account_of(code: str) -> Test:
    def test(node: Node, view: View) -> bool:
        means = [
            each
            for each in node.kids.get("cac:PaymentMeans", ())
            if any(one_of.string == code for one_of in each.kids.get("cbc:PaymentMeansCode", ()))
        ]
        accounts = [account for each in means for account in _OWN_ACCOUNT(each)]
        return not means or len(said(accounts)) == 12

    return test


_OWN_ACCOUNT = path("cac:PayeeFinancialAccount/cbc:ID")


def _last_days(node: Node) -> list[Node]:
    return [
        each
        for each in node.kids.get("cac:AdditionalDocumentReference", ())
        if any(said_.string == _LAST_DAY for said_ in each.kids.get("cbc:DocumentDescription", ()))
    ]


def _last_day_is_date(node: Node, view: View) -> bool:
    found = _last_days(node)
    days = [day for each in found for day in each.kids.get("cbc:ID", ())]
    if not found:
        return True
    day = one(days)
    if day is None or len(day.string) != 10:
        return False
    try:
        return bool(moment((day,)))
    except Stopped:
        return False


def _last_day_has_due_date(node: Node, view: View) -> bool:
    return not _last_days(node) or "cbc:DueDate" in node.kids


def _last_day_is_not_sooner(node: Node, view: View) -> bool:
    found = _last_days(node)
    days = [day.string for each in found for day in each.kids.get("cbc:ID", ())]
    return not found or any(due.string <= day for due in node.kids.get("cbc:DueDate", ()) for day in days)


_ICELAND = (
    country_rule(
        "IS-R-001",
        _from_iceland,
        "/*",
        lambda node, view: any(normalized(each.string) in ("380", "381") for each in _TYPE(node)),
        quoted(value="cbc:InvoiceTypeCode|cbc:CreditNoteTypeCode"),
        warns=True,
    ),
    country_rule("IS-R-002", _from_iceland, "/*", lambda node, view: _icelandic(list(_SELLER_COMPANY(node)))),
    country_rule("IS-R-003", _from_iceland, "/*", lambda node, view: _complete(list(_SELLER_ADDRESS(node)))),
    country_rule(
        "IS-R-004",
        _within_iceland,
        "/*/cac:AccountingCustomerParty",
        lambda node, view: _icelandic(list(_BUYER_COMPANY(node))),
    ),
    country_rule(
        "IS-R-005",
        _within_iceland,
        "/*/cac:AccountingCustomerParty",
        lambda node, view: _complete(list(_BUYER_ADDRESS(node))),
    ),
    country_rule("IS-R-006", _from_iceland, "/*", _account_of("9"), text="IS-R-account"),
    country_rule("IS-R-007", _from_iceland, "/*", _account_of("42"), text="IS-R-account"),
    country_rule("IS-R-008", _from_iceland, "/*", _last_day_is_date),
    country_rule("IS-R-009", _from_iceland, "/*", _last_day_has_due_date),
    country_rule("IS-R-010", _from_iceland, "/*", _last_day_is_not_sooner),
)

RULES: tuple[Declaration, ...] = (*_NORWAY, *_SWEDEN, *_ICELAND)

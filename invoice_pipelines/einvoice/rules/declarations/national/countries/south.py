"""IT-R-* and GR-R-*, GR-S-*: what Peppol asks of invoices of sellers in Italy and Greece."""

from __future__ import annotations

import re

from invoice_pipelines.einvoice.rules.declarations.national.countries.numbers import is_greek
from invoice_pipelines.einvoice.rules.declarations.national.countries.parties import (
    BUYER,
    SELLER,
    buyer_country,
    country_rule,
    own_country,
    seller_country,
    vat_ids,
)
from invoice_pipelines.einvoice.rules.declarations.national.shapes import exists, text_of
from invoice_pipelines.einvoice.rules.declarations.places import quoted
from invoice_pipelines.einvoice.rules.engine.declaration import Declaration, Test
from invoice_pipelines.einvoice.rules.engine.paths import path
from invoice_pipelines.einvoice.rules.engine.values import normalized, one, said
from invoice_pipelines.einvoice.rules.engine.walk import Node, View

_SCHEME = path("cac:TaxScheme/cbc:ID")


# --- Italy ---


def _from_italy(view: View) -> bool:
    return view.once(seller_country) == "IT"


def _tax_number(node: Node, view: View) -> bool:
    kinds = _SCHEME(node)
    if len(kinds) > 1 or (kinds and normalized(kinds[0].string) == "VAT"):
        return True
    return re.fullmatch(r"[A-Z0-9]{11,16}", said(node.kids.get("cbc:CompanyID", []))) is not None


_ITALY = (
    country_rule("IT-R-001", _from_italy, f"{SELLER}/cac:PartyTaxScheme", _tax_number, quoted(value="cbc:CompanyID")),
    country_rule("IT-R-002", _from_italy, SELLER, exists("cac:PostalAddress/cbc:StreetName"), text="IT-R-address"),
    country_rule("IT-R-003", _from_italy, SELLER, exists("cac:PostalAddress/cbc:CityName"), text="IT-R-address"),
    country_rule("IT-R-004", _from_italy, SELLER, exists("cac:PostalAddress/cbc:PostalZone"), text="IT-R-address"),
)


# --- Greece ---

_GREEK = ("GR", "EL")
_KINDS = frozenset(("1.1", "1.6", "2.1", "2.4", "5.1", "5.2", ""))
_DATE = re.compile(r"(0?[1-9]|[12][0-9]|3[01])[-\\/ ]?(0?[1-9]|1[0-2])[-\\/ ]?(19|20)[0-9]{2}")
_MARK, _URL = "##M.AR.K##", "##INVOICE|URL##"
_NAME = path("cac:PartyName/cbc:Name")
_LINK = path("cac:Attachment/cac:ExternalReference/cbc:URI")
_SELLERS, _REPRESENTATIVES = path(SELLER), path("cac:TaxRepresentativeParty")
_ADDRESS = path(f"{SELLER}/cac:PostalAddress/cac:Country/cbc:IdentificationCode")


def _from_greece(view: View) -> bool:
    return view.once(seller_country) in _GREEK


def _of_greece(view: View) -> bool:
    return view.once(own_country) in _GREEK


def _within_greece(view: View) -> bool:
    return _from_greece(view) and view.once(buyer_country) in _GREEK


def _from_greece_by_address(view: View) -> bool:
    return _from_greece(view) and any(each.string == "GR" for each in _ADDRESS(view.root))


def _parts(node: Node) -> list[str]:
    parts = node.string.split("|")
    return parts + [""] * (6 - len(parts))


def _tax_numbers(view: View) -> frozenset[str]:
    """The tax numbers of seller and representative."""
    parties = (*_SELLERS(view.root), *_REPRESENTATIVES(view.root))
    return frozenset(each.string[2:11] for party in parties for each in vat_ids(party))


def _number_of_seller(node: Node, view: View) -> bool:
    first = _parts(node)[0]
    return len(normalized(first)) == 9 and is_greek(first) and first in view.once(_tax_numbers)


def _date_of_issue(node: Node, view: View) -> bool:
    second = _parts(node)[1]
    issued = one(view.root.kids.get("cbc:IssueDate", []))
    given = second.split("/")
    stated = (issued.string if issued is not None else "").split("-")
    return _DATE.match(second) is not None and len(given) >= 3 and len(stated) >= 3 and given[:3] == stated[2::-1]


def _whole_number(node: Node, view: View) -> bool:
    return re.fullmatch(r"[ \t\r\n]*\+?[0-9]+[ \t\r\n]*", _parts(node)[2]) is not None


def _kind(node: Node, view: View) -> bool:
    fourth = _parts(node)[3]
    return normalized(fourth) != "" and fourth in _KINDS


def _part(number: int) -> Test:
    return lambda node, view: _parts(node)[number] != ""


def _is_named(node: Node, view: View) -> bool:
    name = one(_NAME(node))
    return name is not None and name.string != ""


def _one_greek_vat_id(node: Node, view: View) -> bool:
    numbers = vat_ids(node, exact=False)
    return len(numbers) == 1 and _is_greek_vat_id(numbers[0].string)


def _is_greek_vat_id(text: str) -> bool:
    return text[:2] == "EL" and is_greek(text[2:])


def _vat_id(node: Node, view: View) -> bool:
    kinds = _SCHEME(node.parent) if node.parent is not None else ()
    is_asked = len(kinds) == 1 and normalized(kinds[0].string) == "VAT"
    return not is_asked or _is_greek_vat_id(node.string)


def _described(node: Node, description: str) -> list[Node]:
    return [
        each
        for each in node.kids.get("cac:AdditionalDocumentReference", ())
        if any(text.string == description for text in each.kids.get("cbc:DocumentDescription", ()))
    ]


def _is_described(document: Node | None, description: str) -> bool:
    return document is not None and any(
        each.string == description for each in document.kids.get("cbc:DocumentDescription", ())
    )


def _mark(node: Node, view: View) -> bool:
    return not _is_described(node.parent, _MARK) or re.match(r"[1-9][0-9]*", node.string) is not None


def _link(node: Node, view: View) -> bool:
    return not _is_described(node, _URL) or said(_LINK(node)) != ""


def _address(node: Node, view: View) -> bool:
    return node.get("schemeID") == "9933" and is_greek(node.string)


_ID = "/*/cbc:ID"

_GREECE = (
    country_rule("GR-R-001-1", _from_greece, _ID, lambda node, view: node.string.count("|") == 5, text_of),
    *(
        country_rule(f"GR-R-001-{number}", _from_greece, _ID, test, text_of)
        for number, test in enumerate(
            (_number_of_seller, _date_of_issue, _whole_number, _kind, _part(4), _part(5)), start=2
        )
    ),
    country_rule("GR-R-002", _from_greece, SELLER, _is_named, text="GR-R-name"),
    country_rule("GR-S-011", _from_greece, SELLER, _one_greek_vat_id, warns=True, text="GR-R-vat"),
    country_rule("GR-R-003", _from_greece, f"{SELLER}/cac:PartyTaxScheme/cbc:CompanyID", _vat_id, text="GR-R-vat"),
    country_rule("GR-R-004-1", _from_greece_by_address, "/*", lambda node, view: len(_described(node, _MARK)) == 1),
    country_rule(
        "GR-R-004-2", _from_greece_by_address, "cac:AdditionalDocumentReference/cbc:ID", _mark, text="GR-R-004-1"
    ),
    country_rule(
        "GR-S-008-1",
        _from_greece_by_address,
        "/*",
        lambda node, view: len(_described(node, _URL)) == 1,
        warns=True,
        text="GR-R-url",
    ),
    country_rule(
        "GR-R-008-2",
        _from_greece_by_address,
        "/*",
        lambda node, view: len(_described(node, _URL)) <= 1,
        text="GR-R-url",
    ),
    country_rule("GR-R-008-3", _from_greece, "cac:AdditionalDocumentReference", _link, text="GR-R-url"),
    country_rule("GR-R-005", _from_greece, BUYER, _is_named, text="GR-R-name"),
    country_rule("GR-R-006", _within_greece, BUYER, _one_greek_vat_id, text="GR-R-vat"),
    country_rule("GR-R-009", _of_greece, f"{SELLER}/cbc:EndpointID", _address, text_of, text="GR-R-endpoint"),
    country_rule("GR-R-010", _within_greece, f"{BUYER}/cbc:EndpointID", _address, text_of, text="GR-R-endpoint"),
)

RULES: tuple[Declaration, ...] = (*_ITALY, *_GREECE)

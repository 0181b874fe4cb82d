"""The rules of countries in CII, where Peppol has them: Norway, Denmark, Italy, Sweden and the Netherlands.

They look for VAT identifiers by the scheme VAT, though CII calls it VA: what Peppol published is what it asks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial

from invoice_pipelines.einvoice.rules.declarations.national.countries import denmark, netherlands
from invoice_pipelines.einvoice.rules.declarations.national.countries.numbers import (
    has_swedish_check_digit,
    is_norwegian,
    is_number,
)
from invoice_pipelines.einvoice.rules.declarations.national.countries.parties import country_rule
from invoice_pipelines.einvoice.rules.declarations.national.peppol.document import own_text
from invoice_pipelines.einvoice.rules.declarations.national.places import AGREEMENT, BUYER, LINES, SELLER, SETTLEMENT
from invoice_pipelines.einvoice.rules.declarations.national.shapes import attribute, exists, is_blank, text_of
from invoice_pipelines.einvoice.rules.declarations.places import quoted, stated
from invoice_pipelines.einvoice.rules.engine.declaration import Declaration, Test
from invoice_pipelines.einvoice.rules.engine.paths import path
from invoice_pipelines.einvoice.rules.engine.values import TWICE, Stopped, decimal, normalized, one, one_text, said
from invoice_pipelines.einvoice.rules.engine.walk import Node, View

_REPRESENTATIVE = AGREEMENT + "ram:SellerTaxRepresentativeTradeParty"
_COUNTRY = "ram:PostalTradeAddress/ram:CountryID"
_MEANS = SETTLEMENT + "ram:SpecifiedTradeSettlementPaymentMeans"
_CHARGES = SETTLEMENT + "ram:SpecifiedTradeAllowanceCharge"
_TOTALS = SETTLEMENT + "ram:SpecifiedTradeSettlementHeaderMonetarySummation"
_LEGAL = "ram:SpecifiedLegalOrganization"

_sellers, _buyers, _representatives = path(SELLER), path(BUYER), path(_REPRESENTATIVE)
_country, _legal_id = path(_COUNTRY), path(f"{_LEGAL}/ram:ID")
_seller_countries, _buyer_countries = path(f"{SELLER}/{_COUNTRY}"), path(f"{BUYER}/{_COUNTRY}")
_representative_countries = path(f"{_REPRESENTATIVE}/{_COUNTRY}")
_type = path("rsm:ExchangedDocument/ram:TypeCode")
_iban = path("ram:PayeePartyCreditorFinancialAccount/ram:IBANID")
_bic = path("ram:PayeeSpecifiedCreditorFinancialInstitution/ram:BICID")


_rule = partial(country_rule, in_cii=True)


def _vat_registrations(party: Node) -> list[Node]:
    return [
        each
        for each in party.kids.get("ram:SpecifiedTaxRegistration", ())
        if any(number.get("schemeID") == "VAT" for number in each.kids.get("ram:ID", ()))
    ]


def _vat_ids(party: Node) -> list[Node]:
    """The identifiers with the scheme VAT. Raises `Stopped` where a registration has two of any scheme."""
    found = (one(each.kids["ram:ID"]) for each in _vat_registrations(party))
    return [each for each in found if each is not None]


def _seller_country(view: View) -> str:
    """The country of the seller's VAT identifier, else of its representative's, else of its address."""
    for parties in (_sellers(view.root), _representatives(view.root)):
        starts = [each.string[:2] for party in parties for each in _vat_ids(party)]
        if len(starts) > 1:
            raise Stopped(TWICE)
        if starts and starts[0]:
            return normalized(starts[0]).upper()
    return said(_seller_countries(view.root)).upper()


# --- Norway ---


def _from_norway(view: View) -> bool:
    return view.once(_seller_country) == "NO"


def _registered(node: Node, view: View) -> bool:
    return any(
        each.get("schemeID") == "FC" and normalized(each.string) == "Foretaksregisteret"
        for registration in node.kids.get("ram:SpecifiedTaxRegistration", ())
        for each in registration.kids.get("ram:ID", ())
    )


def _norwegian_vat_id(node: Node, view: View) -> bool:
    found = _vat_ids(node)
    if not any(each.string.startswith("NO") for each in found):
        return True
    number = one(found)
    return (
        number is not None
        and re.fullmatch(r"NO[0-9]{9}MVA", number.string) is not None
        and is_norwegian(number.string[2:11])
    )


_NORWAY = (
    _rule("NO-R-001", _from_norway, "ram:SellerTradeParty", _norwegian_vat_id),
    _rule("NO-R-002", _from_norway, "ram:SellerTradeParty", _registered, warns=True),
)


# --- Denmark ---


def _from_denmark(view: View) -> bool:
    return any(each.string == "DK" for each in _seller_countries(view.root))


def _to_denmark(view: View) -> bool:
    return any(each.string == "DK" for each in _buyer_countries(view.root))


def _within_denmark(view: View) -> bool:
    return _from_denmark(view) and _to_denmark(view)


_seller_legal_ids = path(f"{SELLER}/{_LEGAL}/ram:ID")
_reasons, _reason_codes = path(f"{_CHARGES}/ram:Reason"), path(f"{_CHARGES}/ram:ReasonCode")
_global_ids = (path(f"{SELLER}/ram:GlobalID"), path(f"{BUYER}/ram:GlobalID"))
_due = path(f"{_TOTALS}/ram:DuePayableAmount")
_classes = path("ram:SpecifiedTradeProduct/ram:DesignatedProductClassification/ram:ClassCode")
_references, _creditors = path("../ram:PaymentReference"), path("../ram:CreditorReferenceID")
# Such terms stand beside the means of payment, not in them: no direct debit within Denmark keeps this rule.
_mandates = path("ram:SpecifiedTradePaymentTerms/ram:DirectDebitMandateID")


def _scheme(nodes: Sequence[Node]) -> str:
    return normalized(one([scheme for each in nodes if (scheme := each.get("schemeID")) is not None]) or "")


def _tax_that_is_not_vat(node: Node, view: View) -> bool:
    if not any(each.string == "ZZZ" for each in _reason_codes(node)):
        return True
    reason = one(_reasons(node))
    if reason is None:
        return False
    text = reason.string
    is_code = is_number(text) and 0 <= float(text) <= 9999
    return (len(own_text((reason,))) == 4 and is_code) or (
        "#" in text and not text.startswith("#") and not text.endswith("#")
    )


def _global_ids_have_schemes(node: Node, view: View) -> bool:
    return all(not found(node) or _scheme(found(node)) != "" for found in _global_ids)


def _company_is_cvr(node: Node, view: View) -> bool:
    companies = _seller_legal_ids(node)
    return not companies or _scheme(companies) == "0184"


def _credit_is_positive(node: Node, view: View) -> bool:
    if own_text(_type(node)) != "381":
        return True
    due = own_text(_due(node))
    return not is_number(due) or not due.startswith("-") or float(due) == 0


def _for(*codes: str) -> Callable[[Test], Test]:
    """A test that is asked of means of payment with one of these codes."""

    def asked_of(test: Test) -> Test:
        return lambda node, view: (
            not any(each.string in codes for each in node.kids.get("ram:TypeCode", ())) or test(node, view)
        )

    return asked_of


def _reference(node: Node) -> str:
    reference = one(_references(node))
    return "" if reference is None else reference.string


def _is_account_of(node: Node, length: int) -> bool:
    account = one(_iban(node))
    return account is not None and len(account.text or "") == length


def _begins(*starts: str, length: int | None = None) -> Test:
    """How the reference begins, and how long the account is if that is asked."""
    return lambda node, view: _reference(node)[:3] in starts and (length is None or _is_account_of(node, length))


def _has_length(*lengths: int, starts: tuple[str, ...]) -> Test:
    return lambda node, view: _reference(node)[:3] not in starts or len(_reference(node)) in lengths


def _code_is_danish(node: Node, view: View) -> bool:
    code = one(node.kids.get("ram:TypeCode", []))
    return f" {'' if code is None else code.string} " in " 1 10 31 42 48 49 50 58 59 93 97 "


def _classes_are_known(node: Node, view: View) -> bool:
    classes = _classes(node)
    return not any(each.get("listID") == "TST" for each in classes) or any(
        each.get("listVersionID") in denmark.VERSIONS for each in classes
    )


_PAYMENT = quoted(reference="../ram:PaymentReference", account="ram:PayeePartyCreditorFinancialAccount/ram:IBANID")

_DENMARK = (
    _rule("DK-R-002", _from_denmark, "/*", lambda node, view: own_text(_seller_legal_ids(node)) != ""),
    _rule("DK-R-003", _within_denmark, f"/*/{LINES}", _classes_are_known, warns=True),
    _rule("DK-R-004", _within_denmark, "/*", _tax_that_is_not_vat, quoted(value=f"{_CHARGES}/ram:Reason")),
    _rule("DK-R-005", _within_denmark, f"/*/{_MEANS}", _code_is_danish, quoted(value="ram:TypeCode")),
    _rule(
        "DK-R-006",
        _within_denmark,
        f"/*/{_MEANS}",
        _for("31", "42")(lambda node, view: own_text(_iban(node)) != "" and own_text(_bic(node)) != ""),
    ),
    _rule(
        "DK-R-007",
        _within_denmark,
        f"/*/{_MEANS}",
        _for("49")(lambda node, view: own_text(_creditors(node)) != "" and own_text(_mandates(node)) != ""),
    ),
    *(
        _rule(rule, _within_denmark, f"/*/{_MEANS}", _for(code)(test), _PAYMENT)
        for rule, code, test in (
            ("DK-R-008", "50", _begins("01#", "04#", "15#", length=7)),
            ("DK-R-009", "50", _has_length(19, starts=("04#", "15#"))),
            ("DK-R-010", "93", _begins("71#", "73#", "75#", length=8)),
            ("DK-R-011", "93", _has_length(18, 19, starts=("71#", "75#"))),
        )
    ),
    _rule("DK-R-013", _within_denmark, "/*", _global_ids_have_schemes),
    _rule("DK-R-014", _from_denmark, "/*", _company_is_cvr),
    _rule("DK-R-016", _within_denmark, "/*", _credit_is_positive),
)


# --- Italy ---


def _from_italy(view: View) -> bool:
    return view.once(_seller_country) == "IT"


def _tax_number(node: Node, view: View) -> bool:
    of_tax = [each for each in node.kids.get("ram:ID", ()) if normalized(each.get("schemeID") or "") == "FC"]
    if len(of_tax) < len(node.kids.get("ram:ID", ())):
        return True
    return re.fullmatch(r"[A-Z0-9]{11,16}", said(of_tax)) is not None


_ITALY = (
    _rule(
        "IT-R-001",
        _from_italy,
        "ram:SellerTradeParty/ram:SpecifiedTaxRegistration",
        _tax_number,
        quoted(value="ram:ID"),
    ),
    *(
        _rule(
            rule, _from_italy, "ram:SellerTradeParty", exists(f"ram:PostalTradeAddress/ram:{name}"), text="IT-R-address"
        )
        for rule, name in (("IT-R-002", "LineOne"), ("IT-R-003", "CityName"), ("IT-R-004", "PostcodeCode"))
    ),
)


# --- Sweden ---


def _swedish(party: Node) -> bool:
    return any(each.string == "SE" for each in _country(party))


def _vat_numbers(party: Node) -> list[Node]:
    """The numbers with the scheme VAT themselves."""
    registrations = _vat_registrations(party)
    return [each for one_of in registrations for each in one_of.kids["ram:ID"] if each.get("schemeID") == "VAT"]


def _with_swedish_vat_id(party: Node) -> bool:
    return _swedish(party) and any(each.string.startswith("SE") for each in _vat_numbers(party))


def _always(view: View) -> bool:
    return True


def _from_sweden(view: View) -> bool:
    return any(map(_swedish, _sellers(view.root)))


def _from_sweden_with_vat_id(view: View) -> bool:
    return any(map(_with_swedish_vat_id, _sellers(view.root)))


def _within_sweden(view: View) -> bool:
    return _from_sweden(view) and any(map(_swedish, _buyers(view.root)))


def _of_vat_id(test: Callable[[str], bool]) -> Test:
    return lambda node, view: not _with_swedish_vat_id(node) or test(one_text(_vat_numbers(node)))


def _of_company(test: Callable[[str], bool]) -> Test:
    def asked(node: Node, view: View) -> bool:
        party, numbers = node.parent, node.kids.get("ram:ID", [])
        return party is None or not numbers or not _swedish(party) or test(one_text(numbers))

    return asked


def _f_tax(node: Node, view: View) -> bool:
    party = node.parent.parent if node.parent is not None else None
    is_asked = node.get("schemeID") == "FC" and party is not None and _swedish(party) and bool(_legal_id(party))
    return not is_asked or normalized(node.string.upper()) == "GODKÄND FÖR F-SKATT"


def _rate(node: Node, view: View) -> bool:
    rate = one(node.kids.get("ram:RateApplicablePercent", []))
    return rate is not None and is_number(rate.string) and float(rate.string.replace("INF", "inf")) in (25, 12, 6)


def _giro(name: str, test: Callable[[str], bool]) -> Test:
    """Asked of accounts that are paid to by giro."""

    def asked(node: Node, view: View) -> bool:
        means = node.parent.parent if node.parent is not None else None
        if means is None:
            return True
        codes = [normalized(each.string) for each in means.kids.get("ram:TypeCode", ())]
        banks = [normalized(each.string) for each in _bic(means)]
        return codes != ["30"] or banks != [f"SE:{name}"] or test(normalized(node.string))

    return asked


def _code_is_not(*codes: str) -> Test:
    def test(node: Node, view: View) -> bool:
        found = [normalized(each.string) for each in node.kids.get("ram:TypeCode", ())]
        return len(found) != 1 or found[0] not in codes

    return test


_SWEDISH_ACCOUNT = f"/*/{_MEANS}/ram:PayeePartyCreditorFinancialAccount/ram:ProprietaryID"

_SWEDEN = (
    *(
        _rule(rule, _always, f"/*/{SELLER}", _of_vat_id(test), text="SE-R-vat")
        for rule, test in (
            ("SE-R-001", lambda text: len(normalized(text)) == 14),
            ("SE-R-002", lambda text: is_number(text[2:14])),
        )
    ),
    *(
        _rule(rule, _always, f"/*/{SELLER}/{_LEGAL}", _of_company(test), quoted(value="ram:ID"), text="SE-R-company")
        for rule, test in (
            ("SE-R-003", is_number),
            ("SE-R-004", lambda text: len(normalized(text)) == 10),
            ("SE-R-013", lambda text: has_swedish_check_digit(normalized(text))),
        )
    ),
    _rule("SE-R-005", _always, f"/*/{SELLER}/ram:SpecifiedTaxRegistration/ram:ID", _f_tax, text_of),
    _rule(
        "SE-R-006",
        _from_sweden_with_vat_id,
        "ram:ApplicableTradeTax | ram:CategoryTradeTax",
        _rate,
        stated(value="ram:RateApplicablePercent"),
    ),
    *(
        _rule(rule, _from_sweden, _SWEDISH_ACCOUNT, _giro(name, test), text_of, warns=True, text="SE-R-giro")
        for rule, name, test in (
            ("SE-R-007", "PLUSGIRO", is_number),
            ("SE-R-010", "PLUSGIRO", lambda text: 2 <= len(text) <= 8),
            ("SE-R-008", "BANKGIRO", is_number),
            ("SE-R-009", "BANKGIRO", lambda text: len(text) in (7, 8)),
        )
    ),
    _rule("SE-R-011", _from_sweden, f"/*/{_MEANS}", _code_is_not("50", "56"), warns=True, text="SE-R-means"),
    _rule("SE-R-012", _within_sweden, f"/*/{_MEANS}", _code_is_not("31"), warns=True, text="SE-R-means"),
)


# --- the Netherlands ---


def _from_netherlands(view: View) -> bool:
    return said(_seller_countries(view.root)).upper() == "NL"


def _within_netherlands(view: View) -> bool:
    return _from_netherlands(view) and said(_buyer_countries(view.root)).upper() == "NL"


def _represented_there(view: View) -> bool:
    return _from_netherlands(view) and said(_representative_countries(view.root)).upper() == "NL"


_invoices = path(f"{SETTLEMENT}ram:InvoiceReferencedDocument/ram:IssuerAssignedID")
_means = path(_MEANS)
_orders = path(f"{AGREEMENT}ram:BuyerOrderReferencedDocument/ram:IssuerAssignedID")
_CREDITS = frozenset(("81", "83", "381", "396", "532"))


def _names_invoice(node: Node, view: View) -> bool:
    codes = [normalized(each.string) for each in node.kids.get("ram:TypeCode", ())]
    return len(codes) != 1 or codes[0] not in _CREDITS or bool(_invoices(view.root))


def _address(node: Node, view: View) -> bool:
    return all(name in node.kids for name in ("ram:LineOne", "ram:CityName", "ram:PostcodeCode"))


def _register(node: Node, view: View) -> bool:
    return not netherlands.REGISTERS.isdisjoint((node.get("schemeID") or "").split(" ")) and not is_blank(node.string)


def _means_of_payment(node: Node, view: View) -> bool:
    if _means(view.root):
        return True
    due = decimal(node.kids.get("ram:DuePayableAmount", []))
    if due is None:
        return False
    return due >= 0 if own_text(_type(view.root)) == "381" else due <= 0


_SCHEME_ID = attribute("schemeID")
_ADDRESS = "ram:PostalTradeAddress"

_NETHERLANDS = (
    _rule("NL-R-001", _from_netherlands, "/*/rsm:ExchangedDocument", _names_invoice),
    _rule("NL-R-002", _from_netherlands, f"/*/{SELLER}/{_ADDRESS}", _address, text="NL-R-address"),
    _rule("NL-R-003", _from_netherlands, f"/*/{SELLER}/{_LEGAL}/ram:ID", _register, _SCHEME_ID, text="NL-R-register"),
    _rule("NL-R-004", _within_netherlands, f"/*/{BUYER}/{_ADDRESS}", _address, text="NL-R-address"),
    _rule("NL-R-005", _within_netherlands, f"/*/{BUYER}/{_LEGAL}/ram:ID", _register, _SCHEME_ID, text="NL-R-register"),
    _rule("NL-R-006", _represented_there, f"/*/{_REPRESENTATIVE}/{_ADDRESS}", _address, text="NL-R-address"),
    _rule("NL-R-007", _from_netherlands, f"/*/{_TOTALS}", _means_of_payment),
    _rule(
        "NL-R-008",
        _within_netherlands,
        f"/*/{_MEANS}",
        lambda node, view: said(node.kids.get("ram:TypeCode", [])) in netherlands.MEANS,
        quoted(value="ram:TypeCode"),
    ),
    _rule(
        "NL-R-009",
        _from_netherlands,
        f"/*/{LINES}/ram:SpecifiedLineTradeAgreement/ram:BuyerOrderReferencedDocument/ram:LineID",
        lambda node, view: bool(_orders(view.root)),
    ),
)

RULES: tuple[Declaration, ...] = (*_NORWAY, *_DENMARK, *_ITALY, *_SWEDEN, *_NETHERLANDS)

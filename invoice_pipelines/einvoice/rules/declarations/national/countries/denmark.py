"""DK-R-*: what Peppol asks of invoices of sellers in Denmark, most of it where the buyer is there, too."""

from __future__ import annotations

import re

from invoice_pipelines.einvoice.rules.declarations.national.countries.parties import (
    BUYER,
    SELLER,
    buyer_address,
    country_rule,
    seller_address,
)
from invoice_pipelines.einvoice.rules.declarations.national.peppol.document import own_text
from invoice_pipelines.einvoice.rules.declarations.places import quoted
from invoice_pipelines.einvoice.rules.engine.declaration import Declaration, Test
from invoice_pipelines.einvoice.rules.engine.paths import path
from invoice_pipelines.einvoice.rules.engine.values import normalized, one
from invoice_pipelines.einvoice.rules.engine.walk import Node, View

_CODES = frozenset(["1", "10", "31", "42", "48", "49", "50", "58", "59", "93", "97"])
VERSIONS = frozenset(("19.05.01", "19.0501", "26.08.01", "26.0801"))
"""Versions of UNSPSC, by which items may be classified."""
_NUMBER = re.compile(r"[ \t\r\n]*-?([0-9]+(\.[0-9]*)?|\.[0-9]+)[ \t\r\n]*")

_COMPANY = path(f"{SELLER}/cac:PartyLegalEntity/cbc:CompanyID")
_DUE = path("cac:LegalMonetaryTotal/cbc:PayableAmount")
_ACCOUNT = path("cac:PayeeFinancialAccount/cbc:ID")
_BRANCH = path("cac:PayeeFinancialAccount/cac:FinancialInstitutionBranch/cbc:ID")
_MANDATE = path("cac:PaymentMandate/cbc:ID")
_DEBITED = path("cac:PaymentMandate/cac:PayerFinancialAccount/cbc:ID")
_CLASS = path("cac:Item/cac:CommodityClassification/cbc:ItemClassificationCode")


def _seller(view: View) -> bool:
    return view.once(seller_address) == "DK"


def _both(view: View) -> bool:
    return _seller(view) and view.once(buyer_address) == "DK"


def _has_company(node: Node, view: View) -> bool:
    return own_text(_COMPANY(node)) != ""


def _company_is_cvr(node: Node, view: View) -> bool:
    company = one(_COMPANY(node))
    return company is None or normalized(company.get("schemeID") or "") == "0184"


def _credit_is_positive(node: Node, view: View) -> bool:
    if view.root.name != "cn:CreditNote" or view.once(buyer_address) != "DK":
        return True
    due = own_text(_DUE(node))
    return _NUMBER.fullmatch(due) is None or not due.startswith("-") or float(due) == 0


def _identifier_has_scheme(node: Node, view: View) -> bool:
    identifier = one(node.kids.get("cbc:ID", []))
    return identifier is None or normalized(identifier.get("schemeID") or "") != ""


def _says(node: Node, code: str) -> bool:
    return any(each.string == code for each in node.kids.get("cbc:PaymentMeansCode", ()))


def _reference(node: Node) -> str:
    reference = one(node.kids.get("cbc:PaymentID", []))
    return "" if reference is None else reference.string


def _account(node: Node) -> str:
    account = one(_ACCOUNT(node))
    return "" if account is None else account.string


def _for(code: str, test: Test) -> Test:
    return lambda node, view: not _says(node, code) or test(node, view)


def _bank(node: Node, view: View) -> bool:
    if not (_says(node, "31") or _says(node, "42")):
        return True
    return own_text(_ACCOUNT(node)) != "" and own_text(_BRANCH(node)) != ""


def _mandate(node: Node, view: View) -> bool:
    return own_text(_MANDATE(node)) != "" and own_text(_DEBITED(node)) != ""


def _giro(node: Node, view: View) -> bool:
    return _reference(node)[:3] in ("01#", "04#", "15#") and re.fullmatch(r"[0-9]{7,8}", _account(node)) is not None


def _giro_reference(node: Node, view: View) -> bool:
    return _reference(node)[:3] not in ("04#", "15#") or len(_reference(node)) == 19


def _creditor(node: Node, view: View) -> bool:
    account = one(_ACCOUNT(node))
    return _reference(node)[:3] in ("71#", "73#", "75#") and account is not None and len(account.text or "") == 8


def _creditor_reference(node: Node, view: View) -> bool:
    return _reference(node)[:3] not in ("71#", "75#") or len(_reference(node)) in (18, 19)


def _code_is_danish(node: Node, view: View) -> bool:
    code = one(node.kids.get("cbc:PaymentMeansCode", []))
    return code is not None and code.string in _CODES


def _classes(node: Node, view: View) -> bool:
    classes = _CLASS(node)
    return not any(each.get("listID") == "TST" for each in classes) or any(
        each.get("listVersionID") in VERSIONS for each in classes
    )


def _tax_that_is_not_vat(node: Node, view: View) -> bool:
    if not any(each.string == "ZZZ" for each in node.kids.get("cbc:AllowanceChargeReasonCode", ())):
        return True
    reason = one(node.kids.get("cbc:AllowanceChargeReason", []))
    if reason is None:
        return False
    text = reason.string
    is_number = _NUMBER.fullmatch(text) is not None and 0 <= float(text) <= 9999
    return (len(own_text((reason,))) == 4 and is_number) or (
        "#" in text and not text.startswith("#") and not text.endswith("#")
    )


_MEANS = "ubl:Invoice/cac:PaymentMeans"
_FACTS = quoted(reference="cbc:PaymentID", account="cac:PayeeFinancialAccount/cbc:ID")

RULES: tuple[Declaration, ...] = (
    country_rule("DK-R-002", _seller, "/*", _has_company),
    country_rule("DK-R-003", _both, "/*/cac:InvoiceLine | /*/cac:CreditNoteLine", _classes, warns=True),
    country_rule(
        "DK-R-004", _both, "cac:AllowanceCharge", _tax_that_is_not_vat, quoted(value="cbc:AllowanceChargeReason")
    ),
    country_rule("DK-R-005", _both, _MEANS, _code_is_danish, quoted(value="cbc:PaymentMeansCode")),
    country_rule("DK-R-006", _both, _MEANS, _bank),
    country_rule("DK-R-007", _both, _MEANS, _for("49", _mandate)),
    country_rule("DK-R-008", _both, _MEANS, _for("50", _giro), _FACTS),
    country_rule("DK-R-009", _both, _MEANS, _for("50", _giro_reference), _FACTS),
    country_rule("DK-R-010", _both, _MEANS, _for("93", _creditor), _FACTS),
    country_rule("DK-R-011", _both, _MEANS, _for("93", _creditor_reference), _FACTS),
    country_rule(
        "DK-R-013",
        _both,
        f"/*/{SELLER}/cac:PartyIdentification | /*/{BUYER}/cac:PartyIdentification",
        _identifier_has_scheme,
    ),
    country_rule("DK-R-014", _seller, "/*", _company_is_cvr),
    country_rule("DK-R-016", _seller, "/*", _credit_is_positive),
)

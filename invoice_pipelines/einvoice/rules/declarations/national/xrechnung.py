"""BR-DE-* and BR-TMP-*: what XRechnung asks for beyond EN 16931, which German authorities demand.

The releases of its rules are those of `releases`; what differs between 3.0.1 and 3.0.2 says so.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from invoice_pipelines.einvoice.rules.declarations.national.iban import is_iban
from invoice_pipelines.einvoice.rules.declarations.national.places import (
    AGREEMENT,
    BUYER,
    DELIVERY,
    LINES,
    SELLER,
    SETTLEMENT,
    UBL_BUYER,
    UBL_LINES,
    UBL_SELLER,
)
from invoice_pipelines.einvoice.rules.declarations.national.releases import XRECHNUNG_3_0_1, XRECHNUNG_3_0_2
from invoice_pipelines.einvoice.rules.declarations.national.shapes import absent, exists, is_blank, says_something
from invoice_pipelines.einvoice.rules.declarations.places import quoted
from invoice_pipelines.einvoice.rules.engine.declaration import Asked, Declaration, Facts, Test, any_of, declare
from invoice_pipelines.einvoice.rules.engine.paths import path
from invoice_pipelines.einvoice.rules.engine.values import TWICE, Stopped, normalized, said
from invoice_pipelines.einvoice.rules.engine.walk import Node, View
from invoice_pipelines.einvoice.rules.verdict import Severity

_SOURCE = "XRechnung 3.0, 11 (business rules)"
_CIUS = "urn:cen.eu:en16931:2017#compliant#urn:xeinkauf.de:kosit:xrechnung_3.0"
EXTENSION = _CIUS + "#conformant#urn:xeinkauf.de:kosit:extension:xrechnung_3.0"
CVD = _CIUS + "#compliant#urn:xeinkauf.de:kosit:xrechnung:cvd_0.9"

TYPES = frozenset(("326", "380", "384", "389", "381", "875", "876", "877"))
_TAXED = frozenset(("S", "Z", "E", "AE", "K", "G", "L", "M"))

# Asked of one line without blanks around. Up to 3.0.1 something could stand before it in the line.
_DISCOUNT = r"#SKONTO#TAGE=[0-9]+#PROZENT=[0-9]+\.[0-9]{2}(#BASISBETRAG=-?[0-9]+\.[0-9]{2})?#"
_LINE_BREAK = re.compile(r"\r?\n")
_BETWEEN_SIGNS = re.compile(r"#[^\r\n]+#")
_BREAK_FOLLOWS = re.compile(r"[ \t\r\n]*\n")

_EMAIL = re.compile(r"[^@ \t\r\n]+@([^@. \t\r\n]+\.)+[^@. \t\r\n]+")
_WORD = r"[a-zA-Z0-9!#$%&\"*+/=?^_`{|}~-]+"
EMAIL_OLDER = re.compile(
    rf"{_WORD}(\.{_WORD})*@([a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?\.)+[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?"
)
THREE_DIGITS = re.compile(r"([0-9][^0-9]*){3}")
_ABSOLUTE = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+:")


# --- the tests, by what they look at; Peppol's rules for German parties are the same tests ---


def tax_identifier_ubl(node: Node, view: View) -> bool:
    """BR-DE-16: who charges VAT, or says why not, has a VAT id, a tax number or a representative."""
    categories = [
        category.string
        for charge in node.kids.get("cac:AllowanceCharge", ())
        if any(each.string in ("true", "false") for each in charge.kids.get("cbc:ChargeIndicator", ()))
        for category in _CATEGORY(charge)
    ]
    categories += [category.string for category in _LINE_CATEGORY(node)]
    if _TAXED.isdisjoint(categories):
        return True
    return bool(node.kids.get("cac:TaxRepresentativeParty")) or any(not is_blank(i.string) for i in _TAX_IDS(node))


_CATEGORY = path("cac:TaxCategory/cbc:ID")
_LINE_CATEGORY = path(f"{UBL_LINES}/cac:Item/cac:ClassifiedTaxCategory/cbc:ID")
_TAX_IDS = path(f"{UBL_SELLER}/cac:PartyTaxScheme/cbc:CompanyID")


def _tax_identifier_cii(node: Node, view: View) -> bool:
    lines = any(kind.string == "VAT" for kind in _CII_LINE_TAX_TYPE(node)) and any(
        category.string in _TAXED for category in _CII_LINE_CATEGORY(node)
    )
    # The sheet compares the whole text of the group with VAT, which it never is where a category is in it, too.
    charges = any(tax.string == "VAT" for tax in _CII_CHARGE_TAX(node)) and any(
        category.string in _TAXED for tax in _CII_CHARGE_TAX(node) for category in tax.kids.get("ram:CategoryCode", ())
    )
    if not (lines or charges) or _CII_REPRESENTATIVE(node):
        return True
    return any(
        normalized(identifier.get("schemeID") or "") in ("VA", "FC") and not is_blank(identifier.string)
        for identifier in _CII_TAX_IDS(node)
    )


_CII_LINE_TAX = f"{LINES}/ram:SpecifiedLineTradeSettlement/ram:ApplicableTradeTax/"
_CII_LINE_TAX_TYPE = path(_CII_LINE_TAX + "ram:TypeCode")
_CII_LINE_CATEGORY = path(_CII_LINE_TAX + "ram:CategoryCode")
_CII_CHARGE_TAX = path(SETTLEMENT + "ram:SpecifiedTradeAllowanceCharge/ram:CategoryTradeTax")
_CII_TAX_IDS = path(f"{SELLER}/ram:SpecifiedTaxRegistration/ram:ID")
_CII_REPRESENTATIVE = path(AGREEMENT + "ram:SellerTaxRepresentativeTradeParty")


def code_in(steps: str, allowed: frozenset[str]) -> Test:
    """That one of the codes at paths (` | ` separates them) is allowed, each of which may stand there once."""
    paths = [path(each) for each in steps.split(" | ")]
    return lambda node, view: any(said(found(node)) in allowed for found in paths)


def discounts(terms: str, text: str, *, whole_line: bool) -> Test:
    """BR-DE-18: each line of the payment terms that begins with a number sign is a discount, and a break follows."""
    at_terms = path(terms)
    pattern = re.compile(("" if whole_line else r".*") + _DISCOUNT)

    def test(node: Node, view: View) -> bool:
        notes = [each.kids[text][0].string for each in at_terms(node) if text in each.kids]
        for line in [line for note in notes for line in _LINE_BREAK.split(note)]:
            stated = normalized(line)
            if stated.startswith("#"):
                if not pattern.fullmatch(stated):
                    return False
                if len(notes) > 1:
                    raise Stopped(TWICE)
                if not _BREAK_FOLLOWS.match(_BETWEEN_SIGNS.split(notes[0])[-1]):
                    return False
        return True

    return test


def file_names(documents: Callable[[Node, View], list[Node]], inner: str) -> Test:
    """BR-DE-22: the names of attached files differ from those of the documents before, in the same group."""
    at_file = path(inner)

    def test(node: Node, view: View) -> bool:
        seen: dict[tuple[int, str], int] = {}
        for number, document in enumerate(documents(node, view)):
            for file in at_file(document):
                name = file.get("filename")
                if name is not None and seen.setdefault((id(document.parent), name), number) != number:
                    return False
        return True

    return test


def ubl_documents(node: Node, view: View) -> list[Node]:
    """BG-24 in UBL."""
    return node.kids.get("cac:AdditionalDocumentReference", [])


def _cii_documents(node: Node, view: View) -> list[Node]:
    return view.index.get("ram:AdditionalReferencedDocument", [])


_CII_SPECIFICATION = path("ram:GuidelineSpecifiedDocumentContextParameter/ram:ID")


def each_line_has_period(lines: str, period: str) -> Test:
    """Whether each line states its period; so does an invoice without lines."""
    at_lines, at_period = path(lines), path(period)
    return lambda node, view: all(at_period(line) for line in at_lines(node))


def is_like(steps: str, pattern: re.Pattern[str], *, anywhere: bool = False) -> Test:
    """That what stands at a path once has a form. What does not stand there has not."""
    found = path(steps)
    match = pattern.search if anywhere else pattern.fullmatch
    return lambda node, view: match(said(found(node))) is not None


def for_codes(code: str, codes: frozenset[str], test: Test) -> Test:
    """A test that is asked only where a code, which stands there once, is one of these."""
    at_code = path(code)

    def asked(node: Node, view: View) -> bool:
        found = at_code(node)
        return len(found) != 1 or normalized(found[0].string) not in codes or test(node, view)

    return asked


def account_is_iban(steps: str) -> Test:
    found = path(steps)
    return lambda node, view: is_iban(said(found(node)))


TRANSFER, CARD, DEBIT = frozenset(("30", "58")), frozenset(("48", "54", "55")), frozenset(("59",))
SEPA_TRANSFER = frozenset(("58",))


def ubl_means(codes: frozenset[str], test: Test, facts: Facts | None = None) -> Asked:
    return Asked(
        "/*/cac:PaymentMeans",
        for_codes("cbc:PaymentMeansCode", codes, test),
        facts or quoted(code="cbc:PaymentMeansCode"),
    )


def _cii_means(codes: frozenset[str], test: Test, facts: Facts | None = None) -> Asked:
    return Asked(
        f"/*/{SETTLEMENT}ram:SpecifiedTradeSettlementPaymentMeans",
        for_codes("ram:TypeCode", codes, test),
        facts or quoted(code="ram:TypeCode"),
    )


def creditor_ubl(node: Node, view: View) -> bool:
    """BR-DE-30: who collects by direct debit says by which identifier."""
    if not _MANDATE(node):
        return True
    return any(i.get("schemeID") == "SEPA" for found in _CREDITORS for i in found(node))


_MANDATE = path("cac:PaymentMeans/cac:PaymentMandate")
_CREDITORS = (
    path(f"{UBL_SELLER}/cac:PartyIdentification/cbc:ID"),
    path("cac:PayeeParty/cac:PartyIdentification/cbc:ID"),
)
_CII_MANDATE = SETTLEMENT + "ram:SpecifiedTradePaymentTerms/ram:DirectDebitMandateID"
_CII_CREDITOR = SETTLEMENT + "ram:CreditorReferenceID"
_CII_DEBITED = "ram:PayerPartyDebtorFinancialAccount/ram:IBANID"
_CII_ALL_DEBITED = f"{SETTLEMENT}ram:SpecifiedTradeSettlementPaymentMeans/{_CII_DEBITED}"
# CII has no group for direct debits (BG-19): it is there where one of its three terms is.
_CII_DEBIT = f"/*/{_CII_MANDATE} | /*/{_CII_CREDITOR} | {_CII_DEBITED}"


def _cii_debit(needed: str) -> Test:
    is_there, has_it = exists(f"{_CII_MANDATE} | {_CII_CREDITOR} | {_CII_ALL_DEBITED}"), exists(needed)
    others = exists(" | ".join(each for each in (_CII_MANDATE, _CII_CREDITOR, _CII_ALL_DEBITED) if each != needed))
    return lambda node, view: not is_there(node, view) or (has_it(node, view) and others(node, view))


def base_quantities_agree(node: Node, view: View) -> bool:
    """BR-TMP-3: the base quantity of the gross price is that of the net price, where both have one."""
    gross, net = _GROSS_BASE(node), _NET_BASE(node)
    if not gross or not net:
        return True
    if {each.string for each in gross}.isdisjoint(each.string for each in net):
        return False
    gross_units = {each.get("unitCode") for each in gross} - {None}
    net_units = {each.get("unitCode") for each in net} - {None}
    return not (gross_units and net_units) or not gross_units.isdisjoint(net_units)


_GROSS_BASE = path("ram:SpecifiedLineTradeAgreement/ram:GrossPriceProductTradePrice/ram:BasisQuantity")
_NET_BASE = path("ram:SpecifiedLineTradeAgreement/ram:NetPriceProductTradePrice/ram:BasisQuantity")


def _needed(id: str, ubl: tuple[str, str], cii: tuple[str, str]) -> Declaration:
    """A rule that something must be said, in each element at a place."""
    return declare(
        id,
        source=_SOURCE,
        ubl=Asked("/*/" + ubl[0] if ubl[0] else "/*", says_something(ubl[1])),
        cii=Asked("/*/" + cii[0] if cii[0] else "/*", _says_one_of(cii[1])),
    )


def _says_one_of(steps: str) -> Test:
    return any_of(*(says_something(each) for each in steps.split(" | ")))


_SELLER_CONTACT = (f"{UBL_SELLER}/cac:Contact", f"{SELLER}/ram:DefinedTradeContact")
PHONE = ("cbc:Telephone", "ram:TelephoneUniversalCommunication/ram:CompleteNumber")
MAIL = ("cbc:ElectronicMail", "ram:EmailURIUniversalCommunication/ram:URIID")


def _contact(paths: tuple[str, str], pattern: re.Pattern[str], *, anywhere: bool = False) -> tuple[Asked, Asked]:
    ubl, cii = (
        Asked("/*/" + contact, is_like(steps, pattern, anywhere=anywhere), quoted(value=steps))
        for contact, steps in zip(_SELLER_CONTACT, paths, strict=True)
    )
    return ubl, cii


def _payment_terms(whole_line: bool) -> tuple[Asked, Asked]:
    return (
        Asked(
            "/*",
            discounts("cac:PaymentTerms", "cbc:Note", whole_line=whole_line),
            quoted(value="cac:PaymentTerms/cbc:Note"),
        ),
        Asked(
            "/*",
            discounts(SETTLEMENT + "ram:SpecifiedTradePaymentTerms", "ram:Description", whole_line=whole_line),
            quoted(value=SETTLEMENT + "ram:SpecifiedTradePaymentTerms/ram:Description"),
        ),
    )


_PARTS = ("cbc:CityName", "ram:CityName"), ("cbc:PostalZone", "ram:PostcodeCode")
_ADDRESSES = (
    (f"{UBL_SELLER}/cac:PostalAddress", f"{SELLER}/ram:PostalTradeAddress", ("BR-DE-3", "BR-DE-4")),
    (f"{UBL_BUYER}/cac:PostalAddress", f"{BUYER}/ram:PostalTradeAddress", ("BR-DE-8", "BR-DE-9")),
    (
        "cac:Delivery/cac:DeliveryLocation/cac:Address",
        DELIVERY + "ram:ShipToTradeParty/ram:PostalTradeAddress",
        ("BR-DE-10", "BR-DE-11"),
    ),
)
_UBL_TYPE, _CII_TYPE = "cbc:InvoiceTypeCode | cbc:CreditNoteTypeCode", "rsm:ExchangedDocument/ram:TypeCode"
_CORRECTED = frozenset(("384",))


_is_corrected = code_in(_UBL_TYPE, _CORRECTED)
_has_reference = exists("cac:BillingReference/cac:InvoiceDocumentReference")


def corrects(node: Node, view: View) -> bool:
    """BR-DE-26 in UBL: a corrected invoice says which invoice it corrects."""
    return not _is_corrected(node, view) or _has_reference(node, view)


def _is_absolute(found: list[Node]) -> bool:
    if len(found) > 1:
        raise Stopped(TWICE)
    return bool(found) and _ABSOLUTE.match(found[0].string) is not None


def _specification(known: frozenset[str], releases: frozenset[str]) -> Declaration:
    """BR-DE-21. What 3.0.1 does not know yet is the usage for clean vehicles."""
    return declare(
        "BR-DE-21",
        Asked(
            "/*",
            lambda node, view: any(each.string in known for each in node.kids.get("cbc:CustomizationID", ())),
            quoted(value="cbc:CustomizationID"),
        ),
        Asked(
            "/*/rsm:ExchangedDocumentContext",
            lambda node, view: any(each.string in known for each in _CII_SPECIFICATION(node)),
            quoted(value="ram:GuidelineSpecifiedDocumentContextParameter/ram:ID"),
        ),
        source=_SOURCE,
        severity=Severity.WARNING,
        releases=releases,
    )


RULES: tuple[Declaration, ...] = (
    declare(
        "BR-DE-1",
        source=_SOURCE,
        ubl=Asked("/*", exists("cac:PaymentMeans")),
        cii=Asked("/*", exists(SETTLEMENT + "ram:SpecifiedTradeSettlementPaymentMeans")),
    ),
    declare(
        "BR-DE-2",
        source=_SOURCE,
        ubl=Asked("/*/cac:AccountingSupplierParty", exists("cac:Party/cac:Contact")),
        cii=Asked("/*/" + SELLER, exists("ram:DefinedTradeContact")),
    ),
    *(
        _needed(id, (ubl, part[0]), (cii, part[1]))
        for ubl, cii, ids in _ADDRESSES
        for id, part in zip(ids, _PARTS, strict=True)
    ),
    _needed("BR-DE-5", (_SELLER_CONTACT[0], "cbc:Name"), (_SELLER_CONTACT[1], "ram:PersonName | ram:DepartmentName")),
    _needed("BR-DE-6", (_SELLER_CONTACT[0], PHONE[0]), (_SELLER_CONTACT[1], PHONE[1])),
    _needed("BR-DE-7", (_SELLER_CONTACT[0], MAIL[0]), (_SELLER_CONTACT[1], MAIL[1])),
    _needed(
        "BR-DE-14",
        ("cac:TaxTotal/cac:TaxSubtotal", "cac:TaxCategory/cbc:Percent"),
        (SETTLEMENT + "ram:ApplicableTradeTax", "ram:RateApplicablePercent"),
    ),
    _needed("BR-DE-15", ("", "cbc:BuyerReference"), ("", AGREEMENT + "ram:BuyerReference")),
    declare("BR-DE-16", source=_SOURCE, ubl=Asked("/*", tax_identifier_ubl), cii=Asked("/*", _tax_identifier_cii)),
    declare(
        "BR-DE-17",
        source=_SOURCE,
        severity=Severity.WARNING,
        ubl=Asked("/*", code_in(_UBL_TYPE, TYPES), quoted(value="cbc:InvoiceTypeCode|cbc:CreditNoteTypeCode")),
        cii=Asked("/*", code_in(_CII_TYPE, TYPES), quoted(value=_CII_TYPE)),
    ),
    declare("BR-DE-18", *_payment_terms(True), source=_SOURCE, releases=XRECHNUNG_3_0_2),
    declare("BR-DE-18", *_payment_terms(False), source=_SOURCE, releases=XRECHNUNG_3_0_1),
    declare(
        "BR-DE-19",
        source=_SOURCE,
        severity=Severity.WARNING,
        ubl=ubl_means(
            SEPA_TRANSFER,
            account_is_iban("cac:PayeeFinancialAccount/cbc:ID"),
            quoted(value="cac:PayeeFinancialAccount/cbc:ID"),
        ),
        cii=_cii_means(
            SEPA_TRANSFER,
            account_is_iban("ram:PayeePartyCreditorFinancialAccount/ram:IBANID"),
            quoted(value="ram:PayeePartyCreditorFinancialAccount/ram:IBANID"),
        ),
    ),
    declare(
        "BR-DE-20",
        source=_SOURCE,
        severity=Severity.WARNING,
        ubl=ubl_means(
            DEBIT,
            account_is_iban("cac:PaymentMandate/cac:PayerFinancialAccount/cbc:ID"),
            quoted(value="cac:PaymentMandate/cac:PayerFinancialAccount/cbc:ID"),
        ),
        cii=_cii_means(DEBIT, account_is_iban(_CII_DEBITED), quoted(value=_CII_DEBITED)),
    ),
    _specification(frozenset((_CIUS, EXTENSION, CVD)), XRECHNUNG_3_0_2),
    _specification(frozenset((_CIUS, EXTENSION)), XRECHNUNG_3_0_1),
    declare(
        "BR-DE-22",
        source=_SOURCE,
        ubl=Asked("/*", file_names(ubl_documents, "cac:Attachment/cbc:EmbeddedDocumentBinaryObject")),
        cii=Asked("/*", file_names(_cii_documents, "ram:AttachmentBinaryObject")),
    ),
    declare(
        "BR-DE-23-a",
        source=_SOURCE,
        ubl=ubl_means(TRANSFER, exists("cac:PayeeFinancialAccount")),
        cii=_cii_means(TRANSFER, exists("ram:PayeePartyCreditorFinancialAccount")),
    ),
    declare(
        "BR-DE-23-b",
        source=_SOURCE,
        ubl=ubl_means(TRANSFER, absent("cac:CardAccount | cac:PaymentMandate")),
        cii=_cii_means(TRANSFER, absent("ram:ApplicableTradeSettlementFinancialCard | " + _CII_DEBIT)),
    ),
    declare(
        "BR-DE-24-a",
        source=_SOURCE,
        ubl=ubl_means(CARD, exists("cac:CardAccount")),
        cii=_cii_means(CARD, exists("ram:ApplicableTradeSettlementFinancialCard")),
    ),
    declare(
        "BR-DE-24-b",
        source=_SOURCE,
        ubl=ubl_means(CARD, absent("cac:PayeeFinancialAccount | cac:PaymentMandate")),
        cii=_cii_means(CARD, absent("ram:PayeePartyCreditorFinancialAccount | " + _CII_DEBIT)),
    ),
    declare(
        "BR-DE-25-a",
        source=_SOURCE,
        ubl=ubl_means(DEBIT, exists("cac:PaymentMandate")),
        cii=_cii_means(DEBIT, exists(_CII_DEBIT)),
    ),
    declare(
        "BR-DE-25-b",
        source=_SOURCE,
        ubl=ubl_means(DEBIT, absent("cac:PayeeFinancialAccount | cac:CardAccount")),
        cii=_cii_means(
            DEBIT,
            absent(
                "ram:PayeePartyCreditorFinancialAccount | ram:PayeeSpecifiedCreditorFinancialInstitution | "
                "ram:PayerSpecifiedDebtorFinancialInstitution | ram:ApplicableTradeSettlementFinancialCard"
            ),
        ),
    ),
    declare(
        "BR-DE-26",
        source=_SOURCE,
        severity=Severity.WARNING,
        ubl=Asked("/*", corrects),
        cii=Asked("/*", for_codes(_CII_TYPE, _CORRECTED, exists(SETTLEMENT + "ram:InvoiceReferencedDocument"))),
    ),
    declare(
        "BR-DE-27",
        *_contact(PHONE, THREE_DIGITS, anywhere=True),
        source=_SOURCE,
        severity=Severity.WARNING,
    ),
    declare(
        "BR-DE-28",
        *_contact(MAIL, _EMAIL),
        source=_SOURCE,
        severity=Severity.WARNING,
        releases=XRECHNUNG_3_0_2,
    ),
    declare(
        "BR-DE-28",
        *_contact(MAIL, EMAIL_OLDER),
        source=_SOURCE,
        severity=Severity.WARNING,
        releases=XRECHNUNG_3_0_1,
    ),
    declare("BR-DE-30", source=_SOURCE, ubl=Asked("/*", creditor_ubl), cii=Asked("/*", _cii_debit(_CII_CREDITOR))),
    declare(
        "BR-DE-31",
        source=_SOURCE,
        ubl=Asked(
            "/*",
            any_of(
                absent("cac:PaymentMeans/cac:PaymentMandate"),
                exists("cac:PaymentMeans/cac:PaymentMandate/cac:PayerFinancialAccount/cbc:ID"),
            ),
        ),
        cii=Asked("/*", _cii_debit(_CII_ALL_DEBITED)),
    ),
    declare(
        "BR-DE-TMP-32",
        source=_SOURCE,
        severity=Severity.INFORMATION,
        releases=XRECHNUNG_3_0_2,
        ubl=Asked(
            "/*",
            any_of(
                exists("cac:Delivery/cbc:ActualDeliveryDate | cac:InvoicePeriod"),
                each_line_has_period(UBL_LINES, "cac:InvoicePeriod"),
            ),
        ),
        cii=Asked(
            "/*/rsm:SupplyChainTradeTransaction",
            any_of(
                exists(
                    "ram:ApplicableHeaderTradeDelivery/ram:ActualDeliverySupplyChainEvent/ram:OccurrenceDateTime | "
                    "ram:ApplicableHeaderTradeSettlement/ram:BillingSpecifiedPeriod"
                ),
                each_line_has_period(
                    "ram:IncludedSupplyChainTradeLineItem",
                    "ram:SpecifiedLineTradeSettlement/ram:BillingSpecifiedPeriod",
                ),
            ),
        ),
    ),
    declare(
        "BR-TMP-2",
        source=_SOURCE,
        severity=Severity.WARNING,
        releases=XRECHNUNG_3_0_2,
        ubl=Asked(
            "/*/cac:AdditionalDocumentReference/cac:Attachment/cac:ExternalReference",
            lambda node, view: _is_absolute(node.kids.get("cbc:URI", [])),
            quoted(value="cbc:URI"),
        ),
        cii=Asked(
            f"/*/{AGREEMENT}ram:AdditionalReferencedDocument",
            lambda node, view: (
                not any(kind.string == "916" for kind in node.kids.get("ram:TypeCode", ()))
                or not node.kids.get("ram:URIID")
                or _is_absolute(node.kids["ram:URIID"])
            ),
            quoted(value="ram:URIID"),
        ),
    ),
    declare(
        "BR-TMP-3",
        source=_SOURCE,
        releases=XRECHNUNG_3_0_2,
        cii=Asked(
            f"/*/{LINES}",
            base_quantities_agree,
            quoted(
                gross="ram:SpecifiedLineTradeAgreement/ram:GrossPriceProductTradePrice/ram:BasisQuantity",
                net="ram:SpecifiedLineTradeAgreement/ram:NetPriceProductTradePrice/ram:BasisQuantity",
            ),
        ),
    ),
)

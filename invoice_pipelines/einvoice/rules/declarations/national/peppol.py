"""PEPPOL-EN16931-R*: what Peppol BIS Billing asks for, most of which XRechnung has taken over.

`RULES` are those of Peppol BIS Billing, `IN_XRECHNUNG` those of XRechnung, which differ in places: XRechnung's have a
wider tolerance for amounts in forint, only warn of line amounts (R120), and in CII take some of the others otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal

from invoice_pipelines.einvoice.rules.declarations.national.places import LINES
from invoice_pipelines.einvoice.rules.declarations.national.shapes import (
    attribute,
    empty_elements,
    exists,
    never,
    text_of,
)
from invoice_pipelines.einvoice.rules.declarations.places import quoted, stated
from invoice_pipelines.einvoice.rules.engine.declaration import Asked, Declaration, Facts, Test, declare
from invoice_pipelines.einvoice.rules.engine.paths import path
from invoice_pipelines.einvoice.rules.engine.values import (
    NO_VALUE,
    Stopped,
    as_decimal,
    as_number,
    cents,
    decimal,
    normalized,
    one,
    said,
)
from invoice_pipelines.einvoice.rules.engine.walk import Node, Syntax, View
from invoice_pipelines.einvoice.rules.verdict import Severity

SOURCE = "Peppol BIS Billing 3.0, rules"
# The rules of self-billing, where the buyer writes the invoice, differ from these in identifiers and types only.
IDENTIFIERS = (
    "urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0",
    "urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:selfbilling:3.0",
)

_NOTHING = Decimal(0)
_SLACK = Decimal("0.02")
_SLACK_IN_FORINT = Decimal("0.5")
_PROCESS = re.compile(r"urn:fdc:peppol\.eu:2017:poacc:(billing:[0-9]{2}|selfbilling:[0-9]{2}):1\.0")

Slack = Callable[[View], Decimal]

_UBL_CURRENCY = path("cbc:DocumentCurrencyCode")
_CII_SETTLEMENT = "rsm:SupplyChainTradeTransaction/ram:ApplicableHeaderTradeSettlement/"
_CII_CURRENCY = path(_CII_SETTLEMENT + "ram:InvoiceCurrencyCode")
_CII_TAX_CURRENCY = path(_CII_SETTLEMENT + "ram:TaxCurrencyCode")


def currencies(view: View) -> frozenset[str]:
    """What the document says for its currency (BT-5), as it stands there."""
    found = (_UBL_CURRENCY if view.syntax is Syntax.UBL else _CII_CURRENCY)(view.root)
    return frozenset(each.string for each in found)


def _slack(view: View) -> Decimal:
    return _SLACK


def _slack_by_currency(view: View) -> Decimal:
    return _SLACK_IN_FORINT if "HUF" in view.once(currencies) else _SLACK


def own_text(nodes: Sequence[Node]) -> str:
    """What the only one of them says itself, without what is in elements in it, and without blanks around."""
    node = one(nodes)
    return "" if node is None or node.text is None else normalized(node.text)


def process(view: View) -> str | None:
    """The business process (BT-23), such as `billing:01`; None where it is not one of Peppol billing."""
    found = (_UBL_PROCESS if view.syntax is Syntax.UBL else _CII_PROCESS)(view.root)
    match = _PROCESS.search(said(found))
    return match.group(1) if match else None


_UBL_PROCESS = path("cbc:ProfileID")
_CII_PROCESS = path("rsm:ExchangedDocumentContext/ram:BusinessProcessSpecifiedDocumentContextParameter/ram:ID")


def is_german(view: View) -> bool:
    """Whether seller and buyer have their address in Germany."""
    return all(said(found(view.root)).upper() == "DE" for found in _UBL_COUNTRIES)


_UBL_COUNTRIES = (
    path("cac:AccountingSupplierParty/cac:Party/cac:PostalAddress/cac:Country/cbc:IdentificationCode"),
    path("cac:AccountingCustomerParty/cac:Party/cac:PostalAddress/cac:Country/cbc:IdentificationCode"),
)


# --- allowances and charges ---


def _has(node: Node, name: str) -> bool:
    return name in node.kids


def _amount_is_percentage(amount: str, base: str, percent: str, slack: Slack) -> Test:
    """R040. Not asked where the percentage or the base is missing, which are R041 and R042."""

    def test(node: Node, view: View) -> bool:
        bases, percents = node.kids.get(base), node.kids.get(percent)
        if not bases or not percents:
            return True
        stated = decimal(node.kids.get(amount, [])) or _NOTHING
        of, rate = decimal(bases), decimal(percents)
        if of is None or rate is None:
            return True
        return abs(stated - of * rate / 100) <= slack(view)

    return test


def _indicator_is_word(steps: str, *unless: tuple[str, str]) -> Test:
    """R043: true or false, not 1 or 0. Asked only where neither R041 nor R042 is."""
    indicators = path(steps)

    def test(node: Node, view: View) -> bool:
        if any(_has(node, one_of) != _has(node, other) for one_of, other in unless):
            return True
        return own_text(indicators(node)) in ("true", "false")

    return test


_UBL_CHARGES = (
    "ubl:Invoice/cac:AllowanceCharge | ubl:Invoice/cac:InvoiceLine/cac:AllowanceCharge | "
    "cn:CreditNote/cac:AllowanceCharge | cn:CreditNote/cac:CreditNoteLine/cac:AllowanceCharge"
)
_CII_CHARGES = "ram:SpecifiedTradeAllowanceCharge"
_UBL_PERCENT, _UBL_BASE = "cbc:MultiplierFactorNumeric", "cbc:BaseAmount"
_CII_PERCENT, _CII_BASE = "ram:CalculationPercent", "ram:BasisAmount"
_CII_INDICATOR = "ram:ChargeIndicator/udt:Indicator"


def _charge_rules(slack: Slack, *, numbered: bool) -> tuple[Declaration, ...]:
    facts_ubl = stated(amount="cbc:Amount", base=_UBL_BASE, percent=_UBL_PERCENT)
    facts_cii = stated(amount="ram:ActualAmount", base=_CII_BASE, percent=_CII_PERCENT)
    indicator_cii = Asked(
        _CII_CHARGES, _indicator_is_word(_CII_INDICATOR, (_CII_PERCENT, _CII_BASE)), quoted(value=_CII_INDICATOR)
    )
    indicator_of_price = Asked(
        "ram:AppliedTradeAllowanceCharge", _indicator_is_word(_CII_INDICATOR), quoted(value=_CII_INDICATOR)
    )
    indicator_ubl = Asked(
        _UBL_CHARGES,
        _indicator_is_word("cbc:ChargeIndicator", (_UBL_PERCENT, _UBL_BASE)),
        quoted(value="cbc:ChargeIndicator"),
    )
    # XRechnung numbers the two rules of this id that it has in CII.
    indicators = (
        (
            _peppol("R043", indicator_ubl, None),
            _peppol("R043-1", None, indicator_cii, text="PEPPOL-EN16931-R043"),
            _peppol("R043-2", None, indicator_of_price, text="PEPPOL-EN16931-R043"),
        )
        if numbered
        else (_peppol("R043", indicator_ubl, (indicator_cii, indicator_of_price)),)
    )
    return (
        _peppol(
            "R040",
            Asked(_UBL_CHARGES, _amount_is_percentage("cbc:Amount", _UBL_BASE, _UBL_PERCENT, slack), facts_ubl),
            Asked(_CII_CHARGES, _amount_is_percentage("ram:ActualAmount", _CII_BASE, _CII_PERCENT, slack), facts_cii),
        ),
        _peppol(
            "R041",
            Asked(_UBL_CHARGES, lambda node, view: not _has(node, _UBL_PERCENT) or _has(node, _UBL_BASE), facts_ubl),
            Asked(_CII_CHARGES, lambda node, view: not _has(node, _CII_PERCENT) or _has(node, _CII_BASE), facts_cii),
        ),
        _peppol(
            "R042",
            Asked(_UBL_CHARGES, lambda node, view: not _has(node, _UBL_BASE) or _has(node, _UBL_PERCENT), facts_ubl),
            Asked(_CII_CHARGES, lambda node, view: not _has(node, _CII_BASE) or _has(node, _CII_PERCENT), facts_cii),
        ),
        *indicators,
    )


# --- lines and prices ---


def _ubl_line_amount(slack: Slack) -> Test:
    """R120: quantity x price per base quantity + charges - allowances."""

    def test(node: Node, view: View) -> bool:
        kids = node.kids
        quantity_name = "cbc:InvoicedQuantity" if view.root.name == "ubl:Invoice" else "cbc:CreditedQuantity"
        amount = decimal(kids.get("cbc:LineExtensionAmount", [])) or _NOTHING
        quantity = decimal(kids.get(quantity_name, []))
        price = decimal(_UBL_PRICE(node)) or _NOTHING
        base = decimal(_UBL_BASE_QUANTITY(node)) or Decimal(1)
        allowances, charges = _rounded_sums(
            kids.get("cac:AllowanceCharge", ()), lambda each: each.kids.get("cbc:ChargeIndicator", []), "cbc:Amount"
        )
        expected = (Decimal(1) if quantity is None else quantity) * (price / base) + charges - allowances
        return abs(amount - expected) <= slack(view)

    return test


_UBL_PRICE = path("cac:Price/cbc:PriceAmount")
_UBL_BASE_QUANTITY = path("cac:Price/cbc:BaseQuantity")


def _rounded_sums(
    groups: Sequence[Node], indicators: Callable[[Node], Sequence[Node]], amount: str
) -> tuple[Decimal, Decimal]:
    """The allowances and the charges of a line, each sum rounded to cents."""
    sums = {"false": _NOTHING, "true": _NOTHING}
    for group in groups:
        indicator = said(indicators(group))
        if indicator in sums:
            sums[indicator] += sum((as_decimal(each.string) for each in group.kids.get(amount, ())), _NOTHING)
    return cents(sums["false"]), cents(sums["true"])


_CII_AMOUNT = path(
    "ram:SpecifiedLineTradeSettlement/ram:SpecifiedTradeSettlementLineMonetarySummation/ram:LineTotalAmount"
)
_CII_QUANTITY = path("ram:SpecifiedLineTradeDelivery/ram:BilledQuantity")
_CII_PRICE = path("ram:SpecifiedLineTradeAgreement/ram:NetPriceProductTradePrice/ram:ChargeAmount")
_CII_NET_BASE = path("ram:SpecifiedLineTradeAgreement/ram:NetPriceProductTradePrice/ram:BasisQuantity")
_CII_GROSS_BASE = path("ram:SpecifiedLineTradeAgreement/ram:GrossPriceProductTradePrice/ram:BasisQuantity")
_CII_LINE_CHARGES = path("ram:SpecifiedLineTradeSettlement/ram:SpecifiedTradeAllowanceCharge")
_CII_INDICATORS = path(_CII_INDICATOR)


def _cii_line_amount(slack: Slack, *, gross_base: bool) -> Test:
    """R120 in CII. XRechnung takes the base quantity of the gross price where the net price has none."""

    def test(node: Node, view: View) -> bool:
        amount = decimal(_CII_AMOUNT(node)) or _NOTHING
        quantity = decimal(_CII_QUANTITY(node))
        price = decimal(_CII_PRICE(node)) or _NOTHING
        base = decimal(_CII_NET_BASE(node)) or (gross_base and decimal(_CII_GROSS_BASE(node))) or Decimal(1)
        allowances, charges = _rounded_sums(_CII_LINE_CHARGES(node), _CII_INDICATORS, "ram:ActualAmount")
        expected = (Decimal(1) if quantity is None else quantity) * (price / base) + charges - allowances
        return abs(amount - expected) <= slack(view)

    return test


_UBL_LINE_FACTS = stated(
    amount="cbc:LineExtensionAmount",
    quantity="cbc:InvoicedQuantity|cbc:CreditedQuantity",
    price="cac:Price/cbc:PriceAmount",
    base="cac:Price/cbc:BaseQuantity",
)
_CII_LINE_FACTS = stated(
    amount="ram:SpecifiedLineTradeSettlement/ram:SpecifiedTradeSettlementLineMonetarySummation/ram:LineTotalAmount",
    quantity="ram:SpecifiedLineTradeDelivery/ram:BilledQuantity",
    price="ram:SpecifiedLineTradeAgreement/ram:NetPriceProductTradePrice/ram:ChargeAmount",
    base="ram:SpecifiedLineTradeAgreement/ram:NetPriceProductTradePrice/ram:BasisQuantity",
)


def _above_zero(steps: str) -> Test:
    found = path(steps)

    def test(node: Node, view: View) -> bool:
        quantity = decimal(found(node))
        return quantity is None or quantity > 0

    return test


def _same_unit(quantities: str, *, needed: bool) -> Test:
    """R130. `needed`: also where there is no such quantity, the rule is broken."""
    found = path(quantities)

    def test(node: Node, view: View) -> bool:
        unit = node.get("unitCode")
        if unit is None:
            return True
        others = found(node)
        return (not others and not needed) or any(each.get("unitCode") == unit for each in others)

    return test


def _ubl_same_unit(node: Node, view: View) -> bool:
    unit = node.get("unitCode")
    if unit is None:
        return True
    line = node.parent.parent if node.parent is not None else None
    kids = line.kids if line is not None else {}
    if "cbc:InvoicedQuantity" not in kids and "cbc:CreditedQuantity" not in kids:
        return True
    name = "cbc:InvoicedQuantity" if view.root.name == "ubl:Invoice" else "cbc:CreditedQuantity"
    return any(each.get("unitCode") == unit for each in kids.get(name, ()))


def _ubl_net_price(node: Node, view: View) -> bool:
    """R046: gross price - discount = net price."""
    if "cbc:BaseAmount" not in node.kids:
        return True
    gross, discount = decimal(node.kids["cbc:BaseAmount"]), decimal(node.kids.get("cbc:Amount", []))
    price = decimal(node.parent.kids.get("cbc:PriceAmount", [])) if node.parent is not None else None
    if gross is None or discount is None or price is None:
        return False
    return price == gross - discount


_CII_DISCOUNTS = path("ram:AppliedTradeAllowanceCharge/ram:ActualAmount")
_CII_PRICE_INDICATORS = path("ram:AppliedTradeAllowanceCharge/" + _CII_INDICATOR)
_CII_NET_OF_GROSS = path("../ram:NetPriceProductTradePrice/ram:ChargeAmount")


def _cii_net_price(node: Node, view: View) -> bool:
    gross = decimal(node.kids.get("ram:ChargeAmount", []))
    if gross is None:
        return True
    net = decimal(_CII_NET_OF_GROSS(node))
    firsts = [
        each.kids["ram:ActualAmount"][0]
        for each in node.kids.get("ram:AppliedTradeAllowanceCharge", ())
        if "ram:ActualAmount" in each.kids
    ]
    discount = decimal(firsts) or _NOTHING
    return net is not None and net == gross - discount


def _cii_only_discount(node: Node, view: View) -> bool:
    """R044: a price may be less than the gross price, not more."""
    return not _CII_DISCOUNTS(node) or any(each.string == "false" for each in _CII_PRICE_INDICATORS(node))


# --- VAT totals ---


def _ubl_signs(node: Node, view: View) -> bool:
    """R055: the VAT totals in both currencies have the same sign."""
    if "cbc:TaxCurrencyCode" not in node.kids:
        return True
    totals = [each for total in node.kids.get("cac:TaxTotal", ()) for each in total.kids.get("cbc:TaxAmount", ())]
    tax_currency = said(node.kids["cbc:TaxCurrencyCode"])
    currency = said(node.kids.get("cbc:DocumentCurrencyCode", []))
    in_tax = [as_number(each.string) for each in totals if each.get("currencyID") == tax_currency]
    in_own = [as_number(each.string) for each in totals if each.get("currencyID") == currency]
    return (any(a <= 0 for a in in_tax) and any(a <= 0 for a in in_own)) or (
        any(a >= 0 for a in in_tax) and any(a >= 0 for a in in_own)
    )


_CII_TOTALS = path("ram:SpecifiedTradeSettlementHeaderMonetarySummation/ram:TaxTotalAmount")


def _cii_signs(*, without_total: bool) -> Test:
    """R055 in CII, where zero counts as positive. In XRechnung there need be no total in the invoice's currency."""

    def test(node: Node, view: View) -> bool:
        tax_currencies = {each.string for each in _CII_TAX_CURRENCY(view.root)}
        if not tax_currencies:
            return True
        own = view.once(currencies)
        totals = _CII_TOTALS(node)
        in_own = [each for each in totals if each.get("currencyID") in own]
        if without_total and not in_own:
            return True
        tax_amounts = [as_number(each.string) for each in totals if each.get("currencyID") in tax_currencies]
        amounts = [as_number(each.string) for each in in_own]
        return (any(a < 0 for a in tax_amounts) and any(a < 0 for a in amounts)) or (
            any(a >= 0 for a in tax_amounts) and any(a >= 0 for a in amounts)
        )

    return test


def _ubl_one_total(node: Node, view: View) -> bool:
    return sum("cac:TaxSubtotal" in each.kids for each in node.kids.get("cac:TaxTotal", ())) == 1


def _ubl_other_totals(node: Node, view: View) -> bool:
    others = sum("cac:TaxSubtotal" not in each.kids for each in node.kids.get("cac:TaxTotal", ()))
    return others == (1 if "cbc:TaxCurrencyCode" in node.kids else 0)


def _cii_one_total(*, none_will_do: bool) -> Test:
    def test(node: Node, view: View) -> bool:
        own = view.once(currencies)
        count = sum(each.get("currencyID") in own for each in _CII_TOTALS(node))
        return count == 1 or (none_will_do and count == 0)

    return test


def _cii_other_totals(node: Node, view: View) -> bool:
    own = view.once(currencies)
    others = sum(
        each.get("currencyID") is not None and any(each.get("currencyID") != currency for currency in own)
        for each in _CII_TOTALS(node)
    )
    return others == (1 if "ram:TaxCurrencyCode" in node.kids else 0)


_DATE = re.compile(r"(-?[0-9]{4,})-([0-9]{2})-([0-9]{2})(Z|[+-][0-9]{2}:[0-9]{2})?")


def moment(nodes: Sequence[Node]) -> int:
    """The minute at which the day begins that the only one of them says; of days in other zones, too."""
    node = one(nodes)
    match = _DATE.fullmatch(normalized(node.string)) if node is not None else None
    if match is None:
        raise Stopped(NO_VALUE)
    try:
        day = date(int(match[1]), int(match[2]), int(match[3])).toordinal()
    except ValueError as error:
        raise Stopped(NO_VALUE) from error
    zone = match[4] or "Z"
    offset = 0 if zone == "Z" else int(zone[0] + "1") * (int(zone[1:3]) * 60 + int(zone[4:6]))
    return day * 24 * 60 - offset


def _ubl_within_period(name: str, is_within: Callable[[int, int], bool]) -> Test:
    """R110, R111: the period of a line lies in that of the invoice."""
    whole = path(f"cac:InvoicePeriod/{name}")

    def test(node: Node, view: View) -> bool:
        dates = whole(view.root)
        return not dates or is_within(moment((node,)), moment(dates))

    return test


def _cii_within_period(name: str, is_within: Callable[[str, str], bool]) -> Test:
    """R110, R111 in CII: dates are compared as texts, any with any."""
    whole = path(f"{_CII_SETTLEMENT}ram:BillingSpecifiedPeriod/{name}")

    def test(node: Node, view: View) -> bool:
        dates = whole(view.root)
        if not dates:
            return True
        stated = [each.string for each in node.kids.get("udt:DateTimeString", ())]
        limits = [each.string for date in dates for each in date.kids.get("udt:DateTimeString", ())]
        return any(is_within(day, limit) for day in stated for limit in limits)

    return test


def _later(day: int, limit: int) -> bool:
    return day >= limit


def _sooner(day: int, limit: int) -> bool:
    return day <= limit


_CII_PERIOD = f"{LINES}/ram:SpecifiedLineTradeSettlement/ram:BillingSpecifiedPeriod/"
_UBL_PERIOD = (
    "ubl:Invoice/cac:InvoiceLine/cac:InvoicePeriod/{0} | cn:CreditNote/cac:CreditNoteLine/cac:InvoicePeriod/{0}"
)


# --- the rest ---


def _peppol(
    number: str,
    ubl: Asked | tuple[Asked, ...] | None,
    cii: Asked | tuple[Asked, ...] | None,
    *,
    severity: Severity = Severity.FATAL,
    text: str = "",
) -> Declaration:
    return declare(f"PEPPOL-EN16931-{number}", ubl, cii, source=SOURCE, severity=severity, text=text)


def _may_be_empty(node: Node, view: View) -> bool:
    # R008: the one element that the schema asks for, whatever is in it. The official rule looks at its prefix.
    return node.name == "ram:ApplicableHeaderTradeDelivery" and node.element.prefix == "ram"


def _other_currency(own: str) -> Test:
    """R005: the currency for VAT is another than that of the invoice."""

    def test(node: Node, view: View) -> bool:
        currency = own_text(node.parent.kids.get(own, []) if node.parent is not None else [])
        return own_text((node,)) != currency

    return test


def _means(code: str, test: Test) -> Test:
    """R061 is asked of direct debits."""

    def asked(node: Node, view: View) -> bool:
        codes = node.kids.get(code, ())
        return len(codes) != 1 or normalized(codes[0].string) not in ("49", "59") or test(node, view)

    return asked


def _only_objects(documents: str, kind: str) -> Test:
    """R101: what a line refers to by a document is the object that is invoiced (type 130)."""
    found = path(documents)

    def test(node: Node, view: View) -> bool:
        references = found(node)
        return not references or any(
            each.string == "130" for reference in references for each in reference.kids.get(kind, ())
        )

    return test


def _is_discount(node: Node, view: View) -> bool:
    return said(node.kids.get("cbc:ChargeIndicator", [])) == "false"


def _shared(*, xrechnung: bool) -> tuple[Declaration, ...]:
    slack = _slack_by_currency if xrechnung else _slack
    line_amount_severity = Severity.WARNING if xrechnung else Severity.FATAL
    return (
        _peppol(
            "R001",
            Asked("/*", exists("cbc:ProfileID")),
            Asked(
                "rsm:ExchangedDocumentContext",
                exists("ram:BusinessProcessSpecifiedDocumentContextParameter/ram:ID"),
            ),
        ),
        _peppol(
            "R005",
            Asked("cbc:TaxCurrencyCode", _other_currency("cbc:DocumentCurrencyCode"), text_of),
            Asked(
                "ram:ApplicableHeaderTradeSettlement",
                lambda node, view: (
                    "ram:TaxCurrencyCode" not in node.kids
                    or own_text(node.kids["ram:TaxCurrencyCode"])
                    != own_text(node.kids.get("ram:InvoiceCurrencyCode", []))
                ),
                quoted(value="ram:TaxCurrencyCode"),
            ),
        ),
        _peppol("R008", Asked(empty_elements, never), Asked(empty_elements, _may_be_empty) if xrechnung else None),
        _peppol(
            "R010",
            Asked("cac:AccountingCustomerParty/cac:Party", exists("cbc:EndpointID")),
            Asked("ram:BuyerTradeParty", exists("ram:URIUniversalCommunication/ram:URIID")),
        ),
        _peppol(
            "R020",
            Asked("cac:AccountingSupplierParty/cac:Party", exists("cbc:EndpointID")),
            Asked("ram:SellerTradeParty", exists("ram:URIUniversalCommunication/ram:URIID")),
        ),
        *_charge_rules(slack, numbered=xrechnung),
        _peppol(
            "R044",
            Asked("cac:Price/cac:AllowanceCharge", _is_discount, quoted(value="cbc:ChargeIndicator")),
            _gross(_cii_only_discount, quoted(value="ram:AppliedTradeAllowanceCharge/" + _CII_INDICATOR))
            if xrechnung
            else None,
        ),
        _peppol(
            "R046",
            Asked(
                "cac:Price/cac:AllowanceCharge",
                _ubl_net_price,
                stated(net="../cbc:PriceAmount", gross="cbc:BaseAmount", discount="cbc:Amount"),
            ),
            _gross(
                _cii_net_price,
                stated(
                    net="../ram:NetPriceProductTradePrice/ram:ChargeAmount",
                    gross="ram:ChargeAmount",
                    discount="ram:AppliedTradeAllowanceCharge/ram:ActualAmount",
                ),
            )
            if xrechnung
            else None,
        ),
        _peppol(
            "R053",
            Asked("/*", _ubl_one_total),
            Asked("ram:ApplicableHeaderTradeSettlement", _cii_one_total(none_will_do=xrechnung)),
        ),
        _peppol(
            "R054", Asked("/*", _ubl_other_totals), Asked("ram:ApplicableHeaderTradeSettlement", _cii_other_totals)
        ),
        _peppol(
            "R055",
            Asked("/*", _ubl_signs),
            Asked("ram:ApplicableHeaderTradeSettlement", _cii_signs(without_total=xrechnung)),
        ),
        _peppol(
            "R061",
            Asked("cac:PaymentMeans", _means("cbc:PaymentMeansCode", exists("cac:PaymentMandate/cbc:ID"))),
            Asked(
                "ram:SpecifiedTradeSettlementPaymentMeans",
                _means("ram:TypeCode", exists("../ram:SpecifiedTradePaymentTerms/ram:DirectDebitMandateID")),
            ),
        ),
        _peppol(
            "R101",
            Asked(
                "cac:InvoiceLine | cac:CreditNoteLine", _only_objects("cac:DocumentReference", "cbc:DocumentTypeCode")
            ),
            Asked(
                "ram:IncludedSupplyChainTradeLineItem",
                _only_objects("ram:SpecifiedLineTradeSettlement/ram:AdditionalReferencedDocument", "ram:TypeCode"),
            ),
        ),
        _peppol(
            "R110",
            Asked(_UBL_PERIOD.format("cbc:StartDate"), _ubl_within_period("cbc:StartDate", _later), text_of),
            Asked(
                _CII_PERIOD + "ram:StartDateTime",
                _cii_within_period("ram:StartDateTime", lambda day, limit: day >= limit),
                text_of,
            ),
        ),
        _peppol(
            "R111",
            Asked(_UBL_PERIOD.format("cbc:EndDate"), _ubl_within_period("cbc:EndDate", _sooner), text_of),
            Asked(
                _CII_PERIOD + "ram:EndDateTime",
                _cii_within_period("ram:EndDateTime", lambda day, limit: day <= limit),
                text_of,
            ),
        ),
        _peppol(
            "R120",
            Asked("cac:InvoiceLine | cac:CreditNoteLine", _ubl_line_amount(slack), _UBL_LINE_FACTS),
            Asked(
                "ram:IncludedSupplyChainTradeLineItem", _cii_line_amount(slack, gross_base=xrechnung), _CII_LINE_FACTS
            ),
            severity=line_amount_severity,
        ),
        _peppol(
            "R121",
            Asked(
                "cac:InvoiceLine | cac:CreditNoteLine",
                _above_zero("cac:Price/cbc:BaseQuantity"),
                stated(value="cac:Price/cbc:BaseQuantity"),
            ),
            Asked(
                "ram:NetPriceProductTradePrice | ram:GrossPriceProductTradePrice",
                _above_zero("ram:BasisQuantity"),
                stated(value="ram:BasisQuantity"),
            ),
        ),
        _peppol(
            "R130",
            Asked("cac:Price/cbc:BaseQuantity", _ubl_same_unit, attribute("unitCode")),
            Asked(
                "ram:NetPriceProductTradePrice/ram:BasisQuantity | ram:GrossPriceProductTradePrice/ram:BasisQuantity",
                _same_unit("../../../ram:SpecifiedLineTradeDelivery/ram:BilledQuantity", needed=True),
                attribute("unitCode"),
            ),
        ),
    )


def _gross(test: Test, facts: Facts) -> Asked:
    return Asked(f"{LINES}/ram:SpecifiedLineTradeAgreement/ram:GrossPriceProductTradePrice", test, facts)


# --- Peppol alone ---


def _notes_ubl(node: Node, view: View) -> bool:
    return len(node.kids.get("cbc:Note", ())) <= 1 or view.once(is_german)


def _notes_cii(node: Node, view: View) -> bool:
    notes = node.kids.get("ram:IncludedNote", [])
    return len(notes) <= 1 and not any("ram:SubjectCode" in note.kids for note in notes)


def _specification(steps: str) -> Test:
    found = path(steps)
    return lambda node, view: own_text(found(node)).startswith(IDENTIFIERS)


def _at_most_one(documents: str, kind: str, code: str) -> Test:
    found = path(documents)
    return lambda node, view: (
        sum(any(each.string == code for each in document.kids.get(kind, ())) for document in found(node)) <= 1
    )


def _in_own_currency(node: Node, view: View) -> bool:
    """R051. The VAT total in the currency for VAT (BT-111) has no breakdown, so it is not asked."""
    if node.name == "cbc:TaxAmount":
        around = node.parent
        if around is None or not (
            around.name == "cac:TaxSubtotal" or (around.name == "cac:TaxTotal" and "cac:TaxSubtotal" in around.kids)
        ):
            return True
    return node.get("currencyID") in view.once(currencies)


_UBL_AMOUNTS = " | ".join(
    f"cbc:{name}"
    for name in (
        "Amount", "BaseAmount", "PriceAmount", "TaxAmount", "TaxableAmount", "LineExtensionAmount",
        "TaxExclusiveAmount", "TaxInclusiveAmount", "AllowanceTotalAmount", "ChargeTotalAmount", "PrepaidAmount",
        "PayableRoundingAmount", "PayableAmount",
    )
)  # fmt: skip

_ONLY_PEPPOL = (
    _peppol(
        "R002",
        Asked("/*", _notes_ubl),
        Asked("rsm:ExchangedDocument", _notes_cii),
    ),
    _peppol(
        "R003",
        Asked("/*", exists("cbc:BuyerReference | cac:OrderReference/cbc:ID")),
        Asked(
            "ram:ApplicableHeaderTradeAgreement",
            exists("ram:BuyerReference | ram:BuyerOrderReferencedDocument/ram:IssuerAssignedID"),
        ),
    ),
    _peppol(
        "R004",
        Asked("/*", _specification("cbc:CustomizationID"), quoted(value="cbc:CustomizationID")),
        Asked(
            "rsm:ExchangedDocumentContext",
            _specification("ram:GuidelineSpecifiedDocumentContextParameter/ram:ID"),
            quoted(value="ram:GuidelineSpecifiedDocumentContextParameter/ram:ID"),
        ),
    ),
    _peppol(
        "R006",
        None,
        Asked(
            "ram:ApplicableHeaderTradeAgreement",
            _at_most_one("ram:AdditionalReferencedDocument", "ram:TypeCode", "130"),
        ),
    ),
    _peppol(
        "R007",
        Asked("/*", lambda node, view: view.once(process) is not None, quoted(value="cbc:ProfileID")),
        Asked(
            "rsm:ExchangedDocumentContext",
            lambda node, view: view.once(process) is not None,
            quoted(value="ram:BusinessProcessSpecifiedDocumentContextParameter/ram:ID"),
        ),
    ),
    _peppol("R051", Asked(_UBL_AMOUNTS, _in_own_currency, attribute("currencyID")), None),
    _peppol(
        "R080",
        Asked("cn:CreditNote", _at_most_one("cac:AdditionalDocumentReference", "cbc:DocumentTypeCode", "50")),
        Asked(
            "ram:ApplicableHeaderTradeAgreement", _at_most_one("ram:AdditionalReferencedDocument", "ram:TypeCode", "50")
        ),
    ),
    _peppol(
        "R100",
        Asked(
            "cac:InvoiceLine | cac:CreditNoteLine",
            lambda node, view: len(node.kids.get("cac:DocumentReference", ())) <= 1,
        ),
        Asked(
            "ram:IncludedSupplyChainTradeLineItem",
            _at_most_one("ram:SpecifiedLineTradeSettlement/ram:AdditionalReferencedDocument", "ram:TypeCode", "130"),
        ),
    ),
)

IN_XRECHNUNG: tuple[Declaration, ...] = _shared(xrechnung=True)
RULES: tuple[Declaration, ...] = (*_ONLY_PEPPOL, *_shared(xrechnung=False))

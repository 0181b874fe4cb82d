"""Invoices that keep every rule: with all terms of EN 16931, in each VAT category, and any others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from hypothesis import strategies as st

from invoice_pipelines.einvoice import Invoice, Profile
from invoice_pipelines.einvoice.model import (
    Address,
    AllowanceCharge,
    Contact,
    Delivery,
    Identifier,
    Line,
    Note,
    Party,
    Payment,
    PaymentAccount,
    Period,
    PrecedingInvoice,
    SupportingDocument,
    TaxBreakdown,
)

ZERO = Decimal(0)
CENT = Decimal("0.01")
IBAN = "DE89370400440532013000"
CATEGORIES = ("S", "Z", "E", "AE", "K", "G", "O", "L", "M")
"""Those of which an invoice may consist; B is for Italy alone."""
_RATES = {"S": Decimal("19"), "L": Decimal("7"), "M": Decimal("4")}
_REASONS = {
    "E": ("exempt", "VATEX-EU-132-1A"),
    "AE": ("reverse charge", "VATEX-EU-AE"),
    "K": ("intra-community supply", "VATEX-EU-IC"),
    "G": ("export", "VATEX-EU-G"),
    "O": ("not subject to VAT", "VATEX-EU-O"),
}


def rate_of(category: str) -> Decimal | None:
    """The rate that goes with a category here."""
    return None if category == "O" else _RATES.get(category, ZERO)


def money(amount: Decimal) -> Decimal:
    """Rounded to cents, half up."""
    return amount.quantize(CENT, ROUND_HALF_UP)


def summed_up(invoice: Invoice) -> Invoice:
    """The invoice with every sum that follows from its lines, allowances and charges."""
    lines = tuple(replace(line, net_amount=_line_total(line)) for line in invoice.lines)
    allowances = [each for each in invoice.allowances_charges if not each.is_charge]
    charges = [each for each in invoice.allowances_charges if each.is_charge]
    bases: dict[tuple[str | None, Decimal | None], Decimal] = {}
    for line in lines:
        key = line.tax_category, line.tax_rate
        bases[key] = bases.get(key, ZERO) + (line.net_amount or ZERO)
    for each in invoice.allowances_charges:
        key = each.tax_category, each.tax_rate
        bases[key] = bases.get(key, ZERO) + (each.amount or ZERO) * (1 if each.is_charge else -1)
    breakdowns = tuple(
        TaxBreakdown(
            taxable_amount=basis,
            tax_amount=money(basis * (rate or ZERO) / 100),
            category=category,
            # BR-DE-14 of XRechnung asks for a rate also where there is no VAT, which BR-O-05 forbids lines to have.
            rate=ZERO if category == "O" and invoice.specification_identifier == Profile.XRECHNUNG else rate,
            exemption_reason=_REASONS.get(category or "", (None, None))[0],
            exemption_reason_code=_REASONS.get(category or "", (None, None))[1],
        )
        for (category, rate), basis in bases.items()
    )
    line_total = sum((line.net_amount or ZERO for line in lines), ZERO)
    allowance_total, charge_total = _total(allowances), _total(charges)
    net = line_total - (allowance_total or ZERO) + (charge_total or ZERO)
    tax = sum((each.tax_amount or ZERO for each in breakdowns), ZERO)
    gross = net + tax
    return replace(
        invoice,
        lines=lines,
        tax_breakdowns=breakdowns,
        line_total=line_total,
        allowance_total=allowance_total,
        charge_total=charge_total,
        net_amount=net,
        tax_amount=tax,
        tax_amount_in_tax_currency=money(tax * 2) if invoice.tax_currency else None,
        gross_amount=gross,
        payable_amount=gross - (invoice.prepaid_amount or ZERO) + (invoice.rounding_amount or ZERO),
    )


def _line_total(line: Line) -> Decimal:
    price = (line.unit_price or ZERO) / (line.price_base_quantity or 1)
    more = sum(((each.amount or ZERO) * (1 if each.is_charge else -1) for each in line.allowances_charges), ZERO)
    return money((line.quantity or ZERO) * price) + more


def _total(allowances_charges: Sequence[AllowanceCharge]) -> Decimal | None:
    return sum((each.amount or ZERO for each in allowances_charges), ZERO) if allowances_charges else None


def sound_invoice(category: str = "S", profile: Profile = Profile.EN16931, type_code: str = "380") -> Invoice:
    """An invoice with nearly all terms that both syntaxes can say, in one VAT category."""
    rate = rate_of(category)
    has_vat_ids = category != "O"
    seller = Party(
        name="Seller GmbH",
        trading_name="Seller",
        identifiers=(Identifier("4000001123452", "0088"),),
        legal_registration=Identifier("HRB 123", None),
        vat_id="DE123456789" if has_vat_ids else None,
        tax_id="201/123/12340",
        legal_information="Managing director: Anna Alt",
        electronic_address=Identifier("seller@example.org", "EM"),
        address=Address("Street 1", "Yard", "Gate", "Berlin", "10115", "BE", "DE"),
        contact=Contact("Anna Alt", "+49 30 12345", "anna@example.org"),
    )
    buyer = Party(
        name="Buyer AG",
        trading_name="Buyer",
        identifiers=(Identifier("4000001987658", "0088"),),
        legal_registration=Identifier("FN 1", None),
        vat_id="ATU12345675" if has_vat_ids else None,
        electronic_address=Identifier("buyer@example.org", "EM"),
        address=Address("Road 2", "Floor 3", "Door 4", "Wien", "1010", "9", "AT"),
        contact=Contact("Bert Bau", "+43 1 12345", "bert@example.org"),
    )
    lines = tuple(
        Line(
            identifier=str(number),
            note="as ordered",
            object_identifier=Identifier("meter 1", "ABZ"),
            quantity=Decimal(quantity),
            unit="C62",
            order_line_reference="7",
            accounting_reference="4711",
            period=Period(date(2026, 1, 1), date(2026, 1, 31)),
            allowances_charges=(
                AllowanceCharge(False, Decimal("1.00"), Decimal("10.00"), Decimal("10"), reason="a", reason_code="95"),
                AllowanceCharge(True, Decimal("2.00"), Decimal("20.00"), Decimal("10"), reason="b", reason_code="ABK"),
            ),
            unit_price=Decimal("10.50"),
            price_discount=Decimal("0.50"),
            gross_price=Decimal("11.00"),
            price_base_quantity=Decimal("1"),
            price_base_unit="C62",
            tax_category=category,
            tax_rate=rate,
            name="Chair",
            description="of wood",
            seller_item_id="S1",
            buyer_item_id="B1",
            standard_item_id=Identifier("4000001123452", "0160"),
            classifications=(Identifier("44111", "STI"),),
            origin_country="DE",
            attributes=(("colour", "red"),),
        )
        for number, quantity in enumerate((3, 5), 1)
    )
    return summed_up(
        Invoice(
            number="R-1",
            issue_date=date(2026, 2, 1),
            type_code=type_code,
            currency="EUR",
            tax_currency="SEK" if category == "S" else None,
            tax_point_date=date(2026, 2, 1),
            due_date=date(2026, 3, 1),
            due_dates=(date(2026, 3, 1),),
            buyer_reference="04011000-12345-03",
            project_reference="P-1",
            contract_reference="C-1",
            order_reference="O-1",
            sales_order_reference="A-1",
            receiving_advice_reference="W-1",
            despatch_advice_reference="D-1",
            tender_reference="T-1",
            object_identifier=Identifier("object", "ABZ"),
            accounting_reference="K-1",
            payment_terms="in a month",
            notes=(Note("Thank you", "AAI"),),
            business_process="urn:fdc:peppol.eu:2017:poacc:billing:01:1.0",
            specification_identifier=profile.value,
            preceding_invoices=(PrecedingInvoice("R-0", date(2026, 1, 1)),),
            seller=seller,
            buyer=buyer,
            payee=Party(
                name="Payee KG",
                identifiers=(Identifier("4000001000004", "0088"),),
                legal_registration=Identifier("HRA 1", None),
            ),
            tax_representative=Party(
                name="Tax Ltd",
                vat_id="FR23334175221",
                address=Address("Rue 1", None, None, "Paris", "75001", None, "FR"),
            )
            if has_vat_ids
            else None,
            delivery=Delivery(
                "Store",
                Identifier("4000001000011", "0088"),
                date(2026, 1, 20),
                Address("Lane 5", "Hall", "Ramp", "Linz", "4020", "4", "AT"),
            ),
            period=Period(date(2026, 1, 1), date(2026, 1, 31)),
            payments=(
                Payment(
                    means_code="58",
                    means_text="transfer",
                    remittance_information="R-1",
                    accounts=(PaymentAccount(IBAN, "Seller GmbH", "COBADEFFXXX"),),
                ),
            ),
            allowances_charges=(
                AllowanceCharge(
                    False, Decimal("5.00"), Decimal("50.00"), Decimal("10"), category, rate, "rebate", "95"
                ),
                AllowanceCharge(
                    True, Decimal("4.00"), Decimal("40.00"), Decimal("10"), category, rate, "freight", "FC"
                ),
            ),
            prepaid_amount=Decimal("10.00"),
            rounding_amount=Decimal("0.01"),
            supporting_documents=(SupportingDocument("S-1", "plan", "https://example.org/plan"),),
            lines=lines,
        )
    )


_cents = st.integers(-100_000, 1_000_000).map(lambda cents: Decimal(cents) * CENT)
_few_cents = st.integers(0, 5_000).map(lambda cents: Decimal(cents) * CENT)
_quantities = st.integers(-50, 50_000).map(lambda thousandths: Decimal(thousandths) / 1000)
_prices = st.integers(0, 1_000_000).map(lambda parts: Decimal(parts) / 10_000)


@st.composite
def sound_invoices(draw: st.DrawFn, profile: Profile) -> Invoice:
    """Any mixture of rates, lines, allowances, charges and ways to pay, and any of the terms that may be left out."""
    whole = sound_invoice(draw(st.sampled_from(CATEGORIES)), profile, draw(st.sampled_from(("380", "381", "384"))))
    category = str(whole.lines[0].tax_category)
    kinds = [(category, rate_of(category))]
    if category != "O":  # which stands alone
        more = st.sampled_from((*(("S", Decimal(rate)) for rate in ("19", "7", "5.5")), ("Z", ZERO), ("E", ZERO)))
        kinds += draw(st.lists(more, max_size=2))
    reduced = _thinned(draw, whole, profile)
    lines = [
        replace(
            _thinned_line(draw, whole.lines[0]),
            identifier=str(number),
            quantity=draw(_quantities),
            unit_price=price,
            gross_price=price + Decimal("0.50") if with_gross else None,
            price_discount=Decimal("0.50") if with_gross else None,
            tax_category=kind[0],
            tax_rate=kind[1],
            allowances_charges=tuple(
                AllowanceCharge(draw(st.booleans()), draw(_few_cents), reason="x")
                for _ in range(draw(st.integers(0, 2)))
            ),
        )
        for number, kind in enumerate([*kinds, *draw(st.lists(st.sampled_from(kinds), max_size=3))], 1)
        for price, with_gross in [(draw(_prices), draw(st.booleans()))]
    ]
    allowances_charges = tuple(
        AllowanceCharge(draw(st.booleans()), draw(_few_cents), None, None, *kind, "y")
        for kind in draw(st.lists(st.sampled_from(kinds), max_size=2))
    )
    return summed_up(
        replace(
            reduced,
            lines=tuple(lines),
            allowances_charges=allowances_charges,
            prepaid_amount=draw(st.none() | _few_cents),
            rounding_amount=draw(st.none() | st.sampled_from((CENT, -CENT))),
        )
    )


_KEPT_BY_XRECHNUNG = ("buyer_reference", "payments", "business_process", "preceding_invoices")
_MAY_BE_ABSENT = (
    "tax_currency", "tax_point_date", "buyer_reference", "project_reference", "contract_reference", "order_reference",
    "sales_order_reference", "receiving_advice_reference", "despatch_advice_reference", "tender_reference",
    "object_identifier", "accounting_reference", "notes", "business_process", "preceding_invoices", "payee",
    "tax_representative", "payments", "supporting_documents",
)  # fmt: skip
_MAY_BE_ABSENT_IN_LINES = (
    "note", "object_identifier", "order_line_reference", "accounting_reference", "period", "price_base_quantity",
    "price_base_unit", "description", "seller_item_id", "buyer_item_id", "standard_item_id", "classifications",
    "origin_country", "attributes",
)  # fmt: skip


def _thinned(draw: st.DrawFn, invoice: Invoice, profile: Profile) -> Invoice:
    kept = _KEPT_BY_XRECHNUNG if profile is Profile.XRECHNUNG else ()
    return replace(invoice, **_some(draw, [name for name in _MAY_BE_ABSENT if name not in kept], invoice))


def _thinned_line(draw: st.DrawFn, line: Line) -> Line:
    absent = _some(draw, _MAY_BE_ABSENT_IN_LINES, line)
    if "price_base_quantity" in absent:
        absent["price_base_unit"] = None
    return replace(line, **absent)


def _some(draw: st.DrawFn, names: Iterable[str], of: object) -> dict[str, object]:
    """None, or an empty tuple, for any of the names."""
    return {
        name: () if isinstance(getattr(of, name), tuple) else None
        for name in draw(st.sets(st.sampled_from(sorted(names))))
    }

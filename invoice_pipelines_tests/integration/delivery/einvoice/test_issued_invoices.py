"""Whatever billing issues is a clean e-invoice in every format, and reads back as what it was issued as."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from invoice_pipelines.billing import (
    DocumentKind,
    IssuedInvoice,
    add_customers,
    add_exchange_rates,
    add_items,
    add_orders,
    add_tax_rates,
    batch_invoice_orders,
    credit_invoice,
    issued_invoices,
    process_jobs,
)
from invoice_pipelines.database import organization_scope
from invoice_pipelines.delivery.documents.writing import as_issued
from invoice_pipelines.delivery.einvoice import Seller, lacking, write_xml
from invoice_pipelines.delivery.values import E_INVOICES, DocumentFormat
from invoice_pipelines.einvoice.writing.xml_text import clean
from invoice_pipelines.organizations import Address, OrganizationSettings, add_organization, find_organization
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.settings import load_settings
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.support.delivery.einvoice.judge import (
    VAT_BY_UNITS,
    assert_reads_back,
    factur_x_violations,
    violations,
)
from invoice_pipelines_tests.support.sizes import AT_FULL_SIZE, size

ORDERS_AT_ONCE = 10
RATES: tuple[tuple[str, str, str | None, str | None], ...] = (
    ("S", "19", None, None),
    ("S", "7", None, None),
    ("S", "5.5", None, None),
    ("Z", "0", None, None),
    ("E", "0", "Medical care & <more>", "VATEX-EU-132-1C"),
    ("AE", "0", "Steuerschuldnerschaft des Leistungsempfängers", None),
    ("K", "0", None, "VATEX-EU-IC"),
    ("G", "0", "Export outside the EU", None),
)
HOME_RATES = RATES[:5]
EXCHANGE_RATES = {"USD": "1.0823", "JPY": "160.12", "KWD": "0.3327"}
VAT_IDS = {"AT": "ATU12345675", "FR": "FR 40 303265045", "DE": "de136695976", "NL": "NL004495445B01"}
IBANS = ("DE02 1203 0000 0000 2020 51", "AT611904300234573201", "TR330006100519786457841326", "12345678 90")
NASTY = (
    'Müller & Söhne <GmbH> "1"',
    "شركة النور للتجارة",
    "חברת אור",
    "日本商事株式会社 🎉👩‍👩‍👧",
    "x" * 200,
    "]]> &amp; <!-- -->",
    "a\x01b\x0bc\ufffe d\uffff",
    "\u202eright\u202c",
    "100 % = {{ it }} #1 *not* $markup",
)
CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\x00")


def texts(longest: int = 60) -> st.SearchStrategy[str]:
    random = st.text(CHARACTERS, min_size=1, max_size=longest).filter(clean)
    return st.one_of(st.sampled_from(NASTY), st.sampled_from(("Work", "Lampe, rot", "Hauptstraße 7")), random)


def notes() -> st.SearchStrategy[str | None]:
    return st.one_of(
        st.none(), st.just("#REG#This is not a code\n# nor this"), st.just("Danke!\r\nBis bald"), texts(200)
    )


def decimals(low: str, high: str, places: int) -> st.SearchStrategy[Decimal]:
    return st.decimals(Decimal(low), Decimal(high), places=places, allow_nan=False, allow_infinity=False)


PERCENT = st.one_of(st.just(Decimal(0)), decimals("0", "100", 2), st.sampled_from([Decimal("12.5"), Decimal(100)]))
SELLERS = st.fixed_dictionaries(
    {
        "name": texts(),
        "iban": st.sampled_from(IBANS),
        "vat_id": st.just("DE 123456788"),
        "tax_number": st.sampled_from([None, "60/123/45678"]),
        "address": st.builds(
            Address, street=texts(), city=texts(), post_code=st.just("28195"), additional_street=texts() | st.none()
        ),
        "legal_text": st.one_of(st.none(), texts(300)),
        "payment_terms": st.sampled_from(
            [None, "Payable in 14 days", "2 % in 14 Tagen\n#SKONTO#TAGE=14#PROZENT=2.00#", "Zahlbar bis #12\nDanke"]
        ),
    }
)
CUSTOMERS = st.fixed_dictionaries(
    {
        "name": texts(),
        "country": st.sampled_from([None, *VAT_IDS]),
        "street": texts() | st.none(),
        "city": texts(),
        "post_code": st.sampled_from(["1010", "D-28195", "SW1A 1AA"]),
        "buyer_reference": st.sampled_from(["Einkauf", "04011000-12345-03", "991-03730-19", "ب 7"]),
        "email": st.sampled_from(["a@buyer.example", "Rechnung @ kaeufer.example"]),
    }
)
LINES = st.lists(
    st.fixed_dictionaries(
        {
            "description": texts(),
            "more": st.sampled_from(["", "", "\nrot\n3 m"]),
            "quantity": st.one_of(decimals("0.001", "20", 3), st.just(Decimal(1)), decimals("0.001", "999999", 3)),
            "unit_price": st.one_of(decimals("0", "50", 4), decimals("0", "9999", 2), decimals("0", "99999999", 4)),
            "discount_percent": PERCENT,
            "unit_code": st.sampled_from([None, "HUR", "KGM", "XPX", "2N"]),
            "rate": st.integers(0, len(RATES) - 1),
            "sku": st.sampled_from([None, None, "A-1"]),
            "period": st.sampled_from([None, None, ("2026-01-01", "2026-01-31"), ("2026-01-05", "2026-01-05")]),
        }
    ),
    min_size=1,
    max_size=8,
)
ORDERS = st.fixed_dictionaries(
    {
        "lines": LINES,
        "customer": st.integers(0, 2),
        "currency": st.sampled_from(["EUR", "EUR", "EUR", "USD", "JPY", "KWD"]),
        "discount_percent": PERCENT,
        "note": notes(),
        "purchase_order_reference": st.one_of(st.none(), texts()),
        "delivery_date": st.sampled_from([None, "2026-01-05", "2099-01-05"]),
        "period": st.sampled_from([None, None, ("2026-01-01", "2026-01-31"), ("2025-12-01", "2099-12-31")]),
        "credited": st.lists(st.floats(0.01, 1), max_size=3),
    }
)


@dataclass(frozen=True)
class Example:
    """An organization, its customers, and what they order."""

    seller: dict[str, Any]
    customers: list[dict[str, Any]]
    orders: list[dict[str, Any]]


def examples(orders: int) -> st.SearchStrategy[Example]:
    return st.builds(
        Example,
        SELLERS,
        st.lists(CUSTOMERS, min_size=3, max_size=3),
        st.lists(ORDERS, min_size=orders, max_size=orders),
    )


def issue(database: TestDatabase, example: Example) -> tuple[list[IssuedInvoice], Seller]:
    """Has billing issue all of it, and credit notes for some; what was issued, and what the organization says."""
    seller = dict(example.seller)
    documents = {
        "contact_name": "Anna Beispiel",
        "contact_phone": "+49 421 123456",
        "contact_email": "anna@nordwind.example",
        "bic": "BYLADEM1001",
        "legal_text": seller.pop("legal_text"),
    }
    terms = seller.pop("payment_terms")
    slug = f"seller-{uuid4()}"
    add_organization(
        database.engine,
        slug,
        country_code="DE",
        time_zone="Europe/Berlin",
        currency="EUR",
        settings=OrganizationSettings.model_validate({"documents": documents}),
        **seller,
    )
    organization = find_organization(database.engine, slug)
    with organization_scope(database.engine, organization.id) as connection:
        add_tax_rates(
            connection,
            [
                {"tax_category": category, "rate": rate, "name": category}
                | ({"exemption_reason": reason} if reason else {})
                | ({"exemption_reason_code": code} if code else {})
                for category, rate, reason, code in RATES
            ],
        )
        add_exchange_rates(
            connection,
            [
                {"base_currency": "EUR", "currency": currency, "rate_date": day, "rate": rate, "source": "ECB"}
                for currency, rate in EXCHANGE_RATES.items()
                for day in ("2026-01-02", "2026-01-30", datetime.now(organization.time_zone).date())
            ],
            created_by="anna",
        )
        add_items(connection, [{"sku": "A-1", "name": "Lamp", "unit_code": "H87"}], created_by="anna")
        add_customers(
            connection,
            [
                {name: value for name, value in customer.items() if name != "country"}
                | {
                    "customer_number": f"C{place}",
                    "country_code": customer["country"] or "DE",
                    "vat_id": VAT_IDS.get(customer["country"]),
                }
                for place, customer in enumerate(example.customers)
            ],
            created_by="anna",
        )
        added = add_orders(
            connection,
            [_order(place, order, example) for place, order in enumerate(example.orders)],
            created_by="anna",
        )
    context = OrganizationContext(database.engine, organization, load_settings(), "anna")
    with context.scope() as connection:
        answer = batch_invoice_orders(connection, [order.id for order in added], created_by="anna", due_days=14)
    report = process_jobs(context, job_id=answer.job_id)
    assert report.succeeded == len(example.orders)
    with organization_scope(database.engine, organization.id) as connection:
        rows = connection.execute(text("select sales_order_id, id from billing.invoice"))  # no credit notes yet
        found = {row.sales_order_id: row.id for row in rows}
        ids = [found[order.id] for order in added]
        for invoice_id, order in zip(list(ids), example.orders, strict=True):
            for share in order["credited"]:
                ids += _credit(connection, invoice_id, share)
        return issued_invoices(connection, ids), Seller.of(organization, terms)


def _order(place: int, order: dict[str, Any], example: Example) -> dict[str, Any]:
    is_abroad = example.customers[order["customer"]]["country"] not in (None, "DE")
    rates = RATES if is_abroad else HOME_RATES
    lines = []
    for line in order["lines"]:
        category, rate, _, _ = rates[line["rate"] % len(rates)]
        lines.append(
            {name: line[name] for name in ("quantity", "unit_price", "discount_percent", "unit_code", "sku")}
            | {"description": line["description"] + line["more"], "tax_category": category, "tax_rate": rate}
            | _period(line["period"])
        )
    needs_date = any(line["tax_category"] == "K" for line in lines)
    return (
        {
            "order_number": f"O-{place}",
            "customer_number": f"C{order['customer']}",
            "order_date": "2026-01-02",
            "delivery_date": order["delivery_date"] or ("2026-01-05" if needs_date and not order["period"] else None),
            "lines": lines,
        }
        | _period(order["period"])
        | {name: order[name] for name in ("currency", "discount_percent", "note", "purchase_order_reference")}
    )


def _period(days: tuple[str, str] | None) -> dict[str, str | None]:
    start, end = days or (None, None)
    return {"period_start": start, "period_end": end}


def _credit(connection: Any, invoice_id: UUID, share: float) -> list[UUID]:
    """A credit note for a share of each line; none where nothing is left. The last of two takes what is left."""
    left = connection.execute(text("select billing.creditable_quantities(:id)"), {"id": invoice_id}).scalar_one()
    if not left:
        return []
    quantities = None
    if share < 0.7:
        quantities = {
            int(line): max(Decimal("0.001"), round(Decimal(str(quantity)) * Decimal(share), 3))
            for line, quantity in left.items()
        }
    return [credit_invoice(connection, invoice_id, reason="Returned", created_by="ben", quantities=quantities)]


def assert_is_clean(invoice: IssuedInvoice, seller: Seller, *, with_schematron_of_factur_x: bool) -> bool:
    """Fails where a format of an invoice breaks a rule or reads otherwise. False: it cannot be an e-invoice at all."""
    invoice = as_issued(invoice)
    if invoice.document_kind is DocumentKind.CREDIT_NOTE and seller.payment_terms is None:
        seller = replace(seller, payment_terms="To be set off")
    for format in E_INVOICES:
        missing = lacking(invoice, seller, format)
        if missing:
            assert invoice.currency == "KWD", missing
            assert ["BR-DEC" in sentence for sentence in missing] == [True], missing
            return False
        xml = write_xml(invoice, seller, format)
        for violation in violations(xml, invoice.issue_date + timedelta(days=1)):
            if violation.rule == VAT_BY_UNITS and violation.severity == "warning":
                assert invoice.currency == "JPY" or invoice.document_kind is DocumentKind.CREDIT_NOTE
                continue
            raise AssertionError(f"{format}: {violation}\n{xml.decode()}")
        if format is not DocumentFormat.XRECHNUNG_UBL:
            asked = with_schematron_of_factur_x and format is DocumentFormat.ZUGFERD
            assert factur_x_violations(xml, with_schematron=asked) == [], xml.decode()
        assert_reads_back(xml, invoice, seller, format)
        assert write_xml(invoice, seller, format) == xml
    return True


LENIENT = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]


@settings(max_examples=size(3, 30), suppress_health_check=LENIENT, phases=[Phase.explicit, Phase.generate])
@given(example=examples(6))
def test_what_is_issued_is_a_clean_e_invoice_in_every_format(billing_database: TestDatabase, example: Example) -> None:
    invoices, seller = issue(billing_database, example)
    for invoice in invoices:
        assert_is_clean(invoice, seller, with_schematron_of_factur_x=False)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_hundreds_of_random_invoices_are_clean_e_invoices(billing_database: TestDatabase) -> None:
    written: Counter[bool] = Counter()

    @settings(
        max_examples=size(40, 700) // ORDERS_AT_ONCE,
        suppress_health_check=LENIENT,
        phases=[Phase.explicit, Phase.generate],
    )
    @given(example=examples(ORDERS_AT_ONCE))
    def check(example: Example) -> None:
        invoices, seller = issue(billing_database, example)
        written.update(
            assert_is_clean(invoice, seller, with_schematron_of_factur_x=AT_FULL_SIZE) for invoice in invoices
        )

    check()
    assert written[True] >= size(20, 500)
    print(f"{written[True]} invoices and credit notes, {written[False]} that cannot be e-invoices")

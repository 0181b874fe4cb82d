"""What invoices come to: equal to an independent model to the last digit, and clean by the rules of EN 16931."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from invoice_pipelines.intake.documents import read_document
from invoice_pipelines.intake.validation.content import Expectations
from invoice_pipelines.intake.validation.validate import validate
from invoice_pipelines_tests.integration.billing.books import Book, books_of_orders
from invoice_pipelines_tests.integration.billing.conftest import RATES, BillingDesk, line
from invoice_pipelines_tests.integration.billing.model import rounded, totals
from invoice_pipelines_tests.integration.billing.ubl import as_ubl
from invoice_pipelines_tests.support.sizes import example_count, size


def decimals(low: str, high: str, places: int) -> st.SearchStrategy[Decimal]:
    return st.decimals(Decimal(low), Decimal(high), places=places, allow_nan=False, allow_infinity=False)


PERCENT = st.one_of(st.just(Decimal(0)), decimals("0", "100", 2))
LINES = st.lists(
    st.builds(
        lambda quantity, price, rate, discount: line(
            quantity, price, rate[0], rate[1], discount_percent=discount, description="Work & <more>"
        ),
        st.one_of(decimals("0.001", "20", 3), decimals("0.001", "999999999.999", 3)),
        st.one_of(decimals("0", "50", 4), decimals("0", "9999999999.9999", 4)),
        st.sampled_from(RATES),
        PERCENT,
    ),
    min_size=1,
    max_size=12,
)
ORDERS = st.lists(
    st.fixed_dictionaries(
        {"lines": LINES, "currency": st.sampled_from(["EUR", "JPY", "KWD"]), "discount_percent": PERCENT}
    ),
    min_size=1,
    max_size=4,
)


def issued(desk: BillingDesk, orders: list[dict[str, Any]]) -> list[Book]:
    ids = desk.orders(orders)
    assert {item.status for item in desk.invoice(ids).values()} == {"succeeded"}
    return books_of_orders(desk, ids)


def assert_as_in_the_model(book: Book, order: dict[str, Any]) -> None:
    expected = totals(order["lines"], order["currency"], order["discount_percent"])
    header = book.header
    assert tuple(entry.net_amount for entry in book.lines) == expected.line_amounts
    assert {(t.tax_category, t.tax_rate) for t in book.taxes} == expected.groups.keys()
    for tax in book.taxes:
        group = expected.groups[tax.tax_category, tax.tax_rate]
        assert (tax.line_amount, tax.allowance_amount, tax.taxable_amount, tax.tax_amount) == (
            group.lines,
            group.allowance,
            group.taxable,
            group.tax,
        )
    assert (header.line_amount, header.allowance_amount, header.net_amount, header.tax_amount, header.gross_amount) == (
        expected.lines,
        expected.allowance,
        expected.net,
        expected.tax,
        expected.gross,
    )
    assert header.amount_due == header.gross_amount
    assert header.status == ("paid" if header.gross_amount == 0 else "issued")


def assert_rules_of_the_standard(book: Book) -> None:
    """BR-CO-10 to BR-CO-17, and reasons where there is no VAT."""
    header = book.header
    assert header.line_amount == sum(entry.net_amount for entry in book.lines)  # BR-CO-10
    assert header.allowance_amount == sum(tax.allowance_amount for tax in book.taxes)  # BR-CO-11
    assert header.net_amount == header.line_amount - header.allowance_amount  # BR-CO-13
    assert header.tax_amount == sum(tax.tax_amount for tax in book.taxes)  # BR-CO-14
    assert header.gross_amount == header.net_amount + header.tax_amount  # BR-CO-15
    assert header.amount_due == header.gross_amount - header.amount_paid  # BR-CO-16
    for tax in book.taxes:
        assert tax.tax_amount == rounded(tax.taxable_amount * tax.tax_rate / 100, header.currency)  # BR-CO-17
        assert (tax.exemption_reason is not None) == (tax.tax_category in ("E", "AE", "K", "G"))


@settings(max_examples=example_count(80))
@given(orders=ORDERS)
def test_amounts_are_those_of_an_independent_model(busy_desk: BillingDesk, orders: list[dict[str, Any]]) -> None:
    for book, order in zip(issued(busy_desk, orders), orders, strict=True):
        assert_as_in_the_model(book, order)
        assert_rules_of_the_standard(book)


@pytest.mark.parametrize(
    ("quantity", "price", "discount", "amount"),
    [
        ("1", "0.005", 0, "0.01"),  # half up, not half to even
        ("1", "0.0049", 0, "0.00"),
        ("3", "0.335", 0, "1.01"),
        ("0.001", "5", 0, "0.01"),
        ("1", "1.115", "10", "1.00"),  # 1.0035
        ("999999999.999", "9999999999.9999", 0, "9999999999989900000.00"),
        # 5073321077.15499999999, which is a half only if it is rounded twice
        ("123456.789", "41098.0109", "0.01", "5073321077.15"),
    ],
)
def test_a_line_is_rounded_once_and_half_up(
    busy_desk: BillingDesk, quantity: str, price: str, discount: Any, amount: str
) -> None:
    entry = line(quantity, price, discount_percent=Decimal(discount))
    (book,) = issued(busy_desk, [{"lines": [entry]}])
    assert book.lines[0].net_amount == totals([entry], "EUR", Decimal(0)).line_amounts[0] == Decimal(amount)


def test_vat_is_computed_on_the_sum_of_a_rate_and_never_per_line(busy_desk: BillingDesk) -> None:
    (book,) = issued(busy_desk, [{"lines": [line(1, "0.02") for _ in range(10)]}])
    assert book.header.tax_amount == Decimal("0.04")  # ten times 0.0038 would be 0.00


PLAIN = st.fixed_dictionaries(
    {
        "lines": st.lists(
            st.builds(
                lambda quantity, price, rate, off: line(quantity, price, rate[0], rate[1], discount_percent=off),
                decimals("0.001", "500", 3),
                decimals("0.01", "900", 4),
                st.sampled_from(RATES),
                PERCENT,
            ),
            min_size=1,
            max_size=12,
        ),
        "discount_percent": PERCENT,
    }
)


def assert_clean(book: Book, xml: bytes, desk: BillingDesk) -> None:
    """Fails for an invoice that, as an e-invoice, breaks a rule or reads otherwise than it was issued."""
    reading = read_document(xml)
    header = book.header
    found = validate(reading, Expectations(today=desk.today)).violations
    assert not [violation for violation in found if violation.severity != "information"], xml.decode()
    assert (reading.number, reading.issue_date, reading.currency) == (
        header.invoice_number,
        header.issue_date,
        header.currency,
    )
    assert (reading.line_total, reading.net_amount, reading.tax_amount, reading.gross_amount) == (
        header.line_amount,
        header.net_amount,
        header.tax_amount,
        header.gross_amount,
    )
    assert [(entry.quantity, entry.unit_price, entry.net_amount, entry.tax_category) for entry in reading.lines] == [
        (entry.quantity, entry.unit_price, entry.net_amount, entry.tax_category) for entry in book.lines
    ]
    assert [(tax.category, tax.rate, tax.taxable_amount, tax.tax_amount) for tax in reading.tax_breakdowns] == [
        (tax.tax_category, tax.tax_rate, tax.taxable_amount, tax.tax_amount) for tax in book.taxes
    ]


@settings(max_examples=size(2, 30))
@given(orders=st.lists(PLAIN, min_size=12, max_size=12))
def test_hundreds_of_issued_invoices_are_clean_e_invoices(busy_desk: BillingDesk, orders: list[dict[str, Any]]) -> None:
    customer = busy_desk.customer(name="Acheteur SA", country_code="FR", vat_id="FR40303265045")
    for book in issued(busy_desk, [order | {"customer_id": customer} for order in orders]):
        assert_clean(book, as_ubl(book), busy_desk)


def test_the_invoice_says_seller_and_buyer_as_they_were(desk: BillingDesk) -> None:
    customer = desk.customer(name="Old Name", city="Berlin", vat_id="DE136695976")
    order_id: UUID = desk.order(customer_id=customer)
    desk.one(order_id)
    desk.rows("update billing.customer set name = 'New Name', city = 'Bonn' where id = :id", id=customer)
    desk.rows("update organizations.organization set name = 'New Seller'")
    (book,) = books_of_orders(desk, [order_id])
    assert (book.header.buyer["name"], book.header.buyer["city"]) == ("Old Name", "Berlin")
    assert book.header.seller["name"] == "Desk GmbH"

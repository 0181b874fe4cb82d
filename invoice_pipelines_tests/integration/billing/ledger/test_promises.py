"""The promises hold for books as they are kept, and each one finds what breaks it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import Connection, text

from invoice_pipelines.billing import credit_invoice, void_invoice
from invoice_pipelines.billing.payments import record_payment, void_payment
from invoice_pipelines.billing.promises import LOOKED_BACK, PROMISES, latest_since
from invoice_pipelines.database.roles import APP
from invoice_pipelines.organizations import NumberFormat, OrganizationSettings
from invoice_pipelines.promises import SAMPLE, Finding, find_broken
from invoice_pipelines_tests.support.billing.shop import WORK, Shop, open_shop


@pytest.fixture(scope="module")
def shop(shared_database):
    """Ten invoices, some of them voided, credited, paid, of several rates and discounts; and an open order."""
    shop = open_shop(shared_database)
    odd = {
        "discount_percent": "33.33",
        "lines": [
            WORK,
            {"sku": "B", "quantity": "0.333"},
            {"sku": "A", "quantity": "3", "tax_rate": 7, "tax_category": "S"},
        ],
    }
    ids = shop.issue(*({"order_number": f"O{n}", **(odd if n % 2 else {})} for n in range(10)))
    with shop.scope() as connection:
        void_invoice(connection, ids[0], reason="x", voided_by="ben")
        void_invoice(connection, ids[2], reason="x", voided_by="ben", reopen_order=True)
        credit_invoice(connection, ids[1], reason="x", created_by="ben", quantities={1: Decimal("0.7")})
        credit_invoice(connection, ids[3], reason="x", created_by="ben", return_stock=True)
        first = record_payment(connection, ids[4], Decimal(7), recorded_by="ben", reference="P4")
        record_payment(connection, ids[6], Decimal("119.00"), recorded_by="ben", reference="P6")
        record_payment(connection, ids[8], Decimal("119.00"), recorded_by="ben", reference="P8")
        void_payment(connection, first, voided_by="ben")
    shop.orders({"order_number": "open"})
    return shop


def broken(connection: Connection, **window: int | None) -> dict[str, Finding]:
    """What each promise finds, by its name; those that are kept are left out."""
    found = {promise.name: promise.find(connection, **window) for promise in PROMISES if promise.find}
    return {name: finding for name, finding in found.items() if not finding.kept}


@pytest.mark.parametrize("window", [{}, {"latest": None}, {"latest": 1}, {"latest": 3}])
def test_books_that_are_kept_keep_all_promises(shop, window):
    with shop.scope() as connection:
        assert broken(connection, **window) == {}


def test_books_without_invoices_and_with_numbers_that_never_start_again_keep_all_promises(shared_database):
    settings = OrganizationSettings(invoice_number=NumberFormat(pattern="R{number}", yearly_reset=False))
    other = open_shop(shared_database, settings=settings)
    other.orders({})
    with other.scope() as connection:
        assert broken(connection) == {}
    other.issue({}, {})
    with other.scope() as connection:
        assert broken(connection) == {}


BREAKS = {
    "numbers_have_no_gap": [
        ("000007", "delete from invoice_number where invoice_id = {O5}"),
        (
            "the counter says 12, the last number is 10",
            "update invoice_counter set next_number = next_number + 1 where {ours} and series = 'invoice'",
        ),
        (
            "the counter says 11, the last number is 9",
            "delete from invoice_number where {ours} and series = 'invoice' and number = 10",
        ),
        ("number 1 is missing", "delete from invoice_number where {ours} and series = 'invoice' and number = 1"),
    ],
    "dates_in_order": [
        ("00000", "update invoice_number set issue_date = issue_date + 1 where invoice_id = {O5}"),
        ("000006", "update invoice set issue_date = issue_date - 1 where id = {O5}"),
    ],
    "complete_invoices": [
        ("O5", "delete from invoice_number where invoice_id = {O5}"),
        ("O5", "delete from issued_invoice_line where invoice_id = {O5}"),
        ("O5", "delete from issued_invoice_tax where invoice_id = {O5}"),
    ],
    "amounts_tie": [
        (
            "O5",
            "update issued_invoice_line set net_amount = net_amount + 0.01 where line_number = 1 and invoice_id = {O5}",
        ),
        ("O5", "update issued_invoice_line set quantity = quantity + 1 where line_number = 2 and invoice_id = {O5}"),
        (
            "O5",
            "update invoice set tax_currency = 'USD', exchange_rate = 2, exchange_rate_base = 'EUR', "
            "exchange_rate_date = issue_date, exchange_rate_source = 'ECB', tax_amount_in_tax_currency = tax_amount "
            "where id = {O5}",
        ),
        ("O5", "update issued_invoice_tax set tax_amount = tax_amount - 0.01 where tax_rate = 7 and invoice_id = {O5}"),
        ("O5", "update issued_invoice_line set tax_rate = 7 where line_number = 1 and invoice_id = {O5}"),
        ("O5", "update invoice set tax_amount = tax_amount + 1, gross_amount = gross_amount + 1 where id = {O5}"),
    ],
    "settlements_tie": [
        ("O5", "update invoice set amount_credited = 1, status = 'partially_paid' where id = {O5}"),
        ("O5", "update invoice set amount_paid = gross_amount, status = 'paid' where id = {O5}"),
        ("O6", "update payment_allocation set applied_amount = 100 where invoice_id = {O6}"),
        ("O6", "update payment set status = 'void' where {ours} and reference = 'P6'"),
    ],
    "every_invoiced_order_has_its_invoice": [
        ("O5", "update sales_order set status = 'reviewed' where {ours} and order_number = 'O5'"),
        ("open", "update sales_order set status = 'invoiced' where {ours} and order_number = 'open'"),
    ],
    "payments_are_as_their_events_tell": [
        ("P6", "update payment set payment_date = '2020-01-01' where {ours} and reference = 'P6'"),
        (
            "P6",
            "delete from payment_event where {ours} and payment_id = (select payment_id from "
            "payment_allocation where invoice_id = {O6})",
        ),
    ],
    "events_tell_what_happened": [
        (
            "void of O5",
            "update invoice set status = 'void', void_reason = 'x', voided_at = now(), voided_by = 'ben' where id = "
            "{O5}",
        ),
        ("void of O0", "delete from invoice_event where invoice_id = {O0}"),
        ("void of O0", "update invoice set voided_by = 'carl' where id = {O0}"),
        ("void of O0", "update invoice set voided_at = voided_at - interval '1 day' where id = {O0}"),
        (
            "event paid of O6",
            "update invoice_event set created_at = created_at - interval '1 hour' where invoice_id = {O6}",
        ),
        ("credit note of O1", "delete from invoice_event where invoice_id = {O1}"),
        (
            "event paid of O5",
            "insert into invoice_event (organization_id, invoice_id, action) values ({organization}, {O5}, 'paid')",
        ),
        (
            "event voided of O5",
            "insert into invoice_event (organization_id, invoice_id, action) values ({organization}, {O5}, 'voided')",
        ),
    ],
    "lines_belong_to_invoices": [
        (
            "line 2 of O5",
            "update issued_invoice_line set item_id = uuidv7() where line_number = 2 and invoice_id = {O5}",
        ),
        (
            "line 2 of ",
            "update issued_invoice_line set invoice_id = uuidv7() where line_number = 2 and invoice_id = {O5}",
        ),
        ("VAT of ", "update issued_invoice_tax set invoice_id = uuidv7() where tax_rate = 7 and invoice_id = {O5}"),
    ],
}
"""By promise: what it names, and what breaks it."""
INVOICE = "(select id from invoice where {{ours}} and order_number = '{}' and document_kind = 'invoice')"


@contextmanager
def tampered(shop: Shop, statement: str) -> Iterator[Connection]:
    """The books after a change behind all triggers and foreign keys, as by a broken disk; it is taken back."""
    names = {"ours": f"organization_id = '{shop.organization.id}'", "organization": f"'{shop.organization.id}'"}
    invoices = {order: INVOICE.format(order).format(**names) for order in ("O0", "O1", "O5", "O6")}
    with shop.superuser.connect() as connection:
        for step in (
            "set local session_replication_role = replica",
            "set local search_path = billing",
            statement.format(**names, **invoices),
            f"set local role {APP}",
            f"set local app.organization_id = {names['organization']}",
        ):
            connection.exec_driver_sql(step)
        yield connection
        connection.rollback()


@pytest.mark.parametrize(
    ("promise", "named", "tampering"),
    [(promise, named, tampering) for promise, cases in BREAKS.items() for named, tampering in cases],
)
def test_what_breaks_a_promise_is_counted_and_named(shop, promise, named, tampering):
    with tampered(shop, tampering) as connection:
        finding = broken(connection)[promise]
    assert finding.count == len(finding.sample)
    assert any(named in name for name in finding.sample), finding


def test_only_the_newest_are_looked_at_unless_all_are_asked_for(shop):
    with tampered(shop, "update issued_invoice_line set quantity = quantity + 1 where invoice_id = {O1}") as connection:
        assert broken(connection, latest=2) == {}
        assert set(broken(connection, latest=None)) == {"amounts_tie"}


def test_what_is_broken_stays_broken_though_it_is_no_longer_among_the_newest(shop):
    def of_the_newest(connection: Connection, **options: bool) -> set[str]:
        found = find_broken(connection, PROMISES, part=lambda _: 2, **options)
        return {name for name, finding in found.items() if not finding.kept}

    with tampered(shop, "update issued_invoice_line set quantity = quantity + 1 where invoice_id = {O1}") as connection:
        assert of_the_newest(connection) == {"amounts_tie"}, "the first look is at all"
        assert of_the_newest(connection) == {"amounts_tie"}
    with shop.scope() as connection:
        assert of_the_newest(connection) == set()
    with tampered(shop, "update issued_invoice_line set quantity = quantity + 1 where invoice_id = {O1}") as connection:
        assert of_the_newest(connection) == set()
        assert of_the_newest(connection, everything=True) == {"amounts_tie"}, "as every night"
        assert of_the_newest(connection) == {"amounts_tie"}


def test_those_issued_since_a_moment_are_looked_at_and_a_thousand_before(shop):
    with shop.scope() as connection:
        issued = connection.execute(text("select count(*) from billing.invoice")).scalar_one()
        assert latest_since(connection, datetime.now(UTC) - timedelta(hours=1)) == LOOKED_BACK + issued
        assert latest_since(connection, datetime.now(UTC) + timedelta(hours=1)) == LOOKED_BACK


def test_a_finding_names_twenty_at_the_most(shop):
    forged = """insert into sales_order (organization_id, order_number, status, currency, order_date)
                select {organization}, 'F' || n, 'invoiced', 'EUR', '2026-01-02' from generate_series(1, 25) n"""
    with tampered(shop, forged) as connection:
        finding = broken(connection)["every_invoiced_order_has_its_invoice"]
    assert (finding.count, len(finding.sample)) == (25, SAMPLE)

"""What customers owe, by how late it is: the rule against a model of its own, what a day in the past can tell, the
file, and when it is made again.
"""

from __future__ import annotations

import csv
import io
import threading
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from invoice_pipelines.billing.corrections import credit_invoice, void_invoice
from invoice_pipelines.billing.errors import BillingError
from invoice_pipelines.billing.payments import Payment, PaymentKind, PaymentStatus, settle
from invoice_pipelines.billing.receivables.export import COLUMNS, REST, export_receivables, organizations_to_age
from invoice_pipelines.billing.receivables.receivables import (
    BUCKETS,
    Receivables,
    age_receivables,
    aging_that_is_not_what_is_due,
    buckets_that_do_not_sum,
    read_receivables,
)
from invoice_pipelines.database.embedded import EmbeddedServer
from invoice_pipelines.organizations import remove_organization
from invoice_pipelines.storage import StorageError
from invoice_pipelines_tests.conftest import TestDatabase, fresh_database
from invoice_pipelines_tests.integration.billing.conftest import BillingDesk, line, open_desk
from invoice_pipelines_tests.support.sizes import example_count
from invoice_pipelines_tests.support.statistics import STATES, keep_statistics, put, reading_at_most

ZONES = ["Pacific/Auckland", "Europe/Berlin", "Pacific/Honolulu"]
GROSS = {"EUR": Decimal("11.90"), "JPY": Decimal(12), "KWD": Decimal("11.900")}
"""One piece of 10 at 19 %, in currencies of 2, 0 and 3 digits. 11.9 yen are 12."""

of_any_books = settings(max_examples=example_count(15))


@dataclass(frozen=True)
class Sale:
    """An invoice over so many pieces of 10 at 19 %, as a test wants it, and what happened to it."""

    issued: int
    """days before the day of the aging"""
    due_days: int
    pieces: int = 1
    currency: str = "EUR"
    customer: int = 0
    paid: int = 0
    """percent, of what is due after credit notes"""
    paid_days_later: int = 0
    credited: int = 0
    """pieces; at most `pieces`"""
    credited_days_later: int = 0
    is_void: bool = False


SALES = st.builds(
    Sale,
    issued=st.integers(0, 200),
    due_days=st.one_of(st.integers(0, 200), st.sampled_from([0, 14, 30])),
    pieces=st.integers(1, 4),
    currency=st.sampled_from(sorted(GROSS)),
    customer=st.integers(0, 2),
    paid=st.sampled_from([0, 0, 0, 1, 50, 100]),
    paid_days_later=st.integers(0, 100),
    credited=st.integers(0, 3),
    credited_days_later=st.integers(0, 100),
    is_void=st.booleans(),
).map(lambda sale: replace(sale, credited=min(sale.credited, sale.pieces), is_void=sale.is_void and not sale.credited))
BOOKS = st.lists(SALES, max_size=9)


def keep_books(desk: BillingDesk, day: date, sales: Sequence[Sale]) -> None:
    """Issues, credits, voids and pays, in the order of dates, as billing asks for it."""
    customers = [desk.customer(customer_number=f"C{number}", name=f"Buyer {number}") for number in range(3)]
    orders = desk.orders(
        [
            {"lines": [line(sale.pieces, 10)], "currency": sale.currency, "customer_id": customers[sale.customer]}
            for sale in sales
        ]
    )
    together: dict[tuple[date, int], list[UUID]] = defaultdict(list)
    for order, sale in zip(orders, sales, strict=True):
        together[day - timedelta(days=sale.issued), sale.due_days].append(order)
    for (issued, due_days), wanted in sorted(together.items()):
        outcomes = desk.invoice(wanted, invoice_date=issued, due_days=due_days)
        assert {item.status for item in outcomes.values()} == {"succeeded"}, outcomes
    found = {row.sales_order_id: row.id for row in desk.rows("select sales_order_id, id from billing.invoice")}
    books = [(found[order], sale, day - timedelta(days=sale.issued)) for order, sale in zip(orders, sales, strict=True)]
    credited = [
        (min(issued + timedelta(days=sale.credited_days_later), day), place)
        for place, (_, sale, issued) in enumerate(books)
        if sale.credited
    ]
    with desk.scope() as connection:
        for issue_date, place in sorted(credited):
            invoice, sale, _ = books[place]
            quantities = {1: Decimal(sale.credited)}
            credit_invoice(
                connection, invoice, reason="x", created_by="anna", issue_date=issue_date, quantities=quantities
            )
        for invoice, sale, _ in books:
            if sale.is_void:
                void_invoice(connection, invoice, reason="wrong", voided_by="anna")
    for invoice, sale, issued in books:
        if sale.paid and not sale.is_void:
            pay(desk, invoice, sale.paid, min(issued + timedelta(days=sale.paid_days_later), day))


def pay(desk: BillingDesk, invoice: UUID, percent: int, day: date) -> None:
    """Part of what is due, or all of it."""
    due, currency = desk.rows("select amount_due, currency from billing.invoice where id = :id", id=invoice)[0]
    amount = (due * percent / 100).quantize(Decimal("0.001"), "ROUND_HALF_UP")
    if amount:
        payment = Payment("quickbooks", PaymentKind.PAYMENT, day, currency, amount, external_id=str(invoice),
                          allocations={invoice: amount})  # fmt: skip
        with desk.scope() as connection:
            settle(connection, [payment], recorded_by="anna")


def pay_off_the_record(desk: BillingDesk, invoice: UUID, percent: int) -> None:
    """As if it had been paid before payments were recorded."""
    desk.behind(
        f"""update billing.invoice set amount_paid = amount_paid + p.paid,
                   status = case when p.paid = amount_due then 'paid' when amount_paid + amount_credited + p.paid > 0
                                 then 'partially_paid' else status end
            from (select round(amount_due * {percent} / 100, 3) as paid from billing.invoice where id = '{invoice}') p
            where id = '{invoice}'"""
    )


def late(due: date, day: date) -> str:
    """The bucket, counted day by day on a calendar."""
    days = 0
    while due < day:
        due += timedelta(days=1)
        days += 1
    for name, longest in (("not_due", 0), ("days_1_30", 30), ("days_31_60", 60), ("days_61_90", 90)):
        if days <= longest:
            return name
    return "over_90_days"


def model(
    day: date, sales: Sequence[Sale], as_of: date, *, is_today: bool = True
) -> dict[tuple[str, int, str], Decimal]:
    """What is due by currency, customer and bucket, invoice by invoice."""
    due: dict[tuple[str, int, str], Decimal] = defaultdict(Decimal)
    for sale in sales:
        issued = day - timedelta(days=sale.issued)
        if issued > as_of or (sale.is_void and is_today):
            continue
        digits = {"EUR": 2, "JPY": 0, "KWD": 3}[sale.currency]

        def gross(pieces: int, digits: int = digits) -> Decimal:
            net = Decimal(10 * pieces)
            return net + (net * Decimal("0.19")).quantize(Decimal(1).scaleb(-digits), "ROUND_HALF_UP")

        amount = gross(sale.pieces)
        credited = amount if sale.credited == sale.pieces else gross(sale.credited) if sale.credited else Decimal(0)
        paid = ((amount - credited) * sale.paid / 100).quantize(Decimal("0.001"), "ROUND_HALF_UP")
        if min(issued + timedelta(days=sale.credited_days_later), day) <= as_of:
            amount -= credited
        if is_today or min(issued + timedelta(days=sale.paid_days_later), day) <= as_of:
            amount -= paid
        if amount:
            due[sale.currency, sale.customer, late(issued + timedelta(days=sale.due_days), as_of)] += amount
    return dict(due)


def aged(receivables: Receivables) -> dict[tuple[str, int, str], Decimal]:
    """The aging in the form of the model."""
    return {
        (customer.currency, int(customer.customer_number[1:]), bucket): amount
        for customer in receivables.customers
        for bucket, amount in customer.aged.buckets.items()
        if amount
    }


def assert_adds_up(receivables: Receivables, expected: dict[tuple[str, int, str], Decimal]) -> None:
    assert aged(receivables) == expected
    for currency in receivables.currencies:
        of_currency = {key: amount for key, amount in expected.items() if key[0] == currency.currency}
        for bucket in BUCKETS:
            assert currency.aged.buckets[bucket] == sum(a for key, a in of_currency.items() if key[2] == bucket)
        assert currency.aged.total == sum(of_currency.values())
        assert currency.aged.overdue == sum(a for key, a in of_currency.items() if key[2] != "not_due")
        assert currency.customers == len({key[1] for key in of_currency})
        assert isinstance(currency.aged.total, Decimal)
    assert {currency.currency for currency in receivables.currencies} == {key[0] for key in expected}
    assert aging_that_is_not_what_is_due(receivables).kept
    assert buckets_that_do_not_sum(receivables).kept


@given(
    moment=st.integers(0, 2 * 365 * 86400).map(
        lambda seconds: datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    ),
    zone=st.sampled_from(ZONES),
    sales=BOOKS,
)
@example(moment=datetime(2025, 4, 5, 11, 59, 59, tzinfo=UTC), zone="Pacific/Auckland", sales=[Sale(1, 0), Sale(0, 0)])
@example(moment=datetime(2025, 4, 5, 12, 0, tzinfo=UTC), zone="Pacific/Auckland", sales=[Sale(31, 0), Sale(30, 0)])
@example(moment=datetime(2025, 1, 1, 9, 59, 59, tzinfo=UTC), zone="Pacific/Honolulu", sales=[Sale(61, 0), Sale(60, 0)])
@example(moment=datetime(2025, 1, 1, 10, 0, tzinfo=UTC), zone="Pacific/Honolulu", sales=[Sale(91, 0), Sale(90, 0)])
@of_any_books
def test_what_is_due_is_aged_by_the_day_of_the_organization(
    shared_database: TestDatabase, moment: datetime, zone: str, sales: list[Sale]
) -> None:
    """Partial payments and credit notes reduce it, voids and what is settled do not count, currencies stay apart."""
    desk = open_desk(shared_database, time_zone=zone)
    day = moment.astimezone(ZoneInfo(zone)).date()
    keep_books(desk, day, sales)
    receivables = age_receivables(desk.engine, desk.organization_id, now=moment)
    assert (receivables.as_of, receivables.is_today) == (day, True)
    assert_adds_up(receivables, model(day, sales, day))


@given(zone=st.sampled_from(ZONES), sales=BOOKS, days_back=st.integers(1, 150))
@of_any_books
def test_an_earlier_day_is_told_from_the_dates_of_documents_and_sales_are_those_of_ninety_days(
    shared_database: TestDatabase, zone: str, sales: list[Sale], days_back: int
) -> None:
    """What was dated later does not count, and what was voided later does. Days of sales are receivables by sales, less
    credit notes, of the 90 days that end today, times 90; none without sales.
    """
    sales = [replace(sale, paid=0 if sale.is_void else sale.paid) for sale in sales]
    desk = open_desk(shared_database, time_zone=zone)
    keep_books(desk, desk.today, sales)
    as_of = desk.today - timedelta(days=days_back)
    receivables = age_receivables(desk.engine, desk.organization_id, as_of=as_of)
    assert not receivables.is_today
    assert_adds_up(receivables, model(desk.today, sales, as_of, is_today=False))

    since = desk.today - timedelta(days=89)
    for found in age_receivables(desk.engine, desk.organization_id).currencies:
        documents = desk.rows(
            """select document_kind, gross_amount from billing.issued_invoice
               where currency = :currency and status <> 'void' and issue_date between :since and :today""",
            currency=found.currency, since=since, today=desk.today,
        )  # fmt: skip
        sold = sum((row[1] if row[0] == "invoice" else -row[1] for row in documents), Decimal(0))
        assert found.sales == sold
        days = found.days_sales_outstanding
        assert (days is None) == (sold <= 0)
        assert days is None or abs(days - found.aged.total * 90 / sold) <= Decimal("0.05")


def test_an_earlier_day_is_refused_where_it_is_not_on_record_when_something_of_it_was_paid(desk: BillingDesk) -> None:
    keep_books(desk, desk.today, [Sale(40, 14), Sale(30, 14), Sale(10, 14), Sale(9, 14, paid=100)])
    invoices = desk.rows("select id from billing.invoice order by issue_date")
    for place, percent in ((1, 50), (2, 100)):
        pay_off_the_record(desk, invoices[place].id, percent)
    before = age_receivables(desk.engine, desk.organization_id, as_of=desk.today - timedelta(days=31))
    assert before.invoices == 1
    with pytest.raises(BillingError, match="2 of the invoices dated until then were paid in part or in full, and when"):
        age_receivables(desk.engine, desk.organization_id, as_of=desk.today - timedelta(days=1))


def test_a_payment_that_was_taken_back_does_not_count_on_an_earlier_day_either(desk: BillingDesk) -> None:
    keep_books(desk, desk.today, [Sale(40, 14)])
    invoice = desk.value("select id from billing.invoice")
    paid = Payment("quickbooks", PaymentKind.PAYMENT, desk.today - timedelta(days=20), "EUR", Decimal("11.9"),
                   external_id="P1", allocations={invoice: Decimal("11.9")})  # fmt: skip

    def due_on(days_ago: int) -> list[Decimal]:
        as_of = desk.today - timedelta(days=days_ago)
        currencies = age_receivables(desk.engine, desk.organization_id, as_of=as_of).currencies
        return [found.aged.total for found in currencies]

    with desk.scope() as connection:
        settle(connection, [paid], recorded_by="anna")
    assert (due_on(21), due_on(20)) == ([Decimal("11.90")], [])
    with desk.scope() as connection:
        settle(connection, [replace(paid, status=PaymentStatus.VOID)], recorded_by="anna")
    assert (due_on(21), due_on(20)) == ([Decimal("11.90")], [Decimal("11.90")])


def test_a_day_to_come_is_refused(desk: BillingDesk) -> None:
    with pytest.raises(BillingError, match="is after today"):
        age_receivables(desk.engine, desk.organization_id, as_of=desk.today + timedelta(days=1))


def test_an_invoice_dated_ahead_is_owed_and_not_due(desk: BillingDesk) -> None:
    keep_books(desk, desk.today, [Sale(-5, 0)])
    (found,) = age_receivables(desk.engine, desk.organization_id).currencies
    assert (found.aged.not_due, found.aged.total, found.sales) == (Decimal("11.90"), Decimal("11.90"), Decimal("0.00"))


def test_sales_are_found_in_every_period_and_series(desk: BillingDesk) -> None:
    """Numbers that begin again each year do not hide what was sold before the turn of the year."""
    desk.set_settings(yearly_reset=True)
    for day in (date(2024, 9, 1), date(2024, 11, 1), date(2024, 12, 31), date(2025, 1, 1), date(2025, 1, 10)):
        assert desk.one(desk.order(), invoice_date=day).status == "succeeded"
    noon = datetime(2025, 1, 9, 12, tzinfo=UTC)
    (found,) = age_receivables(desk.engine, desk.organization_id, now=noon).currencies
    assert found.sales == 3 * Decimal("11.90")
    assert found.days_sales_outstanding == Decimal("150.0")


def test_amounts_are_added_exactly_however_large_they_are(desk: BillingDesk) -> None:
    """Decimal rounds to 28 digits by itself, and a float to 16."""
    customers = [desk.customer(customer_number=f"C{number}") for number in range(3)]
    invoices = [desk.issue(line(1, 10), customer_id=customer) for customer in customers]
    large = Decimal("1234567890123456789012345678901.23")
    desk.behind("alter table billing.invoice disable trigger user")
    for invoice in invoices:
        desk.behind(
            f"""update billing.invoice set line_amount = {large}, net_amount = {large}, tax_amount = 0,
                       gross_amount = {large} where id = '{invoice}'"""
        )
    desk.behind("alter table billing.invoice enable trigger user")
    receivables = age_receivables(desk.engine, desk.organization_id)
    assert str(receivables.currencies[0].aged.total) == "3703703670370370367037037036703.69"
    assert aging_that_is_not_what_is_due(receivables).kept
    assert buckets_that_do_not_sum(receivables).kept


def test_a_broken_promise_is_found(desk: BillingDesk) -> None:
    keep_books(desk, desk.today, [Sale(40, 0), Sale(10, 0)])
    receivables = age_receivables(desk.engine, desk.organization_id)
    missed = replace(receivables, amounts_due={"EUR": Decimal(1), "USD": Decimal(2)})
    assert aging_that_is_not_what_is_due(missed).sample == (
        "EUR: 23.80 in the aging, 1 due",
        "USD: 0 in the aging, 2 due",
    )
    (customer,) = receivables.customers
    wrong = replace(customer, aged=replace(customer.aged, not_due=Decimal(1)))
    assert buckets_that_do_not_sum(replace(receivables, customers=(wrong,))).sample == ("customer C0, EUR",)
    assert buckets_that_do_not_sum(replace(receivables, customers=())).sample == ("EUR",)


def test_an_organization_sees_only_what_is_owed_to_it(desk: BillingDesk, shared_database: TestDatabase) -> None:
    other = open_desk(shared_database)
    keep_books(other, other.today, [Sale(50, 0, pieces=3)])
    keep_books(desk, desk.today, [Sale(1, 0)])
    assert [found.aged.total for found in age_receivables(desk.engine, desk.organization_id).currencies] == [
        Decimal("11.90")
    ]


def test_without_anything_open_there_are_no_receivables(desk: BillingDesk) -> None:
    keep_books(desk, desk.today, [Sale(1, 0, paid=100), Sale(1, 0, is_void=True)])
    receivables = age_receivables(desk.engine, desk.organization_id)
    assert (receivables.customers, receivables.currencies, receivables.invoices) == ((), (), 0)


def test_what_is_paid_meanwhile_does_not_make_the_sums_differ(desk: BillingDesk) -> None:
    """All is read from one snapshot: nobody gets a check that failed because somebody paid."""
    keep_books(desk, desk.today, [Sale(40, 14), Sale(3, 14, customer=1)])
    done = threading.Event()

    def pay_and_take_back() -> None:
        paid = (1, 0)
        while not done.is_set():
            desk.behind(
                f"""update billing.invoice set amount_paid = {paid[0]},
                           status = case when {paid[0]} = 0 then 'issued' else 'partially_paid' end
                    where organization_id = '{{organization}}'"""
            )
            paid = paid[::-1]

    payer = threading.Thread(target=pay_and_take_back)
    payer.start()
    try:
        found = [age_receivables(desk.engine, desk.organization_id) for _ in range(12)]
    finally:
        done.set()
        payer.join()
    assert all(aging_that_is_not_what_is_due(receivables).kept for receivables in found)
    assert {receivables.currencies[0].aged.total for receivables in found} <= {Decimal("21.80"), Decimal("23.80")}


def test_who_owes_most_that_is_overdue_comes_first(desk: BillingDesk) -> None:
    keep_books(desk, desk.today, [Sale(1, 30, pieces=4), Sale(40, 14, pieces=2, customer=1), Sale(9, 0, customer=2)])
    receivables = age_receivables(desk.engine, desk.organization_id)
    assert [customer.customer_number for customer in receivables.customers] == ["C1", "C2", "C0"]
    assert receivables.currencies[0].aged.overdue_percent == Decimal("42.9")


# What is read


MANY = """
    insert into billing.invoice (organization_id, id, customer_id, issue_date, due_date, currency, line_amount,
        allowance_amount, net_amount, tax_amount, gross_amount, status, amount_paid, language, seller, buyer)
    select '{organization}', uuidv7(), c.id, current_date - :ago, current_date - :ago + 14, 'EUR', 10, 0, 10, 0, 10,
           :status, case when :status = 'paid' then 10 else 0 end, 'de', '{{}}', '{{}}'
    from billing.customer c cross join generate_series(1, :count) i where c.organization_id = '{organization}'
"""
NUMBERS = """
    insert into billing.invoice_number (organization_id, series, period, number, invoice_number, invoice_id, issue_date)
    select organization_id, 'invoice', '', row_number() over (order by id), 'I-' || row_number() over (order by id), id,
           issue_date
    from billing.invoice where organization_id = '{organization}'
"""
COUNTER = """
    insert into billing.invoice_counter
    select organization_id, 'invoice', '', count(*) + 1, max(issue_date) from billing.invoice
    where organization_id = '{organization}' group by organization_id
"""


def fill(desk: BillingDesk, *parts: tuple[int, int, str]) -> None:
    """So many invoices of so many days ago, the oldest first, in a status each."""
    desk.customer()
    with desk.superuser.begin() as connection:
        connection.exec_driver_sql("set local session_replication_role = replica")
        for count, ago, status in parts:
            values = {"count": count, "ago": ago, "status": status}
            connection.execute(text(MANY.format(organization=desk.organization_id)), values)
        for statement in (NUMBERS, COUNTER):
            connection.execute(text(statement.format(organization=desk.organization_id)))


def test_only_what_is_open_and_what_was_sold_lately_is_read(server: EmbeddedServer, template: str) -> None:
    """However much was paid before, whatever others have, and whatever the planner knows of it."""
    tables = ("billing.invoice", "billing.invoice_number", "billing.customer")
    with fresh_database(server, template) as database:
        keep_statistics(database.superuser, tables)
        for _ in range(3):  # so much of all is open that reading all looks cheap
            fill(open_desk(database), (1500, 10, "issued"))
        desk = open_desk(database)
        fill(desk, (1000, 120, "paid"), (40, 100, "issued"), (60, 80, "paid"), (30, 0, "issued"))
        for state in STATES:
            put(database.superuser, tables, state)
            desk.engine.dispose()
            with desk.scope() as connection, reading_at_most(
                connection,
                {
                    "billing.invoice": 2 * 70 + 90,  # the aging, what is due, what was sold
                    "billing.invoice_number": 90 + 20,  # what was sold, and the search for its first number
                },
            ):  # fmt: skip
                receivables = read_receivables(connection)
            (found,) = receivables.currencies
            assert (found.aged.invoices, found.aged.total, found.sales) == (70, 700, 900), state
            assert (found.aged.days_61_90, found.aged.not_due) == (400, 300)


# The file, and when it is made again


def export(desk: BillingDesk, folder: Path, **arguments: datetime) -> tuple[Receivables, bytes]:
    context = desk.context(exports=str(folder))
    slug = context.slug
    receivables, file = export_receivables(context, **arguments)
    assert file.path == f"{slug}/{slug}_receivables_{receivables.as_of:%Y%m%d}.csv"
    data = (folder / file.path).read_bytes()
    assert (file.size_bytes, file.rows) == (len(data), len(receivables.customers))
    return receivables, data


def to_age(desk: BillingDesk, now: datetime | None = None) -> bool:
    with desk.engine.begin() as connection:
        return desk.organization_id in organizations_to_age(connection, now=now)


def test_the_file_has_every_customer_with_exact_amounts_and_no_formula(desk: BillingDesk, tmp_path: Path) -> None:
    keep_books(desk, desk.today, [Sale(40, 9, pieces=3, paid=50), Sale(5, 9, currency="JPY", customer=1)])
    desk.rows("update billing.customer set name = '=HYPERLINK(\"x\")' where customer_number = 'C0'")
    _, data = export(desk, tmp_path)
    rows = list(csv.DictReader(io.StringIO(data.decode(), newline="")))
    assert list(rows[0]) == list(COLUMNS)
    assert data.endswith(b"\r\n")
    first, second = rows
    assert (first["customer_name"], first["currency"], first["invoices"]) == ('\'=HYPERLINK("x")', "EUR", "1")
    assert [Decimal(first[name]) for name in ("not_due", "days_1_30", "days_31_60", "overdue", "total")] == [
        0, 0, Decimal("17.85"), Decimal("17.85"), Decimal("17.85")
    ]  # fmt: skip
    assert (first["not_due"], second["not_due"], second["total"]) == ("0.00", "12", "12")


def test_making_it_twice_writes_the_same_file(desk: BillingDesk, tmp_path: Path) -> None:
    keep_books(desk, desk.today, [Sale(40, 9, pieces=3), Sale(5, 9, customer=1), Sale(6, 9, customer=2)])
    first = export(desk, tmp_path)
    assert export(desk, tmp_path) == first
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1


def test_it_is_made_for_what_is_new_and_once_a_day_for_what_is_open(desk: BillingDesk, tmp_path: Path) -> None:
    assert not to_age(desk), "nothing was ever invoiced"
    (invoice,) = [desk.issue()]
    assert to_age(desk)
    now = datetime.now(UTC)
    export(desk, tmp_path, now=now)
    zone = ZoneInfo("Europe/Berlin")
    midnight = datetime.combine(now.astimezone(zone).date() + timedelta(days=1), datetime.min.time(), zone)
    assert not to_age(desk, now)
    assert not to_age(desk, midnight - timedelta(seconds=1))
    assert to_age(desk, midnight)
    with desk.scope() as connection:
        void_invoice(connection, invoice, reason="wrong", voided_by="anna")
    assert not to_age(desk, min(now + REST, midnight) - timedelta(seconds=1))
    assert to_age(desk, now + REST)
    later = midnight + timedelta(hours=12)
    export(desk, tmp_path, now=later)
    assert not to_age(desk, later + timedelta(days=9)), "nothing is open, and nothing came"
    desk.issue()
    assert to_age(desk, later + REST)
    export(desk, tmp_path, now=later + REST)
    assert not to_age(desk, later + 2 * REST)
    pay(desk, desk.value("select id from billing.invoice where status = 'issued'"), 50, desk.today)
    assert to_age(desk, later + 2 * REST), "paid in part, less is due"


def test_who_was_removed_is_left_alone(desk: BillingDesk) -> None:
    desk.issue()
    remove_organization(desk.engine, desk.context().slug)
    assert not to_age(desk)


def test_a_file_that_cannot_be_written_is_asked_for_again(desk: BillingDesk, tmp_path: Path) -> None:
    desk.issue()
    in_the_way = tmp_path / f"file-{uuid4()}"
    in_the_way.write_bytes(b"")
    with pytest.raises(StorageError):
        export(desk, in_the_way)
    assert to_age(desk)

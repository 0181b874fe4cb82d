"""What the billing benchmark compares with: an order-by-order function, and the bare insert of the same rows.

The function does for one order what issuing a chunk does for all of them: the same look-ups, the same rows in the same
tables with the same constraints, the item of work, and the progress of the job. It is called for all items of a job in
one transaction, each in a block of its own that catches its failure, or once per transaction by the client.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError

from invoice_pipelines.database import organization_scope
from invoice_pipelines.database.roles import APP, BOOKS

SCHEMA = f"""
create schema bench;
grant usage on schema bench to {APP};

create function bench.line_of_order(wanted uuid)
returns table (line_number integer, item_id uuid, sku text, description text, quantity numeric, unit_code text,
               unit_price numeric, discount_percent numeric, net_amount numeric, tax_category text, tax_rate numeric,
               takes_stock boolean, is_fine boolean)
language sql stable  -- part of the statement that calls it
as $$
    select l.line_number, l.item_id, i.sku, coalesce(l.description, i.name), l.quantity,
           coalesce(l.unit_code, i.unit_code, 'C62'), l.unit_price, l.discount_percent,
           round(l.quantity * l.unit_price * (100 - l.discount_percent) * 0.01, 2), l.tax_category, l.tax_rate,
           coalesce(i.tracks_stock, false), l.quantity > 0 and l.unit_price >= 0 and i.is_active and t.id is not null
    from billing.sales_order_line l
    left join billing.item i on i.organization_id = l.organization_id and i.id = l.item_id
    left join billing.tax_rate t on t.organization_id = l.organization_id and t.tax_category = l.tax_category
         and t.rate = l.tax_rate and t.is_active
    where l.organization_id = organizations.current() and l.sales_order_id = wanted
$$;

create function bench.invoice_order(job uuid, item uuid) returns void language plpgsql security definer
as $$
declare
    organization constant uuid := organizations.current();
    invoice constant uuid := uuidv7();
    request record;
    wanted record;
    buyer record;
    totals record;
    given bigint;
begin
    select j.parameters, j.created_by into strict request from work.batch_job j
    where j.organization_id = organization and j.id = job;
    select o.* into strict wanted from billing.sales_order o
    where o.organization_id = organization and o.id = (
        select i.subject_id::uuid from work.batch_item i where i.organization_id = organization and i.id = item)
    for no key update;
    if wanted.status not in ('pending', 'reviewed') then
        raise exception 'WRONG_STATUS: The order is %.', wanted.status;
    end if;
    select c.* into strict buyer from billing.customer c
    where c.organization_id = organization and c.id = wanted.customer_id;
    select bool_and(t.is_fine) as are_fine, sum(t.line_amount) as line_amount,
           sum(t.allowance_amount) as allowance_amount,
           sum(round((t.line_amount - t.allowance_amount) * t.tax_rate * 0.01, 2)) as tax_amount
    into totals
    from (select l.tax_rate, bool_and(l.is_fine) as is_fine, sum(l.net_amount) as line_amount,
                 round(sum(l.net_amount) * wanted.discount_percent * 0.01, 2) as allowance_amount
          from bench.line_of_order(wanted.id) l group by l.tax_category, l.tax_rate) t;
    if totals.are_fine is not true or not buyer.is_active then
        raise exception 'The order cannot be invoiced.';
    end if;
    update billing.invoice_counter c
    set next_number = c.next_number + 1, last_issue_date = (request.parameters ->> 'invoice_date')::date
    where c.organization_id = organization and c.series = 'invoice'
      and c.period = left(request.parameters ->> 'invoice_date', 4)
    returning old.next_number into given;
    insert into billing.invoice (
        organization_id, id, sales_order_id, customer_id, batch_job_id, issue_date, due_date, delivery_date, currency,
        line_amount, allowance_amount, net_amount, tax_amount, gross_amount, discount_percent, language, seller, buyer,
        order_number, purchase_order_reference, note, created_by)
    values (
        organization, invoice, wanted.id, buyer.id, job, (request.parameters ->> 'invoice_date')::date,
        (request.parameters ->> 'invoice_date')::date + (request.parameters ->> 'due_days')::integer,
        wanted.delivery_date, wanted.currency, totals.line_amount, totals.allowance_amount,
        totals.line_amount - totals.allowance_amount, totals.tax_amount,
        totals.line_amount - totals.allowance_amount + totals.tax_amount, wanted.discount_percent,
        coalesce(buyer.language, 'en'), billing.seller_snapshot(),
        jsonb_strip_nulls(jsonb_build_object(
            'name', buyer.name, 'customer_number', buyer.customer_number, 'vat_id', buyer.vat_id,
            'tax_number', buyer.tax_number, 'buyer_reference', buyer.buyer_reference, 'email', buyer.email,
            'country_code', buyer.country_code, 'street', buyer.street, 'additional_street', buyer.additional_street,
            'city', buyer.city, 'post_code', buyer.post_code)),
        wanted.order_number, wanted.purchase_order_reference, wanted.note, request.created_by);
    insert into billing.issued_invoice_tax (
        organization_id, invoice_id, tax_category, tax_rate, line_amount, allowance_amount, taxable_amount, tax_amount)
    select organization, invoice, t.tax_category, t.tax_rate, t.amount, t.allowance, t.amount - t.allowance,
           round((t.amount - t.allowance) * t.tax_rate * 0.01, 2)
    from (select l.tax_category, l.tax_rate, sum(l.net_amount) as amount,
                 round(sum(l.net_amount) * wanted.discount_percent * 0.01, 2) as allowance
          from bench.line_of_order(wanted.id) l group by l.tax_category, l.tax_rate) t;
    insert into billing.issued_invoice_line (
        organization_id, invoice_id, line_number, item_id, sku, description, quantity, unit_code, unit_price,
        discount_percent, net_amount, tax_category, tax_rate, takes_stock)
    select organization, invoice, l.line_number, l.item_id, l.sku, l.description, l.quantity, l.unit_code,
           l.unit_price, l.discount_percent, l.net_amount, l.tax_category, l.tax_rate, l.takes_stock
    from bench.line_of_order(wanted.id) l;
    insert into billing.invoice_number (
        organization_id, series, period, number, invoice_number, invoice_id, issue_date)
    values (organization, 'invoice', left(request.parameters ->> 'invoice_date', 4), given,
            'INV-' || left(request.parameters ->> 'invoice_date', 4) || '-' || lpad(given::text, 6, '0'), invoice,
            (request.parameters ->> 'invoice_date')::date);
    update billing.item i set quantity_on_hand = i.quantity_on_hand - l.quantity, updated_at = now()
    from (select l.item_id, sum(l.quantity) as quantity from billing.issued_invoice_line l
          where l.organization_id = organization and l.invoice_id = invoice and l.takes_stock group by l.item_id) l
    where i.organization_id = organization and i.id = l.item_id;
    update billing.sales_order o set status = 'invoiced', updated_at = now()
    where o.organization_id = organization and o.id = wanted.id;
    update work.batch_item i
    set status = 'succeeded', attempts = i.attempts + 1, finished_at = clock_timestamp(),
        result = jsonb_build_object('invoice_id', invoice)
    where i.organization_id = organization and i.id = item;
    update work.batch_job j
    set successful_items = j.successful_items + 1, last_progress_at = clock_timestamp()
    where j.organization_id = organization and j.id = job;
end
$$;

create function bench.invoice_orders(job uuid) returns void language plpgsql
as $$
declare
    organization constant uuid := organizations.current();
    item uuid;
begin
    for item in
        select i.id from work.batch_item i
        where i.organization_id = organization and i.job_id = job and i.status = 'pending' order by i.id
    loop
        begin
            perform bench.invoice_order(job, item);
        exception when others then
            update work.batch_item i
            set status = 'failed', finished_at = clock_timestamp(), error_code = sqlstate, error_message = sqlerrm
            where i.organization_id = organization and i.id = item;
            update work.batch_job j set failed_items = j.failed_items + 1, last_error = sqlerrm
            where j.organization_id = organization and j.id = job;
        end;
    end loop;
    perform work.close_job_if_done(organization, job);
end
$$;

create function bench.insert_rows(inserts text[]) returns void language plpgsql security definer
as $$
declare
    statement text;
begin
    foreach statement in array inserts loop
        execute statement;
    end loop;
end
$$;

grant create on schema bench to {BOOKS};
alter function bench.invoice_order(uuid, uuid) owner to {BOOKS};  -- which alone may write what is issued
alter function bench.insert_rows(text[]) owner to {BOOKS};
"""

FOREIGN_KEYS = """
drop trigger check_addition on billing.issued_invoice_line;
drop trigger check_addition on billing.issued_invoice_tax;
drop trigger check_items on billing.issued_invoice_line;
drop trigger check_complete on billing.invoice_number;
alter table billing.issued_invoice_line
    add foreign key (organization_id, invoice_id) references billing.invoice (organization_id, id),
    add foreign key (organization_id, item_id) references billing.item (organization_id, id);
alter table billing.issued_invoice_tax
    add foreign key (organization_id, invoice_id) references billing.invoice (organization_id, id);
alter table billing.invoice_number
    add foreign key (organization_id, invoice_id) references billing.invoice (organization_id, id);
"""
"""Tables in the usual form: a foreign key looks at each row, and nobody compares an invoice with its lines."""

_TABLES = ("invoice", "issued_invoice_tax", "issued_invoice_line", "invoice_number")
"""What an issued invoice consists of, in an order that all checks allow."""
_CANCELLED = "57014"
_OF_A_JOB = """select {columns} from billing.invoice_number n
    join billing.{table} t on t.organization_id = n.organization_id and t.{key} = n.invoice_id
    where n.invoice_id in (select i.id from billing.invoice i where i.batch_job_id = '{job}')
    order by n.number"""


def copy_issued_rows(source: Engine, target: Engine, job: UUID, name: str) -> tuple[str, ...]:
    """Copies what a job issued to tables of another database, in the order of numbers.

    Returns the statements that insert it there as it was, one per table: the limit.
    """
    statements = []
    with source.connect() as reading, target.begin() as writing:
        for table in _TABLES:
            columns = list(
                reading.execute(
                    text(
                        """select a.attname from pg_attribute a where a.attrelid = cast(:table as regclass)
                           and a.attnum > 0 and a.attgenerated = '' order by a.attnum"""
                    ),
                    {"table": f"billing.{table}"},
                ).scalars()
            )
            copy, listed = f"bench.{name}_{table}", ", ".join(columns)
            writing.exec_driver_sql(f"create table {copy} as select {listed} from billing.{table} with no data")
            writing.exec_driver_sql(f"grant select on {copy} to {APP}")
            rows = _OF_A_JOB.format(
                columns=", ".join(f"t.{column}" for column in columns),
                table=table,
                key="id" if table == "invoice" else "invoice_id",
                job=job,
            )
            with (
                _cursor(reading) as out,
                _cursor(writing) as into,
                out.copy(f"copy ({rows}) to stdout (format binary)") as data,
                into.copy(f"copy {copy} from stdin (format binary)") as copied,
            ):
                for block in data:
                    copied.write(block)
            statements.append(f"insert into billing.{table} ({listed}) select {listed} from {copy}")
    return tuple(statements)


def insert_rows(engine: Engine, organization_id: UUID, statements: Sequence[str]) -> None:
    """The limit: the rows that were issued elsewhere, in one transaction and a plain statement per table."""
    with organization_scope(engine, organization_id) as connection:
        connection.execute(text("select bench.insert_rows(:statements)"), {"statements": list(statements)})


def invoice_in_one_transaction(engine: Engine, organization_id: UUID, job: UUID, cap: timedelta) -> bool:
    """Issues a job's invoices order by order in one transaction. False, and nothing done, if that takes longer."""
    try:
        with organization_scope(engine, organization_id) as connection:
            connection.execute(
                text("select set_config('statement_timeout', :cap, true)"), {"cap": f"{cap.total_seconds() * 1000:.0f}"}
            )
            connection.execute(text("select bench.invoice_orders(:job)"), {"job": job})
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) != _CANCELLED:
            raise
        return False
    return True


def invoice_with_a_commit_per_order(engine: Engine, organization_id: UUID, job: UUID, orders: int) -> None:
    """Issues the first invoices of a job from the client, each in a transaction of its own."""
    with organization_scope(engine, organization_id) as connection:
        items = list(
            connection.execute(
                text(
                    """select i.id from work.batch_item i where i.job_id = :job and i.status = 'pending'
                       order by i.id limit :orders"""
                ),
                {"job": job, "orders": orders},
            ).scalars()
        )
    for item in items:
        with organization_scope(engine, organization_id) as connection:
            connection.execute(text("select bench.invoice_order(:job, :item)"), {"job": job, "item": item})


def _cursor(connection: Connection) -> Any:
    driver_connection: Any = connection.connection.driver_connection
    return driver_connection.cursor()

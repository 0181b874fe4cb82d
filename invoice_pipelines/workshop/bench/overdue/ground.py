"""The database that the overdue benchmark takes place in: one organization with many invoices, few of them late.

It is vacuumed and analyzed once. Invoices are only read, so that every side finds the same; what sides write is removed
before the next one. Another, small organization is what a session warms up with.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import Engine, text

from invoice_pipelines.database import create_app_engine, create_login_engine, organization_scope
from invoice_pipelines.database.access import EMBEDDED_DATABASE
from invoice_pipelines.database.embedded import EmbeddedServer
from invoice_pipelines.database.roles import APP
from invoice_pipelines.organizations import add_organization
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.settings import load_settings
from invoice_pipelines.workshop.bench.result import BenchError

CUSTOMERS = 2_000
WARM_UP_OVERDUE = 500
DAYS = 365 * 3
"""The invoices were issued over so many days."""
LATE_SINCE_AT_MOST = 120
"""Days; those that were due before that are all paid."""


@dataclass(frozen=True, slots=True)
class Books:
    """An organization whose invoices lie in the order they were issued, `overdue` of them late as of `as_of`."""

    organization: OrganizationContext
    invoices: int
    overdue: int
    as_of: date

    @property
    def organization_id(self) -> UUID:
        return self.organization.id


SCHEMA = f"""
create schema bench;
grant usage on schema bench to {APP};

create procedure bench.insert_in_transactions(organization uuid, as_of date, size integer) language plpgsql
as $$
declare
    after_due date := '0001-01-01';
    after_id uuid := '00000000-0000-0000-0000-000000000000';
    taken integer;
begin
    loop
        perform set_config('app.organization_id', organization::text, true);
        perform set_config('enable_' || plan, 'off', true)
        from unnest('{{seqscan,bitmapscan,hashjoin,mergejoin,sort}}'::text[]) plan;
        with written as (
            insert into overdue.notification (
                organization_id, invoice_id, level, as_of, days_overdue, invoice_number, customer_id, customer_name,
                amount_due, currency, due_date, execution_id)
            select i.organization_id, i.id, 1, as_of, as_of - i.due_date, n.invoice_number, i.customer_id,
                   i.buyer ->> 'name', i.amount_due, i.currency, i.due_date, uuidv7()
            from billing.invoice i
            join billing.invoice_number n on n.organization_id = i.organization_id and n.invoice_id = i.id
            where i.organization_id = organization and i.status in ('issued', 'partially_paid')
              and i.document_kind = 'invoice' and i.amount_due > 0 and i.due_date < as_of
              and (i.due_date, i.id) > (after_due, after_id)
            order by i.due_date, i.id limit size
            on conflict do nothing
            returning due_date, invoice_id
        )
        select count(*), max(w.due_date), (array_agg(w.invoice_id order by w.due_date desc, w.invoice_id desc))[1]
        into taken, after_due, after_id
        from written w;
        commit;
        exit when taken < size;
    end loop;
end
$$;
"""
"""The plain insert in as many transactions as a run has batches, with nothing else in them."""


class Ground:
    """The database, and the session that all sides work in, as the application."""

    def __init__(self, server: EmbeddedServer, engine: Engine, superuser: Engine, books: Books, warm_up: Books) -> None:
        self.folder = server.folder
        self.engine = engine
        self.books = books
        self.warm_up = warm_up
        self._superuser = superuser

    def clear(self) -> None:
        """Removes what a side wrote. The checkpoint leaves no side to write the pages of the one before."""
        with self._superuser.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("truncate overdue.notification, overdue.job_execution_log")
            connection.exec_driver_sql("checkpoint")

    def read_all(self) -> None:
        """Reads the invoices and their numbers, and the indexes that lead to them: into memory."""
        with organization_scope(self.engine, self.books.organization_id) as connection:
            connection.exec_driver_sql("select count(i), count(i.buyer ->> 'name') from billing.invoice i")
            connection.exec_driver_sql("select count(n) from billing.invoice_number n")
            connection.exec_driver_sql("set local enable_seqscan = off")
            connection.exec_driver_sql("set local enable_bitmapscan = off")
            connection.exec_driver_sql("select max(i.status) from (select * from billing.invoice order by id) i")
            connection.exec_driver_sql(
                "select max(n.number) from (select * from billing.invoice_number order by invoice_id) n"
            )

    def check(self, books: Books) -> None:
        """Raises BenchError unless each overdue invoice has its notification, and no other."""
        with organization_scope(self.engine, books.organization_id) as connection:
            found = connection.execute(
                text(
                    """select count(*), count(i.id), count(distinct n.invoice_id) from overdue.notification n
                       left join billing.invoice i on i.id = n.invoice_id and i.due_date < :as_of and i.amount_due > 0
                            and i.amount_due = n.amount_due and i.due_date = n.due_date"""
                ),
                {"as_of": books.as_of},
            ).one()
        if tuple(found) != (books.overdue,) * 3:
            raise BenchError(
                f"{books.overdue} notifications were expected; there are {found[0]}, {found[1]} of overdue invoices, "
                f"of {found[2]} invoices"
            )


@contextmanager
def make_ground(server: EmbeddedServer, *, invoices: int, overdue: int) -> Iterator[Ground]:
    """The books, in the database of a running server that is migrated."""
    engine = create_app_engine(server.url(EMBEDDED_DATABASE, APP))
    superuser = create_login_engine(server.url(EMBEDDED_DATABASE))
    try:
        with superuser.begin() as connection:
            connection.exec_driver_sql(SCHEMA)
        warm_up = _fill(engine, superuser, "warm-up", 10 * WARM_UP_OVERDUE, WARM_UP_OVERDUE)
        books = _fill(engine, superuser, "bench", invoices, overdue)
        with superuser.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("vacuum (analyze)")
        yield Ground(server, engine, superuser, books, warm_up)
    finally:
        engine.dispose()
        superuser.dispose()


def _fill(engine: Engine, superuser: Engine, slug: str, invoices: int, overdue: int) -> Books:
    organization_id = add_organization(
        engine, slug, "Bench", country_code="DE", time_zone="Europe/Berlin", currency="EUR", created_by="bench"
    )
    values = {
        "organization": organization_id,
        "invoices": invoices,
        "overdue": overdue,
        "customers": CUSTOMERS,
        "days": DAYS,
        "late": LATE_SINCE_AT_MOST,
    }
    with superuser.begin() as connection:
        connection.execute(text("set local session_replication_role = replica"))  # rows that fit need no checks
        connection.execute(text("set local max_parallel_workers_per_gather = 0"))
        for statement in _BOOKS:
            connection.execute(text(statement), values)
    with organization_scope(engine, organization_id) as connection:
        as_of: date = connection.execute(text("select overdue.day_at(now())")).scalar_one()
        found = connection.execute(
            text(
                """select count(*), count(*) filter (where status = 'issued' and due_date < :as_of)
                   from billing.invoice"""
            ),
            {"as_of": as_of},
        ).one()
    if tuple(found) != (invoices, overdue):
        raise BenchError(f"{invoices} invoices, {overdue} overdue, were to be made; there are {tuple(found)}")
    return Books(OrganizationContext.of(engine, slug, load_settings(), "bench"), invoices, overdue, as_of)


_BOOKS = (
    """insert into billing.customer (organization_id, customer_number, name, country_code, vat_id, street, city,
                                     post_code, email)
       select :organization, 'C-' || n, 'Customer ' || n, 'DE', 'DE' || (100000000 + n), 'Street ' || n, 'Berlin',
              '10115', 'customer-' || n || '@example.com'
       from generate_series(1, cast(:customers as integer)) n""",
    """insert into billing.invoice (organization_id, customer_id, issue_date, due_date, currency, line_amount,
                                    allowance_amount, net_amount, tax_amount, gross_amount, amount_paid, status,
                                    language, seller, buyer)
       select :organization, c.ids[1 + g.customer], g.issue_date, g.due_date, 'EUR', g.net, 0, g.net, g.tax,
              g.net + g.tax, case when g.is_open then 0 else g.net + g.tax end,
              case when g.is_open then 'issued' else 'paid' end, 'de',
              '{"name": "Seller GmbH", "street": "Hauptstr. 1", "city": "Berlin", "vat_id": "DE123456789"}',
              jsonb_build_object('name', 'Customer ' || g.customer, 'street', 'Street ' || g.customer, 'city', 'Berlin',
                                 'post_code', '10115', 'country_code', 'DE')
       from (select d.*, 10 + d.n % 977 + 0.37 as net, round((10 + d.n % 977 + 0.37) * 0.19, 2) as tax,
                    d.due_date >= d.today or row_number() over (
                        partition by d.due_date < d.today order by d.due_date < d.today - :late, hashint4(d.n), d.n
                    ) <= :overdue as is_open
             from (select i.n, i.customer, i.today, i.issue_date, i.issue_date + i.term as due_date
                   from (select n, (hashint4(n) & 1073741823) % :customers as customer, o.today,
                                o.today - cast((cast(:invoices as bigint) - n) * :days / :invoices as integer)
                                    as issue_date,
                                (array[14, 30, 30, 60])[1 + (hashint4(n) & 1073741823) % :customers % 4] as term
                         from generate_series(1, cast(:invoices as integer)) n
                         cross join (select (now() at time zone 'Europe/Berlin')::date as today) o) i) d
             order by d.n) g
       cross join (select array_agg(id order by id) as ids from billing.customer where organization_id = :organization)
           c
       order by g.n""",
    """insert into billing.invoice_number (organization_id, series, period, number, invoice_number, invoice_id,
                                           issue_date)
       select organization_id, 'invoice', '2026', row_number() over (order by id),
              'INV-2026-' || lpad(row_number() over (order by id)::text, 7, '0'), id, issue_date
       from billing.invoice where organization_id = :organization order by id""",
)
"""Some thousand customers, each with a term of 14, 30 or 60 days. Invoices lie in the order of their issue, as ids are
uuidv7. What is not due is open; of what was due in the last months as many are late as wanted, anyhow scattered; the
rest is paid.
"""

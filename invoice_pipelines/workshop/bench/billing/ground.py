"""The databases that the billing benchmark takes place in.

A template holds organizations with earlier invoices, orders that wait, and a pending job over them; vacuumed and
analyzed once. Everything that is measured begins on a clone of its own, so that all sides find the very same bytes, and
on a session that has issued a few invoices of another organization, so that no side pays for what a first use costs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from uuid import UUID

from sqlalchemy import Engine, text

from invoice_pipelines.billing.processing import process_jobs
from invoice_pipelines.database import create_app_engine, create_login_engine, organization_scope
from invoice_pipelines.database.access import EMBEDDED_DATABASE
from invoice_pipelines.database.embedded import EmbeddedServer
from invoice_pipelines.database.roles import APP
from invoice_pipelines.organizations import add_organization
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.settings import load_settings
from invoice_pipelines.workshop.bench.billing import yardsticks
from invoice_pipelines.workshop.bench.result import BenchError

WARM_UP_ORDERS = 40
CUSTOMERS = 2_000
ITEMS = 500
INVOICE_DATE = "2026-01-15"


@dataclass(frozen=True, slots=True)
class Backlog:
    """Orders of an organization that wait, and the pending job over all of them, which nobody has begun.

    `inserts` are the statements that write what this system issues for them.
    """

    organization_id: UUID
    slug: str
    job_id: UUID
    orders: int
    earlier: int
    inserts: tuple[str, ...] = ()

    def context(self, engine: Engine) -> OrganizationContext:
        """Its organization in a clone."""
        return OrganizationContext.of(engine, self.slug, load_settings(), "bench")


@dataclass(frozen=True, slots=True)
class Template:
    """A database that is only ever cloned. `warm_up` is of an organization that is not measured."""

    name: str
    warm_up: Backlog
    backlogs: tuple[Backlog, ...]


@dataclass(frozen=True, slots=True)
class Clone:
    """A database that one case is measured in."""

    name: str
    template: Template
    engine: Engine

    @property
    def backlog(self) -> Backlog:
        """The only backlog of the template, or the first."""
        return self.template.backlogs[0]

    def read_all(self) -> None:
        """Reads what the application may see of the first backlog's organization, by every index: into memory."""
        with organization_scope(self.engine, self.backlog.organization_id) as connection:
            indexes = connection.execute(text(_INDEXES)).all()
            connection.execute(text("set local enable_seqscan = off"))
            connection.execute(text("set local enable_bitmapscan = off"))
            connection.execute(text("set local enable_sort = off"))
            for table, columns, condition in indexes:
                connection.exec_driver_sql(
                    f"select count(*) from (select from {table} where {condition} order by {columns})"
                )
            connection.execute(text("set local enable_indexscan = off"))
            connection.execute(text("set local enable_indexonlyscan = off"))
            for table in {index.table for index in indexes}:
                connection.exec_driver_sql(f"select count(t) from {table} t")

    def check(self, backlog: Backlog) -> None:
        """Raises BenchError unless every order of the backlog has its invoice, and the numbers have no gap."""
        expected = backlog.earlier + backlog.orders
        with organization_scope(self.engine, backlog.organization_id) as connection:
            found = connection.execute(
                text(
                    """select count(distinct i.sales_order_id) as invoices, count(distinct i.number) as numbers,
                              max(i.number) as highest,
                              (select count(*) from billing.sales_order o where o.status <> 'invoiced') as open_orders
                       from billing.issued_invoice i"""
                )
            ).one()
        if tuple(found) != (expected, expected, expected, 0):
            raise BenchError(f"{expected} invoices were expected, but there are: {dict(found._mapping)}")


class Ground:
    """The server that templates and clones are made on."""

    def __init__(self, server: EmbeddedServer) -> None:
        self.folder = server.folder
        self._server = server
        self._numbers = count(1)

    def make_template(self, orders: int, *, earlier: int, organizations: int = 1) -> Template:
        """A template whose organizations have so many invoices and waiting orders each."""
        name = f"bench_{next(self._numbers)}"
        self._administer(f"create database {name} template {EMBEDDED_DATABASE} strategy file_copy")
        with self._engines(name) as (engine, superuser):
            with superuser.begin() as connection:
                connection.exec_driver_sql(yardsticks.SCHEMA.replace("%", "%%"))
            # An organization's first invoices are issued here, so that no table is empty when statistics are collected.
            made = [
                _fill(engine, superuser, f"bench-{number}", waiting, before)
                for number, (waiting, before) in enumerate(
                    [(WARM_UP_ORDERS, WARM_UP_ORDERS), *[(orders, earlier)] * organizations]
                )
            ]
        self._rest(name)
        with self.clone(Template(name, made[0], tuple(made[1:]))) as scratch:
            for number, backlog in enumerate(made[:2]):  # only the first is ever compared with the limit
                process_jobs(backlog.context(scratch.engine), job_id=backlog.job_id)
                with self._engines(scratch.name) as (_, source), self._engines(name) as (_, target):
                    inserts = yardsticks.copy_issued_rows(source, target, backlog.job_id, f"copy_{number}")
                made[number] = replace(backlog, inserts=inserts)
        self._rest(name)
        return Template(name, made[0], tuple(made[1:]))

    @contextmanager
    def clone(self, template: Template) -> Iterator[Clone]:
        """A copy of the template, gone at the end of the block. Making it also writes a checkpoint."""
        name = f"{template.name}_{next(self._numbers)}"
        self._administer(f"create database {name} template {template.name} strategy file_copy")
        engine = create_app_engine(self._server.url(name, APP))
        try:
            yield Clone(name, template, engine)
        finally:
            engine.dispose()
            self._administer(f"drop database {name} with (force)")

    def use_foreign_keys(self, clone: Clone) -> None:
        """Gives a clone the tables that the statement-level checks are compared with."""
        with self._engines(clone.name) as (_, superuser), superuser.begin() as connection:
            connection.exec_driver_sql(yardsticks.FOREIGN_KEYS)

    def drop(self, template: Template) -> None:
        """Makes room."""
        self._administer(f"drop database {template.name}")

    def url(self, clone: Clone) -> str:
        """Where another process finds the clone, as the application."""
        return self._server.url(clone.name, APP).render_as_string(hide_password=False)

    def _rest(self, name: str) -> None:
        self._administer("vacuum (analyze)", name)

    def _administer(self, statement: str, database: str = "postgres") -> None:
        engine = create_login_engine(self._server.url(database))
        try:
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text(statement))
        finally:
            engine.dispose()

    @contextmanager
    def _engines(self, name: str) -> Iterator[tuple[Engine, Engine]]:
        engine = create_app_engine(self._server.url(name, APP))
        superuser = create_login_engine(self._server.url(name))
        try:
            yield engine, superuser
        finally:
            engine.dispose()
            superuser.dispose()


def _fill(engine: Engine, superuser: Engine, slug: str, orders: int, earlier: int) -> Backlog:
    organization_id = add_organization(
        engine,
        slug,
        "Bench",
        country_code="DE",
        time_zone="Europe/Berlin",
        currency="EUR",
        vat_id="DE123456789",
        created_by="bench",
    )
    counts = {"organization": organization_id, "customers": CUSTOMERS, "items": ITEMS}
    with superuser.begin() as connection:
        connection.execute(text("set local session_replication_role = replica"))  # rows that fit need no checks
        for statement in _MASTER_DATA:
            connection.execute(text(statement), counts)
    jobs = []
    for number, size in (("E", earlier), ("O", orders)):
        with superuser.begin() as connection:
            connection.execute(text("set local session_replication_role = replica"))
            for statement in _ORDERS:
                connection.execute(
                    text(statement), {"organization": organization_id, "prefix": f"S{number}-", "orders": size}
                )
        with organization_scope(engine, organization_id) as connection:
            jobs.append(
                connection.execute(
                    text("select job_id from billing.batch_invoice_open_orders(:date, 14, null, 'bench')"),
                    {"date": INVOICE_DATE},
                ).scalar_one()
            )
        if number == "E":
            organization = OrganizationContext.of(engine, slug, load_settings(), "bench")
            report = process_jobs(organization, job_id=jobs[0])
            if report.succeeded != earlier:
                raise BenchError(f"of {earlier} orders, all of them valid, {report.succeeded} were invoiced")
    return Backlog(organization_id, slug, jobs[1], orders, earlier)


_INDEXES = """
    select i.indrelid::regclass::text as table,
           (select string_agg(pg_get_indexdef(i.indexrelid, n, true), ', ' order by n)
            from generate_series(1, i.indnkeyatts) n) as columns,
           coalesce(pg_get_expr(i.indpred, i.indrelid), 'true') as condition
    from pg_index i join pg_class c on c.oid = i.indrelid
    where c.relkind = 'r' and c.relnamespace in ('billing'::regnamespace, 'work'::regnamespace)
          and has_table_privilege(c.oid, 'select')
"""
_MASTER_DATA = (
    """insert into billing.customer (organization_id, customer_number, name, country_code, vat_id, street, city,
                                     post_code, email)
       select :organization, 'C-' || n, 'Customer ' || n, 'DE', 'DE' || (100000000 + n), 'Street ' || n, 'Berlin',
              '10115', 'customer-' || n || '@example.com'
       from generate_series(1, cast(:customers as integer)) n""",
    """insert into billing.item (organization_id, sku, name, unit_price, tracks_stock, quantity_on_hand)
       select :organization, 'SKU-' || n, 'Item ' || n, 10 + n, n % 5 = 0, 100000000
       from generate_series(1, cast(:items as integer)) n""",
    """insert into billing.tax_rate (organization_id, tax_category, rate, name)
       values (:organization, 'S', 19, 'standard'), (:organization, 'S', 7, 'reduced')""",
)
_ORDERS = (
    """insert into billing.sales_order (organization_id, order_number, customer_id, status, currency, order_date)
       select :organization, :prefix || n, c.ids[1 + (hashint4(n) & 1073741823) % cardinality(c.ids)], 'pending', 'EUR',
              date '2026-01-01'
       from generate_series(1, cast(:orders as integer)) n,
            (select array_agg(id order by id) as ids from billing.customer where organization_id = :organization) c""",
    """insert into billing.sales_order_line (organization_id, sales_order_id, line_number, item_id, quantity,
                                             unit_price, discount_percent, tax_category, tax_rate)
       select :organization, o.id, l, i.ids[1 + (hashint8(o.place * 16 + l) & 1073741823) % cardinality(i.ids)],
              1 + (l % 7) * 1.5, 9.99 + l, case when l % 4 = 0 then 10 else 0 end, 'S',
              case when l % 3 = 0 then 7 else 19 end
       from (select id, row_number() over (order by id) as place from billing.sales_order
             where organization_id = :organization and status = 'pending') o,
            generate_series(1, cast(3 + o.place % 8 as integer)) l,
            (select array_agg(id order by id) as ids from billing.item where organization_id = :organization) i""",
)
"""An order has 3 to 10 lines, each of any item; of the items a fifth tracks stock."""

"""Fixtures of overdue: organizations whose books hold invoices of any due date and settlement."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from invoice_pipelines.organizations import OrganizationSettings
from invoice_pipelines.overdue import ExecutionReport, notify_overdue
from invoice_pipelines_tests.conftest import TestDatabase, open_organization
from invoice_pipelines_tests.support.organization_view import OrganizationView

GROSS = Decimal(119)


@dataclass(frozen=True)
class WantedInvoice:
    """An invoice as a test wants it: how it is settled, and whether it lacks what every invoice has."""

    due_date: date
    settled: str = "no"
    """no, partially, paid, credited, void; or a credit note"""
    is_bad: bool = False

    @property
    def is_open(self) -> bool:
        return self.settled in ("no", "partially")


SETTLED = {
    "no": ("issued", 0, 0),
    "partially": ("partially_paid", 19, 20),
    "paid": ("paid", 119, 0),
    "credited": ("paid", 0, 119),
    "void": ("void", 0, 0),
    "credit note": ("issued", 0, 0),
}
"""Status, amount paid and amount credited of an invoice of 119."""

_INSERT = (
    """insert into billing.customer (organization_id, customer_number, name, country_code)
       values (:organization, 'C-1', 'Buyer AG', 'DE') on conflict do nothing""",
    """insert into billing.invoice (organization_id, id, document_kind, corrected_invoice_id, customer_id, issue_date,
           due_date, currency, line_amount, allowance_amount, net_amount, tax_amount, gross_amount, amount_paid,
           amount_credited, status, language, seller, buyer, void_reason, voided_at)
       select :organization, g.id, g.kind, case when g.kind = 'credit_note' then g.id end, c.id, g.due_date - 14,
              g.due_date, 'EUR', 100, 0, 100, 19, 119, g.paid, g.credited, g.status, 'de', '{"name": "Seller GmbH"}',
              g.buyer, case when g.status = 'void' then 'wrong' end, case when g.status = 'void' then now() end
       from jsonb_to_recordset(cast(:given as jsonb)) g (
           id uuid, kind text, due_date date, paid numeric, credited numeric, status text, buyer jsonb)
       cross join (select id from billing.customer where organization_id = :organization) c""",
    """insert into billing.invoice_number (organization_id, series, period, number, invoice_number, invoice_id,
                                           issue_date)
       select :organization, 'invoice', '2026', m.last + g.place, 'INV-' || m.last + g.place, g.id, date '2026-01-01'
       from unnest(cast(:ids as uuid[])) with ordinality g (id, place)
       cross join (select coalesce(max(n.number), 0) as last from billing.invoice_number n
                   where n.organization_id = :organization) m""",
)


class OverdueDesk(OrganizationView):
    """One organization whose books hold invoices of any due date and settlement."""

    def add(self, invoices: Sequence[WantedInvoice]) -> list[UUID]:
        """Invoices as they lie in the books, numbered in this order; their ids. The superuser writes them, as billing
        issues none with a due date of the year 1.
        """
        ids = [uuid4() for _ in invoices]
        given = []
        for invoice_id, invoice in zip(ids, invoices, strict=True):
            status, paid, credited = SETTLED[invoice.settled]
            kind = "credit_note" if invoice.settled == "credit note" else "invoice"
            given.append(
                {
                    "id": invoice_id,
                    "kind": kind,
                    "due_date": invoice.due_date,
                    "paid": paid,
                    "credited": credited,
                    "status": status,
                    "buyer": {} if invoice.is_bad else {"name": "Buyer AG"},
                }
            )
        values = {"organization": self.organization_id, "given": json.dumps(given, default=str), "ids": ids}
        with self.superuser.begin() as connection:
            connection.execute(text("set local session_replication_role = replica"))
            for statement in _INSERT:
                connection.execute(text(statement), values)
        return ids

    def settle(self, settled: str, *invoice_ids: UUID) -> None:
        """What is paid, credited, voided; or `no` after a payment that was taken back."""
        status, paid, credited = SETTLED[settled]
        statement = """update billing.invoice set status = :status, amount_paid = :paid, amount_credited = :credited,
                           void_reason = case when :status = 'void' then 'wrong' end,
                           voided_at = case when :status = 'void' then now() end
                       where id = any(:ids)"""
        with self.superuser.begin() as connection:
            connection.execute(
                text(statement), {"ids": list(invoice_ids), "status": status, "paid": paid, "credited": credited}
            )

    def mend(self, invoice_id: UUID) -> None:
        """Gives a bad invoice what it lacks."""
        with self.superuser.begin() as connection:
            connection.execute(text("set local session_replication_role = replica"))
            connection.execute(
                text('update billing.invoice set buyer = \'{"name": "Buyer AG"}\' where id = :id'), {"id": invoice_id}
            )

    def run(self, **arguments: Any) -> ExecutionReport:
        """A run that tells its progress after each batch."""
        arguments = {"progress_seconds": 0} | arguments
        return notify_overdue(self.context(), **arguments)

    def notifications(self, status: str | None = None) -> list[Any]:
        return self.rows(
            """select * from overdue.notification where :status is null or status = :status
               order by due_date, invoice_id, level""".replace(":status", "cast(:status as text)"),
            status=status,
        )

    def told(self) -> list[tuple[UUID, int]]:
        """Invoice and level of each notification that is not closed; a double one would be here twice."""
        return [(row.invoice_id, row.level) for row in self.notifications() if row.status != "closed"]

    def one(self) -> Any:
        """The only notification."""
        (row,) = self.notifications()
        return row

    def work_items(self) -> list[str]:
        rows = self.rows("select subject_id from work.batch_item where kind = 'send_overdue_notification' order by id")
        return [row.subject_id for row in rows]

    def log_rows(self) -> list[Any]:
        return self.rows("select * from public.job_execution_logs order by start_time, id")

    def want(self, **settings: Any) -> None:
        self.rows(
            "update organizations.organization set settings = settings || cast(:settings as jsonb)",
            settings=json.dumps(settings),
        )

    @property
    def today(self) -> date:
        found: date = self.rows("select overdue.day_at(now())")[0][0]
        return found

    def late(self, days: int, settled: str = "no", *, is_bad: bool = False) -> WantedInvoice:
        """An invoice that was due so many days ago."""
        return WantedInvoice(self.today - timedelta(days=days), settled, is_bad)


def open_desk(database: TestDatabase, *, time_zone: str = "Europe/Berlin", **settings: Any) -> OverdueDesk:
    """A new organization."""
    return open_organization(database, OverdueDesk, time_zone=time_zone, settings=OrganizationSettings(**settings))


@pytest.fixture
def desk(shared_database: TestDatabase) -> OverdueDesk:
    """One organization."""
    return open_desk(shared_database)

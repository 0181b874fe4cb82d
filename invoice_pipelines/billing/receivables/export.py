"""The CSV file of an aging, one per organization and day, and when it is made again.

The file of a day always has the same name and is replaced as a whole, so that making it twice changes nothing. What it
was made from is recorded after it is written: a run that is killed in between makes it again.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, text

from invoice_pipelines.billing.receivables.receivables import BUCKETS, Receivables, read_receivables
from invoice_pipelines.database import organization_scope
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.storage import root_path, to_csv, write_file_atomically

COLUMNS = {
    "as_of": "the day, ISO 8601",
    "customer_id": "id of the customer",
    "customer_number": "number of the customer",
    "customer_name": "name of the customer as it is now",
    "currency": "ISO 4217",
    "not_due": "due on that day or later, decimal point",
    "days_1_30": "1 to 30 days late",
    "days_31_60": "31 to 60 days late",
    "days_61_90": "61 to 90 days late",
    "over_90_days": "more than 90 days late",
    "overdue": "the four before",
    "total": "overdue and not due",
    "invoices": "open invoices in this currency",
}
"""Columns of the file in their order, and what they hold. It has a row for each customer and currency."""

REST = timedelta(minutes=10)
"""An aging of a day is not made again earlier than this, however much happens."""

_NUMBERS = frozenset({*BUCKETS, "overdue", "total", "invoices"})


@dataclass(frozen=True, slots=True)
class ReceivablesFile:
    """A file of receivables. `path` is below the root of exports; `rows` does not count the heading."""

    path: str
    sha256: str
    size_bytes: int
    rows: int


def organizations_to_age(connection: Connection, *, now: datetime | None = None) -> list[UUID]:
    """Organizations whose receivables of today are to be looked at, the longest waiting first. Needs no scope.

    A new day has begun there and something is open; or invoices, credit notes, voids or payments came since, and the
    last aging is older than `REST`.
    """
    return list(
        connection.execute(
            text("select organization_id from billing.organizations_to_age(:rest, coalesce(:now, now()))"),
            {"rest": REST, "now": now},
        ).scalars()
    )


def export_receivables(
    organization: OrganizationContext, *, now: datetime | None = None
) -> tuple[Receivables, ReceivablesFile]:
    """Writes today's receivables of an organization as a CSV file, and records what they had seen.

    Raises StorageError where the file cannot be written; then the one that was there is still there.
    """
    snapshot = organization.engine.execution_options(isolation_level="REPEATABLE READ")
    with organization_scope(snapshot, organization.id) as connection:
        seen = connection.execute(text(_SEEN), {"now": now}).one()._mapping
        receivables = read_receivables(connection, now=seen["made_at"])
    data = receivables_csv(receivables)
    path = f"{organization.slug}/{organization.slug}_receivables_{receivables.as_of:%Y%m%d}.csv"
    write_file_atomically(root_path(organization.settings.exports_root) / path, data)
    with organization.scope() as connection:
        connection.execute(text(_RECORD), dict(seen) | {"is_open": bool(receivables.customers)})
    return receivables, ReceivablesFile(path, hashlib.sha256(data).hexdigest(), len(data), len(receivables.customers))


def receivables_csv(receivables: Receivables) -> bytes:
    """All customers, as RFC 4180 in UTF-8; formulas in names are disarmed."""
    as_of = receivables.as_of.isoformat()
    rows = [{"as_of": as_of, **asdict(customer), **asdict(customer.aged)} for customer in receivables.customers]
    return to_csv(list(COLUMNS), rows, _NUMBERS)


_SEEN = "select * from billing.state_of_books(coalesce(cast(:now as timestamptz), clock_timestamp()))"
_RECORD = """
    insert into billing.last_aging as a (organization_id, as_of, made_at, good_until, has_open_invoices, numbers_given,
                                         last_event_id)
    values (organizations.current(), :as_of, :made_at, :good_until, :is_open, :numbers_given,
            :last_event_id)
    on conflict (organization_id) do update
    set as_of = excluded.as_of, made_at = excluded.made_at, good_until = excluded.good_until,
        has_open_invoices = excluded.has_open_invoices, numbers_given = excluded.numbers_given,
        last_event_id = excluded.last_event_id
    where a.made_at <= excluded.made_at  -- of two at once, the one that saw more
"""

"""The sales orders of the demo: taken in, asked for as one batch per organization, and each outcome checked."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Unpack
from uuid import UUID

from sqlalchemy import Engine, text

from invoice_pipelines.billing import (
    add_customers,
    add_exchange_rates,
    add_items,
    add_orders,
    add_tax_rates,
    batch_invoice_orders,
)
from invoice_pipelines.billing.overview import job_outcome
from invoice_pipelines.billing.requests import RequestOptions
from invoice_pipelines.cli.output import console, table
from invoice_pipelines.database import organization_scope
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.settings import load_settings
from invoice_pipelines.work import BatchAnswer, Job, get_job

DUE_DAYS = 14
_TIMES_AGAIN = 40


@dataclass(frozen=True, slots=True)
class Order:
    """A sales order of the demo and what must become of it: refused with a code, or an invoice over an amount."""

    id: UUID
    number: str
    refused: str | None
    gross_amount: Decimal | None


@dataclass(frozen=True, slots=True)
class Batch:
    """All orders of an organization, in the order in which they were asked for."""

    organization_id: UUID
    slug: str
    job_id: UUID
    estimated_seconds: float
    orders: tuple[Order, ...]
    stock_afterwards: Mapping[str, Decimal]


def order_books(examples: Path) -> Mapping[str, Mapping[str, Any]]:
    """What the organizations of the demo sell, by slug."""
    books = json.loads((examples / "sales_orders.json").read_text(encoding="utf-8"))["organizations"]
    return {book["slug"]: book for book in books}


def ask_for_invoices(
    engine: Engine,
    organization_id: UUID,
    book: Mapping[str, Any],
    *,
    days_ago: int = 0,
    post: Callable[..., Mapping[str, Any]] | None = None,
    **options: Unpack[RequestOptions],
) -> Batch:
    """Takes in customers, items and orders, and asks for the invoices of all orders in one batch, dated so many days
    ago; with `post` through the API.
    """
    with organization_scope(engine, organization_id) as connection:
        add_tax_rates(connection, book["tax_rates"])
        add_exchange_rates(connection, book["exchange_rates"], created_by="demo")
        add_customers(connection, book["customers"], created_by="demo")
        add_items(connection, book["items"], created_by="demo")
        added = add_orders(connection, [entry["order"] for entry in book["orders"]], created_by="demo")
    organization = OrganizationContext.of(engine, book["slug"], load_settings(), "demo")
    wanted: RequestOptions = {
        "invoice_date": datetime.now(organization.organization.time_zone).date() - timedelta(days=days_ago),
        "due_days": DUE_DAYS,
        **options,
    }
    ids = [order.id for order in added]
    if post is not None:
        asked = {name: str(value) if name == "invoice_date" else value for name, value in wanted.items()}
        said = post("batch-operations/invoices", json={"sales_order_ids": [str(each) for each in ids], **asked})
        answer = BatchAnswer(UUID(said["job_id"]), said["total"], said["estimated_duration_seconds"])
    else:
        with organization.scope() as connection:
            answer = batch_invoice_orders(connection, ids, created_by="demo", **wanted)
    orders = tuple(
        Order(
            order.id,
            entry["order"]["order_number"],
            entry["refused"],
            None if entry["gross_amount"] is None else Decimal(entry["gross_amount"]),
        )
        for order, entry in zip(added, book["orders"], strict=True)
    )
    return Batch(
        organization_id,
        book["slug"],
        answer.job_id,
        answer.estimated_seconds,
        orders,
        {sku: Decimal(left) for sku, left in book["stock_afterwards"].items()},
    )


def leave_a_job(engine: Engine, organization_id: UUID, book: Mapping[str, Any]) -> int:
    """Asks for the invoices of the same orders again, under other numbers and many times, for somebody who wants to
    watch; returns how many they are. Those whose items have run out of stock by now are left out.
    """
    stocked = set(book["stock_afterwards"])
    again = [
        entry["order"] | {"order_number": f"{entry['order']['order_number']}-{number}"}
        for number in range(2, 2 + _TIMES_AGAIN)
        for entry in book["orders"]
        if entry["refused"] is None and stocked.isdisjoint(line.get("sku") for line in entry["order"]["lines"])
    ]
    organization = OrganizationContext.of(engine, book["slug"], load_settings(), "demo")
    with organization.scope() as connection:
        ids = [order.id for order in add_orders(connection, again, created_by="demo")]
        batch_invoice_orders(connection, ids, created_by="demo", due_days=DUE_DAYS, generate_pdf=True)
    return len(ids)


def job_of(engine: Engine, batch: Batch) -> Job:
    """The batch job as it stands."""
    with organization_scope(engine, batch.organization_id) as connection:
        return get_job(connection, batch.job_id)


def is_done(engine: Engine, batch: Batch) -> bool:
    """Whether nothing of the batch is left to do."""
    return job_of(engine, batch).completed_at is not None


def problems(engine: Engine, batch: Batch) -> Iterator[str]:
    """What did not come out as `sales_orders.json` has it, in words."""
    with organization_scope(engine, batch.organization_id) as connection:
        found = {
            row.subject_id: row
            for row in connection.execute(
                text(
                    """select b.subject_id, b.error_code, i.gross_amount, i.number, i.invoice_number
                       from work.batch_item b
                       left join billing.issued_invoice i on i.sales_order_id::text = b.subject_id
                       where b.job_id = :job"""
                ),
                {"job": batch.job_id},
            )
        }
        stock = dict(
            connection.execute(text("select sku, quantity_on_hand from billing.item where tracks_stock")).tuples().all()
        )
    expected_number = 0
    for order in batch.orders:
        where = f"{batch.slug}/{order.number}"
        row = found.get(str(order.id))
        expected_number += order.refused is None
        if row is None:
            yield f"{where}: was lost"
        elif row.error_code != order.refused:
            yield f"{where}: expected {order.refused or 'an invoice'}, found {row.error_code or row.invoice_number}"
        elif order.refused is None and (row.number, row.gross_amount) != (expected_number, order.gross_amount):
            yield (
                f"{where}: expected invoice {expected_number} over {order.gross_amount}, "
                f"found {row.invoice_number} over {row.gross_amount}"
            )
        elif order.refused is not None and row.invoice_number is not None:
            yield f"{where}: was refused with {order.refused} and has invoice {row.invoice_number}"
    for sku, left in batch.stock_afterwards.items():
        if stock.get(sku) != left:
            yield f"{batch.slug}: expected a stock of {left} {sku}, found {stock.get(sku)}"


def show(engine: Engine, batches: Sequence[Batch]) -> None:
    """Prints what was issued per organization, and why the other orders were refused."""
    issued = table(None, "organization", "#orders", "#invoiced", "numbers", "#amounts")
    refused = table(None, "organization", "refused because", "#orders", "for example")
    for batch in batches:
        job = job_of(engine, batch)
        with organization_scope(engine, batch.organization_id) as connection:
            outcome = job_outcome(connection, batch.job_id)
        issued.add_row(
            batch.slug,
            str(job.total_items),
            str(job.successful_items),
            f"{outcome.first_number or ''}\n{outcome.last_number or ''}",
            "\n".join(f"{money.gross_amount} {money.currency}" for money in outcome.money),
        )
        for failure in outcome.failures:
            refused.add_row(batch.slug, failure.code, str(failure.items), failure.example)
    console.print("\nIssued invoices", style="bold")
    console.print(issued)
    console.print()
    console.print(refused)


def announce(batches: Sequence[Batch]) -> None:
    """Says what was asked for."""
    refused = Counter(order.refused for batch in batches for order in batch.orders if order.refused)
    count = sum(len(batch.orders) for batch in batches)
    console.print(
        f"Asked for the invoices of {count} sales orders in {len(batches)} batches, "
        f"of which {refused.total()} must be refused for {len(refused)} reasons."
    )

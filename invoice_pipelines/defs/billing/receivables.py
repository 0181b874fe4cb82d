"""The receivables of an organization as Dagster sees them: their asset and what is told of it. What is added up, and
which organizations have something new, is in `invoice_pipelines.billing`.
"""

import time
from collections.abc import Sequence
from typing import Any

import dagster as dg

from invoice_pipelines.billing.receivables.export import (
    COLUMNS,
    ReceivablesFile,
    export_receivables,
    organizations_to_age,
)
from invoice_pipelines.billing.receivables.receivables import (
    BUCKETS,
    PROMISES,
    CurrencyAging,
    CustomerAging,
    Receivables,
)
from invoice_pipelines.defs.accounting.domain import payments
from invoice_pipelines.defs.billing.domain import ISSUED_INVOICES
from invoice_pipelines.defs.checks import evaluated
from invoice_pipelines.defs.domain import Domain, Stage, StageResult, Turn
from invoice_pipelines.defs.factory import definitions_of
from invoice_pipelines.defs.metadata import LONGEST_TABLE, bar_chart, table
from invoice_pipelines.storage import root_path

CURRENCIES_SHOWN = 5
"""Currencies with a chart and a table of customers: those with the most invoices. The file has all."""


def age(turn: Turn, _: object) -> StageResult:
    """Makes the aging of an organization as of today there, and its file."""
    started = time.monotonic()
    organization = turn.organization
    aging, file = export_receivables(organization)
    turn.log.info("%s open invoices of %s customers as of %s", aging.invoices, aging.owing_customers, aging.as_of)
    metadata = receivables_metadata(aging, file, str(root_path(organization.settings.exports_root) / file.path))
    metadata["seconds"] = round(time.monotonic() - started, 2)
    return StageResult(True, metadata, evaluated(PROMISES, aging))


def receivables_metadata(aging: Receivables, file: ReceivablesFile, path: str) -> dict[str, Any]:
    """Totals, a chart and the customers who owe most by currency, and the file."""
    shown: dict[str, Any] = {
        "as of": aging.as_of.isoformat(),
        "invoices": aging.invoices,
        "customers": aging.owing_customers,
        "totals": totals_table(aging.currencies),
    }
    for found in aging.currencies[:CURRENCIES_SHOWN]:
        amounts = [(BUCKETS[name], amount) for name, amount in found.aged.buckets.items()]
        shown[f"aging, {found.currency}"] = bar_chart("late", found.currency, amounts)
        shown[f"most overdue, {found.currency}"] = customers_table(aging.of_currency(found.currency))
        shown[f"overdue, % of {found.currency}"] = float(found.aged.overdue_percent)
        if found.days_sales_outstanding is not None:
            shown[f"days sales outstanding, {found.currency}"] = float(found.days_sales_outstanding)
    return {**shown, "file": dg.MetadataValue.path(path), "dagster/row_count": file.rows, "bytes": file.size_bytes}


def totals_table(currencies: Sequence[CurrencyAging]) -> dg.TableMetadataValue:
    """What is due, a column for each currency."""
    columns = {found.currency: _figures(found) for found in currencies}
    labels = next(iter(columns.values()), {})
    return table([{"due": label} | {name: figures[label] for name, figures in columns.items()} for label in labels])


def _figures(found: CurrencyAging) -> dict[str, object]:
    days = found.days_sales_outstanding
    return {
        **{BUCKETS[name]: amount for name, amount in found.aged.buckets.items()},
        "total": found.aged.total,
        "overdue": found.aged.overdue,
        "overdue, %": found.aged.overdue_percent,
        "sales of 90 days": found.sales,
        "days sales outstanding": "no sales" if days is None else days,
        "invoices": str(found.aged.invoices),
        "customers": str(found.customers),
    }


def customers_table(customers: Sequence[CustomerAging]) -> dg.TableMetadataValue:
    """Those who owe most that is overdue, in one currency."""
    return table(
        [
            {
                "customer": f"{customer.customer_number} {customer.customer_name}"[:60],
                **{BUCKETS[name]: amount for name, amount in customer.aged.buckets.items()},
                "overdue": customer.aged.overdue,
                "total": customer.aged.total,
                "invoices": customer.aged.invoices,
            }
            for customer in customers[:LONGEST_TABLE]
        ]
    )


RECEIVABLES = Domain(
    name="receivables",
    job="receivables_aging",
    description="Ages what the customers of one organization owe.",
    does="Ages the receivables of {}",
    stages=(
        Stage(
            key=dg.AssetKey(["billing", "receivables"]),
            description="What customers owe today, by currency and by how late it is, as a CSV file; and days sales "
            "outstanding.",
            kinds=frozenset({"postgres", "csv", "pandas"}),
            deps=[ISSUED_INVOICES.key, *payments()],
            metadata={
                "dagster/column_schema": dg.TableSchema(
                    [dg.TableColumn(name, description=meaning) for name, meaning in COLUMNS.items()]
                )
            },
            work=age,
            promises=PROMISES,
        ),
    ),
    due=lambda connection, _: organizations_to_age(connection),
    sensor="receivables_due",
    sensor_description="Asks for a run of each organization where a day began and something is open, and where "
    "invoices, credit notes or\nvoids came since the last aging, though not more often than every ten minutes.",
    every_seconds=30,
)


@dg.definitions
def receivables() -> dg.Definitions:
    return definitions_of(RECEIVABLES)

"""Holds the receivables of an organization: their asset with its checks, its metadata, and what makes it again. What is
added up, and which organizations have something new, is in `invoice_pipelines.billing`.
"""

import logging
import time
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import dagster as dg

from invoice_pipelines.billing.promises import Finding
from invoice_pipelines.billing.receivables import (
    BUCKETS,
    CurrencyAging,
    CustomerAging,
    Receivables,
    aging_that_is_not_what_is_due,
    buckets_that_do_not_sum,
)
from invoice_pipelines.billing.receivables_export import (
    COLUMNS,
    ReceivablesFile,
    export_receivables,
    organizations_to_age,
)
from invoice_pipelines.defs.billing.assets import issued_invoices
from invoice_pipelines.defs.metadata import LONGEST_TABLE, bar_chart, table, without_empty_tables
from invoice_pipelines.defs.organizations import organizations
from invoice_pipelines.defs.resources import InvoiceDatabase
from invoice_pipelines.defs.run_requests import DomainRuns, ask_for_runs
from invoice_pipelines.defs.sweep import StepResult, Sweep, sweep
from invoice_pipelines.organizations import find_organization, list_organizations
from invoice_pipelines.storage import root_path

RECEIVABLES = dg.AssetKey(["billing", "receivables"])
CURRENCIES_SHOWN = 5
"""Currencies with a chart and a table of customers: those with the most invoices. The file has all."""

PROMISES = {
    "buckets_sum_to_total": (
        "The buckets of each customer and currency sum to its total, and the customers to the currency.",
        buckets_that_do_not_sum,
    ),
    "aging_is_what_is_due": (
        "The total of each currency is the sum of the amounts due of its open invoices.",
        aging_that_is_not_what_is_due,
    ),
}
BLOCKING: frozenset[str] = frozenset()
"""Nothing comes after receivables that a wrong one would harm."""


@dg.asset(
    key=RECEIVABLES,
    group_name="billing",
    kinds={"postgres", "csv", "pandas"},
    partitions_def=organizations,
    deps=[issued_invoices],
    check_specs=[
        dg.AssetCheckSpec(name, asset=RECEIVABLES, description=description, partitions_def=organizations)
        for name, (description, _) in PROMISES.items()
    ],
    metadata={
        "dagster/column_schema": dg.TableSchema(
            [dg.TableColumn(name, description=meaning) for name, meaning in COLUMNS.items()]
        )
    },
)
def receivables(context: dg.AssetExecutionContext, database: InvoiceDatabase) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """What customers owe today, by currency and by how late it is, as a CSV file; and days sales outstanding."""
    return age(database, context.partition_key, context.log).materialization()


def age(database: InvoiceDatabase, slug: str, log: logging.Logger) -> StepResult:
    """Makes the aging of an organization as of today there, and its file."""
    started = time.monotonic()
    exports = root_path(database.settings.exports_root)
    organization = find_organization(database.engine, slug)
    aging, file = export_receivables(database.engine, organization, exports)
    log.info("%s open invoices of %s customers as of %s", aging.invoices, aging.owing_customers, aging.as_of)
    metadata = receivables_metadata(aging, file, str(exports / file.path))
    metadata["seconds"] = round(time.monotonic() - started, 2)
    results = [_result(name, find(aging)) for name, (_, find) in PROMISES.items()]
    return StepResult(True, metadata, results, BLOCKING)


def steps_of(database: InvoiceDatabase, slug: str, log: logging.Logger) -> Iterator[tuple[dg.AssetKey, StepResult]]:
    """The only step of receivables, for a sweep."""
    yield RECEIVABLES, age(database, slug, log)


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
    return {**shown, "file": dg.MetadataValue.path(path), "rows": file.rows, "bytes": file.size_bytes}


def totals_table(currencies: Sequence[CurrencyAging]) -> dg.TableMetadataValue:
    """What is due, a column for each currency. Amounts as text: a number in a table is a float."""
    columns = {found.currency: _figures(found) for found in currencies}
    labels = next(iter(columns.values()), {})
    return table([{"due": label} | {name: figures[label] for name, figures in columns.items()} for label in labels])


def _figures(found: CurrencyAging) -> dict[str, str]:
    days = found.days_sales_outstanding
    return {
        **{BUCKETS[name]: _money(amount) for name, amount in found.aged.buckets.items()},
        "total": _money(found.aged.total),
        "overdue": _money(found.aged.overdue),
        "overdue, %": str(found.aged.overdue_percent),
        "sales of 90 days": _money(found.sales),
        "days sales outstanding": "no sales" if days is None else str(days),
        "invoices": f"{found.aged.invoices:,}",
        "customers": f"{found.customers:,}",
    }


def customers_table(customers: Sequence[CustomerAging]) -> dg.TableMetadataValue:
    """Those who owe most that is overdue, in one currency."""
    return table(
        [
            {
                "customer": f"{customer.customer_number} {customer.customer_name}"[:60],
                **{BUCKETS[name]: _money(amount) for name, amount in customer.aged.buckets.items()},
                "overdue": _money(customer.aged.overdue),
                "total": _money(customer.aged.total),
                "invoices": customer.aged.invoices,
            }
            for customer in customers[:LONGEST_TABLE]
        ]
    )


def _money(amount: Decimal) -> str:
    return f"{amount:,}"


def _result(name: str, finding: Finding) -> dg.AssetCheckResult:
    sample = table([{"which": shown} for shown in finding.sample])
    return dg.AssetCheckResult(
        check_name=name,
        passed=finding.kept,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata=without_empty_tables({"offending": finding.count, "sample": sample}),
    )


receivables_aging = dg.define_asset_job(
    "receivables_aging", selection=[receivables], description="Ages what the customers of one organization owe."
)


@dg.op
def sweep_receivables(context: dg.OpExecutionContext, config: Sweep, database: InvoiceDatabase) -> None:
    """Ages the receivables of each organization. What is broken in one is reported at the end and stops no other."""
    sweep(context, config.organizations, database, steps_of)


@dg.job
def receivables_sweep() -> None:
    """Ages the receivables of many organizations, in one run."""
    sweep_receivables()


RUNS = DomainRuns(
    group="billing", job=receivables_aging.name, sweep=receivables_sweep.name, sweep_op="sweep_receivables"
)


@dg.sensor(
    jobs=[receivables_aging, receivables_sweep],
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def receivables_due(context: dg.SensorEvaluationContext, database: InvoiceDatabase) -> dg.SensorResult:
    """Asks for a run of each organization where a day began and something is open, and where invoices, credit notes or
    voids came since the last aging, though not more often than every ten minutes.
    """
    with database.engine.begin() as connection:
        due = organizations_to_age(connection)
    return ask_for_runs(RUNS, context, database, list_organizations(database.engine) if due else [], lambda: due)

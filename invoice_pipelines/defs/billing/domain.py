"""Billing as Dagster sees it: the assets of issued invoices and of a backlog, and what is told of them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from functools import cache, partial
from uuid import UUID

import dagster as dg
from pydantic import Field
from sqlalchemy import Connection

from invoice_pipelines.billing import BillingError, batch_invoice_open_orders, process_jobs
from invoice_pipelines.billing.processing import KINDS
from invoice_pipelines.billing.promises import INVOICED, PROMISES, latest_since
from invoice_pipelines.billing.run_report import Outcome, failed_orders, issued_by_day, outcome_of
from invoice_pipelines.defs.billing.config import RequestConfig, as_date
from invoice_pipelines.defs.billing.metadata import invoicing_metadata, refusals_table
from invoice_pipelines.defs.checks import kept, severity
from invoice_pipelines.defs.domain import Domain, Stage, StageResult, Turn
from invoice_pipelines.defs.factory import definitions_of
from invoice_pipelines.defs.metadata import LONGEST_TABLE, with_columns, without_empty_tables
from invoice_pipelines.defs.organizations import organizations
from invoice_pipelines.defs.progress import progress_lines
from invoice_pipelines.promises import find_broken
from invoice_pipelines.settings import Settings
from invoice_pipelines.work import due_items, get_job

DAYS_SHOWN = 14

SALES_ORDERS = dg.AssetSpec(
    ["billing", "sales_orders"],
    group_name="billing",
    kinds={"postgres"},
    owners=["team:sales"],
    partitions_def=organizations,
    description="Orders of customers, as the shop, a person or a migration put them into the database.",
    metadata=with_columns({"dagster/table_name": "billing.sales_order"}),
)


def issue_invoices(turn: Turn, job_id: UUID | None = None) -> StageResult:
    """Issues the invoices of all open batch jobs of an organization, or of the named one alone."""
    report = process_jobs(turn.organization, job_id=job_id, on_progress=progress_lines(turn.log, "orders"))
    with turn.organization.scope() as connection:
        shown = invoicing_metadata(
            report,
            [get_job(connection, worked) for worked in sorted(report.jobs)[:LONGEST_TABLE]],
            failed_orders(connection, report.jobs, LONGEST_TABLE),
            issued_by_day(connection, DAYS_SHOWN),
        )
        found = find_broken(connection, PROMISES, part=cache(partial(latest_since, connection)))
        results = kept(PROMISES, found)
        results.append(check_invoiced(outcome_of(connection, report.jobs)))
    return StageResult(report.done > 0, shown, results, batch_jobs=report.jobs)


def check_invoiced(outcome: Outcome) -> dg.AssetCheckResult:
    """Whether orders were refused, and why."""
    return dg.AssetCheckResult(
        check_name=INVOICED.name,
        passed=not outcome.refused,
        severity=severity(warns=outcome.invoiced > 0),
        metadata=without_empty_tables(
            {
                "invoiced": outcome.invoiced,
                "refused": outcome.refused,
                "reasons": refusals_table(outcome.refusals),
            }
        ),
    )


class Backlog(RequestConfig):
    """How the invoices of a backlog are dated."""

    invoice_date: str | None = Field(
        default=None,
        description="Issue date of all of them, such as 2026-03-31; or `today`, in the organization's time zone. It "
        "must be given.",
    )

    def issue_date(self) -> date | None:
        """The date, or None for the day of issue. Raises BillingError for one that is missing: a backlog is never
        invoiced by a careless click on all assets.
        """
        if self.invoice_date is None:
            raise BillingError("invoice_date: the config must say how a backlog is dated, such as 2026-03-31 or today.")
        return as_date("invoice_date", None if self.invoice_date == "today" else self.invoice_date)


def invoice_backlog(turn: Turn, config: Backlog) -> StageResult:
    """Asks for the invoices of all open orders and issues them."""
    organization = turn.organization
    with organization.scope() as connection:
        answer = batch_invoice_open_orders(
            connection, created_by=organization.actor, **config.options(config.issue_date())
        )
    turn.log.info("%s orders are open, about %.1f s of work", answer.total, answer.estimated_seconds)
    return issue_invoices(turn, answer.job_id)


def organizations_due(connection: Connection, settings: Settings) -> Collection[UUID]:
    """Organizations with a batch job of invoices to work on."""
    return due_items(connection, KINDS)


ISSUED_INVOICES = Stage(
    key=dg.AssetKey(["billing", "issued_invoices"]),
    description="Invoices as they were issued, numbered without gaps and never changed. Takes what open batch jobs ask "
    "for.",
    deps=[SALES_ORDERS.key],
    metadata={"dagster/table_name": "billing.issued_invoice"},
    work=lambda turn, _: issue_invoices(turn),
    promises=(*PROMISES, INVOICED),
)
BACKLOG = Stage(
    key=dg.AssetKey(["billing", "backlog"]),
    description="Invoices of all orders that are open, asked for and issued in one go: backfill it over the "
    "organizations that\na migration brought, with a date in its config. It never runs by itself.",
    deps=[SALES_ORDERS.key],
    metadata={"dagster/table_name": "billing.issued_invoice"},
    config=Backlog,
    refuse=Backlog.issue_date,
    for_migrations={"invoice_date": "today"},
    work=invoice_backlog,
    promises=(*PROMISES, INVOICED),
)
INVOICING = Domain(
    name="invoicing",
    description="Issues the invoices that the open batch jobs of one organization ask for.",
    does="Issues the invoices that are asked for in {}",
    stages=(ISSUED_INVOICES,),
    apart=(BACKLOG,),
    kinds=KINDS,
    due=organizations_due,
    sensor="pending_invoice_jobs",
    sensor_description="Asks for a run of each organization with a batch job of invoices to work on, and none in "
    "flight.",
    by_hand=("batch_invoice_orders",),
)


@dg.definitions
def billing() -> dg.Definitions:
    return dg.Definitions.merge(definitions_of(INVOICING), dg.Definitions(assets=[SALES_ORDERS]))

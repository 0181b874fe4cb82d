"""Holds the sensor of billing: it asks for runs where batch jobs wait for their invoices."""

import dagster as dg

from invoice_pipelines.billing import KINDS
from invoice_pipelines.defs.billing.jobs import batch_invoice_orders_job, invoicing, invoicing_sweep
from invoice_pipelines.defs.resources import InvoiceDatabase
from invoice_pipelines.defs.run_requests import DomainRuns, ask_for_runs
from invoice_pipelines.organizations import list_organizations
from invoice_pipelines.work import organizations_with_work

RUNS = DomainRuns(
    group="billing",
    job=invoicing.name,
    sweep=invoicing_sweep.name,
    sweep_op="sweep_invoicing",
    by_hand=(batch_invoice_orders_job.name,),
)


@dg.sensor(jobs=[invoicing, invoicing_sweep], minimum_interval_seconds=5, default_status=dg.DefaultSensorStatus.RUNNING)
def pending_invoice_jobs(context: dg.SensorEvaluationContext, database: InvoiceDatabase) -> dg.SensorResult:
    """Asks for a run of each organization with a batch job of invoices to work on, and none in flight."""
    with database.engine.begin() as connection:
        due = {work.organization_id for work in organizations_with_work(connection, KINDS)}
    return ask_for_runs(RUNS, context, database, list_organizations(database.engine) if due else [], lambda: due)

"""Holds the sensor of delivery: it asks for runs where documents are to be made or messages to be sent."""

import dagster as dg

from invoice_pipelines.defs.delivery.jobs import RUNS, delivery, delivery_sweep
from invoice_pipelines.defs.resources import InvoiceDatabase
from invoice_pipelines.defs.run_requests import ask_for_runs
from invoice_pipelines.delivery.overview import organizations_with_deliveries
from invoice_pipelines.organizations import list_organizations


@dg.sensor(jobs=[delivery, delivery_sweep], minimum_interval_seconds=5, default_status=dg.DefaultSensorStatus.RUNNING)
def pending_deliveries(context: dg.SensorEvaluationContext, database: InvoiceDatabase) -> dg.SensorResult:
    """Asks for a run of each organization with documents to make or messages to send now, and none in flight. Messages
    whose channel is not set up are not waited upon: they go out once it is.
    """
    with database.engine.begin() as connection:
        due = organizations_with_deliveries(connection, database.settings)
    return ask_for_runs(RUNS, context, database, list_organizations(database.engine) if due else [], lambda: due)

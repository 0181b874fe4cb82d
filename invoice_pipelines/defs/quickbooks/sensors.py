"""Holds the sensor of the sync: it asks for runs where something waits to be sent."""

from __future__ import annotations

import dagster as dg

from invoice_pipelines.defs.quickbooks.jobs import RUNS, quickbooks_push, quickbooks_push_sweep
from invoice_pipelines.defs.resources import InvoiceDatabase
from invoice_pipelines.defs.run_requests import ask_for_runs
from invoice_pipelines.organizations import list_organizations
from invoice_pipelines.quickbooks.schedule import organizations_to_push
from invoice_pipelines.settings import Settings, SettingsError, load_settings


@dg.definitions
def quickbooks_sensors() -> dg.Definitions:
    try:
        seconds = load_settings().quickbooks_push_seconds
    except SettingsError:  # of any variable; what needs that one says so itself, and the rest must load
        seconds = Settings.model_fields["quickbooks_push_seconds"].default
    return dg.Definitions(sensors=[push_sensor(seconds)])


def push_sensor(seconds: int) -> dg.SensorDefinition:
    """The sensor that looks so often."""

    @dg.sensor(
        name="quickbooks_push_due",
        jobs=[quickbooks_push, quickbooks_push_sweep],
        minimum_interval_seconds=seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Asks for a run of each organization in whose push queue something waits, and none in flight. "
        "Organizations whose company is not connected, or is left alone for a while, wait.",
    )
    def quickbooks_push_due(context: dg.SensorEvaluationContext, database: InvoiceDatabase) -> dg.SensorResult:
        with database.engine.begin() as connection:
            due = organizations_to_push(connection)
        return ask_for_runs(RUNS, context, database, list_organizations(database.engine) if due else [], lambda: due)

    return quickbooks_push_due

"""A fresh checkout without a database, as `dg dev` opens it: sensors and schedules say what is to be done."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from invoice_pipelines.database.embedded import EmbeddedServer
from invoice_pipelines.database.migrate import create_database
from invoice_pipelines.defs.resources import InvoiceDatabase

SENSORS = [
    "organization_partitions",
    "intake_due",
    "pending_invoice_jobs",
    "late_overdue_runs",
    "pending_deliveries",
    "fleet_health",
]


def said(defs: dg.Definitions, instance: dg.DagsterInstance, sensor: str) -> str:
    with dg.build_sensor_context(instance=instance, resources={"database": InvoiceDatabase()}) as context:
        result = defs.resolve_sensor_def(sensor)(context)
    assert isinstance(result, dg.SkipReason), result
    return str(result.skip_message)


@pytest.mark.parametrize("sensor", SENSORS)
def test_sensors_skip_and_make_no_server_where_none_runs(
    defs: dg.Definitions,
    instance_in_memory: dg.DagsterInstance,
    sensor: str,
    tmp_path: Path,
    configure: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.delenv("INVOICE_PIPELINES_DATABASE_URL", raising=False)
    configure()
    assert said(defs, instance_in_memory, sensor) == (
        "PostgreSQL does not run here: start `invoice-pipelines up`, or set INVOICE_PIPELINES_DATABASE_URL and run "
        "`invoice-pipelines db migrate`."
    )
    assert not (tmp_path / "postgresql").exists()


@pytest.mark.direct  # a superuser logs in, whom no pooler that drops start-up options lets through
def test_sensors_and_schedules_skip_where_the_database_is_not_migrated(
    defs: dg.Definitions, kept_instance: dg.DagsterInstance, server: EmbeddedServer, configure: Callable[..., None]
) -> None:
    create_database(server.url("postgres"), "not_migrated")
    configure(database_url=server.url("not_migrated").render_as_string(hide_password=False))
    todo = "The database has no schema yet: run `invoice-pipelines db migrate`."
    assert said(defs, kept_instance, "intake_due") == todo
    schedule = defs.resolve_schedule_def("stuck_work_every_ten_minutes")
    with dg.build_schedule_context(
        instance=kept_instance, scheduled_execution_time=datetime.now(UTC), resources={"database": InvoiceDatabase()}
    ) as context:
        skipped = schedule(context)
    assert isinstance(skipped, dg.SkipReason)
    assert skipped.skip_message == todo

"""Fixtures of overdue in Dagster: organizations with late invoices."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import text

from invoice_pipelines.defs.overdue.late_runs import late_overdue_runs
from invoice_pipelines.defs.overdue.schedules import overdue_schedule
from invoice_pipelines.overdue import notify_overdue
from invoice_pipelines.settings import load_settings
from invoice_pipelines_tests.integration.defs.conftest import DagsterHouse
from invoice_pipelines_tests.integration.overdue.conftest import OverdueDesk


@dataclass
class ReceivablesHouse:
    """An installation whose organizations have invoices to be paid."""

    house: DagsterHouse
    monkeypatch: pytest.MonkeyPatch

    def open(self, *slugs: str, days_ago: int = 30) -> None:
        """Adds organizations that have been there for a while."""
        self.house.add(*slugs)
        for slug in slugs:
            self.house.behind(
                """update organizations.organization set created_at = created_at - make_interval(days => :days)
                   where slug = :slug""",
                slug=slug,
                days=days_ago,
            )

    def desk(self, slug: str) -> OverdueDesk:
        database = self.house.database
        return OverdueDesk(database.engine, database.superuser, database.app_url, self.house.id_of(slug))

    def late(self, slug: str, *days: int, **how: Any) -> None:
        """Adds an invoice for each number of days that it is late."""
        desk = self.desk(slug)
        desk.add([desk.late(number, **how) for number in days])

    def schedule(self, **values: object) -> dg.ScheduleDefinition:
        """The schedule of these settings."""
        for name, value in values.items():
            self.monkeypatch.setenv(f"SCHEDULER_{name}".upper(), str(value))
        load_settings.cache_clear()
        return overdue_schedule(load_settings())

    def tick(self, schedule: dg.ScheduleDefinition, moment: datetime) -> dg.ScheduleExecutionData:
        """One tick of the schedule."""
        with self.house.schedule_context(moment) as context:
            return schedule.evaluate_tick(context)

    def begun(self, request: dg.RunRequest, *, run_it: bool = True) -> dg.ExecuteInProcessResult | None:
        """The run that the daemon makes of a request of the schedule; without `run_it` it waits in the queue."""
        tags = {**request.tags, "dagster/schedule_name": "overdue_schedule"}
        job = self.house.defs.resolve_job_def("overdue_sweep")
        if run_it:
            return job.execute_in_process(
                instance=self.house.instance, run_config=request.run_config, tags=tags, raise_on_error=False
            )
        self.house.instance.create_run_for_job(
            job, run_config=dict(request.run_config), tags=tags, status=dg.DagsterRunStatus.NOT_STARTED
        )
        return None

    def left(self) -> dg.SensorResult | dg.SkipReason:
        """One tick of the sensor that takes up what was left."""
        with self.house.sensor_context() as context:
            return self.house.defs.resolve_sensor_def("overdue_left")(context)  # type: ignore[return-value]

    def left_for(self) -> list[str]:
        """Slugs for which that sensor asks for a run of their own."""
        result = self.left()
        requests = result.run_requests if isinstance(result, dg.SensorResult) else None
        return sorted(str(request.partition_key) for request in requests or [])

    def told_late(self) -> dict[str, tuple[bool, str, str]]:
        """One tick of the sensor of late runs and the run that it asks for: what the check of each slug says."""
        with self.house.sensor_context() as context:
            result = late_overdue_runs(context)
        assert isinstance(result, dg.SensorResult)
        self.house.cursor = result.cursor
        found = {}
        for request in result.run_requests or []:
            done = self.house.run("overdue_lateness", config=request.run_config)
            assert done.success
            for evaluation in done.get_asset_check_evaluations():
                why = evaluation.metadata.get("why")
                found[str(evaluation.partition)] = (
                    evaluation.passed,
                    evaluation.severity.value,
                    "" if why is None else str(why.value),
                )
        return found

    def look(self, *slugs: str, ago: timedelta = timedelta()) -> None:
        """Looks for overdue invoices without a run, so long ago."""
        for slug in slugs:
            notify_overdue(self.house.context(slug))
            self.age(slug, ago)

    def run(self, slug: str, **config: Any) -> dg.ExecuteInProcessResult:
        """A run of one organization."""
        return self.house.run("overdue", slug, {"ops": {"overdue__notifications": {"config": config}}})

    def sweep(self, *slugs: str) -> dg.ExecuteInProcessResult:
        return self.house.run(
            "overdue_sweep", config={"ops": {"sweep_overdue": {"config": {"organizations": list(slugs)}}}}
        )

    def age(self, slug: str, since: timedelta) -> None:
        """Lets all that the log of an organization tells of have happened so much earlier."""
        self.house.behind(
            """update overdue.job_execution_log l
               set start_time = start_time - :since, end_time = end_time - :since, progress_at = progress_at - :since
               from organizations.organization o where o.id = l.organization_id and o.slug = :slug""",
            slug=slug,
            since=since,
        )

    def told(self, slug: str) -> int:
        """How many notifications an organization has."""
        return len(self.desk(slug).told())

    def log(self, slug: str) -> list[str]:
        """How each run of an organization went, by its log."""
        return [row.status for row in self.desk(slug).log_rows()]

    def now(self) -> datetime:
        with self.house.database.superuser.connect() as connection:
            moment: datetime = connection.execute(text("select clock_timestamp()")).scalar_one()
        return moment


@pytest.fixture
def books(house: DagsterHouse, monkeypatch: pytest.MonkeyPatch) -> ReceivablesHouse:
    return ReceivablesHouse(house, monkeypatch)


@pytest.fixture
def kept_books(kept_house: DagsterHouse, monkeypatch: pytest.MonkeyPatch) -> ReceivablesHouse:
    """With Dagster's records in files."""
    return ReceivablesHouse(kept_house, monkeypatch)

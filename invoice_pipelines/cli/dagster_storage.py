"""Prepares Dagster's storage before its processes start; runs in a process of its own."""

from __future__ import annotations

import os

import dagster as dg
from dagster_postgres import DagsterPostgresStorage

from invoice_pipelines.settings import PREFIX

UNFINISHED = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def make_tables(url: str) -> None:
    """Makes Dagster's tables where they are missing, and brings those of an older Dagster to its newest schema."""
    storage = DagsterPostgresStorage(url)
    storage.run_storage.upgrade()  # type: ignore[attr-defined]
    storage.event_log_storage.upgrade()
    storage.schedule_storage.upgrade()


def prepare(close_runs: bool) -> None:
    """Makes the tables; with `close_runs`, reports runs that a kill left open as failed, so that others start."""
    DagsterPostgresStorage(os.environ[f"{PREFIX}DAGSTER_DATABASE_URL"])
    with dg.DagsterInstance.get() as instance:
        if close_runs:
            for run in instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)):
                instance.report_run_failed(
                    run, "Its process was killed with the whole installation; the work goes on in a new run."
                )

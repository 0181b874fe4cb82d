"""The command `batch stats`: how batch jobs go, by kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer
from sqlalchemy import text

from invoice_pipelines.cli.batch.work import AsJson, opened
from invoice_pipelines.cli.output import console, print_json, table
from invoice_pipelines.database import organization_scope
from invoice_pipelines.database.access import open_database
from invoice_pipelines.settings import load_settings
from invoice_pipelines.work import JobStatistics, statistics


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(stats)


def stats(
    organization: Annotated[
        str | None, typer.Option("--organization", help="Slug; if left out, all organizations together.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show counts, success rate and durations of batch jobs by kind, in all and today (UTC)."""
    if organization is None:
        with open_database(load_settings(), application_name="command line") as engine:
            with engine.begin() as connection:
                rows = connection.execute(text("select * from public.get_batch_processing_stats()")).all()
            found: Sequence[JobStatistics] = [JobStatistics(*row) for row in rows]
    else:
        with opened(organization) as (engine, tenant), organization_scope(engine, tenant.id) as connection:
            found = statistics(connection)
    if as_json:
        for one in found:
            print_json(asdict(one))
        return
    jobs = table(None, "kind", "#jobs", "#open", "#completed", "#with errors", "#failed", "#cancelled", "#seconds each")
    items = table(None, "kind", "#items", "#succeeded", "#failed", "#skipped", "#success", "#waiting", "#in work")
    today = table(None, "today", "#asked", "#ended", "#succeeded", "#failed", "#skipped", "#seconds each")
    for one in found:
        jobs.add_row(
            one.job_type,
            str(one.total_jobs),
            str(one.pending_jobs + one.processing_jobs),
            str(one.completed_jobs),
            str(one.completed_with_errors_jobs),
            str(one.failed_jobs),
            str(one.cancelled_jobs),
            _or_nothing(one.average_duration_seconds),
        )
        items.add_row(
            one.job_type,
            str(one.total_items),
            str(one.successful_items),
            str(one.failed_items),
            str(one.skipped_items),
            "" if one.success_rate is None else f"{one.success_rate} %",
            str(one.waiting_items),
            str(one.leased_items),
        )
        if one.jobs_created_today or one.jobs_ended_today:
            today.add_row(
                one.job_type,
                str(one.jobs_created_today),
                str(one.jobs_ended_today),
                str(one.successful_items_today),
                str(one.failed_items_today),
                str(one.skipped_items_today),
                _or_nothing(one.average_duration_seconds_today),
            )
    for each in (jobs, items, today):
        if each.row_count:
            console.print(each)
            console.print()
    console.print("Waiting and in work count entries without a batch job, too." if found else "There was no batch job.")


def _or_nothing(value: object) -> str:
    return "" if value is None else str(value)

"""The jobs that keep the queue and Dagster's own records in order, whatever the domain."""

import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from uuid import UUID

import dagster as dg
from sqlalchemy import Engine

from invoice_pipelines.accounting.systems import accounting_systems
from invoice_pipelines.database import organization_scope
from invoice_pipelines.defs.refusals import refusals_fail_the_run
from invoice_pipelines.defs.resources import InvoiceDatabase
from invoice_pipelines.events.feed import prune_events
from invoice_pipelines.intake.received_invoices import fail_given_up
from invoice_pipelines.organizations import list_organizations
from invoice_pipelines.overdue import prune_executions, prune_notifications
from invoice_pipelines.storage import remove_abandoned_files, root_path
from invoice_pipelines.work import cleanup_stuck, prune

ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
RUNS_AT_ONCE = 100
ABANDONED_AFTER = timedelta(days=1)


@dg.op
@refusals_fail_the_run()
def clean_up_stuck_work(context: dg.OpExecutionContext, database: InvoiceDatabase) -> None:
    """Returns items whose worker died to the queue, and closes jobs that nothing is left to do for.

    Where an item was given up, its invoice fails with the same reason; no run of its organization might come to do it.
    """
    with database.engine.begin() as connection:
        found = cleanup_stuck(connection)
    given_up = 0
    for organization in list_organizations(database.engine) if found.failed_items else ():
        with organization_scope(database.engine, organization.id) as connection:
            given_up += len(fail_given_up(connection))
    counts = {name.replace("_", " "): count for name, count in asdict(found).items()}
    context.add_output_metadata({"given up invoices": given_up, **counts})


@dg.job
def stuck_work_clean_up() -> None:
    """Cleans up after dead workers, in all organizations."""
    clean_up_stuck_work()


@dg.op
@refusals_fail_the_run()
def prune_runs(context: dg.OpExecutionContext, database: InvoiceDatabase) -> None:
    """Deletes Dagster's records of runs that ended long ago: the runs, their events and what they printed.

    The oldest go first, and what does not fit into the time of a run is left for the next night. The business's own
    records are in the business database and stay.
    """
    deadline = time.monotonic() + database.settings.run_time_box_seconds
    before = datetime.now(UTC) - timedelta(days=database.settings.keep_runs_days)
    old = dg.RunsFilter(statuses=ENDED, updated_before=before)
    deleted = 0
    while time.monotonic() < deadline:
        records = context.instance.get_run_records(old, limit=RUNS_AT_ONCE, ascending=True)
        for record in records:
            run_id = record.dagster_run.run_id
            context.instance.delete_run(run_id)
            context.instance.compute_log_manager.delete_logs(prefix=[run_id])
        deleted += len(records)
        if len(records) < RUNS_AT_ONCE:
            break
    context.add_output_metadata({"deleted runs": deleted, "ended before": dg.MetadataValue.timestamp(before)})


Prune = Callable[[Engine, UUID, datetime], int]
"""Deletes what ended before a moment in an organization; returns how many."""


def prune_op(op_name: str, description: str, **pruned: tuple[Prune, str]) -> dg.OpDefinition:
    """An op that prunes all organizations: what is deleted, by which function, and the setting that says when."""

    @dg.op(name=op_name, description=description)
    @refusals_fail_the_run()
    def prune_all(context: dg.OpExecutionContext, database: InvoiceDatabase) -> None:
        organizations = list_organizations(database.engine, with_removed=True)
        shown: dict[str, object] = {}
        for what, (prune_one, setting) in pruned.items():
            before = datetime.now(UTC) - timedelta(days=getattr(database.settings, setting))
            deleted = sum(prune_one(database.engine, organization.id, before) for organization in organizations)
            name = what.replace("_", " ")
            shown |= {f"deleted {name}": deleted, f"{name} ended before": dg.MetadataValue.timestamp(before)}
        context.add_output_metadata(shown)

    return prune_all


PRUNES = [
    prune_op(
        "prune_batch_jobs",
        "Deletes items of batch jobs and of queues that ended long ago. Jobs and their history stay.",
        items=(prune, "keep_runs_days"),
    ),
    prune_op(
        "prune_overdue",
        "Deletes old runs from the log of overdue, and notifications that were closed longer ago.",
        overdue_runs=(prune_executions, "keep_runs_days"),
        notifications=(prune_notifications, "keep_notifications_days"),
    ),
    prune_op(
        "prune_events",
        "Deletes events from which programs read what changed, and what webhooks told of them.",
        events=(prune_events, "keep_events_days"),
    ),
    *(
        prune_op(
            f"prune_{system.name}",
            f"Deletes what was sent to {system.title} and answered long ago. Mappings and events stay.",
            batches=(system.prune, "keep_runs_days"),
        )
        for system in accounting_systems()
    ),
]


@dg.op
@refusals_fail_the_run()
def remove_leftovers(context: dg.OpExecutionContext, database: InvoiceDatabase) -> None:
    """Removes the temporary files that killed processes left in the stores of originals, exports and documents. What is
    in them stays: documents and messages are business records.
    """
    before = datetime.now(UTC) - ABANDONED_AFTER
    settings = database.settings
    roots = {
        "originals": settings.originals_root,
        "exports": settings.exports_root,
        "documents": settings.documents_root,
    }
    context.add_output_metadata(
        {f"files in {name}": remove_abandoned_files(root_path(root), before) for name, root in roots.items()}
    )


@dg.job
def nightly_prune() -> None:
    """Removes records of Dagster and items of queues that nobody looks at any more, and files of killed processes."""
    prune_runs()
    for prune_all in PRUNES:
        prune_all()
    remove_leftovers()

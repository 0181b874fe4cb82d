"""Overdue as Dagster sees it: the asset of notifications, what is told of it, and what is looked at once more."""

from __future__ import annotations

from datetime import date
from uuid import UUID

import dagster as dg
from pydantic import Field
from sqlalchemy import Connection

from invoice_pipelines.defs.accounting.domain import payments
from invoice_pipelines.defs.checks import evaluated
from invoice_pipelines.defs.domain import Domain, Results, Stage, StageResult, TakeTurn, Turn
from invoice_pipelines.defs.factory import definitions_of
from invoice_pipelines.defs.metadata import with_columns
from invoice_pipelines.defs.overdue.due import now_of, organizations_due
from invoice_pipelines.defs.overdue.metadata import overdue_metadata
from invoice_pipelines.defs.progress import progress_lines
from invoice_pipelines.defs.resources import InvoiceDatabase
from invoice_pipelines.defs.run_requests import ask_for_runs
from invoice_pipelines.overdue import (
    BATCH_SIZE,
    AlreadyRunning,
    CronSchedule,
    ExecutionReport,
    OverdueError,
    due_since,
    next_run,
    notify_overdue,
    read_schedule,
)
from invoice_pipelines.overdue.asked import LOOK_FOR_OVERDUE, look_as_asked, organizations_with_requests
from invoice_pipelines.overdue.promises import FRESH, PROMISES
from invoice_pipelines.overdue.run_report import run_details
from invoice_pipelines.settings import Settings

SCHEDULE = "overdue_schedule"
AS_OF = "Judge by this day, such as 2026-03-31, instead of today in the organization's time zone; not one to come."


class AsOf(dg.Config):
    """By which day a run judges."""

    as_of: str | None = Field(default=None, description=AS_OF)


def day(as_of: str | None) -> date | None:
    """A day in ISO form. Raises OverdueError that names the field."""
    try:
        return None if as_of is None else date.fromisoformat(as_of)
    except ValueError:
        raise OverdueError(f"as_of: {as_of!r} is not a date like 2026-03-31.") from None


def notify(turn: Turn, config: AsOf) -> StageResult:
    """Looks for what is overdue in an organization, as of today there or an earlier day; makes and closes
    notifications. Where another run is about it, that one is left alone.
    """
    try:
        report = _look_for_overdue(turn, day(config.as_of))
    except AlreadyRunning as busy:
        turn.log.info("skipped: %s", busy)
        return StageResult(False, {}, [_not_judged(promise.name, busy) for promise in PROMISES], idle=str(busy))
    with turn.organization.scope() as connection:
        results = [*_kept(connection, turn, report), fresh(turn.organization.settings, report)]
        shown = overdue_metadata(report, run_details(connection, report))
    return StageResult(report.changed, shown, results)


def look_as_of(as_of: date | None) -> TakeTurn:
    """The only stage, for a sweep. It leaves an organization to the run that is about it already.

    Where nothing happened nothing is shown, not even that the run is fresh: each costs milliseconds for each of ten
    thousand organizations, and the sensor of late runs takes back what it said.
    """

    def take_turn(turn: Turn) -> Results:
        try:
            report = _look_for_overdue(turn, as_of)
        except AlreadyRunning as busy:
            turn.log.info("%s is skipped: %s", turn.organization.slug, busy)
            return
        with turn.organization.scope() as connection:
            results = _kept(connection, turn, report)
            if report.changed:
                results.append(fresh(turn.organization.settings, report))
            shown = overdue_metadata(report, run_details(connection, report)) if report.changed else {}
        yield NOTIFICATIONS, StageResult(report.changed, shown, results)

    return take_turn


def _look_for_overdue(turn: Turn, as_of: date | None) -> ExecutionReport:
    schedule = read_schedule(turn.organization.settings)

    def look(day: date | None) -> ExecutionReport:
        return notify_overdue(
            turn.organization,
            as_of=day,
            batch_size=BATCH_SIZE if isinstance(schedule, str) else schedule.batch_size,
            run_id=UUID(turn.run_id),
            on_progress=progress_lines(turn.log, "notifications", is_due_counted=False),
        )

    of_today = look_as_asked(turn.organization, look, turn.organization.time_box)
    return of_today if of_today is not None and as_of is None else look(as_of)


def _kept(connection: Connection, turn: Turn, report: ExecutionReport) -> list[dg.AssetCheckResult]:
    return evaluated(PROMISES, connection, report, turn.organization.organization.settings.overdue_levels)


def _not_judged(name: str, busy: AlreadyRunning) -> dg.AssetCheckResult:
    """What a check says where another run is in the middle of its work."""
    return dg.AssetCheckResult(
        check_name=name, passed=False, severity=dg.AssetCheckSeverity.WARN, metadata={"not judged": str(busy)}
    )


def fresh(settings: Settings, report: ExecutionReport) -> dg.AssetCheckResult:
    """That a run has just come to its end, and when the next is due; a warning where nobody knows when."""
    schedule = read_schedule(settings)
    last_start = report.start_time
    last_run = {"last run": dg.MetadataValue.timestamp(last_start)}
    if isinstance(schedule, str):
        return dg.AssetCheckResult(
            check_name=FRESH.name,
            passed=False,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={**last_run, "no schedule": schedule},
        )
    next_start = next_run(schedule, last_start, last_start)
    return dg.AssetCheckResult(
        check_name=FRESH.name, passed=True, metadata={**last_run, "next run": dg.MetadataValue.timestamp(next_start)}
    )


def take_up_what_was_left(
    domain: Domain, context: dg.SensorEvaluationContext, database: InvoiceDatabase
) -> dg.SensorResult | dg.SkipReason:
    """Asks for runs where somebody wants one, and where a moment of cron was missed, if the schedule began anything at
    it.
    """
    with database.engine.begin() as connection:
        asked = organizations_with_requests(connection)
    if asked:
        return ask_for_runs(domain, context, database, due=asked)
    schedule = read_schedule(database.settings)
    if not isinstance(schedule, CronSchedule):
        return dg.SkipReason(schedule if isinstance(schedule, str) else "an interval is looked at by its schedule")
    since = due_since(schedule, now_of(database))
    begun = dg.RunsFilter(job_name=domain.sweep, tags={"dagster/schedule_name": SCHEDULE}, created_after=since)
    if not context.instance.get_runs_count(begun):
        return dg.SkipReason(f"the schedule began nothing since {since:%Y-%m-%d %H:%M %Z}")
    due = organizations_due(domain, context.instance, database, since, with_new=False)
    return ask_for_runs(domain, context, database, due={organization.id for organization in due})


_COLUMNS = {
    "organization_id": "the organization that issued the invoice",
    "id": "of the notification; its order is that in which they were made",
    "notification_type": "what it tells of: payment_overdue",
    "invoice_id": "the invoice that is past due",
    "level": "days past due from which on it is made",
    "status": "open: the customer was not told of this level; sent: told; closed: nothing is overdue any more",
    "as_of": "the day that the run judged by, in the organization's time zone",
    "days_overdue": "days from due_date to as_of",
    "invoice_number": "the number of the invoice, as printed on it",
    "customer_id": "who owes",
    "customer_name": "their name, as on the invoice",
    "amount_due": "what was due when it was made, or opened again",
    "currency": "of the amount, as in ISO 4217",
    "due_date": "the last day on which the invoice could be paid in time",
    "sent_at": "when the customer was told; kept when it is closed and opened again, as people are told once",
    "closed_at": "when a run found that nothing is overdue any more",
    "closed_reason": "why: paid, credited, void, or missing (there is no such invoice)",
    "execution_id": "the run that made it, or opened it again, as in the execution log",
    "created_at": "when it was made",
}
NOTIFICATIONS = Stage(
    key=dg.AssetKey(["overdue", "notifications"]),
    description="That an invoice is past due: one notification per invoice and level, closed when the invoice is "
    "settled.",
    deps=[dg.AssetKey(["billing", "issued_invoices"]), *payments()],
    metadata=with_columns({"dagster/table_name": "overdue.notification"}, _COLUMNS),
    config=AsOf,
    work=notify,
    promises=PROMISES,
)
OVERDUE = Domain(
    name="overdue",
    description="Looks for overdue invoices of one organization, as of today there or the day in its config.",
    does="Looks for overdue invoices of {}",
    stages=(NOTIFICATIONS,),
    take=look_as_of(None),
    look=take_up_what_was_left,
    sensor="overdue_left",
    sensor_description="Asks for the runs that somebody wants, and takes up what a cron moment of the overdue schedule "
    "left:\norganizations that failed, three times at the most, and those that a sweep had no time for. Takes up "
    "nothing where\nthe schedule itself began nothing, as when it is stopped.",
    every_seconds=10,
    kinds=(LOOK_FOR_OVERDUE,),
    by_hand=("overdue_now",),
)


@dg.definitions
def overdue() -> dg.Definitions:
    return definitions_of(OVERDUE)

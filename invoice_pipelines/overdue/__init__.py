"""Overdue: invoices that are past due get a notification, once per level, and the log proves that somebody looked.

`execution` is a run of one organization, `execution_log` what is known of runs, `sending` what a sender asks before it
tells a customer, `promises` what must always be true, `schedule` when runs are due, `pruning` what is removed at last.
The rules themselves are SQL (`*.sql`).
"""

from invoice_pipelines.overdue.errors import AlreadyRunning, ExecutionClosed, OverdueError
from invoice_pipelines.overdue.execution import BATCH_SIZE, notify_overdue
from invoice_pipelines.overdue.execution_log import (
    ExecutionReport,
    ExecutionStatus,
    ExecutionTotals,
    OrganizationToCheck,
    execution_totals,
    last_execution,
    organizations_to_check,
)
from invoice_pipelines.overdue.promises import missing_notifications, notifications_without_reason
from invoice_pipelines.overdue.pruning import prune_executions, prune_notifications
from invoice_pipelines.overdue.schedule import (
    CronSchedule,
    IntervalSchedule,
    Schedule,
    due_since,
    next_run,
    read_schedule,
)
from invoice_pipelines.overdue.sending import WORK_KIND, StillDue, mark_sent, notification_and_channel, still_due

__all__ = [
    "BATCH_SIZE",
    "WORK_KIND",
    "AlreadyRunning",
    "CronSchedule",
    "ExecutionClosed",
    "ExecutionReport",
    "ExecutionStatus",
    "ExecutionTotals",
    "IntervalSchedule",
    "OrganizationToCheck",
    "OverdueError",
    "Schedule",
    "StillDue",
    "due_since",
    "execution_totals",
    "last_execution",
    "mark_sent",
    "missing_notifications",
    "next_run",
    "notification_and_channel",
    "notifications_without_reason",
    "notify_overdue",
    "organizations_to_check",
    "prune_executions",
    "prune_notifications",
    "read_schedule",
    "still_due",
]

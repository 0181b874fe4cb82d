"""Overdue: an invoice that is past due gets one notification per level, and the log proves that somebody looked.

`execution` runs over one organization, `execution_log` reads the log of runs, `schedule` says when runs are due,
`sending` serves those who tell the customer, `promises` says what must always be true, and `pruning` deletes what is
old. The rules themselves are SQL (`*.sql`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from invoice_pipelines.lazy import loaded_when_asked_for
from invoice_pipelines.overdue.errors import AlreadyRunning, OverdueError
from invoice_pipelines.overdue.sending import StillDue, mark_sent, notification_and_channel, still_due

if TYPE_CHECKING:
    from invoice_pipelines.overdue.execution import BATCH_SIZE, notify_overdue
    from invoice_pipelines.overdue.execution_log import (
        ExecutionReport,
        ExecutionStatus,
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

__all__ = [
    "BATCH_SIZE",
    "AlreadyRunning",
    "CronSchedule",
    "ExecutionReport",
    "ExecutionStatus",
    "IntervalSchedule",
    "OverdueError",
    "Schedule",
    "StillDue",
    "due_since",
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

# Who sends reminders need not wait for what finds them.
__getattr__ = loaded_when_asked_for(
    __name__,
    {
        "execution": ("BATCH_SIZE", "notify_overdue"),
        "execution_log": ("ExecutionReport", "ExecutionStatus", "last_execution", "organizations_to_check"),
        "promises": ("missing_notifications", "notifications_without_reason"),
        "pruning": ("prune_executions", "prune_notifications"),
        "schedule": ("CronSchedule", "IntervalSchedule", "Schedule", "due_since", "next_run", "read_schedule"),
    },
)

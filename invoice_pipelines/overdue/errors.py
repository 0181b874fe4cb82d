"""The errors of overdue that people read."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.exc import DBAPIError

from invoice_pipelines.errors import InvoicePipelinesError


class OverdueError(InvoicePipelinesError):
    """A run is refused or cannot go on. The message is one line that says what is wrong and what to do."""


class AlreadyRunning(OverdueError):
    """Another run works on the organization at this moment; this one did nothing."""

    def __init__(self, organization_id: UUID) -> None:
        super().__init__(f"Another run looks for overdue invoices of organization {organization_id} at this moment.")


class ExecutionClosed(OverdueError):
    """The run was taken for dead and closed by a later one. The batch that it was in is undone."""


def refusal_of(error: DBAPIError) -> OverdueError | None:
    """The error for people, where an SQL function of overdue refused on purpose; None for any other error."""
    state = getattr(error.orig, "sqlstate", None)
    message = getattr(getattr(error.orig, "diag", None), "message_primary", None) or ""
    if state == "IP004":
        return ExecutionClosed(message)
    return OverdueError(message) if state == "IP003" else None

"""Who may cancel or retry a batch operation: whoever may ask for what it does."""

from __future__ import annotations

from invoice_pipelines.accounts.entry import Entry
from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.billing.imports.batch import IMPORT_CSV
from invoice_pipelines.billing.processing import KINDS as INVOICING
from invoice_pipelines.delivery.values import MAKE_DOCUMENTS, SENDING_KINDS
from invoice_pipelines.intake.states import EXPORT, EXPORT_NOW, PARSE, PROCESS, RECOGNIZE, VALIDATE
from invoice_pipelines.overdue.asked import LOOK_FOR_OVERDUE
from invoice_pipelines.quickbooks.values import KINDS as QUICKBOOKS
from invoice_pipelines.quickbooks.values import PULL
from invoice_pipelines.web.callers import At
from invoice_pipelines.work import Job

_AREAS = {
    **dict.fromkeys((*INVOICING, IMPORT_CSV, LOOK_FOR_OVERDUE), "billing"),
    **dict.fromkeys((MAKE_DOCUMENTS, *SENDING_KINDS), "delivery"),
    **dict.fromkeys((PARSE, RECOGNIZE, PROCESS, VALIDATE, EXPORT, EXPORT_NOW), "intake"),
    **dict.fromkeys((PULL, *QUICKBOOKS.values()), "quickbooks"),
}
"""The area of each kind of work. Any other kind is what only admins ask for."""


def may_change(entry: Entry, job: Job) -> bool:
    """Whether a caller may cancel a job, or let it try again what failed."""
    return entry.may(*_needed(job))


def require_area(at: At, job: Job) -> None:
    """Raises Refusal unless the caller may."""
    at.require(*_needed(job))


def _needed(job: Job) -> tuple[Role, str]:
    area = _AREAS.get(job.kind, "organization")
    return Role.ADMIN if area == "organization" else Role.ACCOUNTANT, area

"""What a person does to a batch job of any kind: cancel it, or try again what failed."""

import dagster as dg
from pydantic import Field

from invoice_pipelines.billing.requests import parse_date, retry_with_date
from invoice_pipelines.defs.refusals import refusals_fail_the_run
from invoice_pipelines.defs.resources import InvoiceDatabase
from invoice_pipelines.defs.sweep import tag_batch_jobs, turn_of
from invoice_pipelines.work import cancel_job, find_job, get_job, retry_failed


class BatchJob(dg.Config):
    """Which batch job."""

    organization: str = Field(description="Slug of the organization.")
    job: str = Field(description="Id of the batch job; its first or last characters are enough.")


class Retry(BatchJob):
    """Which batch job, and what is different this time."""

    invoice_date: str | None = Field(
        default=None,
        description="Another issue date for what a job of invoices still issues, such as 2026-03-31, or `today` for "
        "the day of issue.",
    )


@dg.op
@refusals_fail_the_run()
def cancel_batch_job(context: dg.OpExecutionContext, config: BatchJob, database: InvoiceDatabase) -> None:
    """Cancels a batch job. What is done stays done; a chunk in work is finished, also by a run that goes on."""
    organization = turn_of(context, database, config.organization).organization
    with organization.scope() as connection:
        job_id = find_job(connection, config.job)
        is_cancelled = cancel_job(connection, job_id, cancelled_by=organization.actor)
        job = get_job(connection, job_id)
    tag_batch_jobs(context.instance, context.run_id, [job_id])
    if not is_cancelled:
        context.log.info("batch job %s had ended before: %s", job_id, job.status)
    context.add_output_metadata(
        {
            "batch job": str(job_id),
            "status": job.status,
            "cancelled items": job.cancelled_items,
            "done before": job.processed_items,
        }
    )


@dg.op
@refusals_fail_the_run()
def retry_batch_job(context: dg.OpExecutionContext, config: Retry, database: InvoiceDatabase) -> None:
    """Opens the failed items of a batch job again; the sensor of its kind then starts a run."""
    organization = turn_of(context, database, config.organization).organization
    with organization.scope() as connection:
        job_id = find_job(connection, config.job)
        if config.invoice_date is None:
            items = retry_failed(connection, job_id, requested_by=organization.actor)
        else:
            day = config.invoice_date
            date = None if day == "today" else parse_date("invoice_date", day)
            items = retry_with_date(connection, job_id, requested_by=organization.actor, invoice_date=date)
    tag_batch_jobs(context.instance, context.run_id, [job_id])
    context.add_output_metadata({"batch job": str(job_id), "items that wait again": items})


@dg.job
def cancel_batch() -> None:
    """Cancels a batch job of an organization, whatever its kind: what is not begun is not done any more."""
    cancel_batch_job()


@dg.job
def retry_batch() -> None:
    """Tries the failed items of a batch job again, and only those, with all their attempts."""
    retry_batch_job()

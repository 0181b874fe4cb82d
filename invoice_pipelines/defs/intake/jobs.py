"""What of the intake a person starts."""

from uuid import UUID

import dagster as dg
from pydantic import Field

from invoice_pipelines.defs.intake.reparse import REPARSED_INVOICES
from invoice_pipelines.defs.refusals import refusals_fail_the_run
from invoice_pipelines.defs.resources import InvoiceDatabase
from invoice_pipelines.defs.sweep import LONGEST_REASON, turn_of
from invoice_pipelines.intake.received_invoices import IntakeError, retry_failed
from invoice_pipelines.intake.stages.stages import intake_of, process_uploads

reparse_intake = dg.define_asset_job(
    "reparse_intake",
    selection=[REPARSED_INVOICES.key],
    description="Reads the documents of an organization again and shows what would change; writes it on request.",
)


class ProcessUploads(dg.Config):
    """Which uploads to process now."""

    organization: str = Field(description="Slug of the organization.")
    upload_ids: list[str] = Field(description="Ids of the uploads.")


@dg.op
@refusals_fail_the_run()
def process_named_uploads(context: dg.OpExecutionContext, config: ProcessUploads, database: InvoiceDatabase) -> None:
    """Parses, validates and exports the named uploads ahead of the queue."""
    intake = intake_of(turn_of(context, database, config.organization).organization)
    job_id, report = process_uploads(intake, _ids("upload_ids", config.upload_ids))
    context.add_output_metadata(
        {"batch job": str(job_id), "validated": report.succeeded, "failed": report.failed, "skipped": report.skipped}
    )


@dg.job
def process_uploads_now() -> None:
    """Processes the uploads with these ids now."""
    process_named_uploads()


class RetryFailed(dg.Config):
    """What to retry."""

    organization: str = Field(description="Slug of the organization.")
    invoice_ids: list[str] | None = Field(
        default=None, description="Ids of received invoices; without any, all that failed."
    )


@dg.op
@refusals_fail_the_run()
def retry_failed_invoices(context: dg.OpExecutionContext, config: RetryFailed, database: InvoiceDatabase) -> None:
    """Puts failed invoices back to CREATED; the intake sensor then starts a run that reads them again."""
    asked = turn_of(context, database, config.organization).organization
    ids = None if config.invoice_ids is None else _ids("invoice_ids", config.invoice_ids)
    with asked.scope() as connection:
        retried = retry_failed(connection, ids)
    context.add_output_metadata({"put back": len(retried)})


@dg.job
def retry_failed_intake() -> None:
    """Tries failed invoices of one organization again."""
    retry_failed_invoices()


def _ids(field: str, values: list[str]) -> list[UUID]:
    ids = []
    for value in values:
        try:
            ids.append(UUID(value))
        except ValueError:
            raise IntakeError(
                f"{field}: {value[:LONGEST_REASON]!r} is not an id; ids look like 019a2f6e-7c1d-7000-8000-0123456789ab"
            ) from None
    return ids

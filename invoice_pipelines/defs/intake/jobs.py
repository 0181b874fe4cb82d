"""Holds the jobs of the intake: the run of one organization, the sweep over many, and what operators start."""

from uuid import UUID

import dagster as dg
from pydantic import Field

from invoice_pipelines.database import organization_scope
from invoice_pipelines.defs.intake.reparse import reparsed_invoices
from invoice_pipelines.defs.intake.steps import steps_of
from invoice_pipelines.defs.organizations import ORGANIZATION_TAG
from invoice_pipelines.defs.resources import InvoiceDatabase
from invoice_pipelines.defs.sweep import LONGEST_REASON, Sweep, sweep
from invoice_pipelines.intake.received_invoices import IntakeError, retry_failed
from invoice_pipelines.intake.stages.stages import Intake, process_uploads
from invoice_pipelines.organizations import OrganizationError

intake = dg.define_asset_job(
    "intake",
    selection=dg.AssetSelection.groups("intake") - dg.AssetSelection.assets(reparsed_invoices),
    description="Takes, reads, validates and exports whatever waits in one organization.",
)


@dg.op
def sweep_organizations(context: dg.OpExecutionContext, config: Sweep, database: InvoiceDatabase) -> None:
    """Does all stages for each organization. What is broken in one is reported at the end and stops no other."""
    sweep(context, config.organizations, database, steps_of)


@dg.job
def intake_sweep() -> None:
    """Takes, reads, validates and exports for many organizations in one run."""
    sweep_organizations()


class ProcessUploads(dg.Config):
    """Which uploads to process now."""

    organization: str = Field(description="Slug of the organization.")
    upload_ids: list[str] = Field(description="Ids of the uploads.")


@dg.op
def process_named_uploads(context: dg.OpExecutionContext, config: ProcessUploads, database: InvoiceDatabase) -> None:
    """Parses, validates and exports the named uploads ahead of the queue."""
    found = _intake_of(context, config.organization, database)
    try:
        job_id, report = process_uploads(found, _ids("upload_ids", config.upload_ids))
    except IntakeError as error:
        raise dg.Failure(str(error), allow_retries=False) from None
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
def retry_failed_invoices(context: dg.OpExecutionContext, config: RetryFailed, database: InvoiceDatabase) -> None:
    """Puts failed invoices back to CREATED; the intake sensor then starts a run that reads them again."""
    found = _intake_of(context, config.organization, database)
    ids = None if config.invoice_ids is None else _ids("invoice_ids", config.invoice_ids)
    with organization_scope(database.engine, found.organization.id) as connection:
        retried = retry_failed(connection, ids)
    context.add_output_metadata({"put back": len(retried)})


@dg.job
def retry_failed_intake() -> None:
    """Tries failed invoices of one organization again."""
    retry_failed_invoices()


def _intake_of(context: dg.OpExecutionContext, slug: str, database: InvoiceDatabase) -> Intake:
    """The intake of an organization that an operator named; the run gets its tag, as those of the sensor have it."""
    try:
        found = database.intake(slug)
    except OrganizationError as error:
        raise dg.Failure(str(error), allow_retries=False) from None
    context.instance.add_run_tags(context.run_id, {ORGANIZATION_TAG: slug})
    return found


def _ids(field: str, values: list[str]) -> list[UUID]:
    ids = []
    for value in values:
        try:
            ids.append(UUID(value))
        except ValueError:
            raise dg.Failure(
                f"{field}: {value[:LONGEST_REASON]!r} is no id; ids look like 019a2f6e-7c1d-7000-8000-0123456789ab",
                allow_retries=False,
            ) from None
    return ids

"""Holds the jobs of the intake: the run of one organization, the sweep over many, and what operators start."""

from uuid import UUID

import dagster as dg
from pydantic import Field

from invoice_pipelines.database import organization_scope
from invoice_pipelines.defs.intake.steps import STEPS
from invoice_pipelines.defs.organizations import organizations
from invoice_pipelines.defs.resources import InvoiceDatabase
from invoice_pipelines.intake.received_invoices import retry_failed
from invoice_pipelines.intake.stages import process_uploads

intake = dg.define_asset_job(
    "intake",
    selection=dg.AssetSelection.groups("intake"),
    partitions_def=organizations,
    description="Takes, reads, validates and exports whatever waits in one organization.",
)


class Sweep(dg.Config):
    """Which organizations a sweep takes."""

    organizations: list[str] = Field(description="Slugs, in the order in which they are taken.")


@dg.op
def sweep_organizations(context: dg.OpExecutionContext, config: Sweep, database: InvoiceDatabase) -> None:
    """Does all stages for each organization and logs a materialization for each in which something happened.

    An organization in which something is broken is reported at the end and stops no other.
    """
    broken: dict[str, str] = {}
    for number, slug in enumerate(config.organizations, start=1):
        try:
            for name, step in STEPS.items():
                result = step(database.intake(slug), context.log)
                if result.happened:
                    context.log_event(
                        dg.AssetMaterialization(["intake", name], partition=slug, metadata=dict(result.metadata))
                    )
                failed = [check.check_name for check in result.checks if not check.passed]
                if failed and any(
                    check.severity is dg.AssetCheckSeverity.ERROR for check in result.checks if not check.passed
                ):
                    raise dg.Failure(f"{name}: broken promise {', '.join(map(str, failed))}")
        except Exception as error:  # noqa: BLE001 (one organization must not stop the others; it is raised below)
            broken[slug] = str(error).splitlines()[0][:300]
            context.log.error("%s is left out: %s", slug, broken[slug])
        if number % 50 == 0:
            context.log.info("%s of %s organizations done", number, len(config.organizations))
    if broken:
        raise dg.Failure(
            f"{len(broken)} of {len(config.organizations)} organizations could not be processed",
            metadata={"broken": dg.MetadataValue.json(dict(list(broken.items())[:20]))},
            allow_retries=False,
        )


@dg.job
def intake_sweep() -> None:
    """Takes, reads, validates and exports for many organizations in one run."""
    sweep_organizations()


class ProcessUploads(dg.Config):
    """Which uploads to process now."""

    organization: str = Field(description="Slug of the organization.")
    upload_ids: list[str] = Field(description="Ids of the uploads (intake.upload.id).")


@dg.op
def process_named_uploads(context: dg.OpExecutionContext, config: ProcessUploads, database: InvoiceDatabase) -> None:
    """Parses, validates and exports the named uploads ahead of the queue."""
    job_id, report = process_uploads(
        database.intake(config.organization), [UUID(upload_id) for upload_id in config.upload_ids]
    )
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
    intake_of_organization = database.intake(config.organization)
    ids = None if config.invoice_ids is None else [UUID(invoice_id) for invoice_id in config.invoice_ids]
    with organization_scope(database.engine, intake_of_organization.organization.id) as connection:
        retried = retry_failed(connection, ids)
    context.add_output_metadata({"put back": len(retried)})


@dg.job
def retry_failed_intake() -> None:
    """Tries failed invoices of one organization again."""
    retry_failed_invoices()

"""Given uploads, processed now as a graph of ops: each box can be watched, and a run can be re-executed from the one
that failed. What the boxes do are the stages of the intake, on these uploads alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import dagster as dg
from pydantic import Field

from invoice_pipelines.defs.domain import Stage
from invoice_pipelines.defs.intake.config import ids_in
from invoice_pipelines.defs.intake.domain import EXPORT_FILES, PARSED_INVOICES, VALIDATED_INVOICES
from invoice_pipelines.defs.intake.recognition import RECOGNIZED_PAGES
from invoice_pipelines.defs.refusals import REPEATABLE, refusals_fail_the_run
from invoice_pipelines.defs.resources import InvoiceDatabase
from invoice_pipelines.defs.sweep import report_work, tag_batch_jobs, turn_of
from invoice_pipelines.intake.received_invoices import IntakeError
from invoice_pipelines.intake.stages.asked_uploads import (
    BUSY,
    Waiting,
    ask_for_uploads,
    asked_invoices,
    waiting_invoices,
)
from invoice_pipelines.intake.states import EXPORT, PARSE, RECOGNIZE, VALIDATE


class ProcessUploads(dg.Config):
    """Which uploads to process now."""

    organization: str = Field(description="Slug of the organization.")
    upload_ids: list[str] = Field(description="Ids of the uploads.")


@dataclass(frozen=True, slots=True)
class AskedUploads:
    """A batch job over uploads, as it goes from box to box."""

    organization: str
    job_id: str


@dg.op(name="uploads")
@refusals_fail_the_run()
def ask_for_named_uploads(
    context: dg.OpExecutionContext, config: ProcessUploads, database: InvoiceDatabase
) -> AskedUploads:
    """Makes a batch job of the named uploads, each of which must wait to be read."""
    organization = turn_of(context, database, config.organization).organization
    upload_ids = ids_in("upload_ids", config.upload_ids)
    with organization.scope() as connection:
        job_id = ask_for_uploads(connection, upload_ids, asked_by=organization.actor)
    tag_batch_jobs(context.instance, context.run_id, [job_id])
    context.add_output_metadata({"batch job": str(job_id), "uploads": len(set(upload_ids))})
    return AskedUploads(config.organization, str(job_id))


def box(name: str, stage: Stage, kind: str, description: str, tags: dict[str, str] | None = None) -> dg.OpDefinition:
    """A box of the graph, which does a stage on the uploads of the batch job, and fails where some wait in it still."""

    @dg.op(name=name, description=description, retry_policy=REPEATABLE, tags=tags)
    @refusals_fail_the_run()
    def work(context: dg.OpExecutionContext, asked: AskedUploads, database: InvoiceDatabase) -> AskedUploads:
        turn = turn_of(context, database, asked.organization)
        job_id = UUID(asked.job_id)
        tag_batch_jobs(context.instance, context.run_id, [job_id])  # of a run that begins here, too
        with turn.organization.scope() as connection:
            invoice_ids = asked_invoices(connection, job_id)
        report_work(context, stage, turn.organization, stage.work(turn, invoice_ids), job_id=job_id)
        with turn.organization.scope() as connection:
            waiting = waiting_invoices(connection, kind, invoice_ids)
        if waiting:
            raise IntakeError(told(waiting, len(invoice_ids)))
        return asked

    return work


def told(waiting: Sequence[Waiting], asked: int) -> str:
    """The line about uploads that a box could not do for now."""
    first = waiting[0]
    reason = f"{first.code}: {first.message}" if first.code else BUSY
    return (
        f"{len(waiting)} of {asked} uploads wait here, among them {first.file_name[:100]!r}: {reason} Re-execute the "
        "run from this box, or leave them to the next run of the intake."
    )


parse = box("parse", PARSED_INVOICES, PARSE, "Reads the uploads; those with pages that are pictures go to `recognize`.")
validate = box("validate", VALIDATED_INVOICES, VALIDATE, "Judges what was read.")
export = box("export", EXPORT_FILES, EXPORT, "Writes what is valid to export files.")
recognize = box(
    "recognize",
    RECOGNIZED_PAGES,
    RECOGNIZE,
    "Recognizes the text of pages that are pictures, when all that needs no recognition is exported.",
    tags={"dagster/priority": "-1"},
)


@dg.job
def process_uploads_now() -> None:
    """Processes the uploads with these ids ahead of the queue: reads, validates and exports them; then recognizes pages
    that are pictures, and goes on with their documents.
    """
    read = parse(ask_for_named_uploads())
    export(validate(read))
    read_again = parse.alias("parse_scans")(recognize(read))
    export.alias("export_scans")(validate.alias("validate_scans")(read_again))

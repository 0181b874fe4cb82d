"""What of the intake a person starts. The graph over given uploads is in `process_uploads`."""

from collections import Counter
from enum import Enum

import dagster as dg
from pydantic import Field

from invoice_pipelines.defs.intake.config import ids_in
from invoice_pipelines.defs.intake.reparse import REPARSED_INVOICES
from invoice_pipelines.defs.metadata import LONGEST_TABLE, table_of, without_empty_tables
from invoice_pipelines.defs.refusals import refusals_fail_the_run
from invoice_pipelines.defs.resources import InvoiceDatabase
from invoice_pipelines.defs.sweep import turn_of
from invoice_pipelines.intake.received_invoices import ask_for_new_export, retry_failed, retry_invoices

reparse_intake = dg.define_asset_job(
    "reparse_intake",
    selection=[REPARSED_INVOICES.key],
    description="Reads the documents of an organization again and shows what would change; writes it on request.",
)


class RetryFailed(dg.Config):
    """What to retry."""

    organization: str = Field(description="Slug of the organization.")
    invoice_ids: list[str] | None = Field(
        default=None, description="Ids of received invoices that failed; without any, all that did."
    )


@dg.op
@refusals_fail_the_run()
def retry_failed_invoices(context: dg.OpExecutionContext, config: RetryFailed, database: InvoiceDatabase) -> None:
    """Puts failed invoices back to CREATED; the intake sensor then starts a run that reads them again."""
    asked = turn_of(context, database, config.organization).organization
    ids = None if config.invoice_ids is None else ids_in("invoice_ids", config.invoice_ids)
    with asked.scope() as connection:
        retried = retry_failed(connection) if ids is None else retry_invoices(connection, ids)
    context.add_output_metadata({"put back": len(retried)})


@dg.job
def retry_failed_intake() -> None:
    """Tries failed invoices of one organization again."""
    retry_failed_invoices()


class ExportAgain(dg.Config):
    """What to export again."""

    organization: str = Field(description="Slug of the organization.")
    invoice_ids: list[str] = Field(description="Ids of received invoices that are EXPORTED.")


@dg.op
@refusals_fail_the_run()
def ask_for_export_again(context: dg.OpExecutionContext, config: ExportAgain, database: InvoiceDatabase) -> None:
    """Puts exported invoices into the next export; the intake sensor then starts a run. Identical bookings are not made
    twice.
    """
    asked = turn_of(context, database, config.organization).organization
    ids = ids_in("invoice_ids", config.invoice_ids)
    with asked.scope() as connection:
        changed = ask_for_new_export(connection, ids)
    context.add_output_metadata(
        {
            "wait for the next export": len(changed),
            "left alone, as not EXPORTED": len(set(ids)) - len(changed),
        }
    )


@dg.job
def export_again() -> None:
    """Exports invoices of one organization again, as when an import on the other side was lost."""
    ask_for_export_again()


class WaitingDecision(Enum):
    """As `BulkDecision`, whose module loads the readers."""

    accept = "accept"
    reject = "reject"


class DecideReviews(dg.Config):
    """What is decided about which invoices."""

    organization: str = Field(description="Slug of the organization.")
    decision: WaitingDecision = Field(description="Accept the values as they were read, or reject the invoices.")
    invoice_ids: list[str] = Field(default=[], description="Ids of invoices that wait; without any, all that wait.")
    codes: list[str] = Field(
        default=[], description="Only invoices that wait for these reasons and no others, such as LOW_CONFIDENCE."
    )
    reason: str | None = Field(default=None, description="Why; a rejection needs it.")
    write: bool = Field(default=False, description="Decide; without it, only show what would come of it.")


@dg.op
@refusals_fail_the_run()
def decide_waiting_invoices(context: dg.OpExecutionContext, config: DecideReviews, database: InvoiceDatabase) -> None:
    """Decides about invoices that wait for a person, each for itself, or shows what would come of it."""
    from invoice_pipelines.intake.review.in_bulk import MOST, BulkDecision, decide_reviews

    found = decide_reviews(
        turn_of(context, database, config.organization).organization,
        BulkDecision(config.decision.value),
        invoice_ids=set(ids_in("invoice_ids", config.invoice_ids)),
        codes=set(config.codes),
        reason=config.reason,
        write=config.write,
    )
    if len(found) == MOST:
        context.log.info("%s are taken at a time; run the job again for the others", MOST)
    columns = "file=invoice.file_name invoice_id=invoice.id why=why outcome message"
    rows = [
        {"invoice": one.invoice, "why": ", ".join(one.invoice.reasons), "outcome": one.outcome, "message": one.message}
        for one in found
    ]
    context.add_output_metadata(
        without_empty_tables(
            {
                **Counter(one.outcome for one in found),
                "written": config.write,
                "invoices": table_of(rows[:LONGEST_TABLE], columns),
            }
        )
    )


@dg.job
def decide_reviews() -> None:
    """Accepts or rejects invoices that wait for a person, many at once; without `write`, only shows what would be."""
    decide_waiting_invoices()

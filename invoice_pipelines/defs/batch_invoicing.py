"""Batch invoicing from orders to messages as a graph of ops: each box can be watched, and a run can be re-executed from
the one that failed. What the boxes do is billing's and delivery's.
"""

import dagster as dg

from invoice_pipelines.defs.billing.jobs import AskedBatch, ask_for_invoices, issue_asked_invoices
from invoice_pipelines.defs.delivery.domain import (
    INVOICE_DOCUMENTS,
    MESSAGES,
    Documents,
    make_invoice_documents,
    send_waiting_messages,
)
from invoice_pipelines.defs.refusals import REPEATABLE, refusals_fail_the_run
from invoice_pipelines.defs.resources import InvoiceDatabase
from invoice_pipelines.defs.sweep import report_work, turn_of
from invoice_pipelines.delivery.overview import waiting_reasons
from invoice_pipelines.delivery.values import MAKE_DOCUMENTS


@dg.op(name="make_documents", retry_policy=REPEATABLE)
@refusals_fail_the_run()
def make_asked_documents(context: dg.OpExecutionContext, asked: AskedBatch, database: InvoiceDatabase) -> AskedBatch:
    """Makes the documents that wait in the organization, where some were asked for. Each is made once. The run fails
    here where a fault stands in their way, such as a full disk.
    """
    if not asked.with_documents:
        context.add_output_metadata({"documents": "not asked for"})
        return asked
    # Here, as loading Dagster must not wait for it.
    from invoice_pipelines.delivery.documents.requests import try_again_now

    turn = turn_of(context, database, asked.organization)
    with turn.organization.scope() as connection:
        try_again_now(connection)
    result = make_invoice_documents(turn, Documents())
    report_work(context, INVOICE_DOCUMENTS, turn.organization, result)
    with turn.organization.scope() as connection:
        faults = waiting_reasons(connection, [MAKE_DOCUMENTS])
    if faults:
        first, waiting = faults[0], sum(fault.items for fault in faults)
        raise dg.Failure(
            f"The documents of {waiting} invoices could not be made. {first.code}: {first.message} Mend it, and "
            "re-execute this run from failure; or wait, as they are tried again by themselves.",
            metadata=result.shown,
            allow_retries=False,
        )
    return asked


@dg.op(name="send_messages", retry_policy=REPEATABLE)
@refusals_fail_the_run()
def send_asked_messages(context: dg.OpExecutionContext, asked: AskedBatch, database: InvoiceDatabase) -> None:
    """Sends the messages that wait in the organization, where some were asked for. Each is sent once."""
    if not asked.with_messages:
        context.add_output_metadata({"messages": "not asked for"})
        return
    turn = turn_of(context, database, asked.organization)
    report_work(context, MESSAGES, turn.organization, send_waiting_messages(turn))


@dg.job
def batch_invoice_orders() -> None:
    """Invoices sales orders, or customers directly, as its config says; then makes and sends the documents that it asks
    for.
    """
    send_asked_messages(make_asked_documents(issue_asked_invoices(ask_for_invoices())))

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
from invoice_pipelines.defs.delivery.faults import work_or_fail
from invoice_pipelines.defs.refusals import REPEATABLE, refusals_fail_the_run
from invoice_pipelines.defs.resources import InvoiceDatabase
from invoice_pipelines.defs.sweep import turn_of
from invoice_pipelines.delivery.values import MAKE_DOCUMENTS, SEND_MESSAGE


@dg.op(name="make_documents", retry_policy=REPEATABLE)
@refusals_fail_the_run()
def make_asked_documents(context: dg.OpExecutionContext, asked: AskedBatch, database: InvoiceDatabase) -> AskedBatch:
    """Makes the documents that wait in the organization, where some were asked for. Each is made once. The run fails
    here where a fault stands in their way, such as a full disk.
    """
    if not asked.with_documents:
        context.add_output_metadata({"documents": "not asked for"})
        return asked
    turn = turn_of(context, database, asked.organization)
    work_or_fail(
        context,
        INVOICE_DOCUMENTS,
        turn,
        lambda: make_invoice_documents(turn, Documents()),
        [MAKE_DOCUMENTS],
        what_failed="The documents of {} invoices could not be made",
        how_to_go_on="re-execute this run from failure",
    )
    return asked


@dg.op(name="send_messages", retry_policy=REPEATABLE)
@refusals_fail_the_run()
def send_asked_messages(context: dg.OpExecutionContext, asked: AskedBatch, database: InvoiceDatabase) -> None:
    """Sends the messages that wait in the organization, where some were asked for. Each is sent once. The run fails
    here where a fault stands in the way of those that were written with invoices, such as a mail server that refuses
    the login; what waits for the end of quiet hours, or for a channel that is not set up, is sent by a later run.
    """
    if not asked.with_messages:
        context.add_output_metadata({"messages": "not asked for"})
        return
    turn = turn_of(context, database, asked.organization)
    work_or_fail(
        context,
        MESSAGES,
        turn,
        lambda: send_waiting_messages(turn),
        [SEND_MESSAGE],
        what_failed="{} messages could not be sent",
        how_to_go_on="re-execute this run from failure",
    )


@dg.job
def batch_invoice_orders() -> None:
    """Invoices sales orders, or customers directly, as its config says; then makes and sends the documents that it asks
    for.
    """
    send_asked_messages(make_asked_documents(issue_asked_invoices(ask_for_invoices())))

"""What of billing a person starts: invoices of orders, or of customers directly. The job is in `batch_invoicing`."""

from dataclasses import dataclass
from uuid import UUID

import dagster as dg
from pydantic import Field

from invoice_pipelines.billing import (
    BillingError,
    batch_invoice_customers,
    batch_invoice_open_orders,
    batch_invoice_orders,
)
from invoice_pipelines.defs.billing.config import RequestConfig, as_date
from invoice_pipelines.defs.billing.domain import ISSUED_INVOICES, issue_invoices
from invoice_pipelines.defs.choices import TaxCategory
from invoice_pipelines.defs.refusals import REPEATABLE, refusals_fail_the_run
from invoice_pipelines.defs.resources import InvoiceDatabase
from invoice_pipelines.defs.sweep import report_work, tag_batch_jobs, turn_of
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.work import BatchAnswer


class Item(dg.Config):
    """What each customer of a direct request gets. Numbers are written in quotes, so that they stay exact."""

    inventory_item_id: str | None = Field(default=None, description="Id of an item; or give a description.")
    description: str | None = Field(default=None, description="Without one, the name of the item.")
    quantity: str = Field(description='Such as "2.5".')
    unit_price: str | None = Field(default=None, description='Such as "18.75"; without one, that of the item.')
    discount_percent: str | None = Field(default=None, description='Such as "3".')
    tax_category: TaxCategory | None = Field(default=None, description="UNTDID 5305; without one, that of the item.")
    tax_rate: str | None = Field(default=None, description='Percent, such as "19"; without one, that of the item.')


class BatchInvoiceOrders(RequestConfig):
    """What is invoiced: the named orders, or all that are open, or the items for each of the named customers."""

    organization: str = Field(description="Slug of the organization.")
    sales_order_ids: list[str] = Field(default=[], description="Ids of sales orders, in the order of their numbers.")
    all_open: bool = Field(default=False, description="All orders that are pending or reviewed, the oldest first.")
    customer_ids: list[str] = Field(default=[], description="Ids of customers who get an invoice over `items` each.")
    items: list[Item] = Field(default=[], description="What the customers of `customer_ids` get.")
    invoice_date: str | None = Field(
        default=None,
        description="Issue date, such as 2026-03-31; without one, the day of issue in the organization's time zone.",
    )


@dataclass(frozen=True, slots=True)
class AskedBatch:
    """A batch job whose invoices were asked for, and what follows on them, as it goes from box to box."""

    organization: str
    job_id: str
    with_documents: bool
    with_messages: bool


@dg.op
@refusals_fail_the_run()
def ask_for_invoices(
    context: dg.OpExecutionContext, config: BatchInvoiceOrders, database: InvoiceDatabase
) -> AskedBatch:
    """Asks for the invoices as a batch job."""
    turn = turn_of(context, database, config.organization)
    answer = _ask(config, turn.organization)
    tag_batch_jobs(context.instance, context.run_id, [answer.job_id])
    context.log.info(
        "batch job %s: %s invoices, about %.1f s of work", answer.job_id, answer.total, answer.estimated_seconds
    )
    context.add_output_metadata({"batch job": str(answer.job_id), "asked for": answer.total})
    with_documents = config.generate_pdf or config.send_immediately
    return AskedBatch(config.organization, str(answer.job_id), with_documents, config.send_immediately)


@dg.op(name="issue_invoices", retry_policy=REPEATABLE)
@refusals_fail_the_run()
def issue_asked_invoices(context: dg.OpExecutionContext, asked: AskedBatch, database: InvoiceDatabase) -> AskedBatch:
    """Issues the invoices of the batch job; what the time of this run is too short for, the next run takes. However
    often it is done, an order is invoiced once.
    """
    turn = turn_of(context, database, asked.organization)
    job_id = UUID(asked.job_id)
    report_work(context, ISSUED_INVOICES, turn.organization, issue_invoices(turn, job_id), job_id=job_id)
    return asked


def _ask(config: BatchInvoiceOrders, asked: OrganizationContext) -> BatchAnswer:
    ways = {
        "sales_order_ids": bool(config.sales_order_ids),
        "all_open": config.all_open,
        "customer_ids": bool(config.customer_ids),
    }
    if sum(ways.values()) != 1:
        given = " and ".join(name for name, is_given in ways.items() if is_given) or "none of them"
        raise BillingError(f"config: give one of {', '.join(ways)}, not {given}.")
    if bool(config.items) != bool(config.customer_ids):
        raise BillingError("items: they go with customer_ids, and customer_ids with items.")
    options = config.options(as_date("invoice_date", config.invoice_date))
    with asked.scope() as connection:
        if config.customer_ids:
            items = [item.model_dump(exclude_none=True) for item in config.items]
            return batch_invoice_customers(connection, config.customer_ids, items, created_by=asked.actor, **options)
        if config.all_open:
            return batch_invoice_open_orders(connection, created_by=asked.actor, **options)
        return batch_invoice_orders(connection, config.sales_order_ids, created_by=asked.actor, **options)

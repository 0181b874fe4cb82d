"""Requests for batch operations: invoices, documents, messages, and imports of CSV files."""

from __future__ import annotations

import hashlib
import io
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Body as FromBody
from fastapi import Query
from pydantic import Field, model_validator

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.billing.imports.batch import ask_for_import
from invoice_pipelines.billing.requests import (
    RequestOptions,
    batch_invoice_customers,
    batch_invoice_open_orders,
    batch_invoice_orders,
    customer_ids,
    item_ids,
    order_ids,
)
from invoice_pipelines.delivery.documents.requests import DocumentRequest, ask_for_documents
from invoice_pipelines.delivery.messages.messages import ask_for_communications, read_request
from invoice_pipelines.delivery.references import invoice_ids
from invoice_pipelines.delivery.values import DocumentFormat
from invoice_pipelines.web.api.billing.bulk import examples
from invoice_pipelines.web.callers import At, Caller
from invoice_pipelines.web.routing import OrganizationRouter
from invoice_pipelines.web.values import Amount, Body, Day, JobAccepted, Text
from invoice_pipelines.work import BatchAnswer, answer_of

router = OrganizationRouter(tags=["batch operations"])

MOST_BYTES = 4_000_000
MOST_CSV_BYTES = 20 * 2**20
References = Annotated[list[Text], Field(min_length=1, max_length=50_000)]
"""Ids, or what people know the things by, in the order in which they are to be done."""


class Item(Body):
    """What each customer of a request gets. What is left out is taken from the item."""

    inventory_item_id: Annotated[Text | None, Field(description="Id or SKU of an item; or give a description")] = None
    description: Text | None = None
    quantity: Amount
    unit_price: Amount | None = None
    discount_percent: Amount | None = None
    tax_category: Text | None = None
    tax_rate: Amount | None = None


class Options(Body):
    """What goes with `customer_ids`."""

    items: Annotated[list[Item], Field(min_length=1, max_length=1000)]


class InvoiceRequest(Body):
    """What is invoiced: some orders (`sales_order_ids`), all that are open (`all_open`), or customers directly
    (`customer_ids` with `options.items`).

    Without `invoice_date`, invoices are dated on the day on which they are issued. With `generate_pdf` their documents
    are made; with `send_immediately` they are sent by `communication_method`.
    """

    model_config = examples(
        {"sales_order_ids": ["4711", "4712"], "invoice_date": "2026-03-31", "due_days": 14},
        {
            "all_open": True,
            "due_days": 14,
            "generate_pdf": True,
            "send_immediately": True,
            "communication_method": "email",
        },
        {
            "customer_ids": ["C-1042", "C-1043"],
            "options": {"items": [{"inventory_item_id": "FEE-2026", "quantity": "1", "unit_price": "49.90"}]},
            "language": "de",
        },
    )

    sales_order_ids: References | None = None
    all_open: bool = False
    customer_ids: References | None = None
    options: Options | None = None
    invoice_date: Day | None = None
    due_days: Annotated[int, Field(ge=0, le=3650)] = 0
    language: Annotated[str, Field(pattern="^[a-z]{2}$")] | None = None
    generate_pdf: bool = False
    send_immediately: bool = False
    communication_method: Text | None = None

    @model_validator(mode="after")
    def _is_one_way(self) -> InvoiceRequest:
        if [self.sales_order_ids is not None, self.all_open, self.customer_ids is not None].count(True) != 1:
            raise ValueError("give one of sales_order_ids, all_open and customer_ids")
        if (self.options is None) != (self.customer_ids is None):
            raise ValueError("options go with customer_ids, and customer_ids with options.items")
        return self

    @property
    def how(self) -> RequestOptions:
        """The options that all ways have."""
        return {
            "invoice_date": self.invoice_date,
            "due_days": self.due_days,
            "language": self.language,
            "generate_pdf": self.generate_pdf,
            "send_immediately": self.send_immediately,
            "communication_method": self.communication_method,
        }


class PdfRequest(Body):
    """Which documents are made of which invoices. What exists is made again with `renew` only, as a new version where
    anything of it would differ.
    """

    model_config = examples({"invoice_ids": ["INV-2026-000123", "INV-2026-000124"], "create_combined_pdf": True})

    invoice_ids: References
    language: Annotated[str, Field(pattern="^[a-z]{2}$")] | None = None
    formats: Annotated[tuple[DocumentFormat, ...], Field(min_length=1, max_length=4)] = (DocumentFormat.ZUGFERD,)
    renew: bool = False
    create_combined_pdf: bool = False
    create_zip: bool = False


class CommunicationRequest(Body):
    """How invoices are sent to their customers, each once, however often it is asked for. `subject` and `include_pdf`
    are of emails.
    """

    model_config = examples({"invoice_ids": ["INV-2026-000123"], "method": "email", "include_pdf": True})

    invoice_ids: References
    method: Text
    subject: Text | None = None
    include_pdf: bool = True
    language: Annotated[str, Field(pattern="^[a-z]{2}$")] | None = None


_CSV = "customer_number;name;country_code\nC-1042;Bauhaus Schmidt GmbH;DE\n"


@router.post("/batch-operations/invoices", role=Role.ACCOUNTANT, area="billing", status_code=202, max_bytes=MOST_BYTES)
def request_invoices(caller: Caller, body: InvoiceRequest) -> JobAccepted:
    """Invoice sales orders, or customers directly.

    Orders and customers are named by id or number, items by id or SKU. What is unknown becomes an item that fails, with
    the reason. Numbers are given in the order of the request. A token that asks for documents or messages as well needs
    the scope of delivery, too.
    """

    def effect(at: At) -> BatchAnswer:
        if body.generate_pdf or body.send_immediately:
            at.require(Role.ACCOUNTANT, "delivery")
        by, connection = at.entry.actor, at.connection
        if body.sales_order_ids is not None:
            return batch_invoice_orders(
                connection, order_ids(connection, body.sales_order_ids), created_by=by, **body.how
            )
        if body.customer_ids is None or body.options is None:
            return batch_invoice_open_orders(connection, created_by=by, **body.how)
        items = [item.model_dump(exclude_none=True) for item in body.options.items]
        named = [item for item in items if "inventory_item_id" in item]
        known = item_ids(connection, [item["inventory_item_id"] for item in named])
        for item, item_id in zip(named, known, strict=True):
            item["inventory_item_id"] = item_id
        return batch_invoice_customers(
            connection, customer_ids(connection, body.customer_ids), items, created_by=by, **body.how
        )

    return caller.once(body, lambda at: accepted(at, effect(at)))


@router.post("/batch-operations/pdfs", role=Role.ACCOUNTANT, area="delivery", status_code=202, max_bytes=MOST_BYTES)
def request_pdfs(caller: Caller, body: PdfRequest) -> JobAccepted:
    """Make documents of issued invoices, also as one PDF or a ZIP.

    Invoices are named by id or number.
    """

    def effect(at: At) -> BatchAnswer:
        request = DocumentRequest.of(
            {
                "formats": body.formats,
                "language": body.language,
                "renew": body.renew,
                "combined": body.create_combined_pdf,
                "zip": body.create_zip,
            }
        )
        named = invoice_ids(at.connection, body.invoice_ids)
        return ask_for_documents(at.connection, named, request, created_by=at.entry.actor)

    return caller.once(body, lambda at: accepted(at, effect(at)))


@router.post(
    "/batch-operations/communications", role=Role.ACCOUNTANT, area="delivery", status_code=202, max_bytes=MOST_BYTES
)
def request_communications(caller: Caller, body: CommunicationRequest) -> JobAccepted:
    """Send issued invoices to their customers, each once.

    Invoices are named by id or number; `method` is email, sms, whatsapp or another channel that is installed.
    """

    def effect(at: At) -> BatchAnswer:
        request = read_request(body.model_dump(exclude={"invoice_ids"}, exclude_none=True))
        named = invoice_ids(at.connection, body.invoice_ids)
        return ask_for_communications(at.connection, named, request, created_by=at.entry.actor)

    return caller.once(body, lambda at: accepted(at, effect(at)))


@router.post(
    "/batch-operations/imports", role=Role.ACCOUNTANT, area="billing", status_code=202, max_bytes=MOST_CSV_BYTES
)
def request_import(
    caller: Caller,
    body: Annotated[bytes, FromBody(media_type="text/csv", openapi_examples={"customers": {"value": _CSV}})],
    kind: Annotated[
        Literal["customers", "items", "tax_rates", "orders"], Query(description="What the rows of the file are")
    ],
    file_name: Annotated[Text, Query(description="What people call the file", examples=["customers.csv"])] = "file.csv",
) -> JobAccepted:
    """Import a CSV file of customers, items, tax rates or sales orders.

    UTF-8, with comma or semicolon; the first line names the columns. Each row, or each order, is an item with its own
    outcome. What exists is changed, but for orders, which stay as they are.
    """
    sent = f"{kind} {file_name} {hashlib.sha256(body).hexdigest()}"

    def effect(at: At) -> BatchAnswer:
        stream = io.TextIOWrapper(io.BytesIO(body), "utf-8-sig", newline="")
        return ask_for_import(at.connection, kind, stream, file_name, created_by=at.entry.actor)

    return caller.once(sent, lambda at: accepted(at, effect(at)))


def accepted(at: At, answer: BatchAnswer) -> JobAccepted:
    """The answer to a request that became a batch operation."""
    return JobAccepted(
        job_id=str(answer.job_id),
        total=answer.total,
        estimated_duration_seconds=answer.estimated_seconds,
        url=job_url(at, answer.job_id),
    )


def job_accepted(at: At, job_id: UUID, seconds_per_item: float) -> JobAccepted:
    """The same, where the domain says the id of the batch job only."""
    return accepted(at, answer_of(at.connection, job_id, seconds_per_item=seconds_per_item))


def job_url(at: At, job_id: UUID) -> str:
    """Where a batch operation stands."""
    return at.url("batch-operations", job_id)

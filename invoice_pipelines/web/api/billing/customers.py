"""Customers: to whom orders are invoiced."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Path, Query
from pydantic import ConfigDict

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.billing.records import lists
from invoice_pipelines.billing.records.master_data import NewCustomer, upsert_customers
from invoice_pipelines.billing.records.rows import changes_of, only
from invoice_pipelines.web.api.billing.bulk import MOST_BYTES, BulkAnswer, Resource, Rows, examples
from invoice_pipelines.web.callers import At, Caller
from invoice_pipelines.web.paging import Page, PageQuery
from invoice_pipelines.web.routing import OrganizationRouter
from invoice_pipelines.web.values import Exact, Instant, Text

router = OrganizationRouter(tags=["customers"])

Reference = Annotated[str, Path(description="Id or number of the customer", examples=["C-1042"])]
_NEW = {"customer_number": "C-1042", "name": "Bauhaus Schmidt GmbH", "country_code": "DE", "city": "Berlin"}


class CustomerIn(NewCustomer, Exact):
    """A customer: the buyer of invoices from now on."""

    model_config = examples(_NEW)


class CustomerRows(Rows):
    """Customers to be added or changed, known by their customer_number."""

    model_config = examples({"rows": [_NEW, {"customer_number": "C-1043", "email": None}]})


class CustomerChanges(changes_of(NewCustomer, without=["customer_number"]), Exact):  # type: ignore[misc]
    """What is to be different of a customer. What is left out stays, null clears."""

    model_config = examples({"email": "ap@bauhaus-schmidt.example", "phone": None})


class CustomerOut(Resource):
    """A customer, as orders are invoiced to it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "0199a1b2-0000-7000-8000-000000000002",
                    "customer_number": "C-1042",
                    "name": "Bauhaus Schmidt GmbH",
                    "email": "rechnung@bauhaus-schmidt.example",
                    "phone": None,
                    "language": "de",
                    "currency": "EUR",
                    "vat_id": "DE123456788",
                    "tax_number": None,
                    "buyer_reference": None,
                    "street": "Lindenstr. 5",
                    "additional_street": None,
                    "city": "Berlin",
                    "post_code": "10969",
                    "country_code": "DE",
                    "is_active": True,
                    "created_at": "2026-03-31T12:00:00Z",
                    "created_by": "token shop",
                    "updated_at": "2026-03-31T12:00:00Z",
                }
            ]
        }
    )

    id: UUID
    customer_number: str
    name: str
    email: str | None
    phone: str | None
    language: str | None
    currency: str | None
    vat_id: str | None
    tax_number: str | None
    buyer_reference: str | None
    street: str | None
    additional_street: str | None
    city: str | None
    post_code: str | None
    country_code: str
    is_active: bool
    created_at: Instant
    created_by: str
    updated_at: Instant


@router.get("/customers", role=Role.VIEWER)
def list_customers(
    caller: Caller,
    page: PageQuery,
    active: Annotated[bool | None, Query(description="Only those that are, or are not, active")] = None,
    text: Annotated[
        Text | None, Query(max_length=200, description="Stands in the number, name, city, email or VAT id")
    ] = None,
) -> Page[CustomerOut]:
    """List customers by number."""
    with caller.enter() as at:
        rows = lists.list_customers(at.connection, active=active, words=text, after=page.after, limit=page.one_more)
    return page.of(rows, key=lambda row: row.customer_number)


@router.post("/customers", role=Role.ACCOUNTANT, area="billing", status_code=201)
def create_customer(caller: Caller, body: CustomerIn) -> CustomerOut:
    """Add a customer."""

    def create(at: At) -> CustomerOut:
        created = only(upsert_customers(at.connection, [body], created_by=at.entry.actor), is_new=True)
        return _shown(at, str(created)).made_at(at.url("customers", created))

    return caller.once(body, create)


@router.post("/customers/bulk", role=Role.ACCOUNTANT, area="billing", max_bytes=MOST_BYTES)
def upsert_customers_in_bulk(caller: Caller, body: CustomerRows) -> BulkAnswer:
    """Add or change up to 1,000 customers.

    Each row has its own outcome; a wrong one stops no other. A customer is known by its customer_number.
    """

    def upsert(at: At) -> BulkAnswer:
        return BulkAnswer.of(upsert_customers(at.connection, body.rows, created_by=at.entry.actor))

    return caller.once(body, upsert)


@router.get("/customers/{customer}", role=Role.VIEWER)
def get_customer(caller: Caller, customer: Reference) -> CustomerOut:
    """Get a customer."""
    with caller.enter() as at:
        return _shown(at, customer)


@router.patch("/customers/{customer}", role=Role.ACCOUNTANT, area="billing")
def change_customer(
    caller: Caller,
    customer: Reference,
    body: CustomerChanges,
) -> CustomerOut:
    """Change some fields of a customer.

    What is left out stays, null clears. Issued invoices keep what they say.
    """
    with caller.enter() as at:
        found = lists.find_customer(at.connection, customer)
        row = {"customer_number": found.customer_number, **body.model_dump(exclude_unset=True)}
        only(upsert_customers(at.connection, [row], created_by=at.entry.actor), is_new=False)
        return _shown(at, str(found.id))


def _shown(at: At, reference: str) -> CustomerOut:
    return CustomerOut.model_validate(lists.find_customer(at.connection, reference))

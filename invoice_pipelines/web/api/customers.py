"""Customers: to whom orders are invoiced."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Path, Query
from pydantic import ConfigDict

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.billing.records import lists
from invoice_pipelines.web.callers import Caller
from invoice_pipelines.web.paging import Page, PageQuery
from invoice_pipelines.web.routing import OrganizationRouter
from invoice_pipelines.web.values import Answer, Instant

router = OrganizationRouter(tags=["customers"])


class CustomerOut(Answer):
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
) -> Page[CustomerOut]:
    """List customers by number."""
    with caller.enter() as at:
        rows = lists.list_customers(at.connection, active=active, after=page.after, limit=page.one_more)
    return page.of(rows, key=lambda row: row.customer_number)


@router.get("/customers/{customer}", role=Role.VIEWER)
def get_customer(
    caller: Caller, customer: Annotated[str, Path(description="Its id or number", examples=["C-1042"])]
) -> CustomerOut:
    """Get a customer."""
    with caller.enter() as at:
        return CustomerOut.model_validate(lists.find_customer(at.connection, customer))

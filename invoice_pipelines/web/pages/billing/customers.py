"""Customers with what they owe, and the aging of all receivables."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Query, Response

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.billing.errors import BillingError
from invoice_pipelines.billing.invoice_lists import newest_invoices
from invoice_pipelines.billing.receivables.receivables import BUCKETS, age_receivables
from invoice_pipelines.billing.records import lists
from invoice_pipelines.delivery.messages.messages import sent_to_customers
from invoice_pipelines.quickbooks.overview import synced_invoices
from invoice_pipelines.web.pages.routing import Page, PageRouter
from invoice_pipelines.web.pages.typed import day_of
from invoice_pipelines.web.paging import PageQuery

router = PageRouter()

_MOST_OPEN = 200


@router.get("/customers", role=Role.VIEWER)
def customers(page: Page, of: PageQuery, q: Annotated[str, Query(max_length=200)] = "") -> Response:
    """The list, by number."""
    with page.enter() as at:
        rows = lists.list_customers(at.connection, words=q.strip() or None, after=of.after, limit=of.one_more)
    return page.show("billing/customers.html", found=of.of(rows, key=lambda row: row.customer_number), q=q)


@router.get("/customers/{customer}", role=Role.VIEWER)
def customer(page: Page, customer: str) -> Response:
    """One, with what is open."""
    with page.enter() as at:
        found = lists.find_customer(at.connection, customer)
        invoices = newest_invoices(
            at.connection, statuses=["issued", "partially_paid"], customer_id=found.id, limit=_MOST_OPEN + 1
        )
        recent = newest_invoices(at.connection, statuses=["paid"], customer_id=found.id, limit=5)
        ids = [each.id for each in (*invoices, *recent)]
        due: dict[str, Decimal] = defaultdict(Decimal)
        late: dict[str, Decimal] = defaultdict(Decimal)
        for each in invoices:
            due[each.currency] += each.amount_due
            if each.standing == "overdue":
                late[each.currency] += each.amount_due
        return page.show(
            "billing/customer.html",
            customer=found,
            invoices=invoices[:_MOST_OPEN],
            are_more=len(invoices) > _MOST_OPEN,
            recent=recent,
            due=due,
            late=late,
            orders=lists.list_orders(
                at.connection, statuses=["pending", "reviewed"], customer_number=found.customer_number, limit=5
            ),
            sent=sent_to_customers(at.connection, ids),
            synced=synced_invoices(at.connection, ids),
        )


@router.get("/receivables", role=Role.VIEWER)
def receivables(page: Page, as_of: str = "") -> Response:
    """The aging by currency and by customer."""
    day = day_of(as_of) if as_of else None
    error = page.gettext("Give a day that is not after today.") if as_of and day is None else ""
    organization = page.organization()
    try:
        aged = age_receivables(organization.engine, organization.id, as_of=day)
    except BillingError:
        error = page.gettext(
            "The books cannot tell how things stood on this day. Give another one that is not after today."
        )
        aged = age_receivables(organization.engine, organization.id)
    csv = f"/api/v1/organizations/{organization.slug}/receivables.csv"
    return page.show(
        "billing/receivables.html",
        status=422 if error else 200,
        aged=aged,
        buckets=BUCKETS,
        as_of=as_of,
        error=error,
        csv=csv + ("" if aged.is_today else "?" + urlencode({"as_of": aged.as_of.isoformat()})),
    )

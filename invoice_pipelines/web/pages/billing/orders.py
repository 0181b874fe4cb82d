"""Sales orders: found, looked at, and chosen to be invoiced."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Response

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.billing.forecast import forecast_invoices
from invoice_pipelines.billing.issued_invoices import find_invoice_id
from invoice_pipelines.billing.records import lists
from invoice_pipelines.web.pages.billing.narrowing import OrderNarrowing
from invoice_pipelines.web.pages.routing import Page, PageRouter
from invoice_pipelines.web.paging import PageQuery

router = PageRouter()


@router.get("/orders", role=Role.VIEWER)
def sales_orders(page: Page, of: PageQuery, narrowing: Annotated[OrderNarrowing, Query()]) -> Response:
    """The list, the newest first."""
    with page.enter() as at:
        rows = (
            []
            if narrowing.wrong_days
            else lists.list_orders(at.connection, **narrowing.asked(), after=of.after_id, limit=of.one_more)
        )
    return page.show("billing/orders.html", found=of.of(rows, key=lambda row: row.id), narrowing=narrowing)


@router.get("/orders/{order}", role=Role.VIEWER)
def sales_order(page: Page, order: str) -> Response:
    """One, with its lines and what became of it."""
    with page.enter() as at:
        found = lists.find_order(at.connection, order)
        number, is_open = found.invoice_number, found.status in OrderNarrowing.STATES["open"]
        return page.show(
            "billing/order.html",
            order=found,
            lines=lists.lines_of_order(at.connection, found.id),
            refusals=forecast_invoices(at.connection, [found.id]).refusals if is_open else (),
            events=lists.events_of_order(at.connection, found.id),
            invoice_id=None if number is None else find_invoice_id(at.connection, number),
        )

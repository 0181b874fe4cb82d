"""Receivables: what customers owe, by how late it is."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Response
from pydantic import ConfigDict

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.billing.receivables.export import receivables_csv
from invoice_pipelines.billing.receivables.receivables import Receivables, age_receivables
from invoice_pipelines.web.callers import Caller, RequestCaller
from invoice_pipelines.web.routing import OrganizationRouter
from invoice_pipelines.web.values import Amount, Answer, Day

router = OrganizationRouter(tags=["receivables"])

AsOf = Annotated[
    Day | None,
    Query(description="As of the end of this day; without one as the books stand now", examples=["2026-03-31"]),
]

_AGED: dict[str, Any] = {
    "not_due": "1190.00",
    "days_1_30": "0.00",
    "days_31_60": "595.00",
    "days_61_90": "0.00",
    "over_90_days": "0.00",
    "overdue": "595.00",
    "total": "1785.00",
    "invoices": 2,
}


class Aged(Answer):
    """Amounts of one currency by days after the due date. `overdue` is all but what is not due yet."""

    not_due: Amount
    days_1_30: Amount
    days_31_60: Amount
    days_61_90: Amount
    over_90_days: Amount
    overdue: Amount
    total: Amount
    invoices: int


class CustomerAging(Answer):
    """What a customer owes in one currency."""

    customer_id: UUID
    customer_number: str
    customer_name: str
    currency: str
    aged: Aged


class CurrencyAging(Answer):
    """What all customers owe in one currency. `days_sales_outstanding` is by the sales of the last 90 days; null where
    nothing was sold.
    """

    currency: str
    customers: int
    aged: Aged
    sales: Amount
    days_sales_outstanding: Amount | None


class Aging(Answer):
    """The aging of an organization: by currency, and by customer and currency, who owes most that is overdue first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "as_of": "2026-03-31",
                    "is_today": True,
                    "currencies": [
                        {
                            "currency": "EUR",
                            "customers": 1,
                            "aged": _AGED,
                            "sales": "1785.00",
                            "days_sales_outstanding": "90.0",
                        }
                    ],
                    "customers": [
                        {
                            "customer_id": "0199a1b2-0000-7000-8000-000000000002",
                            "customer_number": "C-1042",
                            "customer_name": "Bauhaus Schmidt GmbH",
                            "currency": "EUR",
                            "aged": _AGED,
                        }
                    ],
                }
            ]
        }
    )

    as_of: Day
    is_today: bool
    currencies: list[CurrencyAging]
    customers: list[CustomerAging]


class Csv(Response):
    """A file of comma-separated values in UTF-8."""

    media_type = "text/csv; charset=utf-8"


@router.get("/receivables", role=Role.VIEWER)
def get_receivables(caller: Caller, as_of: AsOf = None) -> Aging:
    """Get the aging of receivables."""
    return Aging.model_validate(_aged(caller, as_of))


@router.get(
    "/receivables.csv",
    role=Role.VIEWER,
    response_class=Csv,
    responses={
        200: {
            "description": "A row for each customer and currency",
            "content": {
                "text/csv": {"example": "as_of,customer_id,customer_number,...\r\n", "schema": {"type": "string"}}
            },
        }
    },
)
def get_receivables_csv(caller: Caller, as_of: AsOf = None) -> Csv:
    """Get the aging of receivables by customer as CSV."""
    aged = _aged(caller, as_of)
    name = f'attachment; filename="receivables_{aged.as_of:%Y%m%d}.csv"'
    return Csv(receivables_csv(aged), headers={"Content-Disposition": name})


def _aged(caller: RequestCaller, as_of: Day | None) -> Receivables:
    organization = caller.organization()
    return age_receivables(organization.engine, organization.id, as_of=as_of)

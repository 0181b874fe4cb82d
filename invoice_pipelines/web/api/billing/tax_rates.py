"""Tax rates: the VAT that lines may have."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Path
from pydantic import ConfigDict

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.billing.records import lists
from invoice_pipelines.billing.records.master_data import NewTaxRate, upsert_tax_rates
from invoice_pipelines.billing.records.rows import changes_of, only
from invoice_pipelines.web.api.billing.bulk import MOST_BYTES, BulkAnswer, Resource, Rows, examples
from invoice_pipelines.web.callers import At, Caller
from invoice_pipelines.web.paging import Page, PageQuery
from invoice_pipelines.web.routing import OrganizationRouter
from invoice_pipelines.web.values import Amount, Exact

router = OrganizationRouter(tags=["tax rates"])

TaxRateId = Annotated[UUID, Path(description="Id of the tax rate")]
_NEW = {"tax_category": "S", "rate": "19", "name": "19 % VAT"}
_EXEMPT = {"tax_category": "AE", "rate": "0", "name": "Reverse charge", "exemption_reason": "Reverse charge"}


class TaxRateIn(NewTaxRate, Exact):
    """A VAT category (UNTDID 5305) with a rate that lines may have."""

    model_config = examples(_NEW, _EXEMPT)


class TaxRateRows(Rows):
    """Tax rates to be added or changed, known by category and rate."""

    model_config = examples({"rows": [_NEW, _EXEMPT]})


class TaxRateChanges(changes_of(NewTaxRate, without=["tax_category", "rate"]), Exact):  # type: ignore[misc]
    """What is to be different of a tax rate. What is left out stays, null clears."""

    model_config = examples({"is_active": False})


class TaxRateOut(Resource):
    """A VAT category (UNTDID 5305) with a rate in percent, and why there is none where there is none."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "0199a1b2-0000-7000-8000-000000000006",
                    "tax_category": "S",
                    "rate": "19.00",
                    "name": "19 % VAT",
                    "exemption_reason": None,
                    "exemption_reason_code": None,
                    "is_active": True,
                }
            ]
        }
    )

    id: UUID
    tax_category: str
    rate: Amount
    name: str
    exemption_reason: str | None
    exemption_reason_code: str | None
    is_active: bool


@router.get("/tax-rates", role=Role.VIEWER)
def list_tax_rates(caller: Caller, page: PageQuery) -> Page[TaxRateOut]:
    """List tax rates by category and rate."""
    with caller.enter() as at:
        rows = lists.list_tax_rates(at.connection)
    seen = next((place for place, row in enumerate(rows, start=1) if row.id == page.after_id), 0)
    return page.of(rows[seen : seen + page.one_more], key=lambda row: row.id)


@router.post("/tax-rates", role=Role.ACCOUNTANT, area="billing", status_code=201)
def create_tax_rate(caller: Caller, body: TaxRateIn) -> TaxRateOut:
    """Add a tax rate."""

    def create(at: At) -> TaxRateOut:
        created = only(upsert_tax_rates(at.connection, [body]), is_new=True)
        return _shown(at, created).made_at(at.url("tax-rates", created))

    return caller.once(body, create)


@router.post("/tax-rates/bulk", role=Role.ACCOUNTANT, area="billing", max_bytes=MOST_BYTES)
def upsert_tax_rates_in_bulk(caller: Caller, body: TaxRateRows) -> BulkAnswer:
    """Add or change up to 1,000 tax rates.

    Each row has its own outcome; a wrong one stops no other. A tax rate is known by its category and rate.
    """
    return caller.once(body, lambda at: BulkAnswer.of(upsert_tax_rates(at.connection, body.rows)))


@router.get("/tax-rates/{tax_rate}", role=Role.VIEWER)
def get_tax_rate(caller: Caller, tax_rate: TaxRateId) -> TaxRateOut:
    """Get a tax rate."""
    with caller.enter() as at:
        return _shown(at, tax_rate)


@router.patch("/tax-rates/{tax_rate}", role=Role.ACCOUNTANT, area="billing")
def change_tax_rate(
    caller: Caller,
    tax_rate: TaxRateId,
    body: TaxRateChanges,
) -> TaxRateOut:
    """Change some fields of a tax rate.

    What is left out stays, null clears. Category and rate are what it is known by: add another one instead.
    """
    with caller.enter() as at:
        found = lists.find_tax_rate(at.connection, tax_rate)
        row = {"tax_category": found.tax_category, "rate": found.rate, **body.model_dump(exclude_unset=True)}
        only(upsert_tax_rates(at.connection, [row]), is_new=False)
        return _shown(at, found.id)


def _shown(at: At, tax_rate: UUID) -> TaxRateOut:
    return TaxRateOut.model_validate(lists.find_tax_rate(at.connection, tax_rate))

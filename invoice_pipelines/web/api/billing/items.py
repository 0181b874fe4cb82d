"""Items: what is sold, with its stock where that is kept."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Path, Query
from pydantic import ConfigDict

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.billing.records import lists
from invoice_pipelines.billing.records.master_data import NewItem, upsert_items
from invoice_pipelines.billing.records.rows import changes_of, only
from invoice_pipelines.web.api.billing.bulk import MOST_BYTES, BulkAnswer, Resource, Rows, examples
from invoice_pipelines.web.callers import At, Caller
from invoice_pipelines.web.paging import Page, PageQuery
from invoice_pipelines.web.routing import OrganizationRouter
from invoice_pipelines.web.values import Amount, Exact, Instant, Text

router = OrganizationRouter(tags=["items"])

Reference = Annotated[str, Path(description="Id or SKU of the item", examples=["LAMP-1"])]
_NEW = {"sku": "LAMP-1", "name": "Desk lamp", "unit_price": "18.75", "tax_category": "S", "tax_rate": "19"}


class ItemIn(NewItem, Exact):
    """Something that is sold."""

    model_config = examples(_NEW)


class ItemRows(Rows):
    """Items to be added or changed, known by their SKU."""

    model_config = examples({"rows": [_NEW, {"sku": "LAMP-2", "unit_price": "19.25"}]})


class ItemChanges(changes_of(NewItem, without=["sku"]), Exact):  # type: ignore[misc]
    """What is to be different of an item. What is left out stays, null clears."""

    model_config = examples({"unit_price": "19.25"})


class ItemOut(Resource):
    """Something that is sold. `quantity_on_hand` is its stock, where that is kept (`tracks_stock`)."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "0199a1b2-0000-7000-8000-000000000005",
                    "sku": "LAMP-1",
                    "name": "Desk lamp",
                    "description": None,
                    "unit_code": "C62",
                    "unit_price": "18.7500",
                    "tax_category": "S",
                    "tax_rate": "19.00",
                    "is_active": True,
                    "tracks_stock": True,
                    "quantity_on_hand": "250.000",
                    "created_at": "2026-03-31T12:00:00Z",
                    "created_by": "token shop",
                    "updated_at": "2026-03-31T12:00:00Z",
                }
            ]
        }
    )

    id: UUID
    sku: str
    name: str
    description: str | None
    unit_code: str
    unit_price: Amount
    tax_category: str | None
    tax_rate: Amount | None
    is_active: bool
    tracks_stock: bool
    quantity_on_hand: Amount
    created_at: Instant
    created_by: str
    updated_at: Instant


@router.get("/items", role=Role.VIEWER)
def list_items(
    caller: Caller,
    page: PageQuery,
    active: Annotated[bool | None, Query(description="Only those that are, or are not, active")] = None,
    text: Annotated[Text | None, Query(max_length=200, description="Stands in the SKU, name or description")] = None,
) -> Page[ItemOut]:
    """List items by SKU."""
    with caller.enter() as at:
        rows = lists.list_items(at.connection, active=active, words=text, after=page.after, limit=page.one_more)
    return page.of(rows, key=lambda row: row.sku)


@router.post("/items", role=Role.ACCOUNTANT, area="billing", status_code=201)
def create_item(caller: Caller, body: ItemIn) -> ItemOut:
    """Add an item."""

    def create(at: At) -> ItemOut:
        created = only(upsert_items(at.connection, [body], created_by=at.entry.actor), is_new=True)
        return _shown(at, str(created)).made_at(at.url("items", created))

    return caller.once(body, create)


@router.post("/items/bulk", role=Role.ACCOUNTANT, area="billing", max_bytes=MOST_BYTES)
def upsert_items_in_bulk(caller: Caller, body: ItemRows) -> BulkAnswer:
    """Add or change up to 1,000 items.

    Each row has its own outcome; a wrong one stops no other. An item is known by its SKU.
    """

    def upsert(at: At) -> BulkAnswer:
        return BulkAnswer.of(upsert_items(at.connection, body.rows, created_by=at.entry.actor))

    return caller.once(body, upsert)


@router.get("/items/{item}", role=Role.VIEWER)
def get_item(caller: Caller, item: Reference) -> ItemOut:
    """Get an item."""
    with caller.enter() as at:
        return _shown(at, item)


@router.patch("/items/{item}", role=Role.ACCOUNTANT, area="billing")
def change_item(caller: Caller, item: Reference, body: ItemChanges) -> ItemOut:
    """Change some fields of an item.

    What is left out stays, null clears. `quantity_on_hand` is the stock as counted now. Issued invoices keep what they
    say.
    """
    with caller.enter() as at:
        found = lists.find_item(at.connection, item)
        row = {"sku": found.sku, **body.model_dump(exclude_unset=True)}
        only(upsert_items(at.connection, [row], created_by=at.entry.actor), is_new=False)
        return _shown(at, str(found.id))


def _shown(at: At, reference: str) -> ItemOut:
    return ItemOut.model_validate(lists.find_item(at.connection, reference))

"""What is looked up in a company: items that were chosen for lines without one, and the accounts of new items."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, text

from invoice_pipelines.quickbooks.api.client import QuickBooks, quote
from invoice_pipelines.quickbooks.api.faults import QuickBooksError
from invoice_pipelines.quickbooks.records.fields import NOT_ITEMS

CHOSEN = ("default_item", "discount_item")
"""Options that name an item of QuickBooks."""


_WANTED = {
    "IncomeAccountRef": ("Income", "SalesOfProductIncome"),
    "ExpenseAccountRef": ("Cost of Goods Sold", "SuppliesMaterialsCogs"),
    "AssetAccountRef": ("Other Current Asset", "Inventory"),
}


def find_accounts(quickbooks: QuickBooks) -> dict[str, Any]:
    """What a new item says of its accounts: that of the options, or the first of each usual kind. One call.

    What the company lacks is left out; QuickBooks then says so for each item.
    """
    types = ", ".join(f"'{account_type}'" for account_type, _ in _WANTED.values())
    found = [
        document
        for page in quickbooks.query("Account", f"Active = true AND AccountType IN ({types})", order_by="")
        for document in page.documents
    ]
    found.sort(key=lambda document: int(document["Id"]))
    accounts: dict[str, Any] = {}
    for reference, (account_type, sub_type) in _WANTED.items():
        of_type = [document for document in found if document.get("AccountType") == account_type]
        exact = [document for document in of_type if document.get("AccountSubType") == sub_type]
        if exact or (of_type and reference == "IncomeAccountRef"):
            accounts[reference] = {"value": str((exact or of_type)[0]["Id"])}
    if quickbooks.connected.options.income_account is not None:
        accounts["IncomeAccountRef"] = {"value": quickbooks.connected.options.income_account}
    accounts["InvStartDate"] = datetime.now(UTC).date().isoformat()
    return accounts


def find_chosen(quickbooks: QuickBooks, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Changes of options in which items are named by their ids or names, with ids.

    Raises QuickBooksError where there is no such item, or none that can stand on an invoice; Fault and RealmPaused.
    """
    found = {name: _find(quickbooks, name, value) for name, value in changes.items() if name in CHOSEN and value}
    return {**changes, **found}


def linked_items(connection: Connection, *, sku: str | None = None, quickbooks_id: str | None = None) -> dict[str, str]:
    """Of the active items of the organization in scope that are in its company, the one with a SKU or an id there:
    its SKU by that id; nothing where there is no such item. QuickBooks is not asked.
    """
    rows = connection.execute(
        text(
            """select m.quickbooks_id, i.sku
               from quickbooks.connection c
               join quickbooks.mapping m on m.organization_id = c.organization_id and m.realm_id = c.realm_id
               join billing.items i on i.organization_id = m.organization_id and i.id = m.local_id
               where c.organization_id = organizations.current() and m.entity_type = 'item' and m.state = 'active'
                 and i.is_active and (i.sku = :sku or m.quickbooks_id = :id)"""
        ),
        {"sku": sku, "id": quickbooks_id},
    )
    return dict(rows.tuples().all())


def _find(quickbooks: QuickBooks, option: str, value: str) -> str:
    wheres = [f"Name = {quote(value)}"]
    if value.isascii() and value.isdigit():
        wheres.insert(0, f"Id = {quote(value)}")
    for where in wheres:
        for page in quickbooks.query("Item", where, order_by=""):
            for item in page.documents:
                _check(option, value, item)
                return str(item["Id"])
    raise QuickBooksError(
        f"{option}: QuickBooks has no item {value[:100]!r}; give the name or the id of one, or make it there."
    )


def _check(option: str, value: str, item: Mapping[str, Any]) -> None:
    if item.get("Active") is False:
        raise QuickBooksError(f"{option}: the item {value[:100]!r} is inactive in QuickBooks; take another one.")
    if item.get("Type") in NOT_ITEMS:
        raise QuickBooksError(
            f"{option}: {value[:100]!r} is a {str(item['Type']).lower()} in QuickBooks, which cannot stand on an "
            "invoice; take a service or a product."
        )

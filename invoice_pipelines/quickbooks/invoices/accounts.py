"""Which accounts of a company a new item is booked to."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from invoice_pipelines.quickbooks.api.client import QuickBooks

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

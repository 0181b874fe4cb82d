"""Finds out whether a record of ours is in QuickBooks already, where no answer says so.

Something there is taken for ours on a full match only. An invoice that carries our mark but is otherwise not as it was
sent is neither: it is never sent again, and a person looks at it.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from invoice_pipelines.errors import InvoicePipelinesError
from invoice_pipelines.quickbooks.api.client import QuickBooks, quote
from invoice_pipelines.quickbooks.invoices.document import is_ours
from invoice_pipelines.quickbooks.push.batches import Operation
from invoice_pipelines.quickbooks.records.fields import FIELDS, RECORDS, UnusableDocument
from invoice_pipelines.quickbooks.values import EntityType


class LooksLikeOurs(InvoicePipelinesError):
    """An invoice there has our mark, but is not what was sent."""

    def __init__(self, document: Mapping[str, Any], message: str) -> None:
        super().__init__(message)
        self.document = document


def sent_name(operation: Operation) -> str:
    """The name as it was sent."""
    return str((operation.snapshot.get("theirs") or {}).get("name", operation.snapshot["name"]))


def find_created(quickbooks: QuickBooks, entity: EntityType, operation: Operation) -> Mapping[str, Any] | None:
    """What a create has made, if it has. Raises LooksLikeOurs, Fault and RealmPaused."""
    if entity is EntityType.INVOICE:
        return _find_invoice(quickbooks, operation)
    record = RECORDS[entity]
    forms = operation.snapshot.get("theirs") or {}
    sent = {field: forms.get(field, operation.snapshot.get(field)) for field in FIELDS[entity]}
    for page in quickbooks.query(record.there, f"{record.name_key} = {quote(sent_name(operation))}"):
        for document in page.documents:
            try:
                theirs = record.fields_of(document)
            except UnusableDocument:
                continue
            if all(theirs.get(field, value) == value for field, value in sent.items()):
                return document
    return None


def with_number(quickbooks: QuickBooks, number: str) -> list[dict[str, Any]]:
    """The invoices there that have a number."""
    return [
        document for page in quickbooks.query("Invoice", f"DocNumber = {quote(number)}") for document in page.documents
    ]


def _find_invoice(quickbooks: QuickBooks, operation: Operation) -> Mapping[str, Any] | None:
    sent = operation.snapshot
    if sent["number"] is not None:
        found = with_number(quickbooks, sent["number"])
    else:
        where = f"CustomerRef = {quote(sent['customer'])} AND TxnDate = {quote(sent['date'])}"
        found = [document for page in quickbooks.query("Invoice", where) for document in page.documents]
    for document in found:
        if not is_ours(document, operation.local_id):
            continue
        check_match(document, operation)
        return document
    return None


def check_match(document: Mapping[str, Any], operation: Operation) -> None:
    """Raises LooksLikeOurs where an invoice with our mark has another customer or total than was sent."""
    sent = operation.snapshot
    customer = (document.get("CustomerRef") or {}).get("value")
    total = Decimal(str(document.get("TotalAmt", "0")))
    if customer != sent["customer"] or total != Decimal(sent["gross_amount"]):
        raise LooksLikeOurs(
            document,
            f"Invoice {sent['invoice_number']}: QuickBooks has one with our mark (id {document['Id']}), but with "
            f"customer {customer} and a total of {total} instead of customer {sent['customer']} and "
            f"{sent['gross_amount']}: "
            "compare the two.",
        )

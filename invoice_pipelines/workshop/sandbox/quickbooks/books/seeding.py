"""How a large company is made at once, past the rules: tens of thousands of documents in seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from invoice_pipelines.workshop.sandbox.quickbooks.books.books import Books
from invoice_pipelines.workshop.sandbox.quickbooks.clock import stamp
from invoice_pipelines.workshop.sandbox.quickbooks.store import columns
from invoice_pipelines.workshop.sandbox.quickbooks.wire.json_text import Document, dumps

_CHUNK = 5000
_HERE = "%%{}%%"


@dataclass(frozen=True)
class Seeded:
    """The ids of what was made."""

    customers: range
    items: range
    invoices: range
    payments: range


def seed(
    books: Books,
    *,
    customers: int = 0,
    items: int = 0,
    invoices: int = 0,
    payments: int = 0,
    amount: Decimal = Decimal("100.00"),
    over: timedelta = timedelta(hours=1),
) -> Seeded:
    """Adds documents whose times are spread over the time before now; payments pay one invoice each, in full.

    Invoices need customers of the same call, payments invoices. Names and numbers carry the id: `Customer 7`, `Item 7`,
    `S-7`.
    """
    if (invoices and not customers) or payments > invoices:
        raise ValueError("invoices need customers, and payments an invoice each")
    step = over.total_seconds()

    def at(index: int, count: int) -> int:
        return books.second - int(step * (count - 1 - index) / count)

    made = Seeded(
        *(
            range(first, first + count)
            for first, count in (
                (books.store.next_id(books.realm, "name", customers), customers),
                (books.store.next_id(books.realm, "Item", items), items),
                (books.store.next_id(books.realm, "transaction", invoices), invoices),
                (books.store.next_id(books.realm, "transaction", payments), payments),
            )
        )
    )

    owed = Decimal(0)
    if invoices:
        owed = amount * ((invoices - payments) // customers)  # of each, to the nearest invoice
    _add(books, "Customer", _customer(owed), made.customers, at, key=lambda identity: f"customer {identity}")
    _add(books, "Item", _item(), made.items, at, key=lambda identity: f"item {identity}")
    paid = len(made.payments)
    for entity, document, ids, link in (
        ("Invoice", _invoice(amount, True), made.invoices[:paid], made.payments.start - made.invoices.start),
        ("Invoice", _invoice(amount, False), made.invoices[paid:], 0),
        ("Payment", _payment(amount), made.payments, made.invoices.start - made.payments.start),
    ):
        begin = made.payments.start if entity == "Payment" else made.invoices.start
        whose = (made.customers, begin)
        _add(books, entity, document, ids, at, whose=whose, link=link, number=entity == "Invoice")
    return made


def _add(
    books: Books,
    entity: str,
    document: Document,
    ids: range,
    at: Callable[[int, int], int],
    *,
    key: Callable[[int], str] | None = None,
    whose: tuple[range, int] | None = None,
    link: int = 0,
    number: bool = False,
) -> None:
    if not ids:
        return
    day = stamp(books.second)[:10]
    text = dumps({**document, "domain": "QBO", "sparse": False, "Id": _HERE.format("id"), "SyncToken": "0"})
    text = text[:-1] + ',"MetaData":{"CreateTime":"%%at%%","LastUpdatedTime":"%%at%%"}}'
    text = text.replace("%%day%%", day)
    first = columns(books.realm, entity, {**document, "Id": "1", "CustomerRef": None, "DocNumber": None}, 0, None)

    def rows() -> Iterable[tuple[Any, ...]]:
        for index, identity in enumerate(ids):
            second = at(index, len(ids))
            customer = None if whose is None else whose[0][(identity - whose[1]) % len(whose[0])]
            body = (
                text.replace("%%id%%", str(identity))
                .replace("%%at%%", stamp(second))
                .replace("%%customer%%", str(customer))
                .replace("%%link%%", str(identity + link))
            )
            yield (
                books.realm,
                entity,
                identity,
                second,
                identity * 7919 % 10007,
                first[5],
                key(identity) if key else None,
                f"S-{identity}" if number else None,
                customer,
                body,
            )

    chunk: list[tuple[Any, ...]] = []
    with books.store.transaction():
        for row in rows():
            chunk.append(row)
            if len(chunk) == _CHUNK:
                books.store.put_many(chunk)
                chunk.clear()
        books.store.put_many(chunk)


def _customer(owed: Decimal) -> Document:
    return {
        "DisplayName": "Customer %%id%%",
        "FullyQualifiedName": "Customer %%id%%",
        "PrintOnCheckName": "Customer %%id%%",
        "CompanyName": "Customer %%id%%",
        "PrimaryEmailAddr": {"Address": "customer%%id%%@example.com"},
        "BillAddr": {"Id": "%%id%%", "Line1": "%%id%% Main Street", "City": "Springfield", "PostalCode": "12345"},
        "Active": True,
        "Taxable": True,
        "Job": False,
        "BillWithParent": False,
        "PreferredDeliveryMethod": "Print",
        "Balance": owed,
        "BalanceWithJobs": owed,
    }


def _item() -> Document:
    return {
        "Name": "Item %%id%%",
        "FullyQualifiedName": "Item %%id%%",
        "Sku": "SKU-%%id%%",
        "Description": "Item number %%id%%",
        "Active": True,
        "Type": "Service",
        "UnitPrice": Decimal("10.00"),
        "Taxable": False,
        "TrackQtyOnHand": False,
        "IncomeAccountRef": {"value": "1", "name": "Sales of Product Income"},
    }


def _invoice(amount: Decimal, paid: bool) -> Document:
    return {
        "DocNumber": "S-%%id%%",
        "TxnDate": "%%day%%",
        "DueDate": "%%day%%",
        "CustomerRef": {"value": "%%customer%%", "name": "Customer %%customer%%"},
        "Line": [
            {
                "Id": "1",
                "LineNum": 1,
                "Amount": amount,
                "DetailType": "SalesItemLineDetail",
                "SalesItemLineDetail": {"TaxCodeRef": {"value": "NON"}},
            },
            {"Amount": amount, "DetailType": "SubTotalLineDetail", "SubTotalLineDetail": {}},
        ],
        "TxnTaxDetail": {"TotalTax": Decimal("0.00")},
        "TotalAmt": amount,
        "Balance": Decimal("0.00") if paid else amount,
        "LinkedTxn": [{"TxnId": "%%link%%", "TxnType": "Payment"}] if paid else [],
        "PrintStatus": "NotSet",
        "EmailStatus": "NotSet",
    }


def _payment(amount: Decimal) -> Document:
    return {
        "TxnDate": "%%day%%",
        "CustomerRef": {"value": "%%customer%%", "name": "Customer %%customer%%"},
        "TotalAmt": amount,
        "UnappliedAmt": Decimal("0.00"),
        "Line": [{"Amount": amount, "LinkedTxn": [{"TxnId": "%%link%%", "TxnType": "Invoice"}]}],
        "ProcessPayment": False,
    }

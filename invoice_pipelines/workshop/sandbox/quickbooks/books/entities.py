"""What can be done with a document of any kind: create, update, void, delete, read; and which kinds there are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from invoice_pipelines.workshop.sandbox.quickbooks.books import names, payments, sales
from invoice_pipelines.workshop.sandbox.quickbooks.books.books import TRANSACTIONS, Books, without_blanks
from invoice_pipelines.workshop.sandbox.quickbooks.wire import refusals
from invoice_pipelines.workshop.sandbox.quickbooks.wire.json_text import Document

Complete = Callable[[Books, str, Document, Document | None], Document]
_ALWAYS = frozenset(["Id", "SyncToken", "MetaData", "domain", "sparse", "status", "time"])


@dataclass(frozen=True)
class Kind:
    """How documents of a kind are made."""

    complete: Complete
    read_only: frozenset[str] = frozenset()
    kept: frozenset[str] = frozenset()
    """What a full update that does not name it leaves as it is."""
    deletable: bool = True
    void: Callable[[Books, str, Document], Document] | None = None


def _as_sent(books: Books, entity: str, sent: Document, old: Document | None) -> Document:
    if entity not in TRANSACTIONS:
        sent.setdefault("Active", True)
    return sent


_NAME = Kind(
    names.complete_name,
    names.NAME_READ_ONLY,
    frozenset(["DisplayName", "PrintOnCheckName", "Active", "CurrencyRef", "PrimaryTaxIdentifier"]),
    deletable=False,
)
_SALE_KEPT = frozenset(["TxnDate", "CurrencyRef", "ExchangeRate"])
_LIST = Kind(_as_sent, deletable=False)
KINDS: dict[str, Kind] = {
    "Customer": _NAME,
    "Vendor": _NAME,
    "Employee": _NAME,
    "Item": Kind(
        names.complete_item,
        names.ITEM_READ_ONLY,
        frozenset(["Type", "Active", "Name", "ItemCategoryType"]),
        deletable=False,
    ),
    "Invoice": Kind(sales.complete_sale, sales.READ_ONLY, _SALE_KEPT, void=sales.voided_sale),
    "CreditMemo": Kind(sales.complete_sale, sales.READ_ONLY, _SALE_KEPT),
    "RefundReceipt": Kind(sales.complete_sale, sales.READ_ONLY, _SALE_KEPT),
    "Payment": Kind(payments.complete_payment, payments.READ_ONLY, _SALE_KEPT, void=payments.voided_payment),
    **dict.fromkeys(("Purchase", "JournalEntry", "Deposit"), Kind(_as_sent)),
    **dict.fromkeys(("Account", "PaymentMethod", "Term", "TaxCode", "TaxRate", "Class", "Department"), _LIST),
}
BY_PATH = {entity.lower(): entity for entity in KINDS}


def create(books: Books, entity: str, sent: Document) -> Document:
    """Adds a document; raises Refusal."""
    kind = KINDS[entity]
    _check_characters(books, sent)
    wanted = _without(sent, _ALWAYS | kind.read_only)
    stored = books.add(entity, kind.complete(books, entity, without_blanks(wanted), None))
    _follow(books, entity, None, stored)
    return stored


def update(books: Books, entity: str, sent: Document) -> Document:
    """Changes a document: with `sparse` what is sent, otherwise all that can be written; raises Refusal."""
    kind = KINDS[entity]
    old = _current(books, entity, sent)
    _check_characters(books, sent)
    wanted = _without(sent, _ALWAYS | kind.read_only)
    if sent.get("sparse") is True:
        base = _without(old, frozenset(["CurrencyRef"]) if "CurrencyRef" not in wanted else frozenset())
    else:
        base = {key: old[key] for key in kind.kept & old.keys() if key != "CurrencyRef"}
    document = without_blanks({**base, **wanted})
    if "LinkedTxn" in old:
        document["LinkedTxn"] = old["LinkedTxn"]
    stored = books.change(entity, old, kind.complete(books, entity, document, old))
    _follow(books, entity, old, stored)
    return stored


def void(books: Books, entity: str, sent: Document) -> Document:
    """Lets a transaction be worth nothing; raises Refusal."""
    kind = KINDS[entity]
    if kind.void is None:
        raise refusals.unsupported(f"void for {entity}")
    old = _current(books, entity, sent)
    stored = books.change(entity, old, kind.void(books, entity, old))
    _follow(books, entity, old, stored)
    return stored


def delete(books: Books, entity: str, sent: Document) -> Document:
    """Removes a transaction; raises Refusal. Names and items are only ever deactivated."""
    if not KINDS[entity].deletable:
        raise refusals.unsupported(f"delete for {entity}")
    old = _current(books, entity, sent)
    sales.check_no_links(old)
    if "TxnDate" in old:
        sales.check_open(books, sales.date_of(old["TxnDate"], "TxnDate"))
    books.remove(entity, old)
    _follow(books, entity, old, None)
    return {"status": "Deleted", "domain": "QBO", "Id": old["Id"]}


def _follow(books: Books, entity: str, old: Document | None, new: Document | None) -> None:
    """What a change moves in other documents, besides balances."""
    if entity == "Payment":
        payments.apply_links(books, old, new)
    elif entity == "Invoice":
        sales.move_stock(books, old, new)
    elif old is not None and new is not None and old.get("FullyQualifiedName") != new.get("FullyQualifiedName"):
        names.rename_children(books, entity, new)


def _current(books: Books, entity: str, sent: Document) -> Document:
    """The document that a change is for, if nobody was faster."""
    if "Id" not in sent:
        raise refusals.missing("Id")
    if sent.get("SyncToken") in (None, ""):
        raise refusals.missing("SyncToken")
    old = books.get(entity, sent["Id"])
    if (entity, int(old["Id"])) in books.hidden:
        raise refusals.not_found()
    if str(sent["SyncToken"]) != old["SyncToken"]:
        raise refusals.stale()
    return old


def _without(document: Document, keys: frozenset[str]) -> Document:
    return {key: value for key, value in document.items() if key not in keys}


def _check_characters(books: Books, sent: Document) -> None:
    """US companies know the characters of ISO-8859-1 only."""
    if books.company.country != "US" or books.switches.not_latin_1 == "accept":
        return
    for key, value in sent.items():
        sent[key] = _in_latin_1(books, value, key)


def _in_latin_1(books: Books, value: Any, element: str) -> Any:
    if isinstance(value, dict):
        return {key: _in_latin_1(books, one, f"{element}.{key}") for key, one in value.items()}
    if isinstance(value, list):
        return [_in_latin_1(books, one, element) for one in value]
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode("latin-1")
        except UnicodeEncodeError:
            if books.switches.not_latin_1 == "refuse":
                raise refusals.bad_characters(element) from None
            return value.encode("latin-1", "replace").decode("latin-1")
    return value

"""The rules for payments: what their lines apply to, and how that moves the balances of others."""

from __future__ import annotations

from collections import Counter
from datetime import date
from decimal import Decimal

from invoice_pipelines.workshop.sandbox.quickbooks.books.books import Books, amount_of
from invoice_pipelines.workshop.sandbox.quickbooks.books.currencies import set_money
from invoice_pipelines.workshop.sandbox.quickbooks.books.sales import (
    check_not_void,
    check_open,
    is_void,
    set_customer,
    set_date,
    void_note,
)
from invoice_pipelines.workshop.sandbox.quickbooks.books.taxes import to_cent
from invoice_pipelines.workshop.sandbox.quickbooks.wire import refusals
from invoice_pipelines.workshop.sandbox.quickbooks.wire.json_text import Document

READ_ONLY = frozenset(["UnappliedAmt"])
_TYPES = ("Invoice", "CreditMemo", "Expense", "Check", "CreditCardCredit", "JournalEntry")
_TYPES_BY_HAND = (*_TYPES, "Deposit")
_PAID_BACK = ("Expense", "Check", "CreditCardCredit")
_ZERO = Decimal("0.00")


def complete_payment(books: Books, entity: str, sent: Document, old: Document | None) -> Document:
    """A payment as it will be stored; raises Refusal."""
    document = dict(sent)
    if old is not None:
        _check_not_deposited(old)
    set_customer(books, document)
    document.pop("BillAddr", None)
    set_date(books, document, old)
    set_money(books, document, old)
    if "TotalAmt" not in document:
        raise refusals.missing("TotalAmt")
    total = to_cent(amount_of(document["TotalAmt"], "TotalAmt"))
    if total < 0:
        raise refusals.business("Business Validation Error: Transaction amount must be 0 or greater.")
    if len(str(document.get("PaymentRefNum", ""))) > 21:
        raise refusals.bad_length("PaymentRefNum", 21, len(document["PaymentRefNum"]))
    if "PaymentMethodRef" in document:
        method = books.referred("PaymentMethod", document["PaymentMethodRef"], "PaymentMethodRef")
        document["PaymentMethodRef"] = {"value": method["Id"], "name": method["Name"]}
    document["TotalAmt"] = total
    document["Line"] = [_line(books, line) for line in document.get("Line", [])]
    before, after = links_of(old), links_of(document)
    for (kind, identity), amount in after.items():
        if kind in ("Invoice", "CreditMemo"):
            target = books.referred(kind, {"value": identity}, "LinkedTxn.TxnId")
            _check_customer(books, document, target)
            left = Decimal(target["Balance"]) + before.get((kind, identity), _ZERO)
            if amount > left:
                raise refusals.business(
                    f"Business Validation Error: The amount {amount} is more than is open on {kind} {identity}.",
                    element="Line.Amount",
                )
    document["UnappliedAmt"] = unapplied(books, document)
    if document["UnappliedAmt"] < 0:
        raise refusals.business(
            "Business Validation Error: The amount applied is more than the amount of the payment.", element="Line"
        )
    document.setdefault("ProcessPayment", False)
    return document


def _line(books: Books, line: Document) -> Document:
    if "Amount" not in line:
        raise refusals.missing("Line.Amount")
    links = line.get("LinkedTxn") or []
    if len(links) != 1:
        raise refusals.missing("Line.LinkedTxn")
    kind = links[0].get("TxnType")
    if kind not in (_TYPES_BY_HAND if books.by_hand else _TYPES):
        raise refusals.bad_choice("Line.LinkedTxn.TxnType", kind)
    amount = to_cent(amount_of(line["Amount"], "Line.Amount"))
    return {**line, "Amount": amount, "LinkedTxn": [{"TxnId": str(links[0].get("TxnId", "")), "TxnType": kind}]}


def _check_customer(books: Books, payment: Document, target: Document) -> None:
    customer = str(target["CustomerRef"]["value"])
    paying = str(payment["CustomerRef"]["value"])
    while customer != paying:
        parent = books.get("Customer", customer).get("ParentRef")
        if parent is None:
            raise refusals.business("Business Validation Error: The transactions are of different customers.", "620")
        customer = str(parent["value"])


def links_of(payment: Document | None) -> dict[tuple[str, str], Decimal]:
    """What of a payment is for which document."""
    amounts: Counter[tuple[str, str]] = Counter()
    for line in (payment or {}).get("Line", []):
        for link in line.get("LinkedTxn", []):
            amounts[link["TxnType"], str(link["TxnId"])] += line["Amount"]
    return {key: Decimal(amount) for key, amount in amounts.items()}


def unapplied(books: Books, payment: Document) -> Decimal:
    """What of a payment, with the credits it uses, is for no invoice and was not paid back."""
    left = Decimal(payment["TotalAmt"])
    for (kind, identity), amount in links_of(payment).items():
        left += amount if _gives_credit(books, kind, identity) else -amount
    return left


def _gives_credit(books: Books, kind: str, identity: str) -> bool:
    """Whether a linked document is in the customer's favour; of a journal entry its line on the receivables tells."""
    if kind != "JournalEntry":
        return kind in ("CreditMemo", "Deposit")
    lines = books.referred(kind, {"value": identity}, "LinkedTxn.TxnId").get("Line", [])
    return any(line["JournalEntryLineDetail"]["PostingType"] == "Credit" for line in lines if _is_receivable(line))


def _is_receivable(line: Document) -> bool:
    return "Entity" in line.get("JournalEntryLineDetail", {})


def apply_links(books: Books, old: Document | None, new: Document | None) -> None:
    """Moves the balances of the documents that a payment, before or after a change, is linked to."""
    payment = (new or old or {})["Id"]
    before, after = links_of(old), links_of(new)
    for kind, identity in sorted(before.keys() | after.keys()):
        change = after.get((kind, identity), _ZERO) - before.get((kind, identity), _ZERO)
        if kind not in ("Invoice", "CreditMemo") or not change:
            continue
        target = books.get(kind, identity)
        moved = {**target, "Balance": Decimal(target["Balance"]) - change}
        if kind == "CreditMemo":
            moved["RemainingCredit"] = moved["Balance"]
        links = [link for link in target.get("LinkedTxn", []) if link != {"TxnId": payment, "TxnType": "Payment"}]
        if (kind, identity) in after:
            links.append({"TxnId": payment, "TxnType": "Payment"})
        moved["LinkedTxn"] = links
        books.change(kind, target, moved)


def voided_payment(books: Books, entity: str, old: Document) -> Document:
    """What a payment becomes by being voided; raises Refusal."""
    check_not_void(books, old)
    if is_void(old):
        return old
    _check_not_deposited(old)
    check_open(books, date.fromisoformat(old["TxnDate"]))
    return {**old, "TotalAmt": _ZERO, "UnappliedAmt": _ZERO, "Line": [], "PrivateNote": void_note(old)}


def _check_not_deposited(payment: Document) -> None:
    if any(link["TxnType"] == "Deposit" for link in payment.get("LinkedTxn", [])):
        raise refusals.deposited()

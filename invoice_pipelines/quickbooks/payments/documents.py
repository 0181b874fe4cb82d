"""How a Payment, CreditMemo or RefundReceipt of QuickBooks is read, and which payments of ours it stands for.

Pure functions on plain values; what is kept and booked of them is in `payments`. A payment of QuickBooks may stand for
up to three of ours: the money that came in, credit that was used with it, and money that went back through it.

What is for which invoice is taken from the lines, never inferred from balances. A total of zero says nothing by itself:
a credit memo is applied by a payment of zero with lines; one that was voided has none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from invoice_pipelines.billing.errors import storable
from invoice_pipelines.billing.payments import PaymentKind, PaymentStatus
from invoice_pipelines.errors import InvoicePipelinesError
from invoice_pipelines.quickbooks.values import TransactionType

INVOICE = "Invoice"
_GIVES_CREDIT = "CreditMemo"
_DEPOSIT = "Deposit"
"""Money that was booked on a customer at the bank, without a payment; applied by a payment of zero, as a credit is."""
_PAID_BACK = frozenset(["Expense", "Check", "CreditCardCredit"])
_JOURNAL_ENTRY = "JournalEntry"
"""Debits a customer or credits him; the amounts of the payment tell which. So they do of what is not known here."""
_KNOWN = frozenset([INVOICE, _GIVES_CREDIT, _DEPOSIT, _JOURNAL_ENTRY]) | _PAID_BACK
_LONGEST_TEXT = 1000
_LARGEST_AMOUNT = Decimal(10) ** 15


class UnreadableDocument(InvoicePipelinesError):
    """A document lacks what it must have, or has it in another form; the message says what."""


@dataclass(frozen=True, slots=True)
class Transaction:
    """A document as it is kept: `content` has only texts, and is the same as long as nothing in it matters to us."""

    transaction_type: TransactionType
    quickbooks_id: str
    sync_token: str | None
    state: PaymentStatus
    content: Mapping[str, Any]
    remote_updated_at: datetime | None

    @property
    def key(self) -> tuple[TransactionType, str]:
        """What no other document of the company has."""
        return self.transaction_type, self.quickbooks_id


@dataclass(frozen=True, slots=True)
class Booking:
    """A payment of ours that a document stands for; `invoices` are ids of QuickBooks, ours and others."""

    key: str
    kind: PaymentKind
    status: PaymentStatus
    date: date
    currency: str | None
    amount: Decimal
    unapplied: Decimal
    reference: str | None
    invoices: Mapping[str, Decimal] = field(default_factory=dict)


def read_transaction(transaction_type: TransactionType, document: Mapping[str, Any]) -> Transaction:
    """A document as it is kept. Raises UnreadableDocument."""
    try:
        return _read(transaction_type, document)
    except (AttributeError, KeyError, TypeError) as problem:  # a text where an object should be, or the other way round
        raise UnreadableDocument(f"it has another form than expected ({problem})") from None


def _read(transaction_type: TransactionType, document: Mapping[str, Any]) -> Transaction:
    quickbooks_id = document.get("Id")
    if not isinstance(quickbooks_id, (str, int)) or not _short(quickbooks_id):
        raise UnreadableDocument("Id is missing")
    total = _amount(document, "TotalAmt")
    lines = _linked_amounts(document)
    is_void = total == 0 and (transaction_type is not TransactionType.PAYMENT or not lines)
    content: dict[str, Any] = {
        "customer": _reference(document, "CustomerRef"),
        "date": _date(document).isoformat(),
        "currency": _reference(document, "CurrencyRef"),
        "total": _text(total),
        "unapplied": _text(_amount(document, "UnappliedAmt", Decimal(0))),
        "reference": _short(document.get("PaymentRefNum") or document.get("DocNumber")),
        "lines": [[kind, identity, _text(amount)] for (kind, identity), amount in lines.items()],
    }
    if transaction_type is TransactionType.CREDIT_MEMO:
        content["remaining"] = _text(_amount(document, "RemainingCredit", Decimal(0)))
    token = document.get("SyncToken")
    return Transaction(
        transaction_type,
        _short(quickbooks_id) or "",
        _short(token),
        PaymentStatus.VOID if is_void else PaymentStatus.ACTIVE,
        content,
        _updated_at(document),
    )


def invoices_of(content: Mapping[str, Any]) -> list[str]:
    """Ids in QuickBooks of the invoices that a payment is for."""
    return [identity for kind, identity, _ in content["lines"] if kind == INVOICE]


def unknown_links(content: Mapping[str, Any]) -> list[tuple[str, str, Decimal]]:
    """Kind, id and amount of what a payment is linked to and nobody has told of, neither Intuit nor we."""
    return [(kind, identity, Decimal(amount)) for kind, identity, amount in content["lines"] if kind not in _KNOWN]


def bookings(transaction: Transaction, before: Mapping[str, Any] | None = None) -> list[Booking]:
    """The payments of ours that a document stands for, `before` being what was kept of it until now.

    One that it stood for until now and does not any more is void. A void document has lost its amounts: then they are
    those of before.
    """
    content = transaction.content
    if transaction.state is PaymentStatus.VOID and before is not None:
        content = before
    now = {booking.key: booking for booking in _bookings(transaction.transaction_type, content)}
    now = {key: replace(booking, status=transaction.state) for key, booking in now.items()}
    if before is not None:
        for booking in _bookings(transaction.transaction_type, before):
            now.setdefault(booking.key, replace(booking, status=PaymentStatus.VOID))
    return list(now.values())


def _bookings(transaction_type: TransactionType, content: Mapping[str, Any]) -> list[Booking]:
    if transaction_type is TransactionType.CREDIT_MEMO:
        return []  # it is used by a payment, which says for what
    day = date.fromisoformat(content["date"])
    total, unapplied = Decimal(content["total"]), Decimal(content["unapplied"])

    def booking(key: str, kind: PaymentKind, amount: Decimal, **more: Any) -> Booking:
        values = {"unapplied": Decimal(0), **more}
        return Booking(
            key, kind, PaymentStatus.ACTIVE, day, content["currency"], amount, reference=content["reference"], **values
        )

    if transaction_type is TransactionType.REFUND_RECEIPT:
        return [booking("", PaymentKind.REFUND, total)]
    lines = [(kind, identity, Decimal(amount)) for kind, identity, amount in content["lines"]]
    invoices = {identity: amount for kind, identity, amount in lines if kind == INVOICE}
    paid_back = sum((amount for kind, _, amount in lines if kind in _PAID_BACK), Decimal(0))
    credit = sum((amount for kind, _, amount in lines if kind == _GIVES_CREDIT), Decimal(0))
    deposited = sum((amount for kind, _, amount in lines if kind == _DEPOSIT), Decimal(0))
    either = sum((amount for kind, _, amount in lines if kind == _JOURNAL_ENTRY or kind not in _KNOWN), Decimal(0))
    # What the lines ask for, less what there is: a journal entry has credited it, or it went back and pays nothing.
    missing = sum(invoices.values(), Decimal(0)) + paid_back + unapplied - total - credit - deposited
    from_entries = max(Decimal(0), min(missing, either))
    credit += from_entries
    went_back = max(Decimal(0), min(missing - from_entries, paid_back))
    for identity in reversed(invoices):
        less = min(went_back, invoices[identity])
        invoices[identity] -= less
        went_back -= less
    by_credit = _taken(invoices, credit)
    by_deposit = _taken(invoices, deposited)
    found = []
    if total or not (by_credit or by_deposit):
        found.append(booking("", PaymentKind.PAYMENT, total, unapplied=unapplied, invoices=_positive(invoices)))
    for key, kind, used in (("credit", PaymentKind.CREDIT, by_credit), ("deposit", PaymentKind.PAYMENT, by_deposit)):
        if used:
            found.append(booking(key, kind, sum(used.values(), Decimal(0)), invoices=used))
    if paid_back:
        found.append(booking("refund", PaymentKind.REFUND, paid_back))
    return found


def _taken(invoices: dict[str, Decimal], available: Decimal) -> dict[str, Decimal]:
    """What is paid of invoices, in their order, with what is available; `invoices` keeps what is left of each."""
    taken: dict[str, Decimal] = {}
    for identity, amount in invoices.items():
        if used := min(amount, available):
            taken[identity] = used
            available -= used
            invoices[identity] = amount - used
    return taken


def _positive(amounts: Mapping[str, Decimal]) -> dict[str, Decimal]:
    return {identity: amount for identity, amount in amounts.items() if amount > 0}


def _linked_amounts(document: Mapping[str, Any]) -> dict[tuple[str, str], Decimal]:
    """What is for which document, in the order of the lines; lines of zero are none."""
    amounts: dict[tuple[str, str], Decimal] = {}
    for line in document.get("Line") or ():
        links = line.get("LinkedTxn") or ()
        if not links:
            continue
        amount = _amount(line, "Amount")
        if amount < 0 or len(links) > 1:
            raise UnreadableDocument("a line has a negative amount, or is for several documents at once")
        key = (_short(links[0].get("TxnType")) or "", _short(links[0].get("TxnId")) or "")
        amounts[key] = amounts.get(key, Decimal(0)) + amount
    return {key: amount for key, amount in amounts.items() if amount}


def _amount(holder: Mapping[str, Any], name: str, default: Decimal | None = None) -> Decimal:
    value = holder.get(name)
    if value is None and default is not None:
        return default
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        raise UnreadableDocument(f"{name} is {repr(value)[:40]}, which is not an amount") from None
    if not amount.is_finite() or abs(amount) >= _LARGEST_AMOUNT or (name != "Amount" and amount < 0):
        raise UnreadableDocument(f"{name} is {amount}")
    return amount


def _date(document: Mapping[str, Any]) -> date:
    try:
        return date.fromisoformat(str(document.get("TxnDate")))
    except ValueError:
        raise UnreadableDocument(f"TxnDate is {repr(document.get('TxnDate'))[:40]}, which is not a date") from None


def _updated_at(document: Mapping[str, Any]) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str((document.get("MetaData") or {}).get("LastUpdatedTime")))
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


def _reference(document: Mapping[str, Any], name: str) -> str | None:
    return _short((document.get(name) or {}).get("value"))


def _short(value: object) -> str | None:
    return None if value is None else storable(str(value))[:_LONGEST_TEXT] or None


def _text(amount: Decimal) -> str:
    return f"{amount.normalize():f}"

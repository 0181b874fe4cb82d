"""What someone does in QuickBooks itself: the accountant, who is bound by the rules, but not by the API."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from invoice_pipelines.workshop.sandbox.quickbooks.books import entities
from invoice_pipelines.workshop.sandbox.quickbooks.books.books import TRANSACTIONS, Books
from invoice_pipelines.workshop.sandbox.quickbooks.books.companies import Company
from invoice_pipelines.workshop.sandbox.quickbooks.service import Service
from invoice_pipelines.workshop.sandbox.quickbooks.wire.json_text import Document

Amount = Decimal | int | str


class Accountant:
    """Works in the books of one company. Documents come back as the API gives them; raises Refusal."""

    def __init__(self, service: Service, realm: str) -> None:
        self._service = service
        self.realm = realm

    def create(self, entity: str, /, **fields: Any) -> Document:
        """A new document of any kind."""
        return self._do(entities.create, entity, fields)

    def edit(self, entity: str, identity: str, /, **fields: Any) -> Document:
        """Changes these fields; None clears one."""
        return self._do(entities.update, entity, {**fields, **self._key(entity, identity), "sparse": True})

    def customer(self, name: str, **fields: Any) -> Document:
        """A new customer."""
        return self.create("Customer", DisplayName=name, **fields)

    def vendor(self, name: str) -> Document:
        """A new vendor, who takes the name from customers."""
        return self.create("Vendor", DisplayName=name)

    def item(self, name: str, price: Amount = 0, **fields: Any) -> Document:
        """A new item, a service unless `Type` says otherwise, with the first account for income."""
        fields.setdefault("Type", "Service")
        fields.setdefault("IncomeAccountRef", {"value": "1"})
        return self.create("Item", Name=name, UnitPrice=Decimal(price), **fields)

    def invoice(self, customer: str, amount: Amount, *, item: str | None = None, **fields: Any) -> Document:
        """A new invoice with one line."""
        detail: Document = {} if item is None else {"ItemRef": {"value": item}}
        if not self._company().automated_sales_tax:
            detail["TaxCodeRef"] = {"value": "1"}
        line = {"Amount": Decimal(amount), "DetailType": "SalesItemLineDetail", "SalesItemLineDetail": detail}
        return self.create("Invoice", CustomerRef={"value": customer}, Line=[line], **fields)

    def deactivate(self, entity: str, identity: str) -> Document:
        """As deleting a customer or item does in QuickBooks."""
        return self.edit(entity, identity, Active=False)

    def reactivate(self, entity: str, identity: str) -> Document:
        """Takes it back into use, under its old name."""
        return self.edit(entity, identity, Active=True)

    def void(self, entity: str, identity: str) -> Document:
        """Lets a transaction be worth nothing."""
        return self._do(entities.void, entity, self._key(entity, identity))

    def delete(self, entity: str, identity: str) -> Document:
        """Removes a transaction."""
        return self._do(entities.delete, entity, self._key(entity, identity))

    def pay(
        self,
        invoices: Mapping[str, Amount] | str,
        amount: Amount | None = None,
        *,
        on: date | str | None = None,
        customer: str | None = None,
        **fields: Any,
    ) -> Document:
        """A payment for invoices by their ids; `amount` beyond what they take stays unapplied.

        A single id without amount: what is open is paid.
        """
        if isinstance(invoices, str):
            open_amount = self.document("Invoice", invoices)["Balance"]
            paid = Decimal(open_amount if amount is None else amount)
            applied = {invoices: min(paid, Decimal(open_amount))}
        else:
            applied = {identity: Decimal(one) for identity, one in invoices.items()}
            paid = sum(applied.values(), Decimal(0)) if amount is None else Decimal(amount)
        if customer is None:
            customer = self.document("Invoice", next(iter(applied)))["CustomerRef"]["value"]
        if on is not None:
            fields["TxnDate"] = str(on)
        lines = [_link("Invoice", identity, one) for identity, one in applied.items()]
        return self.create("Payment", CustomerRef={"value": customer}, TotalAmt=paid, Line=lines, **fields)

    def change_payment(
        self, payment: str, invoices: Mapping[str, Amount], amount: Amount | None = None, **fields: Any
    ) -> Document:
        """Gives a payment other lines, and another amount."""
        if amount is not None:
            fields["TotalAmt"] = Decimal(amount)
        lines = [_link("Invoice", identity, one) for identity, one in invoices.items()]
        return self.edit("Payment", payment, Line=lines, **fields)

    def credit(self, customer: str, amount: Amount, *, apply_to: Mapping[str, Amount] | None = None) -> Document:
        """A credit memo without tax; applied to invoices by a payment of zero, as QuickBooks does it."""
        memo = self.create("CreditMemo", CustomerRef={"value": customer}, Line=[self._untaxed_line(amount)])
        if apply_to:
            self.apply_credit(memo["Id"], apply_to)
        return self.document("CreditMemo", memo["Id"])

    def apply_credit(self, memo: str, apply_to: Mapping[str, Amount], kind: str = "CreditMemo") -> Document:
        """The payment of zero that applies a credit memo, a journal entry or a deposit to invoices."""
        customer = self.document("Invoice", next(iter(apply_to)))["CustomerRef"]["value"]
        lines = [_link("Invoice", identity, one) for identity, one in apply_to.items()]
        lines.append(_link(kind, memo, sum((Decimal(one) for one in apply_to.values()), Decimal(0))))
        return self.create("Payment", CustomerRef={"value": customer}, TotalAmt=Decimal(0), Line=lines)

    def journal_entry(self, customer: str, amount: Amount, *, posting: str = "Credit") -> Document:
        """A journal entry that credits a customer, or debits him, on the receivables."""
        entity = {"Type": "Customer", "EntityRef": {"value": customer}}
        other = "Debit" if posting == "Credit" else "Credit"
        lines = [
            {
                "Amount": Decimal(amount),
                "DetailType": "JournalEntryLineDetail",
                "JournalEntryLineDetail": {"PostingType": side, "AccountRef": {"value": account}} | more,
            }
            for side, account, more in ((posting, "6", {"Entity": entity}), (other, "1", {}))
        ]
        return self.create("JournalEntry", Line=lines)

    def bank_deposit(self, customer: str, amount: Amount) -> Document:
        """A deposit at the bank that is booked on the receivables of a customer, without a payment."""
        detail = {"Entity": {"value": customer, "type": "CUSTOMER"}, "AccountRef": {"value": "6"}}
        line = {"Amount": Decimal(amount), "DetailType": "DepositLineDetail", "DepositLineDetail": detail}
        return self.create("Deposit", DepositToAccountRef={"value": "3"}, TotalAmt=Decimal(amount), Line=[line])

    def refund(self, customer: str, amount: Amount, **fields: Any) -> Document:
        """A refund receipt, which is linked to nothing."""
        return self.create(
            "RefundReceipt",
            CustomerRef={"value": customer},
            DepositToAccountRef={"value": "3"},
            Line=[self._untaxed_line(amount)],
            **fields,
        )

    def refund_payment(self, payment: str, amount: Amount, *, kind: str = "Check") -> Document:
        """Pays a part of a payment back by a check (or Expense) that the payment is then linked to; the payment."""
        books = self._service.books(self.realm)
        before = self.document("Payment", payment)
        with self._service.store.transaction():
            sent = {"PaymentType": kind, "TotalAmt": Decimal(amount), "TxnDate": books.now.date().isoformat()}
            purchase = entities.create(books, "Purchase", {**sent, "EntityRef": before["CustomerRef"]})
            lines = [*before["Line"], _link(kind, purchase["Id"], amount)]
            applied = sum((Decimal(line["Amount"]) for line in lines), Decimal(0))
            over = applied - Decimal(before["TotalAmt"])
            for line in lines[:-1]:  # what was applied to invoices makes room
                less = min(max(over, Decimal(0)), Decimal(line["Amount"]))
                line["Amount"], over = Decimal(line["Amount"]) - less, over - less
        return self.edit("Payment", payment, Line=[line for line in lines if line["Amount"]])

    def merge(self, loser: str, survivor: str, entity: str = "Customer") -> Document:
        """Gives a customer the name of another: one of them is left, with the transactions of both. The survivor."""
        books = self._service.books(self.realm)
        with self._service.store.transaction():
            kept = books.get(entity, survivor)
            gone = books.get(entity, loser)
            reference = {"value": kept["Id"], "name": kept["DisplayName"]}
            found = books.store.rows(
                "select entity, id from document where customer = ? and realm = ? and not deleted"
                f" and entity in ({', '.join('?' * len(TRANSACTIONS))}) order by id",
                (int(loser), self.realm, *TRANSACTIONS),
            )
            for kind, identity in found:
                old = books.get(kind, identity)
                books.change(kind, old, {**old, "CustomerRef": reference})
            gone = books.get(entity, gone["Id"])
            if self._service.switches.merge_leaves == "deleted":
                books.remove(entity, gone)
            else:
                name = f"{gone['DisplayName']} (deleted)"
                books.change(entity, gone, {**gone, "Active": False, "DisplayName": name, "FullyQualifiedName": name})
            return books.change(entity, books.get(entity, survivor), books.get(entity, survivor))

    def deposit(self, payment: str) -> Document:
        """Brings a payment to the bank, after which it cannot be changed."""
        books = self._service.books(self.realm)
        with self._service.store.transaction():
            old = books.get("Payment", payment)
            deposit = str(books.store.next_id(self.realm, "transaction"))
            return books.change("Payment", old, {**old, "LinkedTxn": [{"TxnId": deposit, "TxnType": "Deposit"}]})

    def close_books(self, until: date | str | None, *, with_password: bool = False) -> None:
        """Nothing dated until then can be changed any more; None opens the books again."""
        self.set_company(
            books_closed_until=None if until is None else str(until), books_closed_with_password=with_password
        )

    def set_company(self, **options: Any) -> None:
        """Changes what the company is set to: the fields of `Company`."""
        company = Company.model_validate({**self._company().model_dump(), **options})
        self._service.store.rows(
            "update company set options = ? where realm = ? returning 1", (company.model_dump_json(), self.realm)
        )

    def poison(self, entity: str, identity: str, *, poisoned: bool = True) -> None:
        """Lets every page that has this row on it fail."""
        self._service.store.rows(
            "update document set poison = ? where realm = ? and entity = ? and id = ? returning 1",
            (int(poisoned), self.realm, entity, int(identity)),
        )

    def document(self, entity: str, identity: str) -> Document:
        """As it is now."""
        return self._service.books(self.realm).get(entity, identity)

    def documents(self, entity: str) -> list[Document]:
        """All that are not deleted, inactive ones too, by id."""
        found = self._service.store.rows(
            "select id from document where realm = ? and entity = ? and not deleted order by id", (self.realm, entity)
        )
        books = self._service.books(self.realm)
        return [books.get(entity, identity) for (identity,) in found]

    def count(self, entity: str) -> int:
        """How many there are that are not deleted, inactive ones too."""
        found = self._service.store.rows(
            "select count(*) from document where realm = ? and entity = ? and not deleted", (self.realm, entity)
        )
        return int(found[0][0])

    def _untaxed_line(self, amount: Amount) -> Document:
        detail = {"Qty": 1, "UnitPrice": Decimal(amount)}
        if not self._company().automated_sales_tax:
            detail["TaxCodeRef"] = {"value": str(len(self._company().tax_percents))}  # the last one is zero
        return {"Amount": Decimal(amount), "DetailType": "SalesItemLineDetail", "SalesItemLineDetail": detail}

    def _company(self) -> Company:
        return self._service.books(self.realm).company

    def _key(self, entity: str, identity: str) -> Document:
        return {"Id": identity, "SyncToken": self.document(entity, identity)["SyncToken"]}

    def _do(self, action: Any, entity: str, fields: Document) -> Document:
        with self._service.store.transaction():
            done: Document = action(self._books(), entity, fields)
            return done

    def _books(self) -> Books:
        books = self._service.books(self.realm)
        books.by_hand = True
        return books


def _link(kind: str, identity: str, amount: Amount) -> Document:
    return {"Amount": Decimal(amount), "LinkedTxn": [{"TxnId": identity, "TxnType": kind}]}

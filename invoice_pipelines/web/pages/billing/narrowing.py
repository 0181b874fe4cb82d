"""What narrows the lists of orders and invoices, and which rows people chose: some, or all that it leaves."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

from pydantic import BaseModel, Field, field_validator
from sqlalchemy import Connection

from invoice_pipelines.billing.errors import BillingError
from invoice_pipelines.billing.invoice_lists import STATUSES_OF, InvoiceSummary, newest_invoices
from invoice_pipelines.billing.receivables.receivables import BUCKETS, due_dates
from invoice_pipelines.billing.records.lists import find_customer, orders_matching
from invoice_pipelines.organizations.registry import organization_in_scope
from invoice_pipelines.web.pages.typed import amount_of, day_of

MOST_CHOSEN = 50_000
"""The API takes no more at once, either."""
_LONGEST = 200
_AMOUNT = re.compile(r"[0-9][0-9.,' ]*[.,][0-9]{2}")


class Narrowing(BaseModel):
    """What stands in the filter above a list, as it was typed. `state` is one of the words of the list, or empty."""

    FIELDS: ClassVar[tuple[str, ...]] = ("q", "state", "customer", "since", "until")

    q: str = ""
    state: str = ""
    customer: str = ""
    since: str = ""
    until: str = ""

    @field_validator("q", "state", "customer", "since", "until", "age", "currency", check_fields=False)
    @classmethod
    def _short(cls, value: str) -> str:
        return value.strip().replace("\x00", "")[:_LONGEST]

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """What is asked for, for links and hidden fields."""
        return [(name, getattr(self, name)) for name in self.FIELDS if getattr(self, name)]

    @property
    def wrong_days(self) -> list[str]:
        """The fields in which no day stands although something does."""
        return [name for name in ("since", "until") if getattr(self, name) and day_of(getattr(self, name)) is None]


class OrderNarrowing(Narrowing):
    """The filter of sales orders."""

    STATES: ClassVar[dict[str, Sequence[str]]] = {
        "open": ("pending", "reviewed"),
        "draft": ("draft",),
        "invoiced": ("invoiced",),
        "cancelled": ("cancelled",),
    }

    def asked(self) -> dict[str, Any]:
        """As `list_orders` takes it."""
        return {
            "words": self.q or None,
            "statuses": self.STATES.get(self.state),
            "customer_number": self.customer or None,
            "ordered_from": day_of(self.since),
            "ordered_until": day_of(self.until),
        }


class InvoiceNarrowing(Narrowing):
    """The filter of issued invoices. An amount with its decimals is sought as the total of an invoice. `age` is one of
    billing's BUCKETS: how late what is open of it is today.
    """

    FIELDS: ClassVar[tuple[str, ...]] = (*Narrowing.FIELDS, "age", "currency")
    STANDINGS: ClassVar[dict[str, Sequence[str]]] = {"overdue": ("overdue",), "void": ("void",)}

    age: str = ""
    currency: str = ""

    @property
    def amount(self) -> Decimal | None:
        """The amount that is sought, if it is one."""
        return amount_of(self.q) if _AMOUNT.fullmatch(self.q) else None

    def asked(self, connection: Connection) -> dict[str, Any] | None:
        """As `newest_invoices` takes it; None where there is no such customer."""
        state = self.state or ("open" if self.age in BUCKETS else "")
        due_from, due_until = None, None
        if self.age in BUCKETS:
            today = datetime.now(organization_in_scope(connection).time_zone).date()
            due_from, due_until = due_dates(self.age, today)
        customer_id: UUID | None = None
        if self.customer:
            try:
                customer_id = find_customer(connection, self.customer).id
            except BillingError:
                return None
        return {
            "series": "credit_note" if self.state == "credit_note" else "invoice",
            "words": self.q if self.q and self.amount is None else None,
            "gross_from": self.amount,
            "gross_until": self.amount,
            "statuses": STATUSES_OF.get(state),
            "standings": self.STANDINGS.get(state),
            "due_from": due_from,
            "due_until": due_until,
            "currency": self.currency.upper() or None,
            "customer_id": customer_id,
            "issued_from": day_of(self.since),
            "issued_until": day_of(self.until),
        }


class ChosenOrders(OrderNarrowing):
    """Orders that were chosen in their list: those with a tick, or all `matching` ones; of these only open ones where
    the filter says nothing of their state.
    """

    order: list[UUID] = Field(default=[], max_length=1000)
    matching: bool = False

    def ids(self, connection: Connection) -> list[UUID]:
        """Their ids, the earliest first; one more than MOST_CHOSEN where they are too many."""
        if not self.matching:
            return sorted(dict.fromkeys(self.order))
        asked = self.asked() | ({} if self.state else {"statuses": self.STATES["open"]})
        return orders_matching(connection, **asked, limit=MOST_CHOSEN + 1)[::-1]


class ChosenInvoices(InvoiceNarrowing):
    """Invoices that were chosen in their list: those with a tick, or all `matching` ones."""

    invoice: list[UUID] = Field(default=[], max_length=1000)
    matching: bool = False

    def ids(self, connection: Connection) -> list[UUID]:
        """Their ids, the earliest first; one more than MOST_CHOSEN where they are too many."""
        if not self.matching:
            return sorted(dict.fromkeys(self.invoice))
        asked = self.asked(connection)
        found: Sequence[InvoiceSummary] = ()
        if asked is not None:
            found = newest_invoices(connection, **asked, limit=MOST_CHOSEN + 1)
        return [invoice.id for invoice in reversed(found)]

"""An organization that sells and is connected with QuickBooks, and short ways to look at both sides."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from invoice_pipelines.quickbooks.api.rate import Limits
from invoice_pipelines.quickbooks.connection.connections import change_options
from invoice_pipelines.quickbooks.push.push import push
from invoice_pipelines.quickbooks.push.pushing import PushReport
from invoice_pipelines.quickbooks.values import EntityType
from invoice_pipelines.settings import Settings
from invoice_pipelines.workshop.sandbox.quickbooks import Accountant, Sandbox
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.integration.billing.conftest import RATES, BillingDesk

CUSTOMER, ITEM, INVOICE = EntityType.CUSTOMER, EntityType.ITEM, EntityType.INVOICE
TAX_CODES = {"S:19.00": "1", "S:7.00": "2", "Z:0.00": "3", "E:0.00": "3", "AE:0.00": "3"}
"""Of the sandbox's German companies."""
QUICK = Limits(per_minute=100_000, per_second=1_000, batches_per_minute=10_000, minute=timedelta(seconds=1.2))
"""No limit that a test reaches, and pauses of milliseconds."""


def line(quantity: Any = 1, price: Any = "10.00", **columns: Any) -> dict[str, Any]:
    """A line of an order, at 19 %."""
    return {
        "item_id": None,
        "description": "Work",
        "quantity": str(quantity),
        "unit_price": str(price),
        "discount_percent": 0,
        "tax_category": "S",
        "tax_rate": 19,
    } | columns


@dataclass(frozen=True)
class House:
    """An organization and its QuickBooks company."""

    desk: BillingDesk
    sandbox: Sandbox
    settings: Settings
    realm: str

    @property
    def there(self) -> Accountant:
        return self.sandbox.accountant(self.realm)

    def push(self, entity: EntityType = INVOICE, **options: Any) -> PushReport:
        given: dict[str, Any] = {"limits": QUICK, "time_box": timedelta(seconds=30)} | options
        return push(self.desk.engine, self.settings, self.desk.organization_id, entity, **given)

    def push_all(self) -> PushReport:
        """Customers, items and invoices; what came of the invoices."""
        self.push(CUSTOMER)
        self.push(ITEM)
        return self.push(INVOICE)

    def again(self) -> None:
        """Makes what waits for its next attempt due at once, and what rests or is held by the dead free."""
        self.desk.behind("update work.batch_item set available_at = now() where status = 'pending'")
        self.desk.behind("update work.batch_item set lease_expires_at = now() where status = 'processing'")
        self.desk.behind("update quickbooks.sent_batch set lease_expires_at = now() where status = 'sent'")

    def issue(self, *lines: Mapping[str, Any], **columns: Any) -> UUID:
        return self.desk.issue(*(lines or [line()]), **columns)

    def issue_many(self, count: int, lines: int = 1) -> list[UUID]:
        self.desk.invoice(self.desk.many_orders(count, lines))
        return [row[0] for row in self.desk.rows("select id from billing.issued_invoice order by number")]

    def void(self, invoice: UUID) -> None:
        self.desk.rows("select billing.void_invoice(:invoice, 'wrong', 'anna')", invoice=invoice)

    def options(self, **options: Any) -> None:
        change_options(self.desk.engine, self.desk.organization_id, options, changed_by="anna")

    def invoices(self) -> list[dict[str, Any]]:
        return self.there.documents("Invoice")

    def mapping(self, local_id: UUID) -> Any:
        return self.desk.rows("select * from quickbooks.mapping where local_id = :id", id=local_id)[0]

    def mappings(self, entity: EntityType = INVOICE) -> int:
        return int(self.desk.value("select count(*) from quickbooks.mapping where entity_type = :e", e=entity.value))

    def codes(self) -> list[str]:
        """Of the events since it was connected."""
        rows = self.desk.rows("select code from quickbooks.event order by id")
        return [row[0] for row in rows if row[0] not in ("CONNECTED", "OPTIONS_CHANGED")]

    def conflicts(self) -> list[str]:
        return [row[0] for row in self.desk.rows("select kind from quickbooks.conflict order by id")]

    def entries(self, entity: EntityType = INVOICE) -> list[tuple[str, str | None]]:
        """Status and code of the entries of a queue, the oldest first."""
        rows = self.desk.rows(
            "select status, error_code from public.qbo_sync_queue where entity_type = :entity order by id",
            entity=entity.value,
        )
        return [(row[0], row[1]) for row in rows]

    def entry(self, subject: UUID) -> Any:
        return self.desk.rows(
            "select * from public.qbo_sync_queue where entity_id = :subject order by id desc limit 1",
            subject=str(subject),
        )[0]

    def writes(self, operation: str | None = None) -> list[tuple[str, str, str]]:
        """Entity, operation and code of each write that the other side saw, inside of batches too."""
        seen = []
        for call in self.sandbox.calls(self.realm):
            if call.operation == "batch":
                seen += [(item.entity, item.operation, item.code) for item in call.items]
            elif call.operation in ("create", "update", "void", "delete"):
                seen.append((call.entity, call.operation, call.code))
        return [each for each in seen if operation in (None, each[1])]

    def total_of(self, invoice: UUID) -> Decimal:
        return Decimal(self.desk.value("select gross_amount from billing.invoice where id = :id", id=invoice))


Opener = Callable[..., House]


def open_house(
    database: TestDatabase,
    sandbox: Sandbox,
    settings: Settings,
    connected: Callable[..., UUID],
    slug: str = "acme",
    realm: str = "9130001",
    **company: Any,
) -> House:
    """A connected organization with tax rates and tax codes."""
    given = {"country": "DE"} | company
    organization_id = connected(slug, realm, **given)
    desk = BillingDesk(database.engine, database.superuser, database.app_url, organization_id)
    desk.behind("update organizations.organization set vat_id = 'DE136695976' where id = '{organization}'")
    for category, rate, reason in RATES:
        desk.rows(
            """insert into billing.tax_rate (organization_id, tax_category, rate, name, exemption_reason)
               values (organizations.current(), :category, :rate, :name, :reason)""",
            category=category,
            rate=rate,
            name=f"{category} {rate}",
            reason=reason,
        )
    house = House(desk, sandbox, settings, realm)
    if given["country"] != "US":
        house.options(tax_codes=TAX_CODES)
    return house

"""An organization whose invoices are in a QuickBooks of its own, for tests of what is paid and changed there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

from invoice_pipelines.database.embedded import EmbeddedServer
from invoice_pipelines.quickbooks.invoices.document import invoice_snapshot, marker_of
from invoice_pipelines.quickbooks.pull.pull import pull
from invoice_pipelines.quickbooks.records.mappings import mapped, save_mappings
from invoice_pipelines.quickbooks.values import Applied, EntityType
from invoice_pipelines.settings import Settings
from invoice_pipelines.workshop.sandbox.quickbooks import Sandbox, Switches
from invoice_pipelines.workshop.sandbox.quickbooks.books.accountant import Accountant
from invoice_pipelines_tests.conftest import TestDatabase, fresh_database
from invoice_pipelines_tests.integration.billing.conftest import BillingDesk, line, open_desk
from invoice_pipelines_tests.support.quickbooks.companies import connect_organization, settings_for

GROSS = Decimal("119.00")
_REALMS = count(9_400_001)


@dataclass(frozen=True)
class Till:
    """One organization and its company; each invoice is over 119.00."""

    desk: BillingDesk
    settings: Settings
    sandbox: Sandbox
    accountant: Accountant
    customer: UUID
    customer_there: str

    @property
    def realm(self) -> str:
        return self.accountant.realm

    def sell(self) -> UUID:
        """An issued invoice; QuickBooks does not have it yet."""
        return self.desk.issue(line(1, 100), customer_id=self.customer)

    def send(self, invoice: UUID, **fields: Any) -> str:
        """Puts an invoice into QuickBooks; returns its id there. Its mapping is not stored yet."""
        fields = {"PrivateNote": marker_of(invoice), **fields}
        return str(self.accountant.invoice(self.customer_there, 100, **fields)["Id"])

    def map(self, invoice: UUID, there: str) -> None:
        """Stores the mapping of an invoice, as when QuickBooks has answered."""
        document = self.accountant.document("Invoice", there)
        self._map(EntityType.INVOICE, invoice, document, invoice_snapshot(document))

    def sent(self) -> tuple[UUID, str]:
        """An invoice that both sides have: its ids here and there."""
        invoice = self.sell()
        there = self.send(invoice)
        self.map(invoice, there)
        return invoice, there

    def map_customer(self, customer: UUID, there: str) -> None:
        document = self.accountant.document("Customer", there)
        self._map(EntityType.CUSTOMER, customer, document, {"name": document["DisplayName"]})

    def _map(
        self, entity: EntityType, local_id: UUID, document: Mapping[str, Any], snapshot: Mapping[str, Any]
    ) -> None:
        with self.desk.scope() as connection:
            assert save_mappings(connection, self.realm, entity, [mapped(local_id, document, snapshot)]) == []

    def pull(self) -> Applied:
        """Reads payments; all of them, as an overlap of minutes is longer than a test."""
        return self._pull(EntityType.PAYMENT)

    def compare(self) -> Applied:
        """Compares the invoices that changed lately with what was sent."""
        return self._pull(EntityType.INVOICE)

    def _pull(self, entity: EntityType) -> Applied:
        report = pull(self.desk.engine, self.settings, self.desk.organization_id, [entity])[entity]
        assert report.finished, report
        return report.applied

    def standing(self, invoice: UUID) -> tuple[str, Decimal, Decimal]:
        """Status, paid and due."""
        rows = self.desk.rows("select status, amount_paid, amount_due from billing.invoice where id = :id", id=invoice)
        return tuple(rows[0])

    def allocations(self) -> dict[UUID, Decimal]:
        """What counts of all payments, by invoice."""
        rows = self.desk.rows(
            """select invoice_id, sum(applied_amount) from billing.payment_allocation
               where applied_amount > 0 group by 1"""
        )
        return {row[0]: row[1] for row in rows}

    def paid_there(self, there: str) -> Decimal:
        """What QuickBooks itself says is paid of an invoice."""
        document = self.accountant.document("Invoice", there)
        return Decimal(document["TotalAmt"]) - Decimal(document["Balance"])

    def events(self) -> list[tuple[str, str]]:
        rows = self.desk.rows("select code, message from quickbooks.event where code <> 'CONNECTED' order by id")
        return [tuple(row) for row in rows]

    def kept(self, quickbooks_id: str) -> Any:
        """What is kept of a transaction."""
        return self.desk.rows("select * from quickbooks.payment where quickbooks_id = :id", id=quickbooks_id)[0]


@dataclass(frozen=True)
class Town:
    """A database and a QuickBooks for many tills, as both take a second to open."""

    database: TestDatabase
    sandbox: Sandbox
    settings: Settings

    def open(self, **company: Any) -> Till:
        desk = open_desk(self.database)
        realm = str(next(_REALMS))
        connect_organization(
            self.database, self.sandbox, self.settings, desk.organization_id, realm, **{"country": "DE", **company}
        )
        accountant = self.sandbox.accountant(realm)
        customer = desk.customer()
        there = accountant.customer("Buyer AG")["Id"]
        till = Till(desk, self.settings, self.sandbox, accountant, customer, there)
        till.map_customer(customer, there)
        return till


@contextmanager
def open_town(server: EmbeddedServer, template: str, home: Path) -> Iterator[Town]:
    """A town for as long as the block lasts."""
    with (
        fresh_database(server, template) as database,
        Sandbox(switches=Switches(throttled=False, latency_per_call=0)) as sandbox,
    ):
        yield Town(database, sandbox, settings_for(sandbox, home))

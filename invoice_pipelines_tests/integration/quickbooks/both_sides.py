"""Short ways to look at, and change, both sides of a sync: an organization here and its company in the sandbox."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import Any
from uuid import UUID, uuid4

from invoice_pipelines.quickbooks.api.rate import Limits
from invoice_pipelines.quickbooks.connection.connections import change_options
from invoice_pipelines.quickbooks.pull.pull import PullReport, pull
from invoice_pipelines.quickbooks.push.push import push
from invoice_pipelines.quickbooks.values import KINDS, EntityType
from invoice_pipelines.settings import Settings
from invoice_pipelines.workshop.sandbox.quickbooks import Sandbox
from invoice_pipelines_tests.conftest import TestDatabase, open_organization
from invoice_pipelines_tests.support.organization_view import OrganizationView
from invoice_pipelines_tests.support.quickbooks.companies import connect_organization

_realms = count(9_140_001)


@dataclass(frozen=True)
class Ground:
    """A database and a QuickBooks that tests share; each test has an organization and a company of its own."""

    database: TestDatabase
    sandbox: Sandbox
    settings: Settings

    def sides(self, country: str = "DE", **company: Any) -> Sides:
        """A new organization, connected with a new company."""
        made, realm = open_organization(self.database, OrganizationView), str(next(_realms))
        given = {"country": country, **company}
        connect_organization(self.database, self.sandbox, self.settings, made.organization_id, realm, **given)
        return Sides(made.engine, made.superuser, made.url, made.organization_id, self, realm)


@dataclass(frozen=True)
class Sides(OrganizationView):
    """One organization and its company. `there` is the accountant of the company."""

    ground: Ground
    realm: str

    @property
    def sandbox(self) -> Sandbox:
        return self.ground.sandbox

    @property
    def there(self) -> Any:
        return self.sandbox.accountant(self.realm)

    def options(self, **options: Any) -> None:
        change_options(self.engine, self.organization_id, options, changed_by="test")

    def pull(self, *entities: str, **how: Any) -> dict[EntityType, PullReport]:
        chosen = [EntityType(entity) for entity in entities or ("customer", "item")]
        return pull(self.engine, self.ground.settings, self.organization_id, chosen, **how)

    def push(self) -> None:
        for entity in KINDS:
            push(
                self.engine,
                self.ground.settings,
                self.organization_id,
                entity,
                limits=Limits(per_minute=1000, per_second=1000, batches_per_minute=1000, minute=timedelta(seconds=0.3)),
                time_box=timedelta(seconds=30),
            )

    def add_customer(self, **columns: Any) -> UUID:
        columns = {"customer_number": f"C-{uuid4()}", "name": "Buyer AG", "country_code": "DE"} | columns
        return self._insert("customer", columns)

    def add_item(self, **columns: Any) -> UUID:
        columns = {"sku": f"I-{uuid4()}", "name": "Bolt", "unit_price": 1} | columns
        return self._insert("item", columns)

    def _insert(self, table: str, columns: dict[str, Any]) -> UUID:
        return self.value(
            f"""insert into billing.{table} (organization_id, {", ".join(columns)})
                values (organizations.current(), {", ".join(f":{name}" for name in columns)})
                returning id""",
            **columns,
        )

    def edit(self, table: str, record: UUID, **columns: Any) -> None:
        changes = ", ".join(f"{name} = :{name}" for name in columns)
        self.rows(f"update billing.{table} set {changes}, updated_at = now() where id = :id", id=record, **columns)

    def customer(self, record: UUID) -> Any:
        return self.rows("select * from billing.customer where id = :id", id=record)[0]

    def item(self, record: UUID) -> Any:
        return self.rows("select * from billing.item where id = :id", id=record)[0]

    def ours(self, quickbooks_id: str, entity: str = "customer") -> UUID:
        """Our record of one there."""
        return self.value(
            """select local_id from quickbooks.mapping
               where quickbooks_id = :id and entity_type = :entity and realm_id = :realm""",
            id=quickbooks_id,
            entity=entity,
            realm=self.realm,
        )

    def theirs(self, record: UUID, entity: str = "customer") -> str:
        """The id there of our record."""
        return self.value(
            "select quickbooks_id from quickbooks.mapping where local_id = :id and entity_type = :entity",
            id=record,
            entity=entity,
        )

    def conflicts(self, status: str | None = None) -> list[Any]:
        return self.rows(
            """select * from quickbooks.conflict
               where cast(:status as text) is null or status = :status order by id""",
            status=status,
        )

    def events(self, code: str) -> list[Any]:
        return self.rows("select * from quickbooks.event where code = :code order by id", code=code)

    def queued(self) -> list[str]:
        """Records that wait to be pushed."""
        return [
            row[0] for row in self.rows("select subject_id from work.batch_item where status = 'pending' order by id")
        ]

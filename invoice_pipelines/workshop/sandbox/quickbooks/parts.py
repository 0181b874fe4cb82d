"""The parts of the sandbox, and what tests ask of them; over which socket they are reached is in `sandbox`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from invoice_pipelines.workshop.sandbox.quickbooks.books.accountant import Accountant
from invoice_pipelines.workshop.sandbox.quickbooks.books.books import Books
from invoice_pipelines.workshop.sandbox.quickbooks.books.companies import Company, first_documents
from invoice_pipelines.workshop.sandbox.quickbooks.books.seeding import Seeded, seed
from invoice_pipelines.workshop.sandbox.quickbooks.clock import Clock
from invoice_pipelines.workshop.sandbox.quickbooks.injection import Faults
from invoice_pipelines.workshop.sandbox.quickbooks.oauth import OAuth, Tokens
from invoice_pipelines.workshop.sandbox.quickbooks.server import Server
from invoice_pipelines.workshop.sandbox.quickbooks.service import Service
from invoice_pipelines.workshop.sandbox.quickbooks.store import Store
from invoice_pipelines.workshop.sandbox.quickbooks.switches import Switches
from invoice_pipelines.workshop.sandbox.quickbooks.traffic import Seen, Traffic


class SandboxParts:
    """Books, grants, faults and traffic, and the server that answers from them. What is public may be changed.

    With `state`, a file, they go on where others with the same file stood; otherwise they begin empty.
    """

    def __init__(
        self,
        state: Path | None = None,
        port: int = 0,
        *,
        switches: Switches | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.switches = switches or Switches()
        self.clock = clock or Clock()
        self.faults = Faults()
        self.traffic = Traffic()
        self.port = port
        self._store = Store(state)
        self.service = Service(self._store, self.switches, self.clock)
        self.oauth = OAuth(self._store, self.switches, self.clock)
        self.server = Server(self.service, self.oauth, self.faults, self.traffic)

    @property
    def url(self) -> str:
        """Without a slash at its end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> list[Seen]:
        """All calls that were seen, by their ends."""
        return self.traffic.calls()

    def calls(self, realm: str | None = None, operation: str | None = None) -> list[Seen]:
        """Those of a company, or all; of an operation, or all."""
        return self.traffic.calls(realm, operation)

    def count_throttled(self, realm: str | None = None) -> int:
        """How many calls were answered with code 3001 as a whole."""
        return sum(1 for call in self.traffic.calls(realm) if call.code == "3001")

    def metered(self, realm: str) -> int:
        """How many reads count against the monthly quota."""
        reads = {"read", "query", "companyinfo", "preferences", "exchangerate"} | (
            {"cdc"} if self.switches.cdc_is_metered else set()
        )
        return sum(1 for call in self.traffic.calls(realm) if call.operation in reads and call.status == 200)

    def add_company(self, realm: str, **options: Any) -> Accountant:
        """A new company; `options` are the fields of `Company`. One that exists stays as it is."""
        company = Company(**options)
        with self._store.transaction():
            if self.service.company(realm) is None:
                self._store.rows("insert into company values (?, ?) returning 1", (realm, company.model_dump_json()))
                books = Books(self._store, realm, company, self.switches, self.clock.now())
                for entity, document in first_documents(company):
                    books.add(entity, document)
        return self.accountant(realm)

    @property
    def realms(self) -> list[str]:
        """The companies that there are."""
        return [row[0] for row in self._store.rows("select realm from company order by realm")]

    def tokens(self, realm: str) -> Tokens:
        """A new grant for a company, as the connect flow gives it."""
        return self.oauth.grant(realm)

    def accountant(self, realm: str) -> Accountant:
        """Someone who works in the books of a company."""
        return Accountant(self.service, realm)

    def seed(self, realm: str, **counts: Any) -> Seeded:
        """Adds many documents at once: see `seeding.seed`."""
        with self._store.transaction():
            return seed(self.service.books(realm), **counts)

"""An organization that issues invoices and makes documents of them, with short ways to ask and to look."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from invoice_pipelines.delivery.documents.making import DocumentReport, make_documents
from invoice_pipelines.delivery.documents.requests import DocumentRequest, ask_for_documents
from invoice_pipelines.delivery.documents.rows import Document, document_bytes, newest_document
from invoice_pipelines.delivery.values import DocumentFormat
from invoice_pipelines.organizations import change_organization
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.settings import Settings
from invoice_pipelines.work import Job, get_job
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.support.billing.shop import Shop, open_shop

DAY = timedelta(days=1)
ZUGFERD = DocumentFormat.ZUGFERD


@dataclass(frozen=True)
class EndedItem:
    """What became of an item."""

    status: str
    code: str | None
    message: str | None
    result: Any


@dataclass
class Press:
    """A shop with a place for its documents."""

    shop: Shop
    settings: Settings

    def ask(self, invoice_ids: Iterable[UUID | str], **request: Any) -> UUID:
        with self.shop.scope() as connection:
            return ask_for_documents(connection, invoice_ids, DocumentRequest.of(request), created_by="anna").job_id

    def work(self, **options: Any) -> DocumentReport:
        given = {"time_box": DAY} | options
        return make_documents(self.context, **given)

    @property
    def context(self) -> OrganizationContext:
        """The organization as a run sees it."""
        return OrganizationContext(self.shop.engine, self.shop.organization, self.settings, "test")

    def make(self, invoice_ids: Sequence[UUID | str], **request: Any) -> list[EndedItem]:
        """Asks and works at once; what became of each invoice."""
        job_id = self.ask(invoice_ids, **request)
        self.work()
        return self.ended(job_id)

    def ended(self, job_id: UUID) -> list[EndedItem]:
        rows = self.rows(
            "select status, error_code, error_message, result from work.batch_item where job_id = :job order by id",
            job=job_id,
        )
        return [EndedItem(*row) for row in rows]

    def job(self, job_id: UUID) -> Job:
        with self.shop.scope() as connection:
            return get_job(connection, job_id)

    def rows(self, statement: str, **values: Any) -> list[Any]:
        from sqlalchemy import text

        with self.shop.scope() as connection:
            result = connection.execute(text(statement), values)
            return list(result) if result.returns_rows else []

    def newest(self, invoice_id: UUID, format: DocumentFormat = ZUGFERD, language: str | None = None) -> Document:
        with self.shop.scope() as connection:
            found = newest_document(connection, invoice_id, format, language)
        assert found is not None
        return found

    def file(self, document: Document) -> bytes:
        return document_bytes(self.context, document)

    def versions(self) -> dict[UUID, list[int]]:
        """Of each invoice, the versions of its PDF."""
        found: dict[UUID, list[int]] = {}
        for invoice_id, version in self.rows(
            "select invoice_id, version from delivery.invoice_document where format = 'zugferd' order by version"
        ):
            found.setdefault(invoice_id, []).append(version)
        return found

    def path(self, sha256: str) -> Path:
        return Path(self.settings.documents_root) / str(self.shop.organization.id) / sha256[:2] / sha256

    def override(self, name: str, content: str | None) -> None:
        """Puts a template file in place without anybody checking it, or removes it."""
        self.rows(
            """insert into delivery.template_file (organization_id, name, content)
               values (organizations.current(), :name, :content)""",
            name=name,
            content=None if content is None else content.encode(),
        )

    def change(self, **changes: Any) -> None:
        """Changes the organization."""
        organization = change_organization(self.shop.engine, self.shop.organization.slug, **changes)
        self.shop = replace(self.shop, organization=organization)


def open_press(database: TestDatabase, folder: Path, **settings: Any) -> Press:
    """A new organization of its own."""
    values: dict[str, Any] = {"DAGSTER_HOME": folder, "document_processes": 1} | settings
    return Press(open_shop(database), Settings(**values))

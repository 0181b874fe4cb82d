"""Fixtures of the intake: an organization with folders of its own, in a database that all these tests share."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, Engine, text
from upath import UPath

from invoice_pipelines.database import organization_scope
from invoice_pipelines.database.embedded import EmbeddedServer
from invoice_pipelines.einvoice.model import Line, Party, TaxBreakdown
from invoice_pipelines.intake.documents import Limits
from invoice_pipelines.intake.reading import Format, Provenance, Reading, Source
from invoice_pipelines.intake.received_invoices import InvoiceVersion, mark_parsed, mark_validated
from invoice_pipelines.intake.stages.arrivals import IntakeReport, files_by_organization, sight
from invoice_pipelines.intake.stages.stages import Intake, take_uploads
from invoice_pipelines.intake.stages.uploads import StoredFile, record_uploads
from invoice_pipelines.organizations import add_organization, find_organization
from invoice_pipelines.storage import root_path, store_blob
from invoice_pipelines_tests.conftest import TestDatabase, fresh_database
from invoice_pipelines_tests.support.intake.inbox import let_files_lie

AT_ONCE = timedelta(0)


@dataclass(frozen=True)
class IntakeDesk:
    """One organization: its folders, its rows, and the superuser's view for looking behind them."""

    database: TestDatabase
    organization_id: UUID
    slug: str
    folder: Path

    @property
    def engine(self) -> Engine:
        return self.database.engine

    @property
    def inbox(self) -> Path:
        return self.folder / "inbox" / self.slug

    @property
    def originals(self) -> UPath:
        return root_path(str(self.folder / "originals"))

    @property
    def exports(self) -> UPath:
        return root_path(str(self.folder / "exports"))

    def intake(self, **changes: Any) -> Intake:
        """The intake of this organization, where files are taken as soon as they are seen."""
        intake = Intake(
            engine=self.engine,
            organization=find_organization(self.engine, self.slug),
            inbox=root_path(str(self.inbox)),
            originals=self.originals,
            exports=self.exports,
            limits=Limits(),
            actor="test",
            settle=AT_ONCE,
            remove_taken=True,
            chunk_size=50,
            lease=timedelta(seconds=300),
            time_box=timedelta(minutes=5),
            max_attempts=3,
            rules_directory=None,
            ocr=None,
            ocr_processes=1,
        )
        return dataclasses.replace(intake, **changes)

    def scope(self) -> AbstractContextManager[Connection]:
        return organization_scope(self.engine, self.organization_id)

    def rows(self, statement: str, **values: Any) -> list[Any]:
        with self.scope() as connection:
            return list(connection.execute(text(statement), values))

    def one(self, statement: str, **values: Any) -> Any:
        """The only value of the only row."""
        ((value,),) = self.rows(statement, **values)
        return value

    def drop(self, name: str | bytes, data: bytes) -> Path:
        """Puts a file into the inbox."""
        path = self.inbox / (name if isinstance(name, str) else name.decode("utf-8", "surrogateescape"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    def lying(self) -> set[str]:
        """Names of the files in the inbox."""
        return {path.name for path in self.inbox.rglob("*") if path.is_file()} if self.inbox.exists() else set()

    def sight(self, settle: timedelta = AT_ONCE) -> None:
        """What the sensor does at each tick."""
        found = files_by_organization(root_path(str(self.inbox.parent)))
        with self.scope() as connection:
            sight(connection, found.get(self.slug, []), settle)

    def let_files_lie(self, passed: timedelta) -> None:
        """As if so much time had passed since the last look into the inbox."""
        with self.scope() as connection:
            let_files_lie(connection, passed)

    def take(self, **changes: Any) -> IntakeReport:
        """Looks into the inbox and takes what is ready."""
        self.sight(changes.get("settle", AT_ONCE))
        return take_uploads(self.intake(**changes))

    def upload(self, data: bytes, name: str = "invoice.xml") -> UUID:
        """Stores and records a file without an inbox; returns the id of the upload."""
        sha256, size = store_blob(self.originals, self.organization_id, data)
        with self.scope() as connection:
            stored = [StoredFile(name, sha256, size)]
            return record_uploads(connection, stored, source="command line", created_by="test")[0].upload_id

    def invoice(self, data: bytes | None = None) -> InvoiceVersion:
        """A received invoice that was just uploaded."""
        upload_id = self.upload(data or uuid4().bytes)
        return self.version(self.one("select id from intake.received_invoice where upload_id = :id", id=upload_id))

    def version(self, invoice_id: UUID) -> InvoiceVersion:
        """An invoice as it is now."""
        version = self.one("select processing_version from intake.received_invoice where id = :id", id=invoice_id)
        return InvoiceVersion(invoice_id, version)

    def parsed(self, reading: Reading | None = None) -> InvoiceVersion:
        """A received invoice with a reading, as if its upload had been read."""
        invoice = self.invoice()
        with self.scope() as connection:
            assert mark_parsed(connection, [(invoice, reading or make_reading())]) == {invoice.id}
        return self.version(invoice.id)

    def validated(self, reading: Reading | None = None) -> InvoiceVersion:
        """A received invoice that waits for its export."""
        invoice = self.parsed(reading)
        with self.scope() as connection:
            assert mark_validated(connection, [invoice]) == {invoice.id}
        return self.version(invoice.id)

    def status(self, invoice_id: UUID) -> str:
        return str(self.one("select status from intake.received_invoice where id = :id", id=invoice_id))

    def statuses(self) -> dict[str, str]:
        """Status by file name."""
        return {row[0]: row[1] for row in self.rows("select file_name, status from public.received_invoice")}

    def behind(self, statement: str, **values: Any) -> None:
        """A change that only the operator of the database could make, such as moving time."""
        with self.database.superuser.begin() as connection:
            connection.execute(text(statement), {"organization": self.organization_id, **values})

    def let_leases_expire(self) -> None:
        self.behind(
            """update work.batch_item set lease_expires_at = now() - interval '1 second'
               where organization_id = :organization and status = 'processing'"""
        )

    def let_pauses_pass(self) -> None:
        self.behind(
            """update work.batch_item set available_at = now()
               where organization_id = :organization and status = 'pending'"""
        )


def make_reading(number: str | None = None, **changes: Any) -> Reading:
    """A reading of an invoice over 119.00 EUR with one line and one rate."""
    reading = Reading(
        source=Source.XML,
        format=Format.UBL,
        profile="EN 16931",
        number=number or f"R-{uuid4().hex[:8]}",
        issue_date=date(2026, 3, 1),
        due_date=date(2026, 3, 31),
        type_code="380",
        currency="EUR",
        seller=Party(name="Muster GmbH", vat_id="DE136695976"),
        buyer=Party(name="Kunde AG"),
        net_amount=Decimal("100.00"),
        tax_amount=Decimal("19.00"),
        gross_amount=Decimal("119.00"),
        payable_amount=Decimal("119.00"),
        tax_breakdowns=(TaxBreakdown(Decimal("100.00"), Decimal("19.00"), "S", Decimal(19)),),
        lines=(Line("1", name="Schrauben", quantity=Decimal(2), unit="C62", net_amount=Decimal("100.00")),),
    )
    return dataclasses.replace(reading, **changes)


def surely_read(reading: Reading, **confidences: float) -> Reading:
    """A reading from a page with all values sure but those named, such as gross_amount=0.8 or seller_name=0.2."""
    places = dict.fromkeys(("number", "issue_date", "currency", "seller.name", "seller.vat_id"), 0.99)
    places |= dict.fromkeys(("net_amount", "tax_amount", "gross_amount", "payable_amount"), 0.99)
    places |= {name.replace("seller_", "seller."): confidence for name, confidence in confidences.items()}
    return dataclasses.replace(
        reading, provenance={name: Provenance(reading.source, sure) for name, sure in places.items()}
    )


@pytest.fixture(scope="session")
def intake_database(server: EmbeddedServer, template: str) -> Iterator[TestDatabase]:
    """One database for the tests that keep to organizations of their own, as a new one takes half a second."""
    with fresh_database(server, template, application_name="somebody") as database:
        yield database


def open_desk(database: TestDatabase, folder: Path) -> IntakeDesk:
    """A new organization with its inbox."""
    slug = f"desk-{uuid4()}"
    organization_id = add_organization(
        database.engine, slug, "Desk", country_code="DE", time_zone="Europe/Berlin", currency="EUR"
    )
    desk = IntakeDesk(database, organization_id, slug, folder)
    desk.inbox.mkdir(parents=True)
    return desk


@pytest.fixture
def desk(intake_database: TestDatabase, tmp_path: Path) -> IntakeDesk:
    """One organization."""
    return open_desk(intake_database, tmp_path)


@pytest.fixture
def other_desk(intake_database: TestDatabase, tmp_path: Path) -> IntakeDesk:
    """Another organization, with the same folders."""
    return open_desk(intake_database, tmp_path)

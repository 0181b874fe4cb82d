"""Holds the parse stage: uploads become readings. One chunk of the queue at a time, one transaction each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, text
from upath import UPath

from invoice_pipelines.intake.readers import Limits, read_document
from invoice_pipelines.intake.reading import Reading, ReadingError
from invoice_pipelines.intake.received_invoices import InvoiceVersion, ProcessingError, mark_failed, mark_parsed
from invoice_pipelines.intake.states import PARSEABLE
from invoice_pipelines.storage import read_blob
from invoice_pipelines.work import Chunk, Failed, Outcome, Skipped, Succeeded

_GONE = Skipped("the invoice is not waiting to be read any more")


@dataclass(frozen=True, slots=True)
class _Parseable:
    invoice: InvoiceVersion
    organization_id: UUID
    sha256: str
    file_name: str


def parse_handler(originals: UPath, limits: Limits) -> Callable[[Connection, Chunk], list[Outcome]]:
    """The handler of the `parse_upload` queue, whose subjects are ids of received invoices.

    A document that cannot be read fails with its reason and is not tried again by itself; a fault of ours or of the
    storage is raised, and `work` tries again.
    """

    def handle(connection: Connection, chunk: Chunk) -> list[Outcome]:
        waiting = _lock_parseable(connection, [UUID(item.subject_id) for item in chunk.items])
        outcomes: dict[UUID, Outcome] = {}
        failures: list[tuple[InvoiceVersion, ProcessingError]] = []

        def readings() -> Iterator[tuple[InvoiceVersion, Reading]]:
            for invoice_id, document in waiting.items():
                data = read_blob(originals, document.organization_id, document.sha256, limits.file_bytes)
                try:
                    reading = read_document(data, document.file_name, limits)
                except ReadingError as error:
                    outcomes[invoice_id] = Failed(error.code, error.message, retry=False)
                    failures.append((document.invoice, ProcessingError("parse", error.code, error.message)))
                else:
                    outcomes[invoice_id] = Succeeded({"format": str(reading.format), "source": str(reading.source)})
                    yield document.invoice, reading

        mark_parsed(connection, readings())
        mark_failed(connection, failures)
        return [outcomes.get(UUID(item.subject_id), _GONE) for item in chunk.items]

    return handle


def _lock_parseable(connection: Connection, ids: list[UUID]) -> dict[UUID, _Parseable]:
    """The invoices that may be read, locked to the end of the transaction so that nobody else reads them."""
    rows = connection.execute(
        text(
            """select r.id, r.organization_id, r.processing_version, u.sha256, u.file_name
               from intake.received_invoice r
               join intake.upload u on u.organization_id = r.organization_id and u.id = r.upload_id
               where r.id = any(:ids) and r.status = any(:parseable)
               order by r.id for update of r"""
        ),
        {"ids": ids, "parseable": [str(status) for status in PARSEABLE]},
    )
    return {
        row.id: _Parseable(
            InvoiceVersion(row.id, row.processing_version), row.organization_id, row.sha256, row.file_name
        )
        for row in rows
    }

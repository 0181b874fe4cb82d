"""The parse stage: uploads become readings. One chunk of the queue at a time, one transaction each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from uuid import UUID

from sqlalchemy import Connection
from upath import UPath

from invoice_pipelines.einvoice.errors import ReadingError
from invoice_pipelines.intake.documents import Aids, Limits, read_document
from invoice_pipelines.intake.documents.ocr.engine import EngineSpec
from invoice_pipelines.intake.documents.ocr.pages import PagesNotRecognized, SeenPage, known_pages
from invoice_pipelines.intake.documents.recipient import NOBODY, Recipient
from invoice_pipelines.intake.reading import Reading
from invoice_pipelines.intake.reading_errors import class_of_reading_error
from invoice_pipelines.intake.received_invoices import (
    InvoiceVersion,
    ParseableInvoice,
    ProcessingError,
    mark_failed,
    mark_parsed,
    parseable_invoices,
)
from invoice_pipelines.intake.review.learning import learned_places
from invoice_pipelines.intake.stages.originals import read_original
from invoice_pipelines.intake.states import RECOGNIZE
from invoice_pipelines.intake.turnaround import count_turnarounds
from invoice_pipelines.work import Chunk, Failed, Outcome, Skipped, Succeeded, enqueue

WAITS_FOR_RECOGNITION = Skipped("the document has pages that are pictures; it is parsed when their text is recognized")
_GONE = Skipped("the invoice no longer waits to be read")


def parse_handler(
    originals: UPath, limits: Limits, ocr: EngineSpec | None, recipient: Recipient = NOBODY
) -> Callable[[Connection, Chunk], list[Outcome]]:
    """The handler of the `parse_upload` queue, whose subjects are ids of received invoices.

    A document that cannot be read fails with its reason and is not tried again by itself; a fault of ours or of the
    storage is raised, and `work` tries again. One with pages that no engine has read yet goes to the queue
    `recognize_upload` and comes back from there; without an engine (`ocr`) such pages are left out.
    `recipient` is the organization.
    """

    def aids(connection: Connection, document: ParseableInvoice) -> Aids:
        learned = partial(learned_places, connection)
        if ocr is None:
            return Aids(None, learned, recipient)
        noted = document.pictured_pages
        seen = None if noted is None else [SeenPage(*page) for page in noted]
        return Aids(known_pages(connection, ocr, seen), learned, recipient)

    def handle(connection: Connection, chunk: Chunk) -> list[Outcome]:
        waiting = parseable_invoices(connection, [UUID(item.subject_id) for item in chunk.items], lock=True)
        outcomes: dict[UUID, Outcome] = {}
        failures: list[tuple[InvoiceVersion, ProcessingError]] = []

        def readings() -> Iterator[tuple[InvoiceVersion, Reading]]:
            for invoice_id, document in waiting.items():
                try:
                    data = read_original(originals, document.organization_id, document.sha256, limits.file_bytes)
                    reading = read_document(data, document.file_name, limits, aids(connection, document))
                except PagesNotRecognized:
                    outcomes[invoice_id] = WAITS_FOR_RECOGNITION
                except ReadingError as error:
                    outcomes[invoice_id] = Failed(error.code, error.message, retry=False)
                    reason = ProcessingError("parse", error.code, error.message, class_of_reading_error(error.code))
                    failures.append((document.version, reason))
                else:
                    outcomes[invoice_id] = Succeeded({"format": str(reading.format), "source": str(reading.source)})
                    yield document.version, reading

        mark_parsed(connection, readings())
        count_turnarounds(connection, mark_failed(connection, failures))
        unread = [str(invoice_id) for invoice_id, outcome in outcomes.items() if outcome is WAITS_FOR_RECOGNITION]
        enqueue(connection, RECOGNIZE, unread)
        return [outcomes.get(UUID(item.subject_id), _GONE) for item in chunk.items]

    return handle

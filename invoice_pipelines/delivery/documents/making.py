"""The run that makes documents in bulk: chunk by chunk from the queue, in processes, stored before they count.

A chunk is loaded in parts while the processes work, each file is on the disk before its row is written, and rows and
outcomes are one transaction. So a kill at any point loses no item and makes no version twice: what was not committed is
made again, byte for byte the same, and lies under the same name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Connection, Engine

from invoice_pipelines.database import organization_scope
from invoice_pipelines.delivery.documents.bundles import (
    DocumentBundle,
    are_bundles_waiting,
    ask_for_missing_bundles,
    job_of_bundles,
    make_bundles,
)
from invoice_pipelines.delivery.documents.chunk import Making, Shared, language_of
from invoice_pipelines.delivery.documents.pool import DocumentPool, warm_pool
from invoice_pipelines.delivery.documents.rows import Document
from invoice_pipelines.delivery.documents.writing import Workshop
from invoice_pipelines.delivery.rendering.template_files import load_bundle
from invoice_pipelines.delivery.values import MAKE_DOCUMENTS, DeliveryError
from invoice_pipelines.organizations import Organization
from invoice_pipelines.settings import Settings
from invoice_pipelines.storage import StorageError, root_path
from invoice_pipelines.work import (
    Chunk,
    Failed,
    JobNotFound,
    Outcome,
    Progress,
    Report,
    Skipped,
    Succeeded,
    drain,
    get_job,
)

CHUNK_SIZE = 500
ATTEMPTS = 8
"""Of an item whose fault may pass, such as a full disk: the last one is about 20 minutes after the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentReport(Report):
    """What a run did, in invoices; besides how many documents it made (those of chunks rolled back included), their
    bytes and pages, one of them, the files of jobs that ended, and the most bytes that a process held.
    """

    made: int
    size_bytes: int
    pages: int
    with_missing_glyphs: int
    first: Document | None
    bundles: tuple[DocumentBundle, ...]
    most_memory: int


def make_documents(
    engine: Engine,
    settings: Settings,
    organization: Organization,
    *,
    time_box: timedelta,
    job_id: UUID | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    pool: DocumentPool | None = None,
) -> DocumentReport:
    """Makes what is asked for of an organization until nothing is left, the time is up or `should_stop()` says so.

    With `job_id` it ends when that job has, and its files are made: all comes when it is its turn. Without `pool`
    it takes one of the warm ones of this process. Any number of runs may go at once.
    Raises StorageError for an unusable place.
    """

    def is_over() -> bool:
        return run.shared.is_stopped or (should_stop is not None and should_stop())

    with organization_scope(engine, organization.id) as connection:
        ask_for_missing_bundles(connection)
    with ExitStack() as opened:
        pool = pool or opened.enter_context(warm_pool(settings.document_processes))
        run = _Run(settings, organization, pool)
        drained = drain(
            engine,
            organization.id,
            MAKE_DOCUMENTS,
            run.handle,
            chunk_size=CHUNK_SIZE,
            lease=timedelta(seconds=settings.lease_seconds),
            time_box=time_box,
            max_attempts=ATTEMPTS,
            on_progress=on_progress,
            should_stop=is_over,
            is_done=lambda: job_id is not None and _has_ended(engine, organization.id, job_id),
        )
        return run.report(drained)


def _has_ended(engine: Engine, organization_id: UUID, job_id: UUID) -> bool:
    with organization_scope(engine, organization_id) as connection:
        return get_job(connection, job_id).status.is_final and not are_bundles_waiting(connection, job_id)


class _Run:
    """One call of make_documents: what its chunks share, and what they did."""

    def __init__(
        self,
        settings: Settings,
        organization: Organization,
        pool: DocumentPool,
    ) -> None:
        self.shared = Shared(root_path(settings.documents_root), organization, pool, self._count)
        self._documents_root = settings.documents_root
        self._made: list[tuple[int, int, bool]] = []
        self._first: Document | None = None
        self._bundles: list[DocumentBundle] = []

    def handle(self, connection: Connection, chunk: Chunk) -> list[Outcome]:
        """Does a chunk of the queue; see work.Handler."""
        workshop = Workshop.of(self.shared.organization, load_bundle(connection), self._documents_root)
        jobs = {item.subject_id: job_of_bundles(item.subject_id) for item in chunk.items if chunk.job_id is None}
        outcomes: dict[str, Outcome] = {}
        for subject_id, job_id in jobs.items():
            if job_id is not None:
                outcomes[subject_id] = self._make_bundles(connection, job_id, workshop, chunk.check)
        subjects = [item.subject_id for item in chunk.items if item.subject_id not in outcomes]
        if subjects:
            outcomes |= Making(self.shared, connection, chunk, workshop).make(subjects)
        return [outcomes[item.subject_id] for item in chunk.items]

    def _count(self, documents: Sequence[Document]) -> None:
        for document in documents:
            self._made.append((document.size_bytes, document.pages or 0, document.missing_glyphs is not None))
            if self._first is None or (document.format.is_pdf and not self._first.format.is_pdf):
                self._first = document

    def report(self, drained: Report) -> DocumentReport:
        """What was done."""
        return drained.of_kind(
            DocumentReport,
            made=len(self._made),
            size_bytes=sum(size for size, _, _ in self._made),
            pages=sum(pages for _, pages, _ in self._made),
            with_missing_glyphs=sum(missing for _, _, missing in self._made),
            first=self._first,
            bundles=tuple(self._bundles),
            most_memory=self.shared.pool.most_memory(),
        )

    def _make_bundles(
        self, connection: Connection, job_id: UUID, workshop: Workshop, check: Callable[[], None]
    ) -> Outcome:
        try:
            root, organization_id = self.shared.root, self.shared.organization.id
            made = make_bundles(connection, root, organization_id, job_id, language_of(workshop), check)
        except StorageError as error:
            return Failed("STORAGE", str(error), retry=True)
        except DeliveryError as error:
            return Failed("DAMAGED", str(error))
        except JobNotFound:
            return Skipped("The job was removed, as it ended long ago.")
        self._bundles += made
        return Succeeded({"files": [bundle.file_name for bundle in made]})

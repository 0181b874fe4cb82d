"""The run that makes documents in bulk: chunk by chunk from the queue, in processes, stored before they count.

A chunk is loaded in parts while the processes work, each file is on the disk before its row is written, and rows and
outcomes are one transaction. So a kill at any point loses no item and makes no version twice: what was not committed is
made again, byte for byte the same, and lies under the same name.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Connection

from invoice_pipelines.delivery.documents.bundles import (
    DocumentBundle,
    are_bundles_waiting,
    ask_for_missing_bundles,
    job_of_bundles,
    make_bundles,
)
from invoice_pipelines.delivery.documents.chunk import DocumentRun, Making, language_of
from invoice_pipelines.delivery.documents.pool import DocumentPool, warm_pool
from invoice_pipelines.delivery.documents.rows import Document
from invoice_pipelines.delivery.documents.writing import Stationery
from invoice_pipelines.delivery.rendering.template_files import load_bundle
from invoice_pipelines.delivery.values import MAKE_DOCUMENTS, DeliveryError
from invoice_pipelines.organizations.context import OrganizationContext
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
    context: OrganizationContext,
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
    settings, bundles = context.settings, list[DocumentBundle]()

    def has_ended() -> bool:
        if job_id is None:
            return False
        with context.scope() as connection:
            return get_job(connection, job_id).status.is_final and not are_bundles_waiting(connection, job_id)

    def handle(connection: Connection, chunk: Chunk) -> list[Outcome]:
        stationery = Stationery.of(context.organization, load_bundle(connection), settings.documents_root)
        outcomes: dict[str, Outcome] = {}
        for subject in (item.subject_id for item in chunk.items if chunk.job_id is None):
            if (of_job := job_of_bundles(subject)) is not None:
                outcomes[subject] = _bundled(connection, run, of_job, stationery, chunk.check, bundles)
        if subjects := [item.subject_id for item in chunk.items if item.subject_id not in outcomes]:
            outcomes |= Making(run, connection, chunk, stationery).make(subjects)
        return [outcomes[item.subject_id] for item in chunk.items]

    with context.scope() as connection:
        ask_for_missing_bundles(connection)
    with ExitStack() as opened:
        pool = pool or opened.enter_context(warm_pool(settings.document_processes))
        run = DocumentRun(root_path(settings.documents_root), context.organization, pool)
        drained = drain(
            context.engine,
            context.id,
            MAKE_DOCUMENTS,
            handle,
            chunk_size=CHUNK_SIZE,
            lease=timedelta(seconds=settings.lease_seconds),
            time_box=time_box,
            max_attempts=ATTEMPTS,
            on_progress=on_progress,
            should_stop=lambda: run.is_stopped or (should_stop is not None and should_stop()),
            is_done=has_ended,
        )
        return drained.of_kind(
            DocumentReport,
            **{name: run.figures[name] for name in ("made", "size_bytes", "pages", "with_missing_glyphs")},
            first=run.first,
            bundles=tuple(bundles),
            most_memory=pool.most_memory(),
        )


def _bundled(
    connection: Connection,
    run: DocumentRun,
    job_id: UUID,
    stationery: Stationery,
    check: Callable[[], None],
    bundles: list[DocumentBundle],
) -> Outcome:
    try:
        made = make_bundles(connection, run.root, run.organization.id, job_id, language_of(stationery), check)
    except StorageError as error:
        return Failed("STORAGE", str(error), retry=True)
    except DeliveryError as error:
        return Failed("DAMAGED", str(error))
    except JobNotFound:
        return Skipped("The job was removed, as it ended long ago.")
    bundles += made
    return Succeeded({"files": [bundle.file_name for bundle in made]})

"""Notices files in an inbox and takes them: seen, still, stored, recorded, and only then removed.

Each file that was ever seen has a row in `intake.arrival` that says what became of it. A kill at any point leaves
either the file in the inbox or its original in the store, and the next run goes on from there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, Engine, text
from upath import UPath

from invoice_pipelines.intake.stages.uploads import RecordedUpload, StoredFile, record_uploads, store_upload
from invoice_pipelines.storage import InboxFile, StorageError, TooLarge, list_files, read_chunks, remove_file
from invoice_pipelines.work import Progress, Report, Run

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SeenFile:
    """A file as a listing of the inbox showed it. `path` is below the organization's folder."""

    path: str
    size_bytes: int
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeReport(Report):
    """What a run took, in files: `taken` and `duplicates`, those that were `refused`, and those that are `unstable` and
    wait. `duplicates` and `refused` hold (path, explanation).
    """

    taken: int
    size_bytes: int
    duplicates: Sequence[tuple[str, str]]
    refused: Sequence[tuple[str, str]]
    unstable: int


@dataclass(frozen=True, slots=True)
class _Arrival:
    id: UUID
    path: str
    version: str


def files_by_organization(inbox: UPath) -> dict[str, list[SeenFile]]:
    """All files in the inbox by the name of the folder they lie in, which is the slug of an organization.

    Files that lie in the inbox itself belong to nobody and are under the empty name.
    """
    found: dict[str, list[SeenFile]] = {}
    for file in list_files(inbox):
        slug, slash, path = file.relative_path.partition("/")
        if slash:
            found.setdefault(slug, []).append(SeenFile(path, file.size, file.version))
        else:
            found.setdefault("", []).append(SeenFile(slug, file.size, file.version))
    return found


def organizations_with_waiting_files(engine: Engine) -> set[UUID]:
    """Organizations with files that were seen in the inbox and have not left it, whose absence must be noticed."""
    with engine.connect() as connection:
        return set(
            connection.execute(text("select organization_id from intake.organizations_with_arrivals()")).scalars()
        )


def sight(connection: Connection, files: Iterable[SeenFile], settle: timedelta) -> None:
    """Notes which files lie in the inbox of the organization in scope: all of them, in one call.

    A file is ready once two sightings at least `settle` apart found it unchanged; the clock is PostgreSQL's.
    """
    seen = list(files)
    # The planner knows nothing of the list and expects a few rows; a nested loop over 50,000 files takes minutes
    # (demanded by test_thousands_of_files_are_seen_in_seconds_and_all_taken).
    connection.execute(text("set local enable_nestloop = off"))
    connection.execute(
        text(
            """
            with seen as materialized (
                select * from unnest(cast(:paths as text[]), cast(:sizes as bigint[]), cast(:versions as text[]))
                    with ordinality as n(path, size_bytes, version, position)
            ), gone as (
                delete from intake.arrival a
                where a.outcome is null and not exists (select from seen s where s.path = a.path)
            ), left_inbox as (
                update intake.arrival a set removed_at = now()
                where a.outcome is not null and a.removed_at is null
                  and not exists (select from seen s where s.path = a.path and s.version = a.version)
            ), again as (
                update intake.arrival a
                set last_seen_at = now(), size_bytes = s.size_bytes, version = s.version,
                    still_since = case when a.version = s.version then a.still_since else now() end
                from seen s
                where a.outcome is null and a.path = s.path
                  and (a.version <> s.version or a.last_seen_at - a.still_since < :settle)
            )
            insert into intake.arrival (organization_id, path, size_bytes, version)
            select organizations.current(), s.path, s.size_bytes, s.version
            from seen s
            where not exists (select from intake.arrival a where a.outcome is null and a.path = s.path)
              and not exists (select from intake.arrival a where a.outcome is not null and a.removed_at is null
                                                             and a.path = s.path and a.version = s.version)
            order by s.position
            on conflict (organization_id, hashtextextended(path, 0)) where outcome is null do nothing
            """
        ),
        {
            "paths": [file.path for file in seen],
            "sizes": [file.size_bytes for file in seen],
            "versions": [file.version for file in seen],
            "settle": settle,
        },
    )


def take_arrivals(
    engine: Engine,
    organization_id: UUID,
    inbox: UPath,
    originals: UPath,
    *,
    settle: timedelta,
    max_bytes: int,
    remove: bool,
    created_by: str,
    chunk_size: int = 100,
    time_box: timedelta = timedelta(minutes=30),
    on_progress: Callable[[Progress], None] | None = None,
) -> IntakeReport:
    """Takes the ready files of one organization: stores each original, records it, and removes it from the inbox.

    `inbox` is the folder of the organization. Several processes may do this at once. A file that is too large, or
    cannot be read, stays where it is, with the reason in its arrival. Ends when nothing is ready or the time is up.
    """
    run = Run(
        engine,
        organization_id,
        (),
        time_box=time_box,
        on_progress=on_progress,
        count_due=lambda: (0, None),  # what is ready shows as it is taken
    )
    with run.scope() as connection:
        started_at = connection.execute(text("select now()")).scalar_one()
    present = {(file.relative_path, file.version): file for file in list_files(inbox)}
    taking = _Taking(run, organization_id, present, originals, max_bytes, created_by)
    if remove:
        taking.remove_taken()

    def chunks() -> Iterator[None]:
        while True:
            with run.scope() as connection:
                arrivals = _claim_ready(connection, settle, started_at, chunk_size)
                if not arrivals:
                    return
                done = taking.take(connection, arrivals)
            if remove:
                taking.remove([(arrival, present[arrival.path, arrival.version]) for arrival in done])
            yield

    run.work(chunks)
    return taking.report()


def _claim_ready(connection: Connection, settle: timedelta, started_at: datetime, limit: int) -> list[_Arrival]:
    """Those that were still when this call began: what it had to leave is for the next one."""
    rows = connection.execute(
        text(
            """select id, path, version from intake.arrival
               where outcome is null and last_seen_at - still_since >= :settle and still_since <= :started_at
               order by id limit :limit for update skip locked"""
        ),
        {"settle": settle, "started_at": started_at, "limit": limit},
    )
    return [_Arrival(row.id, row.path, row.version) for row in rows]


@dataclass(slots=True)
class _Taking:
    """The files that a run finds in an inbox on their way to the store."""

    run: Run
    organization_id: UUID
    present: Mapping[tuple[str, str], InboxFile]
    originals: UPath
    max_bytes: int
    created_by: str
    size_bytes: int = 0
    duplicates: list[tuple[str, str]] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)

    def take(self, connection: Connection, arrivals: Sequence[_Arrival]) -> list[_Arrival]:
        """Stores and records the files of a chunk; returns the arrivals whose files may now be removed."""
        stored: list[tuple[_Arrival, StoredFile]] = []
        refused: list[tuple[_Arrival, str]] = []
        unstable: list[_Arrival] = []
        for arrival in arrivals:
            file = self.present.get((arrival.path, arrival.version))
            if file is None:
                unstable.append(arrival)
                continue
            try:
                stored.append((arrival, self._store(file)))
            except TooLarge as error:
                refused.append((arrival, f"{error} ({error.hint})"))
            except StorageError as error:
                logger.warning("%s waits in the inbox: %s", arrival.path, error)
                unstable.append(arrival)
        recorded = record_uploads(connection, [file for _, file in stored], source="inbox", created_by=self.created_by)
        _close(connection, [(arrival, result) for (arrival, _), result in zip(stored, recorded, strict=True)])
        _refuse(connection, refused)
        _start_over(connection, unstable)
        self._count([(arrival, file, result) for (arrival, file), result in zip(stored, recorded, strict=True)])
        self.refused += [(arrival.path, reason) for arrival, reason in refused]
        self.run.tally.add("failed", len(refused))
        self.run.tally.add("postponed", len(unstable))
        return [arrival for arrival, _ in stored]

    def _store(self, file: InboxFile) -> StoredFile:
        chunks = read_chunks(file, self.max_bytes)
        return store_upload(self.originals, self.organization_id, file.name, chunks, self.max_bytes)

    def report(self) -> IntakeReport:
        """What it came to."""
        tally = self.run.tally
        return self.run.report(
            IntakeReport,
            taken=tally["succeeded"],
            size_bytes=self.size_bytes,
            duplicates=self.duplicates,
            refused=self.refused,
            unstable=tally["postponed"],
        )

    def remove_taken(self) -> None:
        """Removes files that were recorded by a process that died before it could remove them."""
        with self.run.scope() as connection:
            rows = connection.execute(
                text(
                    """select id, path, version from intake.arrival
                       where outcome in ('taken', 'duplicate') and removed_at is null"""
                )
            ).all()
        arrivals = [_Arrival(row.id, row.path, row.version) for row in rows]
        lying = [(arrival, self.present.get((arrival.path, arrival.version))) for arrival in arrivals]
        self.remove([(arrival, file) for arrival, file in lying if file is not None])

    def remove(self, files: Sequence[tuple[_Arrival, InboxFile]]) -> None:
        """Removes files whose originals are stored and recorded."""
        removed: list[UUID] = []
        for arrival, file in files:
            try:
                remove_file(file)
            except StorageError as error:
                logger.warning("%s is stored but stays in the inbox: %s", arrival.path, error)
            else:
                removed.append(arrival.id)
        if removed:
            with self.run.scope() as connection:
                connection.execute(
                    text("update intake.arrival set removed_at = now() where id = any(:ids)"), {"ids": removed}
                )

    def _count(self, recorded: Sequence[tuple[_Arrival, StoredFile, RecordedUpload]]) -> None:
        for arrival, original, upload in recorded:
            if upload.is_new:
                self.run.tally.add("succeeded")
                self.size_bytes += original.size_bytes
            else:
                self.run.tally.add("skipped")
                self.duplicates.append((arrival.path, f"same bytes as upload {upload.upload_id}"))


def _close(connection: Connection, results: Sequence[tuple[_Arrival, RecordedUpload]]) -> None:
    connection.execute(
        text(
            """update intake.arrival a set outcome = n.outcome, outcome_at = now(), upload_id = n.upload_id
               from unnest(cast(:ids as uuid[]), cast(:outcomes as text[]), cast(:upload_ids as uuid[]))
                   as n(id, outcome, upload_id)
               where a.id = n.id"""
        ),
        {
            "ids": [arrival.id for arrival, _ in results],
            "outcomes": ["taken" if result.is_new else "duplicate" for _, result in results],
            "upload_ids": [result.upload_id for _, result in results],
        },
    )


def _refuse(connection: Connection, refused: Sequence[tuple[_Arrival, str]]) -> None:
    connection.execute(
        text(
            """update intake.arrival a set outcome = 'refused', outcome_at = now(), reason = n.reason
               from unnest(cast(:ids as uuid[]), cast(:reasons as text[])) as n(id, reason) where a.id = n.id"""
        ),
        {"ids": [arrival.id for arrival, _ in refused], "reasons": [reason for _, reason in refused]},
    )


def _start_over(connection: Connection, unstable: Sequence[_Arrival]) -> None:
    """A file that changed, vanished or could not be read is looked at again from the start."""
    connection.execute(
        text("update intake.arrival set still_since = now(), last_seen_at = now() where id = any(:ids)"),
        {"ids": [arrival.id for arrival in unstable]},
    )

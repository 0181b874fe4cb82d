"""The intake as Dagster sees it: an asset for each stage, what is told of it, and what is due."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from datetime import timedelta
from functools import partial
from uuid import UUID

import dagster as dg
from sqlalchemy import Connection

from invoice_pipelines.database import organization_scope
from invoice_pipelines.defs.checks import check_counted, kept
from invoice_pipelines.defs.domain import Domain, Stage, StageResult, Turn
from invoice_pipelines.defs.factory import definitions_of
from invoice_pipelines.defs.intake.datev_metadata import datev_metadata
from invoice_pipelines.defs.intake.metadata import (
    arrivals_metadata,
    drain_metadata,
    export_metadata,
    failures_table,
    money_table,
    names_table,
    reasons_table,
    refused_table,
    status_chart,
    violations_table,
)
from invoice_pipelines.defs.intake.reparse import REPARSED_INVOICES
from invoice_pipelines.defs.intake.review import check_review, review_metadata
from invoice_pipelines.defs.progress import progress_lines
from invoice_pipelines.defs.resources import InvoiceDatabase
from invoice_pipelines.defs.run_requests import ask_for_runs, behind
from invoice_pipelines.intake import promises
from invoice_pipelines.intake.exports.csv_files import INVOICE_COLUMNS
from invoice_pipelines.intake.operations import newest_verdict, violations_by_class
from invoice_pipelines.intake.overview import (
    exported_money,
    failure_reasons,
    file_names,
    organizations_due,
    organizations_with_ready_files,
    validated_money,
)
from invoice_pipelines.intake.received_invoices import statistics
from invoice_pipelines.intake.stages import stages
from invoice_pipelines.intake.stages.arrivals import (
    files_by_organization,
    organizations_with_waiting_files,
    sight,
)
from invoice_pipelines.intake.stages.stages import intake_of
from invoice_pipelines.intake.states import EXPORT, EXPORT_NOW, INTAKE_RUN, PARSE, PROCESS, VALIDATE
from invoice_pipelines.organizations import OrganizationSummary, list_organizations
from invoice_pipelines.promises import Promise, find_broken
from invoice_pipelines.settings import Settings
from invoice_pipelines.work import Report

SECONDS_FOR_SIGHTING = 25.0
"""A tick may last 60 s; what is not looked at in this time is first in the next tick."""


def take_uploads(turn: Turn, _: object) -> StageResult:
    """Takes what lies in the inbox."""
    report = stages.take_uploads(intake_of(turn.organization), progress_lines(turn.log, "files", is_due_counted=False))
    with turn.organization.scope() as connection:
        refused = check_counted(promises.REFUSED, "refused files", len(report.refused), refused_table(report.refused))
        return StageResult(
            bool(report.taken or report.duplicates or report.refused),
            arrivals_metadata(report),
            [*_kept(connection, promises.OF_UPLOADS), refused],
        )


def parse(turn: Turn, only: stages.Only) -> StageResult:
    """Reads what was uploaded."""
    report = stages.parse_uploads(intake_of(turn.organization), progress_lines(turn.log, "documents"), only=only)
    with turn.organization.scope() as connection:
        failures = failures_of(connection, report)
        shown = drain_metadata(report, failures, "parsed")
        results = [
            check_counted(promises.READABLE, "unreadable documents", report.failed, failures),
            *_kept(connection, promises.OF_PARSED),
        ]
    return StageResult(report.done > 0, shown, results)


def validate(turn: Turn, only: stages.Only) -> StageResult:
    """Judges what was read."""
    intake = intake_of(turn.organization)
    with turn.organization.scope() as connection:
        earlier = newest_verdict(connection)
    report = stages.validate_invoices(intake, progress_lines(turn.log, "invoices"), only=only)
    with turn.organization.scope() as connection:
        failures = failures_of(connection, report)
        shown = drain_metadata(report, failures, "validated")
        shown["violations of this run"] = violations_table(violations_by_class(connection, earlier))
        shown["gross amounts, valid and not exported"] = money_table(validated_money(connection))
        if report.done:
            shown |= review_metadata(connection, intake, turn.log)
        within = timedelta(hours=intake.organization.settings.review_within_hours)
        results = [
            check_counted(promises.VALID, "invalid invoices", report.failed, failures),
            *_kept(connection, promises.OF_VALIDATED),
            check_review(connection, within),
        ]
    return StageResult(report.done > 0, shown, results)


def export(turn: Turn, only: stages.Only) -> StageResult:
    """Exports what was validated."""
    intake = intake_of(turn.organization)
    started = time.monotonic()
    report = stages.export_invoices(intake, progress_lines(turn.log, "invoices"), only=only)
    seconds = time.monotonic() - started
    with turn.organization.scope() as connection:
        money = exported_money(connection, [export.id for export in report.exports])
        language = intake.organization.settings.language
        shown = export_metadata(report, seconds, str(intake.exports / intake.organization.slug), money)
        shown |= datev_metadata(connection, report.exports)
        shown["all received invoices"] = status_chart(statistics(connection).by_status, language)
        shown["all failures"] = reasons_table(failure_reasons(connection))
        return StageResult(bool(report.exports), shown, _kept(connection, promises.OF_EXPORTS))


def by_file(connection: Connection, ids: Sequence[str]) -> dg.TableMetadataValue:
    """Invoices or uploads by the names of files, by which people find them."""
    return names_table(ids, file_names(connection, ids))


def _kept(connection: Connection, promised: Sequence[Promise]) -> list[dg.AssetCheckResult]:
    """Whether promises are kept, as far as something changed."""
    return kept(promised, find_broken(connection, promised), partial(by_file, connection))


def failures_of(connection: Connection, report: Report) -> dg.TableMetadataValue:
    """Documents that failed, each with its reason."""
    names = file_names(connection, [failure.subject_id for failure in report.failures])
    return failures_table(report.failures, names)


def due(connection: Connection, settings: Settings) -> Collection[UUID]:
    """Organizations with files that lie still or work that is open."""
    return organizations_due(connection, timedelta(seconds=settings.inbox_settle_seconds))


def look(domain: Domain, context: dg.SensorEvaluationContext, database: InvoiceDatabase) -> dg.SensorResult:
    """Notes what lies in the inboxes, and asks for runs where something is due."""
    registered = list_organizations(database.engine)
    settle = timedelta(seconds=database.settings.inbox_settle_seconds)
    cursor, unknown = _sight_inboxes(context.cursor, registered, database, settle)
    note = ""
    if unknown:
        folders = ", ".join(repr(folder) for folder in unknown[:20])
        note = f"; files lie in the inbox below {folders}, which is not an organization: they are left there"
        context.log.warning(note.removeprefix("; "))
    return ask_for_runs(domain, context, database, cursor=cursor, note=note)


def _sight_inboxes(
    cursor: str | None, registered: list[OrganizationSummary], database: InvoiceDatabase, settle: timedelta
) -> tuple[str, list[str]]:
    """Notes the files of each organization, going on behind the cursor; returns the new cursor and unknown folders.

    Whose files lie still already is not looked at again until a run has taken them.
    """
    started = time.monotonic()
    found = files_by_organization(database.inbox)
    ready = organizations_with_ready_files(database.engine, settle)
    waiting = organizations_with_waiting_files(database.engine)
    id_of = {organization.slug: organization.id for organization in registered}
    to_sight = [slug for slug in id_of if (slug in found or id_of[slug] in waiting) and id_of[slug] not in ready]
    for slug in behind(sorted(to_sight), cursor or ""):
        with organization_scope(database.engine, id_of[slug]) as connection:
            sight(connection, found.get(slug, []), settle)
        cursor = slug
        if time.monotonic() - started > SECONDS_FOR_SIGHTING:
            break
    return cursor or "", sorted(set(found) - set(id_of))


UPLOADS = Stage(
    key=dg.AssetKey(["intake", "uploads"]),
    description="Files as they arrived: stored unchanged under their SHA-256, recorded once, then taken out of the "
    "inbox.",
    kinds=frozenset({"postgres", "file"}),
    metadata={"dagster/table_name": "intake.upload"},
    work=take_uploads,
    promises=promises.OF_UPLOADS,
    names=by_file,
)
PARSED_INVOICES = Stage(
    key=dg.AssetKey(["intake", "parsed_invoices"]),
    description="Received invoices as their documents say: header, lines and taxes, each value with source and "
    "confidence.",
    deps=[UPLOADS.key],
    metadata={"dagster/table_name": "intake.received_invoice"},
    work=parse,
    promises=promises.OF_PARSED,
    names=by_file,
)
VALIDATED_INVOICES = Stage(
    key=dg.AssetKey(["intake", "validated_invoices"]),
    description="Received invoices that keep the rules of EN 16931 and of a payment run; the others say which they "
    "broke.",
    deps=[PARSED_INVOICES.key],
    metadata={"dagster/table_name": "public.received_invoice"},
    work=validate,
    promises=promises.OF_VALIDATED,
    names=by_file,
)
EXPORT_FILES = Stage(
    key=dg.AssetKey(["intake", "export_files"]),
    description="CSV files of validated invoices, and DATEV batches where that is set up; each invoice once unless "
    "asked again.",
    kinds=frozenset({"postgres", "csv"}),
    deps=[VALIDATED_INVOICES.key],
    metadata={
        "dagster/column_schema": dg.TableSchema(
            [dg.TableColumn(name, description=meaning) for name, meaning in INVOICE_COLUMNS.items()]
        )
    },
    work=export,
    standing=frozenset({"not booked"}),
    promises=promises.OF_EXPORTS,
    names=by_file,
)
INTAKE = Domain(
    name=INTAKE_RUN,
    description="Takes, reads, validates and exports whatever waits in one organization.",
    does="Takes, reads, validates and exports for {}",
    op="sweep_organizations",
    owner="team:accounts_payable",
    kinds=(PARSE, VALIDATE, EXPORT, PROCESS, EXPORT_NOW),
    stages=(UPLOADS, PARSED_INVOICES, VALIDATED_INVOICES, EXPORT_FILES),
    apart=(REPARSED_INVOICES,),
    due=due,
    sensor="intake_due",
    sensor_description="Asks for a run of each organization with files that lie still or work that is open, and none "
    "in flight.",
    look=look,
    by_hand=("process_uploads_now", "retry_failed_intake", "reparse_intake"),
)


@dg.definitions
def intake() -> dg.Definitions:
    return definitions_of(INTAKE)

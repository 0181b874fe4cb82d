"""Text recognition as Dagster sees it: a stage of the intake with runs of its own, which hold up nothing else."""

from __future__ import annotations

import dagster as dg

from invoice_pipelines.defs.checks import check_counted
from invoice_pipelines.defs.domain import Domain, Stage, StageResult, Turn
from invoice_pipelines.defs.factory import definitions_of
from invoice_pipelines.defs.intake.domain import PARSED_INVOICES, failures_of
from invoice_pipelines.defs.intake.metadata import drain_metadata, recognition_metadata
from invoice_pipelines.defs.progress import progress_lines
from invoice_pipelines.intake import promises
from invoice_pipelines.intake.overview import organizations_with_pages
from invoice_pipelines.intake.stages import stages
from invoice_pipelines.intake.stages.stages import intake_of
from invoice_pipelines.intake.states import RECOGNIZE


def recognize(turn: Turn, only: stages.Only) -> StageResult:
    """Recognizes the pages that parsing found to be pictures."""
    report = stages.recognize_pages(intake_of(turn.organization), progress_lines(turn.log, "documents"), only=only)
    unavailable = report.recognition.unavailable if report.recognition else None
    with turn.organization.scope() as connection:
        failures = failures_of(connection, report)
    shown = drain_metadata(report, failures, "recognized")
    if report.recognition is not None:
        shown |= recognition_metadata(report.recognition)
    results = [
        check_counted(promises.READABLE, "unreadable documents", report.failed, failures),
        dg.AssetCheckResult(
            check_name=promises.OCR_WORKS.name,
            passed=unavailable is None,
            severity=dg.AssetCheckSeverity.ERROR,
            metadata={"what is wrong": unavailable} if unavailable else {},
        ),
    ]
    return StageResult(report.chunks > 0, shown, results)


RECOGNIZED_PAGES = Stage(
    key=dg.AssetKey(["intake", "recognized_pages"]),
    description="The words on pages that are pictures, as OCR read them; their documents are parsed in the next run of "
    "the intake.",
    deps=[PARSED_INVOICES.key],
    metadata={"dagster/table_name": "intake.ocr_page"},
    work=recognize,
    promises=promises.OF_RECOGNIZED,
)
RECOGNITION = Domain(
    name="recognition",
    description="Recognizes the text of pages that are pictures, of the documents that wait for it.",
    does="Recognizes the text of pages that are pictures for {}",
    owner="team:accounts_payable",
    kinds=(RECOGNIZE,),
    stages=(RECOGNIZED_PAGES,),
    due=lambda connection, _: organizations_with_pages(connection),
    sensor="recognition_due",
    sensor_description="Asks for a run over the organizations with pages to recognize, beside all other runs, one at a "
    "time.",
    beside="(recognition)",
)


@dg.definitions
def recognition() -> dg.Definitions:
    return definitions_of(RECOGNITION)

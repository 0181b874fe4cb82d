"""Holds the checks of delivery: what documents and messages promise, and what a broken promise shows.

They are evaluated after each run, on the organization at hand. None blocks: what is wrong with one document must not
keep the others from whom they are for, and a message is looked at once more before it goes out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import dagster as dg
from sqlalchemy import Connection

from invoice_pipelines.billing.promises import SAMPLE, Finding
from invoice_pipelines.defs.metadata import table, without_empty_tables
from invoice_pipelines.defs.organizations import organizations
from invoice_pipelines.delivery import promises
from invoice_pipelines.delivery.overview import sample_of_invoices
from invoice_pipelines.delivery.values import MAKE_DOCUMENTS, SENDING_KINDS
from invoice_pipelines.settings import Settings

if TYPE_CHECKING:
    from invoice_pipelines.delivery.documents.documents import Document

ERROR, WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN

FILES_LOOKED_AT = 20
"""Of the newest documents, whose files are read again after each run."""
JUDGED = 10
"""Documents of a run that are judged by the official rules, which takes about 10 ms for each."""

INTACT = "documents_match_their_files"
VALID = "documents_are_valid_e_invoices"
OUTCOME = "every_message_has_an_outcome"


@dataclass(frozen=True, slots=True)
class _Promise:
    name: str
    description: str
    find: Callable[[Connection], Finding]
    severity: dg.AssetCheckSeverity = ERROR


_DOCUMENTS = {
    INTACT: f"The files of the {FILES_LOOKED_AT} newest documents are what they were when they were made (SHA-256).",
    VALID: f"Of what a run made, {JUDGED} documents: the XML keeps its schema and the rules of EN 16931, and of "
    "XRechnung where it says so.",
}

LATE_DOCUMENTS = _Promise(
    "no_document_is_late",
    "No document waits for more than an hour to be made.",
    lambda connection: promises.late_work(connection, [MAKE_DOCUMENTS]),
    WARN,
)

MESSAGES = (
    _Promise(
        "nobody_is_told_twice",
        "No provider took a message twice, unless a person had it sent again.",
        promises.messages_sent_twice,
    ),
    _Promise(
        "sent_messages_have_an_attempt",
        "Whatever is said to have gone out was taken by a provider in an attempt, or a person says so.",
        promises.messages_sent_by_nobody,
    ),
    _Promise(
        "no_message_of_void_invoices",
        "No message went out after its invoice was void.",
        promises.messages_of_void_invoices,
    ),
    _Promise(
        "no_reminder_of_settled_invoices",
        "No reminder went out after its invoice was paid, credited or void.",
        promises.reminders_of_settled_invoices,
    ),
    _Promise(
        "no_message_is_late",
        "No message waits for more than an hour. Those that wait for the end of quiet hours, or for a channel that is "
        "not set up or cannot be reached, are put off and do not count.",
        lambda connection: promises.late_work(connection, SENDING_KINDS),
        WARN,
    ),
)
_OUTCOME_DESCRIPTION = (
    "No message is in the middle of being sent for more than an hour. A warning where it is unknown whether one went "
    "out: `invoice-pipelines messages resolve` says what a person found."
)


def checks_of_documents() -> list[dg.AssetCheckSpec]:
    """The checks of invoice_documents, by organization like the asset itself."""
    return _specs("invoice_documents", {**_DOCUMENTS, LATE_DOCUMENTS.name: LATE_DOCUMENTS.description})


def checks_of_messages() -> list[dg.AssetCheckSpec]:
    """The checks of messages, likewise."""
    described = {promise.name: promise.description for promise in MESSAGES}
    return _specs("messages", {OUTCOME: _OUTCOME_DESCRIPTION, **described})


def check_documents(
    connection: Connection, settings: Settings, organization_id: UUID, since: datetime
) -> list[dg.AssetCheckResult]:
    """Results of `checks_of_documents`, for the organization in scope and what was made since a moment."""
    from invoice_pipelines.delivery.documents.documents import changed_documents  # loads the engine of pages

    changed = changed_documents(connection, settings, organization_id, limit=FILES_LOOKED_AT)
    damaged = Finding(len(changed), tuple(found.reason for found in changed[:SAMPLE]))
    judged = _made_of(connection, sample_of_invoices(connection, since, JUDGED), since)
    return [
        _result(INTACT, damaged, ERROR),
        _result(VALID, _invalid(settings, organization_id, judged), ERROR, judged=len(judged)),
        _result(LATE_DOCUMENTS.name, LATE_DOCUMENTS.find(connection), LATE_DOCUMENTS.severity),
    ]


def check_messages(connection: Connection) -> list[dg.AssetCheckResult]:
    """Results of `checks_of_messages`, for the organization in scope."""
    stuck = promises.messages_without_outcome(connection)
    unknown = promises.messages_of_unknown_outcome(connection)
    found = Finding(stuck.count + unknown.count, (*stuck.sample, *unknown.sample)[:SAMPLE])
    return [
        _result(OUTCOME, found, WARN if stuck.kept else ERROR),
        *(_result(promise.name, promise.find(connection), promise.severity) for promise in MESSAGES),
    ]


def _made_of(connection: Connection, invoice_ids: Sequence[UUID], since: datetime) -> list[Document]:
    """The newest e-invoices of these invoices, as far as they were made since a moment."""
    from invoice_pipelines.delivery.documents.documents import newest_documents
    from invoice_pipelines.delivery.values import E_INVOICES

    found = newest_documents(connection, invoice_ids).values()
    return [document for document in found if document.created_at >= since and document.format in E_INVOICES][:JUDGED]


def _invalid(settings: Settings, organization_id: UUID, documents: Sequence[Document]) -> Finding:
    """Which of these documents an importer would refuse, with the first rule that each breaks. What cannot be read
    because its file is damaged is told of by the other check.
    """
    if not documents:
        return Finding(0, ())
    # Here, as these load the rules and their processor; loading Dagster must not wait for them.
    from invoice_pipelines.delivery.documents.documents import document_bytes
    from invoice_pipelines.delivery.values import DeliveryError
    from invoice_pipelines.einvoice import ReadingError, validate
    from invoice_pipelines.einvoice.rules.verdict import Severity
    from invoice_pipelines.intake.documents import read_document

    wrong = []
    for document in documents:
        try:
            reading = read_document(document_bytes(settings, organization_id, document), document.file_name)
        except DeliveryError:
            continue
        except ReadingError as error:
            wrong.append(f"{document.file_name}: {error}")
            continue
        if reading.xml is None:
            wrong.append(f"{document.file_name}: there is no XML in it")
            continue
        if fatal := [
            violation for violation in validate(reading.xml).violations if violation.severity is Severity.FATAL
        ]:
            wrong.append(f"{document.file_name}: {fatal[0].rule}: {fatal[0].message}"[:500])
    return Finding(len(wrong), tuple(wrong[:SAMPLE]))


def _specs(asset: str, described: dict[str, str]) -> list[dg.AssetCheckSpec]:
    return [
        dg.AssetCheckSpec(name, asset=["delivery", asset], description=description, partitions_def=organizations)
        for name, description in described.items()
    ]


def _result(name: str, finding: Finding, severity: dg.AssetCheckSeverity, **shown: int) -> dg.AssetCheckResult:
    sample = table([{"which": which} for which in finding.sample])
    return dg.AssetCheckResult(
        check_name=name,
        passed=finding.kept,
        severity=severity,
        metadata=without_empty_tables({"offending": finding.count, **shown, "sample": sample}),
    )

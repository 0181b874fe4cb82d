"""Holds the validate stage: readings get a verdict, and go on or fail by it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import Connection, text

from invoice_pipelines.intake.reading import Reading, Source
from invoice_pipelines.intake.received_invoices import InvoiceVersion, ProcessingError, mark_failed, mark_validated
from invoice_pipelines.intake.validation import EarlierInvoice, Expectations, Severity, Verdict, validate
from invoice_pipelines.work import Chunk, Failed, Outcome, Skipped, Succeeded

_READING = TypeAdapter(Reading)
_EARLIER = TypeAdapter(tuple[EarlierInvoice, ...])


@dataclass(frozen=True, slots=True)
class _Parsed:
    invoice: InvoiceVersion
    reading: Reading
    earlier: tuple[EarlierInvoice, ...]


def validate_handler(
    today: date, past_years: int, rules_directory: Path | None
) -> Callable[[Connection, Chunk], list[Outcome]]:
    """The handler of the `validate_invoice` queue, whose subjects are ids of received invoices.

    `today` is the date in the organization's time zone; an invoice dated more than `past_years` earlier gets a
    warning. A fatal violation fails the invoice; every violation is stored with the version of the rules.
    """

    def handle(connection: Connection, chunk: Chunk) -> list[Outcome]:
        parsed = _lock_parsed(connection, [UUID(item.subject_id) for item in chunk.items])
        verdicts: dict[UUID, Verdict] = {}
        for invoice_id, document in parsed.items():
            expectations = Expectations(today=today, past_years=past_years, earlier_invoices=document.earlier)
            verdicts[invoice_id] = validate(document.reading, expectations, rules_directory=rules_directory)
        _store_verdicts(connection, verdicts)
        mark_validated(connection, [parsed[key].invoice for key, verdict in verdicts.items() if verdict.valid])
        mark_failed(
            connection,
            [
                (parsed[key].invoice, ProcessingError("validate", *_reason(verdict)))
                for key, verdict in verdicts.items()
                if not verdict.valid
            ],
        )
        return [_outcome(verdicts.get(UUID(item.subject_id))) for item in chunk.items]

    return handle


def _reading(stored: dict[str, Any], xml: bytes | None) -> Reading:
    """The reading as it was made. Raises ValueError where its XML is gone: no e-invoice passes without its rules."""
    reading = _READING.validate_python(stored)
    if reading.source is Source.XML and xml is None:
        raise ValueError("the XML of the reading is missing; the document must be read again")
    return replace(reading, xml=xml)


def _lock_parsed(connection: Connection, ids: list[UUID]) -> dict[UUID, _Parsed]:
    """The invoices that may be validated, locked to the end of the transaction, with what was received before.

    That is what has passed, and what waits with a smaller id, which follows the order of arrival: of two with the same
    number that wait, the later one is the duplicate. Invoices with the same number of the same seller wait for one
    another, or two workers could pass one each. The locks are taken by a statement of their own, so that the next one
    sees what was committed meanwhile; in one order, so that no two workers wait in a circle.
    """
    numbered = connection.execute(
        text(
            """
            select id, pg_advisory_xact_lock(number_lock)
            from (select id, hashtextextended(organization_id || '/' || seller_key || '/' || invoice_key, 0)
                             as number_lock
                  from intake.received_invoice
                  where id = any(:ids) and status = 'PARSED'
                  order by number_lock) parsed
            """
        ),
        {"ids": ids},
    ).all()
    rows = connection.execute(
        text(
            """
            select r.id, r.processing_version, r.reading_json, r.xml,
                   (select coalesce(jsonb_agg(jsonb_build_object(
                               'number', e.invoice_number, 'issue_date', e.issue_date,
                               'gross_amount', e.gross_amount::text, 'currency', e.currency, 'label', eu.file_name)),
                               '[]')
                    from intake.received_invoice e
                    join intake.upload eu on eu.organization_id = e.organization_id and eu.id = e.upload_id
                    where e.seller_key = r.seller_key and e.id <> r.id
                      and (e.status in ('VALIDATED', 'EXPORTED') or e.status = 'PARSED' and e.id < r.id)
                      and (e.invoice_key = r.invoice_key
                           or e.issue_date = r.issue_date and e.gross_amount = r.gross_amount)) as earlier
            from intake.received_invoice r
            where r.id = any(:ids) and r.status = 'PARSED'
            order by r.id for update of r
            """
        ),
        {"ids": [row.id for row in numbered]},
    )
    return {
        row.id: _Parsed(
            InvoiceVersion(row.id, row.processing_version),
            _reading(row.reading_json, row.xml),
            _EARLIER.validate_python(row.earlier),
        )
        for row in rows
    }


def _store_verdicts(connection: Connection, verdicts: dict[UUID, Verdict]) -> None:
    if not verdicts:
        return
    rows = connection.execute(
        text(
            """insert into intake.verdict (organization_id, received_invoice_id, is_valid, rules_version)
               select current_setting('app.organization_id')::uuid, n.*
               from unnest(cast(:ids as uuid[]), cast(:valid as boolean[]), cast(:versions as text[])) as n
               returning id, received_invoice_id"""
        ),
        {
            "ids": list(verdicts),
            "valid": [verdict.valid for verdict in verdicts.values()],
            "versions": [verdict.rules_version for verdict in verdicts.values()],
        },
    )
    violations = [
        parameters for row in rows for parameters in _violation_rows(row.id, verdicts[row.received_invoice_id])
    ]
    if violations:
        connection.execute(
            text(
                """insert into intake.violation (organization_id, verdict_id, position, rule, severity,
                                                 violation_class, message, message_de, location)
                   values (current_setting('app.organization_id')::uuid, :verdict_id, :position, :rule, :severity,
                           :violation_class, :message, :message_de, :location)"""
            ),
            violations,
        )


def _violation_rows(verdict_id: UUID, verdict: Verdict) -> Iterable[dict[str, Any]]:
    for position, violation in enumerate(verdict.violations, start=1):
        yield {
            "verdict_id": verdict_id,
            "position": position,
            "rule": violation.rule,
            "severity": str(violation.severity),
            "violation_class": str(violation.violation_class),
            "message": violation.message,
            "message_de": violation.message_de,
            "location": violation.location,
        }


def _reason(verdict: Verdict) -> tuple[str, str]:
    """Code and message of a verdict that is not valid: its first fatal violation, and how many more there are."""
    fatal = [violation for violation in verdict.violations if violation.severity is Severity.FATAL]
    more = f" (and {len(fatal) - 1} more)" if len(fatal) > 1 else ""
    return fatal[0].rule, fatal[0].message + more


def _outcome(verdict: Verdict | None) -> Outcome:
    if verdict is None:
        return Skipped("the invoice is not waiting to be validated any more")
    if verdict.valid:
        return Succeeded({"warnings": len(verdict.violations)})
    code, message = _reason(verdict)
    return Failed(code, message, retry=False)

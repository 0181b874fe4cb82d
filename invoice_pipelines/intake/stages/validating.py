"""The validate stage: each reading gets a verdict, by which its invoice goes on, fails, or waits for a person."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import Connection, text

from invoice_pipelines.einvoice.rules.verdict import Severity, Verdict, listed
from invoice_pipelines.intake.reading import Reading, Source
from invoice_pipelines.intake.received_invoices import (
    InvoiceVersion,
    ProcessingError,
    change_reading,
    mark_failed,
    mark_validated,
)
from invoice_pipelines.intake.review.decision_log import (
    Decision,
    decided,
    rejection,
    settled,
    standing_decisions_of,
)
from invoice_pipelines.intake.review.queue import store_reasons
from invoice_pipelines.intake.review.reason import ReviewReason
from invoice_pipelines.intake.review.reasons import Judgement, judge, not_asked
from invoice_pipelines.intake.rows import seller_key
from invoice_pipelines.intake.stages.received_before import (
    EARLIER,
    EARLIER_INVOICES_SQL,
    OTHER_ACCOUNTS,
    OTHER_ACCOUNTS_SQL,
    Earlier,
    OtherAccount,
    plan_by_order,
)
from invoice_pipelines.intake.turnaround import count_turnarounds
from invoice_pipelines.intake.validation.accounts import comparable_account
from invoice_pipelines.intake.validation.content import Expectations
from invoice_pipelines.intake.validation.duplicates import A_FEW_DAYS
from invoice_pipelines.intake.validation.unasked import without_number
from invoice_pipelines.intake.validation.validate import validate
from invoice_pipelines.organizations import ReviewThresholds
from invoice_pipelines.work import Chunk, Failed, Outcome, Skipped, Succeeded

_READING = TypeAdapter(Reading)


@dataclass(frozen=True, slots=True)
class Standard:
    """What the invoices of an organization are judged by.

    `today` is the date in its time zone; an invoice dated more than `past_years` earlier gets a warning. `thresholds`
    say how sure a reader must be of what no XML says. `country` is that of the organization (ISO 3166-1).
    """

    today: date
    past_years: int
    rules_directory: Path | None = None
    thresholds: ReviewThresholds = field(default_factory=ReviewThresholds)
    country: str | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """What validation says of one invoice, and why it waits for a person where it does."""

    verdict: Verdict
    judgement: Judgement
    reasons: tuple[ReviewReason, ...]


@dataclass(frozen=True, slots=True)
class ParsedInvoice:
    """An invoice with its reading, locked to the end of the transaction, and what was received before it."""

    version: InvoiceVersion
    reading: Reading
    earlier: tuple[Earlier, ...]
    other_accounts: tuple[OtherAccount, ...]


def validate_handler(standard: Standard) -> Callable[[Connection, Chunk], list[Outcome]]:
    """The handler of the `validate_invoice` queue, whose subjects are ids of received invoices.

    Every violation is stored with the version of the rules. What becomes of an invoice is for `review.reasons.judge`.
    """

    def handle(connection: Connection, chunk: Chunk) -> list[Outcome]:
        ids = [UUID(item.subject_id) for item in chunk.items]
        judged = judge_parsed(connection, ids, standard, on_progress=chunk.check)
        count_turnarounds(connection, judged)
        return [_outcome(judged.get(UUID(item.subject_id))) for item in chunk.items]

    return handle


def judge_parsed(
    connection: Connection, ids: Sequence[UUID], standard: Standard, on_progress: Callable[[], None] = lambda: None
) -> dict[UUID, Judged]:
    """Judges those of the invoices that are PARSED, and moves them on by it: to VALIDATED, to FAILED, or nowhere where
    a person has to look at them. What people decided about earlier readings of the same documents counts again.

    `on_progress` is called after each invoice: one that was made to harm may take a minute (`validation.judge`).
    """
    parsed, decisions = _as_decided(connection, ids)
    judged: dict[UUID, Judged] = {}
    accounts_passed: set[tuple[str | None, str]] = set()
    unnumbered: dict[UUID, Reading] = {}

    def may_pass(earlier_id: UUID) -> bool:
        """What came earlier and has just not passed takes no number, and makes no account known."""
        return earlier_id not in judged or judged[earlier_id].judgement is Judgement.VALID

    for invoice_id, document in parsed.items():
        reading = document.reading
        account = (seller_key(reading.seller), comparable_account(reading.iban or ""))
        skipped = not_asked(reading, standard.thresholds, standard.country)
        if "number" in skipped:
            reading = unnumbered[invoice_id] = without_number(reading)
        others = [other.known for other in document.other_accounts if may_pass(other.id)]
        expectations = Expectations(
            today=standard.today,
            past_years=standard.past_years,
            earlier_invoices=tuple(
                replace(other.invoice, number=None) if other.id in unnumbered else other.invoice
                for other in document.earlier
                if may_pass(other.id)
            ),
            other_account=others[-1] if others and account not in accounts_passed else None,
            country=standard.country,
        )
        verdict = validate(reading, expectations, rules_directory=standard.rules_directory)
        verdict = replace(verdict, violations=listed((*verdict.violations, *skipped.values())))
        made = decisions.get(invoice_id, ())
        judged[invoice_id] = Judged(
            verdict,
            *judge(
                reading,
                verdict,
                standard.thresholds,
                home=standard.country,
                accepted=settled(made),
                seen_by_a_person=bool(made),
                rejection=rejection(made),
            ),
        )
        if judged[invoice_id].judgement is Judgement.VALID:
            accounts_passed.add(account)
        on_progress()
    for invoice_id, reading in unnumbered.items():
        if judged[invoice_id].judgement is Judgement.VALID:
            change_reading(connection, parsed[invoice_id].version, reading)
    _store_verdicts(connection, {invoice_id: found.verdict for invoice_id, found in judged.items()})
    store_reasons(connection, {parsed[key].version: found.reasons for key, found in judged.items()}, list(judged))
    mark_validated(
        connection, [parsed[key].version for key, found in judged.items() if found.judgement is Judgement.VALID]
    )
    mark_failed(
        connection,
        [
            (parsed[key].version, _error(found.verdict))
            for key, found in judged.items()
            if found.judgement is Judgement.FAILED
        ],
    )
    return judged


def _as_decided(
    connection: Connection, ids: Sequence[UUID]
) -> tuple[dict[UUID, ParsedInvoice], dict[UUID, tuple[Decision, ...]]]:
    """The parsed invoices, each with what people made of its reading, and their decisions that stand."""
    parsed = lock_parsed(connection, ids)
    decisions = standing_decisions_of(connection, list(parsed))
    changed: list[UUID] = []
    for invoice_id, made in decisions.items():
        reading = decided(parsed[invoice_id].reading, made)
        if reading != parsed[invoice_id].reading:
            change_reading(connection, parsed[invoice_id].version, reading)
            changed.append(invoice_id)
    if changed:  # with another number or seller, other invoices are the earlier ones
        parsed |= lock_parsed(connection, changed)
    return parsed, decisions


def _reading(stored: dict[str, Any], xml: bytes | None) -> Reading:
    """The reading as it was made. Raises ValueError where its XML is gone: no e-invoice passes without its rules."""
    reading = _READING.validate_python(stored)
    if reading.source is Source.XML and xml is None:
        raise ValueError("the XML of the reading is missing; the document must be read again")
    return replace(reading, xml=xml)


def lock_parsed(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, ParsedInvoice]:
    """The invoices that may be validated, locked to the end of the transaction, with what was received before.

    That is what has passed, and what waits with a smaller id, which follows the order of arrival: of two with the same
    number that wait, the later one is the duplicate. What waits for a person is not counted, as nobody knows yet
    whether it passes: once it is decided on, what has passed meanwhile counts against it. Invoices with the same number
    of the same seller, and without a number those of the same day and total, wait for one another, or two workers
    could pass one each. The locks are taken by a statement of their own, so that the next one sees what was committed
    meanwhile; in one order, so that no two workers wait in a circle.
    """
    numbered = connection.execute(
        text(
            """
            select id, pg_advisory_xact_lock(number_lock)
            from (select id, hashtextextended(organization_id || '/' || coalesce(seller_key || '/' || invoice_key,
                                                                                 amount_key || '/' || issue_date), 0)
                             as number_lock
                  from intake.received_invoice
                  where id = any(:ids) and status = 'PARSED'
                  order by number_lock) parsed
            """
        ),
        {"ids": list(ids)},
    ).all()
    plan_by_order(connection)
    rows = connection.execute(
        text(
            f"""
            select r.id, r.processing_version, r.reading_json, r.xml, {EARLIER_INVOICES_SQL} as earlier,
                   {OTHER_ACCOUNTS_SQL} as other_accounts
            from intake.received_invoice r
            where r.id = any(:ids) and r.status = 'PARSED'
            order by r.id for update of r
            """
        ),
        {"ids": [row.id for row in numbered], "days": A_FEW_DAYS.days},
    )
    return {
        row.id: ParsedInvoice(
            InvoiceVersion(row.id, row.processing_version),
            _reading(row.reading_json, row.xml),
            EARLIER.validate_python(row.earlier),
            OTHER_ACCOUNTS.validate_python(row.other_accounts or []),
        )
        for row in rows
    }


def lock_numbers(connection: Connection, numbers: set[tuple[str | None, str | None]]) -> None:
    """Takes the locks of `lock_parsed` on these sellers and numbers, for what changes an invoice before it is judged:
    else the two could wait in a circle.
    """
    known = [(seller, number) for seller, number in numbers if seller is not None and number is not None]
    connection.execute(
        text(
            """select pg_advisory_xact_lock(number_lock)
               from (select distinct hashtextextended(current_setting('app.organization_id') || '/' || seller || '/'
                                                      || number, 0) as number_lock
                     from unnest(cast(:sellers as text[]), cast(:numbers as text[])) as n(seller, number)
                     order by number_lock) locks"""
        ),
        {"sellers": [seller for seller, _ in known], "numbers": [number for _, number in known]},
    )


def _store_verdicts(connection: Connection, verdicts: dict[UUID, Verdict]) -> None:
    if not verdicts:
        return
    rows = connection.execute(
        text(
            """insert into intake.verdict (organization_id, received_invoice_id, is_valid, rules_version)
               select organizations.current(), n.*
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
                   values (organizations.current(), :verdict_id, :position, :rule, :severity,
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
    others = sum(violation.times for violation in fatal) - 1
    more = f" (and {others:,} more)" if others else ""
    return fatal[0].rule, fatal[0].message + more


def _error(verdict: Verdict) -> ProcessingError:
    first = next(violation for violation in verdict.violations if violation.severity is Severity.FATAL)
    return ProcessingError("validate", *_reason(verdict), violation_class=str(first.violation_class))


def _outcome(judged: Judged | None) -> Outcome:
    if judged is None:
        return Skipped("the invoice no longer waits to be validated")
    if judged.judgement is Judgement.NEEDS_REVIEW:
        more = f" (and {len(judged.reasons) - 1} more)" if len(judged.reasons) > 1 else ""
        return Skipped(f"waits for a review: {judged.reasons[0].message}{more}")
    if judged.judgement is Judgement.VALID:
        return Succeeded({"warnings": len(judged.verdict.violations)})
    code, message = _reason(judged.verdict)
    return Failed(code, message, retry=False)

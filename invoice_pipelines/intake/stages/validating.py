"""The validate stage: each reading gets a verdict, by which its invoice goes on, fails, or waits for a person."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import Connection, text

from invoice_pipelines.einvoice.rules.verdict import Severity, Verdict
from invoice_pipelines.intake.reading import Reading, Source
from invoice_pipelines.intake.received_invoices import (
    InvoiceVersion,
    ProcessingError,
    change_reading,
    mark_failed,
    mark_validated,
)
from invoice_pipelines.intake.review.decision_log import Decision, decided, standing_decisions_of
from invoice_pipelines.intake.review.queue import store_reasons
from invoice_pipelines.intake.review.reasons import Judgement, seller_is_sure
from invoice_pipelines.intake.rows import invoice_key, seller_key
from invoice_pipelines.intake.stages.judging import Judged, Standard, judge_reading
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
from invoice_pipelines.intake.validation.duplicates import A_FEW_DAYS, EarlierInvoice
from invoice_pipelines.intake.validation.withholding import as_read, unconfirmed_seller
from invoice_pipelines.work import Chunk, Failed, Outcome, Skipped, Succeeded

_READING = TypeAdapter(Reading)


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
    parsed, decisions = _as_decided(connection, ids, standard)
    judged: dict[UUID, Judged] = {}
    accounts_passed: set[tuple[str | None, str]] = set()

    def as_it_passed(earlier: Earlier) -> EarlierInvoice:
        """What came earlier, as it is told since it has just passed."""
        if earlier.id not in judged:
            return earlier.invoice
        told = judged[earlier.id].reading
        return replace(earlier.invoice, number=told.number, sure_seller=unconfirmed_seller(told) is None)

    def may_pass(earlier_id: UUID) -> bool:
        """What came earlier and has just not passed takes no number, and makes no account known."""
        return earlier_id not in judged or judged[earlier_id].judgement is Judgement.VALID

    for invoice_id, document in parsed.items():
        reading = document.reading
        account = (seller_key(reading.seller), comparable_account(reading.iban or ""))
        is_sure = seller_is_sure(reading, standard.thresholds)
        earlier = [as_it_passed(other) for other in document.earlier if may_pass(other.id)]
        others = [other.known for other in document.other_accounts if may_pass(other.id)]
        expectations = Expectations(
            today=standard.today,
            past_years=standard.past_years,
            earlier_invoices=tuple(replace(one, sure_seller=one.sure_seller and is_sure) for one in earlier),
            other_account=others[-1] if others and account not in accounts_passed else None,
            country=standard.country,
        )
        judged[invoice_id] = judge_reading(reading, expectations, standard, decisions.get(invoice_id, ()))
        if judged[invoice_id].judgement is Judgement.VALID:
            accounts_passed.add(account)
        on_progress()
    for invoice_id, found in judged.items():
        if found.judgement is Judgement.VALID and found.reading.withheld:
            change_reading(connection, parsed[invoice_id].version, found.reading)
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
    connection: Connection, ids: Sequence[UUID], standard: Standard
) -> tuple[dict[UUID, ParsedInvoice], dict[UUID, tuple[Decision, ...]]]:
    """The parsed invoices, each with what people made of its reading, and their decisions that stand."""
    sure = max(standard.thresholds.model_dump().values())
    parsed = lock_parsed(connection, ids, sure)
    decisions = standing_decisions_of(connection, list(parsed))
    changed: list[UUID] = []
    for invoice_id, made in decisions.items():
        reading = decided(parsed[invoice_id].reading, made)
        if reading != parsed[invoice_id].reading:
            change_reading(connection, parsed[invoice_id].version, reading)
            changed.append(invoice_id)
    if changed:  # with another number or seller, other invoices are the earlier ones
        parsed |= lock_parsed(connection, changed, sure)
    return parsed, decisions


def _reading(stored: dict[str, Any], xml: bytes | None) -> Reading:
    """The reading as it was made. Raises ValueError where its XML is gone: no e-invoice passes without its rules."""
    reading = _READING.validate_python(stored)
    if reading.source is Source.XML and xml is None:
        raise ValueError("the XML of the reading is missing; the document must be read again")
    return replace(reading, xml=xml)


def lock_parsed(connection: Connection, ids: Sequence[UUID], sure: float | None = None) -> dict[UUID, ParsedInvoice]:
    """The invoices that may be validated, locked to the end of the transaction, with what was received before.

    That is what has passed, and what waits with a smaller id, which follows the order of arrival: of two with the same
    number that wait, the later one is the duplicate. What waits for a person is not counted, as nobody knows yet
    whether it passes: once it is decided on, what has passed meanwhile counts against it. Invoices that may be the same
    wait for one another (`_LOCKS`), or two workers could pass one each; from the confidence `sure` on, nothing that
    was read of an invoice is left out, and without it none counts as sure. The locks are taken by a statement of their
    own, so that the next one sees what was committed meanwhile; in one order, so that no two workers wait in a circle.
    """
    numbered = connection.execute(
        text(
            f"""
            select id, {_TAKE_LOCK}
            from (select r.id, lock.*
                  from (select id, organization_id, seller_key, invoice_key, amount_key,
                               source <> 'xml' and (cast(:sure as numeric) is null or confidence < :sure) as is_doubtful
                        from intake.received_invoice where id = any(:ids) and status = 'PARSED') r {_LOCKS}
                  order by rank, lock.key, is_alone desc) locks
            """
        ),
        {"ids": list(ids), "sure": sure},
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
        {"ids": list({row.id for row in numbered}), "days": A_FEW_DAYS.days},
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


Told = tuple[str | None, str | None, Decimal | None]
"""Key of the seller, key of the number, and total: by what an invoice is known to have been received before."""


def told_by(reading: Reading) -> Told:
    """By what a reading is known again."""
    whole = as_read(reading)
    return seller_key(whole.seller), invoice_key(whole.number), whole.gross_amount


def lock_told(connection: Connection, told: Collection[Told]) -> None:
    """Takes the locks of `lock_parsed` on these, for what changes an invoice before it is judged: else the two could
    wait in a circle.
    """
    sellers, numbers, totals = zip(*told, strict=True) if told else ((), (), ())
    connection.execute(
        text(
            f"""
            select {_TAKE_LOCK}
            from (select lock.*
                  from (select organizations.current() as organization_id, seller_key, invoice_key,
                               left(trim_scale(total)::text, 64) as amount_key, true as is_doubtful
                        from unnest(cast(:sellers as text[]), cast(:numbers as text[]), cast(:totals as numeric[]))
                            as told(seller_key, invoice_key, total)) r
                       {_LOCKS}
                  order by rank, lock.key, is_alone desc) locks
            """
        ),
        {"sellers": list(sellers), "numbers": list(numbers), "totals": list(totals)},
    )


_LOCKS = """
    left join lateral (
        select hashtextextended(r.organization_id || '/' || name, 0) as key, is_alone, rank
        from (values (amount_key, is_doubtful, 1),
                     (seller_key || '/' || invoice_key, true, 2),
                     (invoice_key || '/' || amount_key, true, 2)) as known(name, is_alone, rank)
        where name is not null) as lock on true"""
"""The locks of an invoice `r`: on its total, shared by those that are sure, as it must do where number or seller is
left out; on its number with its seller, and with its total, whoever its seller is. The total comes first, and no day is
in them: what a person corrects mostly leaves the total as it is, so that whoever has it waits for no other total."""

_TAKE_LOCK = """case when is_alone then pg_advisory_xact_lock(key)::text
                     else pg_advisory_xact_lock_shared(key)::text end"""


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

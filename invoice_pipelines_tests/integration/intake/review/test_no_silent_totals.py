"""Whatever is read, read again, judged and decided, in any order: no unsure total passes without a person's word."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from invoice_pipelines.intake.reading import Reading
from invoice_pipelines.intake.received_invoices import mark_parsed, retry_failed
from invoice_pipelines.intake.review.errors import ReviewError
from invoice_pipelines.intake.stages.validating import judge_parsed
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.integration.intake.conftest import IntakeDesk, open_desk
from invoice_pipelines_tests.support.intake.review.lane import STANDARD, accept, correct, judged, on_paper, reject
from invoice_pipelines_tests.support.sizes import example_count

TOTALS = ("net_amount", "tax_amount", "gross_amount", "payable_amount")
GROSS = [Decimal("119.00"), Decimal("119.01"), Decimal("19.00")]
confidences = st.fixed_dictionaries({name: st.sampled_from([0.99, 0.95, 0.94, 0.3]) for name in TOTALS})


def test_no_unsure_total_passes_without_a_decision(intake_database: TestDatabase, tmp_path: Path) -> None:
    class Lane(RuleBasedStateMachine):
        invoices = Bundle("invoices")

        def __init__(self) -> None:
            super().__init__()
            self.desk: IntakeDesk = open_desk(intake_database, tmp_path / f"lane-{id(self)}")
            self.readings: dict[UUID, Reading] = {}

        def _reading(self, sure: dict[str, float], gross: Decimal, number: str | None = None) -> Reading:
            return on_paper(number, changes={"gross_amount": gross, "payable_amount": gross}, **sure)

        @rule(target=invoices, sure=confidences, gross=st.sampled_from(GROSS))
        def arrive(self, sure: dict[str, float], gross: Decimal) -> UUID:
            reading = self._reading(sure, gross)
            invoice = judged(self.desk, reading)
            self.readings[invoice] = reading
            return invoice

        @rule(invoice=invoices)
        def accept(self, invoice: UUID) -> None:
            try:
                accept(self.desk, invoice)
            except ReviewError:
                return
            assert self.desk.status(invoice) == "VALIDATED"

        @rule(invoice=invoices, gross=st.sampled_from(GROSS))
        def correct(self, invoice: UUID, gross: Decimal) -> None:
            try:
                correct(self.desk, invoice, gross_amount=str(gross), payable_amount=str(gross))
            except ReviewError:
                return

        @rule(invoice=invoices)
        def reject(self, invoice: UUID) -> None:
            try:
                reject(self.desk, invoice, "no")
            except ReviewError:
                return
            assert self.desk.status(invoice) == "FAILED"

        @rule(invoice=invoices, sure=confidences, gross=st.sampled_from(GROSS))
        def read_again(self, invoice: UUID, sure: dict[str, float], gross: Decimal) -> None:
            with self.desk.scope() as connection:
                if not retry_failed(connection, [invoice]):
                    return
            reading = self._reading(sure, gross, self.readings[invoice].number)
            self.readings[invoice] = reading
            with self.desk.scope() as connection:
                mark_parsed(connection, [(self.desk.version(invoice), reading)])
                judge_parsed(connection, [invoice], STANDARD)

        @rule(invoice=invoices)
        def judge_again(self, invoice: UUID) -> None:
            with self.desk.scope() as connection:
                judge_parsed(connection, [invoice], STANDARD)

        @invariant()
        def totals_that_passed_are_sure_or_decided(self) -> None:
            rows = self.desk.rows(
                """select id, net_amount + tax_amount = gross_amount and payable_amount = gross_amount as ties,
                          reading_json
                   from intake.received_invoice where status = 'VALIDATED'"""
            )
            for row in rows:
                assert row.ties
                said = {
                    (field, value)
                    for field, value in self.desk.rows(
                        "select field, new_value from intake.review_decision where received_invoice_id = :id",
                        id=row.id,
                    )
                }
                read = self.readings[row.id]
                values = {name: row.reading_json[name] for name in TOTALS}
                known = {
                    name
                    for name, value in values.items()
                    if (value == str(getattr(read, name)) and read.provenance[name].confidence >= 0.95)
                    or (name, value) in said
                }
                if "gross_amount" in known and values["gross_amount"] == "119.00":
                    known |= {"net_amount", "tax_amount"}  # 19 of 119
                assert known == set(TOTALS), (values, said)

        @invariant()
        def what_is_parsed_waits(self) -> None:
            assert (
                self.desk.rows(
                    """select id from intake.received_invoice where status = 'PARSED'
                   except select id from public.invoice_review_queue"""
                )
                == []
            )

    run_state_machine_as_test(
        Lane,
        settings=settings(
            max_examples=example_count(8),
            stateful_step_count=12,
        ),
    )

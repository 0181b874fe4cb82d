"""Any sequence of what workers and people do to invoices leaves each in a right state with a full trail."""

from __future__ import annotations

from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from invoice_pipelines.intake import promises
from invoice_pipelines.intake.exports.export_files import complete_exports
from invoice_pipelines.intake.exports.formats import choose_validated
from invoice_pipelines.intake.received_invoices import (
    InvoiceVersion,
    ProcessingError,
    ask_for_new_export,
    mark_failed,
    mark_parsed,
    mark_validated,
    retry_failed,
    statistics,
)
from invoice_pipelines.intake.states import TRANSITIONS, Status
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.integration.intake.conftest import IntakeDesk, make_reading, open_desk
from invoice_pipelines_tests.support.sizes import example_count

REASON = ProcessingError("validate", "BR-02", "The number is missing.")


def test_any_sequence_of_actions_keeps_the_rules(intake_database: TestDatabase, tmp_path: Path) -> None:
    class Life(RuleBasedStateMachine):
        """A model of statuses and versions beside the real rows."""

        invoices = Bundle("invoices")

        def __init__(self) -> None:
            super().__init__()
            self.desk: IntakeDesk = open_desk(intake_database, tmp_path / f"life-{id(self)}")
            self.model: dict[InvoiceVersion, tuple[Status, int]] = {}

        @rule(target=invoices)
        def upload(self) -> InvoiceVersion:
            invoice = self.desk.invoice()
            self.model[invoice] = (Status.UPLOADED, 1)
            return invoice

        def _attempt(self, invoice: InvoiceVersion, age: int) -> InvoiceVersion:
            """The invoice as a worker saw it `age` changes ago."""
            return InvoiceVersion(invoice.id, self.model[invoice][1] - age)

        def _moved(self, invoice: InvoiceVersion, changed: set[object], target: Status, may: set[Status]) -> None:
            status, version = self.model[invoice]
            assert (invoice.id in changed) == (status in may)
            if status in may:
                assert target in TRANSITIONS[status]
                self.model[invoice] = (target, version + 1)

        @rule(invoice=invoices, age=st.integers(0, 2))
        def parse(self, invoice: InvoiceVersion, age: int) -> None:
            with self.desk.scope() as connection:
                changed = mark_parsed(connection, [(self._attempt(invoice, age), make_reading())])
            self._moved(invoice, set(changed), Status.PARSED, {Status.UPLOADED, Status.CREATED} if not age else set())

        @rule(invoice=invoices, age=st.integers(0, 2))
        def validate(self, invoice: InvoiceVersion, age: int) -> None:
            with self.desk.scope() as connection:
                changed = mark_validated(connection, [self._attempt(invoice, age)])
            self._moved(invoice, set(changed), Status.VALIDATED, {Status.PARSED} if not age else set())

        @rule(invoice=invoices, age=st.integers(0, 2))
        def fail(self, invoice: InvoiceVersion, age: int) -> None:
            with self.desk.scope() as connection:
                changed = mark_failed(connection, [(self._attempt(invoice, age), REASON)])
            self._moved(invoice, set(changed), Status.FAILED, set(Status) - {Status.FAILED} if not age else set())

        @rule(invoice=invoices)
        def retry(self, invoice: InvoiceVersion) -> None:
            with self.desk.scope() as connection:
                changed = retry_failed(connection, [invoice.id])
            self._moved(invoice, set(changed), Status.CREATED, {Status.FAILED})

        @rule(invoice=invoices)
        def ask_again(self, invoice: InvoiceVersion) -> None:
            with self.desk.scope() as connection:
                changed = ask_for_new_export(connection, [invoice.id])
            self._moved(invoice, set(changed), Status.VALIDATED, {Status.EXPORTED})

        @rule()
        def choose(self) -> None:
            with self.desk.scope() as connection:
                choose_validated(connection, "CSV", [invoice.id for invoice in self.model], "test")

        @rule()
        def export(self) -> None:
            """All that is validated is exported: what was chosen before, and then the rest."""
            self.choose()
            completed = complete_exports(self.desk.engine, self.desk.organization_id, self.desk.slug, self.desk.exports)
            exported = 0
            for invoice, (status, version) in self.model.items():
                if status is Status.VALIDATED:
                    self.model[invoice] = (Status.EXPORTED, version + 1)
                    exported += 1
            assert sum(export.invoice_count for export in completed) == exported

        @invariant()
        def rows_and_model_agree(self) -> None:
            rows = self.desk.rows("select id, status, processing_version from intake.received_invoice")
            assert {row.id: (row.status, row.processing_version) for row in rows} == {
                invoice.id: state for invoice, state in self.model.items()
            }

        @invariant()
        def the_trail_is_complete(self) -> None:
            trail = self.desk.rows(
                """select received_invoice_id as id, count(*) as changes, max(processing_version) as version,
                          (array_agg(to_status order by processing_version desc))[1] as last,
                          bool_and(from_status is null or intake.is_allowed_transition(from_status, to_status)) as ok
                   from intake.status_change group by 1"""
            )
            assert {row.id: (row.last, row.version) for row in trail} == {
                invoice.id: state for invoice, state in self.model.items()
            }
            assert all(row.ok and row.changes == row.version for row in trail)

        @invariant()
        def promises_are_kept(self) -> None:
            with self.desk.scope() as connection:
                assert promises.exported_without_file(connection).kept
                assert promises.failures_without_reason(connection).kept
                assert promises.uploads_without_invoice(connection).kept
                assert statistics(connection).total == len(self.model)
            numbers = [row[0] for row in self.desk.rows("select export_number from intake.export order by 1")]
            assert numbers == list(range(1, len(numbers) + 1))
            twice = self.desk.rows(
                """select received_invoice_id from intake.export_invoice ei join intake.export e on e.id = ei.export_id
                   where e.status = 'pending' group by 1 having count(*) > 1"""
            )
            assert twice == []

    run_state_machine_as_test(
        Life,
        settings=settings(
            max_examples=example_count(12),
            stateful_step_count=25,
        ),
    )

"""Whatever happens in whatever order: no item is lost or done twice, and a job's counts are those of its items."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from invoice_pipelines.work import (
    Failed,
    ItemStatus,
    JobCancelled,
    LeaseLost,
    Skipped,
    Succeeded,
    cancel_job,
    claim,
    cleanup_stuck,
    create_job,
    finish,
    release,
    retry_failed,
)
from invoice_pipelines_tests.conftest import open_organization
from invoice_pipelines_tests.integration.work.conftest import LEASE, WorkDesk
from invoice_pipelines_tests.integration.work.effects import KIND
from invoice_pipelines_tests.support.sizes import size

SUBJECTS = st.lists(st.sampled_from("abcdef"), max_size=6)
OUTCOMES = st.sampled_from(
    [Succeeded(), Succeeded(), Skipped("was done"), Failed("X", "x"), Failed("BUSY", "busy", retry=True)]
)
JOBS = """
    select j.id, j.status, j.total_items, j.successful_items, j.failed_items, j.skipped_items, j.cancelled_items,
           count(i.*) as items,
           count(*) filter (where i.status = 'succeeded') as succeeded,
           count(*) filter (where i.status = 'failed') as failed,
           count(*) filter (where i.status = 'skipped') as skipped,
           count(*) filter (where i.status = 'cancelled') as cancelled,
           count(*) filter (where i.status = 'pending') as pending,
           count(*) filter (where i.status = 'processing') as processing
    from work.batch_job j left join work.batch_item i on i.job_id = j.id
    group by j.organization_id, j.id
"""


class Queue(RuleBasedStateMachine):
    """Workers, people and deaths at one organization's queue."""

    make_desk: WorkDesk

    def __init__(self) -> None:
        super().__init__()
        self.claims: list[Any] = []
        self.jobs: list[UUID] = []
        self.succeeded: dict[object, int] = {}

    @initialize()
    def open(self) -> None:
        self.desk = self.open_desk()  # type: ignore[attr-defined]

    @rule(subjects=SUBJECTS)
    def create(self, subjects):
        with self.desk.scope() as connection:
            self.jobs.append(create_job(connection, KIND, subjects, created_by="anna"))

    @rule(subjects=SUBJECTS)
    def put(self, subjects):
        self.desk.put(*subjects)

    @rule(chunk_size=st.integers(1, 4), max_attempts=st.integers(1, 3))
    def take(self, chunk_size, max_attempts):
        with self.desk.scope() as connection:
            claimed = claim(connection, KIND, chunk_size=chunk_size, lease=LEASE, max_attempts=max_attempts)
        if claimed is not None:
            assert 1 <= len(claimed.items) <= chunk_size
            self.claims.append(claimed)

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def end(self, data):
        claimed = self.claims.pop(data.draw(st.integers(0, len(self.claims) - 1)))
        outcomes = data.draw(st.lists(OUTCOMES, min_size=len(claimed.items), max_size=len(claimed.items)))
        held = {
            row.id
            for row in self.desk.rows(
                "select id from work.batch_item where lease_token = :token", token=claimed.lease_token
            )
        }
        try:
            with self.desk.scope() as connection:
                statuses = finish(connection, claimed, outcomes)
        except LeaseLost:
            assert held != {item.id for item in claimed.items}
            return
        assert held == {item.id for item in claimed.items}
        for item, outcome, status in zip(claimed.items, outcomes, statuses, strict=True):
            if isinstance(outcome, Succeeded):
                assert status is ItemStatus.SUCCEEDED
                self.succeeded[item.id] = self.succeeded.get(item.id, 0) + 1
            elif isinstance(outcome, Failed) and not outcome.retry:
                assert status is ItemStatus.FAILED

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def give_back(self, data):
        claimed = self.claims.pop(data.draw(st.integers(0, len(self.claims) - 1)))
        with self.desk.scope() as connection:
            release(connection, claimed)

    @rule()
    def die(self):
        self.desk.lose_leases()

    @rule()
    def clean(self):
        self.desk.let_leases_expire()
        with self.desk.engine.begin() as connection:
            cleanup_stuck(connection, timedelta(0))

    @rule()
    def wait(self):
        self.desk.let_pauses_pass()

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def cancel(self, data):
        with self.desk.scope() as connection:
            cancel_job(connection, data.draw(st.sampled_from(self.jobs)), cancelled_by="bert")

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def retry(self, data):
        job_id = data.draw(st.sampled_from(self.jobs))
        (job,) = self.desk.rows("select status, failed_items from work.batch_job where id = :id", id=job_id)
        try:
            with self.desk.scope() as connection:
                assert retry_failed(connection, job_id, requested_by="bert") == job.failed_items
        except JobCancelled:
            assert job.status == "cancelled"

    @invariant()
    def counts_are_those_of_the_items(self):
        for job in self.desk.rows(JOBS):
            assert job.items == job.total_items
            assert (job.succeeded, job.failed, job.skipped, job.cancelled) == (
                job.successful_items,
                job.failed_items,
                job.skipped_items,
                job.cancelled_items,
            )
            if job.status == "cancelled":
                assert job.pending == 0
            else:
                assert job.cancelled == 0
                assert (job.pending + job.processing == 0) == (job.status not in ("pending", "processing"))

    @invariant()
    def a_subject_waits_once_in_the_continuous_queue(self):
        waiting = self.desk.rows("select subject_id from work.batch_item where job_id is null and status = 'pending'")
        assert len(waiting) == len(set(waiting))

    @invariant()
    def no_item_is_done_twice(self):
        assert set(self.succeeded.values()) <= {1}

    def teardown(self):
        """In the end everything can be brought to an end."""
        if not hasattr(self, "desk"):
            return
        self.die()
        while True:
            self.desk.let_pauses_pass()
            with self.desk.scope() as connection:
                claimed = claim(connection, KIND, lease=LEASE)
                if claimed is None:
                    break
                finish(connection, claimed, [Succeeded()] * len(claimed.items))
        assert self.desk.rows("select from work.batch_item where status in ('pending', 'processing')") == []
        assert self.desk.rows("select from work.batch_job where status in ('pending', 'processing')") == []
        self.counts_are_those_of_the_items()


@pytest.mark.parametrize(
    ("examples", "steps"),
    [(8, 20), pytest.param(size(8, 150), 50, marks=[pytest.mark.slow, pytest.mark.timeout(900)])],
)
def test_every_order_of_events_keeps_the_books_right(work_database, examples, steps):
    class Here(Queue):
        @staticmethod
        def open_desk() -> WorkDesk:
            return open_organization(work_database, WorkDesk)

    run_state_machine_as_test(Here, settings=settings(max_examples=examples, stateful_step_count=steps))

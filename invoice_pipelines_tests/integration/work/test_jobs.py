"""Jobs: what is asked for, how far it is, cancelling, retrying, history."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from invoice_pipelines.work import (
    Failed,
    JobCancelled,
    JobNotFound,
    JobStatus,
    LeaseLost,
    Skipped,
    Succeeded,
    cancel_job,
    claim,
    finish,
    get_job,
    history,
    prune,
    put_first,
    statistics,
)
from invoice_pipelines_tests.integration.work.conftest import LEASE, succeed
from invoice_pipelines_tests.integration.work.effects import KIND


def by_subject(outcomes):
    return lambda connection, chunk: [outcomes[item.subject_id] for item in chunk.items]


def test_a_job_has_one_item_per_subject_in_the_order_given(desk):
    job_id = desk.make("c", "a", "b", "a")
    assert desk.job(job_id).total_items == 3
    claimed = desk.take()
    assert [item.subject_id for item in claimed.items] == ["c", "a", "b"]
    assert claimed.parameters == {"template": "a"}


def test_what_is_put_first_is_taken_before_all_that_waits_also_where_it_was_put_off(desk):
    desk.put("a", "b", "c", "d")
    with desk.superuser.begin() as connection:
        connection.execute(
            text(
                """update work.batch_item set available_at = now() + interval '1 hour'
                   where organization_id = :id and subject_id = any('{a,d}')"""
            ),
            {"id": desk.organization_id},
        )
    with desk.scope() as connection:
        assert put_first(connection, KIND, ["d", "c", "not there"]) == 2
    assert [item.subject_id for item in desk.take(chunk_size=2).items] == ["c", "d"]
    assert [item.subject_id for item in desk.take().items] == ["b"]


def test_what_is_being_worked_on_is_not_put_first(desk):
    desk.put("b", "a")
    held = desk.take(chunk_size=1)
    with desk.scope() as connection:
        assert put_first(connection, KIND, ["a", "b"]) == 1
    assert [item.subject_id for item in (*held.items, *desk.take().items)] in (["a", "b"], ["b", "a"])


def test_a_job_without_subjects_is_completed_at_once(desk):
    job = desk.job(desk.make())
    assert (job.status, job.progress, job.completed_at is not None) == (JobStatus.COMPLETED, 100, True)


@pytest.mark.parametrize(
    ("outcomes", "status"),
    [
        ([Succeeded(), Succeeded()], JobStatus.COMPLETED),
        ([Succeeded(), Skipped("was done")], JobStatus.COMPLETED),
        ([Succeeded(), Failed("NO_LINES", "no lines")], JobStatus.COMPLETED_WITH_ERRORS),
        ([Skipped("was done"), Failed("NO_LINES", "no lines")], JobStatus.COMPLETED_WITH_ERRORS),
        ([Failed("NO_LINES", "no lines")] * 2, JobStatus.FAILED),
    ],
)
def test_how_a_job_ends_says_what_became_of_its_items(desk, outcomes, status):
    job_id = desk.make("a", "b")
    desk.run(by_subject(dict(zip("ab", outcomes, strict=True))))
    job = desk.job(job_id)
    assert (job.status, job.processed_items, job.progress) == (status, 2, 100)
    failed = sum(isinstance(outcome, Failed) for outcome in outcomes)
    assert job.summary == {"failures": {"NO_LINES": failed} if failed else {}}
    assert job.last_error == ("NO_LINES: no lines" if failed else None)
    assert job.actual_duration_seconds >= 0
    assert job.eta_seconds is None


def test_progress_rate_and_time_left_are_known_between_chunks(desk):
    job_id = desk.make(*map(str, range(40)))
    assert (desk.job(job_id).progress, desk.job(job_id).eta_seconds) == (0, None)
    seen = []

    def watch(progress):
        seen.append((desk.job(job_id), progress))

    desk.run(
        succeed,
        chunk_size=10,
        on_progress=watch,
    )
    assert [job.progress for job, _ in seen] == [25, 50, 75, 100]
    assert [progress.due for _, progress in seen] == [30, 20, 10, 0]
    assert all(job.items_per_second > 0 for job, _ in seen)
    halfway = seen[1][0]
    assert halfway.eta_seconds == pytest.approx(20 / halfway.items_per_second)


def test_a_cancelled_job_begins_nothing_more_and_says_who_cancelled_it(desk):
    job_id = desk.make("a", "b")
    with desk.scope() as connection:
        assert cancel_job(connection, job_id, cancelled_by="bert")
        assert not cancel_job(connection, job_id, cancelled_by="bert")
        assert claim(connection, KIND, lease=LEASE) is None
    job = desk.job(job_id)
    assert (job.status, job.cancelled_items, job.progress) == (JobStatus.CANCELLED, 2, 0)
    assert desk.items(job_id) == {"a": "cancelled", "b": "cancelled"}
    events = desk.rows("select action, created_by from work.batch_job_event order by id")
    assert [tuple(event) for event in events] == [("created", "anna"), ("cancelled", "bert")]


def test_cancelling_lets_the_chunk_in_work_end_and_counts_it(desk):
    job_id = desk.make("a", "b", "c", "d")
    claimed = desk.take(chunk_size=3)
    desk.cancel(job_id)
    desk.end(claimed, Succeeded(), Failed("X", "x", retry=True), Failed("Y", "y"))
    assert desk.items(job_id) == {"a": "succeeded", "b": "cancelled", "c": "failed", "d": "cancelled"}
    job = desk.job(job_id)
    assert (job.status, job.successful_items, job.failed_items, job.cancelled_items) == (JobStatus.CANCELLED, 1, 1, 2)


def test_a_failure_that_meets_the_cancelling_of_its_job_is_not_tried_again(desk):
    job_id = desk.make("a", "b")
    claimed = desk.take()

    def end():
        desk.end(claimed, Failed("X", "x", retry=True), Succeeded())

    ending = threading.Thread(target=end)
    with desk.scope() as canceller:
        cancel_job(canceller, job_id, cancelled_by="bert")
        ending.start()
        ending.join(0.3)
    ending.join(10)
    assert desk.items(job_id) == {"a": "cancelled", "b": "succeeded"}
    job = desk.job(job_id)
    assert (job.status, job.cancelled_items, job.successful_items) == (JobStatus.CANCELLED, 1, 1)


def test_cancelling_during_a_drain_stops_it_within_one_chunk(desk):
    job_id = desk.make(*map(str, range(100)))
    chunks = []

    def handler(connection, chunk):
        chunks.append(len(chunk.items))
        if len(chunks) == 2:
            desk.cancel(job_id)
        return [Succeeded()] * len(chunk.items)

    report = desk.run(handler, chunk_size=10)
    assert (len(chunks), report.succeeded, report.ended) == (2, 20, "empty")
    job = desk.job(job_id)
    assert (job.successful_items, job.cancelled_items) == (20, 80)


def test_items_that_a_claim_gives_back_after_the_cancelling_are_cancelled(desk):
    job_id = desk.make("a", "b")
    claimed = desk.take()
    desk.cancel(job_id)
    assert desk.release(claimed) == 2
    assert set(desk.items(job_id).values()) == {"cancelled"}
    assert desk.job(job_id).cancelled_items == 2


def test_items_that_were_locked_while_their_job_was_cancelled_are_cancelled_by_the_next_claim(desk):
    job_id = desk.make("a", "b")
    later = desk.make("c")
    desk.take(chunk_size=1)
    with desk.scope() as worker:
        claim(worker, KIND, lease=LEASE)
        desk.cancel(job_id)
        worker.rollback()  # the worker dies before its claim is committed
    claimed = desk.take()
    assert claimed.job_id == later
    assert desk.items(job_id) == {"a": "processing", "b": "cancelled"}
    assert desk.job(job_id).cancelled_items == 1


def test_a_retry_opens_the_failed_items_only_and_gives_them_all_their_attempts(desk):
    job_id = desk.make("good", "bad", "odd")
    outcomes = {"good": Succeeded(), "bad": Failed("X", "x"), "odd": Skipped("was done")}
    desk.run(by_subject(outcomes))
    assert desk.retry(job_id) == 1
    job = desk.job(job_id)
    assert (job.status, job.processed_items, job.failed_items, job.completed_at) == (JobStatus.PENDING, 2, 0, None)
    with desk.scope() as connection:
        claimed = claim(connection, KIND, lease=LEASE)
        assert claimed is not None
        assert [(item.subject_id, item.attempts) for item in claimed.items] == [("bad", 1)]
        finish(connection, claimed, [Succeeded()])
    job = desk.job(job_id)
    assert (job.status, job.successful_items, job.summary) == (JobStatus.COMPLETED, 2, {"failures": {}})
    assert desk.retry(job_id) == 0


def test_a_cancelled_or_unknown_job_cannot_be_retried(desk):
    job_id = desk.make("a")
    desk.cancel(job_id)
    with pytest.raises(JobCancelled, match="create a new job"):
        desk.retry(job_id)
    for act in (desk.retry, desk.cancel, desk.job):
        with pytest.raises(JobNotFound):
            act(uuid4())


def test_the_history_comes_in_pages_newest_first_that_new_jobs_do_not_shift(desk):
    jobs = [desk.make("a") for _ in range(7)]
    seen = []
    before = None
    while True:
        with desk.scope() as connection:
            page = history(connection, before=before, limit=3)
        seen += [job.id for job in page.jobs]
        desk.make("a")
        if page.next_page is None:
            break
        before = page.next_page
    assert seen == jobs[::-1]


def test_the_history_is_filtered_by_kind_status_time_and_person(desk):
    plain = desk.make("a")
    other = desk.make("a", kind="other", by="bert")
    desk.cancel(other)
    with desk.scope() as connection:

        def found(**filters):
            return [job.id for job in history(connection, **filters).jobs]

        now = datetime.now(UTC)
        assert found(kind="other") == found(statuses=[JobStatus.CANCELLED]) == found(created_by="bert") == [other]
        assert found(statuses=[JobStatus.PENDING, JobStatus.CANCELLED]) == [other, plain]
        assert found(created_from=now - timedelta(hours=1), created_until=now + timedelta(hours=1)) == [other, plain]
        assert found(created_until=now - timedelta(hours=1)) == found(created_from=now + timedelta(hours=1)) == []
        assert found(statuses=[]) == []


def test_statistics_count_jobs_items_and_what_waits(desk):
    desk.make("a", "b")
    desk.run(by_subject({"a": Succeeded(), "b": Failed("X", "x")}))
    desk.make("c", "d", "e")
    desk.take(chunk_size=1)
    with desk.scope() as connection:
        (kind,) = statistics(connection)
    assert (kind.job_type, kind.total_jobs, kind.completed_with_errors_jobs, kind.processing_jobs) == (KIND, 2, 1, 1)
    assert (kind.total_items, kind.processed_items, kind.success_rate) == (5, 2, 50)
    assert (kind.waiting_items, kind.leased_items) == (2, 1)


def test_pruning_removes_items_that_ended_long_ago_and_no_job(desk):
    old, recent, waiting = desk.make(*map(str, range(25))), desk.make("a"), None
    desk.run(succeed)
    with desk.superuser.begin() as connection:
        connection.exec_driver_sql(
            f"update work.batch_job set started_at = now() - interval '1 year', "
            f"completed_at = now() - interval '1 year' where id = '{old}'; "
            f"update work.batch_item set finished_at = now() - interval '1 year' where job_id = '{old}'"
        )
    waiting = desk.make("b")
    cutoff = datetime.now(UTC) - timedelta(days=90)
    assert prune(desk.engine, desk.organization_id, cutoff, batch_size=10) == 25
    with desk.scope() as connection:
        assert [job.id for job in history(connection).jobs] == [waiting, recent, old]
        assert get_job(connection, old).successful_items == 25
    assert prune(desk.engine, desk.organization_id, datetime.now(UTC)) == 0, "what ended lately stays in any case"
    assert desk.rows("select count(*) from work.batch_item")[0][0] == 2
    with pytest.raises(ValueError, match="time zone"):
        prune(desk.engine, desk.organization_id, datetime(2020, 1, 1))  # noqa: DTZ001 - the point of the test


def test_organizations_are_apart(desks):
    ours, theirs = desks
    job_id = ours.make("a")
    assert theirs.take() is None
    with theirs.scope() as connection:
        assert history(connection).jobs == ()
        assert statistics(connection) == ()
    for act in (theirs.cancel, theirs.retry, theirs.job):
        with pytest.raises(JobNotFound):
            act(job_id)
    claimed = ours.take()
    with pytest.raises(LeaseLost):
        theirs.end(claimed, Succeeded())
    assert ours.items(job_id) == {"a": "processing"}

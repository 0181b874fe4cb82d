"""What operators see and do with SQL, and what sensors ask across organizations."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import text

from invoice_pipelines.work import (
    Failed,
    OrganizationWork,
    StuckWork,
    Succeeded,
    cancel_job,
    claim,
    cleanup_stuck,
    enqueue,
    organizations_with_work,
)
from invoice_pipelines_tests.conftest import open_organization
from invoice_pipelines_tests.integration.work.conftest import LEASE, WorkDesk, lock_as_a_claim_does, succeed
from invoice_pipelines_tests.integration.work.effects import KIND


def due(desk: WorkDesk, *kinds: str, everywhere: bool = False) -> tuple[OrganizationWork, ...]:
    with desk.engine.begin() if everywhere else desk.scope() as connection:
        return organizations_with_work(connection, kinds or [KIND])


def clean(desk: WorkDesk, stuck_after: timedelta = timedelta(0), everywhere: bool = False) -> StuckWork:
    with desk.engine.begin() if everywhere else desk.scope() as connection:
        return cleanup_stuck(connection, stuck_after)


def test_the_queue_view_shows_the_jobs_of_the_organization_in_scope(desks):
    ours, theirs = desks
    job_id = ours.make("good", "bad")
    theirs.make("x")
    outcomes = {"good": Succeeded(), "bad": Failed("NO_LINES", "The order has no lines.")}
    ours.run(
        lambda connection, chunk: [outcomes[item.subject_id] for item in chunk.items],
    )
    (row,) = ours.rows("select * from public.batch_job_queue")
    shown = row._mapping
    assert list(shown) == [
        "id",
        "job_type",
        "status",
        "total_items",
        "processed_items",
        "successful_items",
        "failed_items",
        "created_at",
        "started_at",
        "completed_at",
        "actual_duration_seconds",
        "errors",
        "last_error",
        "created_by",
        "organization_id",
        "progress",
        "metadata",
        "summary",
    ]
    assert (shown["id"], shown["job_type"], shown["status"]) == (job_id, KIND, "completed_with_errors")
    assert (shown["total_items"], shown["processed_items"]) == (2, 2)
    assert (shown["progress"], shown["metadata"], shown["summary"]) == (
        100,
        {"template": "a"},
        {"failures": {"NO_LINES": 1}},
    )
    assert (shown["successful_items"], shown["failed_items"]) == (1, 1)
    assert shown["created_at"] <= shown["started_at"] <= shown["completed_at"]
    assert shown["errors"] == [{"subject_id": "bad", "code": "NO_LINES", "message": "The order has no lines."}]
    assert (shown["last_error"], shown["created_by"]) == ("NO_LINES: The order has no lines.", "anna")


def test_organizations_with_work_are_those_with_items_that_can_be_done_now(lone_desk, database):
    other = open_organization(database, WorkDesk)
    lone_desk.make("a", "b")
    with other.scope() as connection:
        enqueue(connection, "other", ["x"])
    ours, theirs = due(lone_desk, KIND, "other", everywhere=True)
    assert (ours.organization_id, ours.kind, ours.due_items) == (lone_desk.organization_id, KIND, 2)
    assert (theirs.organization_id, theirs.kind, theirs.due_items) == (other.organization_id, "other", 1)
    assert ours.oldest_due_at < theirs.oldest_due_at
    assert [work.organization_id for work in due(lone_desk, "other", everywhere=True)] == [other.organization_id]

    claimed = lone_desk.take()
    assert due(lone_desk) == (), "all is in work"
    lone_desk.let_leases_expire()
    assert [work.due_items for work in due(lone_desk)] == [2], "a dead worker's items are due"
    lone_desk.end(claimed, Succeeded(), Failed("BUSY", "busy", retry=True))
    assert due(lone_desk) == (), "its pause is not over"
    lone_desk.let_pauses_pass()
    assert [work.due_items for work in due(lone_desk)] == [1]
    with database.superuser.begin() as connection:
        connection.execute(text("update organizations.organization set removed_at = now()"))
    assert due(lone_desk, KIND, "other", everywhere=True) == (), "a removed organization has nothing done"


def test_the_clean_up_returns_what_the_dead_held_in_every_organization(lone_desk, database):
    other = open_organization(database, WorkDesk)
    jobs = [(desk, desk.make("a", "b")) for desk in (lone_desk, other)]
    for desk, _ in jobs:
        desk.take(max_attempts=1 if desk is other else 5)
        desk.let_leases_expire()
    assert clean(lone_desk, timedelta(hours=1), everywhere=True) == StuckWork(2, 2, 0, 0, 0, 0)
    assert set(lone_desk.items(jobs[0][1]).values()) == {"pending"}
    assert set(other.items(jobs[1][1]).values()) == {"failed"}
    assert other.job(jobs[1][1]).status == "failed"


def test_the_clean_up_leaves_living_workers_alone(desk):
    job_id = desk.make("a", "b")
    claimed = desk.take(chunk_size=1)
    assert clean(desk) == StuckWork(0, 0, 0, 0, 0, 0)
    desk.end(claimed, Succeeded())
    assert desk.job(job_id).status == "processing"


def test_a_job_on_which_nobody_works_is_pending_again(desk):
    job_id = desk.make("a", "b")
    desk.take()
    desk.let_leases_expire()
    assert clean(desk) == StuckWork(2, 0, 0, 0, 1, 0)
    assert desk.job(job_id).status == "pending"
    assert clean(desk) == StuckWork(0, 0, 0, 0, 0, 0)
    (event,) = desk.rows("select created_by, detail from work.batch_job_event where action = 'repaired'")
    assert tuple(event) == ("cleanup_stuck_batch_jobs", {"repair": "pending again"})


def start(desk: WorkDesk, job_id) -> None:
    """Begins a job as workers do that keep no leases."""
    with desk.scope() as connection:
        connection.execute(text("select work.take_job(array[:kind], :id)"), {"kind": KIND, "id": job_id})


def settle_one(desk: WorkDesk, job_id) -> None:
    """Does the next item of a job without a lease."""
    with desk.scope() as connection:
        connection.execute(
            text(
                """select work.settle_items(:id, array[i.version], '{succeeded}', '{null}', '{null}',
                                            array[null::jsonb])
                   from work.next_items(:id, 1) i"""
            ),
            {"id": job_id},
        )


def test_a_job_that_comes_to_a_standstill_for_the_fourth_time_is_ended_with_its_reason(desk):
    job_id = desk.make("a", "b")
    for _ in range(3):
        start(desk, job_id)
        assert clean(desk) == StuckWork(0, 0, 0, 0, 1, 0)
    start(desk, job_id)
    assert clean(desk) == StuckWork(0, 2, 0, 0, 0, 1)
    job = desk.job(job_id)
    assert (job.status, job.failed_items, job.summary) == ("failed", 2, {"failures": {"STUCK": 2}})
    assert job.last_error is not None
    assert job.last_error.startswith("STUCK: The work on this job came to a standstill")
    errors = desk.rows("select distinct error_code, error_message ~ 'retry the failed items' from work.batch_item")
    assert [tuple(row) for row in errors] == [("STUCK", True)]
    events = desk.rows("select detail from work.batch_job_event where action = 'repaired' order by id")
    assert [event.detail["repair"] for event in events] == [*["pending again"] * 3, "ended"]
    assert clean(desk) == StuckWork(0, 0, 0, 0, 0, 0)


def test_a_job_that_gets_on_between_standstills_is_never_ended(desk):
    job_id = desk.make(*"abcdefgh")
    for round_number in range(7):
        start(desk, job_id)
        if round_number % 3 == 2:
            settle_one(desk, job_id)
        assert clean(desk).ended_jobs == 0
    assert desk.job(job_id).successful_items == 2


def test_a_job_that_waits_for_its_turn_is_left_alone_however_long(desk):
    job_id = desk.make("a")
    for _ in range(6):
        assert clean(desk) == StuckWork(0, 0, 0, 0, 0, 0)
    assert desk.job(job_id).status == "pending"


def test_a_job_whose_chunk_is_in_work_is_left_alone(desk):
    job_id = desk.make("a")
    start(desk, job_id)
    with desk.scope() as connection:
        connection.execute(text("select work.take_job(array[:kind], :id)"), {"kind": KIND, "id": job_id})
        assert clean(desk) == StuckWork(0, 0, 0, 0, 0, 0)
    assert desk.job(job_id).status == "processing"


def test_an_item_of_a_cancelled_job_that_is_being_claimed_is_left_to_that_claim(desk):
    job_id = desk.make("a", "b")
    with desk.scope() as claiming:
        lock_as_a_claim_does(claiming, "a")
        with desk.scope() as cancelling:
            cancel_job(cancelling, job_id, cancelled_by="anna")
        assert clean(desk).cancelled_items == 0  # it would hold the job and wait for "a"
        assert claim(claiming, KIND, lease=LEASE) is None
    assert desk.items(job_id) == {"a": "cancelled", "b": "cancelled"}
    assert desk.job(job_id).cancelled_items == 2


def test_a_job_of_which_an_item_is_being_claimed_is_not_ended(desk):
    job_id = desk.make("a", "b")
    for _ in range(3):
        start(desk, job_id)
        clean(desk)
    start(desk, job_id)
    with desk.scope() as claiming:
        lock_as_a_claim_does(claiming, "a")
        assert clean(desk).ended_jobs == 0
    assert clean(desk).ended_jobs == 1


def test_only_jobs_without_progress_for_half_an_hour_are_looked_at(desk):
    old, young = desk.make("a"), desk.make("b")
    for job_id, minutes in ((old, 31), (young, 29)):
        start(desk, job_id)
        with desk.superuser.begin() as connection:
            connection.execute(
                text("update work.batch_job set last_progress_at = now() - make_interval(mins => :m) where id = :id"),
                {"m": minutes, "id": job_id},
            )
    with desk.scope() as connection:
        assert cleanup_stuck(connection).reopened_jobs == 1
    assert (desk.job(old).status, desk.job(young).status) == ("pending", "processing")


def test_an_ended_job_that_is_retried_gets_all_its_chances_again(desk):
    job_id = desk.make("a")
    for _ in range(4):
        start(desk, job_id)
        clean(desk)
    assert desk.retry(job_id) == 1
    for _ in range(3):
        start(desk, job_id)
        assert clean(desk).reopened_jobs == 1


def test_a_job_whose_items_are_all_done_is_closed_with_counts_from_the_items(desk):
    job_id = desk.make("a", "b")
    desk.take()
    with desk.superuser.begin() as connection:  # as a careless hand would
        connection.execute(
            text(
                """update work.batch_item set status = case subject_id when 'a' then 'succeeded' else 'failed' end,
                   lease_token = null, lease_expires_at = null, finished_at = now(), error_code = 'BY_HAND'
                   where job_id = :job"""
            ),
            {"job": job_id},
        )
    assert clean(desk) == StuckWork(0, 0, 0, 1, 0, 0)
    job = desk.job(job_id)
    assert (job.status, job.successful_items, job.failed_items) == ("completed_with_errors", 1, 1)


def test_expired_items_of_a_cancelled_job_are_cancelled(desk):
    job_id = desk.make("a", "b", "c")
    desk.take(chunk_size=2)
    desk.cancel(job_id)
    desk.let_leases_expire()
    assert clean(desk).cancelled_items == 2
    assert desk.job(job_id).cancelled_items == 3


def test_statistics_are_over_all_organizations_and_show_counts_only(lone_desk, database):
    other = open_organization(database, WorkDesk)
    lone_desk.make("a", "b")
    other.make("c")
    other.run(lambda connection, chunk: [Succeeded()])
    with lone_desk.engine.begin() as connection:
        (row,) = connection.execute(text("select * from public.get_batch_processing_stats()")).all()
    assert (row.job_type, row.total_jobs, row.pending_jobs, row.completed_jobs) == (KIND, 2, 1, 1)
    assert (row.total_items, row.successful_items, row.success_rate, row.waiting_items) == (3, 1, 100, 2)
    assert not {"organization_id", "subject_id", "parameters", "result"} & set(row._mapping)


def test_the_figures_of_today_are_of_the_day_in_utc(desk):
    yesterday, today = desk.make("a", "b"), desk.make("c")
    desk.run(succeed)
    with desk.superuser.begin() as connection:
        connection.execute(
            text(
                """update work.batch_job
                   set created_at = day.began - interval '1 second', started_at = day.began - interval '1 second',
                       completed_at = day.began - interval '1 microsecond'
                   from (select date_trunc('day', now(), 'UTC') as began) day where id = :id"""
            ),
            {"id": yesterday},
        )
    with desk.scope() as connection:
        connection.execute(text("set local time zone 'Pacific/Kiritimati'"))
        (row,) = connection.execute(text("select * from public.get_batch_processing_stats()")).all()
    assert (row.total_jobs, row.jobs_created_today, row.jobs_ended_today) == (2, 1, 1)
    assert (row.successful_items, row.successful_items_today, row.failed_items_today) == (3, 1, 0)
    assert desk.job(today).status == "completed"

"""Items: claimed once, finished by the holder of the lease only, tried again after a pause, taken from the dead."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from invoice_pipelines.work import (
    Failed,
    ItemStatus,
    LeaseLost,
    Skipped,
    Succeeded,
    claim,
    enqueue,
    keep,
    return_expired,
)
from invoice_pipelines_tests.integration.work.conftest import LEASE, lock_as_a_claim_does
from invoice_pipelines_tests.integration.work.effects import KIND
from invoice_pipelines_tests.support.sizes import example_count
from invoice_pipelines_tests.support.waiting import wait_for_blocked


def subjects(claimed) -> list[str]:
    return [item.subject_id for item in claimed.items] if claimed else []


def test_what_is_claimed_is_not_claimed_again_while_the_lease_runs(desk):
    desk.make("a", "b", "c")
    assert subjects(desk.take(chunk_size=2)) == ["a", "b"]
    assert subjects(desk.take()) == ["c"]
    assert desk.take() is None


def test_a_chunk_never_mixes_jobs_as_their_parameters_differ(desk):
    desk.make("a", "b")
    desk.make("c")
    desk.put("d")
    assert [subjects(desk.take()) for _ in range(4)] == [["a", "b"], ["c"], ["d"], []]


def test_outcomes_are_stored_with_reason_and_result(desk):
    desk.make("a", "b", "c")
    claimed = desk.take()
    statuses = desk.end(
        claimed, Succeeded({"amount": "12.50"}), Skipped("invoiced\nbefore"), Failed("NO_LINES", "no lines")
    )
    assert statuses == (ItemStatus.SUCCEEDED, ItemStatus.SKIPPED, ItemStatus.FAILED)
    rows = desk.rows("select result, error_code, error_message from work.batch_item order by id")
    assert [tuple(row) for row in rows] == [
        ({"amount": "12.50"}, None, None),
        (None, None, "invoiced before"),
        (None, "NO_LINES", "no lines"),
    ]


def test_a_chunk_needs_an_outcome_for_each_item(desk):
    desk.make("a", "b")
    claimed = desk.take()
    with pytest.raises(ValueError, match="2 items need as many outcomes, not 1"):
        desk.end(claimed, Succeeded())


def test_a_failure_is_tried_again_after_a_pause_until_the_attempts_are_used_up(desk):
    job_id = desk.make("a")
    for attempt in (1, 2):
        claimed = desk.take(max_attempts=3)
        assert claimed.items[0].attempts == attempt
        assert desk.end(claimed, Failed("BUSY", "busy", retry=True)) == (ItemStatus.PENDING,)
        assert desk.take() is None, "not before its pause is over"
        desk.let_pauses_pass()
    assert desk.end(desk.take(max_attempts=3), Failed("BUSY", "busy", retry=True)) == (ItemStatus.FAILED,)
    assert desk.items(job_id) == {"a": "failed"}


def test_a_failure_that_would_happen_again_is_final_at_once(desk):
    desk.make("a")
    assert desk.end(desk.take(), Failed("NO_LINES", "no lines")) == (ItemStatus.FAILED,)


def test_the_pause_doubles_up_to_an_hour_and_is_spread(desk):
    def pauses(attempts: int) -> list[float]:
        rows = desk.rows(
            "select extract(epoch from work.pause_after(:n))::float8 from generate_series(1, 200)", n=attempts
        )
        return [row[0] for row in rows]

    for attempts, middle in ((1, 10), (2, 20), (5, 160), (10, 3600), (1000, 3600)):
        seen = pauses(attempts)
        assert middle * 0.5 <= min(seen) < middle * 0.7
        assert middle * 1.3 < max(seen) <= middle * 1.5


def test_an_item_in_the_hands_of_a_successor_cannot_be_finished_by_who_had_it_before(desk):
    job_id = desk.make("a")
    late = desk.take()
    desk.lose_leases()
    successor = desk.take()
    for outcome in (Succeeded(), Failed("X", "x"), Failed("BUSY", "busy", retry=True)):
        with pytest.raises(LeaseLost):
            desk.end(late, outcome)
    assert desk.release(late) == 0
    assert desk.items(job_id) == {"a": "processing"}
    assert desk.end(successor, Succeeded()) == (ItemStatus.SUCCEEDED,)


def test_a_lease_that_ran_out_unnoticed_still_counts(desk):
    desk.make("a")
    claimed = desk.take()
    desk.let_leases_expire()
    assert desk.end(claimed, Succeeded()) == (ItemStatus.SUCCEEDED,)


def test_a_chunk_is_finished_once(desk):
    desk.make("a")
    claimed = desk.take()
    desk.end(claimed, Succeeded())
    with pytest.raises(LeaseLost):
        desk.end(claimed, Succeeded())


def test_keeping_a_lease_extends_it_and_tells_when_it_is_lost(desk):
    desk.make("a", "b")
    claimed = desk.take(lease=timedelta(seconds=1))
    with desk.scope() as connection:
        keep(connection, claimed, timedelta(hours=1))
    expiry = desk.rows("select min(lease_expires_at) from work.batch_item")[0][0]
    assert expiry > datetime.now(UTC) + timedelta(minutes=50)
    desk.lose_leases()
    with pytest.raises(LeaseLost, match=r"2 of 2 demo items"), desk.scope() as connection:
        keep(connection, claimed, timedelta(hours=1))


def test_a_lease_that_is_extended_by_two_at_once_is_not_lost(desk):
    desk.make("a", "b")
    claimed = desk.take()
    with ThreadPoolExecutor(1) as thread:
        with desk.scope() as keeper:
            keep(keeper, claimed, LEASE)
            extending = thread.submit(extend, desk, claimed)
            wait_for_blocked(keeper)
        assert extending.result() == 2


def extend(desk, claimed):
    with desk.scope() as connection:
        return claimed.extend(connection, LEASE)


def test_released_items_are_as_if_never_claimed(desk):
    desk.make("a", "b")
    claimed = desk.take()
    assert desk.release(claimed) == 2
    again = desk.take()
    assert [(item.subject_id, item.attempts) for item in again.items] == [("a", 1), ("b", 1)]


def test_items_over_which_a_process_died_come_one_by_one_and_fail_in_the_end(desk):
    job_id = desk.make("a", "b")
    desk.take(max_attempts=2)
    assert desk.lose_leases() == 2
    first, second = desk.take(max_attempts=2), desk.take(max_attempts=2)
    assert (subjects(first), subjects(second)) == (["a"], ["b"])
    desk.end(first, Succeeded())
    desk.lose_leases()
    assert desk.items(job_id) == {"a": "succeeded", "b": "failed"}
    (row,) = desk.rows("select error_code, error_message from work.batch_item where status = 'failed'")
    assert tuple(row) == ("WORKER_DIED", "The process ended without finishing this item (attempt 2 of 2).")
    (job,) = desk.rows("select status, last_error from work.batch_job")
    assert (job.status, job.last_error[:11]) == ("completed_with_errors", "WORKER_DIED")


def test_new_items_are_not_held_up_by_those_that_must_be_alone(desk):
    desk.make("a", "b")
    desk.take()
    desk.let_leases_expire()
    desk.put("c", "d")
    with desk.scope() as connection:
        return_expired(connection, KIND)
    assert [subjects(desk.take()) for _ in range(3)] == [["c", "d"], ["a"], ["b"]]


def test_a_waiting_subject_is_one_entry_and_a_change_during_work_is_a_new_one(desk):
    assert desk.put("a", "b", "a") == 2
    assert desk.put("b", "c") == 1
    claimed = desk.take()
    assert sorted(subjects(claimed)) == ["a", "b", "c"]
    assert desk.put("a") == 1
    desk.end(claimed, Succeeded(), Succeeded(), Succeeded())
    assert subjects(desk.take()) == ["a"]


def test_an_entry_that_fails_gives_way_to_a_newer_one_of_its_subject(desk):
    desk.put("a", "b")
    claimed = desk.take()
    desk.put("a")
    again = Failed("BUSY", "busy", retry=True)
    assert sorted(desk.end(claimed, again, again)) == [ItemStatus.PENDING, ItemStatus.SKIPPED]
    rows = desk.rows("select subject_id, status, error_code from work.batch_item order by subject_id, id")
    assert [tuple(row) for row in rows] == [
        ("a", "skipped", "SUPERSEDED"),
        ("a", "pending", None),
        ("b", "pending", "BUSY"),
    ]


def test_entries_of_one_subject_that_come_back_together_become_one(desk):
    for _ in range(3):
        desk.put("a")
        desk.take()
    desk.lose_leases()
    rows = desk.rows("select status from work.batch_item order by id")
    assert [row.status for row in rows] == ["skipped", "skipped", "pending"]


def test_a_new_change_gives_a_waiting_entry_all_its_attempts(desk):
    desk.put("a")
    desk.end(desk.take(), Failed("BUSY", "busy", retry=True))
    assert desk.put("a") == 0
    desk.let_pauses_pass()
    assert desk.take().items[0].attempts == 1


def test_an_entry_is_not_taken_before_the_change_that_needs_it_is_committed(desk):
    """Or the worker would act on the old state, and nothing would be left to tell of the new one."""
    desk.put("a", "b")
    with desk.scope() as changing:
        enqueue(changing, KIND, ["a"])
        assert subjects(desk.take()) == ["b"]
    assert subjects(desk.take()) == ["a"]


def test_a_change_that_meets_the_claim_of_its_entry_becomes_a_new_entry(desk):
    desk.put("a")
    added = []
    with desk.scope() as worker:
        assert claim(worker, KIND, lease=LEASE) is not None
        changing = threading.Thread(target=lambda: added.append(desk.put("a")))
        changing.start()
        changing.join(0.3)
        assert not added, "waits for the claim to be committed"
    changing.join(10)
    assert added == [1]
    assert subjects(desk.take()) == ["a"]


LOCK_JOB = text("select work.lock_job(organizations.current(), :job)")


def test_what_died_is_returned_without_waiting_for_a_job(desk):
    """It locks one job after the other. So may a claim that meets cancelled ones, but in the order of their items."""
    held, _ = desk.make("a"), desk.make("b")
    while desk.take():
        pass
    with desk.scope() as somebody:
        somebody.execute(LOCK_JOB, {"job": held})
        assert desk.lose_leases() == 1
    assert desk.lose_leases() == 1


def test_an_outcome_waits_for_items_before_it_holds_any_or_their_job(desk):
    """A claim that came too late may have one locked, and a lease may be extended: nobody waits in a circle."""
    job_id = desk.make("a", "b")
    claimed = desk.take()
    with ThreadPoolExecutor(1) as thread:
        with desk.scope() as late:
            lock_as_a_claim_does(late, "a")
            ending = thread.submit(desk.end, claimed, Succeeded(), Failed("BUSY", "busy", retry=True))
            wait_for_blocked(late)
            lock_as_a_claim_does(late, "b")
            late.execute(LOCK_JOB, {"job": job_id})
        assert ending.result() == (ItemStatus.SUCCEEDED, ItemStatus.PENDING)


@given(message=st.text(), code=st.from_regex(r"[A-Z][A-Z0-9_-]*", fullmatch=True))
@settings(max_examples=example_count(200))
def test_a_message_is_one_storable_line(message, code):
    message = Failed(code, message).message
    assert len(message) <= 500
    assert not set(message) & {"\n", "\r", "\x00", "\x0b", "\u2028"}


@pytest.mark.parametrize("code", ["", "no_lines", "NO LINES", "1A", "A;B"])
def test_a_failure_code_has_one_form(code):
    with pytest.raises(ValueError, match="failure code"):
        Failed(code, "x")

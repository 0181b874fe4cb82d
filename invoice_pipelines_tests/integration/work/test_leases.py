"""Items: claimed once, finished by the holder of the lease only, tried again after a pause, taken from the dead."""

from __future__ import annotations

import threading
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
    create_job,
    enqueue,
    finish,
    keep,
    release,
    return_expired,
)
from invoice_pipelines_tests.integration.work.conftest import KIND, LEASE, Desk
from invoice_pipelines_tests.support.sizes import example_count


def make(desk: Desk, *subjects: str):
    with desk.scope() as connection:
        return create_job(connection, KIND, subjects, created_by="anna")


def put(desk: Desk, *subjects: str) -> int:
    with desk.scope() as connection:
        return enqueue(connection, KIND, subjects)


def take(desk: Desk, *, chunk_size: int = 500, lease: timedelta = LEASE, max_attempts: int = 5):
    with desk.scope() as connection:
        return claim(connection, KIND, chunk_size=chunk_size, lease=lease, max_attempts=max_attempts)


def end(desk: Desk, claimed, *outcomes):
    with desk.scope() as connection:
        return finish(connection, claimed, outcomes)


def subjects(claimed) -> list[str]:
    return [item.subject_id for item in claimed.items] if claimed else []


def test_what_is_claimed_is_not_claimed_again_while_the_lease_runs(desk):
    make(desk, "a", "b", "c")
    assert subjects(take(desk, chunk_size=2)) == ["a", "b"]
    assert subjects(take(desk)) == ["c"]
    assert take(desk) is None


def test_a_chunk_never_mixes_jobs_as_their_parameters_differ(desk):
    make(desk, "a", "b")
    make(desk, "c")
    put(desk, "d")
    assert [subjects(take(desk)) for _ in range(4)] == [["a", "b"], ["c"], ["d"], []]


def test_outcomes_are_stored_with_reason_and_result(desk):
    make(desk, "a", "b", "c")
    claimed = take(desk)
    statuses = end(
        desk, claimed, Succeeded({"amount": "12.50"}), Skipped("invoiced\nbefore"), Failed("NO_LINES", "no lines")
    )
    assert statuses == (ItemStatus.SUCCEEDED, ItemStatus.SKIPPED, ItemStatus.FAILED)
    rows = desk.rows("select result, error_code, error_message from work.batch_item order by id")
    assert [tuple(row) for row in rows] == [
        ({"amount": "12.50"}, None, None),
        (None, None, "invoiced before"),
        (None, "NO_LINES", "no lines"),
    ]


def test_a_chunk_needs_an_outcome_for_each_item(desk):
    make(desk, "a", "b")
    claimed = take(desk)
    with pytest.raises(ValueError, match="2 items need as many outcomes, not 1"):
        end(desk, claimed, Succeeded())


def test_a_failure_is_tried_again_after_a_pause_until_the_attempts_are_used_up(desk):
    job_id = make(desk, "a")
    for attempt in (1, 2):
        claimed = take(desk, max_attempts=3)
        assert claimed.items[0].attempts == attempt
        assert end(desk, claimed, Failed("BUSY", "busy", retry=True)) == (ItemStatus.PENDING,)
        assert take(desk) is None, "not before its pause is over"
        desk.let_pauses_pass()
    assert end(desk, take(desk, max_attempts=3), Failed("BUSY", "busy", retry=True)) == (ItemStatus.FAILED,)
    assert desk.items(job_id) == {"a": "failed"}


def test_a_failure_that_would_happen_again_is_final_at_once(desk):
    make(desk, "a")
    assert end(desk, take(desk), Failed("NO_LINES", "no lines")) == (ItemStatus.FAILED,)


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


def test_who_lost_the_lease_cannot_finish_and_nothing_of_the_chunk_is_kept(desk):
    job_id = make(desk, "a", "b")
    late = take(desk)
    desk.let_leases_expire()
    with desk.scope() as connection:
        assert return_expired(connection, KIND) == 2
    successor = take(desk)

    def act_late():
        with desk.scope() as connection:
            connection.execute(text("insert into public.effect values (:id, 'late', 0)"), {"id": desk.organization_id})
            finish(connection, late, [Succeeded(), Succeeded()])

    with pytest.raises(LeaseLost):
        act_late()
    assert desk.effects() == []
    assert end(desk, successor, Succeeded()) == (ItemStatus.SUCCEEDED,)
    assert desk.items(job_id) == {"a": "succeeded", "b": "pending"}


def test_an_item_in_the_hands_of_a_successor_cannot_be_finished_by_who_had_it_before(desk):
    job_id = make(desk, "a")
    late = take(desk)
    desk.let_leases_expire()
    with desk.scope() as connection:
        return_expired(connection, KIND)
    successor = take(desk)
    for outcome in (Succeeded(), Failed("X", "x"), Failed("BUSY", "busy", retry=True)):
        with pytest.raises(LeaseLost):
            end(desk, late, outcome)
    with desk.scope() as connection:
        assert release(connection, late) == 0
    assert desk.items(job_id) == {"a": "processing"}
    assert end(desk, successor, Succeeded()) == (ItemStatus.SUCCEEDED,)


def test_a_lease_that_ran_out_unnoticed_still_counts(desk):
    make(desk, "a")
    claimed = take(desk)
    desk.let_leases_expire()
    assert end(desk, claimed, Succeeded()) == (ItemStatus.SUCCEEDED,)


def test_a_chunk_is_finished_once(desk):
    make(desk, "a")
    claimed = take(desk)
    end(desk, claimed, Succeeded())
    with pytest.raises(LeaseLost):
        end(desk, claimed, Succeeded())


def test_keeping_a_lease_extends_it_and_tells_when_it_is_lost(desk):
    make(desk, "a", "b")
    claimed = take(desk, lease=timedelta(seconds=1))
    with desk.scope() as connection:
        keep(connection, claimed, timedelta(hours=1))
    expiry = desk.rows("select min(lease_expires_at) from work.batch_item")[0][0]
    assert expiry > datetime.now(UTC) + timedelta(minutes=50)
    desk.let_leases_expire()
    with desk.scope() as connection:
        return_expired(connection)
    with pytest.raises(LeaseLost, match=r"2 of 2 demo items"), desk.scope() as connection:
        keep(connection, claimed, timedelta(hours=1))


def test_released_items_are_as_if_never_claimed(desk):
    make(desk, "a", "b")
    claimed = take(desk)
    with desk.scope() as connection:
        assert release(connection, claimed) == 2
    again = take(desk)
    assert [(item.subject_id, item.attempts) for item in again.items] == [("a", 1), ("b", 1)]


def test_items_over_which_a_process_died_come_one_by_one_and_fail_in_the_end(desk):
    job_id = make(desk, "a", "b")
    take(desk, max_attempts=2)
    desk.let_leases_expire()
    with desk.scope() as connection:
        assert return_expired(connection, KIND) == 2
    first, second = take(desk, max_attempts=2), take(desk, max_attempts=2)
    assert (subjects(first), subjects(second)) == (["a"], ["b"])
    end(desk, first, Succeeded())
    desk.let_leases_expire()
    with desk.scope() as connection:
        return_expired(connection, KIND)
    assert desk.items(job_id) == {"a": "succeeded", "b": "failed"}
    (row,) = desk.rows("select error_code, error_message from work.batch_item where status = 'failed'")
    assert tuple(row) == ("WORKER_DIED", "The process ended without finishing this item (attempt 2 of 2).")
    (job,) = desk.rows("select status, last_error from work.batch_job")
    assert (job.status, job.last_error[:11]) == ("completed_with_errors", "WORKER_DIED")


def test_new_items_are_not_held_up_by_those_that_must_be_alone(desk):
    make(desk, "a", "b")
    take(desk)
    desk.let_leases_expire()
    put(desk, "c", "d")
    with desk.scope() as connection:
        return_expired(connection, KIND)
    assert [subjects(take(desk)) for _ in range(3)] == [["c", "d"], ["a"], ["b"]]


def test_a_waiting_subject_is_one_entry_and_a_change_during_work_is_a_new_one(desk):
    assert put(desk, "a", "b", "a") == 2
    assert put(desk, "b", "c") == 1
    claimed = take(desk)
    assert sorted(subjects(claimed)) == ["a", "b", "c"]
    assert put(desk, "a") == 1
    end(desk, claimed, Succeeded(), Succeeded(), Succeeded())
    assert subjects(take(desk)) == ["a"]


def test_an_entry_that_fails_gives_way_to_a_newer_one_of_its_subject(desk):
    put(desk, "a", "b")
    claimed = take(desk)
    put(desk, "a")
    again = Failed("BUSY", "busy", retry=True)
    assert sorted(end(desk, claimed, again, again)) == [ItemStatus.PENDING, ItemStatus.SKIPPED]
    rows = desk.rows("select subject_id, status, error_code from work.batch_item order by subject_id, id")
    assert [tuple(row) for row in rows] == [
        ("a", "skipped", "SUPERSEDED"),
        ("a", "pending", None),
        ("b", "pending", "BUSY"),
    ]


def test_entries_of_one_subject_that_come_back_together_become_one(desk):
    for _ in range(3):
        put(desk, "a")
        take(desk)
    desk.let_leases_expire()
    with desk.scope() as connection:
        return_expired(connection, KIND)
    rows = desk.rows("select status from work.batch_item order by id")
    assert [row.status for row in rows] == ["skipped", "skipped", "pending"]


def test_a_new_change_gives_a_waiting_entry_all_its_attempts(desk):
    put(desk, "a")
    end(desk, take(desk), Failed("BUSY", "busy", retry=True))
    assert put(desk, "a") == 0
    desk.let_pauses_pass()
    assert take(desk).items[0].attempts == 1


def test_an_entry_is_not_taken_before_the_change_that_needs_it_is_committed(desk):
    """Or the worker would act on the old state, and nothing would be left to tell of the new one."""
    put(desk, "a", "b")
    with desk.scope() as changing:
        enqueue(changing, KIND, ["a"])
        assert subjects(take(desk)) == ["b"]
    assert subjects(take(desk)) == ["a"]


def test_a_change_that_meets_the_claim_of_its_entry_becomes_a_new_entry(desk):
    put(desk, "a")
    added = []
    with desk.scope() as worker:
        assert claim(worker, KIND, lease=LEASE) is not None
        changing = threading.Thread(target=lambda: added.append(put(desk, "a")))
        changing.start()
        changing.join(0.3)
        assert not added, "waits for the claim to be committed"
    changing.join(10)
    assert added == [1]
    assert subjects(take(desk)) == ["a"]


@given(text=st.text(), code=st.from_regex(r"[A-Z][A-Z0-9_-]*", fullmatch=True))
@settings(max_examples=example_count(200))
def test_a_message_is_one_storable_line(text, code):
    message = Failed(code, text).message
    assert len(message) <= 500
    assert not set(message) & {"\n", "\r", "\x00", "\x0b", "\u2028"}


@pytest.mark.parametrize("code", ["", "no_lines", "NO LINES", "1A", "A;B"])
def test_a_failure_code_has_one_form(code):
    with pytest.raises(ValueError, match="failure code"):
        Failed(code, "x")

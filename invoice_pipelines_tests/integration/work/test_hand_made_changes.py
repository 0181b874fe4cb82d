"""What a person changes by hand in psql: a job is cancelled properly, and all else is refused with words."""

from __future__ import annotations

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from invoice_pipelines.work import job_events
from invoice_pipelines_tests.integration.work.effects import KIND
from invoice_pipelines_tests.integration.work.test_operators import clean, due


def refusal(error: pytest.ExceptionInfo[DBAPIError]) -> str:
    assert isinstance(error.value.orig, psycopg.Error)
    diagnosis = error.value.orig.diag
    return f"{diagnosis.message_primary} {diagnosis.message_hint}"


@pytest.mark.parametrize("status", ["failed", "cancelled"])
@pytest.mark.parametrize("who", ["application", "superuser"])
def test_a_status_set_by_hand_cancels_the_job(desk, status, who):
    """As an old runbook has it. Nothing waits any more, no sensor asks, and the history says who did it."""
    job_id, other = desk.make("a", "b", "c"), desk.make("d")
    (_, _) = desk.take(chunk_size=2).items
    statement = text("update batch_job_queue set status = :status where id = :id")
    if who == "application":
        with desk.scope() as connection:
            changed = connection.execute(statement, {"status": status, "id": job_id}).rowcount
    else:
        with desk.superuser.begin() as connection:
            changed = connection.execute(statement, {"status": status, "id": job_id}).rowcount
    assert changed == 1
    assert desk.items(job_id) == {"a": "processing", "b": "processing", "c": "cancelled"}
    assert desk.job(job_id).status == "cancelled"
    with desk.scope() as connection:
        assert [event.action for event in job_events(connection, job_id)] == ["created", "cancelled"]
    assert [entry.due_items for entry in due(desk)] == [1], "only the other job"
    assert desk.job(other).status == "pending"


@pytest.mark.parametrize("change", ["status = 'completed'", "failed_items = 0", "status = 'failed', total_items = 7"])
def test_other_changes_of_a_job_are_refused_and_say_what_to_do(desk, change):
    job_id = desk.make("a")
    for connect in (desk.scope, desk.superuser.begin):
        with pytest.raises(DBAPIError) as error, connect() as connection:
            connection.execute(text(f"update batch_job_queue set {change} where id = '{job_id}'"))
        assert "status = 'cancelled'" in refusal(error)
        assert "batch retry" in refusal(error)


def test_a_job_that_has_ended_stays_so(desk):
    job_id = desk.make()
    with pytest.raises(DBAPIError) as error:
        desk.rows("update batch_job_queue set status = 'failed' returning id")
    assert f"Batch job {job_id} has ended as completed; it stays so." in refusal(error)


def test_no_view_for_people_lets_a_change_through(desk):
    desk.make("a")
    with desk.superuser.connect() as connection:
        views = list(
            connection.execute(text("select viewname from pg_views where schemaname = 'public' order by 1")).scalars()
        )
        open_to_changes = connection.execute(
            text(
                """select v.table_name, p from information_schema.views v,
                          unnest(array['INSERT', 'UPDATE', 'DELETE']) p
                   where v.table_schema = 'public' and not exists (
                       select from information_schema.triggers t
                       where t.event_object_schema = 'public' and t.event_object_table = v.table_name
                         and t.action_timing = 'INSTEAD OF' and t.event_manipulation = p)"""
            )
        ).all()
    assert {"batch_item_queue", "invoice_record", "received_invoice", "qbo_sync_queue"} <= set(views)
    assert open_to_changes == []
    for connect in (desk.scope, desk.superuser.begin):
        with pytest.raises(DBAPIError) as error, connect() as connection:
            connection.execute(text("update batch_item_queue set status = 'failed'"))
        assert refusal(error).startswith("The view batch_item_queue is for reading; it takes no update.")
        assert "batch cancel" in refusal(error)
        with pytest.raises(DBAPIError, match="is for reading; it takes no delete"), connect() as connection:
            connection.execute(text("delete from batch_job_queue"))
    assert set(desk.items(desk.rows("select id from batch_job_queue")[0].id).values()) == {"pending"}


def test_items_left_in_a_job_that_a_hand_ended_are_cancelled_by_the_clean_up(desk):
    """Also by a superuser in the table itself; and a worker that claims them meanwhile does not do them."""
    job_id, claimed = desk.make("a", "b"), desk.make("c")
    with desk.superuser.begin() as connection:
        connection.execute(
            text("update work.batch_job set status = 'failed', completed_at = now() where id = any(:ids)"),
            {"ids": [job_id, claimed]},
        )
    assert clean(desk).cancelled_items == 3
    for each, items in ((job_id, 2), (claimed, 1)):
        job = desk.job(each)
        assert (job.status, job.cancelled_items) == ("cancelled", items)
    assert due(desk) == ()
    with desk.scope() as connection:
        event = job_events(connection, job_id)[-1]
    assert (event.action, event.detail) == ("repaired", {"repair": "cancelled", "items": 2})
    assert clean(desk).cancelled_items == 0


def test_a_worker_does_not_begin_what_waits_in_a_job_that_a_hand_ended(desk):
    job_id = desk.make("a")
    with desk.superuser.begin() as connection:
        statement = "update work.batch_job set status = 'failed', completed_at = now() where id = :id"
        connection.execute(text(statement), {"id": job_id})
    assert desk.take() is None
    assert desk.items(job_id) == {"a": "cancelled"}
    assert [entry.kind for entry in due(desk, KIND)] == []

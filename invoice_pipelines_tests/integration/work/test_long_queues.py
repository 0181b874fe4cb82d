"""A long history costs a claim nothing, and neither does a queue that grew faster than the statistics about it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, text

from invoice_pipelines.work import (
    Failed,
    ItemStatus,
    Succeeded,
    cancel_job,
    claim,
    create_job,
    enqueue,
    finish,
    job_items,
    keep,
    open_items,
    organizations_with_work,
    release,
    return_expired,
)
from invoice_pipelines_tests.conftest import open_organization
from invoice_pipelines_tests.integration.work.conftest import LEASE, WorkDesk
from invoice_pipelines_tests.integration.work.effects import KIND
from invoice_pipelines_tests.support.sizes import size
from invoice_pipelines_tests.support.statistics import keep_statistics, put

CHUNK = 250
WAITING = 5_000

HISTORY = """
    set local session_replication_role = replica;  -- no foreign key checks, for speed
    insert into work.batch_item (organization_id, kind, subject_id, status, attempts, finished_at)
    select '{organization}', '{kind}', n::text, 'succeeded', 1, now() - interval '1 day'
    from generate_series(1, {items}) n
"""


def grow_history(desk: WorkDesk, items: int) -> None:
    with desk.superuser.begin() as connection:
        connection.exec_driver_sql(HISTORY.format(organization=desk.organization_id, kind=KIND, items=items))


@contextmanager
def reading_at_most(desk: WorkDesk, items: int) -> Iterator[Connection]:
    """A transaction that must not read the table in full, nor more of its rows than `items` by any index."""
    with desk.scope() as connection:
        in_full, by_index = read_so_far(connection)
        yield connection
        in_full_now, by_index_now = read_so_far(connection)
        assert in_full_now == in_full, "the table is never read in full"
        assert by_index_now - by_index <= items, "nothing but the chunk is looked at"


def read_so_far(connection: Connection) -> tuple[int, int]:
    row = connection.execute(
        text(
            """select coalesce(seq_tup_read, 0) as in_full, coalesce(idx_tup_fetch, 0) as by_index
               from pg_stat_xact_user_tables where relid = 'work.batch_item'::regclass"""
        )
    ).one()
    return row.in_full, row.by_index


def take(desk: WorkDesk):
    """Claims a chunk, and looks at how much of the table had to be read for it."""
    with reading_at_most(desk, 3 * CHUNK) as connection:
        claimed = claim(connection, KIND, chunk_size=CHUNK, lease=LEASE)
    assert claimed is not None
    assert len(claimed.items) == CHUNK
    return claimed


def one_chunk(desk: WorkDesk) -> float:
    """Claims and finishes a chunk, and looks at how much of the table each had to read; returns the seconds."""
    started = time.perf_counter()
    claimed = take(desk)
    with reading_at_most(desk, 3 * CHUNK) as connection:
        finish(connection, claimed, [Succeeded()] * CHUNK)
    return time.perf_counter() - started


def maintain(desk: WorkDesk, statement: str) -> None:
    with desk.superuser.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(statement))


@pytest.mark.slow
def test_very_many_finished_items_do_not_slow_a_claim(database):
    desk = open_organization(database, WorkDesk)
    grow_history(open_organization(database, WorkDesk), 10_000)
    grow_history(desk, size(30_000, 900_000))
    with desk.scope() as connection:
        create_job(connection, KIND, map(str, range(3_000)), created_by="anna")
        enqueue(connection, KIND, map(str, range(1_000)))
    for statement in ("select", "vacuum analyze work.batch_item"):  # before there are any statistics, and after
        maintain(desk, statement)
        for _ in range(4):
            assert one_chunk(desk) < 1
        plan = plan_of_a_claim(desk)
        assert "Index Scan using batch_item_due" in plan
        assert "Sort" not in plan
        assert "Seq Scan" not in plan


def plan_of_a_claim(desk: WorkDesk) -> str:
    """The plan of the query inside `work.claim_items` that picks the items, with the settings of that function."""
    with desk.scope() as connection:
        source, settings = connection.execute(
            text("select prosrc, proconfig from pg_proc where oid = 'work.claim_items'::regproc")
        ).one()
        for setting in settings:
            name, value = setting.split("=")
            connection.execute(text("select set_config(:name, :value, true)"), {"name": name, "value": value})
        pick = source[source.index("select i.id, i.job_id") : source.index("), first")]
        for name, value in (
            ("= organization", "= :o"),
            ("= wanted_kind", "= :k"),
            ("limit chunk_size", f"limit {CHUNK}"),
        ):
            assert name in pick
            pick = pick.replace(name, value)
        rows = connection.execute(text(f"explain {pick}"), {"o": desk.organization_id, "k": KIND}).scalars()
        return "\n".join(rows)


CASES = [
    *(("never", "job"), ("bad", "entries"), ("when filled", "entries"), ("half done", "job")),
    *(
        pytest.param(*case, marks=pytest.mark.slow)
        for case in (("never", "entries"), ("bad", "job"), ("when filled", "job"), ("half done", "entries"))
    ),
]
"""When statistics were collected, and what waits."""


@pytest.mark.parametrize(("vacuumed", "queue"), CASES)
def test_the_cost_of_a_chunk_does_not_depend_on_when_statistics_were_collected(database, vacuumed, queue):
    with database.superuser.begin() as connection:
        connection.exec_driver_sql("alter table work.batch_item set (autovacuum_enabled = false)")
    desk = open_organization(database, WorkDesk)
    job_id = fill(desk, queue, vacuumed)
    for _ in range(3):
        one_chunk(desk)

    claimed = take(desk)
    with reading_at_most(desk, CHUNK) as connection:
        keep(connection, claimed, LEASE)
    # What comes back is looked at up to three times, and once more to find its job.
    with reading_at_most(desk, 4 * CHUNK) as connection:
        assert release(connection, claimed) == CHUNK
    claimed = take(desk)
    with reading_at_most(desk, 4 * CHUNK) as connection:
        finish(connection, claimed, [Failed("BUSY", "busy", retry=True)] * CHUNK)
    with reading_at_most(desk, 3 * CHUNK) as connection:
        assert connection.execute(text("select work.make_due(:kind, '{BUSY}')"), {"kind": KIND}).scalar_one() == CHUNK
    if job_id is None:
        with reading_at_most(desk, 3 * CHUNK) as connection:
            connection.execute(
                text("select work.move_entries(:kind, :subjects, now())"),
                {"kind": KIND, "subjects": [item.subject_id for item in claimed.items]},
            )
    take(desk)
    desk.let_leases_expire()
    with reading_at_most(desk, 4 * CHUNK) as connection:
        assert return_expired(connection, KIND) == CHUNK

    if job_id is not None:
        started = time.perf_counter()
        with desk.scope() as connection:
            assert cancel_job(connection, job_id, cancelled_by="bert")
        assert time.perf_counter() - started < 5, "its items are not compared with one another"


def test_a_session_that_found_nothing_to_do_reads_no_long_queue_in_full(database):
    """Nor later, when there is much to do and nothing was vacuumed since."""
    desk = open_organization(database, WorkDesk)
    with database.superuser.begin() as connection:
        connection.exec_driver_sql("alter table work.batch_item set (autovacuum_enabled = false)")
    for number in range(8):
        with desk.scope() as connection:
            enqueue(connection, KIND, [f"first {number}"])
            claimed = claim(connection, KIND, chunk_size=CHUNK, lease=LEASE)
            keep(connection, claimed, LEASE)
            release(connection, claimed)
            claimed = claim(connection, KIND, chunk_size=CHUNK, lease=LEASE)
            finish(connection, claimed, [Succeeded()])
            assert return_expired(connection, KIND) == 0
    with desk.scope() as connection:
        enqueue(connection, KIND, map(str, range(WAITING)))
    one_chunk(desk)
    claimed = take(desk)
    with reading_at_most(desk, 6 * CHUNK) as connection:
        keep(connection, claimed, LEASE)
        assert release(connection, claimed) == CHUNK
    take(desk)
    desk.let_leases_expire()
    with reading_at_most(desk, 4 * CHUNK) as connection:
        assert return_expired(connection, KIND) == CHUNK


def test_a_page_of_a_job_is_read_without_the_items_of_others(database):
    desk = open_organization(database, WorkDesk)
    grow_history(desk, WAITING)
    with desk.scope() as connection:
        job_id = create_job(connection, KIND, map(str, range(100)), created_by="anna")
    for statement in ("select", "vacuum analyze work.batch_item"):
        maintain(desk, statement)
        with reading_at_most(desk, 200) as connection:
            page = job_items(connection, job_id, status=ItemStatus.PENDING, limit=50)
        assert len(page.items) == 50


def fill(desk: WorkDesk, queue: str, vacuumed: str):
    """Leaves a long queue, vacuumed and analyzed at a moment; returns the job, if it is one."""
    subjects = list(map(str, range(WAITING)))
    with desk.scope() as connection:
        job_id = create_job(connection, KIND, subjects, created_by="anna") if queue == "job" else None
        if job_id is None:
            enqueue(connection, KIND, subjects)
    if vacuumed == "half done":
        for _ in range(WAITING // CHUNK // 2):
            one_chunk(desk)
    if vacuumed in ("when filled", "half done"):
        maintain(desk, "vacuum analyze work.batch_item")
    if vacuumed == "bad":
        put(desk.superuser, ["work.batch_item"], "bad")
    desk.engine.dispose()
    return job_id


@pytest.mark.slow
@pytest.mark.parametrize("vacuumed", ["never", "while all items were open", "when filled", "bad"])
def test_asking_ten_thousand_organizations_for_work_is_cheap(database, vacuumed):
    desk = open_organization(database, WorkDesk)
    keep_statistics(database.superuser, ["work.batch_item", "organizations.organization"])
    with database.superuser.begin() as connection:
        connection.exec_driver_sql(
            """insert into organizations.organization (slug, name, country_code, time_zone, currency)
               select 'many-' || n, 'Many', 'DE', 'Europe/Berlin', 'EUR' from generate_series(1, 10000) n"""
        )
        connection.exec_driver_sql(
            f"""set local session_replication_role = replica;
                insert into work.batch_item (organization_id, kind, subject_id)
                select id, '{KIND}', n::text from organizations.organization, generate_series(1, 10) n
                where slug like 'many-%%'"""
        )
    if vacuumed == "while all items were open":
        maintain(desk, "vacuum analyze work.batch_item")
    grow_history(open_organization(database, WorkDesk), 200_000)
    if vacuumed == "when filled":
        maintain(desk, "vacuum analyze work.batch_item")
    if vacuumed == "bad":  # as where both were looked at while the first rows of many were not committed yet
        put(database.superuser, ["work.batch_item", "organizations.organization"], "bad")
    with database.engine.begin() as connection:
        in_full, _ = read_so_far(connection)
        started = time.perf_counter()
        found = organizations_with_work(connection, [KIND])
        seconds = time.perf_counter() - started
        (open_now,) = open_items(connection)
        assert read_so_far(connection)[0] == in_full
    assert (open_now.kind, open_now.waiting_items, open_now.leased_items) == (KIND, 100_000, 0)
    print(f"{len(found)} organizations in {seconds:.3f} s")
    assert (len(found), found[0].due_items) == (10_000, 10)
    assert seconds < 2

"""Promises about all received invoices: a look reads what changed since the last one; what is broken stays broken."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text

from invoice_pipelines.intake import promises
from invoice_pipelines.intake.received_invoices import retry_failed
from invoice_pipelines.promises import LONGEST_TRANSACTION, find_broken
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.integration.intake.conftest import IntakeDesk, open_desk
from invoice_pipelines_tests.support.statistics import STATES, keep_statistics, put, reading_at_most

PROMISES = [
    promise
    for promise in (*promises.OF_UPLOADS, *promises.OF_PARSED, *promises.OF_VALIDATED, *promises.OF_EXPORTS)
    if promise.of_all
]
TABLES = [
    f"intake.{name}"
    for name in (
        "upload",
        "received_invoice",
        "status_change",
        "verdict",
        "processing_error",
        "export",
        "export_invoice",
    )
]
OLD = 3_000

HISTORY = """
    set local session_replication_role = replica;  -- no triggers and no foreign key checks, for speed
    create temporary table old on commit drop as
    select uuidv7(-interval '1 year') as upload_id, uuidv7(-interval '1 year') as id,
           now() - interval '1 year' as moment, n, case when n %% 10 = 0 then 'FAILED' else 'EXPORTED' end as status
    from generate_series(1, {count}) n;
    insert into intake.upload (organization_id, id, sha256, size_bytes, file_name, source, created_by)
    select '{organization}', upload_id, encode(sha256(id::text::bytea), 'hex'), 1, n || '.xml', 'inbox', 'x' from old;
    insert into intake.received_invoice (organization_id, id, upload_id, status, processing_version, last_processed_at,
                                         created_at, created_by, net_amount, gross_amount, reading_json)
    select '{organization}', id, upload_id, status, 2, moment, moment, 'x', 1, 1, '{{}}' from old;
    insert into intake.status_change (organization_id, received_invoice_id, processing_version, to_status, changed_by)
    select '{organization}', id, v, case v when 1 then 'UPLOADED' else status end, 'x'
    from old, generate_series(1, 2) v;
    insert into intake.verdict (organization_id, received_invoice_id, is_valid, rules_version)
    select '{organization}', id, status = 'EXPORTED', '1' from old;
    insert into intake.processing_error (organization_id, received_invoice_id, stage, code, message)
    select '{organization}', id, 'validate', 'X', 'x' from old where status = 'FAILED';
    insert into intake.export (organization_id, export_number, format, status, created_by, completed_at)
    select '{organization}', k, 'csv', 'completed', 'x', now() from generate_series(0, {count} / 10) k;
    insert into intake.export_invoice (organization_id, export_id, received_invoice_id)
    select '{organization}', e.id, o.id from old o
    join intake.export e on e.organization_id = '{organization}' and e.export_number = o.n / 10
    where o.status = 'EXPORTED'
"""


def grow_history(desk: IntakeDesk, count: int) -> None:
    """Invoices that came and were done a year ago."""
    with desk.database.superuser.begin() as connection:
        connection.exec_driver_sql(HISTORY.format(organization=desk.organization_id, count=count))


def passed(desk: IntakeDesk) -> UUID:
    """A valid invoice that just came."""
    invoice = desk.validated()
    desk.behind(
        """insert into intake.verdict (organization_id, received_invoice_id, is_valid, rules_version)
           values (:organization, :id, true, '1')""",
        id=invoice.id,
    )
    return invoice.id


def broken(desk: IntakeDesk, *, everything: bool = False) -> dict[str, int]:
    """How much a look finds that breaks a promise; those that are kept are left out."""
    with desk.scope() as connection:
        found = find_broken(connection, PROMISES, everything=everything)
    return {name: finding.count for name, finding in found.items() if not finding.kept}


def let_time_pass(desk: IntakeDesk, by: timedelta = timedelta(hours=1)) -> None:
    """All that is there came earlier, and was looked at earlier."""
    for statement in (
        """update organizations.checked_promise
           set checked_at = checked_at - :by, all_checked_at = all_checked_at - :by
           where organization_id = :organization""",
        """update intake.received_invoice
           set created_at = created_at - :by, last_processed_at = last_processed_at - :by
           where organization_id = :organization""",
    ):
        desk.behind(statement, by=by)


def raise_total(desk: IntakeDesk, invoice_id: UUID, by: int) -> None:
    """A change without a change of the status, as by a careless hand."""
    desk.behind(
        "update intake.received_invoice set gross_amount = gross_amount + :by where id = :id", by=by, id=invoice_id
    )


@pytest.mark.parametrize("state", STATES)
def test_a_look_reads_what_changed_since_the_last_one_and_not_what_is_there(
    database: TestDatabase, tmp_path: Path, state: str
) -> None:
    desk = open_desk(database, tmp_path)
    keep_statistics(database.superuser, TABLES)
    grow_history(desk, OLD)
    assert broken(desk) == {}
    for _ in range(3):
        passed(desk)
    put(database.superuser, TABLES, state)
    desk.engine.dispose()
    with desk.scope() as connection, reading_at_most(connection, dict.fromkeys(TABLES, 20 * 3)):
        found = find_broken(connection, PROMISES)
    assert [name for name, finding in found.items() if not finding.kept] == []


def test_the_first_look_of_an_organization_is_at_all(desk: IntakeDesk) -> None:
    invoice = passed(desk)
    raise_total(desk, invoice, 1)
    let_time_pass(desk)
    assert broken(desk) == {"totals_tie": 1}


def test_what_is_broken_stays_broken_until_it_is_mended_whatever_else_comes(desk: IntakeDesk) -> None:
    bad = passed(desk)
    raise_total(desk, bad, 1)
    assert broken(desk) == {"totals_tie": 1}
    for _ in range(2):
        let_time_pass(desk)
        passed(desk)
        assert broken(desk) == {"totals_tie": 1}
    raise_total(desk, bad, -1)
    assert broken(desk) == {}


def test_what_broke_without_a_change_of_its_status_is_found_by_the_look_at_all_and_stays(desk: IntakeDesk) -> None:
    old = passed(desk)
    let_time_pass(desk)
    assert broken(desk) == {}
    raise_total(desk, old, 1)
    assert broken(desk) == {}
    assert broken(desk, everything=True) == {"totals_tie": 1}
    passed(desk)
    assert broken(desk) == {"totals_tie": 1}


def test_all_that_is_broken_is_counted_though_a_part_shows_that_something_is(desk: IntakeDesk) -> None:
    old = passed(desk)
    let_time_pass(desk)
    assert broken(desk) == {}
    raise_total(desk, old, 1)
    assert broken(desk) == {}
    raise_total(desk, passed(desk), 1)
    assert broken(desk) == {"totals_tie": 2}


def test_what_was_committed_after_the_last_look_is_looked_at_though_it_began_before(desk: IntakeDesk) -> None:
    invoice = passed(desk)
    with desk.database.superuser.connect() as late:
        late.execute(text("update intake.received_invoice set status = 'FAILED' where id = :id"), {"id": invoice})
        assert broken(desk) == {}
        late.commit()
    let_time_pass(desk)
    desk.behind(
        "update organizations.checked_promise set checked_at = checked_at + :by where organization_id = :organization",
        by=LONGEST_TRANSACTION - timedelta(seconds=30),
    )
    assert broken(desk) == {"every_failure_has_a_reason": 1}


def test_of_two_looks_at_once_the_one_that_saw_the_breakage_counts(desk: IntakeDesk) -> None:
    invoice = passed(desk)
    assert broken(desk) == {}
    with desk.scope() as early:
        raise_total(desk, invoice, 1)
        assert broken(desk, everything=True) == {"totals_tie": 1}
        raise_total(desk, invoice, -1)
        seen = find_broken(early, PROMISES, everything=True)
        assert all(finding.kept for finding in seen.values())
    states = desk.rows("select promise from organizations.checked_promise where is_broken")
    assert [row.promise for row in states] == ["totals_tie"], "only a later look may say that it is mended"
    assert broken(desk) == {}
    assert not desk.rows("select from organizations.checked_promise where is_broken")


def test_a_part_shows_each_breakage_of_what_changed(desk: IntakeDesk) -> None:
    assert broken(desk) == {}
    invoice = desk.validated().id
    assert broken(desk) == {"passed_by_a_verdict": 1}
    desk.behind("update intake.received_invoice set status = 'EXPORTED' where id = :id", id=invoice)
    assert broken(desk) == {"passed_by_a_verdict": 1, "exported_invoices_are_in_a_file": 1}
    desk.behind("update intake.received_invoice set status = 'FAILED' where id = :id", id=invoice)
    assert broken(desk) == {"every_failure_has_a_reason": 1}
    with desk.scope() as connection:
        retry_failed(connection)
    assert broken(desk) == {}
    desk.behind("delete from intake.status_change where received_invoice_id = :id and to_status = 'PARSED'", id=invoice)
    desk.behind(
        """insert into intake.upload (organization_id, sha256, size_bytes, file_name, source, created_by)
           values (:organization, repeat('a', 64), 1, 'lost.xml', 'inbox', 'x')"""
    )
    assert broken(desk) == {"every_upload_has_an_invoice": 1, "every_status_is_in_the_audit_trail": 1}


def test_another_organization_is_looked_at_by_itself(desk: IntakeDesk, other_desk: IntakeDesk) -> None:
    raise_total(desk, passed(desk), 1)
    assert broken(desk) == {"totals_tie": 1}
    passed(other_desk)
    assert broken(other_desk) == {}
    assert broken(desk) == {"totals_tie": 1}

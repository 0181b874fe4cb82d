"""History is PostgreSQL's: a hostile login of the application can neither forge, backdate, change nor delete it."""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from invoice_pipelines.database import organization_scope
from invoice_pipelines.database.roles import APP
from invoice_pipelines.delivery.promises import OF_MESSAGES
from invoice_pipelines.intake.promises import statuses_without_history
from invoice_pipelines.promises import Finding
from invoice_pipelines.work import Failed, Succeeded, cancel_job, create_job, drain, retry_failed
from invoice_pipelines.work.promises import jobs_that_disagree
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.integration.database.test_roles import attempt, hostile
from invoice_pipelines_tests.support.organization_view import OrganizationView

REFUSED = {"42501", "23001"}
"""insufficient_privilege, restrict_violation"""

APPEND_ONLY = """
    select n.nspname || '.' || c.relname as name, a.attname, t.typname,
           has_column_privilege(:app, c.oid, a.attnum, 'insert') as can_insert,
           has_column_privilege(:app, c.oid, a.attnum, 'update') as can_update,
           has_table_privilege(:app, c.oid, 'delete, truncate, references, trigger, maintain') as can_delete,
           pg_get_expr(d.adbin, d.adrelid) as default_value
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    join pg_type t on t.oid = a.atttypid
    left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
    where c.relkind = 'r' and n.nspname <> all(array['pg_catalog', 'information_schema', 'database'])
      and obj_description(c.oid, 'pg_class') ~* 'append-only'
    order by 1, a.attnum"""


def test_what_says_that_it_is_append_only_can_be_added_to_and_no_more_and_not_for_another_time(
    shared_database: TestDatabase,
) -> None:
    with shared_database.superuser.connect() as connection:
        columns = connection.execute(text(APPEND_ONLY), {"app": APP}).all()
    assert len({column.name for column in columns}) >= 15
    found = set()
    for column in columns:
        if column.can_update or column.can_delete:
            found.add(f"{column.name} can be changed")
        if column.can_insert and column.typname == "timestamptz" and column.default_value is not None:
            found.add(f"{column.name} can be backdated by {column.attname}")
        if column.can_insert and str(column.default_value).startswith("uuidv7"):
            found.add(f"{column.name} can be put in another order by {column.attname}")
    assert found == set()


def test_no_table_is_emptied_pointed_at_or_given_triggers_by_the_application(shared_database: TestDatabase) -> None:
    with shared_database.superuser.connect() as connection:
        found = connection.execute(
            text(
                """select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
                   where c.relkind = 'r' and n.nspname <> all(array['pg_catalog', 'information_schema', 'database'])
                     and has_table_privilege(:app, c.oid, 'truncate, references, trigger, maintain')"""
            ),
            {"app": APP},
        )
        assert found.scalars().all() == []


def test_only_what_nobody_asks_for_any_more_can_be_deleted(shared_database: TestDatabase) -> None:
    """Each table from which the application may delete is named here, so that a new one is thought about."""
    with shared_database.superuser.connect() as connection:
        deletable = set(
            connection.execute(
                text(
                    """select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
                       where c.relkind = 'r' and has_table_privilege(:app, c.oid, 'delete')
                         and n.nspname <> all(array['pg_catalog', 'information_schema', 'billing'])"""
                ),
                {"app": APP},
            ).scalars()
        )
    only_old_or_open_ones = {
        "work.batch_item",
        "intake.arrival",
        "intake.export_invoice",
        "intake.datev_booking",
        "overdue.notification",
        "overdue.job_execution_log",
        "quickbooks.sent_batch",
        "events.event",
        "events.webhook_delivery",
        "events.webhook_secret",
    }
    derived = {
        "intake.received_invoice_line",
        "intake.received_invoice_tax",
        "intake.review_reason",
        "intake.datev_waiting",
        "intake.review_claim",
        "intake.review_postponement",
        "intake.review_undo",
        "intake.supplier_layout",
        "intake.supplier_teaching",
        "quickbooks.authorization_request",
        "quickbooks.token_pair",
        "quickbooks.field_change",
        "quickbooks.unmapped_payment_line",
        "quickbooks.usage",
        "web.idempotency_key",
    }
    assert deletable == only_old_or_open_ones | derived
    with shared_database.superuser.connect() as connection:
        guarded = connection.execute(
            text("select polrelid::regclass::text from pg_policy where polcmd = 'd' and not polpermissive")
        )
        assert set(guarded.scalars()) == only_old_or_open_ones


@pytest.fixture
def acme(desk: OrganizationView) -> UUID:
    return desk.organization_id


@pytest.fixture
def job(desk: OrganizationView) -> UUID:
    """A job of anna with an item that succeeded and one that failed."""
    with desk.scope() as connection:
        job_id = create_job(connection, "noop", ["a", "b"], created_by="anna")
    drain(
        desk.engine,
        desk.organization_id,
        "noop",
        lambda connection, chunk: [Succeeded() if item.subject_id == "a" else Failed("X", "x") for item in chunk.items],
    )
    return job_id


def refused(connection: Connection, organization_id: UUID, statement: str) -> bool:
    """Whether a statement in the scope of an organization is refused, or finds nothing that it may touch."""
    attempt(connection, "begin")
    attempt(connection, f"select set_config('app.organization_id', '{organization_id}', true)")
    changed, error = 0, None
    try:
        changed = connection.exec_driver_sql(statement).rowcount
    except DBAPIError as raised:
        error = raised
    attempt(connection, "rollback")
    assert error is None or getattr(error.orig, "sqlstate", "") in REFUSED, f"{statement}: {error}"
    return changed == 0


def test_a_job_and_its_history_stay_as_they_are(shared_database: TestDatabase, acme: UUID, job: UUID) -> None:
    with hostile(shared_database) as connection:
        for statement in (
            f"delete from work.batch_job where id = '{job}'",
            f"delete from work.batch_item where job_id = '{job}'",
            f"delete from work.batch_job_event where job_id = '{job}'",
            f"update work.batch_job_event set created_by = 'bert' where job_id = '{job}'",
            f"""insert into work.batch_job_event (organization_id, job_id, action, created_by)
                values ('{acme}', '{job}', 'cancelled', 'bert')""",
            f"update work.batch_job set created_by = 'bert' where id = '{job}'",
            f"update work.batch_job set created_at = now() - interval '1 year' where id = '{job}'",
            f"update work.batch_job set completed_at = now() - interval '1 year' where id = '{job}'",
            f"update work.batch_job set started_at = now() - interval '1 year' where id = '{job}'",
            f"update work.batch_job set status = 'completed' where id = '{job}'",
            f"update work.batch_job set status = 'cancelled' where id = '{job}'",
            f"update work.batch_job set total_items = 1 where id = '{job}'",
            f"update work.batch_job set successful_items = 0, failed_items = 2 where id = '{job}'",
            f"update work.batch_job set failed_items = 0 where id = '{job}'",
            f"update work.batch_item set result = '{{}}' where job_id = '{job}' and status = 'succeeded'",
            f"update work.batch_item set subject_id = 'c' where job_id = '{job}'",
            f"""update work.batch_item set finished_at = now() - interval '1 year'
                where job_id = '{job}' and status = 'failed'""",
            f"""insert into work.batch_job (organization_id, kind, total_items, created_by, created_at)
                values ('{acme}', 'noop', 0, 'bert', now() - interval '1 year')""",
            f"""insert into work.batch_job (organization_id, kind, total_items, created_by, status, completed_at)
                values ('{acme}', 'noop', 0, 'bert', 'completed', now())""",
        ):
            assert refused(connection, acme, statement), statement


def test_what_people_do_to_a_job_is_written_down_by_postgresql(
    shared_database: TestDatabase, acme: UUID, job: UUID
) -> None:
    with organization_scope(shared_database.engine, acme) as connection:
        retry_failed(connection, job, requested_by="bert")
    with organization_scope(shared_database.engine, acme) as connection:
        cancel_job(connection, job, cancelled_by="carl")
    with hostile(shared_database) as connection:  # around the functions, the history is written all the same
        attempt(connection, "begin")
        connection.execute(text("select set_config('app.organization_id', :id, true)"), {"id": str(acme)})
        connection.execute(text("select set_config('app.actor', 'mallory', true)"))
        connection.execute(
            text('update work.batch_job set parameters = \'{"invoice_date": "1999-01-01"}\' where id = :id'),
            {"id": job},
        )
        attempt(connection, "commit")
    with shared_database.superuser.connect() as connection:
        events = connection.execute(
            text("select action, detail, created_by from work.batch_job_event where job_id = :id order by id"),
            {"id": job},
        ).all()
    assert [tuple(event) for event in events] == [
        ("created", {}, "anna"),
        ("retried", {"items": 1}, "bert"),
        ("cancelled", {"items": 1}, "carl"),
        ("changed", {"before": {}, "changed": {"invoice_date": "1999-01-01"}}, "mallory"),
    ]


def test_the_application_cannot_end_a_job_with_open_items_but_is_told_how_to_cancel_it(
    shared_database: TestDatabase, acme: UUID
) -> None:
    with organization_scope(shared_database.engine, acme) as connection:
        waiting = create_job(connection, "noop", ["a", "b"], created_by="anna")
    for status in ("failed", "completed"):
        with organization_scope(shared_database.engine, acme) as connection, pytest.raises(DBAPIError) as raised:
            connection.execute(
                text("update work.batch_job set status = :status, completed_at = now() where id = :id"),
                {"status": status, "id": waiting},
            )
        assert "not all of its items are done" in str(raised.value.orig)
        assert f"invoice-pipelines batch cancel {waiting}" in str(raised.value.orig)


def test_a_slug_is_never_changed(shared_database: TestDatabase, acme: UUID) -> None:
    with hostile(shared_database) as connection:
        for column, value in (("slug", "'other'"), ("id", "uuidv7()"), ("created_by", "'x'"), ("created_at", "now()")):
            assert refused(connection, acme, f"update organizations.organization set {column} = {value}"), column


def sent_by_nobody(connection: Connection) -> Finding:
    (find,) = [promise.find for promise in OF_MESSAGES if promise.name == "sent_messages_have_an_attempt"]
    assert find is not None
    return find(connection)


def test_promises_find_what_postgresql_could_not_refuse(shared_database: TestDatabase, acme: UUID, job: UUID) -> None:
    with shared_database.superuser.begin() as connection:
        for statement in FACTS.split(";"):
            connection.exec_driver_sql(statement.replace(":o", f"'{acme}'"))
    with organization_scope(shared_database.engine, acme) as connection:
        assert jobs_that_disagree(connection).kept
        assert statuses_without_history(connection).kept
        assert sent_by_nobody(connection).kept
    with shared_database.superuser.begin() as connection:
        for statement in (
            f"update work.batch_job set successful_items = 0, skipped_items = 1 where id = '{job}'",
            f"""update delivery.message set status = 'sent', composed_at = now(), sent_at = now()
                where organization_id = '{acme}'""",
            f"delete from intake.status_change where organization_id = '{acme}'",
        ):
            connection.exec_driver_sql(statement)
    with organization_scope(shared_database.engine, acme) as connection:
        assert jobs_that_disagree(connection) == Finding(1, (f"noop {job}: its counts are not those of its items",))
        assert statuses_without_history(connection).sample == (str(acme),)
        assert sent_by_nobody(connection).sample == ("RE-1, invoice by email",)
    with shared_database.superuser.begin() as connection:
        connection.exec_driver_sql(f"delete from work.batch_job_event where organization_id = '{acme}'")
    with organization_scope(shared_database.engine, acme) as connection:
        assert jobs_that_disagree(connection).sample == (
            f"noop {job}: its history does not say that anna asked for it",
        )


FACTS = """
    insert into intake.upload (organization_id, id, sha256, size_bytes, file_name, source, created_by)
    values (:o, :o, repeat('0', 64), 1, 'x.xml', 'inbox', 'anna');
    insert into intake.received_invoice (organization_id, id, upload_id, created_by) values (:o, :o, :o, 'anna');
    insert into intake.verdict (organization_id, received_invoice_id, is_valid, rules_version)
    values (:o, :o, true, '1');
    insert into intake.review_decision (organization_id, received_invoice_id, decision_number, processing_version,
                                        decision, decided_by) values (:o, :o, 1, 0, 'accepted', 'anna');
    insert into intake.export (organization_id, export_number, format, status, created_by, completed_at)
    values (:o, 1, 'CSV', 'completed', 'anna', now());
    insert into overdue.job_execution_log (organization_id, id, status, as_of, batch_size, end_time)
    values (:o, :o, 'SUCCESS', current_date, 1, clock_timestamp());
    insert into overdue.notification (organization_id, invoice_id, level, as_of, days_overdue, invoice_number,
                                      customer_id, customer_name, amount_due, currency, due_date, execution_id, status,
                                      sent_at)
    values (:o, :o, 1, current_date, 1, 'RE-1', :o, 'X', 1, 'EUR', current_date - 1, :o, 'sent', now());
    insert into delivery.message (organization_id, id, invoice_id, invoice_number, customer_id, purpose, channel,
                                  recipient) values (:o, :o, :o, 'RE-1', :o, 'invoice', 'email', 'a@b.example');
    insert into delivery.message_attempt (organization_id, message_id, attempt, worker, outcome, ended_at)
    values (:o, :o, 1, 'w', 'permanent', now());
    insert into delivery.message_event (organization_id, message_id, action, created_by)
    values (:o, :o, 'cancelled', 'anna');
    insert into delivery.opt_out (organization_id, channel, recipient, reason, ended_at, ended_by)
    values (:o, 'email', 'a@b.example', 'opted_out', now(), 'anna');
    insert into quickbooks.conflict (organization_id, realm_id, entity_type, kind, message, status, winner, decided_by,
                                     resolved_at)
    values (:o, '1', 'customer', 'field', 'm', 'resolved', 'ours', 'anna', now());
    insert into quickbooks.event (organization_id, realm_id, code, severity, message) values (:o, '1', 'X', 'info', 'm')
"""

CHANGES = {
    "intake.status_change": "changed_by = 'bert'",
    "intake.received_invoice": "created_by = 'bert'",
    "intake.upload": "received_at = now() - interval '1 year'",
    "intake.verdict": "is_valid = false",
    "intake.review_decision": "decided_by = 'bert'",
    "intake.export": "created_by = 'bert'",
    "overdue.job_execution_log": "status = 'FAILED', error_count = 1",
    "overdue.notification": "sent_at = now() - interval '1 year'",
    "delivery.message": "invoice_number = 'RE-2'",
    "delivery.message_attempt": "outcome = 'accepted'",
    "delivery.message_event": "created_by = 'bert'",
    "delivery.opt_out": "ended_by = 'bert'",
    "quickbooks.conflict": "decided_by = 'bert'",
    "quickbooks.event": "message = 'nothing'",
}

FORGERIES = {
    "a status that never was": """insert into intake.status_change (organization_id, received_invoice_id,
        processing_version, from_status, to_status, changed_by) values (:o, :o, 1, 'UPLOADED', 'EXPORTED', 'bert')""",
    "a decision of last year": """insert into intake.review_decision (organization_id, received_invoice_id,
        decision_number, processing_version, decision, decided_by, decided_at)
        values (:o, :o, 2, 0, 'accepted', 'bert', now() - interval '1 year')""",
    "a verdict of last year": """insert into intake.verdict (organization_id, received_invoice_id, is_valid,
        rules_version, created_at) values (:o, :o, true, '1', now() - interval '1 year')""",
    "a run that never was": """insert into overdue.job_execution_log (organization_id, status, as_of, batch_size,
        start_time, end_time) values (:o, 'SUCCESS', current_date, 1, now() - interval '1 day', now())""",
    "a message that was never sent": """insert into delivery.message (organization_id, invoice_id, invoice_number,
        customer_id, purpose, channel, recipient, status, composed_at, sent_at)
        values (:o, :o, 'RE-1', :o, 'reminder', 'email', 'x', 'sent', now(), now())""",
    "an attempt that never was": """insert into delivery.message_attempt (organization_id, message_id, attempt, worker,
        outcome, ended_at) values (:o, :o, 2, 'w', 'accepted', now())""",
    "an event of last year": """insert into delivery.message_event (organization_id, message_id, action, created_by,
        created_at) values (:o, :o, 'delivered', 'bert', now() - interval '1 year')""",
    "a sync event of somebody else": """insert into quickbooks.event (organization_id, realm_id, code, severity,
        message, created_by) values (:o, '1', 'X', 'info', 'm', 'anna')""",
    "a conflict of last year": """insert into quickbooks.conflict (organization_id, realm_id, entity_type, kind,
        message, status, created_at) values (:o, '1', 'customer', 'field', 'm', 'open', now() - interval '1 year')""",
}


def test_facts_of_every_domain_are_neither_changed_deleted_nor_forged(
    shared_database: TestDatabase, acme: UUID
) -> None:
    with shared_database.superuser.begin() as connection:
        for statement in FACTS.split(";"):
            connection.exec_driver_sql(statement.replace(":o", f"'{acme}'"))
    with shared_database.superuser.connect() as connection:
        for table in CHANGES:
            facts = text(f"select count(*) from {table} where organization_id = :id")
            assert connection.execute(facts, {"id": acme}).scalar_one() == 1, table
    with hostile(shared_database) as connection:
        for table, change in CHANGES.items():
            assert refused(connection, acme, f"update {table} set {change}"), table
            assert refused(connection, acme, f"delete from {table}"), table
        for name, forgery in FORGERIES.items():
            assert refused(connection, acme, forgery.replace(":o", f"'{acme}'")), name

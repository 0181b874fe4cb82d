"""What the sync promises, and that each broken promise is found and named."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from invoice_pipelines.accounting.reports import Health
from invoice_pipelines.accounting.system import RequestError
from invoice_pipelines.database import organization_scope
from invoice_pipelines.promises import Finding
from invoice_pipelines.quickbooks.overview import conflicts_since, events_since, failed_entries, sync_state
from invoice_pipelines.quickbooks.promises import (
    ambiguous_mappings,
    connection_health,
    late_invoices,
    lost_invoices,
    open_conflicts,
    sent_invoices_without_mapping,
)
from invoice_pipelines.quickbooks.push.requests import ask_for_invoices
from invoice_pipelines.quickbooks.values import KINDS, EntityType
from invoice_pipelines.work import Failed, Succeeded, drain, enqueue, get_job
from invoice_pipelines_tests.integration.overdue.conftest import OverdueDesk, desk

__all__ = ["desk"]

INVOICES = KINDS[EntityType.INVOICE]


class ConnectedOrganization:
    """An organization that is connected with realm 1, and was a day ago."""

    def __init__(self, desk: OverdueDesk) -> None:
        self.desk = desk
        self.rows(
            """insert into quickbooks.connection (organization_id, realm_id, connected_by, connected_at, company)
               values (organizations.current(), '1', 'anna', now() - interval '1 day',
                       '{"name": "Acme Books"}')"""
        )

    def rows(self, statement: str, **values: Any) -> list[Any]:
        return self.desk.rows(statement, **values)

    def behind(self, statement: str, **values: Any) -> None:
        """A change that only the operator of the database could make."""
        with self.desk.superuser.begin() as connection:
            connection.execute(text(statement), values)

    def issue(self, count: int = 1, settled: str = "no", *, hours_ago: float = 3) -> list[UUID]:
        ids = self.desk.add([self.desk.late(0, settled)] * count)
        with self.desk.superuser.begin() as connection:
            connection.exec_driver_sql("set local session_replication_role = replica")
            connection.exec_driver_sql(
                "update billing.invoice set created_at = now() - make_interval(secs => %s) where id = any(%s)",
                (hours_ago * 3600, ids),
            )
        return ids

    def map(self, *ids: UUID, quickbooks_id: str | None = None, entity: EntityType = EntityType.INVOICE) -> None:
        for local_id in ids:
            self.rows(
                """insert into quickbooks.mapping (organization_id, realm_id, entity_type, local_id, quickbooks_id,
                                                   sync_token, snapshot)
                   values (organizations.current(), '1', :entity, :id, :there, '0', '{}')""",
                entity=str(entity),
                id=local_id,
                there=quickbooks_id or str(local_id)[:8],
            )

    def send(self, local_id: UUID, outcome: str | None = "done", operation: str = "create") -> None:
        self.behind(
            """with batch as (
                   insert into quickbooks.sent_batch (organization_id, realm_id, entity_type, request_id, body)
                   values (:organization, '1', 'invoice', left(:id || :operation, 36), '{}')
                   returning organization_id, id)
               insert into quickbooks.sent_operation (organization_id, batch_id, b_id, entity_type, local_id, operation,
                                                      revision, snapshot, outcome)
               select organization_id, id, '1', 'invoice', cast(:id as uuid), :operation, 0, '{}', :outcome
               from batch""",
            id=str(local_id),
            operation=operation,
            outcome=outcome,
            organization=self.desk.organization_id,
        )

    def queue(self, *ids: UUID, failed: str | None = None, retry: bool = False) -> None:
        """Entries of the push queue that wait, or have failed."""
        with organization_scope(self.desk.engine, self.desk.organization_id) as connection:
            enqueue(connection, INVOICES, ids)
        if failed:
            drain(
                self.desk.engine,
                self.desk.organization_id,
                INVOICES,
                lambda _, chunk: [
                    Failed(failed, "It was refused.", retry) if UUID(item.subject_id) in ids else Succeeded()
                    for item in chunk.items
                ],
            )

    def find(self, promise: Callable[..., Finding], *given: Any, **named: Any) -> tuple[str, ...]:
        with organization_scope(self.desk.engine, self.desk.organization_id) as connection:
            found = promise(connection, *given, **named)
        assert found.count == len(found.sample)
        return found.sample

    def ask(self, question: Callable[..., Any], *given: Any, **named: Any) -> Any:
        with organization_scope(self.desk.engine, self.desk.organization_id) as connection:
            return question(connection, *given, **named)


@pytest.fixture
def books(desk: OverdueDesk) -> ConnectedOrganization:
    return ConnectedOrganization(desk)


def test_an_invoice_that_was_made_there_and_has_no_mapping_is_found(books: ConnectedOrganization) -> None:
    mapped, lost, refused, open_one, voided = books.issue(5)
    for invoice in (mapped, lost):
        books.send(invoice)
    books.send(refused, "failed")
    books.send(open_one, None)
    books.send(voided, "done", "void")
    books.map(mapped)
    assert books.find(sent_invoices_without_mapping) == ("INV-2",)
    assert books.find(sent_invoices_without_mapping, latest=3) == ()


def test_an_invoice_that_is_neither_there_nor_queued_nor_failed_is_lost(books: ConnectedOrganization) -> None:
    mapped, queued, failed, _ = books.issue(4)
    books.map(mapped)
    books.queue(failed, failed="BOOKS_CLOSED")
    books.queue(queued)
    assert books.find(lost_invoices) == ("INV-4",)


def test_what_has_nothing_to_do_there_is_not_lost(books: ConnectedOrganization) -> None:
    books.issue(1, "void")
    books.issue(1, "credit note")
    books.issue(hours_ago=0.1)
    books.issue(hours_ago=30)
    assert books.find(lost_invoices) == ()
    assert books.find(lost_invoices, lost_after=timedelta()) == ("INV-3",)


def test_nothing_is_lost_where_nothing_is_connected(books: ConnectedOrganization) -> None:
    books.issue()
    books.rows("update quickbooks.connection set status = 'disconnected'")
    assert books.find(lost_invoices) == ()


def test_what_waits_for_long_or_failed_is_late_and_says_why(books: ConnectedOrganization) -> None:
    waiting, failed, again, sent = books.issue(4)
    (young,) = books.issue(hours_ago=0.5)
    books.queue(failed, sent, failed="BOOKS_CLOSED")
    books.map(sent)
    books.queue(again, failed="SERVICE_AWAY", retry=True)
    books.queue(waiting)
    books.behind("update work.batch_item set created_at = created_at - interval '2 hours' where status = 'pending'")
    books.queue(young)
    assert books.find(late_invoices) == (
        "INV-1: waits",
        "INV-2: failed, BOOKS_CLOSED",
        "INV-3: waits, SERVICE_AWAY",
    )


def test_a_mapping_without_a_record_here_is_found(books: ConnectedOrganization) -> None:
    (invoice,) = books.issue()
    books.map(invoice)
    assert books.find(ambiguous_mappings, EntityType.INVOICE) == ()
    books.map(UUID(int=7), quickbooks_id="77")
    assert books.find(ambiguous_mappings, EntityType.INVOICE) == ("77",)
    assert books.find(ambiguous_mappings, EntityType.CUSTOMER) == ()


def test_one_id_there_cannot_stand_for_two_of_ours_and_would_be_found(books: ConnectedOrganization) -> None:
    first, second = books.issue(2)
    books.map(first, quickbooks_id="5")
    with pytest.raises(Exception, match="mapping_quickbooks_id"):
        books.map(second, quickbooks_id="5")
    with books.desk.superuser.begin() as connection:
        connection.exec_driver_sql("drop index quickbooks.mapping_quickbooks_id")
    try:
        books.map(second, quickbooks_id="5")
        assert books.find(ambiguous_mappings, EntityType.INVOICE) == ("5", "5")
    finally:
        with books.desk.superuser.begin() as connection:
            connection.exec_driver_sql("delete from quickbooks.mapping")
            connection.exec_driver_sql(
                """create unique index mapping_quickbooks_id
                   on quickbooks.mapping (quickbooks_id, entity_type, realm_id, organization_id)"""
            )


def test_open_conflicts_are_counted_by_entity_and_shown_first(books: ConnectedOrganization) -> None:
    for entity, status, message in (
        ("customer", "open", "Both changed the phone."),
        ("customer", "resolved", "Both changed the city."),
        ("item", "open", "Two items have this name."),
    ):
        books.rows(
            """insert into quickbooks.conflict (organization_id, realm_id, entity_type, kind, field, ours, theirs,
                                                winner, status, resolved_at, message)
               values (organizations.current(), '1', :entity, 'field', 'phone', '"1"', '"2"',
                       case :status when 'resolved' then 'ours' end, :status,
                       case :status when 'resolved' then now() end, :message)""",
            entity=entity,
            status=status,
            message=message,
        )
    assert books.find(open_conflicts, EntityType.CUSTOMER) == ("Both changed the phone.",)
    since = books.rows("select now() - interval '1 minute'")[0][0]
    shown = books.ask(conflicts_since, EntityType.CUSTOMER, since)
    assert [(found["ours"], found["theirs"], found["winner"]) for found in shown] == [
        ("1", "2", "open"),
        ("1", "2", "ours"),
    ]
    later = since + timedelta(hours=1)
    assert len(books.ask(conflicts_since, EntityType.CUSTOMER, later)) == 1, "the open one"


@pytest.mark.parametrize(
    ("change", "health", "why"),
    [
        ("status = 'connected'", Health.FINE, None),
        ("status = 'disconnected'", Health.NONE, None),
        (
            "status = 'needs_reconnect', status_reason = 'The grant was taken back.'",
            Health.BROKEN,
            "The grant was taken back. Connect again with `invoice-pipelines quickbooks connect acme`.",
        ),
        ("status = 'unconfirmed', status_reason = 'Another company.'", Health.BROKEN, "Another company."),
        (
            "paused_until = now() + interval '5 minutes', paused_reason = 'Too many calls.'",
            Health.WARNING,
            "Paused until .* Too many calls.",
        ),
        ("paused_until = now() - interval '5 minutes', paused_reason = 'Too many calls.'", Health.FINE, None),
        ("refresh_token_expires_at = now() + interval '20 days'", Health.FINE, None),
        (
            "refresh_token_expires_at = now() + interval '2 days'",
            Health.WARNING,
            "The connection ends on .*",
        ),
        (
            "refresh_token_hard_expires_at = now() + interval '29 days'",
            Health.WARNING,
            "Intuit ends the connection on .*",
        ),
    ],
)
def test_the_health_of_a_connection_says_what_to_do(
    books: ConnectedOrganization, change: str, health: Health, why: str | None
) -> None:
    books.rows(f"update quickbooks.connection set {change}")
    found = books.ask(connection_health, "acme")
    assert found.health is health
    if why is None:
        assert found.why is None
    else:
        assert_matches(why, found.why)


def assert_matches(pattern: str, text: str | None) -> None:
    assert text is not None
    assert re.fullmatch(pattern, text), text


def test_without_a_connection_there_is_no_health_and_no_state(desk: OverdueDesk) -> None:
    with desk.scope() as connection:
        assert connection_health(connection, "acme").health is Health.NONE
        assert sync_state(connection) is None


def test_the_state_says_what_waits_since_when_and_what_was_pulled(books: ConnectedOrganization) -> None:
    waiting, failed = books.issue(2)
    books.queue(failed, failed="BOOKS_CLOSED")
    books.queue(waiting)
    books.rows(
        """insert into quickbooks.pull (organization_id, realm_id, entity_type, started_at, finished_at)
           select organizations.current(), '1', e, now(), f
           from (values ('customer', now()), ('item', null), ('payment', now() - interval '1 day')) v (e, f)"""
    )
    books.rows(
        """insert into quickbooks.usage (organization_id, realm_id, hour, calls, reads, batches)
           values (organizations.current(), '1', date_trunc('hour', now()), 7, 4, 2),
                  (organizations.current(), '1', now() - interval '40 days', 100, 100, 100)"""
    )
    state = books.ask(sync_state)
    assert (state.company, state.stands, state.waiting) == ("Acme Books 1", "connected", 1)
    assert state.oldest_waiting_at is not None
    assert set(state.pulled_at) == {"customers"}
    assert (state.calls, state.open_conflicts) == (7, 0)


def test_failures_are_named_by_number_with_their_reason_the_final_ones_first(books: ConnectedOrganization) -> None:
    final, again = books.issue(2)
    since = books.rows("select now() - interval '1 minute'")[0][0]
    books.queue(again, failed="SERVICE_AWAY", retry=True)
    books.queue(final, failed="BOOKS_CLOSED")
    shown = books.ask(failed_entries, EntityType.INVOICE, since)
    assert [(found["record"], found["code"], found["tried again"]) for found in shown] == [
        ("INV-1", "BOOKS_CLOSED", False),
        ("INV-2", "SERVICE_AWAY", True),
    ]
    assert books.ask(failed_entries, EntityType.CUSTOMER, since) == []
    assert len(books.ask(failed_entries, EntityType.INVOICE, since + timedelta(hours=1))) == 1


def test_events_of_other_entities_and_from_before_are_not_shown(books: ConnectedOrganization) -> None:
    for entity in ("customer", "item", None):
        books.rows(
            """insert into quickbooks.event (organization_id, realm_id, code, severity, entity_type, message)
               values (organizations.current(), '1', 'NAME_CLEANED', 'info', :entity,
                       'Cleaned.')""",
            entity=entity,
        )
    since = books.rows("select now() - interval '1 minute'")[0][0]
    assert len(books.ask(events_since, EntityType.CUSTOMER, since)) == 2
    assert books.ask(events_since, EntityType.CUSTOMER, since + timedelta(hours=1)) == []


def test_named_invoices_are_one_batch_job_in_their_order(books: ConnectedOrganization) -> None:
    first, second = books.issue(2)
    job = books.ask(ask_for_invoices, ["INV-2", str(first), "INV-2"], created_by="anna")
    items = books.rows("select subject_id from work.batch_item where job_id = :job order by id", job=job)
    assert [item.subject_id for item in items] == [str(second), str(first)]
    stand = books.ask(get_job, job)
    assert (stand.kind, stand.created_by, stand.total_items) == (INVOICES, "anna", 2)


def test_an_unknown_invoice_is_named_and_nothing_is_asked_for(books: ConnectedOrganization) -> None:
    books.issue()
    with pytest.raises(RequestError, match="invoices: there is no INV-9, nonsense in this organization"):
        books.ask(ask_for_invoices, ["INV-1", "INV-9", "nonsense"], created_by="anna")
    assert books.rows("select * from work.batch_job") == []

"""What changes is told, each once, with what a program needs to decide whether to ask for more."""

from __future__ import annotations

import re
from collections import Counter
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import text

from invoice_pipelines.billing.corrections import credit_invoice, void_invoice
from invoice_pipelines.billing.payments import record_payment, void_payment
from invoice_pipelines.database.schema import PACKAGE
from invoice_pipelines.events.feed import Event, read_events
from invoice_pipelines.events.values import EVENT_TYPES
from invoice_pipelines.overdue import notify_overdue
from invoice_pipelines_tests.support.billing.shop import Shop


def events(shop: Shop, *types: str) -> list[Event]:
    with shop.scope() as connection:
        return list(read_events(connection, types=types, limit=10_000).events)


def told(shop: Shop, *types: str) -> list[tuple[str, dict[str, Any]]]:
    return [(event.type, dict(event.data)) for event in events(shop, *types)]


def number_of(shop: Shop, invoice: UUID) -> str:
    number: str = shop.value("select invoice_number from billing.issued_invoice where id = :id", id=invoice)
    return number


def by_hand(shop: Shop, *statements: str) -> None:
    """What other domains write, without all that goes before."""
    with shop.superuser.begin() as connection:
        for statement in statements:
            connection.execute(text(statement.replace("{organization}", f"'{shop.organization.id}'")))


def test_all_types_are_captured_and_no_others() -> None:
    written = re.sub(r"^--.*$", "", (PACKAGE / "change_capture.sql").read_text("utf-8"), flags=re.M)
    triggers = re.findall(r"create or replace trigger .*?;", written, flags=re.S)
    captured: set[str] = set()
    for trigger in triggers:
        if match := re.search(r"events\.capture\(\s*\$\$(?:'([\w.]+)'|(n\.series) \|\| '\.issued')", trigger):
            captured.add(match[1] or "")
    groups = {name for name in captured if name.endswith(".")}
    singles = captured - groups - {""}
    assert singles <= set(EVENT_TYPES)
    left = {name for name in EVENT_TYPES if name not in singles and not name.startswith(tuple(groups))}
    assert left == {"credit_note.issued"}


def test_the_life_of_an_invoice_is_told(shop: Shop) -> None:
    paid, void, credited = shop.issue({}, {}, {})
    with shop.scope() as connection:
        record_payment(connection, paid, Decimal("119.00"), recorded_by="anna")
    with shop.scope() as connection:
        void_invoice(connection, void, reason="wrong customer", voided_by="anna")
    with shop.scope() as connection:
        credit_invoice(connection, credited, reason="returned", created_by="anna")
    numbers = {invoice: number_of(shop, invoice) for invoice in (paid, void, credited)}
    issued = told(shop, "invoice.issued")
    assert [data["invoice_id"] for _, data in issued] == [str(paid), str(void), str(credited)]
    assert issued[0][1]["invoice_number"] == numbers[paid]
    for kind, invoice in (("paid", paid), ("voided", void), ("credited", credited)):
        (event,) = events(shop, f"invoice.{kind}")
        assert event.subject_id == invoice
        assert event.data == {"invoice_id": str(invoice), "invoice_number": numbers[invoice]}
    ((_, note),) = told(shop, "credit_note.issued")
    assert note["invoice_number"].startswith("CN-")


def test_a_payment_that_is_taken_back_is_told(shop: Shop) -> None:
    (invoice,) = shop.issue({})
    with shop.scope() as connection:
        payment = record_payment(connection, invoice, Decimal("119.00"), recorded_by="anna")
    with shop.scope() as connection:
        void_payment(connection, payment, voided_by="anna")
    ((_, data),) = told(shop, "invoice.reopened")
    assert data == {"invoice_id": str(invoice), "status": "issued", "invoice_number": number_of(shop, invoice)}


def test_what_is_overdue_is_told_once_for_each_level(shop: Shop) -> None:
    (invoice,) = shop.issue({}, invoice_date="2026-01-15")
    notify_overdue(shop.context())
    notify_overdue(shop.context())
    levels = [data["level"] for _, data in told(shop, "invoice.overdue")]
    assert levels == sorted(set(levels)) != []
    for _, data in told(shop, "invoice.overdue"):
        assert (data["invoice_id"], data["amount_due"]) == (str(invoice), "119.00")


def test_a_batch_operation_that_ends_is_told(shop: Shop) -> None:
    shop.issue({}, {})
    ((kind, data),) = told(shop, "batch_operation.*")
    assert kind == "batch_operation.completed"
    assert (data["kind"], data["total_items"], data["successful_items"]) == ("invoice_orders", 2, 2)


def test_received_invoices_are_told_from_their_arrival_to_their_end(shop: Shop) -> None:
    by_hand(
        shop,
        """insert into intake.upload (organization_id, sha256, size_bytes, file_name, source, created_by)
           select {organization}, repeat(n::text, 64), 1, 'a.pdf', 'inbox', 'anna' from generate_series(1, 3) n""",
        """insert into intake.received_invoice (organization_id, upload_id, created_by)
           select organization_id, id, 'anna' from intake.upload where organization_id = {organization}""",
        """update intake.received_invoice set status = 'PARSED', reading_json = '{}', invoice_number = repeat('R', 900)
           where organization_id = {organization}""",
        """insert into intake.review_reason (organization_id, received_invoice_id, position, processing_version, code,
                                             message, message_de, must_be_corrected)
           select organization_id, id, p, processing_version, 'LOW', 'low', 'niedrig', false
           from intake.received_invoice, generate_series(1, 2) p where organization_id = {organization}""",
        "update intake.received_invoice set status = 'VALIDATED' where organization_id = {organization}",
        "update intake.received_invoice set buyer_name = 'B' where organization_id = {organization}",
        "update intake.received_invoice set status = 'EXPORTED' where organization_id = {organization}",
        "update intake.received_invoice set status = 'FAILED' where organization_id = {organization}",
    )
    counts = Counter(kind for kind, _ in told(shop, "received_invoice.*"))
    assert counts == {
        f"received_invoice.{kind}": 3 for kind in ("received", "waits_for_review", "validated", "exported", "failed")
    }
    _, data = told(shop, "received_invoice.validated")[0]
    assert data["status"] == "VALIDATED"
    assert data["invoice_number"] == "R" * 200


def test_documents_messages_and_quickbooks_are_told(shop: Shop) -> None:
    (invoice,) = shop.issue({})
    by_hand(
        shop,
        f"""insert into delivery.invoice_document (organization_id, invoice_id, invoice_number, format, language,
                version, file_name, sha256, size_bytes, pages, input_sha256, template_sha256, engine)
            values ({{organization}}, '{invoice}', 'INV-1', 'zugferd', 'en', 1, 'a.pdf', repeat('a', 64), 1, 1,
                    repeat('b', 64), repeat('c', 64), 'typst')""",
        f"""insert into delivery.message (organization_id, invoice_id, invoice_number, customer_id, purpose, channel,
                recipient)
            values ({{organization}}, '{invoice}', 'INV-1', gen_random_uuid(), 'invoice', 'email', 'a@b.c')""",
        """update delivery.message set status = 'sending', composed_at = now()
           where organization_id = {organization}""",
        """update delivery.message set status = 'sent', sent_at = now() where organization_id = {organization}""",
        """update delivery.message set provider_status = 'queued' where organization_id = {organization}""",
        """update delivery.message set status = 'bounced', ended_at = now(), error_code = '5.1.1'
           where organization_id = {organization}""",
        """insert into quickbooks.connection (organization_id, realm_id, connected_by)
           values ({organization}, '1', 'a')""",
        """update quickbooks.connection set paused_until = now() where organization_id = {organization}""",
        """update quickbooks.connection set status = 'needs_reconnect' where organization_id = {organization}""",
        """insert into quickbooks.conflict (organization_id, realm_id, entity_type, local_id, kind, field, status,
                                            message)
           values ({organization}, '1', 'customer', gen_random_uuid(), 'edited', 'name', 'open', 'Both changed it')""",
        """insert into quickbooks.conflict (organization_id, realm_id, entity_type, local_id, kind, field, status,
                                            message, resolved_at)
           values ({organization}, '1', 'customer', gen_random_uuid(), 'edited', 'name', 'resolved', 'Both', now())""",
    )
    found = told(shop, "document.*", "message.*", "quickbooks.*")
    assert [kind for kind, _ in found] == [
        "document.made",
        "message.sent",
        "message.bounced",
        "quickbooks.needs_reconnect",
        "quickbooks.conflict_opened",
    ]
    assert found[0][1]["invoice_id"] == str(invoice)
    assert found[2][1]["error_code"] == "5.1.1"


def test_five_thousand_invoices_are_told_in_one_statement_for_each_chunk(shop: Shop) -> None:
    shop.issue(*[{} for _ in range(5_000)])
    with shop.superuser.connect() as connection:
        count, statements, chunks = connection.execute(
            text(
                """select count(distinct e.subject_id), count(distinct (e.position, e.cmin::text)),
                          count(distinct e.position)
                   from events.event e where e.organization_id = :id and e.type = 'invoice.issued'"""
            ),
            {"id": shop.organization.id},
        ).one()
    assert count == 5_000
    assert statements == chunks <= 10
    with shop.scope() as connection:
        first = read_events(connection, types=["invoice.issued"], limit=5_000).events
    numbers = [event.data["invoice_number"] for event in first]
    assert numbers == sorted(numbers)


def test_what_is_undone_is_not_told(shop: Shop) -> None:
    (order,) = shop.orders({})
    issue = text("select public.create_invoice_from_sales_order_sql(:order)")
    with shop.scope() as connection:
        connection.execute(issue, {"order": order})
        connection.rollback()
    assert told(shop) == []
    with shop.scope() as connection:
        connection.execute(issue, {"order": order})
    assert [kind for kind, _ in told(shop)] == ["batch_operation.completed", "invoice.issued"]

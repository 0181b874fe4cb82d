"""The commands of messages, their texts and opt-outs, as a person uses them, against a mail server on loopback."""

from __future__ import annotations

import re
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from invoice_pipelines.billing.processing import process_jobs
from invoice_pipelines.billing.requests import batch_invoice_open_orders
from invoice_pipelines.database import organization_scope
from invoice_pipelines.organizations import find_organization
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.settings import load_settings
from invoice_pipelines.workshop.sandbox.mail import MailServer
from invoice_pipelines.workshop.sandbox.mail.faults import Fault
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.support.terminal import Terminal, one_line


@pytest.fixture(scope="module")
def terminal(terminal: Terminal, module_database: TestDatabase, mail: MailServer) -> Terminal:
    """A terminal with an organization that has issued five invoices to one customer, and a mail server without IMAP."""
    terminal.environment |= {
        "INVOICE_PIPELINES_SMTP_HOST": "127.0.0.1",
        "INVOICE_PIPELINES_SMTP_PORT": str(mail.smtp_port),
        "INVOICE_PIPELINES_SMTP_SECURITY": "none",
        "INVOICE_PIPELINES_SMTP_USER": str(mail.user),
        "INVOICE_PIPELINES_SMTP_PASSWORD": mail.password,
        "INVOICE_PIPELINES_EMAIL_FROM": "invoices@acme.example",
        "INVOICE_PIPELINES_LOOK_UP_AFTER_SECONDS": "0",
    }
    engine = module_database.engine
    organization = find_organization(engine, "acme")
    with organization_scope(engine, organization.id) as connection:
        connection.execute(text(BOOKS))
    context = OrganizationContext(engine, organization, load_settings(), "anna")
    with context.scope() as connection:
        batch_invoice_open_orders(connection, created_by="anna", due_days=14)
    process_jobs(context)
    return terminal


BOOKS = """
    with rate as (
        insert into billing.tax_rate (organization_id, tax_category, rate, name)
        values (organizations.current(), 'S', 19, 'Standard')
    ), customer as (
        insert into billing.customer (organization_id, customer_number, name, country_code, email, phone)
        values (organizations.current(), 'C1', 'Buyer [bold]AG', 'DE', 'anna@buyer.example', null)
        returning organization_id, id
    ), ordered as (
        insert into billing.sales_order (organization_id, order_number, customer_id, status, currency, order_date)
        select c.organization_id, 'O' || n, c.id, 'reviewed', 'EUR', date '2026-01-02'
        from customer c, generate_series(1, 5) n returning organization_id, id
    )
    insert into billing.sales_order_line (organization_id, sales_order_id, line_number, description, quantity,
                                          unit_price, tax_category, tax_rate)
    select organization_id, id, 1, 'Work', 1, 10, 'S', 19 from ordered
"""


def number(place: int) -> str:
    return f"INV-{datetime.now(ZoneInfo('Europe/Berlin')).year}-{place:06}"


def message_id(shown: str) -> UUID:
    found = re.search(r"[0-9a-f]{8}-[0-9a-f-]{27}", shown)
    assert found, shown
    return UUID(found[0])


def test_invoices_are_sent_and_looked_at(terminal: Terminal, mail: MailServer) -> None:
    sent = terminal.acme("messages", "send", number(1), "--no-pdf", "--now", "--subject", "Bill {{ invoice.number }}")
    assert sent.returncode == 0, sent.stdout + sent.stderr
    assert [m.envelope_to for m in mail.messages()] == [("anna@buyer.example",)]
    listed = terminal.acme("messages", "list", "--all").stdout
    assert re.search(rf"sent +{number(1)} +invoice, email +.* anna@buyer\.example", listed), listed
    shown = terminal.acme("messages", "show", str(message_id(listed))[-6:]).stdout
    assert f"Bill {number(1)}" in shown
    assert "Hello Buyer [bold]AG," in shown
    assert re.search(r"1 +send .* accepted", shown)
    html = terminal.acme("messages", "show", str(message_id(listed)), "--html").stdout
    assert html.startswith("<!doctype html>")


def test_one_that_failed_is_named_with_what_to_do(terminal: Terminal) -> None:
    failed = terminal.acme("messages", "send", number(2), "--method", "sms", "--now")
    assert failed.returncode == 1
    assert "NO_ADDRESS" in failed.stdout
    assert "The customer has no phone: enter one, then retry." in failed.stdout


def test_one_in_doubt_is_decided(terminal: Terminal, mail: MailServer) -> None:
    mail.faults.inject(Fault.DROP_AFTER_ACCEPT)
    terminal.acme("messages", "send", number(3), "--no-pdf", "--now")
    assert "ended" in terminal.acme("messages", "run").stdout
    doubt = terminal.acme("messages", "list", "--status", "unknown").stdout
    assert "OUTCOME_UNKNOWN" in doubt
    neither = terminal.acme("messages", "resolve", str(message_id(doubt)))
    assert (neither.returncode, "give --sent or --again" in neither.stderr) == (2, True)
    assert "counts as sent" in terminal.acme("messages", "resolve", str(message_id(doubt)), "--sent").stdout
    refused = terminal.acme("messages", "resolve", str(message_id(doubt)), "--sent")
    assert refused.returncode == 2
    assert "is sent; only one that is unknown can be resolved" in refused.stderr


def test_who_opted_out_is_left_alone(terminal: Terminal, mail: MailServer) -> None:
    before = len(mail.messages())
    assert (
        "No email goes to" in terminal.acme("opt-outs", "add", "email", "Anna@buyer.example", "--note", "call").stdout
    )
    assert re.search(r"anna@buyer\.example +opted_out +call", terminal.acme("opt-outs", "list").stdout)
    assert terminal.acme("messages", "send", number(4), "--no-pdf", "--now").returncode == 0
    assert len(mail.messages()) == before
    assert terminal.acme("opt-outs", "end", "email", "anna@buyer.example").returncode == 0
    nothing = terminal.acme("opt-outs", "end", "email", "anna@buyer.example")
    assert (nothing.returncode, "nothing keeps email" in nothing.stderr) == (2, True)


def test_texts_are_checked_stored_and_removed(terminal: Terminal, mail: MailServer) -> None:
    file = terminal.home / "text.txt"
    file.write_text("Dear {{ customer.name }}\n{{ invoice.nummer }}\n")
    subject = ["--subject", "For {{ customer.name }}"]
    refused = terminal.acme("message-templates", "set", "--text", str(file), *subject)
    assert refused.returncode == 2
    assert "text, line 2: there is no field 'invoice.nummer'" in refused.stderr
    file.write_text("Dear {{ customer.name }}, {{ invoice.number }}")
    assert terminal.run("message-templates", "check", "--text", str(file), *subject).stdout == "It can be used.\n"
    assert terminal.acme("message-templates", "set", "--text", str(file), *subject).returncode == 0
    assert re.search(r"invoice +email +en +own", terminal.acme("message-templates", "list").stdout)
    assert terminal.acme("messages", "send", number(5), "--no-pdf", "--now").returncode == 0
    assert b"Dear Buyer [bold]AG, INV-" in mail.messages()[-1].data
    shown = terminal.acme("message-templates", "show", "--sample").stdout
    assert "Dear Müller & Söhne GmbH, INV-2026-000042" in shown
    assert terminal.acme("message-templates", "remove").returncode == 0
    assert "invoice.gross_amount" in terminal.run("message-templates", "fields").stdout


def test_wrong_words_are_one_line(terminal: Terminal) -> None:
    for words, said in (
        (("messages", "send"), "name invoices"),
        (("messages", "show", "zz"), "is not the id of a message"),
        (("messages", "show", "00000000"), "there is no message"),
        (("messages", "send", "x", "--language", "deu"), "language"),
    ):
        assert said in one_line(terminal.acme(*words))

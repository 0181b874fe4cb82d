"""The documents and messages of the demo: what is expected of them, and that the demo notices what is not so."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from smtplib import SMTP

import pytest
from sqlalchemy import text

from invoice_pipelines.billing import process_jobs
from invoice_pipelines.delivery.documents.making import make_documents
from invoice_pipelines.delivery.sending.sending import send_messages
from invoice_pipelines.organizations import Address, OrganizationSettings, add_organization
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.overdue import notify_overdue
from invoice_pipelines.settings import load_settings
from invoice_pipelines.workshop.demo import delivery as demo_delivery
from invoice_pipelines.workshop.demo.delivery import AT_ONCE, BY_EMAIL, BY_SMS, Outside, running_servers
from invoice_pipelines.workshop.demo.orders import ask_for_invoices, order_books
from invoice_pipelines.workshop.sandbox.mail import MailServer
from invoice_pipelines_tests.conftest import PROJECT, TestDatabase
from invoice_pipelines_tests.support.sizes import only_at_full_size
from invoice_pipelines_tests.system.demo.test_orders import HOME

MINUTE = timedelta(minutes=1)


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Outside]:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    with running_servers({}) as outside:
        yield outside


@pytest.mark.slow
@only_at_full_size
def test_all_is_made_and_arrives_once_and_what_is_wrong_is_named(database: TestDatabase, outside: Outside) -> None:
    engine, books, batches = database.engine, order_books(PROJECT / "examples"), []
    for slug, (country, currency) in HOME.items():
        organization_id = add_organization(
            engine,
            slug,
            slug.title(),
            country_code=country,
            time_zone="UTC",
            currency=currency,
            vat_id="DE100000008" if country != "CA" else None,
            tax_number="100000009RT0001" if country == "CA" else None,
            address=Address(street="Quay 1", city="Town", post_code="1000"),
            settings=OrganizationSettings(
                overdue_channels=demo_delivery.REMINDED_BY[slug],
                documents=demo_delivery.LOOKS[slug],
                messages=demo_delivery.SENDERS[slug],
            ),
        )
        book = {**books[slug], "orders": books[slug]["orders"][:9]}
        options = demo_delivery.options_of(slug)
        batches.append(ask_for_invoices(engine, organization_id, book, days_ago=20, **options))
        process_jobs(OrganizationContext.of(engine, slug, load_settings(), "test"))
    demo_delivery.ask(engine, batches)
    for batch in batches:
        context = OrganizationContext.of(engine, batch.slug, load_settings(), "test")
        notify_overdue(context)
        make_documents(context, time_box=MINUTE)
        send_messages(context, time_box=MINUTE)

    assert list(demo_delivery.problems(engine, outside, batches)) == []
    found = {each.slug: each for each in demo_delivery.outcome(engine, load_settings(), outside, batches)}
    issued = {batch.slug: sum(order.refused is None for order in batch.orders) for batch in batches}
    assert {slug: each.documents for slug, each in found.items()} == issued
    assert found[AT_ONCE].sent == {("email", "invoice"): issued[AT_ONCE]}
    assert found[BY_EMAIL].sent == {("email", "invoice"): issued[BY_EMAIL], ("email", "reminder"): issued[BY_EMAIL]}
    assert set(found[BY_SMS].sent) == {("sms", "invoice")}
    assert len(list(found[BY_EMAIL].folder.glob("*.eml"))) == 2 * issued[BY_EMAIL]
    combined = found[BY_SMS].combined
    assert combined is not None
    assert combined.read_bytes().startswith(b"%PDF")
    _spoil(database, outside.mail)
    told = list(demo_delivery.problems(engine, outside, batches))
    assert any("expected one document, found 0" in problem for problem in told)
    assert any("1 had arrived before" in problem for problem in told)


def _spoil(database: TestDatabase, mail: MailServer) -> None:
    """A document is gone, and an email arrives a second time."""
    with database.superuser.begin() as connection:
        connection.execute(text("set session_replication_role = replica"))
        connection.execute(
            text("delete from delivery.invoice_document where id = (select id from delivery.invoice_document limit 1)")
        )
    first = mail.messages()[0]
    with SMTP("127.0.0.1", mail.smtp_port) as client:
        client.login(mail.user or "", mail.password)
        client.sendmail(first.envelope_from, first.envelope_to, first.data)

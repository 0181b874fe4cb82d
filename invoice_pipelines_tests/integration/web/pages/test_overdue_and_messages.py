"""Overdue invoices and messages at the desk: looking for what is overdue, messages in doubt, opt-outs and texts."""

from __future__ import annotations

from datetime import UTC, date, datetime
from urllib.parse import unquote
from uuid import UUID

import httpx
import pytest
from playwright.sync_api import Browser
from sqlalchemy import text

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.delivery.messages.log import begin_attempt, end_attempt
from invoice_pipelines.delivery.messages.messages import find_message, update_message
from invoice_pipelines.organizations import change_organization
from invoice_pipelines.overdue import notify_overdue
from invoice_pipelines.web.callers import SESSION_COOKIE
from invoice_pipelines.web.pages.routing import seen_tag
from invoice_pipelines_tests.integration.web.runs import run_look_for_overdue
from invoice_pipelines_tests.support.billing.shop import Shop
from invoice_pipelines_tests.support.desk.visitors import WIDTHS, needs_chromium, visiting
from invoice_pipelines_tests.support.web import Site, Tenant


def add_message(tenant: Tenant, invoice: UUID, status: str, recipient: str) -> UUID:
    """A message as sending leaves it: after one attempt, in the state that came of it."""
    now = datetime.now(UTC)
    code = {"failed": "NO_ADDRESS", "bounced": "BOUNCED", "unknown": "NO_ANSWER", "cancelled": "VOID"}.get(status)
    with tenant.view.scope() as connection:
        found: UUID = connection.execute(
            text(
                """insert into delivery.message (organization_id, invoice_id, invoice_number, customer_id, purpose,
                                                 level, channel, recipient, language, created_by)
                   select organization_id, id, invoice_number, customer_id, 'invoice', 0, 'email', :recipient, 'de',
                          'anna'
                   from billing.issued_invoice where id = :invoice returning id"""
            ),
            {"recipient": recipient, "invoice": invoice},
        ).scalar_one()
        update_message(
            connection,
            found,
            composed_at=now,
            subject="Rechnung INV-2026-000001 vom 15. Januar 2026",
            body_text="Guten Tag,\n\nanbei Ihre Rechnung über 119,00 EUR.\n\nMit freundlichen Grüßen\nShop GmbH",
        )
        begin_attempt(connection, find_message(connection, str(found)), "send")
        outcome = "unknown" if status == "unknown" else "accepted"
        end_attempt(connection, find_message(connection, str(found)), 1, outcome, code=code)
        update_message(
            connection,
            found,
            status=status,
            sent_at=now if status in ("sent", "delivered", "bounced") else None,
            ended_at=now if status in ("delivered", "failed", "bounced", "cancelled") else None,
            error_code=code,
            error_message="in the words of the provider" if code else None,
        )
    return found


def desk(site: Site, tenant: Tenant, role: Role = Role.ACCOUNTANT) -> httpx.Client:
    """A browser without scripts, in English."""
    client = site.client()
    client.headers.update({"Sec-Fetch-Site": "same-origin", "Accept-Language": "en"})
    client.cookies.set(SESSION_COOKIE, tenant.sessions[role])
    client.base_url = client.base_url.join(f"/desk/{tenant.slug}/")
    return client


def said(answer: httpx.Response) -> str:
    """What the next page says, after a form was taken."""
    assert answer.status_code == 303, answer.text
    return unquote(answer.headers["set-cookie"])


def test_an_accountant_looks_for_what_is_overdue_now(site: Site, shop: Shop, tenant: Tenant) -> None:
    shop.issue({}, {}, invoice_date="2026-01-15")
    change_organization(
        site.database.engine, tenant.slug, settings={"overdue_levels": [1, 14], "overdue_channels": ["email"]}
    )
    with desk(site, tenant) as client:
        page = client.get("overdue").text
        assert "No notifications" in page
        assert "14 days after the due date, by Email" in page
        assert "as soon as a worker is free" in said(client.post("overdue/runs", data={"key": "0"}))
        run_look_for_overdue(tenant)
        page = client.get("overdue").text
        assert page.count("from day 14 on") == 2
        assert (page.count("Overtaken by day 14"), page.count("</span>Not told yet")) == (2, 2)
        assert f"/desk/{tenant.slug}/invoices?age=over_90_days&amp;currency=EUR" in page
        (found,) = tenant.view.rows("select id from overdue.job_execution_log")
        assert str(found.id) in client.get("overdue/runs").text
        assert "New notifications" in client.get(f"overdue/runs/{found.id}").text
    with desk(site, tenant) as client:
        late = client.post("overdue/runs", data={"key": "1", "as_of": "2999-01-01"})
        assert late.status_code == 422
        assert "still to come" in late.text
        assert 'value="2999-01-01"' in late.text
        assert client.post("overdue/runs", data={"key": "2", "as_of": "soon"}).status_code == 422
    with desk(site, tenant, Role.VIEWER) as client:
        assert "Look now" not in client.get("overdue").text


def test_a_doubt_is_resolved_once(site: Site, shop: Shop, tenant: Tenant) -> None:
    (invoice,) = shop.issue({})
    sent, again = (add_message(tenant, invoice, "unknown", f"{name}@kunde.example") for name in ("sent", "again"))
    with desk(site, tenant) as client:
        assert "2 messages are in doubt" in client.get("messages").text
        assert "anbei Ihre Rechnung" in client.get(f"messages/{sent}").text
        for message, was_sent, told in ((sent, "yes", "Noted: it was sent."), (again, "no", "as soon as a worker")):
            form = {"was_sent": was_sent, "seen": seen_tag(message, "unknown", 1)}
            assert told in said(client.post(f"messages/{message}/resolve", data=form))
    states = dict(tenant.view.rows("select id, status from delivery.message"))
    assert (states[sent], states[again]) == ("sent", "waiting")
    with desk(site, tenant) as client:
        stale = client.post(
            f"messages/{again}/resolve", data={"was_sent": "yes", "seen": seen_tag(again, "unknown", 1)}
        )
        assert stale.status_code == 412
        assert "Somebody was faster" in stale.text


def test_messages_are_found_taken_back_and_sent_again(site: Site, shop: Shop, tenant: Tenant) -> None:
    (invoice,) = shop.issue({})
    for status in ("waiting", "sent", "delivered", "failed", "bounced"):
        add_message(tenant, invoice, status, f"{status}@kunde.example")
    waiting = tenant.view.value("select id from delivery.message where status = 'waiting'")
    with desk(site, tenant) as client:
        for query, seen in {
            "status=failed": {"failed", "bounced"},
            "status=sent": {"sent", "delivered"},
            "channel=sms": set(),
            "invoice=INV-2026-000001": {"waiting", "sent", "delivered", "failed", "bounced"},
        }.items():
            page = client.get(f"messages?{query}").text
            assert {
                name for name in ("waiting", "sent", "delivered", "failed", "bounced") if f"{name}@" in page
            } == seen
        assert "There is no invoice with this number" in client.get("messages?invoice=INV-0").text
        page = client.get("messages?status=failed").text
        assert "The customer has no address for this channel" in page
        form = {"seen": seen_tag(waiting, "waiting", 1)}
        assert "Taken back" in said(client.post(f"messages/{waiting}/cancel", data=form))
        assert client.post(f"messages/{waiting}/cancel", data=form).status_code == 412
        form = {"seen": seen_tag(waiting, "cancelled", 1)}
        assert "as soon as a worker" in said(client.post(f"messages/{waiting}/resend", data=form))
    with desk(site, tenant, Role.VIEWER) as client:
        assert "Send now" not in client.get(f"messages/{waiting}").text


def test_opt_outs_are_added_and_ended(site: Site, tenant: Tenant) -> None:
    with desk(site, tenant) as client:
        wrong = client.post("messages/opt-outs", data={"channel": "email", "address": "<nobody>"})
        assert wrong.status_code == 422
        assert "This is not a valid email address" in wrong.text
        assert 'value="&lt;nobody&gt;"' in wrong.text
        assert "no phone number" in client.post("messages/opt-outs", data={"channel": "sms", "address": "x"}).text
        assert client.post("messages/opt-outs", data={"channel": "fax", "address": "1"}).status_code == 422
        form = {"channel": "email", "address": "AP@kunde.example", "note": "wants paper"}
        assert "Nothing is sent to this address" in said(client.post("messages/opt-outs", data=form))
        assert "on the list already" in said(client.post("messages/opt-outs", data=form))
        page = client.get("messages/opt-outs").text
        assert "wants paper" in page
        found = tenant.view.value("select id from delivery.opt_out")
        for _ in range(2):
            assert "again" in said(client.post(f"messages/opt-outs/{found}/end"))
        assert "ap@kunde.example" not in client.get("messages/opt-outs").text
        assert "ap@kunde.example" in client.get("messages/opt-outs?ended=true").text


@needs_chromium
def test_an_admin_writes_a_text_that_is_checked_before_it_counts(site: Site, tenant: Tenant, browser: Browser) -> None:
    with visiting(browser, site.url, tenant.sessions[Role.ADMIN]) as visitor:
        page = visitor.page
        visitor.open(f"/desk/{tenant.slug}/messages/texts")
        assert visitor.serious_findings() == []
        page.get_by_role("button", name="Write it").click()
        assert visitor.sees("There is no such text yet")
        page.get_by_label("Subject").fill("Invoice {{ invoice.nummer }}")
        page.get_by_role("button", name="Check and store").click()
        assert visitor.sees("There is no field invoice.nummer")
        visitor.complaints.clear()  # Chromium notes the answer 422
        page.get_by_label("Subject").fill("A friendly word about {{ invoice.number }}")
        page.get_by_role("button", name="Check and show").click()
        assert visitor.sees("A friendly word about INV-2026-000042")
        assert visitor.sees("It is not stored yet")
        with page.expect_popup() as opened:
            page.get_by_role("button", name="Show the HTML alone").click()
        assert "INV-2026-000042" in opened.value.content()
        opened.value.close()
        page.reload()
        page.get_by_role("button", name="Check and store").click()
        assert visitor.sees("Messages are written with this text from now on")
        assert visitor.serious_findings() == []
    assert tenant.view.rows("select level, language, subject from delivery.message_template") == [
        (7, "en", "A friendly word about {{ invoice.number }}")
    ]
    with desk(site, tenant, Role.ADMIN) as client:
        shown = client.post(
            "messages/texts/reminder-7-email-en/html",
            data={"subject": "x", "text": "x", "html": "<script>alert(1)</script><b>{{ customer.name }}</b>"},
        )
        assert "sandbox" in shown.headers["content-security-policy"]
        assert "script-src" not in shown.headers["content-security-policy"]
        for text, words in (
            ("{{ invoice.number }", "&#39;}&#39; ist hier nicht möglich"),
            ("{{ invoice number }}", "Ein Zeichen fehlt oder ist zu viel"),
            ("{% if invoice.number %}x", "etwa }}, {% endif %} oder"),
            ("{% include_all %}", "Es gibt kein &#39;include_all&#39;"),
            ("{{ invoice.number | shout }}", "Es gibt keinen Filter &#39;shout&#39;"),
        ):
            german = client.post(
                "messages/texts/reminder-7-email-en",
                data={"subject": "x", "text": text},
                headers={"Accept-Language": "de"},
            ).text
            assert words in german, text
        assert "counts again" in said(client.post("messages/texts/reminder-7-email-en/remove"))
    with desk(site, tenant) as client:
        assert client.post("messages/texts/reminder-7-email-en", data={"text": "x"}).status_code == 403
        assert "Check and store" not in client.get("messages/texts/invoice-0-sms-de").text
        for nothing in ("invoice-1-email-de", "reminder-0-email-de", "invoice-0-fax-de", "x"):
            assert client.get(f"messages/texts/{nothing}").status_code == 404


@needs_chromium
@pytest.mark.parametrize(
    ("width", "language", "scheme"), [(WIDTHS[0], "de", "light"), (WIDTHS[1], "de", "dark"), (WIDTHS[2], "en", "dark")]
)
def test_everybody_can_use_the_pages(
    site: Site, shop: Shop, tenant: Tenant, browser: Browser, width: int, language: str, scheme: str
) -> None:
    first, *_ = shop.issue(*[{} for _ in range(4)], invoice_date="2026-01-15")
    organization = tenant.view.context("run")
    notify_overdue(organization, as_of=date(2026, 3, 31))
    long = "buchhaltung.und.rechnungswesen.zentrale@donaudampfschifffahrtsgesellschaft-hinterhofer.example"
    for status in ("sent", "failed", "bounced", "waiting", "unknown"):
        message = add_message(tenant, first, status, f"{status}.{long}")
    with desk(site, tenant) as client:
        client.post("messages/opt-outs", data={"channel": "email", "address": long, "note": "Möchte Briefe"})
        client.post("overdue/runs", data={"key": "1"})
    run_id = tenant.view.value("select id from overdue.job_execution_log")
    addresses = (
        "overdue",
        "overdue/runs",
        f"overdue/runs/{run_id}",
        "messages",
        f"messages/{message}",
        "messages/opt-outs",
        "messages/texts",
        "messages/texts/reminder-14-email-de",
    )
    session = tenant.sessions[Role.ADMIN]
    with visiting(browser, site.url, session, language=language, scheme=scheme, width=width) as visitor:
        for address in addresses:
            visitor.open(f"/desk/{tenant.slug}/{address}")
            assert visitor.overflow() == 0, address
            if width == WIDTHS[1] or address in addresses[:4:3]:
                assert visitor.serious_findings() == [], address

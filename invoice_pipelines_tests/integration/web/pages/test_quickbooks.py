"""QuickBooks at the desk: connecting a company, syncs that are asked for, and conflicts that people decide."""

from __future__ import annotations

import re
from datetime import timedelta
from itertools import count
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, expect

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.quickbooks.connection.connections import change_options
from invoice_pipelines.quickbooks.sync import sync
from invoice_pipelines.quickbooks.values import EntityType
from invoice_pipelines.web.callers import SESSION_COOKIE
from invoice_pipelines.workshop.sandbox.quickbooks import Accountant, Sandbox
from invoice_pipelines_tests.integration.web.runs import run_sync
from invoice_pipelines_tests.support.desk.visitors import WIDTHS, needs_chromium, visiting
from invoice_pipelines_tests.support.quickbooks.companies import connect_organization
from invoice_pipelines_tests.support.web import Site, Tenant, open_tenant

REALMS = count(9_190_001)


@pytest.fixture
def tenant(books: Site) -> Tenant:
    return open_tenant(books.database, name="Bauhaus Schmidt GmbH", time_zone="Europe/Berlin")


@pytest.fixture
def there(books: Site, sandbox: Sandbox, tenant: Tenant) -> Accountant:
    """The accountant of the company that the tenant is connected with; a person decides what both sides changed."""
    realm = str(next(REALMS))
    connect_organization(
        books.database, sandbox, books.settings, tenant.id, realm, country="DE", name="Bauhaus Schmidt Bücher"
    )
    change_options(books.database.engine, tenant.id, {"conflict_policy": "review"}, changed_by="test")
    return sandbox.accountant(realm)


def desk(books: Site, tenant: Tenant, role: Role = Role.ACCOUNTANT) -> httpx.Client:
    """A browser without scripts, in English."""
    client = books.client()
    client.headers.update({"Sec-Fetch-Site": "same-origin", "Accept-Language": "en"})
    client.cookies.set(SESSION_COOKIE, tenant.sessions[role])
    client.base_url = client.base_url.join(f"/desk/{tenant.slug}/")
    return client


def change_both_sides(books: Site, tenant: Tenant, there: Accountant, name: str = "Acme") -> None:
    """A customer whose email, phone and city were changed on both sides."""
    address = {"Line1": "Hafenweg 1", "City": "Bremen", "PostalCode": "28195", "Country": "DE"}
    made = there.customer(
        name,
        PrimaryEmailAddr={"Address": "info@acme.example"},
        PrimaryPhone={"FreeFormNumber": "0421 1"},
        BillAddr=address,
    )
    run_sync(books, tenant)
    there.edit(
        "Customer",
        made["Id"],
        PrimaryEmailAddr={"Address": "office@acme.example"},
        PrimaryPhone={"FreeFormNumber": "0421 333"},
        BillAddr=address | {"City": "Hamburg", "Country": "FR"},
    )
    tenant.view.rows(
        f"""update billing.customers set email = 'buchhaltung@acme.example', phone = '0421 222', city = 'Bonn',
            country_code = 'AT', updated_at = now() where name = '{name}'"""
    )
    run_sync(books, tenant)


def said(answer: httpx.Response) -> str:
    """What the next page says, after a form was taken."""
    assert answer.status_code == 303, answer.text
    return unquote(answer.headers["set-cookie"])


def hidden(page: str, name: str) -> str:
    """The value of a hidden input."""
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found is not None, name
    return found[1]


@needs_chromium
def test_an_admin_connects_a_company_and_comes_back_to_the_desk(
    books: Site, sandbox: Sandbox, tenant: Tenant, browser: Browser
) -> None:
    realms = [str(next(REALMS)) for _ in range(2)]
    for realm, name in zip(realms, ("Acme Books", "Acme Neu"), strict=True):
        sandbox.add_company(realm, name=name, country="DE")
    with visiting(browser, books.url, tenant.sessions[Role.ADMIN]) as visitor:

        def connect(button: str, **decision: str) -> str:
            """Decides there, and comes back by the address that is returned."""
            visitor.page.get_by_role("button", name=button).click()
            there = visitor.page.get_by_role("button", name="Go to QuickBooks").get_attribute("href") or ""
            decided = httpx.get(there, params=dict(parse_qsl(urlsplit(there).query)) | decision)
            back = f"/api/v1/quickbooks/callback?{urlsplit(decided.headers['location']).query}"
            visitor.open(back)
            return back

        visitor.open(f"/desk/{tenant.slug}/quickbooks")
        assert visitor.serious_findings() == []
        denied = connect("Connect QuickBooks", deny="1")
        assert visitor.sees("the connection was not allowed at Intuit. To allow it, begin again.")
        visitor.open(denied)
        assert visitor.sees("this link was already used")
        connect("Connect QuickBooks", realm=realms[0])
        assert visitor.sees("QuickBooks is connected")
        assert visitor.sees("Acme Books")
        assert visitor.sees("Sandbox, no real books")
        visitor.when("dialog", lambda dialog: dialog.accept())
        visitor.page.get_by_role("button", name="Disconnect").click()
        assert visitor.sees("What was synced stays known here")
        connect("Connect again", realm=realms[1])
        assert visitor.sees("This is another company than before")
        assert visitor.serious_findings() == []
        visitor.page.get_by_role("button", name="Confirm Acme Neu").click()
        assert visitor.sees("Everything is synced with this company now")
        expect(visitor.page.get_by_role("button", name="Sync now: Customers")).to_be_visible()


def test_what_was_not_seen_is_not_confirmed_or_ended(books: Site, tenant: Tenant, there: Accountant) -> None:
    with desk(books, tenant, Role.ADMIN) as client:
        stale = client.post("quickbooks/disconnect", data={"key": "1", "seen": "another company"})
        assert stale.status_code == 412
        assert "Somebody was faster" in stale.text
        seen = hidden(client.get("quickbooks").text, "seen")
        for _ in range(2):
            assert "Disconnected" in said(client.post("quickbooks/disconnect", data={"key": "2", "seen": seen}))
    assert tenant.view.rows("select status from quickbooks.connection") == [("disconnected",)]
    with desk(books, tenant) as client:
        assert client.post("quickbooks/disconnect", data={"key": "3", "seen": seen}).status_code == 403
        assert "Sync now" not in client.get("quickbooks").text


@needs_chromium
def test_syncs_are_asked_for_and_their_progress_is_seen(
    books: Site, tenant: Tenant, there: Accountant, browser: Browser
) -> None:
    there.customer("Müller & Söhne")
    with visiting(browser, books.url, tenant.sessions[Role.ACCOUNTANT]) as visitor:
        visitor.open(f"/desk/{tenant.slug}/quickbooks")
        visitor.page.get_by_role("button", name="Sync now: Customers").click()
        assert visitor.sees("It runs as soon as a worker is free")
        assert visitor.sees("Waits for a worker")
        visitor.page.locator("[data-live-text='counts.jobs']").get_by_text("1").wait_for()  # the stream is there
        run_sync(books, tenant, pull=False)
        visitor.page.locator("#work .badge.good").wait_for()  # without loading the page again
        expect(visitor.page.locator("#work").get_by_role("row", name="Fetch from QuickBooks Done")).to_be_visible()
        visitor.page.locator("#stands").get_by_text("ago").first.wait_for()  # when customers were read
        job = tenant.view.value("select id from work.batch_job")
        expect(visitor.page.locator(f'a[href$="/batch-operations/{job}"]')).to_be_visible()
        for button in ("Import", "Push backlog"):
            visitor.page.get_by_role("button", name=button).click()
            assert visitor.sees("It runs as soon as a worker is free")
        run_sync(books, tenant, pull=False)
    kinds = tenant.view.rows("select kind, status from work.batch_job order by kind")
    assert {kind for kind, _ in kinds} >= {"quickbooks_pull", "quickbooks_push_customer", "quickbooks_push_invoice"}
    with desk(books, tenant) as client:
        assert "Choose what is to be sent" in said(client.post("quickbooks/pushes", data={"key": "1"}))
        assert "Choose what is to be read" in said(client.post("quickbooks/pulls", data={"key": "1"}))
        for _ in range(2):
            client.post("quickbooks/pulls", data={"key": "2", "entities": "item"})
    assert tenant.view.value("select count(*) from work.batch_job where parameters = '{\"full\": false}'") == 2


def test_what_could_not_be_sent_says_why_and_what_to_do(books: Site, tenant: Tenant, there: Accountant) -> None:
    tenant.view.rows(
        """insert into billing.customers (organization_id, customer_number, name, country_code)
           values (organizations.current(), 'C-1', 'Taken AG', 'DE')"""
    )
    there.vendor("Taken AG")
    change_options(books.database.engine, tenant.id, {"name_in_use": "conflict"}, changed_by="test")
    run_sync(books, tenant)
    with desk(books, tenant) as client:
        page = client.get("quickbooks").text
        assert "Taken AG" in page
        assert "Its name is taken in QuickBooks. See the conflicts." in page
        found = tenant.view.value("select id from quickbooks.conflict where kind = 'name_in_use'")
        page = client.get(f"quickbooks/conflicts/{found}").text
        assert "Rename one of the two" in page
        form = {f"seen-{found}": hidden(page, f"seen-{found}"), f"decision-{found}": "ours"}
        assert "Decided." in said(client.post(f"quickbooks/conflicts/{found}", data=form))


def test_an_admin_chooses_which_side_wins_and_where_lines_are_booked(
    books: Site, tenant: Tenant, there: Accountant
) -> None:
    there.item("Fracht", Sku="FR-1", Type="Service")
    run_sync(books, tenant)
    tenant.view.rows(
        """insert into billing.tax_rate (organization_id, tax_category, rate, name)
           values (organizations.current(), 'S', 19, 'Regelsatz')"""
    )

    def options() -> dict[str, Any]:
        found: dict[str, Any] = tenant.view.value("select options from quickbooks.connection")
        return found

    with desk(books, tenant, Role.ADMIN) as client:
        page = client.get("quickbooks/options").text
        assert "Regelsatz (S 19.00 %)" in page
        form = {
            "seen": hidden(page, "seen"),
            **{name: str(value).lower() for name, value in options().items() if value not in (None, {})},
            "conflict_policy": "ours",
            "default_item": "FR-2",
            "income_account": "79",
            "tax_codes.S:19.00": "the usual one",
        }
        wrong = client.post("quickbooks/options", data=form)
        assert wrong.status_code == 422
        assert "2 values are not right" in wrong.text
        assert "No active item with this number is in QuickBooks yet" in wrong.text
        assert 'value="the usual one"' in wrong.text
        form |= {"default_item": "FR-1", "tax_codes.S:19.00": "5"}
        assert "The next sync goes by them" in said(client.post("quickbooks/options", data=form))
        chosen = options()
        assert (chosen["conflict_policy"], chosen["income_account"]) == ("ours", "79")
        assert chosen["tax_codes"] == {"S:19.00": "5"}
        linked = tenant.view.value("select quickbooks_id from quickbooks.mapping where entity_type = 'item'")
        assert chosen["default_item"] == linked
        stale = client.post("quickbooks/options", data=form | {"conflict_policy": "newest"})
        assert stale.status_code == 412
        assert "Somebody else changed these options" in stale.text
    with desk(books, tenant) as client:
        assert 'value="FR-1"' in client.get("quickbooks/options").text
        assert client.post("quickbooks/options", data=form).status_code == 403
    assert options() == chosen


@needs_chromium
def test_a_conflict_is_decided_field_by_field(books: Site, tenant: Tenant, there: Accountant, browser: Browser) -> None:
    change_both_sides(books, tenant, there)
    with visiting(browser, books.url, tenant.sessions[Role.ACCOUNTANT]) as visitor:
        page = visitor.page
        visitor.open(f"/desk/{tenant.slug}/quickbooks/conflicts")
        assert visitor.serious_findings() == []
        page.get_by_role("link", name=re.compile("Decide: .*, Email")).click()
        for text in ("info@acme.example", "buchhaltung@acme.example", "office@acme.example"):
            assert visitor.sees(text)
        assert visitor.serious_findings() == []
        email, phone, city = (page.get_by_role("group", name=name) for name in ("Email", "Phone", "City"))
        email.get_by_label("QuickBooks").check()
        phone.get_by_label("Ours").check()
        city.get_by_role("textbox").fill("Köln")
        page.get_by_role("button", name="Decide").click()
        assert visitor.sees("3 fields are decided.")
        assert page.get_by_role("row").count() == 2, "the country was left open"
    run_sync(books, tenant)
    ours = tenant.view.rows("select email, phone, city from billing.customer")
    assert ours == [("office@acme.example", "0421 222", "Köln")]
    (customer,) = there.documents("Customer")
    assert (customer["PrimaryEmailAddr"]["Address"], customer["PrimaryPhone"]["FreeFormNumber"]) == ours[0][:2]
    assert customer["BillAddr"]["City"] == "Köln"
    with desk(books, tenant, Role.VIEWER) as client:
        history = client.get("quickbooks/conflicts", params={"status": "resolved"}).text
    assert "Another value" in history
    assert "accountant-" in history


def test_what_changed_meanwhile_is_not_decided_and_what_was_typed_is_kept(
    books: Site, tenant: Tenant, there: Accountant
) -> None:
    change_both_sides(books, tenant, there)
    ids = {field: id for id, field in tenant.view.rows("select id, field from quickbooks.conflict")}
    email, city = ids["email"], ids["city"]
    with desk(books, tenant) as client:
        page = client.get(f"quickbooks/conflicts/{email}").text
        seen = {name: hidden(page, name) for name in (f"seen-{email}", f"seen-{city}")}
        tenant.view.rows(
            f"update quickbooks.conflict set theirs = to_jsonb('new@acme.example'::text) where id = '{email}'"
        )
        form = seen | {f"decision-{email}": "theirs", f"decision-{city}": "edited", f"value-{city}": "Köln & Bonn"}
        stale = client.post(f"quickbooks/conflicts/{email}", data=form)
        assert stale.status_code == 412
        assert "A value changed since you looked at it" in stale.text
        assert "new@acme.example" in stale.text
        assert 'value="Köln &amp; Bonn"' in stale.text
        assert tenant.view.value("select count(*) from quickbooks.conflict where status = 'open'") == 4
        empty = client.post(f"quickbooks/conflicts/{email}", data=seen)
        assert empty.status_code == 422
        assert "Choose a side first" in empty.text
        country = ids["country_code"]
        wrong = client.post(
            f"quickbooks/conflicts/{email}",
            data={f"decision-{country}": "edited", f"value-{country}": "Atlantis"}
            | {f"seen-{country}": hidden(page, f"seen-{country}")},
        )
        assert wrong.status_code == 422
        assert "This is no country" in wrong.text


@needs_chromium
def test_conflicts_are_decided_in_bulk(books: Site, tenant: Tenant, there: Accountant, browser: Browser) -> None:
    change_both_sides(books, tenant, there)
    change_both_sides(books, tenant, there, "Beton & Stahl Verwaltungsgesellschaft mbH & Co. KG")
    with visiting(browser, books.url, tenant.sessions[Role.ACCOUNTANT]) as visitor:
        visitor.open(f"/desk/{tenant.slug}/quickbooks/conflicts")
        visitor.page.get_by_label("Select all").check()
        tenant.view.rows("update quickbooks.conflict set ours = to_jsonb('1'::text) where field = 'phone'")
        visitor.page.get_by_role("button", name="Take those of QuickBooks").click()
        assert visitor.sees("6 conflicts are decided. 2 were left as they are")
    emails = tenant.view.rows("select distinct email from billing.customer")
    assert emails == [("office@acme.example",)]
    with desk(books, tenant) as client:
        assert "Select conflicts first" in said(client.post("quickbooks/conflicts", data={"side": "ours"}))


def test_a_record_that_may_be_one_of_several_is_linked(books: Site, tenant: Tenant, there: Accountant) -> None:
    for number in ("C-1", "C-2"):
        tenant.view.rows(
            f"""insert into billing.customers (organization_id, customer_number, name, country_code)
                values (organizations.current(), '{number}', 'Twin AG', 'DE')"""
        )
    there.customer("Twin AG")
    context = OrganizationContext.of(books.database.engine, tenant.slug, books.settings, "run")
    sync(context, [EntityType.CUSTOMER], pull=True, push=False, time_box=timedelta(seconds=30))
    found = tenant.view.value("select id from quickbooks.conflict where kind = 'ambiguous'")
    with desk(books, tenant) as client:
        page = client.get(f"quickbooks/conflicts/{found}").text
        assert "May be one of several" in page
        form = {f"seen-{found}": hidden(page, f"seen-{found}"), f"decision-{found}": "ours"}
        assert client.post(f"quickbooks/conflicts/{found}", data=form).status_code == 422
        assert "Decided." in said(client.post(f"quickbooks/conflicts/{found}", data=form | {f"link-{found}": "C-2"}))
    linked = tenant.view.rows(
        """select c.customer_number from quickbooks.mapping m join billing.customer c on c.id = m.local_id"""
    )
    assert linked == [("C-2",)]


@needs_chromium
@pytest.mark.parametrize(
    ("width", "language", "scheme"), [(WIDTHS[0], "de", "dark"), (WIDTHS[1], "en", "light"), (WIDTHS[2], "de", "light")]
)
def test_everybody_can_use_the_pages(
    books: Site, tenant: Tenant, there: Accountant, browser: Browser, width: int, language: str, scheme: str
) -> None:
    change_both_sides(books, tenant, there, "Donaudampfschifffahrtsgesellschaft Hinterhofer & Nachfolger mbH")
    base = f"/desk/{tenant.slug}/quickbooks"
    one = tenant.view.value("select id from quickbooks.conflict order by id limit 1")
    with desk(books, tenant) as client:
        client.post("quickbooks/pulls", data={"key": "1", "entities": ["customer", "payment"], "full": "true"})
    session = tenant.sessions[Role.ADMIN]
    with visiting(browser, books.url, session, language=language, scheme=scheme, width=width) as visitor:
        for address in (
            base,
            f"{base}/conflicts",
            f"{base}/conflicts/{one}",
            f"{base}/conflicts?status=resolved",
            f"{base}/options",
        ):
            visitor.open(address)
            assert visitor.serious_findings() == [], address
            assert visitor.overflow() == 0, address

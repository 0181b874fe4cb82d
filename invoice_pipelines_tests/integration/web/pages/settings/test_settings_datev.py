"""DATEV at the desk: set up by an admin, with rules from a file or one by one, and a check of what is missing."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from lxml import html
from playwright.sync_api import Browser, expect

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.intake.exports.datev.accounts.rules import load_rules
from invoice_pipelines.intake.exports.datev.settings import load_settings
from invoice_pipelines_tests.support.desk.visitors import WIDTHS, needs_chromium, visiting
from invoice_pipelines_tests.support.web import Site, Tenant, open_tenant

ADVISER = {"datev.consultant": "29098", "datev.client": "55003", "datev.chart": "SKR03"}
RULES = "priority;seller;rate;account;tax_key;cost_center\n10;DE*;19;4930;;Büro\n100;;;3200;none;\n"


@pytest.fixture
def tenant(site: Site) -> Tenant:
    return open_tenant(site.database, name="Nordlicht Werkstätten GmbH")


@pytest.fixture
def admin(site: Site, tenant: Tenant):
    with site.browser(tenant.sessions[Role.ADMIN]) as client:
        client.headers["Accept-Language"] = "en"
        yield client


def place(tenant: Tenant, address: str = "") -> str:
    return f"/desk/{tenant.slug}/settings/datev{address}"


def seen(client: httpx.Client, tenant: Tenant, action: str = "") -> str:
    """What the form of a page says of the state that it was made for."""
    document: Any = html.fromstring(client.get(place(tenant)).text)
    tags = [each.get("value") for each in document.xpath(f"//form[contains(@action, '{action}')]//input[@name='seen']")]
    tags = (
        tags
        if action
        else [each.get("value") for each in document.xpath("//form[@class='settings']//input[@name='seen']")]
    )
    return tags[0]


def set_up(admin: httpx.Client, tenant: Tenant, /, **typed: str) -> httpx.Response:
    named = {f"datev.{name}": value for name, value in typed.items()}
    return admin.post(place(tenant), data=ADVISER | named | {"seen": seen(admin, tenant)})


@needs_chromium
def test_datev_is_set_up_and_gets_a_rule(site: Site, tenant: Tenant, browser: Browser) -> None:
    with visiting(browser, site.url, tenant.sessions[Role.ADMIN], language="de", scripts=False) as visitor:
        page = visitor.page
        visitor.open(place(tenant))
        assert visitor.sees("Nicht eingerichtet")
        page.get_by_label("Beraternummer").fill("29098")
        page.get_by_label("Mandantennummer").fill("55003")
        page.get_by_label("Kontenrahmen", exact=False).first.select_option("SKR04")
        page.get_by_label("Wirtschaftsjahr beginnt im").select_option(label="Juli")
        page.get_by_role("button", name="Speichern").click()
        assert visitor.sees("Die Einstellungen sind gespeichert.")
        assert visitor.sees("keine Regel nennt ein Konto")
        page.get_by_label("Aufwandskonto").fill("5200")
        page.get_by_label("Lieferant").first.fill("DE123456788")
        page.get_by_role("button", name="Regel hinzufügen").click()
        assert visitor.sees("Bereit")
        expect(page.get_by_role("cell", name="5200")).to_be_visible()
    with tenant.view.scope() as connection:
        known = load_settings(connection)
        (rule,) = load_rules(connection).rules
    assert known is not None
    assert (known.settings.consultant, known.settings.chart, known.settings.fiscal_year_start_month) == (
        29098,
        "SKR04",
        7,
    )
    assert (rule.account, rule.seller, rule.priority) == ("5200", "DE123456788", 100)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"consultant": "12"}, "Write a whole number from 1001 to 9999999"),
        ({"client": ""}, "Write a whole number from 1 to 99999"),
        ({"chart": "SKR99"}, "Choose one of the list"),
        ({"account_length": "9"}, "Otherwise write a whole number from 4 to 8"),
        ({"initials": "abc"}, "Two capital letters."),
        ({"first_creditor": "60000"}, "Write creditor accounts, of one digit more"),
        ({"also_booked_types": "877, abcd"}, "Write numbers of up to three digits"),
    ],
)
def test_a_wrong_value_is_named_and_nothing_is_set_up(
    admin: httpx.Client, tenant: Tenant, typed: dict[str, str], said: str
) -> None:
    refused = set_up(admin, tenant, **typed)
    assert refused.status_code == 422
    assert said in refused.text
    (kept,) = typed.values()
    assert f'value="{kept}"' in refused.text
    with tenant.view.scope() as connection:
        assert load_settings(connection) is None


def test_rules_come_from_a_file_go_into_one_and_are_removed(admin: httpx.Client, tenant: Tenant) -> None:
    assert set_up(admin, tenant).status_code == 303
    sent = admin.post(place(tenant, "/rules/import"), files={"file": ("rules.csv", RULES.encode())})
    assert sent.status_code == 303, sent.text
    saved = admin.get(place(tenant, "/rules.csv"))
    assert saved.content.decode("utf-8-sig").splitlines()[1] == "10;DE*;;;19;;4930;;Büro"
    again = admin.post(place(tenant, "/rules/import"), files={"file": ("rules.csv", saved.content)})
    assert again.status_code == 303
    stale = seen(admin, tenant, "/rules/1/remove")
    assert admin.post(place(tenant, "/rules/1/remove"), data={"seen": stale}).status_code == 303
    assert admin.post(place(tenant, "/rules/1/remove"), data={"seen": stale}).status_code == 412
    with tenant.view.scope() as connection:
        (left,) = load_rules(connection).rules
    assert (left.account, left.tax_key) == ("3200", "")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            "priority;account\nlow;4930\n1;12\n",
            ["Line 2, Priority: Write a whole number", "Line 3, Expense account: Write an account of 4 digits"],
        ),
        ("account\n4930,x\n", ["Line 2: The row has more cells"]),
        ("konto\n4930\n", ["whose first line names the columns: priority, seller"]),
        ("\x89PNG\udcff", ["Choose a CSV file in UTF-8"]),
        ("", ["Choose a CSV file in UTF-8"]),
    ],
)
def test_a_file_with_a_wrong_row_changes_nothing(
    admin: httpx.Client, tenant: Tenant, content: str, said: list[str]
) -> None:
    set_up(admin, tenant)
    sent = {"file": ("rules.csv", content.encode("utf-8", "surrogateescape"))}
    refused = admin.post(place(tenant, "/rules/import"), files=sent)
    assert refused.status_code == 422, refused.text
    for words in said:
        assert words in refused.text
    with tenant.view.scope() as connection:
        assert load_rules(connection).number == 0


def test_two_admins_at_once(admin: httpx.Client, tenant: Tenant) -> None:
    stale = seen(admin, tenant)
    assert set_up(admin, tenant).status_code == 303
    told = admin.post(place(tenant), data=ADVISER | {"datev.client": "77", "seen": stale})
    assert told.status_code == 412
    assert "These settings were changed while you typed." in told.text
    assert "Stored now: 55003" in told.text
    assert 'value="77"' in told.text


def test_a_viewer_looks(site: Site, admin: httpx.Client, tenant: Tenant) -> None:
    set_up(admin, tenant)
    admin.post(place(tenant, "/rules/import"), files={"file": ("rules.csv", RULES.encode())})
    with site.browser(tenant.sessions[Role.VIEWER]) as client:
        client.headers["Accept-Language"] = "en"
        shown = client.get(place(tenant)).text.partition("<main")[2]
    assert "29098" in shown
    assert "4930" in shown
    assert "<form" not in shown
    assert "<button" not in shown


@needs_chromium
@pytest.mark.parametrize(
    ("width", "language", "scheme"), list(zip(WIDTHS, ("de", "en", "de"), ("dark", "light", "light"), strict=True))
)
def test_everybody_can_use_this_page(
    site: Site, admin: httpx.Client, tenant: Tenant, browser: Browser, width: int, language: str, scheme: str
) -> None:
    set_up(admin, tenant)
    admin.post(place(tenant, "/rules/import"), files={"file": ("rules.csv", RULES.encode())})
    session = tenant.sessions[Role.ADMIN]
    with visiting(browser, site.url, session, language=language, width=width, scheme=scheme) as visitor:
        visitor.open(place(tenant))
        assert visitor.serious_findings() == []
        assert visitor.overflow() == 0

"""Settings at the desk: each can be reached, is changed with checks at its field, and by one admin at a time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from lxml import html
from playwright.sync_api import Browser

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.organizations import find_organization
from invoice_pipelines.web.pages.settings.sections import DATEV, NAMES, SECTIONS
from invoice_pipelines_tests.support.desk.visitors import WIDTHS, needs_chromium, visiting
from invoice_pipelines_tests.support.web import Site, Tenant, open_tenant

PLACES = [section.address for section in SECTIONS]


@pytest.fixture(scope="module")
def tenant(site: Site) -> Tenant:
    return open_tenant(
        site.database,
        name="Nordlicht Werkstätten für Möbel und Innenausbau GmbH & Co. KG",
        vat_id="DE123456788",
        iban="DE89370400440532013000",
    )


@pytest.fixture
def admin(site: Site, tenant: Tenant) -> Iterator[httpx.Client]:
    with site.browser(tenant.sessions[Role.ADMIN]) as client:
        client.headers["Accept-Language"] = "en"
        yield client


def place(tenant: Tenant, address: str = "") -> str:
    return f"/desk/{tenant.slug}/settings/{address}".rstrip("/")


def form_of(page: str) -> dict[str, Any]:
    """What a browser would send of the form of a section."""
    document: Any = html.fromstring(page)
    (form,) = document.find_class("settings")
    given: dict[str, Any] = {}
    for name, value in form.form_values():
        given.setdefault(name, []).append(value)
    return given


def settings_of(site: Site, tenant: Tenant) -> Any:
    return find_organization(site.database.engine, tenant.slug)


def test_each_setting_stands_on_one_page() -> None:
    shown = [setting.name for section in (*SECTIONS, DATEV) for setting in section.settings]
    assert sorted(shown) == sorted(NAMES)


@pytest.mark.parametrize("address", PLACES)
def test_a_form_that_is_sent_as_it_came_changes_nothing(
    site: Site, tenant: Tenant, admin: httpx.Client, address: str
) -> None:
    before = settings_of(site, tenant)
    shown = admin.get(place(tenant, address))
    assert shown.status_code == 200, shown.text
    saved = admin.post(place(tenant, address), data=form_of(shown.text))
    assert saved.status_code == 303, saved.text
    assert settings_of(site, tenant) == before


def change(client: httpx.Client, tenant: Tenant, address: str, **typed: Any) -> httpx.Response:
    form = form_of(client.get(place(tenant, address)).text)
    names = {name.rpartition(".")[2]: name for name in NAMES} | {name.replace(".", "_"): name for name in NAMES}
    return client.post(place(tenant, address), data=form | {names.get(name, name): v for name, v in typed.items()})


@pytest.mark.parametrize(
    ("address", "typed", "said"),
    [
        ("", {"iban": "DE89370400440532013001"}, "check digits of this IBAN"),
        ("", {"vat_id": "DE123456789"}, "no VAT id"),
        ("", {"name": ""}, "Write the name"),
        ("", {"bic": "COBA"}, "8 or 11 capital letters"),
        ("", {"time_zone": "Europe/Bielefeld"}, "Choose one of the list"),
        ("invoicing", {"settings_invoice_number_pattern": "INV"}, "Write the number once as {number}"),
        ("invoicing", {"settings_invoice_number_pattern": "CN-{year}-{number:06}"}, "must differ in letters or signs"),
        ("invoicing", {"exchange_rate_days": "400"}, "Write a whole number from 0 to 366"),
        ("documents", {"contact_email": "anna"}, "Write an email address"),
        ("reminders", {"overdue_levels": "30, 14"}, "Write whole numbers that rise"),
        ("reminders", {"overdue_channels": ["pigeon"]}, "Choose from the list"),
        ("reminders", {"quiet_from": "25:00"}, "Write a time of day"),
        ("review", {"gross_amount": "101"}, "Write a percentage from 0 to 100"),
        ("review", {"review_within_hours": "soon"}, "Write a whole number from 1 to 8760"),
    ],
)
def test_a_wrong_value_is_named_at_its_field_and_what_was_typed_is_kept(
    site: Site, tenant: Tenant, admin: httpx.Client, address: str, typed: dict[str, Any], said: str
) -> None:
    before = settings_of(site, tenant)
    refused = change(admin, tenant, address, **typed)
    assert refused.status_code == 422
    assert said in re.sub(r"&#39;", "'", refused.text)
    assert "is not right. Nothing is saved yet." in refused.text
    (kept,) = typed.values()
    assert isinstance(kept, list) or f'value="{kept}"' in refused.text
    assert settings_of(site, tenant) == before


def test_percentages_are_typed_as_people_of_a_language_write_them(
    site: Site, tenant: Tenant, admin: httpx.Client
) -> None:
    admin.headers["Accept-Language"] = "de"
    assert change(admin, tenant, "review", gross_amount="97,5").status_code == 303
    assert settings_of(site, tenant).settings.review_thresholds.gross_amount == 0.975
    assert 'value="97,5"' in admin.get(place(tenant, "review")).text
    refused = change(admin, tenant, "review", gross_amount="viel")
    assert "Schreiben Sie einen Prozentsatz" in refused.text
    assert change(admin, tenant, "review", gross_amount="").status_code == 303
    assert settings_of(site, tenant).settings.review_thresholds.gross_amount == 0.95


def test_of_two_admins_the_second_is_told_and_keeps_what_was_typed(
    site: Site, tenant: Tenant, admin: httpx.Client
) -> None:
    first, second = (form_of(admin.get(place(tenant, "reminders")).text) for _ in range(2))
    levels = "settings.overdue_levels"
    elsewhere = change(admin, tenant, "review", review_within_hours="24")
    assert elsewhere.status_code == 303, "which is another form, and holds up nobody"
    assert admin.post(place(tenant, "reminders"), data=first | {levels: "3, 7"}).status_code == 303
    told = admin.post(place(tenant, "reminders"), data=second | {levels: "5, 10"})
    assert told.status_code == 412
    assert re.search(r"admin-\w+@example.com changed these settings while you typed", told.text)
    assert "Stored now: 3, 7" in told.text
    assert 'value="5, 10"' in told.text
    assert settings_of(site, tenant).settings.overdue_levels == (3, 7)
    assert admin.post(place(tenant, "reminders"), data=form_of(told.text)).status_code == 303
    assert settings_of(site, tenant).settings.overdue_levels == (5, 10)
    shown = admin.get(place(tenant, "history")).text
    assert re.search(r"Levels.*?3, 7</td><td>5, 10", shown, re.S)


@needs_chromium
def test_an_admin_changes_a_threshold(site: Site, tenant: Tenant, browser: Browser) -> None:
    with visiting(browser, site.url, tenant.sessions[Role.ADMIN], language="de") as visitor:
        visitor.open(f"/desk/{tenant.slug}")
        visitor.page.get_by_role("link", name="Einstellungen").click()
        visitor.page.get_by_role("link", name="Prüfung").last.click()
        visitor.page.get_by_label("Zahlbetrag").fill("98")
        visitor.page.get_by_role("button", name="Speichern").click()
        assert visitor.sees("Die Einstellungen sind gespeichert.")
        assert visitor.page.get_by_label("Zahlbetrag").input_value() == "98"
    assert settings_of(site, tenant).settings.review_thresholds.payable_amount == 0.98


@needs_chromium
@pytest.mark.parametrize(
    ("width", "language", "scheme"), list(zip(WIDTHS, ("de", "en", "de"), ("dark", "light", "light"), strict=True))
)
def test_everybody_can_use_the_settings(
    site: Site, tenant: Tenant, browser: Browser, width: int, language: str, scheme: str
) -> None:
    session = tenant.sessions[Role.ADMIN]
    with visiting(browser, site.url, session, language=language, width=width, scheme=scheme) as visitor:
        for address in (*PLACES, "history"):
            visitor.open(place(tenant, address))
            assert visitor.overflow() == 0, address
            assert width == 1280 or visitor.serious_findings() == [], address  # a second for each page


def test_a_viewer_sees_what_is_not_secret_and_no_button(site: Site, tenant: Tenant) -> None:
    with site.browser(tenant.sessions[Role.VIEWER]) as client:
        client.headers["Accept-Language"] = "en"
        for address in PLACES:
            shown = client.get(place(tenant, address))
            assert shown.status_code == 200
            assert "An admin of the organization changes them." in shown.text
            main = shown.text.partition("<main")[2]
            assert "<button" not in main
            assert "<form" not in main
            for hidden in ("people", "tokens", "webhooks", "history"):
                assert f"/settings/{hidden}" not in shown.text

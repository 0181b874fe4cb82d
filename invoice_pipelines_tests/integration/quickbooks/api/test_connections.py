"""Connecting an organization with its company: allowed by a person, once, and never by accident with another one."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from invoice_pipelines.database import organization_scope
from invoice_pipelines.quickbooks.api.client import QuickBooks
from invoice_pipelines.quickbooks.api.faults import QuickBooksError, RealmPaused
from invoice_pipelines.quickbooks.connection.authorization import begin_authorization, finish_authorization
from invoice_pipelines.quickbooks.connection.connections import (
    Connected,
    change_options,
    confirm_company,
    connect_with_tokens,
    disconnect,
    find_connection,
)
from invoice_pipelines.settings import Settings, SettingsError
from invoice_pipelines.workshop.sandbox.quickbooks import Sandbox
from invoice_pipelines_tests.conftest import TestDatabase

REALM = "9130001"
OTHER = "9130002"


def allow(page: str, **parameters: str) -> str:
    """What the browser is sent back to when the person opens the page."""
    answer = httpx.get(f"{page}&{urlencode(parameters)}" if parameters else page)
    return answer.headers["location"]


def known(database: TestDatabase, organization: UUID) -> Connected:
    with organization_scope(database.engine, organization) as connection:
        found = find_connection(connection)
        assert found is not None
        return found


def events(database: TestDatabase, organization: UUID) -> list[str]:
    with organization_scope(database.engine, organization) as connection:
        return list(connection.execute(text("select code from quickbooks.event order by id")).scalars())


def connect_to(
    database: TestDatabase, settings: Settings, sandbox: Sandbox, organization: UUID, realm: str, **company: object
) -> Connected:
    sandbox.add_company(realm, **company)
    tokens = sandbox.tokens(realm)
    return connect_with_tokens(
        database.engine,
        settings,
        organization,
        realm_id=realm,
        access_token=tokens.access_token,
        refresh_token=tokens.refresh_token,
        connected_by="Ada",
    )


def test_a_person_allows_the_connection_on_a_page_and_the_company_is_read(
    database: TestDatabase,
    quickbooks_settings: Settings,
    sandbox: Sandbox,
    make_organization: Callable[[str], UUID],
) -> None:
    organization = make_organization("acme")
    sandbox.add_company(REALM, name="Acme Inc.", country="US", custom_txn_numbers=True)
    page = begin_authorization(database.engine, quickbooks_settings, organization, requested_by="Ada")
    asked = parse_qs(urlsplit(page).query)
    assert asked["scope"] == ["com.intuit.quickbooks.accounting"]
    assert asked["redirect_uri"] == [quickbooks_settings.quickbooks_redirect_uri]
    address = allow(page)
    connected = finish_authorization(database.engine, quickbooks_settings, organization, address, person="Ada")
    assert (connected.realm_id, connected.status, connected.connected_by) == (REALM, "connected", "Ada")
    assert (connected.company.name, connected.company.country) == ("Acme Inc.", "US")
    assert connected.company.custom_txn_numbers
    assert connected.company.automated_sales_tax
    with QuickBooks(database.engine, quickbooks_settings, organization) as quickbooks:
        assert quickbooks.count("Customer") == 0


def test_a_state_is_good_once_for_its_organization_and_person_and_some_minutes(
    database: TestDatabase,
    quickbooks_settings: Settings,
    sandbox: Sandbox,
    make_organization: Callable[[str], UUID],
) -> None:
    organization, other = make_organization("acme"), make_organization("other")
    sandbox.add_company(REALM)

    def finish(address: str, organization: UUID = organization, person: str = "Ada") -> Connected:
        return finish_authorization(database.engine, quickbooks_settings, organization, address, person=person)

    page = begin_authorization(database.engine, quickbooks_settings, organization, requested_by="Ada")
    address = allow(page)
    for wrong in (
        lambda: finish(address, organization=other),
        lambda: finish(address, person="Eve"),
        lambda: finish(address.replace("state=", "state=x")),
    ):
        with pytest.raises(QuickBooksError, match="open request"):
            wrong()
    with pytest.raises(QuickBooksError, match="no state"):
        finish("http://127.0.0.1:8765/callback?code=1&realmId=2")
    assert finish(address).status == "connected"
    with pytest.raises(QuickBooksError, match="open request"):
        finish(address)

    late = allow(begin_authorization(database.engine, quickbooks_settings, organization, requested_by="Ada"))
    with database.superuser.begin() as connection:
        connection.execute(text("update quickbooks.authorization_request set expires_at = now()"))
        stored = str(connection.execute(text("select * from quickbooks.authorization_request")).all())
    with pytest.raises(QuickBooksError, match="older than 15 minutes"):
        finish(late)
    assert parse_qs(urlsplit(late).query)["state"][0] not in stored


def test_a_person_who_does_not_allow_it_connects_nothing(
    database: TestDatabase,
    quickbooks_settings: Settings,
    sandbox: Sandbox,
    make_organization: Callable[[str], UUID],
) -> None:
    organization = make_organization("acme")
    sandbox.add_company(REALM)
    page = begin_authorization(database.engine, quickbooks_settings, organization, requested_by="Ada")
    with pytest.raises(QuickBooksError, match="access_denied"):
        finish_authorization(database.engine, quickbooks_settings, organization, allow(page, deny="1"), person="Ada")
    with organization_scope(database.engine, organization) as connection:
        assert find_connection(connection) is None


def test_without_a_client_id_the_variable_is_named(
    database: TestDatabase, quickbooks_settings: Settings, make_organization: Callable[[str], UUID]
) -> None:
    without = quickbooks_settings.model_copy(update={"quickbooks_client_id": None})
    with pytest.raises(SettingsError, match="INVOICE_PIPELINES_QUICKBOOKS_CLIENT_ID"):
        begin_authorization(database.engine, without, make_organization("acme"), requested_by="Ada")


def test_one_company_belongs_to_one_organization_until_it_is_disconnected_there(
    database: TestDatabase,
    quickbooks_settings: Settings,
    sandbox: Sandbox,
    make_organization: Callable[[str], UUID],
    connected: Callable[..., UUID],
) -> None:
    first, second = connected("acme"), make_organization("other")
    with pytest.raises(QuickBooksError, match="another organization"):
        connect_to(database, quickbooks_settings, sandbox, second, REALM)
    with organization_scope(database.engine, second) as connection:
        assert find_connection(connection) is None
    disconnect(database.engine, quickbooks_settings, first, disconnected_by="Ada")
    assert connect_to(database, quickbooks_settings, sandbox, second, REALM).status == "connected"


def test_tokens_that_do_not_open_the_company_connect_nothing(
    database: TestDatabase,
    quickbooks_settings: Settings,
    sandbox: Sandbox,
    make_organization: Callable[[str], UUID],
) -> None:
    organization = make_organization("acme")
    for realm in (REALM, OTHER):
        sandbox.add_company(realm)
    tokens = sandbox.tokens(OTHER)
    with pytest.raises(QuickBooksError, match="cannot be read with these tokens"):
        connect_with_tokens(
            database.engine,
            quickbooks_settings,
            organization,
            realm_id=REALM,
            access_token=tokens.access_token,
            refresh_token=tokens.refresh_token,
            connected_by="Ada",
        )
    with organization_scope(database.engine, organization) as connection:
        assert find_connection(connection) is None


def test_after_a_change_of_company_nothing_is_asked_until_a_person_agrees(
    database: TestDatabase, quickbooks_settings: Settings, sandbox: Sandbox, connected: Callable[..., UUID]
) -> None:
    organization = connected("acme")
    change_options(
        database.engine,
        organization,
        {"income_account": "79", "conflict_policy": "review", "tax_codes": {"S:19.00": "2"}},
        changed_by="Ada",
    )
    with QuickBooks(database.engine, quickbooks_settings, organization) as before:
        before.count("Customer")
        changed = connect_to(database, quickbooks_settings, sandbox, organization, OTHER)
        assert changed.status == "unconfirmed"
        sandbox.traffic.clear()
        with pytest.raises(RealmPaused, match=OTHER):
            before.write("Customer", {"DisplayName": "Acme"}, request_id="acme")
    with pytest.raises(RealmPaused, match="quickbooks confirm"):
        QuickBooks(database.engine, quickbooks_settings, organization)
    connect_to(database, quickbooks_settings, sandbox, organization, OTHER)  # again: that is no agreement
    assert known(database, organization).status == "unconfirmed"
    assert sandbox.calls(REALM) == []
    assert {call.operation for call in sandbox.calls(OTHER)} == {"companyinfo", "preferences"}

    agreed = confirm_company(database.engine, organization, confirmed_by="Ada")
    assert (agreed.status, agreed.realm_id) == ("connected", OTHER)
    # Ids of the former company mean something else in this one; what was chosen otherwise stays.
    assert (agreed.options.income_account, agreed.options.tax_codes) == (None, {})
    assert agreed.options.conflict_policy == "review"
    with QuickBooks(database.engine, quickbooks_settings, organization) as after:
        after.write("Customer", {"DisplayName": "Acme"}, request_id="acme")
    assert sandbox.accountant(OTHER).count("Customer") == 1
    with pytest.raises(QuickBooksError, match="no change of company"):
        confirm_company(database.engine, organization, confirmed_by="Ada")
    assert "COMPANY_CONFIRMED" in events(database, organization)


def test_the_same_company_is_connected_again_without_questions(
    database: TestDatabase, quickbooks_settings: Settings, sandbox: Sandbox, connected: Callable[..., UUID]
) -> None:
    organization = connected("acme")
    sandbox.oauth.revoke_all(REALM)
    with QuickBooks(database.engine, quickbooks_settings, organization) as quickbooks, pytest.raises(RealmPaused):
        quickbooks.count("Customer")
    assert known(database, organization).status == "needs_reconnect"
    again = connect_to(database, quickbooks_settings, sandbox, organization, REALM)
    assert (again.status, again.status_reason) == ("connected", None)
    with QuickBooks(database.engine, quickbooks_settings, organization) as quickbooks:
        assert quickbooks.count("Customer") == 0


def test_disconnecting_gives_the_tokens_back_and_forgets_them(
    database: TestDatabase, quickbooks_settings: Settings, sandbox: Sandbox, connected: Callable[..., UUID]
) -> None:
    organization = connected("acme")
    disconnect(database.engine, quickbooks_settings, organization, disconnected_by="Ada")
    assert [call.status for call in sandbox.calls("", "revoke")] == [200]
    with organization_scope(database.engine, organization) as connection:
        assert connection.execute(text("select tokens from quickbooks.connection")).scalar_one() is None
    with pytest.raises(RealmPaused, match="Disconnected by Ada"):
        QuickBooks(database.engine, quickbooks_settings, organization)
    assert events(database, organization) == ["CONNECTED", "DISCONNECTED"]


def test_options_are_checked_and_each_change_says_who_made_it(
    database: TestDatabase, connected: Callable[..., UUID]
) -> None:
    organization = connected("acme")
    with pytest.raises(QuickBooksError, match="conflict_policy"):
        change_options(database.engine, organization, {"conflict_policy": "oldest"}, changed_by="Ada")
    change_options(database.engine, organization, {"conflict_policy": "ours"}, changed_by="Ada")
    assert known(database, organization).options.conflict_policy == "ours"
    with organization_scope(database.engine, organization) as connection:
        event = connection.execute(text("select * from quickbooks.event where code = 'OPTIONS_CHANGED'")).one()
    assert event.message == "Ada changed conflict_policy."
    assert event.detail["changed"] == {"conflict_policy": ["newest", "ours"]}

"""Connecting an organization with its company: allowed by a person, once, and never by accident with another one."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from sqlalchemy import text

from invoice_pipelines.database import organization_scope
from invoice_pipelines.quickbooks.api.faults import QuickBooksError, RealmPaused
from invoice_pipelines.quickbooks.connection.authorization import begin_authorization, finish_authorization
from invoice_pipelines.quickbooks.connection.connections import (
    Connected,
    change_options,
    confirm_company,
    disconnect,
    end_connection,
    give_tokens_back,
)
from invoice_pipelines.quickbooks.schedule import organizations_to_push
from invoice_pipelines.settings import SettingsError
from invoice_pipelines_tests.integration.quickbooks.api.conftest import OTHER, ConnectedOffice
from invoice_pipelines_tests.integration.quickbooks.conftest import REALM


def begin(office: ConnectedOffice) -> str:
    with organization_scope(office.database.engine, office.id) as connection:
        return begin_authorization(connection, office.settings, requested_by="Ada")


def confirm(office: ConnectedOffice) -> Connected:
    with organization_scope(office.database.engine, office.id) as connection:
        return confirm_company(connection, confirmed_by="Ada")


def allow(page: str, **parameters: str) -> str:
    """What the browser is sent back to when the person opens the page."""
    answer = httpx.get(f"{page}&{urlencode(parameters)}" if parameters else page)
    return answer.headers["location"]


def finish(office: ConnectedOffice, address: str, person: str = "Ada") -> Connected:
    return finish_authorization(office.context(person), address).connected


def test_a_person_allows_the_connection_on_a_page_and_the_company_is_read(newcomer: ConnectedOffice) -> None:
    newcomer.sandbox.add_company(REALM, name="Acme Inc.", country="US", custom_txn_numbers=True)
    page = begin(newcomer)
    asked = parse_qs(urlsplit(page).query)
    assert asked["scope"] == ["com.intuit.quickbooks.accounting"]
    assert asked["redirect_uri"] == [newcomer.settings.quickbooks_redirect_uri]
    connected = finish(newcomer, allow(page))
    assert (connected.realm_id, connected.status, connected.connected_by) == (REALM, "connected", "Ada")
    assert (connected.company.name, connected.company.country) == ("Acme Inc.", "US")
    assert connected.company.custom_txn_numbers
    assert connected.company.automated_sales_tax
    with newcomer.client() as quickbooks:
        assert quickbooks.count("Customer") == 0


def test_a_state_is_good_once_for_its_organization_and_person_and_some_minutes(
    newcomer: ConnectedOffice, other: ConnectedOffice
) -> None:
    newcomer.sandbox.add_company(REALM)
    address = allow(begin(newcomer), realm=REALM)
    for office, given, person in (
        (other, address, "Ada"),
        (newcomer, address, "Eve"),
        (newcomer, address.replace("state=", "state=x"), "Ada"),
    ):
        with pytest.raises(QuickBooksError, match="open request"):
            finish(office, given, person)
    with pytest.raises(QuickBooksError, match="no state"):
        finish(newcomer, "http://127.0.0.1:8765/callback?code=1&realmId=2")
    connected = finish(newcomer, address)
    assert connected.status == "connected"
    with pytest.raises(QuickBooksError, match="open request"):
        finish(newcomer, address.replace("code=", "code=x"))
    newcomer.sandbox.traffic.clear()
    assert finish(newcomer, address) == connected, "the same once more does nothing"
    assert newcomer.sandbox.calls() == []

    late = allow(begin(newcomer), realm=REALM)
    with newcomer.database.superuser.begin() as connection:
        connection.execute(text("update quickbooks.authorization_request set expires_at = now()"))
        stored = str(connection.execute(text("select * from quickbooks.authorization_request")).all())
    with pytest.raises(QuickBooksError, match="older than 15 minutes"):
        finish(newcomer, late)
    assert parse_qs(urlsplit(late).query)["state"][0] not in stored


def test_a_person_who_does_not_allow_it_connects_nothing(newcomer: ConnectedOffice) -> None:
    newcomer.sandbox.add_company(REALM)
    with pytest.raises(QuickBooksError, match="access_denied"):
        finish(newcomer, allow(begin(newcomer), deny="1"))
    assert newcomer.known() is None


def test_without_a_client_id_the_variable_is_named(newcomer: ConnectedOffice) -> None:
    without = replace(newcomer, settings=newcomer.having(quickbooks_client_id=None))
    with pytest.raises(SettingsError, match="INVOICE_PIPELINES_QUICKBOOKS_CLIENT_ID"):
        begin(without)


def test_one_company_belongs_to_one_organization_until_it_is_disconnected_there(
    office: ConnectedOffice, newcomer: ConnectedOffice
) -> None:
    with pytest.raises(QuickBooksError, match="another organization"):
        newcomer.connect(REALM)
    assert newcomer.known() is None
    disconnect(office.database.engine, office.settings, office.id, disconnected_by="Ada")
    assert newcomer.connect(REALM).status == "connected"


def test_tokens_that_do_not_open_the_company_connect_nothing(newcomer: ConnectedOffice) -> None:
    newcomer.sandbox.add_company(OTHER)
    with pytest.raises(QuickBooksError, match="cannot be read with these tokens"):
        newcomer.connect(REALM, tokens_of=OTHER)
    assert newcomer.known() is None


def test_after_a_change_of_company_nothing_is_asked_until_a_person_agrees(office: ConnectedOffice) -> None:
    options = {"income_account": "79", "conflict_policy": "review", "tax_codes": {"S:19.00": "2"}}
    change_options(office.database.engine, office.id, options, changed_by="Ada")
    with office.client() as before:
        before.count("Customer")
        assert office.connect(OTHER).status == "unconfirmed"
        office.sandbox.traffic.clear()
        with pytest.raises(RealmPaused, match=OTHER):
            before.write("Customer", {"DisplayName": "Acme"}, request_id="acme")
    with pytest.raises(RealmPaused, match="until somebody confirms that"):
        office.client()
    office.connect(OTHER)  # again: that is no agreement
    assert office.status == "unconfirmed"
    assert office.sandbox.calls(REALM) == []
    assert {call.operation for call in office.sandbox.calls(OTHER)} == {"companyinfo", "preferences"}

    agreed = confirm(office)
    assert (agreed.status, agreed.realm_id) == ("connected", OTHER)
    # Ids of the former company mean something else in this one; what was chosen otherwise stays.
    assert (agreed.options.income_account, agreed.options.tax_codes) == (None, {})
    assert agreed.options.conflict_policy == "review"
    with office.client() as after:
        after.write("Customer", {"DisplayName": "Acme"}, request_id="acme")
    assert office.sandbox.accountant(OTHER).count("Customer") == 1
    with pytest.raises(QuickBooksError, match="no change of company"):
        confirm(office)
    assert "COMPANY_CONFIRMED" in office.events()


def test_the_same_company_is_connected_again_without_questions(office: ConnectedOffice) -> None:
    office.sandbox.oauth.revoke_all(REALM)
    with office.client() as quickbooks, pytest.raises(RealmPaused):
        quickbooks.count("Customer")
    assert office.status == "needs_reconnect"
    again = office.connect(REALM)
    assert (again.status, again.status_reason) == ("connected", None)
    with office.client() as quickbooks:
        assert quickbooks.count("Customer") == 0


def test_disconnecting_gives_the_tokens_back_and_forgets_them(office: ConnectedOffice) -> None:
    disconnect(office.database.engine, office.settings, office.id, disconnected_by="Ada")
    assert [call.status for call in office.sandbox.calls("", "revoke")] == [200]
    assert office.rows("select sealed from quickbooks.token_pair") == []
    with pytest.raises(RealmPaused, match="Disconnected by Ada"):
        office.client()
    assert office.events() == ["DISCONNECTED"]


def test_options_are_checked_and_each_change_says_who_made_it(office: ConnectedOffice) -> None:
    with pytest.raises(QuickBooksError, match="conflict_policy"):
        change_options(office.database.engine, office.id, {"conflict_policy": "oldest"}, changed_by="Ada")
    change_options(office.database.engine, office.id, {"conflict_policy": "ours"}, changed_by="Ada")
    known = office.known()
    assert known is not None
    assert known.options.conflict_policy == "ours"
    (event,) = office.rows("select * from quickbooks.event where code = 'OPTIONS_CHANGED'")
    assert event.message == "Ada changed conflict_policy."
    assert event.detail["changed"] == {"conflict_policy": ["newest", "ours"]}


def test_a_connection_that_the_web_ended_is_given_back_by_the_next_run_of_the_sync(office: ConnectedOffice) -> None:
    """The web cannot read tokens, and so cannot give them back itself."""
    with organization_scope(office.database.engine, office.id) as connection:
        end_connection(connection, disconnected_by="Ada")
        assert office.id in organizations_to_push(connection)
    with pytest.raises(RealmPaused, match="Disconnected by Ada"):
        office.keeper().access()
    give_tokens_back(office.database.engine, office.settings, office.id)
    assert [call.status for call in office.sandbox.calls("", "revoke")] == [200]
    assert office.rows("select sealed from quickbooks.token_pair") == []
    with office.database.engine.begin() as connection:
        assert office.id not in organizations_to_push(connection)

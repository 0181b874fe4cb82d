"""The registry: what is accepted, what is refused and with which words."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from invoice_pipelines.database import organization_scope
from invoice_pipelines.organizations import (
    Address,
    NumberFormat,
    OrganizationError,
    OrganizationSettings,
    add_organization,
    change_organization,
    find_organization,
    list_organizations,
    remove_organization,
    restore_organization,
)


def test_an_added_organization_is_found_with_its_settings(database):
    add_organization(
        database.engine, "nordwind", "Nordwind GmbH", country_code="DE", time_zone="Europe/Berlin", currency="EUR"
    )
    found = find_organization(database.engine, "nordwind")
    assert found.name == "Nordwind GmbH"
    assert str(found.time_zone) == "Europe/Berlin"
    assert found.settings.invoice_number.pattern == "INV-{year}-{number:06}"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("slug", "Not A Slug"),
        ("slug", "a/b"),
        ("country_code", "Germany"),
        ("time_zone", "Mars/Olympus"),
        ("currency", "euro"),
    ],
)
def test_a_wrong_value_is_refused_and_named(database, field, value):
    values = {"slug": "ok", "country_code": "DE", "time_zone": "Europe/Berlin", "currency": "EUR", field: value}
    with pytest.raises(OrganizationError, match=field):
        add_organization(database.engine, values.pop("slug"), "Name", **values)


def test_a_slug_is_given_once(database, make_organization):
    make_organization("acme")
    with pytest.raises(OrganizationError, match="exists already"):
        make_organization("acme")


def test_a_removed_organization_leaves_the_list_but_keeps_its_row_and_can_come_back(database, make_organization):
    make_organization("acme")
    remove_organization(database.engine, "acme")
    assert list_organizations(database.engine) == []
    assert [o.slug for o in list_organizations(database.engine, with_removed=True)] == ["acme"]
    with pytest.raises(OrganizationError, match="no organization 'acme'"):
        find_organization(database.engine, "acme")
    restore_organization(database.engine, "acme")
    assert find_organization(database.engine, "acme").slug == "acme"


def test_without_a_scope_no_tenant_table_can_be_read(database, make_organization):
    make_organization("acme")
    with pytest.raises(DBAPIError, match=r"app\.organization_id|type uuid"), database.engine.begin() as connection:
        connection.execute(text("select * from organizations.organization"))


def test_a_scope_sees_its_own_organization_only(database, make_organization):
    acme = make_organization("acme")
    make_organization("globex")
    with organization_scope(database.engine, acme) as connection:
        assert connection.execute(text("select slug from organizations.organization")).scalars().all() == ["acme"]


def test_address_and_numbering_are_kept_and_can_be_changed(database):
    settings = OrganizationSettings(language="de", credit_note_number=NumberFormat(pattern="GS-{year}-{number:04}"))
    values = {"country_code": "DE", "time_zone": "Europe/Berlin", "currency": "EUR", "vat_id": "DE1"}
    address = Address(street="Weg 1", city="Ulm", post_code="89073")
    add_organization(database.engine, "acme", "Acme GmbH", **values, address=address, settings=settings)
    found = find_organization(database.engine, "acme")
    assert (found.address, found.settings) == (address, settings)
    changed = change_organization(database.engine, "acme", name="Acme SE", address=Address(city="Köln"), vat_id=None)
    assert changed == find_organization(database.engine, "acme")
    assert (changed.name, changed.vat_id, changed.address) == ("Acme SE", None, Address(city="Köln"))
    assert (changed.id, changed.currency, changed.settings) == (found.id, found.currency, settings)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": ""}, "name"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"id": 7}, "id cannot be changed"),
        ({"address": {"city": ""}}, "address.city"),
        ({"settings": {"invoice_number": {"pattern": "X"}}}, "must contain"),
    ],
)
def test_a_wrong_change_is_refused_and_named(database, make_organization, changes, words):
    make_organization("acme")
    before = find_organization(database.engine, "acme")
    with pytest.raises(OrganizationError, match=words) as refused:
        change_organization(database.engine, "acme", **changes)
    assert "Value error" not in str(refused.value)
    assert find_organization(database.engine, "acme") == before

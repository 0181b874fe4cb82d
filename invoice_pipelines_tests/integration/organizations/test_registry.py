"""The registry: what is accepted, what is refused and with which words."""

from uuid import uuid4

import pytest
from sqlalchemy import text

from invoice_pipelines.database.engine import enter_organization
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

VALUES = {"name": "Acme GmbH", "country_code": "DE", "time_zone": "Europe/Berlin", "currency": "EUR"}


@pytest.fixture
def engine(shared_database):
    return shared_database.engine


@pytest.fixture
def acme(engine) -> str:
    """The slug of an organization."""
    slug = f"acme-{uuid4()}"
    add_organization(engine, slug, **VALUES)
    return slug


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
def test_a_wrong_value_is_refused_and_named(engine, field, value):
    with pytest.raises(OrganizationError, match=field):
        add_organization(engine, **({"slug": "ok"} | VALUES | {field: value}))


def test_a_slug_is_given_once(engine, acme):
    with pytest.raises(OrganizationError, match="exists already"):
        add_organization(engine, acme, **VALUES)


def test_stored_settings_that_are_wrong_are_named_whatever_asks_for_the_organization(shared_database, acme):
    organization_id = find_organization(shared_database.engine, acme).id
    with shared_database.superuser.begin() as connection:
        enter_organization(connection, organization_id)  # what is changed is recorded in its scope
        connection.execute(
            text(
                """update organizations.organization set settings = '{"overdue_levels": [14, 1]}' where slug = :slug"""
            ),
            {"slug": acme},
        )
    with pytest.raises(OrganizationError, match=rf"'{acme}': stored OrganizationSettings: overdue_levels: "):
        find_organization(shared_database.engine, acme)


def test_a_removed_organization_leaves_the_list_but_keeps_its_row_and_can_come_back(engine, acme):
    remove_organization(engine, acme)
    assert acme not in [known.slug for known in list_organizations(engine)]
    assert acme in [known.slug for known in list_organizations(engine, with_removed=True)]
    with pytest.raises(OrganizationError, match=f"no organization '{acme}'"):
        find_organization(engine, acme)
    restore_organization(engine, acme)
    assert find_organization(engine, acme).slug == acme


def test_address_and_numbering_are_kept_and_can_be_changed(engine, acme):
    usual = find_organization(engine, acme)
    assert (usual.name, str(usual.time_zone)) == ("Acme GmbH", "Europe/Berlin")
    assert usual.settings.invoice_number.pattern == "INV-{year}-{number:06}"
    settings = OrganizationSettings(language="de", credit_note_number=NumberFormat(pattern="GS-{year}-{number:04}"))
    address = Address(street="Weg 1", city="Ulm", post_code="89073")
    other = f"other-{uuid4()}"
    add_organization(engine, other, **VALUES, vat_id="DE1", address=address, settings=settings)
    found = find_organization(engine, other)
    assert (found.address, found.settings) == (address, settings)
    changed = change_organization(engine, other, name="Acme SE", address=Address(city="Köln"), vat_id=None)
    assert changed == find_organization(engine, other)
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
def test_a_wrong_change_is_refused_and_named(engine, acme, changes, words):
    before = find_organization(engine, acme)
    with pytest.raises(OrganizationError, match=words) as refused:
        change_organization(engine, acme, **changes)
    assert "Value error" not in str(refused.value)
    assert find_organization(engine, acme) == before

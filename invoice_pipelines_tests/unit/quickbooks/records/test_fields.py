"""Synced fields mean the same on both sides, whatever the form that they come in."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoice_pipelines.quickbooks.api.countries import alpha_2
from invoice_pipelines.quickbooks.records.fields import (
    FIELDS,
    UnusableDocument,
    changed_here,
    customer_fields,
    customer_fields_of,
    document_of,
    in_our_form,
    in_their_form,
    item_fields,
    item_fields_of,
)
from invoice_pipelines.quickbooks.values import EntityType

TEXT = st.none() | st.text(max_size=20)
NAME = st.text(min_size=1, max_size=20).filter(str.strip)
COLUMNS = FIELDS[EntityType.CUSTOMER]
CUSTOMERS = st.fixed_dictionaries(
    {name: TEXT for name in COLUMNS if name not in ("name", "country_code", "is_active")}
    | {"name": NAME, "country_code": st.sampled_from(["DE", "US", "FR"]), "is_active": st.just(True)}
)
ITEMS = st.fixed_dictionaries(
    {
        "name": NAME,
        "sku": NAME,
        "description": TEXT,
        "unit_price": st.decimals(0, 10**9, places=4),
        "is_active": st.just(True),
        "tracks_stock": st.booleans(),
    }
)


@given(CUSTOMERS)
def test_a_customer_that_comes_back_as_it_was_sent_is_no_edit(row) -> None:
    fields = customer_fields(row)
    assert customer_fields_of(document_of(EntityType.CUSTOMER, fields)) == fields
    assert customer_fields_of(document_of(EntityType.CUSTOMER, fields, COLUMNS)) == fields


@given(ITEMS)
def test_an_item_that_comes_back_as_it_was_sent_is_no_edit(row) -> None:
    fields = item_fields(row)
    assert item_fields_of(document_of(EntityType.ITEM, fields)) == fields


def test_only_what_changed_is_sent_but_an_address_as_a_whole() -> None:
    fields = customer_fields(dict.fromkeys(COLUMNS) | {"name": "Acme", "city": "Bonn", "is_active": True})
    assert document_of(EntityType.CUSTOMER, fields, {"email"}) == {"PrimaryEmailAddr": {"Address": ""}}
    sent = document_of(EntityType.CUSTOMER, fields, {"city"}, {"CountrySubDivisionCode": "CA"})
    assert set(sent) == {"BillAddr"}
    assert sent["BillAddr"]["City"] == "Bonn"
    assert sent["BillAddr"]["CountrySubDivisionCode"] == "CA"
    assert document_of(EntityType.ITEM, {"unit_price": "1.5"}, {"unit_price"}) == {"UnitPrice": Decimal("1.5")}


@pytest.mark.parametrize(
    ("written", "code"),
    [
        *((written, "US") for written in ("US", "USA", "usa", "U.S.A.", "United  States")),
        *((written, "DE") for written in ("DEU", "Germany", " deutschland ")),
        ("Österreich", "AT"),
        *((written, None) for written in ("Freedonia", "", None)),
    ],
)
def test_countries_are_known_as_people_and_quickbooks_write_them(written: str | None, code: str | None) -> None:
    assert alpha_2(written) == code


def test_a_country_that_cannot_be_read_and_a_missing_sku_are_no_edits() -> None:
    assert "country_code" not in customer_fields_of({"DisplayName": "A", "BillAddr": {"Country": "Freedonia"}})
    assert "sku" not in item_fields_of({"Name": "A"})


def test_the_mark_of_an_inactive_name_is_no_part_of_it() -> None:
    assert customer_fields_of({"DisplayName": "A (deleted)", "Active": False})["name"] == "A"
    assert customer_fields_of({"DisplayName": "A (deleted)", "Active": True})["name"] == "A (deleted)"


@pytest.mark.parametrize(
    "document",
    [{"Name": "A", "UnitPrice": -1}, {"Name": "A", "UnitPrice": "x"}, {"Name": "A", "UnitPrice": 10**11}, {}],
)
def test_what_cannot_be_kept_says_why(document) -> None:
    with pytest.raises(UnusableDocument):
        item_fields_of(document)


def test_a_form_that_they_have_of_our_value_never_comes_back_nor_goes_out_again() -> None:
    snapshot = {"name": "A:B", "is_active": False, "theirs": {"name": "A-B", "is_active": True}}
    assert in_our_form({"name": "A-B", "is_active": True}, snapshot) == {"name": "A:B", "is_active": False}
    assert in_our_form({"name": "C", "is_active": True}, snapshot) == {"name": "C", "is_active": False}
    assert in_their_form({"name": "A:B", "is_active": False}, snapshot) == {"name": "A-B", "is_active": True}
    assert in_their_form({"name": "D", "is_active": False}, snapshot) == {"name": "D", "is_active": True}
    options = {"description_from": "ours", "push_descriptions": False}
    assert not changed_here(EntityType.CUSTOMER, {"name": "A:B", "is_active": False}, snapshot, **options)

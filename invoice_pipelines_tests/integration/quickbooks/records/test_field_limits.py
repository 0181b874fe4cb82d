"""Fields that are longer than QuickBooks takes them, countries, and what only French companies ask for."""

from __future__ import annotations

from invoice_pipelines.quickbooks.pull.pull import pull
from invoice_pipelines_tests.support.quickbooks.pushing import CUSTOMER, ITEM, House, Opener, line


def _too_long(house: House) -> list[tuple[str, int, int]]:
    rows = house.desk.rows("select * from quickbooks.event where code = 'FIELD_TOO_LONG' order by id")
    assert all(row.severity == "warning" and row.local_id for row in rows)
    return sorted((row.detail["field"], row.detail["length"], row.detail["limit"]) for row in rows)


def test_what_is_too_long_is_told_with_field_and_limit_and_half_an_address_is_never_sent(house: House) -> None:
    email = f"{'a' * 90}@long.example.com"
    customer = house.desk.customer(
        email=email, phone="0" * 31, post_code="9" * 31, street="S" * 501, city="C" * 256, name="Buyer AG"
    )

    assert house.push(CUSTOMER).created == 1

    (there,) = house.there.documents("Customer")
    assert not {"PrimaryEmailAddr", "PrimaryPhone"} & there.keys()
    assert (there["BillAddr"]["Line1"], there["BillAddr"]["City"]) == ("S" * 500, "C" * 255)
    assert "PostalCode" not in there["BillAddr"]
    assert _too_long(house) == [
        ("city", 256, 255),
        ("email", 107, 100),
        ("phone", 31, 30),
        ("post_code", 31, 30),
        ("street", 501, 500),
    ]
    messages = [row[0] for row in house.desk.rows("select message from quickbooks.event where code = 'FIELD_TOO_LONG'")]
    assert (
        "'Buyer AG': Its e-mail address has 107 characters and QuickBooks takes 100: it is left out there. "
        "Shorten it here." in messages
    )
    assert house.desk.value("select email from billing.customer where id = :id", id=customer) == email


def test_what_was_left_out_does_not_come_back_as_an_edit(house: House) -> None:
    customer = house.desk.customer(email=f"{'a' * 90}@long.example.com", post_code="9" * 31)
    house.push(CUSTOMER)
    (there,) = house.there.documents("Customer")
    house.there.edit("Customer", there["Id"], Notes="changed there")
    pull(house.desk.engine, house.settings, house.desk.organization_id, [CUSTOMER])

    row = house.desk.rows("select email, post_code from billing.customer where id = :id", id=customer)[0]
    assert (len(row.email), len(row.post_code)) == (107, 31)
    assert house.push(CUSTOMER).created == 0
    assert house.conflicts() == []


def test_a_description_of_a_line_that_is_too_long_is_told(house: House) -> None:
    house.issue(line(), line(description="x" * 4001))
    house.push()
    assert _too_long(house) == [("description", 4001, 4000)]
    message = house.desk.value("select message from quickbooks.event where code = 'FIELD_TOO_LONG'")
    assert message.startswith("Line 2 of invoice INV-")
    assert len(house.invoices()[0]["Line"][1]["Description"]) == 4000


def test_a_name_that_is_too_long_is_told(house: House) -> None:
    house.desk.item(name="N" * 101)
    house.push(ITEM)
    assert _too_long(house) == [("name", 101, 100)]


def test_countries_go_out_with_three_letters_and_come_back_as_no_edit(house: House) -> None:
    house.sandbox.switches.country_as_iso3 = False  # what is sent is what is seen
    house.desk.customer(country_code="AT", city="Wien")
    house.push(CUSTOMER)
    (there,) = house.there.documents("Customer")
    assert there["BillAddr"]["Country"] == "AUT"
    assert house.push(CUSTOMER).updated == 0


def test_a_french_company_is_told_what_is_a_product_and_what_a_service(opened: Opener) -> None:
    house = opened(country="FR")
    house.desk.item(name="Vis", unit_code="C62")
    house.desk.item(name="Conseil", unit_code="HUR")
    house.desk.stocked(5, name="Clou", unit_code="C62")

    assert house.push(ITEM).created == 3

    kinds = {there["Name"]: (there["ItemCategoryType"], there["Type"]) for there in house.there.documents("Item")}
    assert kinds == {
        "Vis": ("Product", "NonInventory"),
        "Conseil": ("Service", "Service"),
        "Clou": ("Product", "Inventory"),
    }


def test_other_companies_hear_nothing_of_that(house: House) -> None:
    house.desk.item(name="Consulting", unit_code="HUR")
    house.push(ITEM)
    assert "ItemCategoryType" not in house.there.documents("Item")[0]

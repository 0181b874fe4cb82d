"""Items go both ways, QuickBooks first: its price and active state always count, our descriptions stay ours."""

from __future__ import annotations

from decimal import Decimal

from invoice_pipelines.quickbooks.values import EntityType
from invoice_pipelines_tests.integration.quickbooks.both_sides import Sides

ITEM = EntityType.ITEM


def in_step(sides: Sides, name: str = "Bolt", price: str = "1.50", **fields) -> tuple:
    """An item that both sides have: our id and theirs."""
    made = sides.there.item(name, price, **fields)
    sides.pull("item")
    return sides.ours(made["Id"], "item"), made["Id"]


def test_price_and_active_state_follow_quickbooks(sides: Sides) -> None:
    ours, theirs = in_step(sides)
    sides.there.edit("Item", theirs, UnitPrice=Decimal("2.75"))
    sides.pull("item")
    assert sides.item(ours).unit_price == Decimal("2.75")
    sides.there.deactivate("Item", theirs)
    sides.pull("item")
    assert not sides.item(ours).is_active
    assert (sides.conflicts(), sides.queued()) == ([], [])


def test_price_and_active_state_changed_on_both_sides_are_theirs_and_logged(sides: Sides) -> None:
    sides.options(conflict_policy="ours")
    ours, theirs = in_step(sides)
    sides.there.edit("Item", theirs, UnitPrice=3)
    sides.edit("item", ours, unit_price=4, is_active=False)
    sides.pull("item")
    sides.push()
    assert (sides.item(ours).unit_price, sides.item(ours).is_active) == (3, True)
    there = sides.there.document("Item", theirs)
    assert (there["UnitPrice"], there["Active"]) == (3, True)
    logged = {(conflict.field, conflict.winner, str(conflict.ours)) for conflict in sides.conflicts()}
    assert logged == {("unit_price", "theirs", "4"), ("is_active", "theirs", "False")}


def test_a_price_that_was_changed_here_alone_is_taken_back_and_logged(sides: Sides) -> None:
    ours, theirs = in_step(sides)
    sides.edit("item", ours, unit_price=9)
    sides.push()
    assert sides.there.document("Item", theirs)["UnitPrice"] == Decimal("1.5")
    sides.pull("item")
    assert sides.item(ours).unit_price == Decimal("1.5")
    (conflict,) = sides.conflicts()
    assert (conflict.field, conflict.ours, conflict.theirs, conflict.winner) == ("unit_price", "9", "1.5", "theirs")
    sides.pull("item")
    sides.push()
    assert (len(sides.conflicts()), sides.item(ours).unit_price) == (1, Decimal("1.5"))


def test_a_description_of_ours_overrides_theirs_and_is_sent(sides: Sides) -> None:
    ours, theirs = in_step(sides, Description="theirs")
    sides.edit("item", ours, description="ours")
    sides.there.edit("Item", theirs, Description="theirs again")
    sides.pull("item")
    sides.push()
    assert sides.item(ours).description == "ours"
    assert sides.there.document("Item", theirs)["Description"] == "ours"
    assert [conflict.winner for conflict in sides.conflicts()] == ["ours"]


def test_a_description_of_ours_is_kept_and_not_sent_if_that_is_chosen(sides: Sides) -> None:
    sides.options(push_descriptions=False)
    ours, theirs = in_step(sides, Description="theirs")
    assert sides.item(ours).description == "theirs"
    sides.edit("item", ours, description="ours")
    sides.push()
    assert sides.there.document("Item", theirs)["Description"] == "theirs"
    sides.there.edit("Item", theirs, Description="theirs again")
    sides.pull("item")
    assert sides.item(ours).description == "ours"
    (conflict,) = sides.conflicts()
    assert (conflict.field, conflict.winner) == ("description", "ours")
    sides.options(push_descriptions=True)
    sides.there.edit("Item", theirs, UnitPrice=2)
    sides.pull("item")
    sides.edit("item", ours, description="ours again")
    sides.push()
    assert sides.there.document("Item", theirs)["Description"] == "ours again"
    assert len(sides.conflicts()) == 1


def test_a_description_of_theirs_counts_if_that_is_chosen(sides: Sides) -> None:
    sides.options(description_from="quickbooks")
    ours, theirs = in_step(sides, Description="theirs")
    sides.edit("item", ours, description="ours")
    sides.there.edit("Item", theirs, Description="theirs again")
    sides.pull("item")
    assert sides.item(ours).description == "theirs again"
    assert [conflict.winner for conflict in sides.conflicts()] == ["theirs"]


def test_another_type_of_item_is_an_error_and_the_rest_flows(sides: Sides) -> None:
    stocked = sides.add_item(sku="S-1", name="Stocked", tracks_stock=True, quantity_on_hand=5)
    made = sides.there.item("Stocked", 2, Sku="S-1")
    sides.pull("item")
    (conflict,) = sides.conflicts("open")
    assert (conflict.kind, conflict.ours, conflict.theirs) == ("item_type", "Inventory", "NonInventory")
    here = sides.item(stocked)
    assert (here.tracks_stock, here.unit_price, here.quantity_on_hand) == (True, 2, 5)
    sides.there.edit("Item", made["Id"], UnitPrice=3)
    sides.pull("item")
    assert len(sides.conflicts("open")) == 1
    sides.edit("item", stocked, tracks_stock=False)
    sides.there.edit("Item", made["Id"], UnitPrice=4)
    sides.pull("item")
    assert sides.conflicts("open") == []


def test_items_are_linked_by_sku_then_by_name(sides: Sides) -> None:
    by_sku = sides.add_item(sku="X-1", name="Another name")
    by_name = sides.add_item(sku="Y-1", name="nut")
    differs = sides.add_item(sku="Z-1", name="Screw")
    one, two = sides.there.item("Bolt", 1, Sku="X-1"), sides.there.item("Nut", 1)
    three = sides.there.item("Screw", 1, Sku="Z-2")
    sides.pull("item")
    assert (sides.ours(one["Id"], "item"), sides.ours(two["Id"], "item")) == (by_sku, by_name)
    assert [(c.kind, c.quickbooks_id) for c in sides.conflicts("open")] == [("ambiguous", three["Id"])]
    assert not sides.rows("select * from quickbooks.mapping where local_id = :id", id=differs)


def test_a_stocked_item_begins_with_the_stock_that_quickbooks_has(sides: Sides) -> None:
    accounts = {each["AccountType"]: {"value": each["Id"]} for each in sides.there.documents("Account")}
    made = sides.there.item(
        "Stock",
        1,
        Type="Inventory",
        TrackQtyOnHand=True,
        QtyOnHand=12,
        InvStartDate="2026-01-01",
        AssetAccountRef=accounts["Other Current Asset"],
        ExpenseAccountRef=accounts["Cost of Goods Sold"],
    )
    sides.pull("item")
    here = sides.item(sides.ours(made["Id"], "item"))
    assert (here.tracks_stock, here.quantity_on_hand) == (True, 12)
    sides.edit("item", here.id, quantity_on_hand=10)
    sides.there.edit("Item", made["Id"], UnitPrice=2)
    sides.pull("item")
    assert (sides.item(here.id).unit_price, sides.item(here.id).quantity_on_hand) == (2, 10)
    assert sides.queued() == []

"""Customers go both ways: each edit arrives on the other side, and no customer is guessed, doubled or made again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from invoice_pipelines.quickbooks.connection.connections import find_connection
from invoice_pipelines.quickbooks.pull import applying
from invoice_pipelines.quickbooks.pull.kinds import RECORD_KINDS
from invoice_pipelines.quickbooks.values import EntityType
from invoice_pipelines.workshop.sandbox.quickbooks import Fault
from invoice_pipelines_tests.integration.quickbooks.both_sides import Ground, Sides

CUSTOMER = EntityType.CUSTOMER


def in_step(sides: Sides, name: str = "Acme", **fields) -> tuple:
    """A customer that both sides have: our id and theirs."""
    made = sides.there.customer(name, **fields)
    sides.pull("customer")
    return sides.ours(made["Id"]), made["Id"]


def test_what_is_not_known_of_a_document_is_tolerated(sides: Sides) -> None:
    with sides.scope() as connection:
        connected = find_connection(connection)
        document = {
            "Id": 7,
            "SyncToken": 3,
            "DisplayName": "Acme",
            "PrimaryEmailAddr": None,
            "BillAddr": {"Line1": "Way 1", "Country": "Freedonia", "Lat": "INVALID"},
            "CustomField": [{"x": 1}],
            "NewThing": {"of": "2027"},
        }
        now = datetime.now(UTC)
        applied = applying.apply(
            RECORD_KINDS[CUSTOMER], connection, connected, [document, document], [], server_time=now
        )
    assert (applied.created, applied.quarantined) == (1, 0)
    assert sides.customer(sides.ours("7")).country_code == "DE"  # that of the company, as theirs cannot be read
    assert sides.pull("customer")[CUSTOMER].finished  # an answer without any Customer


def test_our_own_push_comes_back_without_a_change_or_a_conflict(sides: Sides) -> None:
    record = sides.add_customer(name="Acme", country_code="US", street="Way 1", email="a@acme.example")
    sides.push()
    before = sides.customer(record)
    report = sides.pull("customer")[CUSTOMER]
    assert (report.documents, report.applied.unchanged) == (1, 1)
    assert (sides.customer(record), sides.conflicts(), sides.queued()) == (before, [], [])


def test_a_change_of_what_is_not_synced_is_no_edit(sides: Sides) -> None:
    ours, theirs = in_step(sides, BillAddr={"Line1": "Way 1", "Country": "US"})
    before = sides.customer(ours)
    assert before.country_code == "US"
    sides.edit("customer", ours, name="Acme Inc")
    address = sides.there.document("Customer", theirs)["BillAddr"]
    sides.there.edit("Customer", theirs, Notes="new", BillAddr={**address, "Country": "USA", "Lat": "1.0"})
    sides.pull("customer")
    assert sides.conflicts() == []
    assert sides.customer(ours).country_code == "US"
    sides.push()
    sides.sandbox.traffic.clear()
    sides.pull("customer")
    sides.push()
    assert [seen.operation for seen in sides.sandbox.calls(sides.realm)] == ["cdc"]


def test_our_own_push_is_no_edit_even_before_its_answer_came(sides: Sides) -> None:
    ours, theirs = in_step(sides)
    sides.edit("customer", ours, phone="1", name="Acme: one")
    sides.sandbox.faults.inject(Fault.LOSE_ANSWER, realm=sides.realm, operation="batch", times=None)
    sides.sandbox.clock.shift(timedelta(seconds=30))  # by their clock it was written after the next edit here
    sides.push()
    sides.sandbox.faults.clear()
    assert sides.there.document("Customer", theirs)["PrimaryPhone"]["FreeFormNumber"] == "1"
    sides.edit("customer", ours, phone="2", name="Acme: two")
    sides.pull("customer")
    assert ((here := sides.customer(ours)).phone, here.name, sides.conflicts()) == ("2", "Acme: two", [])
    while sides.queued():  # what was not answered rests for a moment
        sides.rows("update work.batch_item set available_at = now() where status = 'pending'")
        sides.push()
    there = sides.there.document("Customer", theirs)
    assert (there["PrimaryPhone"]["FreeFormNumber"], there["DisplayName"]) == ("2", "Acme- two")


def test_edits_of_one_side_flow_and_edits_of_different_fields_are_merged(sides: Sides) -> None:
    ours, theirs = in_step(sides, PrimaryPhone={"FreeFormNumber": "1"})
    sides.edit("customer", ours, email="ours@acme.example")
    sides.there.edit("Customer", theirs, PrimaryPhone={"FreeFormNumber": "2"})
    sides.pull("customer")
    sides.push()
    here, there = sides.customer(ours), sides.there.document("Customer", theirs)
    assert (here.email, here.phone) == ("ours@acme.example", "2")
    assert (there["PrimaryEmailAddr"]["Address"], there["PrimaryPhone"]["FreeFormNumber"]) == (here.email, "2")
    assert sides.conflicts() == []


@pytest.mark.parametrize(
    ("policy", "later", "winner"),
    [
        ("newest", "here", "ours"),
        ("newest", "there", "theirs"),
        ("ours", "there", "ours"),
        ("theirs", "here", "theirs"),
    ],
)
def test_edits_of_the_same_field_are_decided_by_the_policy_and_logged(
    sides: Sides, policy: str, later: str, winner: str
) -> None:
    sides.options(conflict_policy=policy)
    ours, theirs = in_step(sides)
    sides.sandbox.clock.shift(timedelta(seconds=20 if later == "there" else -20))
    sides.there.edit("Customer", theirs, DisplayName="Theirs", PrimaryPhone={"FreeFormNumber": "2"})
    sides.edit("customer", ours, name="Ours")
    sides.pull("customer")
    sides.push()
    name = "Ours" if winner == "ours" else "Theirs"
    assert sides.customer(ours).name == name
    assert sides.there.document("Customer", theirs)["DisplayName"] == name
    (conflict,) = sides.conflicts()
    assert (conflict.field, conflict.base, conflict.ours, conflict.theirs) == ("name", "Acme", "Ours", "Theirs")
    assert (conflict.winner, conflict.status, conflict.decided_by) == (winner, "resolved", f"policy: {policy}")
    assert (conflict.ours_changed_at, conflict.theirs_changed_at, conflict.sync_token) != (None, None, None)
    sides.pull("customer")
    assert len(sides.conflicts()) == 1


@pytest.mark.parametrize("found_by", ["pull", "push"])
def test_the_newest_wins_even_where_our_clock_is_wrong(sides: Sides, found_by: str) -> None:
    sides.sandbox.clock.shift(timedelta(minutes=10))
    ours, theirs = in_step(sides)
    sides.there.edit("Customer", theirs, DisplayName="Theirs")
    sides.sandbox.clock.shift(timedelta(seconds=5))
    sides.edit("customer", ours, name="Ours")
    getattr(sides, found_by)(*(["customer"] if found_by == "pull" else []))
    (conflict,) = sides.conflicts()
    assert conflict.winner == "ours"


def test_edits_in_the_same_second_have_the_same_outcome_whoever_looks_first(ground: Ground) -> None:
    outcomes = set()
    for first in ("pull", "push"):
        sides = ground.sides()
        ours, theirs = in_step(sides)
        sides.there.edit("Customer", theirs, DisplayName="Theirs")
        updated = sides.there.document("Customer", theirs)["MetaData"]["LastUpdatedTime"]
        sides.edit("customer", ours, name="Ours")
        at = datetime.fromisoformat(updated) + timedelta(milliseconds=700)
        sides.rows("update quickbooks.field_change set changed_at = :at", at=at)
        getattr(sides, first)(*(["customer"] if first == "pull" else []))
        sides.pull("customer")
        sides.push()
        outcomes.add((sides.customer(ours).name, sides.there.document("Customer", theirs)["DisplayName"]))
        assert [conflict.winner for conflict in sides.conflicts()] == ["theirs"]
    assert outcomes == {("Theirs", "Theirs")}


def test_companies_that_both_have_records_are_linked_by_the_exact_rule(sides: Sides) -> None:
    same = sides.add_customer(name="acme GMBH", email="info@acme.example")
    no_email = sides.add_customer(name="Bolt Ltd", phone="1")
    ours_only = sides.add_customer(name="Only here")
    a = sides.there.customer("Acme GmbH", PrimaryEmailAddr={"Address": "INFO@acme.example"})
    b = sides.there.customer("Bolt Ltd", PrimaryEmailAddr={"Address": "b@bolt.example"})
    sides.there.customer("Only there")
    report = sides.pull("customer")[CUSTOMER]
    assert (sides.ours(a["Id"]), sides.ours(b["Id"])) == (same, no_email)
    assert report.applied.created == 1
    assert sides.customer(no_email).email == "b@bolt.example"
    sides.push()
    assert (
        sorted(each["DisplayName"] for each in sides.there.documents("Customer"))
        == sorted(["acme GMBH", "Bolt Ltd", "Only here", "Only there"])
        or sides.conflicts()
    )
    assert sides.theirs(ours_only)
    assert sides.there.document("Customer", b["Id"])["PrimaryPhone"]["FreeFormNumber"] == "1"


def test_two_of_ours_with_the_name_or_another_email_are_for_a_person(sides: Sides) -> None:
    twins = [sides.add_customer(customer_number=f"T{number}", name="Twin") for number in (1, 2)]
    other = sides.add_customer(customer_number="M1", name="Mail", email="ours@mail.example")
    twin = sides.there.customer("Twin")
    mail = sides.there.customer("Mail", PrimaryEmailAddr={"Address": "theirs@mail.example"})
    report = sides.pull("customer")[CUSTOMER]
    assert report.applied.created == 0
    asked = {conflict.quickbooks_id: conflict for conflict in sides.conflicts("open")}
    assert {each.kind for each in asked.values()} == {"ambiguous"}
    assert (len(asked[twin["Id"]].ours), len(asked[mail["Id"]].ours), len(asked)) == (2, 1, 2)
    sides.pull("customer", full=True)
    assert len(sides.conflicts()) == 2
    assert sides.rows("select * from quickbooks.mapping") == []
    sides.edit("customer", twins[0], name="Twin the first")
    sides.edit("customer", other, email=None)
    sides.pull("customer", full=True)  # now it is certain
    assert (sides.ours(twin["Id"]), sides.ours(mail["Id"])) == (twins[1], other)
    assert sides.conflicts("open") == []


def test_a_name_that_a_customer_has_there_is_linked_or_asked_about(sides: Sides) -> None:
    sides.pull("customer")
    record = sides.add_customer(name="ACME", phone="1")
    theirs = sides.there.customer("Acme")
    sides.push()  # refused with 6240, as the pull did not tell of it yet
    assert sides.theirs(record) == theirs["Id"]
    assert sides.there.document("Customer", theirs["Id"])["PrimaryPhone"]["FreeFormNumber"] == "1"
    other = sides.add_customer(name="Mail", email="ours@mail.example")
    mail = sides.there.customer("Mail", PrimaryEmailAddr={"Address": "theirs@mail.example"})
    sides.push()  # the same name, but another email: that is no exact match
    asked = {conflict.kind: conflict for conflict in sides.conflicts("open")}
    assert asked["ambiguous"].quickbooks_id == asked["name_in_use"].quickbooks_id == mail["Id"]
    assert not sides.rows("select * from quickbooks.mapping where local_id = :id", id=other)
    failed = sides.value("select error_code from public.qbo_sync_queue where entity_id = :id", id=str(other))
    assert failed == "NAME_IN_USE"
    sides.edit("customer", other, email="THEIRS@mail.example")
    sides.pull("customer", full=True)
    assert (sides.ours(mail["Id"]), sides.conflicts("open")) == (other, [])


def test_a_record_whose_creation_was_not_answered_is_known_by_what_was_sent(sides: Sides) -> None:
    sides.pull("customer")
    record = sides.add_customer(name="Acme: the best", email="a@acme.example")
    sides.sandbox.faults.inject(Fault.LOSE_ANSWER, realm=sides.realm, operation="batch", times=None)
    sides.push()
    sides.sandbox.faults.clear()
    (made,) = sides.there.documents("Customer")
    assert made["DisplayName"] == "Acme- the best"
    sides.there.edit("Customer", made["Id"], PrimaryPhone={"FreeFormNumber": "2"})
    report = sides.pull("customer")[CUSTOMER]
    assert (report.applied.created, sides.ours(made["Id"])) == (0, record)
    assert (sides.customer(record).name, sides.customer(record).phone) == ("Acme: the best", "2")
    sides.push()
    sides.pull("customer")
    assert (sides.there.count("Customer"), sides.value("select count(*) from billing.customer")) == (1, 1)
    assert (
        sides.customer(record).phone == sides.there.document("Customer", made["Id"])["PrimaryPhone"]["FreeFormNumber"]
    )


def test_two_of_ours_with_one_name_are_two_there(sides: Sides) -> None:
    sides.pull("customer")
    twins = [sides.add_customer(name="Twin") for _ in range(2)]
    sides.push()
    sides.pull("customer")
    assert len({sides.theirs(twin) for twin in twins}) == 2
    assert [sides.customer(twin).name for twin in twins] == ["Twin", "Twin"]
    assert sides.value("select count(*) from billing.customer") == 2


def test_a_name_that_a_vendor_has_there_gets_a_suffix_that_never_comes_back(sides: Sides) -> None:
    sides.pull("customer")
    sides.there.vendor("Acme")
    record = sides.add_customer(name="Acme")
    sides.push()
    theirs = sides.theirs(record)
    assert sides.there.document("Customer", theirs)["DisplayName"] == "Acme (C)"
    assert sides.events("NAME_SUFFIXED")
    sides.there.edit("Customer", theirs, Notes="x")
    sides.pull("customer")
    assert sides.customer(record).name == "Acme"
    sides.there.deactivate("Customer", theirs)
    sides.pull("customer")
    assert (sides.customer(record).name, sides.customer(record).is_active) == ("Acme", False)
    assert (sides.queued(), sides.conflicts()) == ([], [])


@pytest.mark.parametrize("choice", ["reactivate", "new_name"])
def test_a_name_that_an_inactive_record_has_there(sides: Sides, choice: str) -> None:
    sides.options(inactive_name=choice)
    old = sides.there.customer("Acme")
    sides.there.deactivate("Customer", old["Id"])
    record = sides.add_customer(name="Acme")
    sides.push()
    sides.pull("customer")
    assert sides.customer(record).name == "Acme"
    assert sides.customer(record).is_active
    if choice == "new_name":
        assert sides.theirs(record) != old["Id"]


@pytest.mark.parametrize("leaves", ["inactive", "deleted"])
def test_a_merged_customer_follows_the_survivor_and_is_never_made_again(
    ground: Ground, leaves: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ground.sandbox.switches, "merge_leaves", leaves)
    sides = ground.sides(custom_txn_numbers=True)
    known_survivor, survivor = in_step(sides, "Survivor")
    loser, loser_there = in_step(sides, "Loser")
    second, second_there = in_step(sides, "Second")
    late = sides.there.customer("Late survivor")
    _push_invoice(sides, loser, loser_there)
    _push_invoice(sides, second, second_there)
    sides.there.merge(loser_there, survivor)
    sides.there.merge(second_there, late["Id"])
    sides.pull("customer")
    assert not sides.customer(loser).is_active
    mapping = sides.rows("select * from quickbooks.mapping where local_id = :id", id=loser)[0]
    assert (mapping.state, mapping.snapshot["merged_into"]) == ("deleted", survivor)
    assert sides.ours(survivor) == known_survivor
    assert sides.theirs(second) == late["Id"]  # nobody of ours was the survivor, so ours is it from now on
    assert (sides.customer(second).name, sides.customer(second).is_active) == ("Late survivor", True)
    before = sides.there.count("Customer")
    sides.edit("customer", loser, phone="9", is_active=True)
    sides.edit("customer", second, phone="8")
    sides.push()
    sides.pull("customer", full=True)
    assert sides.there.count("Customer") == before
    assert sides.there.document("Customer", late["Id"])["PrimaryPhone"]["FreeFormNumber"] == "8"
    assert len(sides.events("MERGED_IN_QUICKBOOKS")) == 2


def _push_invoice(sides: Sides, record, there: str) -> None:
    """An invoice of ours that QuickBooks has, as far as the merge of customers looks at it."""
    made = sides.there.invoice(there, 10)
    with sides.superuser.begin() as connection:
        invoice = connection.execute(
            text(
                """insert into billing.invoice (organization_id, customer_id, issue_date, due_date, currency,
                       line_amount, allowance_amount, net_amount, tax_amount, gross_amount, language, seller, buyer)
                   values (:organization, :customer, '2026-01-02', '2026-01-16', 'EUR', 10, 0, 10, 0, 10, 'en', '{}',
                           '{}') returning id"""
            ),
            {"organization": sides.organization_id, "customer": record},
        ).scalar_one()
    sides.rows(
        """insert into quickbooks.mapping (organization_id, realm_id, entity_type, local_id, quickbooks_id, sync_token,
                                           snapshot)
           values (organizations.current(), :realm, 'invoice', :id, :there, '0', '{}')""",
        realm=sides.realm,
        id=invoice,
        there=made["Id"],
    )


def test_a_customer_with_a_balance_stays_active_there_and_that_is_told_once(sides: Sides) -> None:
    ours, theirs = in_step(sides)
    sides.there.invoice(theirs, 10)
    sides.edit("customer", ours, is_active=False)
    sides.push()
    assert sides.there.document("Customer", theirs)["Active"] is True
    assert sides.queued() == []
    told = sides.rows("select * from quickbooks.event where local_id = :id and code like 'DEACTIVATION%'", id=ours)
    assert len(told) == 1
    sides.there.edit("Customer", theirs, Notes="x")
    sides.pull("customer")
    sides.push()
    assert not sides.customer(ours).is_active
    assert sides.conflicts() == []
    assert len(sides.rows("select * from quickbooks.event where code like 'DEACTIVATION%'")) == 1


def test_masked_tax_ids_parents_and_states_are_left_as_they_are(sides: Sides) -> None:
    parent = sides.there.customer("Parent")
    ours, theirs = in_step(
        sides,
        "Child",
        ParentRef={"value": parent["Id"]},
        Job=True,
        PrimaryTaxIdentifier="123-45-6789",
        BillAddr={
            "Line1": "Way 1",
            "Line3": "Back door",
            "CountrySubDivisionCode": "CA",
            "City": "Bay",
            "Country": "US",
        },
    )
    before = sides.there.document("Customer", theirs)
    sides.edit("customer", ours, street="Way 2", phone="1")
    sides.push()
    after = sides.there.document("Customer", theirs)
    assert (after["BillAddr"]["Line1"], after["PrimaryPhone"]["FreeFormNumber"]) == ("Way 2", "1")
    assert after["ParentRef"] == before["ParentRef"]
    assert after.get("PrimaryTaxIdentifier") == before.get("PrimaryTaxIdentifier")
    assert (after["BillAddr"]["Line3"], after["BillAddr"]["CountrySubDivisionCode"]) == ("Back door", "CA")
    bodies = [seen.body or "" for seen in sides.sandbox.calls(sides.realm, "batch")]
    assert bodies
    assert not any("TaxIdentifier" in str(body) or "ParentRef" in str(body) for body in bodies)

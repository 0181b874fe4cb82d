"""What waits for a person stays as it is on both sides, and what the person decides happens, and is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from invoice_pipelines.quickbooks.conflicts.conflicts import ConflictError
from invoice_pipelines.quickbooks.conflicts.decisions import resolve
from invoice_pipelines.quickbooks.connection.connections import find_connection
from invoice_pipelines_tests.integration.quickbooks.both_sides import Ground, Sides
from invoice_pipelines_tests.support.terminal import Ended, Terminal


@pytest.fixture
def sides(ground: Ground) -> Sides:
    sides = ground.sides()
    sides.options(conflict_policy="review")
    return sides


def parked(sides: Sides) -> tuple:
    """A customer whose name waits for a person: our id, theirs, the conflict."""
    made = sides.there.customer("Acme", BillAddr={"Line1": "Way 1", "City": "Bonn", "Country": "DE"})
    sides.pull("customer")
    ours = sides.ours(made["Id"])
    sides.there.edit("Customer", made["Id"], DisplayName="Theirs", PrimaryPhone={"FreeFormNumber": "2"})
    sides.edit("customer", ours, name="Ours", email="a@ours.example")
    sides.pull("customer")
    return ours, made["Id"], sides.conflicts("open")[0]


def decide(sides: Sides, conflict, decision: str, **how):
    with sides.scope() as connection:
        return resolve(connection, find_connection(connection), str(conflict.id), decision, decided_by="berta", **how)


def names(sides: Sides, ours, theirs: str) -> tuple[str, str]:
    return sides.customer(ours).name, sides.there.document("Customer", theirs)["DisplayName"]


def test_a_field_that_waits_stays_on_both_sides_while_the_others_flow(sides: Sides) -> None:
    ours, theirs, _ = parked(sides)
    sides.push()
    sides.pull("customer")
    sides.push()
    assert names(sides, ours, theirs) == ("Ours", "Theirs")
    assert sides.customer(ours).phone == "2"
    assert sides.there.document("Customer", theirs)["PrimaryEmailAddr"]["Address"] == "a@ours.example"
    sides.there.edit("Customer", theirs, DisplayName="Theirs again")
    sides.pull("customer")
    (conflict,) = sides.conflicts()
    assert (conflict.status, conflict.base, conflict.ours, conflict.theirs) == ("open", "Acme", "Ours", "Theirs again")


@pytest.mark.parametrize("decision", ["ours", "theirs", "edited"])
def test_the_side_that_a_person_takes_is_on_both_sides_then(sides: Sides, decision: str) -> None:
    ours, theirs, conflict = parked(sides)
    sides.push()
    decided = decide(sides, conflict, decision, value="Both" if decision == "edited" else None)
    assert (decided.status, decided.winner, decided.decided_by) == ("resolved", decision, "berta")
    assert decided.resolved_at is not None
    sides.push()
    sides.pull("customer")
    expected = {"ours": "Ours", "theirs": "Theirs", "edited": "Both"}[decision]
    assert names(sides, ours, theirs) == (expected, expected)
    assert [event.detail["by"] for event in sides.events("CONFLICT_DECIDED")] == ["berta"]
    assert len(sides.conflicts()) == 1
    with pytest.raises(ConflictError, match="berta"):
        decide(sides, conflict, "ours")


def test_part_of_an_address_waits_while_another_part_is_sent(sides: Sides) -> None:
    ours, theirs, _ = parked(sides)
    address = sides.there.document("Customer", theirs)["BillAddr"]
    sides.push()
    sides.there.edit("Customer", theirs, BillAddr={**address, "City": "Theirs"})
    sides.edit("customer", ours, city="Ours")
    sides.pull("customer")
    sides.edit("customer", ours, street="Way 2")
    sides.push()
    sent = sides.there.document("Customer", theirs)["BillAddr"]
    assert (sent["Line1"], sent["City"], sides.customer(ours).city) == ("Way 2", "Theirs", "Ours")


def test_a_conflict_that_went_away_is_closed(sides: Sides) -> None:
    ours, theirs, _ = parked(sides)
    sides.there.edit("Customer", theirs, DisplayName="Ours")
    sides.pull("customer")
    (conflict,) = sides.conflicts()
    assert (conflict.status, conflict.winner, conflict.decided_by) == ("resolved", None, "sync")
    sides.there.edit("Customer", theirs, DisplayName="New")
    sides.pull("customer")
    assert names(sides, ours, theirs) == ("New", "New")


@pytest.mark.parametrize("decision", ["ours", "theirs"])
def test_a_person_says_which_record_it_is(sides: Sides, decision: str) -> None:
    first = sides.add_customer(customer_number="T1", name="Twin", phone="1")
    sides.add_customer(customer_number="T2", name="Twin")
    twin = sides.there.customer("Twin")
    sides.pull("customer")
    (conflict,) = sides.conflicts("open")
    with pytest.raises(ConflictError, match="link: "):
        decide(sides, conflict, "ours", link="T3")
    decide(sides, conflict, decision, link="T1" if decision == "ours" else None)
    if decision == "ours":
        assert sides.ours(twin["Id"]) == first
        assert str(first) in sides.queued()  # it has a phone that they do not have
    else:
        assert sides.customer(sides.ours(twin["Id"])).customer_number == f"QB-{twin['Id']}"
    assert [each.status for each in sides.conflicts()] == ["resolved"]


def test_an_edited_value_is_checked(sides: Sides) -> None:
    conflict = parked(sides)[2]
    with pytest.raises(ConflictError, match="name cannot be empty"):
        decide(sides, conflict, "edited", value=" ")
    with pytest.raises(ConflictError, match="value: "):
        decide(sides, conflict, "ours", value="x")
    assert sides.conflicts("open") == [conflict]


def test_commands_list_show_and_resolve(sides: Sides, tmp_path: Path) -> None:
    ours, theirs, conflict = parked(sides)
    slug = sides.value("select slug from organizations.organization")
    terminal = Terminal(tmp_path, sides.url.render_as_string(hide_password=False))

    def run(*words: str) -> Ended:
        return terminal.run("conflicts", *words, "--organization", slug)

    listed = run("list")
    assert str(conflict.id) in listed.stdout, listed.stderr
    assert all(word in listed.stdout for word in ("name", "Ours", "Theirs", "open"))
    assert "Acme" in run("show", str(conflict.id)[-8:]).stdout
    decided = run("resolve", str(conflict.id), "--take", "ours")
    assert (decided.returncode, "is decided: ours" in decided.stdout) == (0, True), decided.stderr
    assert "No conflict waits" in run("list").stdout
    assert "command line" in sides.conflicts()[0].decided_by
    sides.push()
    assert names(sides, ours, theirs) == ("Ours", "Ours")

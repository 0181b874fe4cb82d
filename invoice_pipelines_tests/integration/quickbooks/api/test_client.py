"""What the client asks of a company, in which words, and what it makes of the answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest

from invoice_pipelines.database import organization_scope
from invoice_pipelines.quickbooks.api.client import Page, QuickBooks, moment, quote
from invoice_pipelines.quickbooks.api.faults import ChangesTooOld, Fault, FaultKind, QuickBooksError
from invoice_pipelines.quickbooks.connection.connections import find_connection
from invoice_pipelines.settings import Settings
from invoice_pipelines.workshop.sandbox.quickbooks import Sandbox
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.integration.quickbooks.api.conftest import ConnectedOffice
from invoice_pipelines_tests.integration.quickbooks.conftest import REALM


@pytest.fixture
def quickbooks(
    database: TestDatabase, quickbooks_settings: Settings, connected: Callable[..., UUID]
) -> Iterator[QuickBooks]:
    """The client of a connected organization."""
    with QuickBooks(database.engine, quickbooks_settings, connected("acme", country="DE")) as client:
        yield client


def names(pages: Iterator[Page]) -> list[str]:
    return [document["DisplayName"] for page in pages for document in page.documents]


def test_an_organization_that_is_not_connected_has_no_client(newcomer: ConnectedOffice) -> None:
    with pytest.raises(QuickBooksError, match="not connected"):
        newcomer.client()


def test_pages_hold_every_document_once_and_are_read_when_asked_for(quickbooks: QuickBooks, sandbox: Sandbox) -> None:
    for number in range(7):
        sandbox.accountant(REALM).customer(f"Customer {number}")
    pages = quickbooks.query("Customer", page_size=3)
    assert len(next(pages).documents) == 3
    assert len(sandbox.calls(REALM, "query")) == 1
    rest = list(pages)
    assert [(page.start, len(page.documents)) for page in rest] == [(4, 3), (7, 1)]
    assert all(page.server_time.tzinfo for page in rest)
    assert sorted(names(quickbooks.query("Customer"))) == [f"Customer {number}" for number in range(7)]
    assert quickbooks.count("Customer") == 7


def test_an_answer_without_rows_is_one_empty_page(quickbooks: QuickBooks) -> None:
    assert [page.documents for page in quickbooks.query("Invoice")] == [[]]
    assert quickbooks.count("Invoice") == 0


def test_inactive_records_are_read_unless_the_condition_speaks_of_them(
    quickbooks: QuickBooks, sandbox: Sandbox
) -> None:
    accountant = sandbox.accountant(REALM)
    accountant.customer("Here")
    accountant.deactivate("Customer", accountant.customer("Gone")["Id"])
    assert len(names(quickbooks.query("Customer"))) == 2
    assert quickbooks.count("Customer", "DisplayName LIKE 'Gone%'") == 1
    assert names(quickbooks.query("Customer", "Active = true")) == ["Here"]


def test_names_with_quotes_and_backslashes_and_moments_with_any_offset_are_found(
    quickbooks: QuickBooks, sandbox: Sandbox
) -> None:
    sandbox.accountant(REALM).customer("O'Brien \\ Co")
    east = timezone(timedelta(hours=2))
    name = quote("O'Brien \\ Co")
    assert names(quickbooks.query("Customer", f"DisplayName = {name}")) == ["O'Brien \\ Co"]
    hour_ago = datetime.now(east) - timedelta(hours=1)
    assert moment(hour_ago).endswith("+02:00'")
    assert names(quickbooks.query("Customer", f"MetaData.LastUpdatedTime >= {moment(hour_ago)}")) == ["O'Brien \\ Co"]
    changes = quickbooks.changes(["Customer"], hour_ago)
    assert len(changes.documents["Customer"]) == 1


def test_a_moment_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        moment(datetime(2026, 1, 1))  # noqa: DTZ001 - the mistake that is refused


def test_amounts_stay_exact_in_both_directions(quickbooks: QuickBooks, sandbox: Sandbox) -> None:
    account = next(quickbooks.query("Account", "AccountType = 'Income'")).documents[0]
    item = {"Name": "Screw", "Type": "Service", "UnitPrice": Decimal("0.1000007"), "Active": True}
    made = quickbooks.write("Item", {**item, "IncomeAccountRef": {"value": account["Id"]}}, request_id="screw")
    assert made["UnitPrice"] == Decimal("0.1000007")
    assert b'"UnitPrice":0.1000007' in sandbox.calls(REALM, "create")[-1].body
    assert quickbooks.read("Item", made["Id"])["UnitPrice"] == Decimal("0.1000007")


def test_a_write_with_a_known_request_id_is_answered_and_not_done_again(
    quickbooks: QuickBooks, sandbox: Sandbox
) -> None:
    first = quickbooks.write("Customer", {"DisplayName": "Once"}, request_id="one")
    again = quickbooks.write("Customer", {"DisplayName": "Once"}, request_id="one")
    assert first["Id"] == again["Id"]
    assert sandbox.accountant(REALM).count("Customer") == 1


def test_an_invoice_is_voided_and_deleted(quickbooks: QuickBooks, sandbox: Sandbox) -> None:
    accountant = sandbox.accountant(REALM)
    invoice = accountant.invoice(accountant.customer("Acme")["Id"], Decimal(100))
    sparse = {"Id": invoice["Id"], "SyncToken": invoice["SyncToken"]}
    voided = quickbooks.write("Invoice", sparse, request_id="void", operation="void")
    assert voided["TotalAmt"] == 0
    sparse["SyncToken"] = voided["SyncToken"]
    gone = quickbooks.write("Invoice", sparse, request_id="delete", operation="delete")
    assert gone["status"] == "Deleted"
    with pytest.raises(Fault) as fault:
        quickbooks.read("Invoice", invoice["Id"])
    assert (fault.value.code, fault.value.kind) == ("610", FaultKind.CONFLICT)
    changes = quickbooks.changes(["Customer", "Invoice"], datetime.now(UTC) - timedelta(minutes=5))
    assert [deleted.quickbooks_id for deleted in changes.deleted["Invoice"]] == [invoice["Id"]]
    assert [document["DisplayName"] for document in changes.documents["Customer"]] == ["Acme"]
    assert not changes.overflow


def test_so_many_changes_that_some_may_be_missing_are_said_to_overflow(
    quickbooks: QuickBooks, sandbox: Sandbox
) -> None:
    sandbox.seed(REALM, customers=1001, items=0, invoices=0, payments=0)
    changes = quickbooks.changes(["Customer"], datetime.now(UTC) - timedelta(days=1))
    assert changes.overflow


def test_changes_since_longer_ago_than_thirty_days_are_refused_by_name(quickbooks: QuickBooks) -> None:
    with pytest.raises(ChangesTooOld):
        quickbooks.changes(["Customer"], datetime.now(UTC) - timedelta(days=31))


def batch_of(*items: tuple[str, str]) -> str:
    return json.dumps(
        {
            "BatchItemRequest": [
                {"bId": b_id, "operation": "create", "Customer": {"DisplayName": name}} for b_id, name in items
            ]
        }
    )


def test_each_item_of_a_batch_has_an_outcome_of_its_own(quickbooks: QuickBooks, sandbox: Sandbox) -> None:
    sandbox.accountant(REALM).customer("Taken")
    sandbox.faults.inject("ITEM_MISSING", operation="create", contains="c3")
    sandbox.faults.inject("ITEM", operation="create", contains="c4", code="3001")
    body = batch_of(("c1", "New"), ("c2", "Taken"), ("c3", "Silent"), ("c4", "Throttled"))
    answer = quickbooks.batch(body, "batch-1")
    made = answer.answers["c1"]
    assert isinstance(made, dict)
    assert made["DisplayName"] == "New"
    refused = answer.answers["c2"]
    assert isinstance(refused, Fault)
    assert (refused.code, refused.kind) == ("6240", FaultKind.CONFLICT)
    assert "c3" not in answer.answers
    throttled = answer.answers["c4"]
    assert isinstance(throttled, Fault)
    assert throttled.kind is FaultKind.WAIT
    assert answer.intuit_tid
    assert sandbox.calls(REALM, "batch")[0].body == body.encode()


def test_a_query_inside_a_batch_is_answered_with_its_rows(quickbooks: QuickBooks, sandbox: Sandbox) -> None:
    sandbox.accountant(REALM).customer("Acme")
    body = json.dumps({"BatchItemRequest": [{"bId": "q", "Query": "select * from Customer"}]})
    answer = quickbooks.batch(body, "query").answers["q"]
    assert isinstance(answer, dict)
    assert answer["Customer"][0]["DisplayName"] == "Acme"


@pytest.mark.parametrize(
    ("items", "request_id"),
    [
        ([(f"c{number}", f"Customer {number}") for number in range(31)], "too-many"),
        ([("longer-than-10", "Customer")], "long-item-id"),
        ([("c1", "Customer")], "x" * 37),
        ([("c1", "One"), ("c1", "Two")], "twice"),
        ([], "empty"),
    ],
    ids=["31 items", "bId of 14 characters", "request id of 37 characters", "a bId twice", "no items"],
)
def test_a_batch_that_would_be_refused_is_never_sent(
    quickbooks: QuickBooks, sandbox: Sandbox, items: list[tuple[str, str]], request_id: str
) -> None:
    with pytest.raises(ValueError, match="batch"):
        quickbooks.batch(batch_of(*items), request_id)
    assert sandbox.calls(REALM) == []


def test_the_largest_batch_that_is_allowed_is_sent(quickbooks: QuickBooks) -> None:
    items = [(f"customer{number:02}", f"Customer {number}") for number in range(30)]
    answers = quickbooks.batch(batch_of(*items), "x" * 36).answers
    assert len(answers) == 30
    assert all(isinstance(answer, dict) for answer in answers.values())


def test_an_id_that_is_no_id_never_becomes_part_of_a_path(quickbooks: QuickBooks, sandbox: Sandbox) -> None:
    for wrong in ("", "../9130002/customer/1", "1?minorversion=1", "1/2"):
        with pytest.raises(ValueError, match="not an id of QuickBooks"):
            quickbooks.read("Customer", wrong)
    assert sandbox.calls(REALM) == []


def test_the_settings_of_the_company_are_read_and_remembered(
    database: TestDatabase, quickbooks: QuickBooks, sandbox: Sandbox
) -> None:
    sandbox.accountant(REALM).set_company(custom_txn_numbers=False, multi_currency=True)
    company = quickbooks.company()
    assert (company.country, company.home_currency) == ("DE", "EUR")
    assert (company.custom_txn_numbers, company.multi_currency) == (False, True)
    sandbox.accountant(REALM).close_books("2026-06-30")
    assert quickbooks.company().books_closed_until == date(2026, 6, 30)
    with organization_scope(database.engine, quickbooks.connected.organization_id) as connection:
        stored = find_connection(connection)
    assert stored is not None
    assert stored.company == quickbooks.company()

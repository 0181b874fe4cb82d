"""The query language: what it finds, in which pages, and its errors in their words."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoice_pipelines.workshop.sandbox.quickbooks import Accountant, Refusal, Sandbox
from invoice_pipelines.workshop.sandbox.quickbooks.queries.query import parse
from invoice_pipelines_tests.integration.workshop.sandbox.quickbooks.conftest import Api, error_of, invoice


@pytest.mark.parametrize(
    ("statement", "code", "detail"),
    [
        (
            "SELECT TxnDate FROM Invoice",
            "4000",
            'QueryParserError: Encountered " <IDENTIFIER> "TxnDate "" at line 1, column 8.',
        ),
        (
            "SELECT * FROM Invoice WHERE TxnDate TxnDate",
            "4000",
            'QueryParserError: Encountered " <IDENTIFIER> "TxnDate "" at line 1, column 37.',
        ),
        (
            "SELECT * FROM Customer WHERE Id = '1' OR Id = '2'",
            "4000",
            'QueryParserError: Encountered " "OR" "OR "" at line 1, column 39.',
        ),
        ("SELECT * FROM", "4000", 'QueryParserError: Encountered "<EOF>" at line 1, column 14.'),
        (
            "SELECT * FROM Customer WHERE DisplayName = 'O'Brien'",
            "4000",
            'QueryParserError: Encountered " <IDENTIFIER> "Brien "" at line 1, column 47.',
        ),
        (
            "SELECT * FROM Purchase WHERE NoSuchField = '1'",
            "4001",
            "QueryValidationError: Property NoSuchField not found for Entity Purchase",
        ),
        ("SELECT * FROM customer", "4001", "QueryValidationError: Entity customer not found."),
        (
            "SELECT * FROM Customer STARTPOSITION 0",
            "4001",
            "QueryValidationError: value 0 is too small. Min allowed value is 1.",
        ),
        (
            "SELECT * FROM Customer MAXRESULTS 1001",
            "4001",
            "QueryValidationError: value 1001 is too large. Max allowed value is 1000.",
        ),
        (
            "SELECT * FROM Customer WHERE MetaData.LastUpdatedTime > '2026-01-01T00:00:00 02:00'",
            "4000",
            "QueryParserError: Invalid date-time value 2026-01-01T00:00:00 02:00.",
        ),
    ],
)
def test_a_wrong_statement_is_refused_in_the_words_of_the_service(
    api: Api, statement: str, code: str, detail: str
) -> None:
    assert error_of(api.get("/query", query=statement)) == (400, code, detail)


def test_an_unencoded_plus_in_an_offset_is_a_blank_and_refused(api: Api) -> None:
    statement = "select * from Customer where MetaData.LastUpdatedTime > '2026-01-01T00:00:00+02:00'"
    assert api.http.get(f"/query?query={statement.replace(' ', '%20')}").status_code == 400
    assert api.get("/query", query=statement).status_code == 200


def test_quotes_and_backslashes_are_escaped_by_a_backslash(api: Api, books: Accountant) -> None:
    customer = books.customer("O'Brien \\ Co")
    assert api.ids("select * from Customer where DisplayName = 'O\\'Brien \\\\ Co'") == [customer["Id"]]


def test_a_statement_can_come_as_a_body(api: Api, books: Accountant) -> None:
    books.customer("A")
    answer = api.http.post(
        "/query", content="select count(*) from Customer", headers={"Content-Type": "application/text"}
    )
    assert answer.json()["QueryResponse"] == {"totalCount": 1}


def test_nothing_found_is_an_empty_object(api: Api) -> None:
    assert api.query("select * from Customer") == {}


def test_inactive_names_are_hidden_unless_active_is_asked_for(api: Api, books: Accountant) -> None:
    here, gone = books.customer("A")["Id"], books.customer("B")["Id"]
    books.deactivate("Customer", gone)
    assert api.ids("select * from Customer") == [here]
    assert api.ids("select * from Customer where Active IN (true, false)") == [here, gone]
    assert api.ids("select * from Customer where Active = false") == [gone]
    assert api.query("select count(*) from Customer") == {"totalCount": 1}


def test_conditions_compare_numbers_dates_references_and_patterns(api: Api, books: Accountant) -> None:
    one, other = books.customer("Amber Bakery")["Id"], books.customer("Birch_x")["Id"]
    small = api.write("Invoice", invoice(one, "9.50", TxnDate="2026-01-05"))["Id"]
    large = api.write("Invoice", invoice(other, "100.00", TxnDate="2026-02-05"))["Id"]
    assert api.ids("select * from Invoice where TotalAmt > '10.00'") == [large]
    assert api.ids("select * from Invoice where TotalAmt <= '9.50' and CustomerRef = '1'") == [small]
    assert api.ids("select * from Invoice where TxnDate >= '2026-02-01'") == [large]
    assert api.ids(f"select * from Invoice where Id in ('{small}', '{large}') order by TxnDate desc") == [large, small]
    assert api.ids("select * from Customer where DisplayName like 'Amber%'") == [one]
    assert api.ids("select * from Customer where DisplayName like 'Birch_%'") == [other]
    assert api.ids("select * from Customer where DisplayName like 'Birch.%'") == []


def test_pages_begin_at_one_and_hold_100_rows_if_nothing_is_said(sandbox: Sandbox, api: Api) -> None:
    sandbox.seed("9130001", customers=230)
    assert len(api.ids("select * from Customer")) == 100
    last = api.query("select * from Customer startposition 201 maxresults 100")
    assert (len(last["Customer"]), last["startPosition"], last["maxResults"]) == (30, 201, 30)


def test_rows_of_the_same_second_are_in_an_order_of_their_own_that_stays(sandbox: Sandbox, api: Api) -> None:
    sandbox.seed("9130001", customers=50, over=timedelta())
    whole = api.ids("select * from Customer orderby MetaData.LastUpdatedTime maxresults 50")
    pages = [
        one
        for start in range(1, 51, 7)
        for one in api.ids(
            f"select * from Customer orderby MetaData.LastUpdatedTime startposition {start} maxresults 7"
        )
    ]
    assert pages == whole
    assert sorted(whole, key=int) != whole


def test_a_row_that_cannot_be_shown_fails_its_page_and_no_other(sandbox: Sandbox, api: Api, books: Accountant) -> None:
    sandbox.seed("9130001", customers=10)
    books.poison("Customer", "5")
    bad = api.get("/query", query="select * from Customer startposition 1 maxresults 5")
    assert error_of(bad) == (400, "4002", "QueryProcessingError: To email address entered is invalid")
    assert len(api.ids("select * from Customer startposition 6 maxresults 5")) == 5
    assert api.query("select count(*) from Customer") == {"totalCount": 10}


def test_switches_choose_between_what_is_not_confirmed(sandbox: Sandbox, api: Api, books: Accountant) -> None:
    books.customer("Amber")
    sandbox.switches.start_position_0 = "first"
    sandbox.switches.max_results_over_1000 = "cap"
    assert api.ids("select * from Customer startposition 0 maxresults 5000") == ["1"]
    assert api.ids("select * from Customer where DisplayName = 'AMBER'") == ["1"]
    sandbox.switches.text_ignores_case = False
    assert api.ids("select * from Customer where DisplayName = 'AMBER'") == []


def test_the_columns_of_an_item_may_name_the_sku(api: Api, books: Accountant) -> None:
    books.item("Work", "10", Sku="W")
    assert api.query("SELECT *, Sku FROM Item")["Item"][0]["Sku"] == "W"


_WORDS = ["select", "*", "from", "Customer", "where", "Id", "=", "'1'", "'", "and", "in", "(", ")", ",", "orderby", "7"]


@given(st.lists(st.sampled_from(_WORDS) | st.text(max_size=3), max_size=14).map(" ".join))
def test_any_text_is_a_statement_or_refused(text: str) -> None:
    try:
        found = parse(text).entity
    except Refusal as refusal:
        found = refusal.code
    assert found in ("Customer", "4000", "4001")


def test_the_time_of_creation_can_be_asked_for(sandbox: Sandbox, api: Api, books: Accountant) -> None:
    old = books.customer("A")["Id"]
    begin = (sandbox.clock.now() + timedelta(minutes=4)).isoformat()
    sandbox.clock.shift(timedelta(minutes=5))
    new = books.customer("B")["Id"]
    books.edit("Customer", old, Notes="x")
    assert api.ids(f"select * from Customer where MetaData.CreateTime > '{begin}'") == [new]
    assert api.ids(f"select * from Customer where MetaData.LastUpdatedTime > '{begin}'") == [old, new]

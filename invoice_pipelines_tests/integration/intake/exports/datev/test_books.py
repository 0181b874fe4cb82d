"""From validated invoices to batches: what is booked, what is refused and why, and that nothing is booked twice."""

from __future__ import annotations

import csv
import dataclasses
import io
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from invoice_pipelines.einvoice.model import Address, AllowanceCharge, Line, Party, PrecedingInvoice
from invoice_pipelines.intake.exports.datev.accounts.suppliers import import_suppliers, list_suppliers
from invoice_pipelines.intake.exports.datev.choosing import ask_for_bookings, retry_waiting, take_back
from invoice_pipelines.intake.exports.datev.currencies import add_rates, check_rates
from invoice_pipelines.intake.exports.datev.ledger import booked_failures
from invoice_pipelines.intake.exports.exporting import preview_exports
from invoice_pipelines.intake.promises import exported_without_file
from invoice_pipelines.intake.received_invoices import ProcessingError, ask_for_new_export, mark_failed
from invoice_pipelines.intake.stages import stages
from invoice_pipelines.intake.validation.withholding import withhold
from invoice_pipelines.organizations import change_organization
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.settings import Settings
from invoice_pipelines_tests.integration.intake.conftest import IntakeDesk
from invoice_pipelines_tests.support.intake.exports.datev.books import (
    ANYTHING,
    Books,
    amounts,
    column,
    dec,
    invoice,
    seller,
    tax,
)
from invoice_pipelines_tests.support.intake.exports.datev.validator import needs_expressions, read_batch, violations


@pytest.fixture
def books(desk: IntakeDesk) -> Books:
    """The books of an organization with SKR 03 and one rule: everything is 4980."""
    made = Books(desk)
    made.set_up()
    made.rules(ANYTHING)
    return made


@needs_expressions
def test_an_export_keeps_all_of_the_vendors_expressions(books: Books) -> None:
    books.desk.validated(invoice(tax("100.00", "19.00"), tax("50.00", "3.50", rate="7")))
    books.desk.validated(invoice(type_code="381"))
    for data in books.batches(books.export_datev()):
        assert violations(data) == []


def test_there_is_one_booking_per_rate_with_its_gross_amount(books: Books) -> None:
    books.desk.validated(
        invoice(tax("100.00", "19.00"), tax("50.00", "3.50", rate="7"), tax("10.00", "0.00", "E", "0"), number="A/1")
    )
    rows = books.rows(books.export_datev())
    assert amounts(rows) == [
        ("119,00", "H", "70000", "4980", "9"),
        ("53,50", "H", "70000", "4980", "8"),
        ("10,00", "H", "70000", "4980", ""),
    ]
    for row in rows:
        assert column(row, 3) == "EUR"
        assert column(row, 10) == "0103"
        assert column(row, 11) == "A/1"
        assert column(row, 14) == "Muster GmbH"
        assert column(row, 114) == "0"
        assert column(row, 117) == "31032026"
        assert column(row, 118) == "0"


def test_a_credit_note_has_the_other_side_and_a_positive_amount(books: Books) -> None:
    books.desk.validated(invoice(type_code="381"))
    books.desk.validated(invoice(tax("-100.00", "-19.00")))
    books.desk.validated(invoice(tax("-100.00", "-19.00"), type_code="384"))
    assert amounts(books.rows(books.export_datev())) == [("119,00", "S", "70000", "4980", "9")] * 3


def test_a_negative_rate_within_an_invoice_has_the_other_side(books: Books) -> None:
    books.desk.validated(invoice(tax("100.00", "19.00"), tax("-50.00", "-3.50", rate="7")))
    assert amounts(books.rows(books.export_datev())) == [
        ("119,00", "H", "70000", "4980", "9"),
        ("53,50", "S", "70000", "4980", "8"),
    ]


def test_both_formats_are_written_by_one_export(books: Books) -> None:
    first = books.desk.validated()
    exports = books.export()
    assert [export.format for export in exports] == ["CSV", "DATEV"]
    assert [export.number for export in exports] == [1, 2]
    assert [export.newly_exported for export in exports] == [1, 0]
    assert books.desk.status(first.id) == "EXPORTED"
    assert books.export() == []
    with books.desk.scope() as connection:
        assert exported_without_file(connection).kept


def test_without_set_up_nothing_changes(desk: IntakeDesk) -> None:
    desk.validated()
    assert [export.format for export in Books(desk).export()] == ["CSV"]
    assert Books(desk).refusals() == {}


def test_what_datev_refuses_is_in_the_csv_once_and_is_booked_when_its_rule_exists(desk: IntakeDesk) -> None:
    books = Books(desk)
    books.set_up()
    waits = desk.validated()
    (csv_export,) = books.export()
    assert (csv_export.format, csv_export.invoice_count) == ("CSV", 1)
    assert desk.status(waits.id) == "EXPORTED"
    assert books.refusals() == {waits.id: {"NO_RULE"}}
    with desk.scope() as connection:
        assert retry_waiting(connection) == 1
    assert books.export() == []
    books.rules(ANYTHING)
    (datev,) = books.export()
    assert (datev.format, datev.invoice_count) == ("DATEV", 1)
    assert books.refusals() == {}
    assert books.export() == []
    assert len(list((desk.folder / "exports").rglob("*_invoices.csv"))) == 1


def test_with_datev_alone_a_refused_invoice_stays_validated(desk: IntakeDesk) -> None:
    change_organization(
        desk.engine,
        desk.slug,
        settings=desk.intake().organization.settings.model_copy(update={"export_formats": ("DATEV",)}),
    )
    books = Books(desk)
    waits = desk.validated()
    assert books.export() == []
    assert books.refusals() == {waits.id: {"NOT_SET_UP"}}
    assert desk.status(waits.id) == "VALIDATED"
    books.set_up()
    books.rules(ANYTHING)
    (export,) = books.export()
    assert (export.format, export.newly_exported) == ("DATEV", 1)
    assert desk.status(waits.id) == "EXPORTED"


def test_suppliers_get_accounts_once_and_keep_them(books: Books) -> None:
    one, two = seller("One GmbH", "DE111111125"), seller("Two AG", "DE136695976")
    for party in (one, two, one):
        books.desk.validated(invoice(seller=party))
    assert [row[6] for row in books.rows(books.export_datev())] == ["70000", "70001", "70000"]
    books.desk.validated(invoice(seller=seller("Three KG", "DE129273398")))
    books.desk.validated(invoice(seller=two))
    assert [row[6] for row in books.rows(books.export_datev())] == ["70002", "70001"]


def test_known_accounts_are_imported_and_never_given_to_another(books: Books) -> None:
    with books.desk.scope() as connection:
        settings = books.set_up(first_creditor="71000", last_creditor="71002")
        rows = [{"account": "71000", "vat_id": "DE 136695976"}, {"account": "80123", "name": "Kiosk am Eck"}]
        assert import_suppliers(connection, rows, settings, "test") == (2, [])
        new, problems = import_suppliers(connection, [{"account": "71001", "vat_id": "DE136695976"}], settings, "test")
        assert (new, [problem[:2] for problem in problems]) == (0, [(1, "account")])
    books.desk.validated(invoice())
    books.desk.validated(invoice(seller=seller("Zwei", "DE129273398")))
    books.desk.validated(invoice(seller=seller("Drei", "DE111111125")))
    last = books.desk.validated(invoice(seller=seller("Vier", "DE222222229")))
    assert [row[6] for row in books.rows(books.export_datev())] == ["71000", "71001", "71002"]
    assert books.refusals() == {last.id: {"NO_ACCOUNT"}}
    with books.desk.scope() as connection:
        assert [supplier.account for supplier in list_suppliers(connection)] == ["71000", "71001", "71002", "80123"]


@pytest.mark.parametrize(
    ("reading", "code"),
    [
        (invoice(type_code="389"), "TYPE"),
        (invoice(type_code="386"), "TYPE"),
        (invoice(type_code="877"), "TYPE"),
        (invoice(type_code=None), "TYPE"),
        (invoice(tax("-1.00", "-0.19"), type_code="381"), "SIGN"),
        (invoice(gross_amount=dec("120.00")), "BREAKDOWN"),
        (invoice(tax_breakdowns=()), "NO_BREAKDOWN"),
        (invoice(tax("100.001", "19.00")), "DECIMALS"),
        (invoice(tax("10000000000.00", "1900000000.00")), "TOO_LARGE"),
        (invoice(tax("100.00", "20.00", rate="20")), "TAX_KEY"),
        (invoice(tax("100.00", "25.00")), "TAX_DIFFERS"),
        (invoice(tax("100.00", "0.00", "K", "0"), seller=seller("Boulanger", "FR83404833048")), "TAX_KEY"),
        (invoice(seller=seller("Compania", "RO18547290")), "TAX_KEY"),
        (invoice(seller=Party(name="Ohne alles")), "COUNTRY"),
        (invoice(seller=Party()), "NO_SELLER"),
        (invoice(currency="USD"), "NO_RATE"),
        (invoice(issue_date=date(2020, 8, 1)), "TAX_KEY"),
        (invoice(issue_date=date(1999, 8, 1)), "NO_DATE"),
        (invoice(number="9" * 201), "NO_NUMBER"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_certain_is_refused_with_a_reason(books: Books, reading: Any, code: str) -> None:
    refused = books.desk.validated(reading)
    (export,) = books.export()
    assert export.format == "CSV"
    assert code in books.refusals()[refused.id]
    assert books.desk.one("select count(*) from intake.datev_supplier") == 0


def test_every_reason_is_listed_at_once(books: Books) -> None:
    books.rules({"account": "4980", "seller": "somebody else"})
    refused = books.desk.validated(
        invoice(tax("100.00", "20.00", rate="20"), currency="USD", seller=seller("Ltd", "GB123456789"))
    )
    books.export()
    assert books.refusals() == {refused.id: {"NO_RULE", "NO_RATE"}}


def test_document_types_can_be_allowed(books: Books) -> None:
    books.set_up(also_booked_types=("877",))
    books.desk.validated(invoice(type_code="877"))
    assert amounts(books.rows(books.export_datev())) == [("119,00", "H", "70000", "4980", "9")]


@pytest.mark.parametrize(
    ("reading", "rule", "key"),
    [
        (invoice(tax("100.00", "0.00", "AE", "0")), {}, "94"),
        (invoice(tax("100.00", "0.00", "K", "0"), seller=seller("Fr", "FR83404833048")), {"tax_key": "18"}, "18"),
        (invoice(tax("100.00", "0.00", "G", "0"), seller=seller("Ch", "CHE123456788")), {}, ""),
        (invoice(tax("100.00", "20.00", rate="20"), seller=seller("Fr", "FR83404833048")), {"tax_key": "none"}, ""),
        (invoice(tax("100.00", "0.00", "O", None)), {}, ""),
        (invoice(tax("100.00", "19.00", None)), {}, "9"),
        (invoice(seller=Party(name="Amt", tax_id="181/815/08155")), {}, "9"),
        (invoice(seller=Party(name="Amt", address=Address(country_code="DE"))), {}, "9"),
    ],
)
def test_the_tax_key_follows_the_category_the_rate_and_the_sellers_country(
    books: Books, reading: Any, rule: dict[str, str], key: str
) -> None:
    books.rules({"account": "4980", **rule})
    books.desk.validated(reading)
    assert [row[4] for row in amounts(books.rows(books.export_datev()))] == [key]


def test_an_automatic_account_bears_no_key_and_only_its_own_tax(books: Books) -> None:
    books.rules({"account": "3400"})
    books.desk.validated(invoice())
    refused = books.desk.validated(invoice(tax("100.00", "7.00", rate="7")))
    assert amounts(books.rows(books.export_datev())) == [("119,00", "H", "70000", "3400", "")]
    assert books.refusals() == {refused.id: {"AUTOMATIC_ACCOUNT"}}


def test_the_charts_own_expense_account_is_used_only_where_that_was_chosen(books: Books) -> None:
    books.rules()
    books.set_up(chart="SKR04", account_length=5, chart_account=True)
    books.desk.validated(invoice())
    assert amounts(books.rows(books.export_datev())) == [("119,00", "H", "700000", "52000", "9")]


def test_rules_are_tried_by_priority_then_in_their_order(books: Books) -> None:
    books.rules(
        {"account": "4900"},
        {"account": "4901", "priority": "10", "category": "S", "rate": "7"},
        {"account": "4902", "priority": "5", "seller": "*stadtwerke*"},
        {"account": "4903", "priority": "5", "seller": "DE136695976", "cost_center": "Werk 1"},
        {"account": "4904", "priority": "5", "seller": "de136695976"},
    )
    books.desk.validated(invoice(seller=seller("Any", "DE129273398")))
    books.desk.validated(invoice(tax("100.00", "7.00", rate="7"), seller=seller("Any", "DE129273398")))
    books.desk.validated(invoice(seller=seller("Die Stadtwerke GmbH", "DE129273398")))
    books.desk.validated(invoice())
    rows = books.rows(books.export_datev())
    assert [row[7] for row in rows] == ["4900", "4901", "4902", "4903"]
    assert [column(row, 37) for row in rows] == ["", "", "", "Werk 1"]


def test_lines_of_a_rate_may_go_to_different_accounts_and_add_up_to_the_cent(books: Books) -> None:
    books.rules({"account": "4930", "priority": "1", "line_text": "toner"}, {"account": "4980"})
    lines = (
        Line("1", name="Toner schwarz", net_amount=dec("33.33"), tax_category="S", tax_rate=dec(19)),
        Line("2", name="Papier", net_amount=dec("33.33"), tax_category="S", tax_rate=dec("19.00")),
        Line("3", name="Schere", net_amount=dec("23.33"), tax_category="S", tax_rate=dec(19)),
        Line("4", name="hint", kind="INFORMATION", net_amount=dec("7"), tax_category="S", tax_rate=dec(19)),
    )
    freight = AllowanceCharge(True, amount=dec("10.01"), tax_category="S", tax_rate=dec(19), reason="Fracht")
    books.desk.validated(invoice(tax("100.00", "19.00"), lines=lines, allowances_charges=(freight,)))
    assert amounts(books.rows(books.export_datev())) == [
        ("39,66", "H", "70000", "4930", "9"),
        ("79,34", "H", "70000", "4980", "9"),
    ]
    refused = books.desk.validated(invoice(tax("100.00", "19.00"), lines=lines))
    books.export()
    assert books.refusals() == {refused.id: {"LINES"}}


def test_invoice_numbers_of_a_supplier_stay_different(books: Books) -> None:
    numbers = ["R 1", "R%201", "R.1", "r.1", "R1", "Ä", "x" * 37, "x" * 38, "2026/" + "7" * 60 + "é"]
    for number in numbers:
        books.desk.validated(invoice(number=number))
    books.desk.validated(invoice(number="R 1", seller=seller("Other", "DE129273398")))
    rows = books.rows(books.export_datev())
    fields = [column(row, 11) for row in rows]
    assert len({field.upper() for field in fields[:-1]}) == len(numbers)
    assert fields[0] == fields[-1] == "R%201"
    assert all(re.fullmatch(r"[A-Za-z0-9_$&%*+\-/]{1,36}", field) for field in fields)
    assert [column(row, 22) or column(row, 11) for row in rows[:-1]] == numbers
    books.desk.validated(invoice(number="x" * 37, issue_date=date(2026, 3, 2)))
    (again,) = books.rows(books.export_datev())
    assert column(again, 11) == fields[6]


def test_an_invoice_that_needs_no_number_is_booked_by_its_date_and_id(books: Books) -> None:
    for _ in range(2):
        made = dataclasses.replace(invoice(), number=None)
        books.desk.validated(made)
    fields = [column(row, 11) for row in books.rows(books.export_datev())]
    assert len(set(fields)) == 2
    assert all(re.fullmatch(r"2026-\d\d-\d\d-[0-9a-f]{8}", field) for field in fields)


def test_sellers_that_are_left_out_share_the_collective_account(books: Books) -> None:
    books.rules(ANYTHING | {"tax_key": "9"})
    books.desk.validated(invoice(number="17", seller=Party(name="Kamps")))
    for name in ("Kamps", "Pendel"):
        books.desk.validated(withhold(invoice(number="17", seller=Party(name=name, tax_id="1")), {"seller.name"}))
    rows = {column(row, 20): row for row in books.rows(books.export_datev())}
    assert len(rows) == 3
    by_account = sorted((column(row, 7), column(row, 14), column(row, 22)) for row in rows.values())
    assert by_account[0] == ("70000", "Kamps", "")
    assert [account for account, _, _ in by_account[1:]] == ["70001", "70001"]
    assert not any("Pendel" in text or "Kamps" in text for _, text, _ in by_account[1:])
    assert [number for _, _, number in by_account[1:]] == ["17", "17"]
    assert len({column(row, 11) for row in rows.values()}) == 3
    with books.desk.scope() as connection:
        assert [(one.account, one.seller_name) for one in list_suppliers(connection)] == [
            ("70000", "Kamps"),
            ("70001", "Diverse Kreditoren"),
        ]


def test_the_collective_account_may_be_one_that_exists(books: Books) -> None:
    settings = books.set_up()
    with books.desk.scope() as connection:
        assert import_suppliers(connection, [{"account": "79999", "name": "*"}], settings, "test") == (1, [])
    books.rules(ANYTHING | {"tax_key": "9"})
    books.desk.validated(withhold(invoice(seller=Party(name="Pendel")), {"seller.name"}))
    assert [column(row, 7) for row in books.rows(books.export_datev())] == ["79999"]


def test_a_foreign_invoice_is_booked_with_its_own_rate_or_one_of_the_table(books: Books) -> None:
    own = {"tax_currency": "EUR", "tax_amount_in_tax_currency": dec("100.00")}
    books.desk.validated(invoice(tax("600.00", "114.00"), currency="USD", **own))
    rates, problems = check_rates(
        [
            {"currency": "USD", "valid_from": "2026-03-01", "valid_until": "2026-03-31", "rate": "1,10"},
            {"currency": "CHF", "valid_from": "2026-03-01", "rate": "0.9412"},
        ]
    )
    assert problems == []
    with books.desk.scope() as connection:
        add_rates(connection, rates, "test")
    books.desk.validated(invoice(currency="USD"))
    books.desk.validated(invoice(currency="CHF"))
    late = books.desk.validated(invoice(currency="CHF", issue_date=date(2026, 3, 2)))
    rows = books.rows(books.export_datev())
    assert [[column(row, number) for number in (1, 3, 4, 5, 6)] for row in rows] == [
        ["714,00", "USD", "1,14", "626,32", "EUR"],
        ["119,00", "USD", "1,10", "108,18", "EUR"],
        ["126,43", "EUR", "", "", ""],  # below 1: the format has no room for such a rate
    ]
    assert column(rows[2], 23) or column(rows[2], 21) == "Betrag in CHF"
    assert books.refusals() == {late.id: {"NO_RATE"}}


def test_a_corrected_invoice_that_may_replace_a_booked_one_is_refused(books: Books) -> None:
    books.desk.validated(invoice(number="R-1"))
    refers = (PrecedingInvoice("R-1"),)
    together = books.desk.validated(invoice(type_code="384", preceding_invoices=refers))
    books.desk.validated(invoice(type_code="384", preceding_invoices=(PrecedingInvoice("R-0"),)))
    assert len(books.rows(books.export_datev())) == 2
    assert books.refusals() == {together.id: {"REPLACES"}}


def test_each_fiscal_year_has_its_own_file(books: Books) -> None:
    books.set_up(fiscal_year_start_month=7)
    for day in (date(2025, 12, 31), date(2026, 1, 1), date(2026, 6, 30), date(2026, 7, 1)):
        books.desk.validated(invoice(issue_date=day))
    export = books.export_datev()
    headers = [read_batch(data).header for data in books.batches(export)]
    assert [(header[12], header[14], header[15]) for header in headers] == [
        ("20250701", "20251201", "20260630"),
        ("20260701", "20260701", "20260731"),
    ]
    assert [len(read_batch(data).rows) for data in books.batches(export)] == [3, 1]
    names = [file.path for file in export.files]
    assert names[0].startswith(f"{books.desk.slug}/EXTF_{books.desk.slug}_000002_")
    assert len(set(names)) == 3


def test_the_documents_lie_beside_the_batch_under_the_guid_of_their_bookings(books: Books) -> None:
    content = b"%PDF-1.7 an invoice"
    upload = books.desk.upload(content)
    first = books.desk.one("select id from intake.received_invoice where upload_id = :id", id=upload)
    read_into(books, first, invoice(tax("100.00", "19.00"), tax("50.00", "3.50", rate="7")))
    export = books.export_datev()
    (archive,) = books.zips(export)
    guid = str(upload).upper()
    assert archive.testzip() is None
    assert sorted(archive.namelist()) == [f"{guid}.pdf", "document.xml"]
    assert archive.read(f"{guid}.pdf") == content
    assert f'guid="{guid}"' in archive.read("document.xml").decode()
    assert {column(row, 20) for row in books.rows(export)} == {f'BEDI "{guid}"'}


def read_into(books: Books, invoice_id: UUID, reading: Any) -> None:
    from invoice_pipelines.intake.received_invoices import mark_parsed, mark_validated

    with books.desk.scope() as connection:
        mark_parsed(connection, [(books.desk.version(invoice_id), reading)])
    with books.desk.scope() as connection:
        mark_validated(connection, [books.desk.version(invoice_id)])


def test_asked_for_again_unchanged_it_is_in_the_csv_again_and_not_booked_again(books: Books) -> None:
    first = books.desk.validated(invoice(number="R-1"))
    books.export()
    with books.desk.scope() as connection:
        ask_for_new_export(connection, [first.id])
    exports = books.export()
    assert [(export.format, export.invoice_count, len(export.files)) for export in exports] == [
        ("CSV", 1, 2),
        ("DATEV", 1, 0),
    ]
    assert len(books.ledger()) == 1


def test_another_reading_takes_the_old_bookings_back_and_books_anew(books: Books) -> None:
    first = books.desk.validated(invoice(tax("100.00", "19.00"), tax("50.00", "3.50", rate="7"), number="R-1"))
    books.export()
    books.read_again(first.id, invoice(tax("200.00", "38.00"), number="R-1"))
    rows = books.rows(books.export_datev())
    assert amounts(rows) == [
        ("119,00", "S", "70000", "4980", "9"),
        ("53,50", "S", "70000", "4980", "8"),
        ("238,00", "H", "70000", "4980", "9"),
    ]
    assert [column(row, 118) for row in rows] == ["1", "1", "0"]
    books.read_again(first.id, invoice(tax("200.00", "38.00"), number="R-1", seller=seller("Muster AG")))
    assert books.rows(books.export_datev()) == []  # another name is another text, and nothing to correct
    books.read_again(first.id, invoice(tax("200.00", "38.00"), number="R-2"))
    rows = books.rows(books.export_datev())
    assert [(row[1], column(row, 11), column(row, 118)) for row in rows] == [('"S"', "R-1", "1"), ('"H"', "R-2", "0")]
    standing = books.desk.one("select sum(invoice_amount) from intake.datev_booking")
    assert standing == dec("238.00")


def test_a_correction_over_the_turn_of_the_year_stands_in_both_years(books: Books) -> None:
    first = books.desk.validated(invoice(number="R-1", issue_date=date(2025, 12, 31)))
    books.export()
    books.read_again(first.id, invoice(number="R-1", issue_date=date(2026, 1, 1)))
    export = books.export_datev()
    assert [
        (read_batch(data).header[12], [column(row, 118) for row in read_batch(data).rows])
        for data in books.batches(export)
    ] == [("20250101", ["1"]), ("20260101", ["0"])]


def test_an_invoice_over_nothing_is_exported_without_a_booking(books: Books) -> None:
    first = books.desk.validated(invoice(tax("0.00", "0.00")))
    export = books.export_datev()
    assert (export.invoice_count, export.files) == (1, ())
    assert books.desk.status(first.id) == "EXPORTED"
    assert books.refusals() == {}


def test_an_invoice_that_failed_after_it_was_chosen_is_not_booked(books: Books) -> None:
    from invoice_pipelines.intake.exports.exporting import choose_exports

    stays, fails = books.desk.validated(), books.desk.validated()
    with books.desk.scope() as connection:
        choose_exports(connection, [stays.id, fails.id], ("CSV", "DATEV"), "test")
    with books.desk.scope() as connection:
        mark_failed(connection, [(fails, ProcessingError("export", "WITHDRAWN", "The seller took it back."))])
    assert len(books.rows(books.export_datev())) == 1
    assert [row.received_invoice_id for row in books.ledger()] == [stays.id]


def test_a_failed_invoice_is_taken_out_of_the_books_when_asked_for(books: Books) -> None:
    stays, fails = books.desk.validated(), books.desk.validated(invoice(number="R-1"))
    books.export()
    with books.desk.scope() as connection:
        assert take_back(connection, [stays.id, fails.id], "test") is None
    withdrawn = ProcessingError("export", "WITHDRAWN", "The seller took it back.")
    with books.desk.scope() as connection:
        mark_failed(connection, [(books.desk.version(fails.id), withdrawn)])
    with books.desk.scope() as connection:
        assert [(found.id, found.amount) for found in booked_failures(connection)] == [(fails.id, dec("119.00"))]
    with books.desk.scope() as connection:
        assert take_back(connection, [fails.id], "test") is not None
    with books.desk.scope() as connection:
        assert take_back(connection, [fails.id], "test") is None  # it is being taken back
    (row,) = books.rows(books.export_datev())
    assert (row[1], column(row, 11), column(row, 118)) == ('"S"', "R-1", "1")
    assert books.desk.status(fails.id) == "FAILED"
    with books.desk.scope() as connection:
        assert booked_failures(connection) == []
        assert take_back(connection, [fails.id], "test") is None
    books.read_again(fails.id, invoice(number="R-1"))
    assert [column(row, 118) for row in books.rows(books.export_datev())] == ["0"]


def test_the_ledger_of_a_completed_export_cannot_be_changed(books: Books) -> None:
    books.desk.validated()
    books.export()
    with books.desk.scope() as connection:
        assert connection.execute(text("delete from intake.datev_booking")).rowcount == 0
    with books.desk.scope() as connection, pytest.raises(Exception, match="permission denied"):
        connection.execute(text("update intake.datev_booking set amount = 1"))


def test_a_preview_says_what_would_go_and_changes_nothing(books: Books) -> None:
    goes = books.desk.validated(invoice(tax("100.00", "19.00"), tax("50.00", "3.50", rate="7")))
    waits = books.desk.validated(invoice(type_code="389"))
    for _ in range(2):
        preview = preview_exports(OrganizationContext.of(books.desk.engine, books.desk.slug, Settings(), "test"))
        assert (preview.formats, preview.invoices) == (("CSV", "DATEV"), {"CSV": 2, "DATEV": 1})
        assert preview.booking_count == len(preview.bookings) == 2
        assert {booking["received_invoice_id"] for booking in preview.bookings} == {goes.id}
        assert [(entry.tax_rate, entry.amount) for entry in preview.sums] == [
            (dec(7), dec("53.50")),
            (dec(19), dec("119.00")),
        ]
        assert [(refused.id, refused.reasons[0].code) for refused in preview.refused] == [(waits.id, "TYPE")]
    for table in ("export", "datev_booking", "datev_supplier", "datev_document_number", "datev_waiting"):
        assert books.desk.one(f"select count(*) from intake.{table}") == 0
    assert len(books.export()) == 2


def test_invoices_exported_before_the_set_up_are_booked_when_asked_for(desk: IntakeDesk) -> None:
    books = Books(desk)
    old, new = desk.validated(invoice(issue_date=date(2025, 6, 1))), desk.validated(invoice())
    books.export()
    books.set_up()
    books.rules(ANYTHING)
    assert books.export() == []
    with desk.scope() as connection:
        assert ask_for_bookings(connection, date(2026, 1, 1)) == 1
    (export,) = books.export()
    assert (export.format, export.newly_exported) == ("DATEV", 0)
    assert [row.received_invoice_id for row in books.ledger()] == [new.id]
    assert old.id not in books.refusals()


def test_organizations_have_books_of_their_own(books: Books, other_desk: IntakeDesk) -> None:
    other = Books(other_desk)
    other.set_up(consultant=1001, client=1)
    other.rules({"account": "4999"})
    books.desk.validated(invoice(number="R-1"))
    other_desk.validated(invoice(number="R-1"))
    assert amounts(books.rows(books.export_datev())) == [("119,00", "H", "70000", "4980", "9")]
    assert amounts(other.rows(other.export_datev())) == [("119,00", "H", "70000", "4999", "9")]
    assert len(other.ledger()) == 1


def test_two_exports_at_once_book_everything_once(books: Books) -> None:
    ids = [
        books.desk.validated(invoice(seller=seller(f"S {n % 7}", None, tax_id="181/815/08155"))).id for n in range(30)
    ]
    barrier = Barrier(3)

    def work() -> None:
        barrier.wait(timeout=30)
        stages.export_invoices(books.desk.intake(chunk_size=5))

    with ThreadPoolExecutor(3) as pool:
        for future in [pool.submit(work) for _ in range(3)]:
            future.result()
    books.export()
    assert sorted(row.received_invoice_id for row in books.ledger()) == sorted(ids)
    batches = [path.read_bytes() for path in (books.desk.folder / "exports").rglob("EXTF_*.csv")]
    assert sum(len(read_batch(data).rows) for data in batches) == 30
    in_csv = [
        row["invoice_record_id"]
        for path in (books.desk.folder / "exports").rglob("*_invoices.csv")
        for row in csv.DictReader(io.StringIO(path.read_text("utf-8"), newline=""))
    ]
    assert sorted(in_csv) == sorted(map(str, ids))

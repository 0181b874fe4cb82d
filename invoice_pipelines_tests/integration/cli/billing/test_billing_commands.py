"""Billing on the command line: from CSV files to issued invoices, what is printed, and how each command exits."""

from __future__ import annotations

import csv
import io
import re

import pytest

from invoice_pipelines_tests.support.terminal import SELLER, Terminal, one_line

FILES = {
    "rates.csv": "tax_category,rate,name,exemption_reason\nS,19,19 %,\nAE,0,Reverse charge,Reverse charge\n",
    "customers.csv": "customer_number;name;country_code;city\nC1;Müller & [bold]Söhne[/red];DE;Köln\nC2;Two;Germany;\n",
    "items.csv": "sku,name,unit_price,tax_category,tax_rate,tracks_stock,quantity_on_hand\nB,Bolt,2.50,S,19,yes,3\n",
    "orders.csv": (
        "order_number,customer_number,order_date,sku,description,quantity,unit_price,tax_category,tax_rate\n"
        "O1,C1,2026-01-05,B,,2,,,\n"
        'O1,,,,"Work, at\nnight",1.5,80,S,19\n'
        "O2,C1,2026-01-06,B,,2,,,\n"
        "O3,C9,2026-01-06,B,,1,,,\n"
        "O4,C1,2026-01-06,,Work,1,5,S,19\n"
        'O4,C1,,,Work,"1,5",5,S,19\n'
        "O1,,,,late,1,5,S,19\n"
    ),
}


@pytest.fixture(scope="module")
def terminal(bare_terminal: Terminal) -> Terminal:
    """A terminal in a home with an organization and the files."""
    for name, content in FILES.items():
        bare_terminal.file(name, content)
    bare_terminal.add("acme", *SELLER, "--invoice-number", "RE{year}-{number:04}", "--language", "de")
    return bare_terminal


def test_from_files_to_invoices_and_their_corrections(terminal, tmp_path):
    assert "2 tax rates" in terminal.acme("tax-rates", "import", str(terminal.home / "rates.csv")).stdout
    customers = terminal.acme("customers", "import", str(terminal.home / "customers.csv"))
    assert customers.returncode == 1
    assert re.search(r"1 customers added or changed, 1 left out", customers.stdout)
    assert re.search(r"3 +country_code .*Germany", customers.stdout)
    assert terminal.acme("items", "import", str(terminal.home / "items.csv")).returncode == 0

    orders = terminal.acme("orders", "import", str(terminal.home / "orders.csv"))
    assert orders.returncode == 1
    assert "2 orders added, 3 left out" in orders.stdout
    assert re.search(r"6 +customer_number .*'C9'", orders.stdout)
    assert re.search(r"8 +lines\[2\]\.quantity .*'1,5'", orders.stdout)
    assert re.search(r"9 +order_number .*O1 do not stand together", orders.stdout)
    again = terminal.acme("orders", "import", str(terminal.home / "orders.csv"))
    assert "0 orders added, 2 exist already" in again.stdout

    wanted = tmp_path / "wanted.txt"
    wanted.write_text("O1\n\nO2\nO9\n", encoding="utf-8")
    invoiced = terminal.acme("batch", "invoices", "--orders", str(wanted), "--due-days", "14", "--now")
    assert invoiced.returncode == 1, invoiced.stderr
    assert re.search(r"Batch job [0-9a-f-]{36}: 3 items, about ", invoiced.stdout)
    number = re.search(r"Numbers (RE\d{4}-0001) to RE\d{4}-0001", invoiced.stdout)
    assert number
    assert re.search(r"EUR +1 +125\.00 +23\.75 +148\.75", invoiced.stdout)
    assert re.search(r"INSUFFICIENT_STOCK +1 +O2 +Item B: 2 wanted, 1 on hand", invoiced.stdout)
    assert re.search(r"NOT_AN_ID +1 +O9", invoiced.stdout)
    (job,) = re.findall(r"Batch job ([0-9a-f-]{36})", invoiced.stdout)
    assert terminal.acme("batch", "show", job).returncode == 1
    assert re.search(rf"{job} +invoice_orders +completed_with_errors +3 +1 +2", terminal.acme("batch", "list").stdout)

    assert re.search(
        rf"{number[1]} +issued +148\.75 +148\.75 +EUR .* Müller & \[bold\]Söhne\[/red\]",
        terminal.acme("invoices", "list").stdout,
    )
    shown = terminal.acme("invoices", "show", number[1]).stdout
    for words in (
        "Acme GmbH, Hafenweg 1, 28195 Bremen, DE, DE123456788",
        "order      O1",
        "language   de",
        "S 19.00 %",
    ):
        assert words in shown
    credited = terminal.acme("invoices", "credit", number[1], "--reason", "broken", "--line", "1=1", "--return-stock")
    assert re.search(r"CN-\d{4}-000001 credits RE\d{4}-0001 with 2\.98 EUR", credited.stdout), credited.stderr
    (credit_note,) = re.findall(r"CN-\d{4}-000001", credited.stdout)
    for shown in (number[1], credit_note):
        assert re.search(r"credited +\S.* broken", terminal.acme("invoices", "show", shown).stdout)
    refused = terminal.acme("invoices", "void", number[1], "--reason", "x")
    assert (refused.returncode, "credit note" in refused.stderr) == (2, True)

    retried = terminal.acme("batch", "retry", job, "--now")
    assert "2 items wait again" in retried.stdout
    assert re.search(r"0002", retried.stdout)
    assert re.search(r"acme +0 +0 +RE\d{4}-0002 +151\.72 EUR", terminal.run("status").stdout)

    path = tmp_path / "aging.csv"
    owed = terminal.acme("invoices", "aging", "--csv", str(path))
    assert owed.returncode == 0, owed.stderr
    for words in (r"not due +151\.72", r"total +151\.72", r"overdue, % +0\.0", r"days sales outstanding +90\.0"):
        assert re.search(words, owed.stdout), words
    assert re.search(r"C1 +Müller & \[bold\]Söhne\[/red\] +151\.72", owed.stdout)
    (row,) = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"), newline=""))
    assert (row["customer_number"], row["total"], row["invoices"]) == ("C1", "151.72", "2")
    assert "Nothing is due as of 2020-01-01." in terminal.acme("invoices", "aging", "--as-of", "2020-01-01").stdout

    paid = terminal.acme("invoices", "pay", number[1], "100", "--reference", "statement 7")
    assert re.search(
        rf"{number[1]} is partially paid: 100\.00 paid \(last on \d{{4}}-\d\d-\d\d\), 45\.77 EUR due\.", paid.stdout
    ), paid.stderr
    too_much = terminal.acme("invoices", "pay", number[1], "50", "--date", "2026-02-01")
    assert "is paid: 145.77 paid" in too_much.stdout, too_much.stderr
    assert "4.23 EUR more was paid than is due" in too_much.stdout
    listed = terminal.acme("invoices", "payments", number[1]).stdout
    payment = re.search(r"2026-02-01 +payment +active +50\.00 EUR +50\.00 .* ([0-9a-f-]{36})", listed)
    assert payment, listed
    assert re.search(r"100\.00 EUR +95\.77 .* statement 7", listed)
    assert "The payment is void." in terminal.acme("invoices", "void-payment", payment[1]).stdout
    assert f"{number[1]} is partially paid: 100.00 paid" in terminal.acme("invoices", "payments", number[1]).stdout


def test_a_job_waits_for_dagster_unless_it_is_run_here(terminal):
    asked = terminal.acme("batch", "invoices", "--all-open")
    assert asked.returncode == 0, asked.stderr
    (job,) = re.findall(r"[0-9a-f-]{36}", asked.stdout)
    cancelled = terminal.acme("batch", "cancel", job)
    assert (cancelled.returncode, cancelled.stderr) in (
        (0, ""),
        (2, f"invoice-pipelines: Batch job {job} has ended before.\n"),
    )
    assert "No job is open that can be done here" in terminal.acme("batch", "run").stdout


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["batch", "invoices"], "--orders FILE or --all-open"),
        (["batch", "invoices", "--all-open", "--now", "--wait"], "--now or --wait"),
        (["batch", "invoices", "--orders", "/does/not/exist"], "/does/not/exist"),
        (["batch", "invoices", "--all-open", "--invoice-date", "0000-01-01"], "--invoice-date"),
        (["batch", "invoices", "--all-open", "--invoice-date", "9999-12-31"], "invoice_date"),
        (["batch", "invoices", "--all-open", "--due-days", "-5"], "due_days"),
        (["batch", "show", "seven"], "'seven' is not the id of a batch job"),
        (["batch", "cancel", "00000000-0000-0000-0000-000000000000"], "There is no batch job"),
        (["invoices", "show", "RE-1"], "has no issued invoice or credit note 'RE-1'"),
        (["invoices", "credit", "RE-1", "--reason", "x", "--line", "one"], "--line"),
        (["invoices", "pay", "RE-1", "1"], "has no issued invoice or credit note 'RE-1'"),
        (["invoices", "void-payment", "1"], "'1' is not the id of a payment"),
        (["invoices", "aging", "--as-of", "31.03.2026"], "--as-of: '31.03.2026' is not a date"),
        (["invoices", "aging", "--as-of", "2999-01-01"], "is after today"),
        (["invoices", "aging", "--csv", "/dev/null/x.csv"], "could not be written"),
        (["customers", "import", "{home}/items.csv"], "there is no column 'sku'"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_exits_with_2(terminal, words, expected):
    assert expected in one_line(terminal.acme(*(word.replace("{home}", str(terminal.home)) for word in words)))


def test_numbers_that_could_repeat_are_refused_and_good_ones_changed(terminal):
    refused = terminal.run("organizations", "change", "acme", "--credit-note-number", "RE{year}-{number}")
    assert (refused.returncode, "must differ" in refused.stderr) == (2, True)
    assert terminal.run("organizations", "change", "acme", "--credit-note-number", "GS{year}-{number}").returncode == 0

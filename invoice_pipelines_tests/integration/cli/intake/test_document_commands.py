"""Documents on the command line: asked for, made, written to files, and how each command exits."""

from __future__ import annotations

from pathlib import Path

import pikepdf
import pytest

from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.support.delivery.press import Press, open_press
from invoice_pipelines_tests.support.terminal import Terminal


@pytest.fixture
def press(database: TestDatabase, tmp_path: Path) -> Press:
    return open_press(database, tmp_path)


@pytest.fixture
def terminal(database: TestDatabase, tmp_path: Path) -> Terminal:
    terminal = Terminal(tmp_path, database.app_url.render_as_string(hide_password=False))
    terminal.environment["INVOICE_PIPELINES_DOCUMENT_PROCESSES"] = "1"
    return terminal


def test_documents_are_asked_for_made_and_written_to_files(press: Press, terminal: Terminal, tmp_path: Path) -> None:
    invoices = press.shop.issue({}, {}, {})
    slug = press.shop.organization.slug
    number = press.rows("select invoice_number from billing.invoice_number order by number")[0][0]

    asked = terminal.run("batch", "documents", "--organization", slug, "--all")
    assert asked.returncode == 0, asked.stderr
    assert "3 items" in asked.stdout
    press.work()

    made = terminal.run(
        *("batch", "documents", "--organization", slug, "--all", "--language", "de", "--combined", "--zip"),
        *("--folder", str(tmp_path / "out"), "--now"),
    )
    assert made.returncode == 0, made.stderr
    (combined,) = (tmp_path / "out").glob("*.pdf")
    with pikepdf.open(combined) as pdf:
        assert len(pdf.pages) == 3
    assert len(list((tmp_path / "out").glob("*.zip"))) == 1

    single = terminal.run("invoices", "pdf", number, "--organization", slug, "-o", str(tmp_path / "one.pdf"))
    assert single.returncode == 0, single.stderr
    assert (tmp_path / "one.pdf").read_bytes() == press.file(press.newest(invoices[0], language="en"))

    (tmp_path / "numbers").write_text(f"{number}\nnothing\n")
    failed = terminal.run(
        "batch", "documents", "--organization", slug, "--invoices", str(tmp_path / "numbers"), "--now"
    )
    assert failed.returncode == 1
    assert "NOT_FOUND" in failed.stdout


def test_a_document_that_lacks_data_is_refused_in_one_line(press: Press, terminal: Terminal) -> None:
    press.shop.issue({})
    slug = press.shop.organization.slug
    number = press.rows("select invoice_number from billing.invoice_number")[0][0]
    ended = terminal.run("invoices", "pdf", number, "--organization", slug, "--format", "xrechnung_ubl")
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert "BR-DE" in ended.stderr
    unknown = terminal.run("invoices", "pdf", "INV-0", "--organization", slug)
    assert unknown.returncode == 2
    both = terminal.run("batch", "documents", "--organization", slug, "--all", "--invoices", "x")
    assert both.returncode == 2

"""Tables of commands in terminals of any width: every word whole, everything shown, nothing wider than the terminal."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from invoice_pipelines.cli import output
from invoice_pipelines.cli.output import LiteralTable, console, table
from invoice_pipelines.cli.tables import wrapped
from invoice_pipelines_tests.support.narrow import assert_fits, printed
from invoice_pipelines_tests.support.sizes import example_count

JOB = "019a2f6e-7c1d-7000-8000-0123456789ab"


def jobs() -> LiteralTable:
    made = table("Jobs", "~job", "!kind", "!status", "#items", "#failed", "asked", "note")
    at = datetime(2026, 3, 31, 12, 5, tzinfo=UTC)
    made.add_row(JOB, "invoice_orders", "completed_with_errors", 1_234_567, Decimal("12345678.90"), at, "")
    made.add_row(JOB, "make_documents", "pending", 3, 0, None, "Warten auf die Freigabe durch Frau Müller, Einkauf")
    return made


def test_what_has_no_room_in_a_row_stands_below_it_with_its_heading() -> None:
    assert printed(jobs(), 80).splitlines() == [
        "Jobs",
        "job       kind            status                     items         failed",
        "456789ab  invoice_orders  completed_with_errors  1,234,567  12,345,678.90",
        "    asked: 2026-03-31 12:05 UTC",
        "456789ab  make_documents  pending                        3              0",
        "    note: Warten auf die Freigabe durch Frau Müller, Einkauf",
    ]


def test_with_room_for_it_cells_are_folded_at_words() -> None:
    shown = printed(jobs(), 130).splitlines()
    assert shown[3].endswith("  Warten auf die Freigabe durch")
    assert shown[4].strip() == "Frau Müller, Einkauf"
    assert f"{JOB}  make_documents" in printed(jobs(), 200)  # ids are whole where there is room


@pytest.mark.parametrize("width", [20, 80])
def test_a_pipe_gets_a_row_a_line_and_whole_ids(width: int) -> None:
    made = jobs()
    made.add_row(JOB, "of\nlines", "pending", 1, 1, None, None)
    lines = printed(made, width, is_terminal=False).splitlines()
    assert len(lines) == 2 + 3
    assert all(line.startswith(JOB) for line in lines[2:])
    assert "of; lines" in lines[-1]


def test_a_pipe_gets_sentences_unbroken(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "width", 80)
    console.print("word " * 40)
    assert capsys.readouterr().out == "word " * 40 + "\n"


def test_a_word_that_is_wider_than_the_terminal_stays_whole(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "width", 40)
    monkeypatch.setattr(console, "_force_terminal", True)
    path = "/srv/" + "x" * 60
    output.say(f"All changes of this year are written to the file {path} now.")
    assert capsys.readouterr().out == f"All changes of this year are written to\nthe file\n{path}\nnow.\n"
    made = table(None, "file", "bytes")
    made.add_row(path, "of many")
    assert path in printed(made, 40)
    assert "    bytes: of many" in printed(made, 40)


def test_a_long_word_goes_below_its_own_row_only() -> None:
    made = table(None, "!status", "file", "#bytes", "seller")
    name = "Rechnung_2026-001_" + "x" * 40 + ".pdf"
    made.add_row("FAILED", name, 12_345, "Harbour & Hill Handelsgesellschaft für Leuchten")
    made.add_row("EXPORTED", "a.pdf", 1, "Muster GmbH")
    assert printed(made, 80).splitlines() == [
        "status    file                               bytes  seller",
        "FAILED                                      12,345  Harbour & Hill",
        "                                                    Handelsgesellschaft für",
        "                                                    Leuchten",
        f"    file: {name}",
        "EXPORTED  a.pdf                                  1  Muster GmbH",
    ]


def test_a_column_of_long_words_only_leaves_its_place_to_others() -> None:
    made = table(None, "number", "email", "!city")
    for number in (1, 2):
        made.add_row(f"C{number}", f"buchhaltung-{number}@harbour-and-hill-handelsgesellschaft.example", "Bremen")
    assert printed(made, 60).splitlines()[:2] == ["number  city", "C1      Bremen"]


def test_facts_keep_their_two_columns(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "width", 60)
    monkeypatch.setattr(console, "_force_terminal", True)
    output.print_facts({"file": "a.pdf", "sha256": "7" * 58, "by": "anna"})
    assert capsys.readouterr().out.splitlines() == ["file    a.pdf", "sha256", f"    {'7' * 58}", "by      anna"]


def test_lines_of_a_text_keep_their_indent() -> None:
    assert wrapped("    CODE: it is too long", 16) == ["    CODE: it is", "    too long"]


_WORD = st.text("aé漢0-_,.", min_size=1, max_size=18)
_CELL = st.one_of(st.integers(0, 10**9), st.lists(_WORD, max_size=30).map(" ".join), st.none())


@settings(max_examples=example_count(300), deadline=None)
@given(st.data(), st.integers(80, 200))
def test_no_word_is_broken_and_none_is_missing(data: st.DataObject, width: int) -> None:
    headings = data.draw(st.lists(_WORD.map(lambda word: f"h{word}"), min_size=1, max_size=12))
    made = table(None, *headings)
    rows = data.draw(st.lists(st.lists(_CELL, min_size=len(headings), max_size=len(headings)), min_size=1, max_size=4))
    for row in rows:
        made.add_row(*row)
    assert_fits(made, width)
    wide = set(printed(made, width, is_terminal=False).split())
    assert {word for column in made.columns for cell in column.cells for word in cell.text.split()} <= wide

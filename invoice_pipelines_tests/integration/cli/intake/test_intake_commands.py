"""The commands of `intake`: what an operator types, sees, and is refused."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest
from rich.color import ColorSystem
from sqlalchemy import text

from invoice_pipelines.cli.output import console
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.support.intake.validation.specimens import UBL
from invoice_pipelines_tests.support.terminal import Terminal


def uploaded(terminal: Terminal, name: str, data: bytes) -> str:
    """The id of an upload."""
    said = terminal.acme("upload", terminal.file(name, data))
    assert said.returncode == 0, said.stderr
    return re.findall(r"uploaded as ([0-9a-f-]{36})", said.stdout)[0]


def test_uploads_are_processed_refused_retried_and_explained(terminal: Terminal) -> None:
    good = uploaded(terminal, "good.xml", UBL.encode())
    bad = uploaded(terminal, "bad [b]old.bin", b"not an invoice")
    done = terminal.acme("intake", "process", good, bad)
    assert done.returncode == 1, done.stderr
    assert re.search(r"Batch job \S+: 1 validated, 1 failed, 0 skipped\.", done.stdout)
    assert "UNKNOWN_TYPE" in done.stdout

    refused = terminal.acme("intake", "process", good, bad)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert f"{good} is EXPORTED" in refused.stderr
    assert f"{bad} is FAILED" in refused.stderr
    assert terminal.acme("intake", "process", "nonsense").returncode == 2

    errors = terminal.acme("intake", "errors")
    assert errors.returncode == 0, errors.stderr
    invoice = re.findall(r"([0-9a-f-]{36}) +UNKNOWN_TYPE +parse +1 +failed .* bad \[b\]old\.bin", errors.stdout)
    assert len(invoice) == 1, errors.stdout
    assert re.search(r"send the invoice as one of these\. +[0-9a-f-]{36}\s*$", errors.stdout, re.MULTILINE)

    wrong = terminal.acme("intake", "retry", invoice[0], good)
    assert wrong.returncode == 2
    assert good in wrong.stderr
    assert "0 put back" in terminal.acme("intake", "retry", "--older-than", "1h").stdout
    again = terminal.acme("intake", "retry", invoice[0])
    assert "1 put back" in again.stdout
    assert terminal.acme("intake", "process", bad).returncode == 1
    assert re.search(r"UNKNOWN_TYPE +parse +2", terminal.acme("intake", "errors", invoice[0][-8:]).stdout)


def test_statistics_and_what_is_stuck(terminal: Terminal) -> None:
    uploaded(terminal, "waits.xml", UBL.replace("2026-001", "S-1").encode())
    fresh = terminal.acme("intake", "stuck")
    assert (fresh.returncode, fresh.stdout.strip()) == (0, "Nothing is stuck.")
    now = terminal.acme("intake", "stuck", "--minutes", "0")
    assert now.returncode == 1
    assert re.search(r"UPLOADED +\d+ +waits\.xml +a run of this organization", now.stdout)
    shown = terminal.acme("intake", "stats")
    assert shown.returncode == 0, shown.stderr
    assert re.search(r"Uploaded +1", shown.stdout)
    german = terminal.acme("intake", "stats", "--language", "de").stdout
    assert re.search(r"Eingangsrechnungen\nStatus +Rechnungen\n(.*\n)*Hochgeladen +1\n(.*\n)*alle +\d", german)
    assert re.search(r"Of all, [\d.]+% were exported and [\d.]+% failed\.", german)


def test_statuses_are_named_in_one_language_and_coloured_in_terminals_only(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert terminal.acme("intake", "process", uploaded(terminal, "fails.bin", b"of no kind")).returncode == 1
    plain = {"LC_ALL": "C.UTF-8"}
    assert re.search(
        r"^invoice +status .*\n(.*\n)*.* Failed +fails\.bin ", terminal.acme("intake", "list", **plain).stdout
    )
    german = terminal.acme("intake", "list", "--language", "de", **plain).stdout
    assert re.search(r"^Rechnung +Status .*\n(.*\n)*.* Fehlgeschlagen +fails\.bin .* nein$", german, re.MULTILINE)
    invoice = re.search(r"^(\S+) +Fehlgeschlagen", german, re.MULTILINE)
    assert invoice
    german = terminal.acme("intake", "show", invoice[1], "--language", "de", **plain).stdout
    assert re.search(r"^Status +Fehlgeschlagen\n(.*\n)*in Prüfung +nein$", german, re.MULTILINE)
    assert re.search(r"^Änderungen des Status\n.*\n(.*\n)*.* Fehlgeschlagen ", german, re.MULTILINE)
    assert re.search(r"^organization +inbox +uploaded ", terminal.run("status", **plain).stdout)
    german = terminal.run("status", LC_ALL="de_DE.UTF-8").stdout
    assert re.search(r"^Organisation +im Eingang +hochgeladen .* fehlgeschlagen\n", german)
    assert "\x1b" not in german
    code = json.loads(terminal.acme("intake", "list", "--limit", "1", "--json", LC_ALL="de_DE.UTF-8").stdout)["status"]
    assert code == "FAILED"

    terminal.run("organizations", "settings", "acme", "--set", "language=de")
    assert "Fehlgeschlagen" in terminal.acme("intake", "list", **plain).stdout
    assert "Fehlgeschlagen" not in terminal.acme("intake", "list", LC_ALL="en_US.UTF-8").stdout
    terminal.run("organizations", "settings", "acme", "--set", "language=en")
    monkeypatch.setattr(console, "_force_terminal", True)
    monkeypatch.setattr(console, "_color_system", ColorSystem.STANDARD)
    for words in (["intake", "list"], ["intake", "stats"]):
        assert "\x1b[31mFailed" in terminal.acme(*words, **plain).stdout
    assert re.search(r"acme.*\x1b\[31m\d", terminal.run("status", **plain).stdout)


def test_history_is_read_again_dry_first_and_written_when_asked(
    terminal: Terminal, module_database: TestDatabase, tmp_path: Path
) -> None:
    upload = uploaded(terminal, "old.xml", UBL.replace("2026-001", "R-1").encode())
    assert terminal.acme("intake", "process", upload).returncode == 0
    owner = module_database.superuser
    with owner.begin() as connection:
        connection.execute(
            text(
                """update intake.received_invoice
                   set reading_json = jsonb_set(reading_json, '{due_date}', '"2026-04-30"') where upload_id = :id"""
            ),
            {"id": upload},
        )
    file = tmp_path / "changes.csv"
    dry = terminal.acme("intake", "reparse", "--csv", str(file))
    assert dry.returncode == 0, dry.stderr
    assert "Nothing is written (--write does)." in dry.stdout
    assert re.search(r"old\.xml +R-1 +EXPORTED +due_date +2026-04-30 +2026-03-31 +exported", dry.stdout)
    with file.open(newline="", encoding="utf-8") as lines:
        rows = [row for row in csv.DictReader(lines) if row["file_name"] == "old.xml"]
    assert [(row["field"], row["old_value"], row["is_written"]) for row in rows] == [
        ("due_date", "2026-04-30", "False")
    ]

    written = terminal.acme("intake", "reparse", "--write", "--include-exported")
    assert written.returncode == 0, written.stderr
    assert re.search(r"EXPORTED -> VALIDATED +1", written.stdout)
    with owner.connect() as connection:
        found = connection.execute(
            text("select status, reading_json ->> 'due_date' from intake.received_invoice where upload_id = :id"),
            {"id": upload},
        ).one()
    assert tuple(found) == ("VALIDATED", "2026-03-31")

    later = terminal.acme("intake", "reparse", "--minutes", "0")
    assert later.returncode == 1
    assert "The time is up; run the same command to continue." in later.stdout

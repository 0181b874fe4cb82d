"""The command line, as a person types it: what it prints, how it exits, and what it says when something is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from invoice_pipelines.cli.output import console
from invoice_pipelines.cli.settings_page import settings_page
from invoice_pipelines.einvoice import Syntax, write
from invoice_pipelines_tests.conftest import PROJECT
from invoice_pipelines_tests.support.einvoice.cases import cases
from invoice_pipelines_tests.support.intake.documents.ocr.drawn import INVOICE, lines_picture
from invoice_pipelines_tests.support.terminal import PLACE, Terminal, one_line

EXAMPLES = PROJECT / "examples" / "nordwind-handel"
XML = next(EXAMPLES.glob("*.xml"))
PDF = next(EXAMPLES.glob("ELB-*.pdf"))


@pytest.fixture
def nowhere(tmp_path: Path) -> Terminal:
    """A terminal in an empty home, without a database."""
    return Terminal(tmp_path)


def test_every_command_has_help(nowhere):
    for words in (
        [],
        ["up"],
        ["demo"],
        ["status"],
        ["upload"],
        ["read"],
        ["validate"],
        ["rules"],
        ["rules", "compare"],
        ["rules", "list"],
        ["organizations"],
        ["organizations", "add"],
        ["batch", "invoices"],
        ["invoices", "credit"],
        ["orders", "import"],
        ["customers", "import"],
        ["db"],
        ["db", "migrate"],
        ["bench"],
    ):
        shown = nowhere.run(*words, "--help")
        assert shown.returncode == 0, (words, shown.stderr)
        assert "Usage" in shown.stdout


@pytest.mark.parametrize(
    ("words", "variables", "expected"),
    [
        (
            ["organizations", "list"],
            {"INVOICE_PIPELINES_DATABASE_URL": "mysql://root:geheim@localhost/x"},
            "DATABASE_URL",
        ),
        (["status"], {"INVOICE_PIPELINES_LEASE_SECONDS": "soon"}, "INVOICE_PIPELINES_LEASE_SECONDS"),
        (["status"], {"INVOICE_PIPELINES_RULES_DIR": "/does/not/exist"}, "INVOICE_PIPELINES_RULES_DIR"),
        (["status"], {"INVOICE_PIPELINES_DATABASE_URL": "postgresql://app:geheim@127.0.0.1:1/x"}, "refused"),
        (["read", "/does/not/exist.pdf"], {}, "/does/not/exist.pdf"),
        (["nonsense"], {}, "nonsense"),
        (["organizations", "add", "acme"], {}, "--name"),
    ],
)
def test_what_cannot_run_says_why_in_one_line_and_exits_with_2(nowhere, words, variables, expected):
    said = one_line(nowhere.run(*words, **variables))
    assert expected in said
    assert "geheim" not in said


def test_an_upload_is_shown_by_status_and_the_same_bytes_again_are_a_duplicate(terminal):
    first, again = terminal.acme("upload", str(PDF)), terminal.acme("upload", str(PDF))
    assert (first.returncode, again.returncode) == (0, 0), first.stderr + again.stderr
    assert "uploaded as" in first.stdout
    assert "duplicate" in again.stdout
    shown = terminal.run("status")
    assert shown.returncode == 0, shown.stderr
    assert any(line.split()[:3] == ["acme", "0", "1"] for line in shown.stdout.splitlines()), shown.stdout


def test_status_keeps_the_names_of_organizations_whole_on_a_narrow_screen(terminal, monkeypatch):
    monkeypatch.setattr(Terminal, "width", 80)
    monkeypatch.setattr(console, "_force_terminal", True)
    shown = terminal.run("status").stdout
    assert all(len(line) <= 80 for line in shown.splitlines() if line.startswith(("organization", "acme")))
    assert shown.count("organization  ") == shown.count("organi")


def test_status_says_when_overdue_invoices_are_looked_for_or_which_setting_is_wrong(terminal):
    fine = terminal.run("status", SCHEDULER_SCHEDULE_VALUE="30 5 * * 1-5", SCHEDULER_TIMEZONE="Europe/Berlin")
    assert "at the moments of cron '30 5 * * 1-5' in Europe/Berlin" in fine.stdout, fine.stdout + fine.stderr
    assert any(line.split()[:2] == ["acme", "none"] and "UTC" in line for line in fine.stdout.splitlines())
    wrong = terminal.run("status", SCHEDULER_SCHEDULE_TYPE="interval", SCHEDULER_SCHEDULE_VALUE="-2")
    assert wrong.returncode == 0, wrong.stderr
    assert "the schedule is wrong. SCHEDULER_SCHEDULE_VALUE: an interval is a number of whole hours" in wrong.stdout


def test_a_missing_file_is_reported_and_the_others_are_uploaded(terminal):
    ended = terminal.acme("upload", str(terminal.home / "missing.xml"), str(XML))
    assert ended.returncode == 1
    assert "missing.xml" in ended.stdout
    assert "uploaded as" in ended.stdout


def test_organizations_are_added_with_an_inbox_listed_removed_and_restored(terminal):
    assert "globex" in one_line(terminal.run("upload", str(XML), "--organization", "globex"))
    assert "acme" in one_line(terminal.run("organizations", "add", "acme", "--name", "Acme", *PLACE))
    added = terminal.run("organizations", "add", "globex", "--name", "Globex", *PLACE)
    inbox = terminal.home / "inbox" / "globex"
    assert f"{inbox}/" in added.stdout
    assert inbox.is_dir()
    assert "globex" in terminal.run("organizations", "list").stdout
    assert terminal.run("organizations", "remove", "globex").returncode == 0
    assert "globex" not in terminal.run("organizations", "list").stdout
    assert terminal.run("organizations", "restore", "globex").returncode == 0
    assert "globex" in terminal.run("organizations", "list").stdout


def test_read_and_validate_print_one_json_object_per_file_in_path_order(nowhere):
    nowhere.file("b.pdf", PDF.read_bytes())
    nowhere.file("a.xml", b"<not-an-invoice/>")
    nowhere.file("c.txt", b"hello")
    read = nowhere.run("read", str(nowhere.home), "--jsonl")
    objects = [json.loads(line) for line in read.stdout.splitlines()]
    assert read.returncode == 1
    assert [item["file"] for item in objects] == ["a.xml", "b.pdf", "c.txt"]
    assert [item["ok"] for item in objects] == [False, True, False]
    assert objects[1]["fields"]["gross_amount"] == "489.21"
    assert objects[0]["error"]
    validated = nowhere.run("validate", str(nowhere.home), "--jsonl")
    verdicts = [json.loads(line) for line in validated.stdout.splitlines()]
    assert validated.returncode == 1
    assert [item["valid"] for item in verdicts] == [False, True, False]
    assert nowhere.run("validate", str(nowhere.home / "b.pdf"), "--jsonl").returncode == 0


def test_an_invoice_is_judged_as_on_another_day_where_one_is_named(nowhere):
    nowhere.file("a.xml", write(cases()["XRechnung: no date of delivery"], Syntax.UBL))
    invoice = str(nowhere.home / "a.xml")
    earlier = nowhere.run("validate", invoice, "--official", "--on", "2024-05-31")
    assert "XRechnung-UBL 3.0.1" in earlier.stdout
    assert "BR-DE-TMP-32" not in earlier.stdout
    (today,) = map(json.loads, nowhere.run("validate", invoice, "--official", "--jsonl").stdout.splitlines())
    assert "XRechnung-UBL 3.0.1" not in today["rules"]
    assert "BR-DE-TMP-32" in {each["rule"] for each in today["violations"]}
    wrong = nowhere.run("validate", invoice, "--on", "31.05.2024")
    assert wrong.returncode == 2
    assert "--on" in wrong.stderr


@pytest.mark.slow
@pytest.mark.timeout(150)
def test_a_folder_of_pictures_is_read_without_threads_waiting_for_one_another(nowhere, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in ("a.png", "b.png", "c.png"):
        lines_picture((*INVOICE, f"Blatt {name}")).save(folder / name)
    own_places = tmp_path / "places"  # not those of this machine, which other tests may hold
    own_places.mkdir()
    read = nowhere.run("read", str(folder), "--jsonl", TMPDIR=str(own_places))
    found = [json.loads(line) for line in read.stdout.splitlines()]
    assert [(one["file"], one["ok"], one["fields"].get("number")) for one in found] == [
        (name, True, "RE-2024-0815") for name in ("a.png", "b.png", "c.png")
    ]


def test_the_demo_leaves_a_folder_alone_that_holds_something_else(nowhere):
    nowhere.file("ledger.csv", "precious")
    assert "DAGSTER_HOME" in one_line(nowhere.run("demo"))
    assert (nowhere.home / "ledger.csv").read_text() == "precious"


def test_the_settings_page_is_up_to_date():
    assert (PROJECT / "docs" / "settings.md").read_text(encoding="utf-8") == settings_page(), "run `make docs`"


def test_a_worker_that_would_have_keys_or_files_of_its_own_does_not_start(nowhere):
    shared = {f"INVOICE_PIPELINES_{name}": f"s3://invoices/{name}" for name in FOLDERS}
    shared["INVOICE_PIPELINES_BROKER_URL"] = "redis://:hidden@queue:6379/0"
    shared["INVOICE_PIPELINES_DATABASE_URL"] = "postgresql://invoice_pipelines_app:hidden@server/invoices"
    shared["INVOICE_PIPELINES_DAGSTER_DATABASE_URL"] = "postgresql://dagster:hidden@server/dagster"
    for missing in ("BROKER_URL", "DATABASE_URL", "DAGSTER_DATABASE_URL", "ENCRYPTION_KEYS", *FOLDERS):
        name = f"INVOICE_PIPELINES_{missing}"
        keys = {"INVOICE_PIPELINES_ENCRYPTION_KEYS": "a" * 43 + "="}
        told = one_line(nowhere.run("worker", **{key: value for key, value in (shared | keys).items() if key != name}))
        assert f"Set {name}: a worker shares" in told
        assert "hidden" not in told
    assert "Set INVOICE_PIPELINES_BROKER_URL" in one_line(nowhere.run("worker", "--same-machine"))


def test_a_worker_takes_from_queues_that_there_are(nowhere):
    for wrong in ("fast", "bulk,bulk", ""):
        told = one_line(nowhere.run("worker", "--same-machine", "--queues", wrong))
        assert "--queues takes each of express and bulk at most once" in told


FOLDERS = ("INBOX", "ORIGINALS", "EXPORTS", "IMPORTS", "DOCUMENTS")

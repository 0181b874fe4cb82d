"""The command line, as a person types it: what it prints, how it exits, and what it says when something is wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest
from typer.testing import CliRunner

from invoice_pipelines.cli.main import app
from invoice_pipelines.database.embedded import EmbeddedServer
from invoice_pipelines_tests.conftest import PROJECT
from invoice_pipelines_tests.support.intake.documents.ocr.drawn import INVOICE, lines_picture
from invoice_pipelines_tests.support.sizes import only_at_full_size

COMMAND = [str(Path(sys.executable).parent / "invoice-pipelines")]
EXAMPLES = PROJECT / "examples" / "nordwind-handel"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home folder with one organization in it, and its server running, which each command would start and stop."""
    home = tmp_path_factory.mktemp("home")
    server = EmbeddedServer(home / "postgresql")
    server.acquire()
    added = run(home, *ADD_ACME)
    assert added.returncode == 0, added.stderr
    yield home
    server.release()


ADD_ACME = [
    *("organizations", "add", "acme", "--name", "Acme GmbH"),
    *("--country", "DE", "--time-zone", "Europe/Berlin", "--currency", "EUR"),
]


@lru_cache(maxsize=1)
def forked() -> subprocess.Popen[str]:
    """Ends with the process of the tests, when its input does."""
    return subprocess.Popen(
        [sys.executable, "-m", "invoice_pipelines_tests.integration.cli.forked"],
        cwd=PROJECT,
        env={**os.environ, "COLUMNS": "200"},  # which is looked up when the command line is loaded
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def run(home: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs a command in a process of its own, to its end."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("INVOICE_PIPELINES_")}
    environment.update({"DAGSTER_HOME": str(home), "COLUMNS": "200", **variables})
    with tempfile.TemporaryDirectory() as folder:
        output = {name: Path(folder) / name for name in ("stdout", "stderr")}
        request = {"words": words, "environment": environment, **{name: str(path) for name, path in output.items()}}
        server = forked()
        assert server.stdin is not None
        assert server.stdout is not None
        print(json.dumps(request), file=server.stdin, flush=True)
        code = int(server.stdout.readline())
        printed = {name: path.read_text(encoding="utf-8") for name, path in output.items()}
    return subprocess.CompletedProcess(words, code, **printed)


def run_program(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Runs a command as the installed program."""
    environment = {**os.environ, "DAGSTER_HOME": str(home)}
    return subprocess.run([*COMMAND, *words], env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_every_command_has_help(tmp_path):
    for words in (
        [],
        ["up"],
        ["demo"],
        ["status"],
        ["upload"],
        ["read"],
        ["validate"],
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
        shown = CliRunner().invoke(app, [*words, "--help"])
        assert shown.exit_code == 0, (words, shown.output)
        assert "Usage" in shown.output
    assert "Usage" in run_program(tmp_path, "--help").stdout
    assert list(tmp_path.iterdir()) == []


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
        (["read", "/does/not/exist.pdf"], {}, "/does/not/exist.pdf"),
        (["nonsense"], {}, "nonsense"),
        (["organizations", "add", "acme"], {}, "--name"),
    ],
)
def test_what_cannot_run_says_why_in_one_line_and_exits_with_2(tmp_path, words, variables, expected):
    ended = run(tmp_path, *words, **variables)
    assert ended.returncode == 2
    assert expected in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1
    assert "Traceback" not in ended.stderr
    assert "geheim" not in ended.stderr + ended.stdout


def test_a_server_that_is_down_is_one_line(tmp_path):
    ended = run(tmp_path, "status", INVOICE_PIPELINES_DATABASE_URL="postgresql://app:geheim@127.0.0.1:1/invoices")
    assert ended.returncode == 2
    assert len(ended.stderr.strip().splitlines()) == 1
    assert "geheim" not in ended.stderr


def test_an_upload_is_shown_by_status_and_the_same_bytes_again_are_a_duplicate(home):
    document = str(next(EXAMPLES.glob("ELB-*.pdf")))
    first = run(home, "upload", document, "--organization", "acme")
    again = run(home, "upload", document, "--organization", "acme")
    assert (first.returncode, again.returncode) == (0, 0), first.stderr + again.stderr
    assert "uploaded as" in first.stdout
    assert "duplicate" in again.stdout
    shown = run(home, "status")
    assert shown.returncode == 0, shown.stderr
    assert any(line.split()[:3] == ["acme", "0", "1"] for line in shown.stdout.splitlines()), shown.stdout


def test_status_says_when_overdue_invoices_are_looked_for_or_which_setting_is_wrong(home):
    fine = run(home, "status", SCHEDULER_SCHEDULE_VALUE="30 5 * * 1-5", SCHEDULER_TIMEZONE="Europe/Berlin")
    assert "at the moments of cron '30 5 * * 1-5' in Europe/Berlin" in fine.stdout, fine.stdout + fine.stderr
    assert any(line.split()[:2] == ["acme", "none"] and "UTC" in line for line in fine.stdout.splitlines())
    wrong = run(home, "status", SCHEDULER_SCHEDULE_TYPE="interval", SCHEDULER_SCHEDULE_VALUE="-2")
    assert wrong.returncode == 0, wrong.stderr
    assert "the schedule is wrong. SCHEDULER_SCHEDULE_VALUE: an interval is a number of whole hours" in wrong.stdout


def test_a_missing_file_is_reported_and_the_others_are_uploaded(home, tmp_path):
    good = tmp_path / "good.xml"
    good.write_bytes(next(EXAMPLES.glob("*.xml")).read_bytes())
    ended = run(home, "upload", str(tmp_path / "missing.xml"), str(good), "--organization", "acme")
    assert ended.returncode == 1
    assert "missing.xml" in ended.stdout
    assert "uploaded as" in ended.stdout


def test_an_unknown_organization_is_named(home):
    ended = run(home, "upload", str(next(EXAMPLES.glob("*.xml"))), "--organization", "globex")
    assert ended.returncode == 2
    assert "globex" in ended.stderr


def test_organizations_are_listed_removed_and_restored(home):
    assert run(home, *ADD_ACME).returncode == 2
    second = [*ADD_ACME]
    second[2] = "globex"
    assert run(home, *second).returncode == 0
    assert "globex" in run(home, "organizations", "list").stdout
    assert run(home, "organizations", "remove", "globex").returncode == 0
    assert "globex" not in run(home, "organizations", "list").stdout
    assert run(home, "organizations", "restore", "globex").returncode == 0
    assert "globex" in run(home, "organizations", "list").stdout


def test_a_new_organization_has_the_inbox_that_is_named(home):
    added = run(home, "organizations", "add", "inbox-co", *ADD_ACME[3:])
    assert added.returncode == 0, added.stderr
    inbox = home / "inbox" / "inbox-co"
    assert f"{inbox}/" in added.stdout
    assert inbox.is_dir()
    assert run(home, "organizations", "remove", "inbox-co").returncode == 0


def test_psql_sees_one_organization_in_its_scope(home):
    count = "select count(*) from organizations.organization"
    scoped = run(home, "db", "psql", "--organization", "acme", "-Atc", count)
    assert scoped.stdout.strip() == "1", scoped.stderr
    assert run(home, "db", "psql", "-Atc", "select 40 + 2").stdout.strip() == "42"


def test_nothing_is_left_running_after_a_command(tmp_path):
    assert run_program(tmp_path, "organizations", "list").returncode == 0
    assert (tmp_path / "postgresql" / "data").exists()
    assert not (tmp_path / "postgresql" / "data" / "postmaster.pid").exists()


def test_migrate_is_repeatable_and_the_url_names_the_application_role(home):
    first, second = run(home, "db", "migrate"), run(home, "db", "migrate")
    assert first.stdout == second.stdout
    assert first.returncode == 0
    assert run(home, "db", "url").stdout.startswith("postgresql://invoice_pipelines_app@")


def test_read_and_validate_print_one_json_object_per_file_in_path_order(tmp_path):
    folder = tmp_path / "inbox"
    folder.mkdir()
    good = next(EXAMPLES.glob("ELB-*.pdf")).read_bytes()
    for name, data in {"b.pdf": good, "a.xml": b"<not-an-invoice/>", "c.txt": b"hello"}.items():
        (folder / name).write_bytes(data)
    read = run(tmp_path, "read", str(folder), "--jsonl")
    objects = [json.loads(line) for line in read.stdout.splitlines()]
    assert read.returncode == 1
    assert [item["file"] for item in objects] == ["a.xml", "b.pdf", "c.txt"]
    assert [item["ok"] for item in objects] == [False, True, False]
    assert objects[1]["fields"]["gross_amount"] == "489.21"
    assert objects[0]["error"]
    validated = run(tmp_path, "validate", str(folder), "--jsonl")
    verdicts = [json.loads(line) for line in validated.stdout.splitlines()]
    assert validated.returncode == 1
    assert [item["valid"] for item in verdicts] == [False, True, False]
    only_good = run(tmp_path, "validate", str(folder / "b.pdf"), "--jsonl")
    assert only_good.returncode == 0


@pytest.mark.timeout(150)
def test_a_folder_of_pictures_is_read_without_threads_waiting_for_one_another(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in ("a.png", "b.png", "c.png"):
        lines_picture((*INVOICE, f"Blatt {name}")).save(folder / name)
    own_places = tmp_path / "places"  # not those of this machine, which other tests may hold
    own_places.mkdir()
    read = run(tmp_path, "read", str(folder), "--jsonl", TMPDIR=str(own_places))
    found = [json.loads(line) for line in read.stdout.splitlines()]
    assert [(one["file"], one["ok"], one["fields"].get("number")) for one in found] == [
        (name, True, "RE-2024-0815") for name in ("a.png", "b.png", "c.png")
    ]


def test_the_demo_leaves_a_folder_alone_that_holds_something_else(tmp_path):
    (tmp_path / "ledger.csv").write_text("precious")
    ended = run(tmp_path, "demo")
    assert ended.returncode == 2
    assert "DAGSTER_HOME" in ended.stderr
    assert (tmp_path / "ledger.csv").read_text() == "precious"


def test_the_settings_page_is_up_to_date():
    made = subprocess.run(
        [sys.executable, "-m", "invoice_pipelines.cli.settings_page"], capture_output=True, text=True, check=True
    )
    assert (PROJECT / "docs" / "settings.md").read_text(encoding="utf-8") == made.stdout, "run `make docs`"


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=[pytest.mark.slow, only_at_full_size])]
)
def test_up_serves_the_ui_and_stops_everything_when_told(tmp_path, number):
    import socket
    import urllib.request

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "DAGSTER_HOME": str(tmp_path), "INVOICE_PIPELINES_WEBSERVER_PORT": str(port)}
    up = subprocess.Popen(
        [*COMMAND, "up"],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        # A shell starts what runs in its background with Ctrl-C ignored, and the tests may be in such a background.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        assert up.stdout is not None
        while "Ctrl-C" not in (line := up.stdout.readline()):
            assert line, "up ended early"
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/server_info", timeout=30) as answer:
            assert json.load(answer)["dagster_version"]
        up.send_signal(number)
        assert up.wait(timeout=90) in (0, 130)
    finally:
        up.kill()
    time.sleep(0.5)
    left = subprocess.run(["pgrep", "-fa", str(tmp_path)], capture_output=True, text=True, check=False).stdout
    assert left == ""

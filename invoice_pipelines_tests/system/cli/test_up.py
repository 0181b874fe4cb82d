"""`up` as a whole, while the reminders have a wrong setting: what is uploaded begins its own run behind its commit and
no empty one follows, whatever of it is killed comes back, and Ctrl-C ends all. The tests follow one another.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from invoice_pipelines.database import login_session
from invoice_pipelines.database.access import EMBEDDED_DATABASE
from invoice_pipelines.database.embedded import EmbeddedServer
from invoice_pipelines_tests.conftest import PROJECT
from invoice_pipelines_tests.support.server import free_ports
from invoice_pipelines_tests.support.sizes import size
from invoice_pipelines_tests.support.waiting import seconds_until, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

DOCUMENT = PROJECT / "examples/nordwind-handel/polder-bloemen-20260214.xml"
COMMAND = Path(sys.executable).parent / "invoice-pipelines"
ABROAD = ("--country", "DE", "--time-zone", "Europe/Berlin", "--currency", "EUR")
RUNS = """{ runsOrError(filter: {pipelineName: "intake"}) { ... on Runs { results {
    id status tags { key value } assetMaterializations { assetKey { path } metadataEntries { label } } } } } }"""
SCHEDULE = """query ($name: String!) { instigationStateOrError(instigationSelector: {
    repositoryName: "__repository__", repositoryLocationName: "invoice_pipelines", name: $name}) {
  ... on InstigationState { status ticks { status skipReason } } } }"""


@dataclass
class Installation:
    """An installation that `up` runs, with one organization."""

    environment: dict[str, str]
    home: Path
    told: Path
    process: subprocess.Popen[bytes]
    token: str = ""

    def say(self, *words: str) -> str:
        done = subprocess.run(
            [COMMAND, *words], env=self.environment, cwd=PROJECT, check=True, capture_output=True, text=True
        )
        return done.stdout

    def ask(self, port: str, path: str, body: bytes | None = None, **headers: str) -> Any:
        url = f"http://127.0.0.1:{self.environment[f'INVOICE_PIPELINES_{port}_PORT']}{path}"
        with urllib.request.urlopen(urllib.request.Request(url, data=body, headers=headers), timeout=30) as answer:
            return json.load(answer)

    def ask_dagster(self, query: str, **variables: str) -> Any:
        body = json.dumps({"query": query, "variables": variables}).encode()
        return self.ask("WEBSERVER", "/graphql", body, **{"Content-Type": "application/json"})["data"]

    def upload(self, number: int) -> None:
        """By the API."""
        path = f"/api/v1/organizations/acme/uploads?file_name=api-{number}.xml"
        body = DOCUMENT.read_bytes() + b"<!-- api %d -->" % number
        self.ask("WEB", path, body, Authorization=f"Bearer {self.token}", **{"Content-Type": "application/xml"})

    def rows(self, statement: str, database: str = EMBEDDED_DATABASE) -> list[Any]:
        with login_session(EmbeddedServer(self.home / "postgresql").url(database)) as session:
            found = session.execute(text(statement))
            rows = list(found) if found.returns_rows else []
            session.commit()
            return rows

    def open_invoices(self) -> int:
        return int(
            self.rows("select count(*) from intake.received_invoice where status in ('UPLOADED', 'PARSED')")[0][0]
        )

    def runs(self) -> list[Any]:
        return list(self.ask_dagster(RUNS)["runsOrError"]["results"])

    def children(self) -> dict[str, int]:
        """Its processes by what they are."""
        found = {}
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if int((process / "stat").read_text().rsplit(")", 1)[1].split()[1]) != self.process.pid:
                    continue
                command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            for name in ("api grpc", "dagster._daemon", "dagster_webserver", " web "):
                if name in command:
                    found[name] = int(process.name)
        return found

    def answers(self) -> bool:
        try:
            return bool(self.ask("WEBSERVER", "/server_info"))
        except (urllib.error.URLError, OSError):
            return False

    def postmaster(self) -> str:
        return (self.home / "postgresql" / "data" / "postmaster.pid").read_text().split("\n", 1)[0]

    def exported(self) -> set[Path]:
        return set((self.home / "exports" / "acme").glob("**/*.csv"))


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("up")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("INVOICE_PIPELINES_")}
    environment = {
        **clean,
        **free_ports(),
        "DAGSTER_HOME": str(folder / "home"),
        "INVOICE_PIPELINES_LOG_FORMAT": "json",
        "SCHEDULER_TIMEZONE": "Europe/Atlantis",
    }
    with (folder / "told").open("wb") as told:
        up = subprocess.Popen(
            [COMMAND, "up"],
            env=environment,
            cwd=PROJECT,
            stdout=told,
            stderr=told,
            # A shell starts what runs in its background with Ctrl-C ignored, and the tests may be in such a background.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        try:
            found = Installation(environment, folder / "home", folder / "told", up)
            # What ends before all has started ends `up` as well.
            wait_for("all has started", lambda: "Ctrl-C" in found.told.read_text(), 240)
            found.say("organizations", "add", "acme", "--name", "Acme", *ABROAD)
            found.rows("update organizations.organization set created_at = now() - interval '1 hour'")
            partitions = "select from dynamic_partitions where partition = 'acme'"
            wait_for("its partition", lambda: found.rows(partitions, "invoice_pipelines_dagster"))
            yield found
        finally:
            up.terminate()
            up.wait(90)
    assert not (folder / "home" / "dagster_url").exists()


def test_with_a_wrong_setting_the_tick_says_so_and_everything_else_runs(here: Installation) -> None:
    def ticks() -> list[Any]:
        found = here.ask_dagster(SCHEDULE, name="overdue_schedule")["instigationStateOrError"]
        return [tick for tick in found["ticks"] if tick["status"] == "SKIPPED"] if found.get("ticks") else []

    assert here.ask("WEBSERVER", "/server_info")["dagster_version"]
    assert here.ask("WEB", "/api/openapi.json")["openapi"] == "3.1.0"
    (tick, *_) = wait_for("a tick", ticks)
    assert tick["skipReason"].startswith("SCHEDULER_TIMEZONE: not a time zone of the IANA database")
    others = here.ask_dagster(SCHEDULE, name="stuck_work_every_ten_minutes")
    assert others["instigationStateOrError"]["status"] == "RUNNING"


def test_an_upload_begins_its_own_run_and_no_empty_one_follows(here: Installation, tmp_path: Path) -> None:
    made = here.say("tokens", "add", "program", "--scope", "intake:write", "--organization", "acme")
    here.token = next(word for word in made.split() if word.startswith("ip_live_"))
    (tmp_path / "cli.xml").write_bytes(DOCUMENT.read_bytes())
    here.say("upload", str(tmp_path / "cli.xml"), "--organization", "acme")
    by_hand = seconds_until("read", lambda: here.open_invoices() == 0)
    time.sleep(12)  # in which sensors would have asked for a run of their own
    assert by_sensors(here.runs()) == [False]

    here.upload(1)
    by_api = seconds_until("read", lambda: here.open_invoices() == 0)
    wait_for("ended", lambda: {run["status"] for run in here.runs()} == {"SUCCESS"})
    assert by_sensors(here.runs()) == [False, False]
    assert not any(map(is_empty, here.runs()))

    for number in range(2, 12):
        here.upload(number)
    many = seconds_until("read", lambda: here.open_invoices() == 0)
    time.sleep(12)  # as above
    wait_for("ended", lambda: {run["status"] for run in here.runs()} == {"SUCCESS"})
    runs = here.runs()
    print(f"read after {by_hand:.1f} s, {by_api:.1f} s, ten after {many:.1f} s in {len(runs) - 2} runs")
    assert by_sensors(runs) == [False] * len(runs)
    assert len(runs) < 12, "uploads that come during a run share the next"
    # Where many come at once, a run may find that the one before took all: it ends before it begins.
    begun = [run for run in runs if run["assetMaterializations"]]
    print(f"{len(runs) - len(begun)} runs ended before they began")
    assert not any(map(is_empty, begun))


def test_what_is_killed_is_started_again_and_postgresql_lives_on(here: Installation) -> None:
    postgresql, exported = here.postmaster(), here.exported()
    for name in ("dagster_webserver", "dagster._daemon", "api grpc", " web "):
        before = here.children()
        os.kill(before[name], signal.SIGKILL)
        wait_for(f"another {name}", lambda n=name, b=before: here.children().get(n, b[n]) != b[n])
        wait_for("all live", lambda: len(here.children()) == 4)
        if name == "dagster_webserver":
            wait_for("the UI answers", here.answers)
    inbox = here.home / "inbox" / "acme"
    inbox.mkdir(parents=True, exist_ok=True)
    (inbox / "a.xml").write_bytes(DOCUMENT.read_bytes().replace(b"PB-260214", b"PB-260215"))
    wait_for("the document is exported", lambda: here.exported() - exported, 240)
    assert here.postmaster() == postgresql
    assert here.process.poll() is None

    assert here.told.read_text().count("ended with code -9") == 4


def test_everything_stops_when_told_and_all_that_was_written_is_json(here: Installation) -> None:
    def left() -> str:
        return subprocess.run(["pgrep", "-fa", str(here.home)], capture_output=True, text=True, check=False).stdout

    here.process.send_signal(size(signal.SIGINT, signal.SIGTERM))
    assert here.process.wait(90) in (0, 130)
    wait_for("the end of all its processes", lambda: left() == "", 10, instead=left)
    lines = here.told.read_text()
    print(lines)
    assert "nothing is left running" in lines
    assert_logs_are_objects(here.home / "service_logs")


def is_empty(run: Any) -> bool:
    """Whether there was nothing to read in a run."""
    return all(
        any(entry["label"] == "nothing to do" for entry in made["metadataEntries"])
        for made in run["assetMaterializations"]
        if made["assetKey"]["path"][-1] == "parsed_invoices"
    )


def by_sensors(runs: list[Any]) -> list[bool]:
    """Of each run, whether a sensor asked for it."""
    return [any(tag["key"] == "dagster/sensor_name" for tag in run["tags"]) for run in runs]


def assert_logs_are_objects(folder: Path) -> None:
    """That each line of all processes and runs is one, and that lines of runs say whose they are."""
    said = []
    for file in folder.iterdir():
        for line in file.read_text("utf-8").splitlines():
            try:
                found = json.loads(line)
            except ValueError:
                pytest.fail(f"{file.name}: {line}")
            assert {"time", "level", "logger", "message"} <= found.keys(), line
            assert datetime.fromisoformat(found["time"]).utcoffset() == timedelta(0)
            assert "\x1b" not in found["message"]
            said.append(found)
    of_runs = [found for found in said if found.get("run_id")]
    assert {(found["organization"], found["lane"]) for found in of_runs if "lane" in found} == {("acme", "express")}
    assert [found for found in said if "sqlalche.me" not in found["message"] and "password" in found["message"]] == []

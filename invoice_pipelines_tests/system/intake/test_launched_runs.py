"""`up` as a whole: an upload by command line or API begins its own run behind its commit, and no empty one follows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from invoice_pipelines.database import login_session
from invoice_pipelines.database.access import EMBEDDED_DATABASE
from invoice_pipelines.database.embedded import EmbeddedServer
from invoice_pipelines_tests.conftest import PROJECT
from invoice_pipelines_tests.support.server import free_ports
from invoice_pipelines_tests.support.waiting import seconds_until, wait_for

DOCUMENT = PROJECT / "examples/nordwind-handel/polder-bloemen-20260214.xml"
COMMAND = Path(sys.executable).parent / "invoice-pipelines"
ABROAD = ("--country", "DE", "--time-zone", "Europe/Berlin", "--currency", "EUR")
RUNS = """{ runsOrError(filter: {pipelineName: "intake"}) { ... on Runs { results {
    id status tags { key value } assetMaterializations { assetKey { path } metadataEntries { label } } } } } }"""


@dataclass
class UploadingInstallation:
    """An installation that `up` runs, with one organization."""

    environment: dict[str, str]
    home: Path
    token: str = ""

    def say(self, *words: str) -> str:
        done = subprocess.run(
            [COMMAND, *words], env=self.environment, cwd=PROJECT, check=True, capture_output=True, text=True
        )
        return done.stdout

    def ask(self, port: str, path: str, body: bytes, **headers: str) -> Any:
        url = f"http://127.0.0.1:{self.environment[f'INVOICE_PIPELINES_{port}_PORT']}{path}"
        with urllib.request.urlopen(urllib.request.Request(url, data=body, headers=headers), timeout=30) as answer:
            return json.load(answer)

    def upload(self, number: int) -> None:
        """By the API."""
        path = f"/api/v1/organizations/acme/uploads?file_name=api-{number}.xml"
        body = DOCUMENT.read_bytes() + b"<!-- api %d -->" % number
        self.ask("WEB", path, body, Authorization=f"Bearer {self.token}", **{"Content-Type": "application/xml"})

    def rows(self, statement: str) -> list[Any]:
        with login_session(EmbeddedServer(self.home / "postgresql").url(EMBEDDED_DATABASE)) as session:
            found = session.execute(text(statement))
            rows = list(found) if found.returns_rows else []
            session.commit()
            return rows

    def open_invoices(self) -> int:
        return int(
            self.rows("select count(*) from intake.received_invoice where status in ('UPLOADED', 'PARSED')")[0][0]
        )

    def runs(self) -> list[Any]:
        body = json.dumps({"query": RUNS}).encode()
        found = self.ask("WEBSERVER", "/graphql", body, **{"Content-Type": "application/json"})
        return list(found["data"]["runsOrError"]["results"])


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_an_upload_begins_its_own_run_and_no_empty_one_follows(tmp_path: Path) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("INVOICE_PIPELINES_")}
    here = UploadingInstallation({**clean, "DAGSTER_HOME": str(tmp_path / "home"), **free_ports()}, tmp_path / "home")
    with (tmp_path / "told").open("wb") as told:
        up = subprocess.Popen([COMMAND, "up"], env=here.environment, cwd=PROJECT, stdout=told, stderr=told)
        try:
            wait_for("all has started", lambda: "Ctrl-C" in (tmp_path / "told").read_text(), 240)
            here.say("organizations", "add", "acme", "--name", "Acme", *ABROAD)
            here.rows("update organizations.organization set created_at = now() - interval '1 hour'")
            made = here.say("tokens", "add", "program", "--scope", "intake:write", "--organization", "acme")
            here.token = next(word for word in made.split() if word.startswith("ip_live_"))
            time.sleep(20)  # for its partition

            (tmp_path / "cli.xml").write_bytes(DOCUMENT.read_bytes())
            here.say("upload", str(tmp_path / "cli.xml"), "--organization", "acme")
            by_hand = seconds_until("read", lambda: here.open_invoices() == 0)
            time.sleep(12)  # in which sensors would have asked for a run of their own
            assert by_sensors(here.runs()) == [False]

            here.upload(1)
            by_api = seconds_until("read", lambda: here.open_invoices() == 0)
            time.sleep(12)  # as above
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
        finally:
            up.terminate()
            up.wait(90)
    assert not (tmp_path / "home" / "dagster_url").exists()


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

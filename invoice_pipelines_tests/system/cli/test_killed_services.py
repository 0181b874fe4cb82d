"""`up` as a whole: its processes are killed one after the other, and it brings each of them back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from invoice_pipelines_tests.conftest import PROJECT
from invoice_pipelines_tests.support.server import free_ports
from invoice_pipelines_tests.support.waiting import wait_for


def children(parent: int) -> dict[str, int]:
    """The processes of an installation by what they are."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if int((process / "stat").read_text().rsplit(")", 1)[1].split()[1]) != parent:
                continue
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        for name in ("api grpc", "dagster._daemon", "dagster_webserver", " web "):
            if name in command:
                found[name] = int(process.name)
    return found


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/server_info", timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_what_is_killed_is_started_again_and_postgresql_lives_on(tmp_path: Path) -> None:
    home = tmp_path / "home"
    ports = free_ports()
    port = int(ports["INVOICE_PIPELINES_WEBSERVER_PORT"])
    clean = {name: value for name, value in os.environ.items() if not name.startswith("INVOICE_PIPELINES_")}
    environment = {**clean, "DAGSTER_HOME": str(home), "INVOICE_PIPELINES_LOG_FORMAT": "json", **ports}
    told = (tmp_path / "told").open("wb")
    command = Path(sys.executable).parent / "invoice-pipelines"
    up = subprocess.Popen([command, "up"], env=environment, cwd=PROJECT, stdout=told, stderr=told)
    try:
        # What ends before all has started ends `up` as well.
        wait_for("all has started", lambda: "Ctrl-C" in (tmp_path / "told").read_text(), 240)
        postgresql = (home / "postgresql" / "data" / "postmaster.pid").read_text().split("\n", 1)[0]
        for name in ("dagster_webserver", "dagster._daemon", "api grpc", " web "):
            before = children(up.pid)
            os.kill(before[name], signal.SIGKILL)
            wait_for(f"another {name}", lambda n=name, b=before: children(up.pid).get(n, b[n]) != b[n])
            wait_for("all live", lambda: len(children(up.pid)) == 4)
            if name == "dagster_webserver":
                wait_for("the UI answers", lambda: answers(port))
        inbox = home / "inbox" / "acme"
        acme = "organizations add acme --name Acme --country DE --time-zone Europe/Berlin --currency EUR"
        subprocess.run([command, *acme.split()], env=environment, cwd=PROJECT, check=True)
        inbox.mkdir(parents=True, exist_ok=True)
        (inbox / "a.xml").write_bytes((PROJECT / "examples/nordwind-handel/polder-bloemen-20260214.xml").read_bytes())
        wait_for("the document is exported", lambda: any((home / "exports" / "acme").glob("**/*.csv")), 240)
        assert (home / "postgresql" / "data" / "postmaster.pid").read_text().split("\n", 1)[0] == postgresql
        assert up.poll() is None
    finally:
        up.terminate()
        up.wait(90)
        told.close()
    lines = (tmp_path / "told").read_text()
    print(lines)
    assert lines.count("ended with code -9") == 4
    assert "nothing is left running" in lines
    assert up.returncode == 0
    assert_logs_are_objects(home / "service_logs")


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

"""The units of deploy/systemd, as systemd reads them."""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from invoice_pipelines.settings import PREFIX, Settings
from invoice_pipelines_tests.conftest import PROJECT

UNITS = PROJECT / "deploy/systemd"
MOST_EXPOSED = 2.0
"""What `systemd-analyze security` may find open, of ten."""


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A copy of the units that starts the programs of this environment."""
    units = tmp_path / "units"
    shutil.copytree(UNITS, units)
    for unit in units.glob("*.service"):
        text = unit.read_text("utf-8")
        unit.write_text(text.replace("/opt/invoice-pipelines/bin", str(Path(sys.executable).parent)), "utf-8")
    return units


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_finds_nothing_wrong_and_little_open(installed):
    names = sorted(path.name for path in installed.iterdir() if path.suffix in (".service", ".target"))
    assert len(names) == 8

    def analyze(*words: str) -> str:
        done = subprocess.run(
            ["systemd-analyze", *words],
            env={**os.environ, "SYSTEMD_UNIT_PATH": f"{installed}:"},
            cwd=installed,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    assert analyze("verify", *(f"./{name}" for name in names)) == ""
    for name in names:
        if name.endswith(".service"):
            found = analyze("security", "--offline=true", "--threshold=100", f"./{name}").splitlines()[-1]
            assert float(found.split(": ")[1].split()[0]) <= MOST_EXPOSED, found


def test_what_units_are_told_are_settings():
    names = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    lines = (UNITS / "environment.example").read_text("utf-8").splitlines()
    told = {line.split("=")[0] for line in lines if line and not line.startswith("#")}
    assert {name for name in told if name.startswith(PREFIX)} <= names
    assert f"{PREFIX}DATABASE_OWNER_URL" not in told


def test_a_worker_may_end_what_it_has_begun():
    worker = configparser.RawConfigParser(strict=False)
    worker.optionxform = str  # type: ignore[assignment]
    worker.read(UNITS / "invoice-pipelines-worker@.service", "utf-8")
    example = dict(
        line.split("=", 1) for line in (UNITS / "environment.example").read_text("utf-8").splitlines() if "=" in line
    )
    assert int(worker["Service"]["TimeoutStopSec"]) > int(example[f"{PREFIX}RUN_TIME_BOX_SECONDS"])

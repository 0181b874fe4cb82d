"""Two scans after each other through one warm worker: the second is read by the engine that the first one loaded."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from invoice_pipelines.intake.documents.ocr import pool_process
from invoice_pipelines.intake.states import RECOGNIZE
from invoice_pipelines_tests.conftest import PROJECT
from invoice_pipelines_tests.support.needs import need, needs_redis
from invoice_pipelines_tests.support.sizes import only_at_full_size
from invoice_pipelines_tests.support.waiting import wait_for
from invoice_pipelines_tests.system.work.test_warm_workers import WarmInstallation, installed

need("dagster_celery", reason="the extra celery is not installed")
pytestmark = [
    pytest.mark.slow,
    only_at_full_size,
    needs_redis,
    pytest.mark.timeout(900),
]

SCANS = ["maple-ridge/SCAN_20260309_0931.pdf", "harbour-and-hill/IMG_2041.PNG"]
RECOGNIZED = f"select count(*) from work.batch_item where kind = '{RECOGNIZE}' and status = 'succeeded'"

PATIENT = {"INVOICE_PIPELINES_RUN_TIME_BOX_SECONDS": "300", "INVOICE_PIPELINES_LEASE_SECONDS": "120"}
"""To load an engine takes long on a busy machine."""


def engines(here: WarmInstallation) -> set[tuple[int, float]]:
    """The processes of the worker that have an engine loaded: their ids, and when they began."""
    found = set()
    for process in here.process("worker").children(recursive=True):
        try:
            if pool_process.__name__ in process.cmdline():
                found.add((process.pid, process.create_time()))
        except psutil.NoSuchProcess:
            continue
    return found


def test_the_second_scan_loads_no_engine(tmp_path: Path) -> None:
    with installed(tmp_path, workers=1, **PATIENT) as here:
        loaded = []
        for number, scan in enumerate(SCANS, 1):
            here.say("upload", str(PROJECT / "examples" / scan), "--organization", "acme")
            wait_for("it is recognized", lambda count=number: here.rows(RECOGNIZED) == [(count,)], 240)
            wait_for("it is read", lambda: "UPLOADED" not in dict(here.outcomes()), 120)
            wait_for("its runs have ended", lambda: not here.open_runs(), 120)
            loaded.append(engines(here))
        print(f"engines: {loaded}")
        assert len(loaded[0]) == 1
        assert loaded[1] == loaded[0]

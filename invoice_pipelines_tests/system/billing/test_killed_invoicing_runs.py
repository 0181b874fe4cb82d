"""Dagster's run processes are killed while they invoice one large batch job; the daemon goes on by itself."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from invoice_pipelines.database import create_app_engine, create_login_engine
from invoice_pipelines.database.access import database_urls
from invoice_pipelines.settings import Settings
from invoice_pipelines_tests.conftest import PROJECT, TestDatabase
from invoice_pipelines_tests.integration.billing.conftest import open_desk
from invoice_pipelines_tests.support.sizes import only_at_full_size, size
from invoice_pipelines_tests.support.waiting import wait_for
from invoice_pipelines_tests.system.intake.test_killed_runs import QUICK, run_processes

ORDERS = size(12_000, 40_000)
KILLS = size(2, 4)


@only_at_full_size
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_job_whose_runs_are_killed_ends_with_one_invoice_for_each_order(tmp_path: Path) -> None:
    moments = random.Random(20261121)
    home = tmp_path / "home"
    clean = {name: value for name, value in os.environ.items() if not name.startswith("INVOICE_PIPELINES_")}
    installation = subprocess.Popen(
        [sys.executable, "-m", "invoice_pipelines_tests.system.services"],
        env={**clean, **QUICK, "DAGSTER_HOME": str(home)},
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    urls = database_urls(Settings(DAGSTER_HOME=home))  # type: ignore[call-arg]
    engine, superuser = create_app_engine(urls.app), create_login_engine(urls.owner)
    try:
        assert installation.stdout is not None
        assert installation.stdout.readline().startswith(b"ready")
        desk = open_desk(TestDatabase(engine, superuser, urls.app, urls.owner))
        job_id = desk.ask(desk.many_orders(ORDERS))

        for kill in range(KILLS):
            share = ORDERS * kill // KILLS
            wait_for("work", lambda share=share: desk.job(job_id).processed_items > share, 60)
            time.sleep(moments.uniform(0, 0.4))  # to be killed at any moment
            runs = run_processes(installation.pid)
            assert runs, "nothing was left to be killed"
            for run in runs:
                os.kill(run, signal.SIGKILL)
        wait_for("the end of the job", lambda: desk.job(job_id).status == "completed", 120)

        assert desk.numbers() == list(range(1, ORDERS + 1))
        assert desk.value("select count(distinct sales_order_id) from billing.issued_invoice") == ORDERS
        desk.assert_in_order()
    finally:
        engine.dispose()
        superuser.dispose()
        installation.communicate(timeout=60)

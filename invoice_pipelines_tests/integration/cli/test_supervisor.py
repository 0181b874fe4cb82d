"""Processes that end by themselves are started again, and their logs stay small; shown with small processes."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from invoice_pipelines.cli import supervisor
from invoice_pipelines.cli.supervisor import ServiceError, Services, prepare_home
from invoice_pipelines.settings import Settings
from invoice_pipelines_tests.support.waiting import wait_for


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    monkeypatch.setattr(supervisor, "FIRST_PAUSE", 0.2)
    settings = Settings(DAGSTER_HOME=tmp_path, log_megabytes=1)  # type: ignore[call-arg]
    services = Services(settings, None, {})
    yield services
    services.stop()


def check_until(services: Services, condition: Callable[[], bool]) -> list[str]:
    happened: list[str] = []

    def check() -> bool:
        happened.extend(services.check())
        return condition()

    wait_for("what was to happen", check, 20, instead=lambda: happened)
    return happened


def test_a_process_that_ends_is_started_again_after_a_pause_that_grows_and_the_others_go_on(services: Services) -> None:
    services.spawn("daemon", [sys.executable, "-c", "print('began'); raise SystemExit(3)"])
    services.spawn("webserver", ["sleep", "60"])
    lives = services.processes["webserver"].pid
    log = services.log_of("daemon")
    began = time.monotonic()
    happened = check_until(services, lambda: log.exists() and log.read_text().count("began") == 4)
    assert time.monotonic() - began > 0.2 + 0.4 + 0.8
    assert happened[:2] == [f"the daemon ended with code 3; see {log}", "the daemon was started again"]
    assert services.processes["webserver"].pid == lives
    assert services.processes["webserver"].poll() is None


def test_a_full_log_is_set_aside_three_times_and_the_process_writes_on(services: Services) -> None:
    lines = "import time\nfor n in range(60): print('x' * 100_000, flush=True); time.sleep(0.05)\ntime.sleep(60)"
    services.spawn("daemon", [sys.executable, "-c", lines])
    log = services.log_of("daemon")
    check_until(services, lambda: Path(f"{log}.3").exists())
    written = log.stat().st_size
    check_until(services, lambda: log.stat().st_size > written)
    assert sorted(path.name for path in log.parent.iterdir()) == [log.name, *(f"{log.name}.{n}" for n in (1, 2, 3))]
    assert log.stat().st_size < 2 * 2**20


def test_logs_of_dagsters_programs_have_no_colours(services: Services, tmp_path: Path) -> None:
    program = tmp_path / "told.py"
    program.write_text(
        "import logging\nfrom dagster._utils.log import configure_loggers\nconfigure_loggers()\n"
        "logging.getLogger('dagster').warning('a warning')\n"
    )
    services.environment["PYTHONPATH"] = str(tmp_path)
    services.spawn("daemon", [sys.executable, "-m", "invoice_pipelines.plain_logs", "told"])
    services.processes["daemon"].wait(60)
    told = services.log_of("daemon").read_text()
    assert told.endswith("dagster - WARNING - a warning\n")
    assert "\033" not in told


def test_some_more_runs_begin_than_there_are_warm_processes_and_fewer_in_bulk(tmp_path: Path) -> None:
    settings = Settings(DAGSTER_HOME=tmp_path / "home")  # type: ignore[call-arg]
    file = prepare_home(settings, workers=5) / "dagster.yaml"
    made: Any = yaml.safe_load(file.read_text("utf-8"))
    runs = made["concurrency"]["runs"]
    (lane,) = [limit for limit in runs["tag_concurrency_limits"] if limit["key"] == "lane"]
    assert (runs["max_concurrent_runs"], lane["value"], lane["limit"]) == (30, "bulk", 4)
    assert made["run_monitoring"]["start_timeout_seconds"] == made["run_monitoring"]["max_runtime_seconds"]
    prepare_home(settings, workers=4)

    file.unlink()
    prepare_home(settings)
    prepare_home(settings, workers=3)
    with pytest.raises(ServiceError, match=r"lets 3 runs begin .* 2 warm processes: use --workers 3 or more"):
        prepare_home(settings, workers=2)

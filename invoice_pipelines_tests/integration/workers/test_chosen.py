"""What `dagster.yaml` of `up` chooses by the settings: who does runs, and where what they print is kept."""

from __future__ import annotations

import os
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.launcher import DefaultRunLauncher
from dagster._core.storage.compute_log_manager import ComputeLogManager

from invoice_pipelines.cli.supervisor import WARM_WORKERS
from invoice_pipelines.settings import load_settings
from invoice_pipelines_tests.support.needs import need
from invoice_pipelines_tests.support.programs import run

need("dagster_celery", reason="the extra celery is not installed")
from invoice_pipelines.workers.launcher import WarmRunLauncher  # noqa: E402 - it needs the extra

STEP = ["a run", "compute_logs", "a step"]
HERE = "redis+socket:///run/queue.sock"
ELSEWHERE = "redis://queue.example.com:6379/0"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home whose Dagster keeps its records in files."""
    for variable in [each for each in os.environ if each.startswith("INVOICE_PIPELINES_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    (tmp_path / "dagster.yaml").write_text(WARM_WORKERS, "utf-8")
    return tmp_path


def chosen(home: Path, monkeypatch: pytest.MonkeyPatch, **variables: str) -> dg.DagsterInstance:
    """What Dagster makes of the file with these settings."""
    for name, value in variables.items():
        monkeypatch.setenv(f"INVOICE_PIPELINES_{name}", value)
    load_settings.cache_clear()
    try:
        instance = dg.DagsterInstance.from_config(str(home))
        assert instance.run_launcher is not None
        assert instance.compute_log_manager is not None
        return instance
    finally:
        monkeypatch.undo()
        load_settings.cache_clear()


def print_in(logs: ComputeLogManager) -> str:
    """What the UI shows of what a run printed."""
    with logs.capture_logs(STEP):
        print("printed", flush=True)
    return (logs.get_log_data(STEP).stdout or b"").decode()


@pytest.mark.parametrize(("queue", "warm"), [(None, False), (HERE, True), (ELSEWHERE, True)])
def test_runs_go_to_warm_workers_where_there_is_a_queue(
    home: Path, monkeypatch: pytest.MonkeyPatch, queue: str | None, warm: bool
) -> None:
    with chosen(home, monkeypatch, **({"BROKER_URL": queue} if queue else {})) as instance:
        assert isinstance(instance.run_launcher, WarmRunLauncher if warm else DefaultRunLauncher)


@pytest.mark.parametrize("queue", [None, HERE])
def test_what_runs_print_is_kept_where_all_runs_are_done_on_one_machine(
    home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], queue: str | None
) -> None:
    with (
        chosen(home, monkeypatch, **({"BROKER_URL": queue} if queue else {})) as instance,
        capfd.disabled(),
    ):
        assert print_in(instance.compute_log_manager) == "printed\n"
    assert [each for each in (home / "storage").rglob("*") if each.is_file()]


def test_what_runs_print_is_in_the_log_of_their_worker_alone_with_a_queue_beyond_this_machine(
    home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with chosen(home, monkeypatch, BROKER_URL=ELSEWHERE) as instance:
        kept = list(home.rglob("*"))
        assert print_in(instance.compute_log_manager) == ""
        assert capfd.readouterr().out == "printed\n"
        assert list(home.rglob("*")) == kept


PRINTING = """
import dagster as dg

with dg.DagsterInstance.get() as instance, instance.compute_log_manager.capture_logs(["a run", "logs", "a step"]):
    print("printed", flush=True)
"""


def test_collectors_of_json_find_what_runs_print_in_the_log_of_their_parent_as_well(home: Path) -> None:
    environment = {**os.environ, "INVOICE_PIPELINES_LOG_FORMAT": "json"}
    assert "printed" in run(PRINTING, environment=environment).stdout
    files = [each.read_text() for each in (home / "storage").rglob("*.out")]
    assert files == ["printed\n"]

"""What `dagster.yaml` names and the settings choose: whether warm workers do runs, and what is kept of their output."""

from __future__ import annotations

import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from dagster._core.execution.compute_logs import redirect_to_file
from dagster._core.launcher import DefaultRunLauncher, LaunchRunContext, RunLauncher
from dagster._core.storage.compute_log_manager import CapturedLogContext, ComputeIOType, ComputeLogManager
from dagster._core.storage.local_compute_log_manager import IO_TYPE_EXTENSION, LocalComputeLogManager
from dagster._core.storage.noop_compute_log_manager import NoOpComputeLogManager
from dagster._serdes import ConfigurableClassData
from dagster._utils import ensure_file, touch_file

from invoice_pipelines.settings import SettingsError, load_settings
from invoice_pipelines.workers.shared import is_beyond_this_machine


class ChosenLauncher(DefaultRunLauncher):
    """Stands for `WarmRunLauncher` where there is a queue, else for Dagster's own launcher: a process for each run."""

    @classmethod
    def from_config_value(  # type: ignore[override]
        cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]
    ) -> RunLauncher:
        if load_settings().broker_url is None:
            return cls(inst_data)
        try:
            from invoice_pipelines.workers.launcher import WarmRunLauncher
        except ImportError:
            raise SettingsError(
                "INVOICE_PIPELINES_BROKER_URL is set, and warm workers are not installed: "
                "install invoice_pipelines with the extra celery."
            ) from None
        return WarmRunLauncher(inst_data)

    def launch_run(self, context: LaunchRunContext) -> None:
        """Begins a run, unless it has nothing to do any more."""
        from invoice_pipelines.workers.needless import ended_before_it_began  # all of Dagster's processes load this

        if not ended_before_it_began(self._instance, context.dagster_run):
            super().launch_run(context)


class ChosenComputeLogs(NoOpComputeLogManager):
    """Keeps what a run prints in the home folder, where all runs are done on one machine. With a queue beyond this
    machine nobody would find it: it stands in what the worker prints, and nowhere else.
    """

    @classmethod
    def from_config_value(  # type: ignore[override]
        cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]
    ) -> ComputeLogManager:
        settings = load_settings()
        if is_beyond_this_machine(settings):
            return NoOpComputeLogManager(inst_data)
        kept = LocalComputeLogManager if settings.log_format == "json" else FilesAlone  # collectors read the logs
        return kept(str(settings.home.absolute() / "storage"), inst_data=inst_data)


class FilesAlone(LocalComputeLogManager):
    """What a run prints stands in its files, which the UI shows, and not in the log of its parent as well: for that
    Dagster starts four processes in each run, two of them Python.
    """

    @contextmanager
    def capture_logs(self, log_key: Sequence[str]) -> Generator[CapturedLogContext, None, None]:
        """Sends what this process prints to files for the length of the block."""
        printed, complained = (
            self.get_captured_local_path(log_key, IO_TYPE_EXTENSION[kind])
            for kind in (ComputeIOType.STDOUT, ComputeIOType.STDERR)
        )
        ensure_file(printed)
        with redirect_to_file(sys.stdout, printed), redirect_to_file(sys.stderr, complained):
            yield CapturedLogContext(log_key)
        touch_file(self.complete_artifact_path(log_key))  # type: ignore[no-untyped-call]  # the UI asks no more then

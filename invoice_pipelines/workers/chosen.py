"""What `dagster.yaml` names and the settings choose: whether warm workers do runs, and what is kept of their output."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dagster._core.launcher import DefaultRunLauncher, LaunchRunContext, RunLauncher
from dagster._core.storage.compute_log_manager import ComputeLogManager
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager
from dagster._core.storage.noop_compute_log_manager import NoOpComputeLogManager
from dagster._serdes import ConfigurableClassData

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
        return LocalComputeLogManager(str(settings.home.absolute() / "storage"), inst_data=inst_data)

"""The run launcher that `dagster.yaml` names: warm workers where the settings name a queue for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dagster._core.launcher import DefaultRunLauncher, RunLauncher
from dagster._serdes import ConfigurableClassData

from invoice_pipelines.settings import SettingsError, load_settings


class ChosenLauncher(DefaultRunLauncher):
    """Stands for `WarmRunLauncher` where there is a queue, else for Dagster's own launcher: a process for each run."""

    @classmethod
    def from_config_value(  # type: ignore[override]
        cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]
    ) -> RunLauncher:
        if load_settings().broker_url is None:
            return DefaultRunLauncher(inst_data)
        try:
            from invoice_pipelines.workers.launcher import WarmRunLauncher
        except ImportError:
            raise SettingsError(
                "INVOICE_PIPELINES_BROKER_URL is set, and warm workers are not installed: "
                "install invoice_pipelines with the extra celery."
            ) from None
        return WarmRunLauncher(inst_data)

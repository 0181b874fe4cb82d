"""Runs one of Dagster's programs with a log without colours, which Dagster writes wherever the log goes; or with one in
JSON, where the settings say so.

python -m invoice_pipelines.plain_logs dagster api grpc ...
"""

import logging
import runpy
import sys
from typing import Any

import coloredlogs  # type: ignore[import-untyped]

from invoice_pipelines.json_logs import JsonLines, are_wanted, write_json


def _formatter(fmt: str, datefmt: str, **_: Any) -> logging.Formatter:
    return logging.Formatter(fmt, datefmt)


def let_dagster_write_json() -> None:
    """Lets Dagster's own loggers and those of runs write JSON in this process, as the others do then."""
    write_json()
    coloredlogs.ColoredFormatter = coloredlogs.BasicFormatter = JsonLines


if __name__ == "__main__":
    coloredlogs.ColoredFormatter = _formatter
    if are_wanted():
        let_dagster_write_json()
        # What tracks the semaphores of a code server outlives its kill, and would write of them in plain text.
        sys.warnoptions.append("ignore:resource_tracker")
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)

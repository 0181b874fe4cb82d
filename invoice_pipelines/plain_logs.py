"""Runs one of Dagster's programs with a log that has no colours: Dagster writes them wherever the log goes.

python -m invoice_pipelines.plain_logs dagster api grpc ...
"""

import logging
import runpy
import sys
from typing import Any

import coloredlogs  # type: ignore[import-untyped]


def _formatter(fmt: str, datefmt: str, **_: Any) -> logging.Formatter:
    return logging.Formatter(fmt, datefmt)


if __name__ == "__main__":
    coloredlogs.ColoredFormatter = _formatter
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)

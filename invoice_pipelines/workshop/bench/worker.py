"""The processes that benchmarks measure, each started once and told what to do line by line."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from invoice_pipelines.settings import variable_of
from invoice_pipelines.workshop.bench.result import BenchError

PLACES = ("database_url", "database_owner_url", "dagster_database_url", "inbox", "originals", "exports")
"""Settings that the benchmark does not take from the environment, since it works in a place of its own."""


class Worker:
    """A warm process that something is measured in. `module` says what it is told line by line, and what it answers."""

    def __init__(self, module: str, home: Path) -> None:
        environment = {
            name: value for name, value in os.environ.items() if name not in {variable_of(place) for place in PLACES}
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", module],
            env={**environment, "DAGSTER_HOME": str(home)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def order(self, **order: Any) -> None:
        """Says what to do, without waiting for it."""
        if self._process.stdin is not None:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        """Waits for what came of the last order. Raises BenchError where the process ended instead."""
        line = self._process.stdout.readline() if self._process.stdout is not None else ""
        if not line:
            raise BenchError(f"a process of the benchmark ended with code {self._process.wait()}; see above")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def stop(self) -> None:
        """Ends the process: politely, or after a while not."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def free_port() -> int:
    """One of this machine where nothing listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

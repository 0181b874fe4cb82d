"""Starts workers that are killed: forked by a process that has all modules loaded, so that a kill costs no imports."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import URL

from invoice_pipelines_tests.conftest import PROJECT


@contextmanager
def worker_maker(module: str, url: URL, *arguments: object) -> Iterator[Callable[[], int]]:
    """Gives a function that starts a worker on a database and returns its process id; at the end all die."""
    maker = subprocess.Popen(
        [
            *(sys.executable, "-m", f"invoice_pipelines_tests.system.{module}"),
            *(url.render_as_string(hide_password=False), *map(str, arguments)),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=PROJECT,
    )
    started: list[int] = []

    def start() -> int:
        assert maker.stdin is not None
        assert maker.stdout is not None
        maker.stdin.write("\n")
        maker.stdin.flush()
        started.append(int(maker.stdout.readline()))
        return started[-1]

    try:
        yield start
    finally:
        for pid in started:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        maker.communicate(timeout=10)

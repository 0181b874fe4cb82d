"""Starts workers that are killed: forked by a process that has all modules loaded, so that a kill costs no imports."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import URL

from invoice_pipelines_tests.support.programs import Program


@contextmanager
def worker_maker(module: str, url: URL, *arguments: object) -> Iterator[Callable[[], int]]:
    """Gives a function that starts a worker on a database and returns its process id; at the end all die."""
    code = f"from invoice_pipelines_tests.system.{module} import main; main()"
    maker = Program(code, url.render_as_string(hide_password=False), *arguments)
    started: list[int] = []

    def start() -> int:
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
        maker.communicate()

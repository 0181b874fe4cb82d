"""What an installation looks like from second to second: documents that wait, runs, sessions, memory, events."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from sqlalchemy import text

from invoice_pipelines.workshop.bench.installation.installation import Installation

_WAITING = """select count(*) filter (where status in ('UPLOADED', 'CREATED', 'PARSED')) as waiting, count(*) as all
              from intake.received_invoice where status <> 'EXPORTED'"""
_SESSIONS = "select count(*) from pg_stat_activity where backend_type = 'client backend'"


@dataclass(frozen=True, slots=True)
class Sample:
    """One look: seconds since the beginning, documents not judged yet, runs that have not ended, sessions of
    PostgreSQL, memory of all processes (megabytes, shared pages divided among those who share them).
    """

    at: float
    waiting: int
    runs: int
    sessions: int
    megabytes: float


def look(here: Installation, began: float) -> Sample:
    """How it is now; `began` is of `time.monotonic`."""
    with here.owner.connect() as connection:
        waiting = connection.execute(text(_WAITING)).one().waiting
        sessions = connection.execute(text(_SESSIONS)).scalar_one()
    return Sample(time.monotonic() - began, waiting, here.open_runs(), sessions, megabytes(here))


def megabytes(here: Installation) -> float:
    """Memory of all processes of an installation."""
    found = 0
    for root in here.roots().values():
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(root)
            found += sum(_memory(each.pid) for each in (process, *process.children(recursive=True)))
    return found / 1e6


def _memory(pid: int) -> int:
    with suppress(OSError, ValueError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    with suppress(psutil.Error):
        return int(psutil.Process(pid).memory_info().rss)
    return 0

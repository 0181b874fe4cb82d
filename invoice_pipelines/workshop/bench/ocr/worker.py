"""The process that the OCR benchmark measures; it is told line by line what to do, and answers each line.

    {"slug": "...", "processes": 2}      recognize and parse what waits in an organization, as runs do

The answer has the seconds, the pages that were recognized, and the most memory that an OCR process held, in bytes.
"""

from __future__ import annotations

import json
import re
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from invoice_pipelines.database.access import open_database
from invoice_pipelines.intake.documents.ocr.engine import EngineSpec
from invoice_pipelines.intake.stages.stages import intake_of, parse_uploads, recognize_pages
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.settings import load_settings


def main() -> None:
    """Answers until its input ends."""
    with open_database(load_settings(), application_name="bench") as engine:
        for line in sys.stdin:
            order = json.loads(line)
            sys.stdout.write(json.dumps(_run(engine, order["slug"], order["processes"])) + "\n")
            sys.stdout.flush()


def _run(engine: Engine, slug: str, processes: int) -> dict[str, Any]:
    intake = intake_of(OrganizationContext.of(engine, slug, load_settings(), "bench"))
    intake = replace(intake, ocr=EngineSpec("rapidocr", threads=1), ocr_processes=processes)
    memory = _MemoryOfChildren()
    memory.start()
    started = time.perf_counter()
    parse_uploads(intake)
    found = recognize_pages(intake).recognition
    report = parse_uploads(intake)
    seconds = time.perf_counter() - started
    memory.ended.set()
    memory.join()
    return {
        "seconds": seconds,
        "pages": found.recognized if found else 0,
        "parsed": report.succeeded,
        "failures": [str(failure) for failure in report.failures[:3]],
        "memory": memory.most,
    }


class _MemoryOfChildren(threading.Thread):
    """Looks how much memory the OCR processes of this one hold at most; 0 where the system does not say."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.most = 0
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.wait(0.5):
            for task in Path("/proc/self/task").glob("*/children"):
                with suppress(OSError):
                    for pid in task.read_text().split():
                        self.most = max(self.most, _most_memory(int(pid)))


def _most_memory(pid: int) -> int:
    with suppress(OSError):
        if b"pool_process" in Path(f"/proc/{pid}/cmdline").read_bytes():
            found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
            return int(found[1]) * 1024 if found else 0
    return 0


if __name__ == "__main__":
    main()

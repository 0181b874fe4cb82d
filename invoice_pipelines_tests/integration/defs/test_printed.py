"""What runs print."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from invoice_pipelines.workers.chosen import FilesAlone

STEP = ["a run", "compute_logs", "a step"]


def test_what_a_run_and_its_children_print_is_kept_without_another_process(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    kept = FilesAlone(str(tmp_path))
    with capfd.disabled(), kept.capture_logs(STEP):
        print("printed", flush=True)
        print("complained", file=sys.stderr, flush=True)
        subprocess.run(["echo", "by a child"], check=True)
        others = psutil.Process().children()
    told = kept.get_log_data(STEP)
    assert (told.stdout, told.stderr) == (b"printed\nby a child\n", b"complained\n")
    assert kept.is_capture_complete(STEP)
    assert [each for each in others if "tail" in each.name()] == []

"""The rate limit that all processes of a machine share."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from invoice_pipelines.intake.documents.ocr.engine import EngineUnavailable, PageImage
from invoice_pipelines.intake.documents.ocr.vision.cloud_vision import CloudVisionEngine
from invoice_pipelines.intake.documents.ocr.vision.rate_limit import RateLimit
from invoice_pipelines.intake.documents.ocr.vision.service import VisionSpec

RESERVE_TWENTY = """
import sys, time
from pathlib import Path
from invoice_pipelines.intake.documents.ocr.vision.rate_limit import RateLimit
limit = RateLimit("service", 600, Path(sys.argv[1]))
print([time.time() + limit.reserve(1, within=3600) for _ in range(20)])
"""


def test_a_request_waits_for_those_before_it(tmp_path: Path) -> None:
    limit = RateLimit("service", 600, tmp_path)  # ten a second
    assert limit.reserve(16, within=10) == 0.0
    assert limit.reserve(16, within=10) == pytest.approx(1.6, abs=0.1)
    assert limit.reserve(1, within=10) == pytest.approx(3.2, abs=0.1)


def test_nothing_is_reserved_that_would_come_too_late(tmp_path: Path) -> None:
    limit = RateLimit("service", 60, tmp_path)
    assert limit.reserve(16, within=10) == 0.0
    assert limit.reserve(1, within=10) is None
    assert limit.reserve(1, within=20) == pytest.approx(16, abs=1)


def test_a_folder_that_somebody_put_there_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "folder").symlink_to(tmp_path / "theirs")
    limit = RateLimit("service", 60, tmp_path / "folder")
    with pytest.raises(PermissionError, match="remove it"):
        limit.reserve(1, within=1)
    spec = VisionSpec("cloud_vision", endpoint="insecure://127.0.0.1:1")
    with pytest.raises(EngineUnavailable, match="remove it"):
        CloudVisionEngine(spec, rate_limit=limit).recognize([PageImage(Image.new("L", (9, 9)))])


def test_services_do_not_share_a_limit(tmp_path: Path) -> None:
    assert RateLimit("one", 60, tmp_path).reserve(16, within=1) == 0.0
    assert RateLimit("other", 60, tmp_path).reserve(16, within=1) == 0.0


def test_processes_share_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", RESERVE_TWENTY, str(tmp_path)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    times = sorted(moment for process in processes for moment in json.loads(process.communicate()[0]))
    assert len(times) == 60
    assert times[-1] - times[0] >= 59 * 0.1 - 0.2, "60 pictures at ten a second"


@pytest.mark.parametrize("content", ["", "abc", "1.5e", "nan", "9999999999999"])
def test_a_damaged_file_or_a_clock_that_was_set_back_stop_nothing(tmp_path: Path, content: str) -> None:
    RateLimit("service", 60, tmp_path).reserve(1, within=1)
    (file,) = tmp_path.iterdir()
    file.write_text(content)
    assert RateLimit("service", 60, tmp_path).reserve(1, within=1) == 0.0
    assert RateLimit("service", 60, tmp_path).reserve(1, within=10) == pytest.approx(1.0, abs=0.2)

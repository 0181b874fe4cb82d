"""The places that storage is tested on: a folder, and S3 behind a real socket."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest
from upath import UPath

from invoice_pipelines.storage import root_path


@pytest.fixture(params=["local", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> UPath:
    """An empty place, once in a folder and once in an S3 bucket."""
    if request.param == "local":
        return root_path(str(tmp_path / "place"))
    request.getfixturevalue("s3_server")
    bucket = root_path(f"s3://bucket-{uuid4().hex}")
    bucket.fs.mkdir(bucket.path)
    return bucket / "some" / "prefix"

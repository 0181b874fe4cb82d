"""Holds the places that storage is tested on: a folder, and S3 behind a real socket."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from upath import UPath

from invoice_pipelines.storage import (
    root_path,
)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[None]:
    server_module = pytest.importorskip("moto.server")
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        environment.setenv("AWS_ACCESS_KEY_ID", "test")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "test")
        environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
        yield
    server.stop()


@pytest.fixture(params=["local", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> UPath:
    """An empty place, once in a folder and once in an S3 bucket."""
    if request.param == "local":
        return root_path(str(tmp_path / "place"))
    request.getfixturevalue("s3_server")
    bucket = root_path(f"s3://bucket-{uuid4().hex}")
    bucket.fs.mkdir(bucket.path)
    return bucket / "some" / "prefix"

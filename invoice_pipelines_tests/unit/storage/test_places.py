"""From a setting to a place."""

from __future__ import annotations

from pathlib import Path

import pytest
from upath import UPath

from invoice_pipelines.storage import StorageError, root_path


def test_a_plain_folder_and_a_file_url_are_the_same_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert root_path(str(tmp_path)) == root_path(f"file://{tmp_path}") == UPath(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert root_path("inbox") == UPath(tmp_path / "inbox")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("", "No storage place is given"),
        ("a\0b", "No storage place is given"),
        ("ftp://host/folder", "unknown scheme 'ftp'"),
        ("s3://", "names no bucket"),
        ("s3:///prefix", "names no bucket"),
        ("s3://key:secret@bucket/x", "must not hold credentials"),
        ("file://folder/x", "three slashes"),
    ],
)
def test_a_wrong_place_is_named(setting: str, message: str) -> None:
    with pytest.raises(StorageError, match=message) as refused:
        root_path(setting)
    assert "secret" not in str(refused.value)


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("invoice_pipelines.storage.places.find_spec", lambda name: None)
    for scheme, extra in [("s3", "s3"), ("gs", "gcs")]:
        with pytest.raises(StorageError, match=rf"pip install 'invoice-pipelines\[{extra}\]'"):
            root_path(f"{scheme}://bucket/prefix")

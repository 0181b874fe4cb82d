"""What settings name is found among our own choices and those of other installed packages."""

from __future__ import annotations

from pathlib import Path

import pytest

from invoice_pipelines.registry import Registry, UnknownName
from invoice_pipelines_tests.support.plug_in import install

COLOURS = Registry("colour", "invoice_pipelines_tests.colours")


def test_a_package_adds_a_choice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert COLOURS.names() == ()
    install(tmp_path, monkeypatch, COLOURS.group, "blue", "CODE", "CODE = '#00f'")
    assert COLOURS.names() == ("blue",)
    assert COLOURS.load("blue") == "#00f"


def test_an_unknown_name_is_refused_with_those_that_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, COLOURS.group, "blue", "CODE", "CODE = '#00f'")
    with pytest.raises(UnknownName, match=r"^There is no colour called 'green'\. Choose one of: blue, none\.$"):
        COLOURS.check("green", "none")
    with pytest.raises(UnknownName, match="green"):
        COLOURS.load("green")
    assert COLOURS.check("none", "none") == "none"

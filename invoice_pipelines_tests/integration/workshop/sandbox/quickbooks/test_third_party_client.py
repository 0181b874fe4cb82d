"""A client library that knows nothing of us, python-quickbooks from the package registry, works against the sandbox."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from invoice_pipelines.workshop.sandbox.quickbooks import Sandbox, Switches, add_sample
from invoice_pipelines_tests.integration.workshop.sandbox.quickbooks.conftest import REALM
from invoice_pipelines_tests.support.sizes import only_at_full_size

HERE = Path(__file__).parent
PACKAGES = ("python-quickbooks==0.9.12", "pytest")
SUITE = [f"tests/integration/test_{entity}.py" for entity in ("customer", "item", "invoice", "payment")]
SOURCE = os.environ.get("PYTHON_QUICKBOOKS_SOURCE", "")

pytestmark = [pytest.mark.slow, only_at_full_size]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with the library and nothing of ours."""
    folder = tmp_path_factory.mktemp("library") / "venv"
    python, uv = folder / "bin" / "python", Path(sys.executable).parent / "uv"
    subprocess.run([sys.executable, "-m", "venv", *(["--without-pip"] if uv.exists() else []), folder], check=True)
    pip = [uv, "pip", "install", "--python", python] if uv.exists() else [python, "-m", "pip", "install"]
    installed = subprocess.run([*pip, "-q", *PACKAGES], capture_output=True, text=True, timeout=120, check=False)  # type: ignore[list-item]
    if installed.returncode:
        pytest.skip(f"{PACKAGES[0]} cannot be installed from the package registry here: {installed.stderr[-300:]}")
    return python


def _run(python: Path, sandbox: Sandbox, *arguments: str, folder: Path, path: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": path,
        "PYTHONDONTWRITEBYTECODE": "1",
        "SANDBOX_URL": sandbox.url,
        "CLIENT_ID": "client",
        "CLIENT_SECRET": "secret",
        "COMPANY_ID": REALM,
        "REFRESH_TOKEN": sandbox.tokens(REALM).refresh_token,
    }
    return subprocess.run(
        [python, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_a_program_that_uses_the_library_finds_what_it_expects(library: Path, tmp_path: Path) -> None:
    with Sandbox(switches=Switches(calls_per_second=100, latency_per_call=0)) as sandbox:
        sandbox.add_company(REALM)
        ended = _run(library, sandbox, str(HERE / "library_check.py"), folder=tmp_path, path=str(HERE))
        assert ended.stdout == "done\n", ended.stderr[-2000:]
        assert sandbox.count_throttled(REALM) == 0


@pytest.mark.skipif(
    not (Path(SOURCE) / SUITE[0]).is_file(),
    reason="the library is published without its tests: PYTHON_QUICKBOOKS_SOURCE can name a checkout of its sources",
)
def test_the_librarys_own_integration_tests_pass_unmodified(library: Path) -> None:
    with Sandbox() as sandbox:
        add_sample(sandbox.add_company(REALM))
        options = ("-m", "pytest", "-q", "-p", "loopback_plugin", "-p", "no:cacheprovider", *SUITE)
        ended = _run(library, sandbox, *options, folder=Path(SOURCE), path=f"{HERE}{os.pathsep}{SOURCE}")
        assert "14 passed" in ended.stdout, ended.stdout[-3000:]
        assert ended.returncode == 0

"""What `docs/einvoice.md` shows is what happens."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from invoice_pipelines.einvoice import read
from invoice_pipelines_tests.support.intake.documents import samples

PAGE = Path(__file__).parents[3] / "docs" / "einvoice.md"


def test_the_page_of_the_library_shows_what_happens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    Path("invoice.xml").write_text(samples.UBL, encoding="utf-8")
    exec(compile(example, str(PAGE), "exec"), {})
    first, *violations = capsys.readouterr().out.splitlines()
    assert first == "RE-2025/0815 Lieferant GmbH 113.65 EUR"
    assert any(violation.startswith("PEPPOL-EN16931-R010 fatal ") for violation in violations)
    assert read(Path("answered.xml").read_bytes()).buyer_reference == "04011000-12345-03"


def test_it_needs_nothing_else_of_the_project() -> None:
    """And who asks for the model only does not wait for the XML libraries."""
    program = """
import sys
from invoice_pipelines.einvoice import Invoice
assert not {"lxml", "saxonche", "sqlalchemy", "dagster", "pydantic"} & set(sys.modules), sys.modules
from invoice_pipelines.einvoice import Syntax, read, write
write(read(sys.stdin.buffer.read()), Syntax.UBL)
ours = {name.split(".")[1] for name in sys.modules if name.startswith("invoice_pipelines.")}
assert ours <= {"einvoice", "errors", "settings"}, ours
"""
    subprocess.run([sys.executable, "-c", program], input=samples.CII.encode(), check=True)

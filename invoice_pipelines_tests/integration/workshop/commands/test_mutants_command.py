"""The command `mutants`."""

from pathlib import Path

from invoice_pipelines_tests.conftest import PROJECT
from invoice_pipelines_tests.support.terminal import Terminal

EXAMPLES = PROJECT / "examples" / "harbour-and-hill"


def test_mutants_are_written_with_what_was_done_to_each(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path)
    shown = terminal.run("mutants", str(EXAMPLES), "--to", str(tmp_path / "broken"), "--count", "12")
    assert shown.returncode == 0, shown.stderr
    made = sorted(path.name for path in (tmp_path / "broken").glob("*.xml"))
    assert made == [f"{number:05}.xml" for number in range(12)]
    said = (tmp_path / "broken" / "changes.txt").read_text("utf-8").splitlines()
    assert [line.partition(":")[0] for line in said] == made
    nothing = terminal.run("mutants", str(tmp_path / "broken" / "changes.txt"), "--to", str(tmp_path / "none"))
    assert nothing.returncode == 2
    assert "no UBL or CII invoice" in nothing.stderr

"""What tables look like in terminals of a width, and whether everything in them is shown whole."""

from __future__ import annotations

import io

from rich.cells import cell_len
from rich.console import Console

from invoice_pipelines.cli.tables import ID_SHOWN, Grid


def printed(shown: Grid, width: int, *, is_terminal: bool = True) -> str:
    """A table as a terminal or a pipe gets it."""
    written = io.StringIO()
    Console(file=written, width=width, force_terminal=is_terminal, color_system=None).print(shown, crop=False)
    return written.getvalue()


def assert_fits(shown: Grid, width: int) -> None:
    """No line is wider than the terminal, unless one word is; no word is broken, and none is missing."""
    lines = printed(shown, width).splitlines()
    words = {word for line in lines for word in line.split()}
    for column in shown.columns:
        for cell in column.cells:
            missing = set(cell.text.split()) - words
            assert not missing or (column.is_id and cell.text[-ID_SHOWN:] in words), (column.heading, cell, lines)
    longest = max((cell_len(word) for word in words), default=0)
    assert longest > width // 2 or all(cell_len(line) <= width for line in lines), lines

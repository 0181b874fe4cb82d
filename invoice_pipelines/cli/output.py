"""Holds what commands print with: the console for people, and the consoles' common forms."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

console = Console(highlight=False)


def table(title: str | None, *columns: str) -> Table:
    """A plain table; columns whose names start with `#` hold numbers."""
    made = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column.lstrip("#"), justify="right" if column.startswith("#") else "left", overflow="fold")
    return made

"""The columns of a table for people, as doors declare them: `heading=name` of an attribute or a key, or just `name`.

In a heading `_` stands for a space; `name` may go on into what it names, as in `place.page`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def columns_of(declared: str) -> list[tuple[str, str]]:
    """Heading and name of each column."""
    pairs = [column.partition("=") for column in declared.split()]
    return [(heading.replace("_", " "), name or heading.lstrip("#!~")) for heading, _, name in pairs]


def value_of(row: Any, name: str) -> Any:
    """What stands in a row under a name."""
    for part in name.split("."):
        row = row[part] if isinstance(row, Mapping) else getattr(row, part)
    return row

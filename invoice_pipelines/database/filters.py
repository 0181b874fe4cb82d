"""What narrows a list: the conditions of the filters that were asked for, and the pattern of a text that is sought."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def narrowed(filters: Mapping[str, tuple[str, object]]) -> tuple[str, dict[str, Any]]:
    """The conditions of the filters whose value is not None, each after an `and`, and those values by their parameters.

    A filter is, by the name of its parameter, a condition over it and its value.
    """
    wanted = {name: filter for name, filter in filters.items() if filter[1] is not None}
    conditions = "".join(f" and {condition}" for condition, _ in wanted.values())
    return conditions, {name: value for name, (_, value) in wanted.items()}


def containing(words: str | None) -> str | None:
    """The pattern for `ilike` of what contains a text, each sign of which stands for itself."""
    if words is None:
        return None
    escaped = words.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"

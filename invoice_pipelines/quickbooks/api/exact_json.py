"""JSON in which amounts stay what they are: numbers with a point are Decimal, in both directions.

The json module reads Decimal but does not write it, hence `dumps`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any


def loads(text: str | bytes) -> Any:
    """Reads JSON. Raises ValueError for anything else, NaN and Infinity included."""
    return json.loads(text, parse_float=Decimal, parse_constant=_refuse)


def dumps(value: Any) -> str:
    """Writes JSON in the order of the given keys, without blanks: the same value always gives the same text.

    Raises TypeError for a float, which is never an amount, and for anything that JSON has no word for.
    """
    if value is None or isinstance(value, (str, bool)):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise TypeError(f"{value} is not a number of JSON")
        return format(value, "f")
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{_key(key)}:{dumps(member)}" for key, member in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(dumps, value)) + "]"
    raise TypeError(f"{type(value).__name__} cannot be written as JSON exactly")


def _key(key: Any) -> str:
    if not isinstance(key, str):
        raise TypeError(f"a key of JSON is text, not {type(key).__name__}")
    return json.dumps(key, ensure_ascii=False)


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not a number of JSON")

"""JSON with exact decimals: what is read keeps its digits, and what is written has no exponent and no float."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from json.encoder import encode_basestring
from typing import Any

Document = dict[str, Any]
"""A JSON object. Amounts are Decimal or int."""


def loads(text: str | bytes) -> Any:
    """What the text says, with every fraction as Decimal; raises ValueError."""
    return json.loads(text, parse_float=Decimal)


def dumps(value: Any) -> str:
    """The shortest text of a value of dicts, lists, strings, numbers, booleans and None."""
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, str):
        return encode_basestring(value)
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{encode_basestring(key)}:{dumps(one)}" for key, one in value.items()) + "}"
    return "[" + ",".join(map(dumps, value)) + "]"

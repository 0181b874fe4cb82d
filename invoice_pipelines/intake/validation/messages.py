"""Holds the look-up of German messages for the rules of EN 16931 and XRechnung. The texts stand in `messages_de.toml`.

The messages of this project's own rules stand with those rules, in both languages.
"""

from __future__ import annotations

import functools
import re
import tomllib
from importlib import resources
from typing import Any

_CATEGORY_RULE = re.compile(r"BR-([A-Z]{1,2})-(0[1-9]|10)")
_RENAMED_CATEGORIES = {"IG": "AF", "IP": "AG"}  # as older releases call them


def german_message(rule: str) -> str | None:
    """What a rule demands, in German; None for a rule that has no German text."""
    texts = _texts()
    if rule in texts["rules"]:
        return str(texts["rules"][rule])
    match = _CATEGORY_RULE.fullmatch(rule)
    if match is None:
        return None
    category = texts["categories"].get(_RENAMED_CATEGORIES.get(match.group(1), match.group(1)))
    return str(texts["category_rules"][match.group(2)]).format(**category) if category else None


@functools.cache
def _texts() -> dict[str, Any]:
    text = resources.files("invoice_pipelines.intake.validation").joinpath("messages_de.toml").read_text("utf-8")
    return tomllib.loads(text)

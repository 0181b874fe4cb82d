"""What a broken rule says to a person, in English and in German: what is wrong, with the values, and what to do.

Each family of declarations has its texts in two files beside it, `texts/NAME_en.toml` and `texts/NAME_de.toml`. They
are read at the first finding. A text names values in braces; the same text in two languages names the same.
"""

from __future__ import annotations

import functools
import tomllib
from importlib import resources
from typing import Any

from invoice_pipelines.einvoice.rules.engine.asking import Finding
from invoice_pipelines.einvoice.rules.german import as_german

_DECLARATIONS = "invoice_pipelines.einvoice.rules.declarations"


def message_of(finding: Finding) -> tuple[str, str]:
    """What a finding says, in English and in German."""
    rule = finding.rule
    key = rule.text or rule.id
    english, german = text_of(key)
    values = {"rule": rule.id, **rule.about, **finding.values}
    in_english = {name: value[0] if isinstance(value, tuple) else value for name, value in values.items()}
    in_german = {name: value[1] if isinstance(value, tuple) else as_german(value) for name, value in values.items()}
    return english.format_map(_Values(in_english)), german.format_map(_Values(in_german))


class _Values(dict[str, Any]):
    """Values by name. Of a broken document, one may not have been worked out."""

    def __missing__(self, name: str) -> str:
        return "–"


def text_of(key: str) -> tuple[str, str]:
    """A text as it is written, in English and in German. Raises `KeyError` where there is none."""
    return _texts("en")[key], _texts("de")[key]


@functools.cache
def _texts(language: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for file in resources.files(_DECLARATIONS).joinpath("texts").iterdir():
        if file.name.endswith(f"_{language}.toml"):
            found |= tomllib.loads(file.read_text("utf-8"))
    return found

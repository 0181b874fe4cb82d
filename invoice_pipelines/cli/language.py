"""In which language a command tells what is wrong with a document: English or German."""

from __future__ import annotations

import os
from typing import Annotated, Literal

import typer

Language = Literal["en", "de"]
AskedLanguage = Annotated[
    Language | None,
    typer.Option(
        "--language",
        help="Language of messages about documents. Without it that of LC_ALL, LC_MESSAGES or LANG; in JSON, English.",
    ),
]
_VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")  # as POSIX ranks them


def language_of(asked: Language | None) -> Language:
    """The language that was asked for, else that of the environment; English where that is neither."""
    if asked is not None:
        return asked
    named = next((value for variable in _VARIABLES if (value := os.environ.get(variable))), "")
    return "de" if named.lower().startswith("de") else "en"

"""In which language a command tells where documents stand, and what is wrong with them: English or German."""

from __future__ import annotations

import os
from typing import Annotated, Literal

import typer

Language = Literal["en", "de"]
AskedLanguage = Annotated[
    Language | None,
    typer.Option(
        "--language",
        help="Language to tell of documents in. Without it that of LC_ALL, LC_MESSAGES or LANG; in JSON, English.",
    ),
]
_CLASSES_DE = {"format": "Formatfehler", "business_rule": "Geschäftsregelfehler", "content": "Inhaltsfehler"}
_VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")  # as POSIX ranks them


def language_of(asked: Language | None, otherwise: Language = "en") -> Language:
    """The language that was asked for, else that of the environment. Where that is neither English nor German, it is
    `otherwise`: that of the organization, where a command is about one.
    """
    if asked is not None:
        return asked
    named = next((value for variable in _VARIABLES if (value := os.environ.get(variable))), "").lower()
    if named.startswith("de"):
        return "de"
    return "en" if named.startswith("en") else otherwise


def class_name(violation_class: str, german: bool) -> str:
    """What a class of violations is called."""
    return _CLASSES_DE[violation_class] if german else f"{violation_class.replace('_', ' ')} error"

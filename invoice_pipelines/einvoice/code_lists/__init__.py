"""The code lists of e-invoices, each with the release it was taken from. `workshop/code_lists.py` makes the file."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources


@cache
def codes(name: str) -> frozenset[str]:
    """The codes of a list, such as `currencies`. Raises `KeyError` where there is no list of that name."""
    return frozenset(_lists()[name]["codes"].split())


def release(name: str) -> str:
    """Where the list of that name was taken from, such as `EN 16931 validation artefacts 1.3.16`."""
    return _lists()[name]["release"]


def names() -> tuple[str, ...]:
    """The names of all lists."""
    return tuple(_lists())


@cache
def _lists() -> dict[str, dict[str, str]]:
    return tomllib.loads(resources.files(__package__).joinpath("code_lists.toml").read_text("utf-8"))

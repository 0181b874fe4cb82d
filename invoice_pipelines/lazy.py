"""Names of a package that are loaded when they are first asked for, where who needs the others should not wait."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module


def loaded_when_asked_for(package: str, names: Mapping[str, Sequence[str]]) -> Callable[[str], object]:
    """The `__getattr__` of a package: its names by the module that each is in. Beside it, they are imported for type
    checkers, and stand in `__all__`. A name must not be that of a module of the package.
    """
    homes = {name: module for module, those in names.items() for name in those}

    def get(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found = getattr(import_module(f"{package}.{homes[name]}"), name)
        setattr(sys.modules[package], name, found)
        return found

    return get

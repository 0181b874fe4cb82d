"""Finds what a name in a setting stands for: our own choices, and those that other installed packages add.

A registry is a group of entry points (Python's own mechanism for plug-ins), so that every process finds the same ones,
and the ground may refuse a name without knowing a domain. What is behind a name, the domain says that loads it.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from invoice_pipelines.errors import InvoicePipelinesError


class UnknownName(InvoicePipelinesError, ValueError):
    """A name that nothing was registered under; the message lists those that are known."""


@dataclass(frozen=True, slots=True)
class Registry:
    """A choice that settings name. `what` is how a message calls it, `group` the group of its entry points."""

    what: str
    group: str

    def names(self) -> tuple[str, ...]:
        """All that can be chosen, in alphabetical order."""
        return tuple(sorted(_found(self.group, tuple(sys.path))))

    def check(self, name: str, *besides: str) -> str:
        """The name, where something is registered under it or it is one of `besides`. Raises UnknownName."""
        if name not in (known := (*self.names(), *besides)):
            raise UnknownName(f"There is no {self.what} called {name!r}. Choose one of: {', '.join(known)}.")
        return name

    def load(self, name: str) -> Any:
        """What is registered under the name. Raises UnknownName, and ImportError where its module cannot be loaded."""
        return _found(self.group, tuple(sys.path))[self.check(name)].load()


@cache
def _found(group: str, path: tuple[str, ...]) -> dict[str, EntryPoint]:
    # To look through all installed packages takes long, so it is done once for each path that they may be on.
    return {entry.name: entry for entry in entry_points(group=group)}


OCR_ENGINES = Registry("OCR engine", "invoice_pipelines.ocr_engines")
MESSAGING_CHANNELS = Registry("messaging channel", "invoice_pipelines.messaging_channels")
EXPORT_FORMATS = Registry("export format", "invoice_pipelines.export_formats")

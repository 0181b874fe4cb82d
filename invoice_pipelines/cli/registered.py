"""Options whose values are names of a registry, such as messaging channels. What is behind a name stays unloaded."""

from __future__ import annotations

from typing import Any

import typer

from invoice_pipelines.registry import MESSAGING_CHANNELS, Registry, UnknownName


def one_of(registry: Registry) -> dict[str, Any]:
    """What an option or argument of typer needs besides its help."""

    def check(name: str) -> str:
        try:
            return registry.check(name)
        except UnknownName as error:
            raise typer.BadParameter(str(error)) from None

    return {"parser": check, "metavar": f"[{'|'.join(registry.names())}]"}


CHANNEL = one_of(MESSAGING_CHANNELS)

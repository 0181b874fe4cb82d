"""This project's own rules (IP-*), as `own_rules.toml` declares them; when one is broken, the modules beside it decide.

Those of the official rule sets, which only e-invoices can meet, are in `einvoice.rules`.
"""

from __future__ import annotations

import functools
import tomllib
from importlib import resources
from typing import Any

from invoice_pipelines.einvoice.rules.verdict import Rule, Severity, Violation, ViolationClass


def broken(rule: str, location: str | None = None, severity: Severity | None = None, /, **values: Any) -> Violation:
    """The violation of an own rule; `severity` where it weighs less or more than is declared."""
    return own_rules()[rule].broken(location, severity, **values)


@functools.cache
def own_rules() -> dict[str, Rule]:
    """All of them, by id."""
    declared = tomllib.loads(resources.files(__package__).joinpath("own_rules.toml").read_text("utf-8"))
    return {
        identifier: Rule(identifier, Severity(said["severity"]), ViolationClass.CONTENT, said["en"], said["de"])
        for identifier, said in declared.items()
    }

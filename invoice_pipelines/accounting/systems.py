"""Which accounting systems there are: each is an entry point of a package, ours or another that is installed."""

from __future__ import annotations

from invoice_pipelines.accounting.system import AccountingSystem
from invoice_pipelines.registry import Registry

ACCOUNTING_SYSTEMS = Registry("accounting system", "invoice_pipelines.accounting_systems")


def accounting_systems() -> tuple[AccountingSystem, ...]:
    """All of them, in alphabetical order."""
    return tuple(ACCOUNTING_SYSTEMS.load(name) for name in ACCOUNTING_SYSTEMS.names())

"""Every rule that invoices are judged by, for commands and for docs/validation.md: those of e-invoices, and our own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import typer

from invoice_pipelines.cli.language import class_name
from invoice_pipelines.cli.output import one_line, say
from invoice_pipelines.einvoice.rules.catalogue import ListedRule, listed_rules, of_project
from invoice_pipelines.einvoice.rules.verdict import LEFT_OUT
from invoice_pipelines.intake.validation.own_rules import own_rules


def all_rules() -> Sequence[ListedRule]:
    """All of them: schema, EN 16931, its usages, then this project's own."""
    return (*listed_rules(), *map(of_project, own_rules().values()), of_project(LEFT_OUT))


def rule_entry(rule: ListedRule) -> dict[str, Any]:
    """A rule as JSON."""
    return {
        "rule": rule.id,
        "class": rule.violation_class.value,
        "severity": rule.severity.value,
        "rules_of": {name: weight.value for name, weight in rule.sets.items()},
        "syntaxes": list(rule.syntaxes),
        "source": rule.source,
        "message": rule.message,
        "message_de": rule.message_de,
    }


def explain(rule: str, *, german: bool) -> None:
    """Prints what a rule is about. Raises BadParameter where there is none of that id."""
    found = next((each for each in all_rules() if each.id.lower() == rule.strip().lower()), None)
    if found is None:
        raise typer.BadParameter(f"there is no rule {rule[:60]!r}; invoice-pipelines rules list shows them all")
    weights = ", ".join(f"{name}: {weight.value}" for name, weight in found.sets.items())
    say(f"{found.id} ({class_name(found.violation_class.value, german)})")
    facts = {
        "Gewicht" if german else "weight": weights,
        "Syntax" if german else "syntax": ", ".join(found.syntaxes),
        "Quelle" if german else "source": found.source,
        "Beispiel" if german else "example": found.message_de if german else found.message,
    }
    for name, value in facts.items():
        if value:
            say(one_line(f"    {name}: {value}"))

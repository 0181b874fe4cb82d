"""Own rules are declared once, asked by their ids, and stand in the documentation with what they weigh."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import invoice_pipelines
from invoice_pipelines.einvoice.rules.verdict import Rule, Severity, ViolationClass
from invoice_pipelines.intake.validation import own_rules

CODE = Path(invoice_pipelines.__file__).parent / "intake" / "validation"
DOCS = Path(invoice_pipelines.__file__).parents[1] / "docs" / "validation.md"


def test_every_declared_rule_is_asked_and_every_asked_one_is_declared() -> None:
    asked = {rule for file in CODE.glob("*.py") for rule in re.findall(r'"(IP-[A-Z]+-\d+)"', file.read_text("utf-8"))}
    assert asked == set(own_rules.own_rules())


def test_the_documentation_says_what_each_weighs() -> None:
    listed: dict[str, Any] = {}
    for ids, severity in re.findall(r"^\| (IP-[^|]+?) \| (\w+)", DOCS.read_text("utf-8"), re.MULTILINE):
        first, *others = ids.split(", ")
        listed |= dict.fromkeys((first, *(first[: -len(other)] + other for other in others)), severity)
    assert {rule: listed.get(rule) for rule in own_rules.own_rules()} == {
        rule: str(declared.severity) for rule, declared in own_rules.own_rules().items()
    }


def test_values_are_written_as_the_language_does() -> None:
    rule = Rule(
        "X-1",
        Severity.FATAL,
        ViolationClass.CONTENT,
        "{who}: {sum} of {day}, {count}",
        "{who}: {sum} vom {day}, {count}",
    )
    broken = rule.broken(
        "lines", who=("The seller", "Der Verkäufer"), sum=Decimal("1190.50"), day=date(2026, 3, 31), count=2800
    )
    assert broken.message == "The seller: 1190.50 of 2026-03-31, 2800"
    assert broken.message_de == "Der Verkäufer: 1.190,50 vom 31.03.2026, 2.800"
    assert (broken.severity, broken.location) == (Severity.FATAL, "lines")
    lenient = rule.broken(None, Severity.WARNING, who="{sum}", sum=Decimal(0), day=None, count=1)
    assert lenient.severity is Severity.WARNING
    assert lenient.message.startswith("{sum}: 0 of None")

"""Every rule can be looked up: on the page, by command, in both languages, with an example of what it says."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from invoice_pipelines.cli.einvoice.explaining import all_rules, explain
from invoice_pipelines.cli.einvoice.rules_page import with_rules
from invoice_pipelines.einvoice.rules.declared import declared_rules, is_declared
from invoice_pipelines.einvoice.rules.engine.walk import Syntax
from invoice_pipelines.einvoice.rules.rule_sets import RuleSet
from invoice_pipelines.einvoice.rules.syntax.asking import rules as syntax_rules
from invoice_pipelines.einvoice.rules.verdict import Severity
from invoice_pipelines.intake.validation.own_rules import own_rules
from invoice_pipelines_tests.conftest import PROJECT

PAGE = PROJECT / "docs" / "validation.md"


def test_the_page_lists_the_rules_as_they_are_declared() -> None:
    assert PAGE.read_text("utf-8") == with_rules(PAGE.read_text("utf-8")), "run `make docs`"


def test_every_rule_is_listed_once() -> None:
    listed = Counter(rule.id for rule in all_rules())
    assert {rule: count for rule, count in listed.items() if count > 1} == {}
    declared = {rule.id for rule_set in RuleSet if is_declared(rule_set) for rule in declared_rules(rule_set)}
    declared |= {rule.id for syntax in Syntax for rule in syntax_rules(syntax)}
    assert declared | own_rules().keys() <= listed.keys()
    assert len(declared) > 1_600


def test_every_example_is_a_sentence_in_each_language_with_all_its_values() -> None:
    for rule in all_rules():
        for message in (rule.message, rule.message_de):
            assert not re.search(r"[{}]|None|Decimal", message), rule
            assert message.rstrip()[-1:] in ".:;)", rule
        assert rule.message != rule.message_de
        assert rule.source
        assert rule.sets


def test_a_rule_that_weighs_differently_says_so_for_each_set() -> None:
    by_id = {rule.id: rule for rule in all_rules()}
    assert by_id["PEPPOL-EN16931-R120"].sets == {"XRechnung": Severity.WARNING, "Peppol BIS Billing": Severity.FATAL}
    assert by_id["PEPPOL-EN16931-R120"].severity is Severity.FATAL
    assert by_id["BR-CO-15"].syntaxes == ("UBL", "CII")
    assert by_id["UBL-CR-499"].syntaxes == ("UBL",)


def test_a_rule_is_explained_in_the_language_that_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    explain("br-co-15", german=False)
    english = capsys.readouterr().out
    assert "BR-CO-15 (business rule error)" in english
    assert "BT-112" in english
    assert "EN 16931" in english
    explain("BR-CO-15", german=True)
    assert "Geschäftsregelfehler" in capsys.readouterr().out

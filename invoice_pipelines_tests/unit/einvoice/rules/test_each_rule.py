"""Each rule has an invoice, one small change away from a sound one, that breaks it; and both syntaxes take it alike.

The syntax rules have theirs in `syntax/test_each_rule.py`, as no model can say what they are against.
"""

from __future__ import annotations

import functools
import re
import tomllib
from pathlib import Path

import pytest

from invoice_pipelines.einvoice import Invoice, Syntax, write
from invoice_pipelines.einvoice.rules.declared import declared_rules
from invoice_pipelines.einvoice.rules.judging import business_rules
from invoice_pipelines.einvoice.rules.rule_sets import RuleSet
from invoice_pipelines.einvoice.rules.verdict import Severity
from invoice_pipelines_tests.support.einvoice.cases import bases, cases

MINIMAL = tomllib.loads(Path(__file__).with_name("minimal.toml").read_text("utf-8"))
SYNTAXES = (Syntax.UBL, Syntax.CII)
OF_THE_STANDARD = (RuleSet.EN_16931_UBL, RuleSet.XRECHNUNG_UBL, RuleSet.PEPPOL)  # declared for both syntaxes
OF_COUNTRY = re.compile(r"PEPPOL-COMMON-|[A-Z]{2}-[RS]-")

# What the model cannot say, and so cannot say wrongly: several of what is one, indicators and formats in other words,
# groups without anything in them, lines below lines, payments for third parties. BR-CO-05 to -08 (code and text of a
# reason are of the same kind) nobody can judge; here as in the official rules they always hold.
BEYOND_THE_MODEL = {
    "BR-CO-05",
    "BR-CO-06",
    "BR-CO-07",
    "BR-CO-08",
    "BR-22", "BR-50", "BR-55", "BR-CO-19", "BR-CO-20", "BR-DE-22", "BR-DEX-02", "BR-DEX-03", "BR-DEX-10", "BR-DEX-11",
    "BR-DEX-12", "BR-DEX-13", "BR-DEX-14", "BR-DEX-15", "BR-TMP-3", "PEPPOL-EN16931-F001", "PEPPOL-EN16931-P0101",
    "PEPPOL-EN16931-R004", "PEPPOL-EN16931-R006", "PEPPOL-EN16931-R043", "PEPPOL-EN16931-R043-1",
    "PEPPOL-EN16931-R043-2", "PEPPOL-EN16931-R044", "PEPPOL-EN16931-R080", "PEPPOL-EN16931-R100",
    "PEPPOL-EN16931-R101",
}  # fmt: skip


def broken(invoice: Invoice, syntax: Syntax) -> set[str]:
    """The rules that an invoice breaks, without those of its syntax."""
    found = business_rules(write(invoice, syntax))
    return {each.rule for each in found if not each.rule.startswith(("UBL-", "CII-"))}


@functools.cache
def broken_by_base(name: str, syntax: Syntax) -> set[str]:
    return broken(bases()[name], syntax)


@pytest.mark.parametrize("rule", sorted(MINIMAL))
def test_one_change_of_a_sound_invoice_breaks_the_rule(rule: str) -> None:
    said = MINIMAL[rule]
    found = {}
    for syntax in SYNTAXES:
        if syntax.value in said:
            found[syntax] = broken(cases()[said[syntax.value]], syntax)
            assert rule in found[syntax]
            assert rule not in broken_by_base(said[syntax.value].partition(":")[0], syntax)
    if said["alike"]:
        assert found[Syntax.UBL] == found[Syntax.CII]


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_sound_invoices_of_each_usage_break_no_fatal_rule(syntax: Syntax) -> None:
    for name, base in bases().items():
        found = business_rules(write(base, syntax))
        assert [each.rule for each in found if each.severity is Severity.FATAL] == [], name


def test_every_rule_has_such_an_invoice_or_cannot_have_one() -> None:
    declared = {rule.id for rule_set in OF_THE_STANDARD for rule in declared_rules(rule_set)}
    of_countries = {rule for rule in declared if OF_COUNTRY.match(rule)}
    assert declared - MINIMAL.keys() - of_countries == BEYOND_THE_MODEL

"""Each rule of a profile of Factur-X has a document, one small change away from a sound one, that breaks it."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from lxml import etree

from invoice_pipelines.einvoice.rules.declarations.national.profiles import Place, Profile, ask, table_of
from invoice_pipelines.einvoice.rules.declared import declared_rules
from invoice_pipelines.einvoice.rules.engine.names import PREFIXES
from invoice_pipelines.einvoice.rules.engine.walk import Syntax, walk
from invoice_pipelines.einvoice.rules.judging import business_rules
from invoice_pipelines.einvoice.rules.rule_sets import RuleSet
from invoice_pipelines.einvoice.rules.verdict import Severity
from invoice_pipelines_tests.support.einvoice.factur_x import base, changed
from invoice_pipelines_tests.support.einvoice.sound import CATEGORIES

BROKEN = tomllib.loads(Path(__file__).with_name("factur_x.toml").read_text("utf-8"))
SETS = {
    "MINIMUM": RuleSet.FACTURX_MINIMUM,
    "BASIC_WL": RuleSet.FACTURX_BASIC_WL,
    "EXTENDED": RuleSet.FACTURX_EXTENDED,
}
NEVER_BROKEN = {"BR-AF-09", "BR-AG-09"}  # in CII, as in the official rules

_URIS = {prefix: uri for uri, prefix in PREFIXES.items()}
# What an element has in it, or as attribute, to be of a kind that a table tells apart.
_KINDS = {
    "allowance": ("ram:ChargeIndicator/udt:Indicator", None, "false"),
    "charge": ("ram:ChargeIndicator/udt:Indicator", None, "true"),
    "supporting": ("ram:TypeCode", None, "916"),
    "tender": ("ram:TypeCode", None, "50"),
    "object": ("ram:TypeCode", None, "130"),
    "VA": ("ram:ID", "schemeID", "VA"),
    "FC": ("ram:ID", "schemeID", "FC"),
    "tax": ("", "listID", "5153"),
    "own": ("", "currencyID", "EUR"),
    "other": ("", "currencyID", "SEK"),
    "else": ("", "listID", "none of them"),
}


@functools.cache
def found_in_base(profile: str, category: str) -> set[str]:
    return {each.rule for each in business_rules(base(profile, category))}


@pytest.mark.parametrize("profile", SETS)
def test_one_change_of_a_sound_document_breaks_the_rule(profile: str) -> None:
    for rule, said in BROKEN[profile].items():
        category, _, change = said.partition(": ")
        assert rule in {each.rule for each in business_rules(changed(base(profile, category), change))}, rule
        assert rule not in found_in_base(profile, category), rule


@pytest.mark.parametrize("profile", SETS)
def test_every_rule_that_is_not_in_a_table_has_such_a_document(profile: str) -> None:
    declared = {rule.id for rule in declared_rules(SETS[profile]) if not rule.id.startswith("FX-")}
    assert declared - BROKEN[profile].keys() - NEVER_BROKEN == set()


@pytest.mark.parametrize(("profile", "categories"), [("BASIC_WL", CATEGORIES), ("EXTENDED", CATEGORIES)])
def test_sound_documents_break_no_fatal_rule(profile: str, categories: tuple[str, ...]) -> None:
    for category in categories:
        found = business_rules(base(profile, category))
        assert [each.rule for each in found if each.severity is Severity.FATAL] == [], category
    assert business_rules(base("MINIMUM", "S")) == ()


@pytest.mark.parametrize("profile", Profile)
def test_each_line_of_a_table_speaks_of_what_it_is_against_and_of_nothing_else(profile: Profile) -> None:
    asked = 0
    for steps, place in _places(table_of(profile), ()):
        assert not place.unused or _told(profile, steps) == {"FX-UNUSED"}, steps
        for name in place.unused_attributes:
            assert "FX-UNUSED" in _told(profile, steps, {name: "x"}), steps
            assert "FX-UNUSED" not in _told(profile, steps), steps
        for name, rule in place.needed_attributes:
            assert rule in _told(profile, steps), steps
            assert rule not in _told(profile, steps, {name: "x"}), steps
        for each in place.codes:
            for said, is_wrong in (("no code", True), (min(each.listed), False)):
                attributes = {each.attribute: said} if each.attribute else {}
                text = None if each.attribute else said
                assert (each.rule in _told(profile, steps, attributes, text)) == is_wrong, (steps, each.rule)
        for count in place.counts:
            most = count.least + 1 if count.most is None else count.most
            least = 1 if _makes_the_kind(steps[-1], count.step) else 0
            for times in sorted({least, count.least, most, most + 1}):
                is_wrong = times < count.least or (count.most is not None and times > count.most)
                found = _told(profile, steps, within=(count.step, times))
                assert (count.rule in found) == is_wrong, (steps, count, times)
        asked += len(place.counts) + len(place.codes) + place.unused
    assert asked > 30


def _places(place: Place, steps: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Place]]:
    if steps:
        yield steps, place
    for name, below in place.kids.items():
        yield from _places(below, (*steps, name))
    for name, kinds in place.variants.items():
        for kind, below in kinds:
            yield from _places(below, (*steps, f"{name}{{{kind}}}"))


def _makes_the_kind(step: str, within: str) -> bool:
    """Whether an element is of its kind by what stands in it, so that it cannot be without."""
    inner = _KINDS.get(step.removesuffix("}").partition("{")[2], ("", None, ""))[0]
    return bool(inner) and inner.split("/")[0] == within.partition("{")[0]


def _told(
    profile: Profile,
    steps: tuple[str, ...],
    attributes: dict[str, str] | None = None,
    text: str | None = None,
    within: tuple[str, int] | None = None,
) -> set[str]:
    """What is said of an element at these steps, alone in its document, with so many of another in it."""
    element = root = etree.Element(_tag(steps[0]), nsmap=_URIS)
    for step in steps[1:]:
        element = _add(element, step)
    for name, value in (attributes or {}).items():
        element.set(name, value)
        if name == "currencyID" and steps[-1].endswith(("{own}", "{other}")):
            for currency in root.iter(_tag("ram:InvoiceCurrencyCode"), _tag("ram:TaxCurrencyCode")):
                currency.text = value  # so that it stays of its kind
    if text is not None:
        element.text = text
    if within is not None:
        for _ in range(within[1] - _makes_the_kind(steps[-1], within[0])):
            _add(element, within[0])
    found = ask(walk(root, Syntax.CII), profile)
    return {finding.rule.id for finding in found if finding.node.element is element}


def _add(around: etree._Element, step: str) -> etree._Element:
    name, _, kind = step.removesuffix("}").partition("{")
    element = etree.SubElement(around, _tag(name))
    if kind in ("own", "other"):
        outer = around.getparent()
        currency = "ram:InvoiceCurrencyCode" if kind == "own" else "ram:TaxCurrencyCode"
        assert outer is not None
        if outer.find(_tag(currency)) is None:
            etree.SubElement(outer, _tag(currency)).text = _KINDS[kind][2]
    if kind in _KINDS:
        inner, attribute, text = _KINDS[kind]
        at = element
        for each in inner.split("/") if inner else ():
            at = etree.SubElement(at, _tag(each))
        if attribute is None:
            at.text = text
        else:
            at.set(attribute, text)
    return element


def _tag(name: str) -> str:
    prefix, _, local = name.partition("{")[0].partition(":")
    return f"{{{_URIS[prefix]}}}{local}"

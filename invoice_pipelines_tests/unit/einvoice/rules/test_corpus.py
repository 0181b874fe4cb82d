"""Real invoices and the labelled fragments of the standard's own test suite, under the rules out of the box and, where
INVOICE_PIPELINES_RULES_DIR names a directory, under the official release files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import date
from itertools import islice
from pathlib import Path

import pytest
from lxml import etree

from invoice_pipelines.einvoice.rules.judging import business_rules
from invoice_pipelines.einvoice.rules.verdict import Severity
from invoice_pipelines.intake.documents import read_document
from invoice_pipelines.intake.validation.content import Expectations
from invoice_pipelines.intake.validation.validate import validate
from invoice_pipelines_tests.conftest import CORPUS
from invoice_pipelines_tests.support.sizes import only_at_full_size, size

TEST_SET = "{http://difi.no/xsd/vefa/validator/1.0}"

pytestmark = [
    pytest.mark.corpus,
    pytest.mark.skipif(not CORPUS.is_dir(), reason="the shared corpus is not beside the project"),
]


@pytest.fixture(params=["out of the box", "official"])
def rules_directory(request: pytest.FixtureRequest) -> Path | None:
    if request.param == "out of the box":
        return None
    setting = os.environ.get("INVOICE_PIPELINES_RULES_DIR")
    if not setting:
        pytest.skip("INVOICE_PIPELINES_RULES_DIR names no directory with the official rule files")
    return Path(setting)


def whole_invoices(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (CORPUS / folder).rglob("*") if path.suffix.lower() == ".xml")


ALL = [pytest.mark.slow, only_at_full_size]
EVERY = pytest.mark.parametrize("every", [3, pytest.param(1, marks=ALL)], ids=["every third", "all"])


@EVERY
@pytest.mark.parametrize(
    ("folders", "count"),
    [
        (("xrechnung-testsuite",), 86),
        (("en16931/ubl/examples", "en16931/cii/examples", "en16931/test/testfiles"), 63),
    ],
    ids=["XRechnung test suite", "EN 16931 examples"],
)
def test_no_valid_invoice_is_rejected(
    folders: tuple[str, ...], count: int, every: int, rules_directory: Path | None
) -> None:
    paths = whole_invoices(*folders)
    assert len(paths) >= count
    rejected = {}
    for path in paths[::every]:
        reading = read_document(path.read_bytes())
        verdict = validate(reading, Expectations(today=date(2026, 3, 31)), rules_directory=rules_directory)
        if not verdict.valid:
            rejected[path.name] = [v for v in verdict.violations if v.severity is Severity.FATAL]
    assert rejected == {}


@pytest.mark.parametrize("profile", ["0. MINIMUM", "1. BASIC WL"])
def test_official_booking_aids_are_not_rejected_but_named(profile: str) -> None:
    for path in whole_invoices(f"zugferd-2.4/{profile}"):
        verdict = validate(read_document(path.read_bytes()), Expectations(today=date(2026, 3, 31)))
        assert verdict.valid, path.name
        assert "IP-PROFILE-01" in {violation.rule for violation in verdict.violations}


def fragments() -> Iterator[tuple[str, bytes, list[tuple[str, str, int]]]]:
    """Each fragment of the test sets: where it stands, its XML, and its labels (kind, rule, how often at least)."""
    for path in sorted((CORPUS / "en16931/test").rglob("*.xml")):
        if path.parent.name == "testfiles":
            continue
        for number, test in enumerate(etree.parse(str(path)).iter(TEST_SET + "test")):
            elements = [child for child in test if isinstance(child.tag, str)]
            labels = [
                (str(label.tag).removeprefix(TEST_SET), (label.text or "").strip(), int(label.get("number") or 1))
                for label in elements[0]
            ]
            yield f"{path.parent.name}/{path.name}#{number}", etree.tostring(elements[1], with_tail=False), labels


@pytest.mark.parametrize(
    ("every", "at_least"), [(5, 200), pytest.param(1, 1140, marks=ALL)], ids=["every fifth", "all"]
)
def test_every_labelled_fragment_is_flagged_or_let_pass_as_it_says(
    rules_directory: Path | None, every: int, at_least: int
) -> None:
    disagreements = []
    labelled = 0
    for place, xml, labels in islice(fragments(), 0, None, every):
        fired = [violation.rule for violation in business_rules(xml, rules_directory=rules_directory)]
        for kind, rule, times in labels:
            if kind == "description":
                continue
            labelled += 1
            if (fired.count(rule) == 0) if kind == "success" else (fired.count(rule) >= times):
                continue
            disagreements.append((place, kind, rule, times, fired))
    assert labelled >= at_least
    assert disagreements == []


@pytest.mark.slow
def test_the_reader_stands_in_no_rules_way() -> None:
    """The labels again, but as `validate` goes about a file: the fragment goes through reader and schema first."""
    for place, xml, labels in islice(fragments(), 0, None, size(5, 1)):
        verdict = validate(read_document(xml), Expectations(today=date(2026, 3, 31)))
        fired = {violation.rule for violation in verdict.violations}
        for kind, rule, _ in labels:
            if kind != "description":
                assert (rule in fired) == (kind != "success"), place

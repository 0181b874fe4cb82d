"""What a sheet finds here, with what `schematron` leaves out of its run, is what SaxonC finds when it runs it alone."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lxml import etree
from saxonche import PySaxonProcessor

from invoice_pipelines.einvoice.errors import ReadingError
from invoice_pipelines.einvoice.rules.official.schematron import run_sheet
from invoice_pipelines.einvoice.rules.rule_sets import RuleSet
from invoice_pipelines.einvoice.rules.schema import bundled_file
from invoice_pipelines.einvoice.rules.xml_document import Root, XmlDocument, parse
from invoice_pipelines.intake.documents import read_document
from invoice_pipelines.workshop.bench.bare import IN_FACTUR_X
from invoice_pipelines_tests.conftest import CORPUS, PROJECT
from invoice_pipelines_tests.support.sizes import only_at_full_size

SVRL = "{http://purl.oclc.org/dsdl/svrl}"
FACTURX = (RuleSet.FACTURX_MINIMUM, RuleSet.FACTURX_BASIC_WL, RuleSet.FACTURX_EXTENDED)


@functools.cache
def documents_in(folder: Path) -> tuple[XmlDocument, ...]:
    return tuple(_documents_in(folder))


def _documents_in(folder: Path) -> Iterator[XmlDocument]:
    """The e-invoices in a folder, each also without its last element, whatever that is."""
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in (".xml", ".pdf"):
            continue
        try:
            xml = read_document(path.read_bytes()).xml
        except ReadingError:
            continue
        if xml is not None:
            yield parse(xml)
            root = etree.fromstring(xml)
            root.remove(root[-1])
            yield parse(etree.tostring(root))


def published_texts(processor: PySaxonProcessor, executable: Any, document: XmlDocument) -> list[str]:
    node = processor.parse_xml(xml_text=etree.tostring(document.tree.getroot(), encoding="unicode"))
    report = etree.fromstring(executable.transform_to_string(xdm_node=node).encode())
    found = report.iter(SVRL + "failed-assert", SVRL + "successful-report")
    return [" ".join("".join(entry.itertext()).split()) for entry in found]


@pytest.mark.parametrize(
    "rule_set",
    [
        RuleSet.FACTURX_MINIMUM,
        pytest.param(RuleSet.EN_16931_UBL, marks=pytest.mark.slow),
        # Built by the same compiler as MINIMUM, but many times as long.
        pytest.param(RuleSet.FACTURX_BASIC_WL, marks=[pytest.mark.slow, only_at_full_size]),
        pytest.param(RuleSet.FACTURX_EXTENDED, marks=pytest.mark.slow),
    ],
)
def test_a_sheet_finds_what_it_finds_as_published(rule_set: RuleSet) -> None:
    compare(PROJECT / "examples", rule_set)


@only_at_full_size
@pytest.mark.slow
@pytest.mark.corpus
@pytest.mark.skipif(not CORPUS.is_dir(), reason="the shared corpus is not beside the project")
@pytest.mark.parametrize("rule_set", [*FACTURX, RuleSet.EN_16931_UBL])
def test_a_sheet_finds_in_the_corpus_what_it_finds_as_published(rule_set: RuleSet) -> None:
    compare(CORPUS, rule_set)


def compare(folder: Path, rule_set: RuleSet) -> None:
    sheet = bundled_file(IN_FACTUR_X[rule_set])
    processor = PySaxonProcessor(license=False)
    executable = processor.new_xslt30_processor().compile_stylesheet(stylesheet_file=str(sheet))
    compared = 0
    for document in documents_in(folder):
        if (document.root is Root.CII) != (rule_set in FACTURX) or document.root is Root.ZUGFERD_1:
            continue
        expected = published_texts(processor, executable, document)
        findings = run_sheet(sheet, document.tree)
        assert len(findings) == len(expected)
        assert all(text.endswith(finding.text) for finding, text in zip(findings, expected, strict=True))
        compared += 1
    assert compared

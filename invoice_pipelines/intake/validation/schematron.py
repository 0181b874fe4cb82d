"""Holds the run of one compiled schematron sheet (XSLT) over one document by SaxonC. What the findings mean for an
invoice is decided in `business_rules`.

SaxonC has traps, and this module is the only one that touches it:
- it expands external entities, so it never sees a file or foreign text: only what lxml has parsed without a DOCTYPE and
  has written again;
- several processors in the threads of one process abort the whole process, so there is one, behind a lock;
- a sheet can die on a document (a type error in the middle of a rule); that is an answer here, neither a crash nor a
  pass. SaxonC would also print a trace with amounts of the invoice to the standard error stream, past every log, so the
  error is caught inside XSLT by a wrapper around the sheet. The wrapper also drops what a report says of the rules that
  were kept, which is nearly all of it;
- it would read the code lists of a sheet (Factur-X has up to 270 kB of them in a file) again for each document. It is
  told to read them when it compiles the sheet.
"""

from __future__ import annotations

import functools
import re
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from lxml import etree

_SVRL = "{http://purl.oclc.org/dsdl/svrl}"
_ID_IN_TEXT = re.compile(r"^\s*\[\s*([A-Z]{2,}(?:-[A-Za-z0-9]+)+)\s*\]")
_STEP = re.compile(r"\*:([\w.-]+)\[namespace-uri\(\)='[^']*'\]")

_XSL = "{http://www.w3.org/1999/XSL/Transform}"
KEEP_CODE_LISTS = ("http://saxon.sf.net/feature/preEvaluateDocFunction", "true")
"""The setting by which Saxon reads what a sheet names in document() when it compiles it. Of a processor, for good."""

_WRAPPER = """
<xsl:stylesheet version="3.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"
                xmlns:svrl="http://purl.oclc.org/dsdl/svrl"
                xmlns:err="http://www.w3.org/2005/xqt-errors" exclude-result-prefixes="err svrl">
  <xsl:import href={uri}/>
  {skip}
  <xsl:template match="/">
    <xsl:try>
      <xsl:variable name="report"><xsl:apply-imports/></xsl:variable>
      <xsl:if test="$report/*">
        <found><xsl:copy-of select="$report//(svrl:failed-assert | svrl:successful-report)"/></found>
      </xsl:if>
      <xsl:catch><stopped><xsl:value-of select="$err:code, $err:description"/></stopped></xsl:catch>
    </xsl:try>
  </xsl:template>
</xsl:stylesheet>
"""

# Before each pattern Schematron compilers write a walk through the document in the default mode; this ends it at once.
_SKIP = '<xsl:mode on-no-match="deep-skip"/>'

_lock = threading.Lock()


class SheetError(Exception):
    """A sheet that stopped with an error on a document. The fault is of the two together, so another may pass."""


class SheetUnusableError(Exception):
    """A sheet that cannot be compiled, and so can judge no document."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One failed assertion. `flag` is what the sheet says of its weight, None where it says nothing."""

    rule: str
    flag: str | None
    text: str
    location: str | None


def run_sheet(sheet: Path, tree: etree._ElementTree) -> list[Finding]:
    """What a sheet finds in a document, in the order of the sheet. Compiles the sheet at its first use in a process.

    `tree` must have been parsed by `xml_document.parse`. Raises `SheetError` and `SheetUnusableError`.
    """
    text = etree.tostring(tree.getroot(), encoding="unicode")
    with _lock:
        processor, executable = _compiled(sheet)
        try:
            node = processor.parse_xml(xml_text=text)
            output = executable.transform_to_string(xdm_node=node)
        except Exception as error:  # saxonche raises several unrelated types
            raise SheetError(_first_line(error)) from error
    try:
        report = etree.fromstring(output.encode())
    except (etree.XMLSyntaxError, AttributeError) as error:  # no output at all is None or empty
        raise SheetError("the rules gave no report") from error
    if report.tag == "stopped":
        raise SheetError(" ".join((report.text or "").split()))
    return [_finding(entry) for entry in report.iter(_SVRL + "failed-assert", _SVRL + "successful-report")]


def _finding(entry: etree._Element) -> Finding:
    text = " ".join("".join(str(part) for part in entry.itertext()).split())
    in_text = _ID_IN_TEXT.match(text)
    # Factur-X names the rule of the standard in the text only, under an id of its own.
    rule = in_text.group(1) if in_text else entry.get("id") or "UNNAMED"
    if in_text:
        text = text[in_text.end() :].lstrip(" -:")
    location = entry.get("location")
    return Finding(rule, entry.get("flag"), text, _STEP.sub(r"\1", location) if location else None)


@functools.cache
def _processor() -> Any:
    # Imported late: the library is 100 MB, and whoever reads only text layers never needs it.
    from saxonche import PySaxonProcessor

    processor = PySaxonProcessor(license=False)
    processor.set_configuration_property(*KEEP_CODE_LISTS)
    return processor


@functools.cache
def _compiled(sheet: Path) -> tuple[Any, Any]:
    processor = _processor()
    try:
        skip = _SKIP if _says_nothing_in_default_mode(sheet) else ""
        wrapper = _WRAPPER.format(uri=quoteattr(sheet.resolve().as_uri()), skip=skip)
        return processor, processor.new_xslt30_processor().compile_stylesheet(stylesheet_text=wrapper)
    except Exception as error:  # as above
        raise SheetUnusableError(f"{sheet.name} cannot be compiled: {_first_line(error)}") from error


def _says_nothing_in_default_mode(sheet: Path) -> bool:
    """Whether the default mode of a sheet is sure to find nothing below the root: it is left for texts, to be dropped.

    So it is in all sheets that were written by the ISO skeleton, whose rules have modes of their own.
    """
    root = etree.parse(sheet).getroot()
    if root.find(_XSL + "import") is not None or root.find(_XSL + "include") is not None:
        return False
    return all(
        rule.get("match") == "/" or (rule.get("match") == "text()" and not len(rule) and not rule.text)
        for rule in root.iterfind(_XSL + "template[@match]")
        if {"#default", "#all"} & set(rule.get("mode", "#default").split())
    )


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__

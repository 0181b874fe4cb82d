"""Runs one compiled schematron sheet (XSLT) over one document by SaxonC. What the findings mean for an
invoice is decided in `judging`.

SaxonC has traps, and this module is the only one that touches it:
- it expands external entities, so it never sees a file or foreign text: only what lxml has parsed without a DOCTYPE and
  has written again;
- several processors in the threads of one process abort the whole process, so there is one, behind a lock;
- a sheet can die on a document (a type error in the middle of a rule); that is an answer here, neither a crash nor a
  pass. SaxonC would also print a trace with amounts of the invoice to the standard error stream, past every log, so the
  error is caught inside XSLT by a wrapper around the sheet. The wrapper also drops what a report says of the rules that
  were kept, which is nearly all of it;
- a sheet tells each finding with the path to it, which it counts out among all siblings, and one mistake in each of
  8,000 lines is 8,000 findings. So the wrapper lets the sheet name the element only, and writes the paths, with the
  prefixes of the document, of those findings that are kept;
- it would read the code lists of a sheet (Factur-X has up to 270 kB of them in a file) again for each document. It is
  told to read them when it compiles the sheet.
"""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from lxml import etree

from invoice_pipelines.einvoice.rules.stopped import why_stopped
from invoice_pipelines.einvoice.rules.verdict import LISTED
from invoice_pipelines.errors import InvoicePipelinesError

_SVRL = "{http://purl.oclc.org/dsdl/svrl}"
_ID_IN_TEXT = re.compile(r"^\s*\[\s*([A-Z]{2,}(?:-[A-Za-z0-9]+)+)\s*\]")
_STEP = re.compile(r"\*:([\w.-]+)\[namespace-uri\(\)='([^']*)'\]|Q\{([^}]*)\}([\w.-]+)")

_XSL = "{http://www.w3.org/1999/XSL/Transform}"
KEEP_CODE_LISTS = ("http://saxon.sf.net/feature/preEvaluateDocFunction", "true")
"""The setting by which Saxon reads what a sheet names in document() when it compiles it. Of a processor, for good."""

_WRAPPER = """
<xsl:stylesheet version="3.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"
                xmlns:svrl="http://purl.oclc.org/dsdl/svrl"
                xmlns:err="http://www.w3.org/2005/xqt-errors" exclude-result-prefixes="err svrl">
  <xsl:import href={uri}/>
  {skip}
  <xsl:key name="element" match="*" use="generate-id()"/>
  <xsl:template match="*" mode="schematron-select-full-path"><xsl:value-of select="generate-id()"/></xsl:template>
  <xsl:template match="*" mode="place">
    <xsl:attribute name="location">
      <xsl:for-each select="ancestor-or-self::*">
        <xsl:text>/</xsl:text><xsl:value-of select="name()"/>
        <xsl:text>[</xsl:text><xsl:number/><xsl:text>]</xsl:text>
      </xsl:for-each>
    </xsl:attribute>
  </xsl:template>
  <xsl:template match="/">
    <xsl:try>
      <xsl:variable name="document" select="."/>
      <xsl:variable name="report"><xsl:apply-imports/></xsl:variable>
      <xsl:if test="$report/*">
        <xsl:variable name="found" select="$report//(svrl:failed-assert | svrl:successful-report)"/>
        <found>
          <xsl:for-each select="subsequence($found, 1, {listed})">
            <xsl:copy>
              <xsl:copy-of select="@*"/>
              <xsl:apply-templates select="key('element', @location, $document)" mode="place"/>
              <xsl:copy-of select="node()"/>
            </xsl:copy>
          </xsl:for-each>
          <xsl:for-each-group select="subsequence($found, {listed} + 1)" group-by="string(@id), string(@flag)"
                              composite="yes">
            <xsl:copy>
              <xsl:copy-of select="@*"/>
              <xsl:attribute name="times" select="count(current-group())"/>
              <xsl:apply-templates select="key('element', @location, $document)" mode="place"/>
              <xsl:copy-of select="node()"/>
            </xsl:copy>
          </xsl:for-each-group>
        </found>
      </xsl:if>
      <xsl:catch><stopped><xsl:value-of select="$err:code, $err:description"/></stopped></xsl:catch>
    </xsl:try>
  </xsl:template>
</xsl:stylesheet>
"""

# Before each pattern Schematron compilers write a walk through the document in the default mode; this ends it at once.
_SKIP = '<xsl:mode on-no-match="deep-skip"/>'

_lock = threading.Lock()


class SheetError(InvoicePipelinesError):
    """A sheet that stopped with an error on a document. The fault is of the two together, so another may pass.

    Both texts, in English and German, end a sentence.
    """

    def __init__(self, message: str, message_de: str) -> None:
        super().__init__(message)
        self.message_de = message_de


class SheetUnusableError(InvoicePipelinesError):
    """A sheet that cannot be compiled, and so can judge no document."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One failed assertion. `flag` is what the sheet says of its weight, None where it says nothing. `location` is a
    path with the prefixes of the document. `times` is how often the assertion failed, where it stands for others."""

    rule: str
    flag: str | None
    text: str
    location: str | None
    times: int = 1


def compile_sheet(sheet: Path) -> None:
    """Compiles a sheet where that was not done yet in this process. Raises `SheetUnusableError`."""
    with _lock:
        _compiled(sheet)


def run_sheet(sheet: Path, tree: etree._ElementTree) -> list[Finding]:
    """What a sheet finds in a document, in the order of the sheet. Compiles the sheet at its first use in a process.

    After `LISTED` findings each rule has one more, which stands for all that follow.
    `tree` must have been parsed by `xml_document.parse`. Raises `SheetError` and `SheetUnusableError`.
    """
    text = etree.tostring(tree.getroot(), encoding="unicode")
    with _lock:
        processor, executable = _compiled(sheet)
        try:
            node = processor.parse_xml(xml_text=text)
            output = executable.transform_to_string(xdm_node=node)
        except Exception as error:  # saxonche raises several unrelated types
            raise _stopped(_first_line(error)) from error
    try:
        report = etree.fromstring(output.encode())
    except (etree.XMLSyntaxError, AttributeError) as error:  # no output at all is None or empty
        raise SheetError("the rules gave no report", "die Regeln ergaben keinen Bericht") from error
    if report.tag == "stopped":
        raise _stopped(" ".join((report.text or "").split()))
    found = report.iter(_SVRL + "failed-assert", _SVRL + "successful-report")
    prefixes = {uri: prefix or "" for prefix, uri in tree.getroot().nsmap.items()}
    return [_finding(entry, prefixes) for entry in found]


def _stopped(said: str) -> SheetError:
    """What SaxonC says of a rule that stopped, in words for people. Its own may quote the document."""
    return SheetError(*why_stopped(said))


def _finding(entry: etree._Element, prefixes: Mapping[str, str]) -> Finding:
    text = " ".join("".join(str(part) for part in entry.itertext()).split())
    in_text = _ID_IN_TEXT.match(text)
    # Factur-X names the rule of the standard in the text only, under an id of its own.
    rule = in_text.group(1) if in_text else entry.get("id") or "UNNAMED"
    if in_text:
        text = text[in_text.end() :].lstrip(" -:")
    location = entry.get("location")
    return Finding(
        rule,
        entry.get("flag"),
        text,
        _STEP.sub(lambda step: _as_written(step, prefixes), location) if location else None,
        int(entry.get("times", "1")),
    )


def _as_written(step: re.Match[str], prefixes: Mapping[str, str]) -> str:
    """A step of a path as a sheet writes it that does not leave that to `_WRAPPER`, with the document's prefix."""
    name, uri = step[1] or step[4], step[2] or step[3] or ""
    prefix = prefixes.get(uri)
    return f"{prefix}:{name}" if prefix else name


@functools.cache
def _processor() -> Any:
    # Imported late: the library is 100 MB, and only who has official files needs it.
    try:
        from saxonche import PySaxonProcessor
    except ModuleNotFoundError:
        raise SheetUnusableError(
            "they are run by saxonche, which is not installed; install invoice-pipelines with its extra: "
            "pip install 'invoice-pipelines[rules]'"
        ) from None

    processor = PySaxonProcessor(license=False)
    processor.set_configuration_property(*KEEP_CODE_LISTS)
    return processor


@functools.cache
def _compiled(sheet: Path) -> tuple[Any, Any]:
    processor = _processor()
    try:
        skip = _SKIP if _says_nothing_in_default_mode(sheet) else ""
        wrapper = _WRAPPER.format(uri=quoteattr(sheet.resolve().as_uri()), skip=skip, listed=LISTED)
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

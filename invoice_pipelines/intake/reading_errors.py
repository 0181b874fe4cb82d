"""The class of a `ReadingError`, and its message in German."""

from __future__ import annotations

from invoice_pipelines.einvoice.rules.german import in_german
from invoice_pipelines.einvoice.rules.verdict import ViolationClass

ORIGINAL_DAMAGED = "ORIGINAL_DAMAGED"
_OURS = frozenset({"NO_OCR_ENGINE", "OCR_UNAVAILABLE", ORIGINAL_DAMAGED})
_GERMAN = {  # of codes whose sentences vary too much, or come from other libraries
    "PDF_ENCRYPTED": "Das PDF ist durch ein Kennwort geschützt; bitte ohne Kennwort anfordern.",
    "PDF_DAMAGED": "Das PDF ist beschädigt; bitte erneut anfordern.",
    "PDF_TOO_MANY_PAGES": "Das PDF hat zu viele Seiten.",
    "PDF_TOO_MANY_ATTACHMENTS": "Das PDF hat zu viele Anhänge.",
    "PDF_TOO_MUCH_TEXT": "Das PDF enthält zu viel Text.",
    "PDF_TOO_COMPLEX": "Das PDF ist zu aufwendig, um gelesen zu werden.",
    "PDF_NO_TEXT_LAYER": "Das PDF enthält keinen Text, nur Bilder, und die Texterkennung ist abgeschaltet.",
    "PDF_TOO_MANY_SCANNED_PAGES": "Das PDF hat zu viele Seiten, die nur Bilder sind.",
    "NO_OCR_ENGINE": "Der Beleg ist ein Bild, und die Texterkennung ist abgeschaltet.",
    "OCR_NO_TEXT": "Auf den Seiten wurde kein Text erkannt.",
    "OCR_UNAVAILABLE": "Die Texterkennung steht nicht zur Verfügung.",
    "OCR_TIMEOUT": "Die Texterkennung einer Seite hat zu lange gedauert.",
    "OCR_PROCESS_DIED": "Die Texterkennung ist abgebrochen; möglicherweise fehlt Speicher.",
    "OCR_FAILED": "Die Texterkennung einer Seite ist gescheitert.",
    "PICTURE_DAMAGED": "Das Bild ist beschädigt; bitte erneut anfordern.",
    "PICTURE_TOO_LARGE": "Das Bild ist zu groß.",
    "PICTURE_TOO_SMALL": "Das Bild ist zu klein, um lesbar zu sein.",
    "PICTURE_TOO_MANY_PAGES": "Das Bild hat zu viele Seiten.",
    "NOT_A_FILE": "Das ist keine Datei.",
    "NO_XML": "Die Datei enthält keine XML-Rechnung, auf die amtliche Regeln angewendet werden könnten.",
    "NOT_AN_INVOICE": "Der Beleg ist keine Rechnung.",
    ORIGINAL_DAMAGED: "Das gespeicherte Original ist beschädigt; bitte aus einer Sicherung herstellen oder erneut "
    "hochladen.",
    "FILE_UNREADABLE": "Die Datei lässt sich nicht öffnen.",
}


def class_of_reading_error(code: str) -> ViolationClass | None:
    """A document that no reader could read has a format error. None where the fault is ours."""
    return None if code in _OURS else ViolationClass.FORMAT


def german_reading_error(code: str, message: str) -> str:
    """Why a document cannot be read, in German; the English message where there is no German one."""
    return in_german(message) or _GERMAN.get(code) or message

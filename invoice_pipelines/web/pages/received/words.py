"""What stands in the columns of received invoices, in the reader's words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation

from invoice_pipelines.einvoice.rules.german import german_message, in_german
from invoice_pipelines.intake.operations import LoggedError, StuckInvoice, Waiting, german_error
from invoice_pipelines.intake.reading_errors import german_reading_error
from invoice_pipelines.intake.review.fields import FIELDS, stored_value
from invoice_pipelines.intake.states import Status, description, label
from invoice_pipelines.web.pages.languages import Language

_KINDS = {Status.VALIDATED: "good", Status.EXPORTED: "good", Status.FAILED: "bad"}
"""Of badges; those of all other states inform."""
_HASH = re.compile(r" [0-9a-f]{64}\b")
"""The name of an original in the storage, for who restores it, at the command line."""
_RATE = re.compile(r"(\S+) % (\S+) (\S+)")


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a language."""

    language: Language

    def state(self, status: str, in_review: bool = False) -> tuple[str, str]:
        """The kind and the words of a badge."""
        if in_review:
            return "warn", self.language.gettext("Waits for review")
        return _KINDS.get(Status(status), "info"), label(Status(status), self.language.code)

    def meaning(self, status: str) -> str:
        """A sentence on what a state means."""
        return description(Status(status), self.language.code)

    def either(self, english: str, german: str | None) -> str:
        """A text that a domain has in both languages."""
        return (german or english) if self.language.code == "de" else english

    def error(self, error: LoggedError) -> str:
        """Why an attempt failed."""
        return self._told(error.message, german_error(error))

    def failure(self, code: str, message: str) -> str:
        """Why a document failed: it could not be read, or broke the rule with this code."""
        return self._told(message, german_message(code) or german_reading_error(code, message))

    def waits_for(self, stuck: StuckInvoice) -> str:
        """What a stuck invoice waits for."""
        _ = self.language.gettext
        said = {
            Waiting.NOTHING: _("It is in no queue. Have it read first, or read again."),
            Waiting.DEAD: _("The process that had it died at %(time)s; the next run takes it."),
            Waiting.PROCESS: _("A process has it until %(time)s."),
            Waiting.PAUSE: _("Attempt %(attempt)s begins at %(time)s."),
            Waiting.RUN: _("It waits for a worker."),
        }[stuck.waiting]
        return said % {"attempt": stuck.attempt, "time": self.language.moment(stuck.until)}

    def lasting(self, seconds: float) -> str:
        """How long something took."""
        return self.language.gettext("under 1 second") if seconds < 1 else self.language.lasting(seconds)

    def remark(self, remark: str) -> str:
        """What a reader of documents remarked."""
        return self._told(remark, in_german(remark))

    def field(self, name: str) -> str:
        """The name of a value."""
        said = self.either(FIELDS[name].label, FIELDS[name].label_de)
        return said[:1].upper() + said[1:]

    def value(self, field: str, kept: str | None, currency: str | None = None) -> str:
        """A value as people write it; `kept` is what `fields.shown` made of it."""
        if kept is None:
            return "–"
        if field == "type_code":
            return self._type(kept)
        if field == "tax_breakdowns":
            rates = [
                f"{self.language.rate(rate)}: {self.language.amount(net)} + {self.language.amount(tax)}"
                for rate, net, tax in self.rates(kept)
            ]
            return "; ".join(rates)
        try:
            value = stored_value(field, kept)
        except (ValueError, InvalidOperation):
            return kept
        if isinstance(value, Decimal):
            return self.language.amount(value, currency)
        return self.language.day(value) if isinstance(value, date) else kept

    def rates(self, kept: str | None) -> list[tuple[Decimal | None, Decimal | None, Decimal | None]]:
        """Rate, net amount and VAT of each rate, as `fields.shown` keeps them in one text."""
        found = []
        for part in (kept or "").split("; "):
            if match := _RATE.fullmatch(part):
                rate, net, tax = (None if value == "None" else Decimal(value) for value in match.groups())
                found.append((rate, net, tax))
        return found

    def source(self, source: str | None) -> str:
        """Who or what read a value."""
        _ = self.language.gettext
        words = {"xml": _("e-invoice"), "text": _("text of the page"), "ocr": _("text recognition")}
        return {**words, "person": _("a person")}.get(str(source), "–")

    def stage(self, stage: str) -> str:
        """A step of the intake."""
        _ = self.language.gettext
        return {"parse": _("Reading the file"), "validate": _("Checking"), "export": _("Exporting")}.get(stage, stage)

    def severity(self, severity: str) -> tuple[str, str]:
        """The kind and the words of a badge."""
        _ = self.language.gettext
        return {"fatal": ("bad", _("Error")), "warning": ("warn", _("Warning"))}.get(severity, ("info", _("Remark")))

    def _told(self, english: str, german: str | None) -> str:
        """A sentence of a domain, which may have none in German, or the same one."""
        there_is_german = german is not None and german != english
        plain = _HASH.sub("", english)
        return self.either(plain, german) if there_is_german else self.language.in_english(plain)

    def _type(self, code: str) -> str:
        _ = self.language.gettext
        words = {
            "326": _("Partial invoice"),
            "380": _("Invoice"),
            "381": _("Credit note"),
            "384": _("Corrected invoice"),
            "386": _("Prepayment invoice"),
            "389": _("Self-billed invoice"),
        }
        return words.get(code, code)

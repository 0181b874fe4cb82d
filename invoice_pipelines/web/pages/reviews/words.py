"""What the review desk calls things: fields, reasons and sums, in the reader's language."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from invoice_pipelines.intake.review.fields import AMOUNTS, DATES, FIELDS, stored_value
from invoice_pipelines.intake.review.reason import ReviewReason
from invoice_pipelines.intake.review.reasons import DUPLICATE, LOW_CONFIDENCE, REJECTED
from invoice_pipelines.web.pages.languages import Language

RATES = "tax_breakdowns"


def N_(message: str) -> str:
    """Marks a text that is put into the reader's language later."""
    return message


_OF_CODES = {
    LOW_CONFIDENCE: N_("Unsure"),
    REJECTED: N_("Rejected before"),
    DUPLICATE: N_("Perhaps a duplicate"),
    "IP-DUP": N_("Perhaps a duplicate"),
    "IP-IBAN": N_("Bank account"),
    "IP-REQ": N_("Missing value"),
    "IP-TOTAL": N_("Totals do not tie"),
    "IP-LINE": N_("Lines do not tie"),
    "IP-TAX": N_("VAT does not tie"),
    "IP-VAT": N_("VAT id"),
    "IP-DATE": N_("Unlikely date"),
    "IP-CUR": N_("Currency"),
    "IP-SIGN": N_("Sign of the amounts"),
    "IP-TYPE": N_("Kind of invoice"),
}
"""By code, or by what it begins with."""
TYPES = {
    "380": N_("Invoice"),
    "381": N_("Credit note"),
    "384": N_("Corrected invoice"),
    "386": N_("Prepayment invoice"),
    "389": N_("Self-billed invoice"),
    "326": N_("Partial invoice"),
    "875": N_("Partial invoice of construction"),
    "876": N_("Partial final invoice of construction"),
    "877": N_("Final invoice of construction"),
}


def field_words(field: str, language: Language) -> str:
    """The name of a field, as it stands at the beginning of a line."""
    label = FIELDS[field].label_de if language.code == "de" else FIELDS[field].label
    return label[:1].upper() + label[1:]


def reason_words(code: str, language: Language) -> str:
    """What a reason is about, in few words."""
    for known in (code, code.rpartition("-")[0]):
        if known in _OF_CODES:
            return language.gettext(_OF_CODES[known])
    return language.gettext("Broken rule")


def waiting_words(reason: str, language: Language) -> str:
    """A reason of the queue, such as "LOW_CONFIDENCE gross_amount", in few words."""
    code, _, field = reason.partition(" ")
    words = reason_words(code, language)
    return f"{words}: {field_words(field, language)}" if field in FIELDS else words


def reason_sentence(reason: ReviewReason, threshold: float | None, language: Language) -> str:
    """Why somebody has to look, with the threshold where that is what counts."""
    if reason.code == LOW_CONFIDENCE and reason.confidence is not None and threshold is not None:
        return language.gettext("Read with %(sure)s certainty; below %(threshold)s a person has to look.") % {
            "sure": language.percent(reason.confidence),
            "threshold": language.percent(threshold),
        }
    return reason.message_de if language.code == "de" else reason.message


def written(field: str, value: str | None, language: Language) -> str:
    """A value as `fields.shown` gives it, in the notation of the reader, which `fields.parse_value` understands."""
    if value is None:
        return ""
    kept: Any = stored_value(field, value)
    if field in AMOUNTS:
        return language.amount(kept)
    if field in DATES:
        return language.day(kept)
    if field == RATES:
        return "; ".join(
            f"{_plain(part.rate, language)} % {language.amount(part.taxable_amount)} {language.amount(part.tax_amount)}"
            for part in kept
        )
    return value


def shown_value(field: str, value: str | None, language: Language) -> str:
    """Likewise, where nobody writes: codes are words."""
    if field == "type_code" and value in TYPES:
        return language.gettext(TYPES[value])
    return written(field, value, language) or "–"


def wrong_value_words(field: str, language: Language) -> str:
    """How a field is to be written."""
    _ = language.gettext
    if field in AMOUNTS:
        return _("This amount is ambiguous. Write it as 1234.56 or 1.234,56.")
    if field in DATES:
        return _("This is no day that leaves no doubt. Write it as 31.03.2026 or 2026-03-31.")
    if field == RATES:
        return _("Write rate, net amount and VAT of each rate, such as 19 % 100.00 19.00; 7 % 50.00 3.50.")
    if field == "iban":
        return _("This is no IBAN: its check digits or its length are wrong.")
    if field == "currency":
        return _("This is no currency. Write its three letters, such as EUR.")
    if field.endswith("vat_id"):
        return _("This is no VAT id, such as DE123456789.")
    return _("Write 1 to 200 characters, without line breaks.")


def _plain(value: Decimal | None, language: Language) -> str:
    return format(value or Decimal(0), "f").replace(".", "," if language.code == "de" else ".")

"""DATEV in the words of an accountant: columns of rules, what they must be, and why something is not booked."""

from __future__ import annotations

from collections.abc import Sequence

from invoice_pipelines.intake.exports.datev.accounts.charts import Chart
from invoice_pipelines.intake.exports.datev.accounts.rules import COLUMNS, REGIONS
from invoice_pipelines.web.pages.errors import N_
from invoice_pipelines.web.pages.languages import Language

_COLUMNS = {
    "priority": N_("Priority"),
    "seller": N_("Supplier"),
    "line_text": N_("Text of a line"),
    "category": N_("VAT category"),
    "rate": N_("VAT rate in %"),
    "region": N_("Taxed in"),
    "account": N_("Expense account"),
    "tax_key": N_("Tax key (BU)"),
    "cost_center": N_("Cost centre"),
}
_MUST = {
    "row": N_("The row has more cells than the first line names."),
    "priority": N_("Write a whole number; the lowest wins."),
    "category": N_("Write a VAT category such as S, AE, K, E, Z, O or G."),
    "rate": N_("Write a percentage from 0 to 100."),
    "region": N_("Write DE, EU or OTHER."),
    "tax_key": N_(
        "Write one to four digits, “none” for none, and nothing on accounts that take the tax out themselves."
    ),
    "cost_center": N_("Write at most 36 letters, digits and blanks."),
}
_ACCOUNT = N_("Write an account of %(digits)s digits.")
_REGIONS = {"DE": N_("Germany"), "EU": N_("other member states"), "OTHER": N_("elsewhere")}
_REFUSALS = {
    "NO_RULE": N_("No rule names an account"),
    "TAX_KEY": N_("No tax key fits, or several do"),
    "COUNTRY": N_("It does not show where the supplier is taxed"),
    "AUTOMATIC_ACCOUNT": N_("The account takes out another tax than the invoice states"),
    "TAX_DIFFERS": N_("The tax key takes out another amount than the invoice states"),
    "NO_BREAKDOWN": N_("The amounts by VAT rate are missing"),
    "BREAKDOWN": N_("The amounts by VAT rate do not add up"),
    "LINES": N_("Rules send lines to several accounts, but the lines do not add up"),
    "NO_RATE": N_("There is no exchange rate"),
    "AMOUNT": N_("The amount comes to nothing in euros"),
    "TYPE": N_("It is of a type that is not clearly owed, such as a prepayment"),
    "SIGN": N_("It is a negative credit note"),
    "REPLACES": N_("It is a corrected invoice that may replace a booked one"),
    "NO_ACCOUNT": N_("All creditor accounts are given away"),
    "NO_NUMBER": N_("The invoice number is missing"),
    "NO_DATE": N_("The invoice date is missing"),
    "NO_SELLER": N_("The supplier is missing"),
    "NO_CURRENCY": N_("The currency is missing"),
    "NO_AMOUNT": N_("The amount is missing"),
    "DECIMALS": N_("An amount has more than two decimals"),
    "TOO_LARGE": N_("An amount is too large for DATEV"),
    "NOT_SET_UP": N_("DATEV is not set up"),
}
_OTHER = N_("Another reason")


def column(name: str, language: Language) -> str:
    """What a column of a rule is called."""
    return language.gettext(_COLUMNS.get(name, ""))


def must(name: str, chart: Chart, language: Language) -> str:
    """What a column must hold."""
    if name == "account":
        return language.gettext(_ACCOUNT) % {"digits": chart.account_length}
    return language.gettext(_MUST[name])


def regions(language: Language) -> Sequence[tuple[str, str]]:
    """Where a supplier is taxed."""
    return [(name, language.gettext(_REGIONS[name])) for name in REGIONS]


def refusal(code: str, language: Language) -> str:
    """Why an invoice is not booked."""
    return language.gettext(_REFUSALS.get(code, _OTHER))


def no_rules_file(language: Language) -> str:
    """What a file of rules must be."""
    words = language.gettext("Choose a CSV file in UTF-8 whose first line names the columns: %(columns)s.")
    return words % {"columns": ", ".join(COLUMNS)}

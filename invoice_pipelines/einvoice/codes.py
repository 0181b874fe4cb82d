"""The code lists that EN 16931 asks for, as far as something here is decided by them."""

from __future__ import annotations

from functools import cache

from invoice_pipelines.einvoice.code_lists import codes

# The codes of UNTDID 1001 that EN 16931 allows for BT-3 (BR-CL-01).
CREDIT_NOTE_TYPES = codes("credit_note_types")
INVOICE_TYPES = codes("invoice_types")
# A pro forma invoice, a request for payment and information for the books claim no payment under an invoice.
NOT_PAYABLE_TYPES = frozenset(("71", "325", "751"))

# Electronic Address Scheme (EAS) by the prefix of VAT ids. Countries whose scheme is for another number are left out.
VAT_ID_SCHEMES = {
    "AD": "9922", "AL": "9923", "AT": "9914", "BA": "9924", "BE": "9925", "BG": "9926", "CH": "9927", "CY": "9928",
    "CZ": "9929", "DE": "9930", "EE": "9931", "EL": "9933", "ES": "9920", "FI": "0213", "FR": "9957", "GB": "9932",
    "HR": "9934", "HU": "9910", "IE": "9935", "IT": "0211", "LI": "9936", "LT": "9937", "LU": "9938", "LV": "9939",
    "MC": "9940", "ME": "9941", "MK": "9942", "MT": "9943", "NL": "9944", "PL": "9945", "PT": "9946", "RO": "9947",
    "RS": "9948", "SI": "9949", "SK": "9950", "SM": "9951", "TR": "9952", "VA": "9953",
}  # fmt: skip


def _codes(*lines: str) -> frozenset[str]:
    return frozenset(code for line in lines for code in line.split())


# Countries of IBANs that SEPA transfers reach (EPC409-09).
SEPA_COUNTRIES = _codes(
    "AD AL AT BE BG CH CY CZ DE DK EE ES FI FR GB GI GR HR HU IE IS IT LI LT LU LV MC MD ME MK MT NL NO PL PT RO RS SE",
    "SI SK SM VA",
)


def is_unit(code: str) -> bool:
    """Whether UN/ECE recommendation 20 or 21 has a unit (BR-CL-23)."""
    return code in codes("units")


def is_currency(code: str) -> bool:
    """Whether ISO 4217 has a currency, as EN 16931 knows it (BR-CL-04)."""
    return code in codes("currencies")


@cache
def iso_currencies() -> frozenset[str]:
    """The codes of ISO 4217 as it is now; the list of EN 16931 differs by a few."""
    from iso4217 import Currency  # reads a table of several hundred kilobytes

    return frozenset(currency.code for currency in Currency)


def is_country(code: str) -> bool:
    """Whether ISO 3166-1 has a country, in the lists of both syntaxes (BR-CL-14)."""
    return code in codes("countries_ubl") and code in codes("countries_cii")


def is_exemption_code(code: str) -> bool:
    """Whether the VATEX list has a reason (BR-CL-22)."""
    return code.upper() in codes("exemption_reasons")

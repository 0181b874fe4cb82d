"""The code lists that EN 16931 asks for, as far as something here is decided by them."""

from __future__ import annotations

from functools import cache

# The codes of UNTDID 1001 that EN 16931 allows for BT-3 (code list of the validation artefacts 1.3.16, rule BR-CL-01).
CREDIT_NOTE_TYPES = frozenset(map(str, (81, 83, 261, 262, 296, 308, 381, 396, 420, 458, 502, 503, 532)))
# fmt: off
INVOICE_TYPES = frozenset(map(str, (
    71, 80, 82, 84, 102, 130, 202, 203, 204, 211, 218, 219, 295, 325, 326, 331, 380, 382, 383, 384, 385, 386,
    387, 388, 389, 390, 393, 394, 395, 456, 457, 471, 472, 473, 500, 501, 527, 553, 575, 623, 633, 751, 780,
    817, 870, 875, 876, 877, 935,
)))
# fmt: on
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

# What nearly all invoices keep to; only for others the whole lists are loaded, which takes a tenth of a second.
_USUAL_UNITS = _codes("C62 H87 EA HUR MIN DAY WEE MON ANN KGM GRM TNE MTR KMT MTK MTQ LTR KWH SET PR")
_USUAL_CURRENCIES = _codes("EUR USD GBP CHF DKK SEK NOK PLN CZK HUF RON JPY")
_USUAL_COUNTRIES = _codes(
    "AT BE BG CH CY CZ DE DK EE ES FI FR GB GR HR HU IE IT LT LU LV MT NL NO PL PT RO SE SI SK US"
)


def is_unit(code: str) -> bool:
    """Whether UN/ECE recommendation 20 or 21 has a unit (BR-CL-23)."""
    return code in _USUAL_UNITS or code in _all("UNIT_CODES")


def is_currency(code: str) -> bool:
    """Whether ISO 4217 has a currency, as EN 16931 knows it (BR-CL-04)."""
    return code in _USUAL_CURRENCIES or code in _all("CURRENCY_CODES")


def is_country(code: str) -> bool:
    """Whether ISO 3166-1 has a country, in the lists of both syntaxes (BR-CL-14)."""
    return code in _USUAL_COUNTRIES or (code in _all("UBL_COUNTRY_CODES") and code in _all("CII_COUNTRY_CODES"))


def is_exemption_code(code: str) -> bool:
    """Whether the VATEX list has a reason (BR-CL-22)."""
    return code.upper() in _all("VATEX_CODES")


@cache
def _all(name: str) -> frozenset[str]:
    from einvoice import codelists  # loads the rules of the package with it

    found: frozenset[str] = getattr(codelists, name)
    return found

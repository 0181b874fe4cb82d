"""PEPPOL-COMMON-R040 to -R050: numbers whose scheme says what they are must be such numbers."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable

from invoice_pipelines.einvoice.rules.declarations.national.peppol.declaring import SOURCE
from invoice_pipelines.einvoice.rules.declarations.national.shapes import text_of
from invoice_pipelines.einvoice.rules.engine.declaration import Asked, Declaration, Find, declare
from invoice_pipelines.einvoice.rules.engine.values import normalized
from invoice_pipelines.einvoice.rules.engine.walk import Node, Syntax, View
from invoice_pipelines.einvoice.rules.verdict import Severity

Check = Callable[[str], bool]

_NAMES = {
    Syntax.UBL: ("cbc:EndpointID", "cbc:ID", "cbc:CompanyID"),
    Syntax.CII: ("ram:URIID", "ram:ID", "ram:GlobalID"),
}
_PARTY = "cac:PartyIdentification"
_INTEGER = re.compile(r"[ \t\r\n]*[+-]?[0-9]+[ \t\r\n]*")
_NUMBER = re.compile(r"[ \t\r\n]*[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?[ \t\r\n]*|-?INF")


def is_number(text: str) -> bool:
    """A number with or without an exponent, or an infinite one, with blanks around."""
    return _NUMBER.fullmatch(text) is not None


def is_gln(text: str) -> bool:
    """A number of GS1 of any length, by its check digit."""
    if not re.fullmatch(r"[0-9]+", text):
        return False
    digits = [int(sign) for sign in reversed(text[:-1])]
    total = sum(digit * (1 + (index + 1) % 2 * 2) for index, digit in enumerate(digits))
    return (10 - total % 10) % 10 == int(text[-1])


def is_norwegian(text: str) -> bool:
    """Nine digits with the check digit by 11 that Norway uses."""
    if not re.fullmatch(r"[0-9]{9}", text) or int(text) == 0:
        return False
    total = sum(int(sign) * (index % 6 + 2) for index, sign in enumerate(reversed(text[:-1])))
    return (11 - total % 11) % 11 == int(text[-1])


def is_danish(text: str) -> bool:
    """A CVR number, with or without DK before it."""
    return re.fullmatch(r"(DK)?[0-9]{8}", text) is not None


def is_belgian(text: str) -> bool:
    """An enterprise number, by its check digits."""
    return re.fullmatch(r"[0-9]{10}", text) is not None and int(text[8:]) == 97 - int(text[:8]) % 97


def is_italian_office(text: str) -> bool:
    """A code of the index of Italian public offices (IPA)."""
    return re.fullmatch(r"[A-Za-z0-9]{6}", text) is not None


def is_italian_tax_code(text: str) -> bool:
    """A codice fiscale, of a person or of a company, by its form."""
    if len(text) == 11:
        return _INTEGER.fullmatch(text) is not None
    return (
        len(text) == 16
        and re.fullmatch(r"[A-Za-z]{6}", text[:6]) is not None
        and all(_INTEGER.fullmatch(part) for part in (text[6:8], text[9:11], text[14]))
        and re.fullmatch(r"[A-Za-z]{2}", text[8] + text[15]) is not None
    )


def is_italian_vat_id(text: str) -> bool:
    """A partita IVA, by its check digit, where it is of Italy."""
    if text[:2] not in ("IT", "it"):
        return True
    code = text[2:]
    if not re.fullmatch(r"[0-9]{11}", code):
        return False
    return sum(int("0246813579"[int(sign)]) if index % 2 else int(sign) for index, sign in enumerate(code)) % 10 == 0


def has_swedish_check_digit(text: str) -> bool:
    """By the first ten digits, as Luhn says."""
    if not re.fullmatch(r"[0-9]{10,}", text):
        return False
    doubled = [int(sign) * (2 if index % 2 == 0 else 1) for index, sign in enumerate(reversed(text[:9]))]
    return (10 - sum(number % 10 + number // 10 for number in doubled) % 10) % 10 == int(text[9])


def is_swedish(text: str) -> bool:
    """An organization number."""
    return len(text) == 10 and has_swedish_check_digit(text)


def is_australian(text: str) -> bool:
    """A business number (ABN)."""
    if not re.fullmatch(r"[0-9]{11}", text):
        return False
    weights = (10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19)
    return (sum(int(sign) * weight for sign, weight in zip(text, weights, strict=True)) - 10) % 89 == 0


def is_greek(text: str) -> bool:
    """A tax number (TIN), by its ninth digit."""
    if not re.match(r"[0-9]{9}", text):
        return False
    total = sum(int(sign) << (8 - index) for index, sign in enumerate(text[:8]))
    return total % 11 % 10 == int(text[8])


def _by_scheme(view: View) -> dict[str, list[Node]]:
    """The elements with numbers, by the schemes of these."""
    found: dict[str, list[Node]] = defaultdict(list)
    for name in _NAMES[view.syntax]:
        for node in view.index.get(name, ()):
            scheme = node.get("schemeID")
            if scheme is None or (name == "cbc:ID" and (node.parent is None or node.parent.name != _PARTY)):
                continue
            found[scheme].append(node)
    return found


def _with_scheme(scheme: str, *names: str) -> Find:
    """The elements whose number has a scheme, only those of these names if there are any."""
    return lambda view: [node for node in view.once(_by_scheme).get(scheme, ()) if not names or node.name in names]


def _common(number: str, scheme: str, check: Check, name: str, *only: str, warns: bool = False) -> Declaration:
    def test(node: Node, view: View) -> bool:
        return check(node.string if check is is_danish else normalized(node.string))

    asked = Asked(_with_scheme(scheme, *only), test, text_of)
    return declare(
        f"PEPPOL-COMMON-{number}",
        asked,
        asked,
        source=SOURCE,
        severity=Severity.WARNING if warns else Severity.FATAL,
        text="number-of-scheme",
        about={"scheme": scheme, "name": name},
    )


RULES: tuple[Declaration, ...] = (
    _common("R040", "0088", is_gln, "GLN"),
    _common("R041", "0192", is_norwegian, "organisasjonsnummer"),
    _common("R042", "0184", is_danish, "CVR"),
    _common("R043", "0208", is_belgian, "KBO/BCE"),
    _common("R044", "0201", is_italian_office, "IPA", warns=True),
    _common("R045", "0210", is_italian_tax_code, "codice fiscale", warns=True),
    _common("R046", "9907", is_italian_tax_code, "codice fiscale", "cbc:EndpointID", "ram:URIID", warns=True),
    _common("R047", "0211", is_italian_vat_id, "partita IVA", warns=True),
    _common("R048", "9906", is_italian_vat_id, "partita IVA", "ram:URIID", warns=True),
    _common("R049", "0007", is_swedish, "organisationsnummer"),
    _common("R050", "0151", is_australian, "ABN"),
)

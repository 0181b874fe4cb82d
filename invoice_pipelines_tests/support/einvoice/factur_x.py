"""Sound documents of the profiles of Factur-X that have rules of their own, and small changes of them."""

from __future__ import annotations

import copy
import functools
from dataclasses import replace
from typing import cast

from lxml import etree

from invoice_pipelines.einvoice import Syntax, write
from invoice_pipelines.einvoice.rules.judging import business_rules
from invoice_pipelines_tests.support.einvoice.sound import sound_invoice

PROFILES = {
    "MINIMUM": "urn:factur-x.eu:1p0:minimum",
    "BASIC_WL": "urn:factur-x.eu:1p0:basicwl",
    "EXTENDED": "urn:cen.eu:en16931:2017#conformant#urn:factur-x.eu:1p0:extended",
}


@functools.cache
def base(profile: str, category: str) -> bytes:
    """A document of a profile, with one category of VAT, without what the profile does not use."""
    invoice = replace(sound_invoice(category), specification_identifier=PROFILES[profile])
    root = etree.fromstring(write(invoice, Syntax.CII))
    if profile != "EXTENDED":
        for line in root.findall(".//{*}IncludedSupplyChainTradeLineItem"):
            _remove(line)
    while unused := [each for each in business_rules(etree.tostring(root)) if each.rule == "FX-UNUSED"]:
        for each in unused:
            for element in _found(root, str(each.location)):
                _remove(element)
    return etree.tostring(root)


def _found(root: etree._Element, place: str) -> list[etree._Element]:
    found = root.getroottree().xpath(place, namespaces=cast(dict[str, str], root.nsmap))
    assert isinstance(found, list)
    return [each for each in found if isinstance(each, etree._Element)]


def _remove(element: etree._Element) -> None:
    parent = element.getparent()
    assert parent is not None
    parent.remove(element)


def changed(xml: bytes, change: str) -> bytes:
    """A document after steps, which ` & ` separates: `drop PLACE`, `double PLACE`, `text=TEXT PLACE`,
    `@NAME=TEXT PLACE` (nothing takes the attribute away), `add NAME=TEXT PLACE` (as the first in it). A place is an
    XPath without blanks, and stands for all elements that it finds.
    """
    root = etree.fromstring(xml)
    for step in change.split(" & "):
        what, _, place = step.rpartition(" ")
        found = _found(root, place)
        assert found, f"{place} finds nothing"
        for element in found:
            _change(element, what)
    return etree.tostring(root)


def _change(element: etree._Element, what: str) -> None:
    around = element.getparent()
    assert around is not None
    name, _, text = what.partition("=")
    if what == "drop":
        around.remove(element)
    elif what == "double":
        element.addnext(copy.deepcopy(element))
    elif name == "text":
        element.text = text
    elif name.startswith("add "):
        prefix, _, local = name.removeprefix("add ").partition(":")
        added = etree.Element(f"{{{element.nsmap[prefix]}}}{local}")
        added.text = text
        element.insert(0, added)
    elif text:
        element.set(name.removeprefix("@"), text)
    else:
        del element.attrib[name.removeprefix("@")]

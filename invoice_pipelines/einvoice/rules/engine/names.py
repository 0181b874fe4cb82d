"""Names of elements as rules write them: with the usual prefix, whatever prefix the document has."""

from __future__ import annotations

PREFIXES = {
    "urn:oasis:names:specification:ubl:schema:xsd:Invoice-2": "ubl",
    "urn:oasis:names:specification:ubl:schema:xsd:CreditNote-2": "cn",
    "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2": "cac",
    "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2": "cbc",
    "urn:oasis:names:specification:ubl:schema:xsd:CommonExtensionComponents-2": "ext",
    "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100": "rsm",
    "urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100": "ram",
    "urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100": "udt",
    "urn:un:unece:uncefact:data:standard:QualifiedDataType:100": "qdt",
}
_MOST = 10_000  # names that are kept; a document with more invents them


class Names(dict[object, str]):
    """The short name (`cbc:ID`) of each tag as lxml has it (`{urn:...}ID`); made at the first question.

    Of a namespace without a usual prefix the tag itself is the name. What is no element (a comment) has the name "".
    """

    def __missing__(self, tag: object) -> str:
        if not isinstance(tag, str):
            return ""
        uri, _, local = tag[1:].rpartition("}")
        prefix = PREFIXES.get(uri)
        name = f"{prefix}:{local}" if prefix else tag
        if len(self) < _MOST:
            self[tag] = name
        return name


NAMES = Names()

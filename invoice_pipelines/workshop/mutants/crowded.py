"""Invoices with everything that their schema lets stand in them: what random mutants would take very many to reach."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping

from lxml import etree

from invoice_pipelines.workshop.mutants.changes import ATTRIBUTES, Source, add_child, children_of, pool_of
from invoice_pipelines.workshop.mutants.mutants import Mutant, bases_of
from invoice_pipelines.workshop.mutants.schema_elements import schema_of

_AT_ONCE = 25
_ATTRIBUTES = {
    **ATTRIBUTES,
    **dict.fromkeys(
        (
            "amountTypeCode", "characterSetCode", "currencyCodeListVersionID", "languageLocaleID", "listAgencyName",
            "listSchemeURI", "listURI", "schemeAgencyName", "schemeDataURI", "schemeURI", "unitCodeListAgencyID",
            "unitCodeListAgencyName", "formatCode",
        ),
        ("1",),
    ),
}  # fmt: skip
_PLACE = tuple[str, ...]


def crowded(documents: Mapping[str, bytes], seed: int, at_once: int = _AT_ONCE) -> Iterator[Mutant]:
    """Mutants that have between them, at each place where one of the documents has an element, each element that the
    schema lets stand in it, and each attribute on each element without elements; `at_once` of them in each mutant."""
    done: set[tuple[str, _PLACE, str]] = set()
    bases = bases_of(documents)
    number = 0
    for name, document in bases:
        assert document.root is not None
        drawn = random.Random(f"{seed}-{name}")
        same = [other.tree.getroot() for _, other in bases if other.root is document.root]
        source = Source(drawn, pool_of(same), schema_of(document.root))
        original = document.tree.getroot()
        missing = []
        for element in original.iter("*"):
            place = _place(element)
            for child in (*children_of(source, element), *(() if len(element) else _ATTRIBUTES)):
                key = (f"{document.root}{document.usage}", place, child if isinstance(child, str) else child[0])
                if key not in done:
                    done.add(key)
                    missing.append((place, child))
        drawn.shuffle(missing)
        for start in range(0, len(missing), at_once):
            root = etree.fromstring(etree.tostring(original))
            first = {_place(element): element for element in reversed(list(root.iter("*")))}
            for place, child in missing[start : start + at_once]:
                if isinstance(child, str):
                    first[place].set(child, drawn.choice(_ATTRIBUTES[child]))
                else:
                    add_child(source, first[place], *child)
            yield Mutant(number, name, (f"{at_once} elements and attributes",), etree.tostring(root, encoding="UTF-8"))
            number += 1


def _place(element: etree._Element) -> _PLACE:
    return tuple(str(above.tag) for above in (*reversed(list(element.iterancestors())), element))

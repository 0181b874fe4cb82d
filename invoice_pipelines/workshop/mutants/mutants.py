"""Mutants of e-invoices, drawn by a seed: the same documents, number and seed give the same mutants."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from lxml import etree

from invoice_pipelines.einvoice.errors import ReadingError
from invoice_pipelines.einvoice.rules.xml_document import Root, XmlDocument, parse
from invoice_pipelines.workshop.mutants.changes import CHANGES, Source, pool_of, usage
from invoice_pipelines.workshop.mutants.schema_elements import schema_of

_LARGEST_BASE = 300_000  # bytes; attachments only take time
FEW = (1, 1, 1, 2, 2, 3)
_OTHER_USAGE = 0.15
_TRIES = 20


@dataclass(frozen=True, slots=True)
class Mutant:
    """A changed document: of which one, what was done to it, and its XML."""

    number: int
    base: str
    changes: tuple[str, ...]
    xml: bytes


def mutants(documents: Mapping[str, bytes], count: int, seed: int, changes: Sequence[int] = FEW) -> Iterator[Mutant]:
    """`count` mutants of the UBL and CII invoices among documents (name to XML): half of them of any document, half of
    each syntax and usage in turn, as most collections have few documents of some. `changes` says how many each has: one
    of these numbers.

    Documents that cannot be read, are of another kind or larger than 300 kB are passed over. Raises ValueError where
    none is left.
    """
    bases = bases_of(documents)
    pools = {
        root: pool_of([document.tree.getroot() for _, document in group])
        for root, group in groupby(bases, lambda base: base[1].root)
    }
    strata = [list(group) for _, group in groupby(bases, _stratum)]
    for number in range(count):
        drawn = random.Random(f"{seed}-{number}")
        name, document = drawn.choice(bases if number % 2 else strata[number // 2 % len(strata)])
        assert document.root is not None
        source = Source(drawn, pools[document.root], schema_of(document.root))
        yield _mutant(number, name, document, source, changes)


def bases_of(documents: Mapping[str, bytes]) -> list[tuple[str, XmlDocument]]:
    """The documents of which mutants are made, ordered by syntax and usage. Raises ValueError where there is none."""
    found = []
    for name, xml in sorted(documents.items()):
        if len(xml) > _LARGEST_BASE:
            continue
        try:
            document = parse(xml)
        except ReadingError:
            continue
        if document.root in (Root.UBL_INVOICE, Root.UBL_CREDIT_NOTE, Root.CII):
            found.append((name, document))
    if not found:
        raise ValueError("There is no UBL or CII invoice among the documents.")
    return sorted(found, key=_stratum)


def _stratum(base: tuple[str, XmlDocument]) -> tuple[str, str]:
    return str(base[1].root), str(base[1].usage)


def _mutant(number: int, name: str, document: XmlDocument, source: Source, changes: Sequence[int]) -> Mutant:
    root = etree.fromstring(etree.tostring(document.tree.getroot()))
    done = []
    if source.random.random() < _OTHER_USAGE:
        done.append(usage(source, root))
    wanted = source.random.choice(changes)
    for _ in range(_TRIES * wanted):
        if len(done) >= wanted:
            break
        change = source.random.choices(list(CHANGES), list(CHANGES.values()))[0]
        what = change(source, root)
        if what is not None:
            done.append(what)
    return Mutant(number, name, tuple(what for what in done if what), etree.tostring(root, encoding="UTF-8"))

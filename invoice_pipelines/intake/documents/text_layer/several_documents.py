"""Tells whether pages hold more than one document: a pile that was scanned into one file, invoices that were printed
one after the other, two receipts beside each other on a photo.

Taken for one, the number of the first would be booked with the total of the last, and the others would be lost. So it
goes to a person where the pages can be cut in two, and each part has a total and another number, date or seller.
Not here: which pages belong to which document.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from functools import reduce
from itertools import chain, pairwise
from operator import or_

from invoice_pipelines.einvoice.rules.german import as_german
from invoice_pipelines.intake.documents.text_layer.page.labels import Label, LabelledLines
from invoice_pipelines.intake.documents.text_layer.page.layout import Line
from invoice_pipelines.intake.documents.text_layer.page.notation import MONEY, find_dates
from invoice_pipelines.intake.documents.text_layer.page.vocabulary import Vocabulary, key
from invoice_pipelines.intake.documents.text_layer.page.words import Page, Word
from invoice_pipelines.intake.reading import Discrepancy, DiscrepancyKind, Reading

_SUMS = frozenset({"total", "gross", "payable", "net", "subtotal", "rounded", "tendered"})
_SURE, _TITLED = 0.75, 0.7
_MOST_CUTS = 4  # of one page; each costs another look at a part of it
_MOST_PAGES = 3  # whose inside is looked at
_MOST_GUTTERS = 2
_GUTTER = 0.02  # of the width of a page

Read = Callable[[Sequence[Page]], Reading | None]


@dataclass(frozen=True, slots=True)
class _Said:
    """What parts of the pages say, as far as it is sure."""

    numbers: frozenset[str] = frozenset()
    dates: frozenset[date] = frozenset()
    sellers: frozenset[str] = frozenset()
    totals: frozenset[Decimal] = frozenset()
    is_titled: bool = False
    page: int = 0

    def __or__(self, other: _Said) -> _Said:
        return _Said(
            self.numbers | other.numbers,
            self.dates | other.dates,
            self.sellers | other.sellers,
            self.totals | other.totals,
            self.is_titled or other.is_titled,
            min(self.page, other.page),
        )

    @property
    def may_be_one(self) -> bool:
        """Whether it may be of a document of its own, by what it says."""
        return bool(self.totals and (self.numbers or self.dates or (self.is_titled and self.sellers)))

    def is_another_than(self, other: _Said) -> bool:
        """Whether two parts are of two documents. A part without a total is none; one with the same total may be the
        slip of the card that it was paid with."""
        numbers = _differ({*map(key, self.numbers)}, {*map(key, other.numbers)})
        dates = _differ(self.dates, other.dates)
        titled = self.is_titled and other.is_titled
        if not _differ(self.totals, other.totals):
            return bool(self.totals and other.totals) and numbers and (dates or titled)
        return numbers or dates or (titled and _differ(self.sellers, other.sellers))

    def words(self, written: Callable[[object], object] = str) -> str:
        """What it says, for a person; the first where there are several."""
        found = (min(values) for values in (self.numbers, self.dates, self.totals) if values)
        return ", ".join(str(written(value)) for value in found)


def _differ(some: Set[object], others: Set[object]) -> bool:
    """Whether there are some of both, and none is the same."""
    return bool(some and others) and not some & others


def several_documents(
    pages: Sequence[Page], labelled: LabelledLines, vocabulary: Vocabulary, read: Read
) -> Discrepancy | None:
    """That the pages hold more than one document; None for one. `read` reads some pages, and gives None where nothing
    is found there."""
    money = {line.number for line in labelled.lines if MONEY.search(line.text)}
    sums = [
        label
        for labels in labelled.amounts
        for label in labels
        if label.kind in _SUMS and (label.line in money or (len(labels) > 1 and label.line + 1 in money))
    ]
    begins = {label.line for label in (*labelled.titles(), *labelled.all("number"))}
    printed: set[date] = set()
    for line in labelled.lines:
        dates = {found.value for found in find_dates(line.text, vocabulary.months)}
        if dates - printed:
            begins.add(line.number)
        printed |= dates
    cuts = [_between_pages(pages, labelled.lines, begins, sums, read)]
    cuts += [_within(page, labelled.lines, begins, sums, read) for page in pages[:_MOST_PAGES]]
    for first, second in chain.from_iterable(cuts):
        if first.is_another_than(second):
            return Discrepancy(
                DiscrepancyKind.SEVERAL_DOCUMENTS,
                f"The pages seem to hold several documents: {first.words()} on page {first.page}, {second.words()} on"
                f" page {second.page}. Upload each in a file of its own and reject this one.",
                f"Die Seiten enthalten wohl mehrere Belege: {first.words(as_german)} auf Seite {first.page},"
                f" {second.words(as_german)} auf Seite {second.page}. Jeden in einer eigenen Datei hochladen und diesen"
                " ablehnen.",
            )
    return None


def _between_pages(
    pages: Sequence[Page], lines: Sequence[Line], begins: Set[int], sums: Sequence[Label], read: Read
) -> Iterator[tuple[_Said, _Said]]:
    """What stands before and after each page that may begin another document."""
    begin = {lines[number].page for number in begins}
    if len(begin) < 2 or len({lines[label.line].page for label in sums}) < 2:
        return
    starts = [0, *(place for place, page in enumerate(pages) if place and page.number in begin), len(pages)]
    first, *others = (pages[start:end] for start, end in pairwise(starts))
    parts = [_said(read(part), part) for part in others]
    if not reduce(or_, parts).may_be_one:  # the later pages of an invoice often have but its total
        return
    parts.insert(0, _said(read(first), first))
    for place in range(1, len(parts)):
        yield reduce(or_, parts[:place]), reduce(or_, parts[place:])


def _within(
    page: Page, lines: Sequence[Line], begins: Set[int], sums: Sequence[Label], read: Read
) -> Iterator[tuple[_Said, _Said]]:
    """What stands to both sides of a column without words, and above and below each line that may begin another
    document."""
    sums = [label for label in sums if lines[label.line].page == page.number]
    if len(sums) < 2:
        return
    cuts = [(0, gutter) for gutter in _gutters(page) if len({label.box[0] < gutter for label in sums}) > 1]
    below = [lines[number] for number in sorted(begins) if sums[0].line < number <= sums[-1].line]
    cuts += [(1, line.box[1]) for line in below[:_MOST_CUTS]]
    for side, cut in cuts:
        words: tuple[list[Word], list[Word]] = ([], [])
        for word in page.words:
            words[(word.box[side] + word.box[side + 2]) / 2 >= cut].append(word)
        first, second = ([replace(page, words=tuple(some))] for some in words)
        # Below the total of an invoice there is little to read, and hardly ever another document.
        if (said := _said(read(second), second)).may_be_one:
            yield _said(read(first), first), said


def _gutters(page: Page) -> list[float]:
    """The middles of the columns without any word, those next to the middle of the page first."""
    reached, found = 0.0, []
    for left, right in sorted((word.box[0], word.box[2]) for word in page.words):
        if reached and left - reached > _GUTTER * page.width:
            found.append((left + reached) / 2)
        reached = max(reached, right)
    return sorted(found, key=lambda middle: abs(middle - page.width / 2))[:_MOST_GUTTERS]


def _said(reading: Reading | None, pages: Sequence[Page]) -> _Said:
    page = pages[0].number
    if reading is None:
        return _Said(page=page)

    def sure(name: str, enough: float = _SURE) -> bool:
        place = reading.provenance.get(name)
        return place is not None and place.confidence >= enough

    seller = reading.seller.name if reading.seller else None
    total = reading.provenance.get("gross_amount")
    written = total and total.text  # "14" is a number of days
    return _Said(
        frozenset({reading.number} if reading.number and sure("number") else ()),
        frozenset({reading.issue_date} if reading.issue_date and sure("issue_date") else ()),
        frozenset({key(seller)} if seller and sure("seller.name") else ()),
        frozenset({reading.gross_amount} if reading.gross_amount and written and not written.isdigit() else ()),
        reading.type_code is not None and sure("type_code", _TITLED),
        page,
    )

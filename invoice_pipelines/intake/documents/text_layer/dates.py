"""Tells the dates of an invoice apart: issue, due and delivery date, and which comes first in 3/4/2024,
the day or the month.

How a date is written stands in `notation`. What is printed without a word for it may be the issue date, if nothing
else is.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from itertools import pairwise
from math import prod

from invoice_pipelines.intake.documents.text_layer.header import (
    Found,
    all_dates,
    choose,
    date_parser,
    dated_candidates,
    find_labelled,
)
from invoice_pipelines.intake.documents.text_layer.origin.signs import has_american_phone
from invoice_pipelines.intake.documents.text_layer.page.labels import Label, LabelledLines, Place
from invoice_pipelines.intake.documents.text_layer.page.layout import Cell
from invoice_pipelines.intake.documents.text_layer.page.notation import find_dates
from invoice_pipelines.intake.documents.text_layer.page.vocabulary import Vocabulary, key
from invoice_pipelines.intake.documents.text_layer.page.words import Page

_TIME = re.compile(r"(?<![\d.])\d{1,2}(?::\d{2}(?::\d{2})?|h\d{2}|\.\d{2}(?=$|\.\d{2}$))(?![\d.])|\b[AaPp][Mm]\b")
_TO_TIME = 4  # words
# An order of day and month that the document does not prove is right this often, by what suggests it.
_SUGGESTED = 0.6
_USUAL = 0.97
_AGREED = 0.9
_RESORT = 0.3
_UNPADDED = re.compile(r"^\d/|/\d/")
_QUALIFIED = 0.6
_CUT = 0.6
_HARDLY, _SURER = 0.7, 0.75
_AT_MARGIN = 1.5  # heights of a letter
_ONE_DIGIT = re.compile(r"\d[./-]")
_PADDED = re.compile(r"^0\d|[./-]0\d[./-]")
_CLOCK = re.compile(r"\d{1,2}[:.]\d{2}")
_HALF_OF_DAY = re.compile(r"(?i)\d ?[ap]\.?m\b")
_BETWEEN = re.compile(
    r"(?i)[\s\d:.,]*(?:[-–—]|to|through|thru|until|till|bis|au|al|a|t/m|tot|do|till|til|tom)[\s\d:.,]*"
)
_LETTERS = re.compile(r"[^\W\d_]{3,}[.:,]*")
_FARTHEST_LABEL = 200.0  # points
_OF_AMERICA = ("USD", "CAD")  # also what a bare "$" is taken for
_COMMONWEALTH = ("AU", "NZ", "SG", "HK")
_OTHERS = ("due_date", "delivery_date", "other_date")
_OTHER_DOCUMENTS = (
    "order_reference",
    "sales_order_reference",
    "despatch_advice_reference",
    "contract_reference",
    "preceding_invoice",
)


class DateFinder:
    """Finds the dates of one document. `currency` is that of the invoice, as it suggests a country; `at` is the country
    (ISO 3166-1) that it comes from, where that is known."""

    def __init__(
        self,
        labelled: LabelledLines,
        pages: Sequence[Page],
        vocabulary: Vocabulary,
        currency: str | None,
        at: str | None = None,
    ) -> None:
        self.at = at
        self.labelled = labelled
        self.pages = pages
        self.vocabulary = vocabulary
        self._languages = Counter(
            label.meaning.language for labels in labelled.labels for label in labels if label.kind != "dated"
        )
        self.day_first, self.order_sure = self._order(currency)
        self._margins = {page.number: min((word.box[0] for word in page.words), default=0.0) for page in pages}
        self._recognized = {page.number for page in pages if page.engine}
        self._parse = date_parser(vocabulary, self.day_first, self.order_sure)

    def parse(self, place: Place) -> Found[date] | None:
        """The date of a place; hardly sure where it may have lost its first digit at the margin of the paper."""
        found = self._parse(place)
        return replace(found, confidence=found.confidence * _CUT) if found and self._may_be_cut(found) else found

    def _may_be_cut(self, found: Found[date]) -> bool:
        first = found.words[0]
        left, top, _, bottom = first.box
        if first.page not in self._recognized or left - self._margins[first.page] > _AT_MARGIN * (bottom - top):
            return False
        longer = (
            next(find_dates(f"{digit}{found.text}", self.vocabulary.months, self.day_first), None) for digit in "123"
        )
        # Where the month is known to come first, "5/9" is not what is left of "15/9".
        return _ONE_DIGIT.match(found.text) is not None and any(
            one is not None and not (one.swapped and self.order_sure >= _USUAL) for one in longer
        )

    def dates(self) -> tuple[Found[date] | None, Found[date] | None, Found[date] | None]:
        """Issue, due and delivery date; None for each that is not printed or too unsure."""
        issue = choose(self.issue_candidates())
        issue = self._or_better(self._confirmed(issue)) if issue else self._unlabelled()
        due_dates = self.due_candidates()
        if issue:
            # What would be due before it was issued is another date (BR-CO-25 has none without a sense).
            due_dates = [found for found in due_dates if found.value >= issue.value]
        delivery = choose(find_labelled(self.labelled, ["delivery_date"], self.parse, 0.96))
        return issue, choose(due_dates), delivery

    def issue_candidates(self) -> list[Found[date]]:
        """Dates that words name as that of the invoice."""
        return [
            *find_labelled(self.labelled, ["issue_date"], self.parse, 0.96),
            *dated_candidates(self.labelled, self.parse),
            *find_labelled(self.labelled, ["generic_date"], self._bare, 0.8),
        ]

    def _or_better(self, issue: Found[date]) -> Found[date]:
        """Where a label is hardly that of the date, as in the heading of a table: what the other dates say, if that is
        surer. Not sure where they are of another day."""
        other = self._unlabelled() if issue.confidence < _HARDLY else None
        if other is None or other.confidence <= issue.confidence:
            return issue
        return other if other.value == issue.value else other.at_most(_SURER)

    def _bare(self, place: Place) -> Found[date] | None:
        """The date of a place, which is hardly that of the invoice where more words say of what it is: "Exp. date",
        "Fecha de caducidad"."""
        found = None if self._tells_of_collection(place.line) else self.parse(place)
        qualified = found is not None and self._is_qualified(found, place.line)
        return replace(found, confidence=found.confidence * _QUALIFIED) if found and qualified else found

    def _is_qualified(self, found: Found[date], number: int) -> bool:
        """Whether words before a date on its line, of which none is a label, say of what it is."""
        line = self.labelled.lines[number]
        labels = [label for label in self.labelled.labels[number] if label.kind != "dated"]
        for index, cell in enumerate(line.cells):
            if found.words[0] not in cell.words and not self._is_label_of(cell, found):
                continue
            taken = {place for label in labels if label.cell == index for place in range(label.first, label.last)}
            named = {
                label.last
                for label in labels
                if label.cell == index
                and label.kind == "other_number"
                and cell.words[label.last - 1].text.endswith(":")
            }
            before: list[str] = []
            for place, word in enumerate(cell.words):
                if word.box[0] >= found.words[0].box[0]:
                    break
                if any(character.isdigit() for character in word.text) or place in named:
                    before = []  # the value of something else: "Till 3 Date 5.6.2018", "Server: Ann 5.6.2018"
                elif place not in taken:
                    before.append(word.text)
            if any(_LETTERS.fullmatch(text) for text in before) and not _is_place(before):
                return True
        return False

    def _is_headed(self, found: Found[date]) -> bool:
        """Whether words that are no label stand left of a date or above it, as "Customer since": in a table, or in a
        document that names other dates so."""
        number = self._line_of(found)
        line, (left, top, _, bottom) = self.labelled.lines[number], found.words[0].box
        names_others = bool(find_labelled(self.labelled, _OTHERS, self._parse))
        beside = [cell for cell in line.cells if names_others and 0 < left - cell.box[2] < _FARTHEST_LABEL]
        above = [
            cell
            for upper in self.labelled.lines[max(number - 2, 0) : number]
            for cell in upper.cells
            if (names_others or (min(len(upper.cells), len(line.cells)) > 1 and not re.search(r"\d", upper.text)))
            and upper.page == line.page
            and abs(cell.box[0] - left) < bottom - top
            and top - cell.box[3] < bottom - top
        ]
        return any(
            all(_LETTERS.fullmatch(word.text) or word.text.islower() for word in cell.words)
            for cell in (*beside[-1:], *above[-1:])
        )

    def _is_label_of(self, cell: Cell, found: Found[date]) -> bool:
        return cell.words[-1].text.endswith(":") and 0 < found.words[0].box[0] - cell.box[2] < _FARTHEST_LABEL

    def due_candidates(self) -> list[Found[date]]:
        """Dates that words name as the day of payment."""
        return find_labelled(self.labelled, ["due_date"], self.parse, 0.96)

    def all(self) -> Iterator[tuple[Found[date], bool]]:
        """Every date of the document, and whether words name it as something else than the date of the invoice."""
        for line in self.labelled.lines:
            for index, cell in enumerate(line.cells):
                dates = list(self._dates_of(cell, line.number))
                spans = [self._is_span(cell, one, other) for one, other in pairwise(dates)]
                for found, before, after in zip(dates, [False, *spans], [*spans, False], strict=False):
                    yield found, before or after or self._is_another(line.number, index, found)

    def _dates_of(self, cell: Cell, number: int) -> Iterator[Found[date]]:
        rest = cell.words
        while rest and (found := self.parse(Place(rest, 1.0, number))):
            yield found
            rest = rest[rest.index(found.words[-1]) + 1 :]

    def _is_span(self, cell: Cell, first: Found[date], last: Found[date]) -> bool:
        """Whether two dates are begin and end of something: "From July 1, 2022 through July 1, 2023"."""
        words = cell.words[cell.words.index(first.words[-1]) + 1 : cell.words.index(last.words[0])]
        between = " ".join(word.text for word in words)
        return first.value < last.value and _BETWEEN.fullmatch(between) is not None

    def _is_another(self, number: int, index: int, found: Found[date]) -> bool:
        """Whether the last label to the left of a date on its line, else one above it, is that of another date."""
        if self._tells_of_collection(number):
            return True
        before = [
            label
            for label in self.labelled.labels[number]
            if label.meaning.group == "labels" and label.box[0] < found.words[0].box[0] and label.kind != "dated"
        ]
        if before:
            return before[-1].kind in _OTHERS or self._is_of_document(before[-1], found)
        left, top, right, bottom = found.words[0].box
        for above in range(number - 1, max(number - 4, -1), -1):
            for label in self.labelled.labels[above]:
                heads = label.kind in (*_OTHERS, *_OTHER_DOCUMENTS) and self.labelled.alone(label)
                if (heads or self._is_of_document(label, found)) and label.box[0] < right and label.box[2] > left:
                    return top - label.box[3] < 2.5 * (bottom - top)
        return False

    def _tells_of_collection(self, number: int) -> bool:
        return any(label.kind == "debited_account" for label in self.labelled.labels[number])

    def _is_of_document(self, label: Label, found: Found[date]) -> bool:
        """Whether a date follows at once, or below, on words for another document: "Ihre Bestellung vom 4.5.2023"."""
        cells = self.labelled.lines[label.line].cells
        between = list(cells[label.cell].words[label.last :])
        beside = [word for cell in cells[label.cell :] for word in cell.words]
        if found.words[0] in beside:
            between = beside[label.last : beside.index(found.words[0])]
        dated = {
            word
            for other in self.labelled.labels[label.line]
            if other.kind == "dated"
            for word in self.labelled.words_of(other)
        }
        # "Till 24.12.2019", but "Offer of 24.12.2019"
        is_document = label.kind in _OTHER_DOCUMENTS or (label.kind == "other_number" and dated & set(between))
        return bool(is_document) and all(word in dated or not key(word.text) for word in between)

    def _confirmed(self, issue: Found[date]) -> Found[date]:
        """Surer, where no other date of the document could be meant, or where the same day is printed once more."""
        mentions = Counter(found.value for found, another in self.all() if not another)
        if issue.confidence < 0.6:
            return issue
        if set(mentions) <= {issue.value}:
            least = 0.97
        elif mentions[issue.value] > 1 or self._has_time(issue):
            least = _AGREED
        else:
            return issue
        engine = min(word.confidence for word in issue.words)
        sure = min(least * min(1.0, engine + 0.02), least)
        parsed = self.parse(Place(issue.words, 1.0, 0))
        ambiguous = parsed.confidence / engine if parsed and engine else 1.0
        return replace(issue, confidence=round(max(issue.confidence, sure * min(ambiguous, 1.0)), 3))

    def _order(self, currency: str | None) -> tuple[bool, float]:
        """Whether the day comes first, and how sure that is, from 1 where the document proves it: by a date that makes
        sense in one order only, or by the same day in another notation."""
        written = all_dates(self.labelled, self.vocabulary, day_first=True)
        certain = {found.value for found in written if found.other is None}
        swapped = [
            found.swapped if found.other is None else found.other in certain
            for found in written
            if found.slashed
            and (
                found.value.day != found.value.month
                if found.other is None
                else (found.value in certain) != (found.other in certain)
            )
        ]
        if swapped:
            return sum(swapped) < len(swapped) / 2, 1.0
        if self.at == "US":
            return False, _USUAL
        language = self._language()
        if language != "en":
            # Nobody who writes one of the other languages puts the month first.
            return self.vocabulary.day_first[language], 1.0 if self._languages[language] >= 3 else _USUAL
        if self.labelled.named("regional_tax") and (currency not in _OF_AMERICA or self.at in _COMMONWEALTH):
            return True, 0.9  # Australia, India, Malaysia, New Zealand, Singapore
        if self._is_european_till(currency):
            return True, _USUAL
        if currency in (None, "USD", "CAD", "GBP", "EUR"):
            # In English, who leaves out zeros mostly writes as Americans do.
            unpadded = self._languages["en"] > 1 and any(_UNPADDED.search(text) for text in self._slashed())
            american = currency == "USD" or unpadded or (currency is None and has_american_phone(self.labelled))
            return self.vocabulary.day_first[language] and not american, _SUGGESTED
        return True, _USUAL

    def _language(self) -> str:
        return self._languages.most_common(1)[0][0] if self._languages else "en"

    def _is_european_till(self, currency: str | None) -> bool:
        """Whether dates are written as tills outside of North America do: with zeros, and with a time of 24 hours. That
        stands beside each where only the currency tells where that is."""
        written = list(self._slashed())
        if not any(map(_PADDED.search, written)) or any(map(_UNPADDED.search, written)):
            return False
        if self.at not in (None, "US", "CA"):
            lines = [line.text for line in self.labelled.lines]
            return any(map(_CLOCK.search, lines)) and not any(map(_HALF_OF_DAY.search, lines))
        lines = [line.text for line in self.labelled.lines if any(text in line.text for text in written)]
        beside = all(_CLOCK.search(text) and not _HALF_OF_DAY.search(text) for text in lines)
        return beside and self.at is None and currency in ("EUR", "GBP")

    def _slashed(self) -> Iterator[str]:
        return (
            cell.text[found.start : found.end]
            for line in self.labelled.lines
            for cell in line.cells
            for found in find_dates(cell.text, self.vocabulary.months)
            if found.slashed
        )

    def _unlabelled(self) -> Found[date] | None:
        """The date that no word names: the only one of the document, or of those with a time beside them, or the only
        one in the upper half of the first page that stands alone or after a place ("Berlin, 24. Januar 2014")."""
        free = [found for found, another in self.all() if not another]
        if not free:
            return self._last_resort()
        values = Counter(found.value for found in free)
        timed = [found for found in free if self._has_time(found)]
        if len(values) == 1:
            # 18-03-19 may be the year first, too; 18.03.19 is not where other languages than English are spoken.
            whole = any(re.search(r"\d{4}", found.text) for found in free) or (
                self._language() != "en" and all("." in found.text for found in free)
            )
            likelihood = 0.96 if whole and timed else 0.9 if timed or len(free) > 1 else 0.87 if whole else 0.75
            if all(self._is_qualified(found, self._line_of(found)) or self._is_headed(found) for found in free):
                likelihood = 0.87 if whole and timed else 0.7
            best = self._printed_again(free)
            return replace(best, confidence=round(best.confidence * likelihood, 3))
        one_timed = len({found.value for found in timed}) == 1
        if one_timed and values[timed[0].value] > 1:
            return replace(timed[0], confidence=timed[0].confidence * _AGREED)
        if at_the_top := self._at_the_top():
            return at_the_top
        if one_timed:
            return replace(timed[0], confidence=timed[0].confidence * 0.75)
        return replace(free[0], confidence=free[0].confidence * 0.4)

    def _printed_again(self, mentions: Sequence[Found[date]]) -> Found[date]:
        """The clearest of several mentions of a day: each says its digits once more, and nothing else."""
        best = max(mentions, key=lambda found: found.confidence)
        clear = [min(word.confidence for word in found.words) for found in mentions]
        if len(mentions) == 1 or not min(clear):
            return best
        digits = best.confidence / min(word.confidence for word in best.words)
        return replace(best, confidence=digits * (1 - prod(1 - one for one in clear)))

    def _last_resort(self) -> Found[date] | None:
        """Hardly sure: the first date that is broken over cells, or that words name as that of printing or the like."""
        broken = (self.parse(Place(line.words, 1.0, line.number)) for line in self.labelled.lines)
        known = {label.line for label in self.labelled.all("due_date", "delivery_date")}
        found = next((found for found in broken if found and self._line_of(found) not in known), None)
        return found and replace(found, confidence=found.confidence * _RESORT)

    def _has_time(self, found: Found[date]) -> bool:
        """Whether a time of day is written in the same word or beside, with no other number between them."""
        words = self.labelled.lines[self._line_of(found)].words
        first, last = words.index(found.words[0]), words.index(found.words[-1])
        if any(_TIME.search(word.text) for word in found.words):
            return True
        for beside in (words[last + 1 : last + 1 + _TO_TIME], words[max(first - _TO_TIME, 0) : first][::-1]):
            for word in beside:
                if _TIME.search(word.text):
                    return True
                if any(map(str.isdigit, word.text)):
                    break
        return False

    def _line_of(self, found: Found[date]) -> int:
        return next(line.number for line in self.labelled.lines if found.words[0] in line.words)

    def _at_the_top(self) -> Found[date] | None:
        found: list[Found[date]] = []
        for line in self.labelled.lines:
            if line.page != self.pages[0].number or line.box[1] > self.pages[0].height / 2:
                break
            for index, cell in enumerate(line.cells):
                value = self.parse(Place(cell.words, 1.0, line.number))
                named = any(label.cell == index for label in self.labelled.labels[line.number])
                if value and not named and cell.words[-1] is value.words[-1] and _after_a_place(cell, value):
                    found.append(value)
        if len({value.value for value in found}) != 1:
            return None
        return replace(found[0], confidence=found[0].confidence * 0.6)


def _is_place(before: Sequence[str]) -> bool:
    """Whether these words are a town and what may follow it: "Berlin, den", "Paris, le"."""
    return len(before) <= 3 and before[0][0].isupper() and any(text.endswith(",") for text in before)


def _after_a_place(cell: Cell, found: Found[date]) -> bool:
    before = cell.words[: -len(found.words)]
    # "Paris, le 24 janvier 2014", "Wien, den ..."
    return len(before) <= 3 and all(
        (word.text[0].isupper() or (index and len(word.text) <= 3)) and not word.text.endswith(":")
        for index, word in enumerate(before)
    )

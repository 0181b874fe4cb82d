"""What the second reader looks at: for each amount of a document the words around it, its place, and how it relates to
the other amounts, as numbers of features.

A feature is a text ("l=summe": the word "summe" stands to its left), and its number the text's hash. Training and
reading both come here, so what changes here needs a new model: `VERSION` says which one fits.
"""

from __future__ import annotations

import re
from bisect import bisect
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from statistics import median
from zlib import crc32

from invoice_pipelines.intake.documents.text_layer.page.labels import LabelledLines
from invoice_pipelines.intake.documents.text_layer.page.vocabulary import key
from invoice_pipelines.intake.documents.text_layer.page.words import Word
from invoice_pipelines.intake.documents.text_layer.totals.amounts import Amount, AmountLine

VERSION = 1
BUCKETS = 1 << 15

_MOST = 120  # candidates of a document: the first and the last
_COMPARED = 60  # amounts whose sums are compared
_LEFT_WORDS = 5
_GRAMS = 18  # letters to the left that are looked at in fours
_FARTHEST_HEADING = 260.0  # points
_LINES_ABOVE = 40
_HIGHEST_SHARE = 0.35  # of tax in a total
_USUAL_RATES = (
    *(2.5, 2.6, 3, 3.7, 3.8, 4, 5, 5.5, 6, 7, 7.7, 8, 8.1, 8.5, 8.875, 9, 9.5, 10, 11, 12, 13, 13.5, 14, 15, 16),
    *(17, 18, 19, 20, 21, 22, 23, 24, 25, 25.5, 27),
)
_HEIGHTS = (0.85, 1.15, 1.45, 2.0)  # as shares of the usual line
_STEPS = (1, 2, 3, 4, 7, 12, 25)
_DIGIT = re.compile(r"\d")


@dataclass(frozen=True, slots=True)
class Candidate:
    """An amount and the numbers of its features, each below BUCKETS."""

    amount: Amount
    features: tuple[int, ...]


def candidates(labelled: LabelledLines, lines: Sequence[AmountLine]) -> list[Candidate]:
    """The amounts of money of a document with what is seen of each, in the order of the document. Costs some fifty
    look-ups for each, and no more for a document of a thousand pages than for one of three."""
    money = [(line, amount) for line in lines for amount in line.amounts if amount.money]
    if len(money) > _MOST:
        money = [*money[: _MOST // 2], *money[-_MOST // 2 :]]
    if not money:
        return []
    relations = _relations([amount for _, amount in money], lines)
    places = _places([amount for _, amount in money], labelled)
    of_line: dict[int, tuple[Sequence[Word], list[str]]] = {}
    found = []
    for (line, amount), related, placed in zip(money, relations, places, strict=True):
        if line.number not in of_line:
            of_line[line.number] = labelled.lines[line.number].words, _around(labelled, line)
        words, around = of_line[line.number]
        texts = (*around, *_beside(labelled, line, amount, words), *_form(amount, line), *related, *placed)
        found.append(Candidate(amount, numbers(texts)))
    return found


def numbers(texts: Iterable[str]) -> tuple[int, ...]:
    """The numbers of features by their texts, each once, in their order."""
    return tuple(dict.fromkeys(map(_number, texts)))


@lru_cache(1 << 15)
def _number(text: str) -> int:
    return crc32(text.encode()) % BUCKETS


@lru_cache(1 << 13)
def _shape(text: str) -> str:
    """The key of a word; digits are all the same, as no number means anything to another document."""
    return _DIGIT.sub("0", key(text))


def _beside(labelled: LabelledLines, line: AmountLine, amount: Amount, printed: Sequence[Word]) -> Iterator[str]:
    """The words to the left, right and above, and what the vocabulary knows of them."""
    left, right = amount.box[0], amount.box[2]
    since = max((other.box[0] for other in line.amounts if other.money and other.box[0] < left), default=-1e9)
    before = [(word.box[0], shape) for word in printed if word.box[0] < left and (shape := _shape(word.text))]
    words = [shape for start, shape in before if start > since]
    for distance, word in enumerate(reversed(words[-_LEFT_WORDS:])):
        yield f"l={word}"
        if distance < 2:
            yield f"l{distance}={word}"
    for _, word in before[:_LEFT_WORDS]:
        yield f"f={word}"
    text = "".join(words)[-_GRAMS:]
    for start in range(len(text) - 3):
        yield f"g={text[start : start + 4]}"
    if len(words) > 1:
        yield f"ll={words[-2]} {words[-1]}"
    for after in [word for word in printed if word.box[0] >= right][:2]:
        yield f"r={_shape(after.text)}"
    labels = [(label.box[0], label.kind) for label in labelled.amounts[line.number] if label.box[0] < left]
    kinds = sorted({kind for start, kind in labels if start >= since})
    yield "k=" + " ".join(kinds)
    yield "kw=" + " ".join(sorted({kind for _, kind in labels}))
    for kind in kinds:
        yield f"k:{kind}"
    yield f"named={bool(words)}"
    yield from _above(labelled, line.number, amount, "" if words else "!")


def _above(labelled: LabelledLines, number: int, amount: Amount, unnamed: str) -> Iterator[str]:
    """The nearest cell without digits above, which may be the heading of a column."""
    left, top, right, _ = amount.box
    for other in range(number - 1, max(number - _LINES_ABOVE, -1), -1):
        above = labelled.lines[other]
        if above.page != amount.page or top - above.box[3] > _FARTHEST_HEADING:
            return
        for index, cell in enumerate(above.cells):
            if cell.box[0] >= right + 4 or cell.box[2] <= left - 4 or len(cell.words) > 6:
                continue
            if any(_DIGIT.search(word.text) for word in cell.words):
                continue
            far = "n" if number - other < 3 else "f"
            for word in cell.words[:4]:
                if shape := _shape(word.text):
                    yield f"a={shape}"
                    yield f"a{far}{unnamed}={shape}"
            for label in labelled.amounts[other]:
                if label.cell == index:
                    yield f"ak={label.kind}"
                    yield f"ak{unnamed}{far}={label.kind}"
            return


def _around(labelled: LabelledLines, line: AmountLine) -> list[str]:
    """What the line holds besides, and what the lines before and after are about."""
    money = sum(amount.money for amount in line.amounts)
    texts = [
        f"money={min(money, 5)}",
        f"plain={min(len(line.amounts) - money, 3)}",
        f"percent={min(len(line.percentages), 2)}",
    ]
    page = labelled.lines[line.number].page
    for step in (-2, -1, 1, 2):
        other = line.number + step
        if not 0 <= other < len(labelled.lines) or labelled.lines[other].page != page:
            texts.append(f"n{step}=end")
            continue
        texts += [f"n{step}:{kind}" for kind in {label.kind: None for label in labelled.amounts[other]}]
        if step in (-1, 1) and (shape := _shape(labelled.lines[other].cells[0].words[0].text)):
            texts.append(f"n{step}={shape}")
    return texts


def _form(amount: Amount, line: AmountLine) -> Iterator[str]:
    yield f"currency={amount.currency is not None}"
    yield f"minus={amount.value < 0}"
    yield f"size={len(str(abs(int(amount.value)))) if abs(amount.value) >= 1 else 0}"
    yield f"zero={amount.value == 0}"
    money = [other for other in line.amounts if other.money]
    place = money.index(amount)
    yield f"of={place}/{min(len(money), 5)}"
    yield f"last={len(money) - 1 - place}"
    if amount.text[-1:].isalpha():
        yield "letter"


def _places(money: Sequence[Amount], labelled: LabelledLines) -> list[list[str]]:
    """Where each stands: on its page, after the other amounts, at the right, in which size of letters."""
    heights: dict[int, list[float]] = {}
    bottoms: dict[int, float] = {}
    rightmost: dict[int, float] = {}
    for line in labelled.lines:
        heights.setdefault(line.page, []).append(line.box[3] - line.box[1])
        bottoms[line.page] = max(bottoms.get(line.page, 1.0), line.box[3])
    middle = {page: max(median(of_page), 1.0) for page, of_page in heights.items()}
    for amount in money:
        rightmost[amount.page] = max(rightmost.get(amount.page, 0.0), amount.box[2])
    first, last = money[0], money[-1]
    span = max(last.line - first.line, 1)
    sizes = [amount.box[3] - amount.box[1] for amount in money]
    largest = max(sizes) if max(sizes) > 1.2 * min(sizes) else float("inf")
    texts = []
    for index, (amount, height) in enumerate(zip(money, sizes, strict=True)):
        page = amount.page
        where = "only" if len(bottoms) == 1 else {first.page: "first", last.page: "last"}.get(page, "other")
        texts.append(
            [
                f"fromlast={_step(len(money) - 1 - index)}",
                f"fromfirst={_step(index)}",
                f"down={int(10 * amount.box[1] / bottoms[page])}",
                f"along={int(6 * (amount.line - first.line) / span)}",
                f"page={where}",
                f"right={rightmost[page] - amount.box[2] < 1.5 * height}",
                f"height={bisect(_HEIGHTS, height / middle[page])}",
                f"largest={height > 0.95 * largest}",
            ]
        )
    return texts


def _step(distance: int) -> int:
    return bisect(_STEPS, distance)


def _relations(money: Sequence[Amount], lines: Sequence[AmountLine]) -> list[list[str]]:
    """How each amount relates to the others: sums, taxes of a rate, cash less change, how often it is printed."""
    cents = [int(amount.value.scaleb(2)) for amount in money]
    times = Counter(cents)
    ranked = sorted({abs(value) for value in cents}, reverse=True)
    order = {value: index for index, value in enumerate(ranked)}
    compared = list(dict.fromkeys(reversed(cents)))[:_COMPARED]
    printed = {float(rate) for line in lines for rate in line.percentages if 0 < rate <= 30}
    of_value: dict[int, set[str]] = {value: set() for value in times}
    _compare(compared, printed, of_value)
    _compare_cash(cents, of_value)
    _compare_runs(money, cents, of_value)
    texts = []
    seen: Counter[int] = Counter()
    for value in cents:
        seen[value] += 1
        place = order[abs(value)]
        related = sorted(of_value[value])
        all_related = "+".join(related)
        texts.append(
            [
                f"rank={place if place < 4 else '4+'}",
                f"times={min(times[value], 4)}",
                f"nth={min(seen[value], 3)}/{min(times[value], 3)}",
                *(f"s:{relation}" for relation in related),
                f"s={all_related}",
                f"rank+s={min(place, 2)}{all_related}",
            ]
        )
    return texts


def _compare(compared: Sequence[int], printed: set[float], of_value: dict[int, set[str]]) -> None:
    """Net + tax = gross; with a rate that is printed, one that is usual, or none."""
    known = set(compared)
    for gross in compared:
        size = abs(gross)
        if not size:
            continue
        for net in compared:
            tax = gross - net
            if not tax or tax not in known or net * gross <= 0 or tax * gross < 0 or abs(tax) > _HIGHEST_SHARE * size:
                continue
            rate = 100 * tax / net
            slack = 100 * 1.5 / abs(net)
            sort = (
                "printed"
                if any(abs(rate - other) <= slack for other in printed)
                else "usual"
                if any(abs(rate - other) <= slack for other in _USUAL_RATES)
                else "any"
            )
            of_value[gross].add(f"gross {sort}")
            of_value[net].add(f"net {sort}")
            of_value[tax].add(f"tax {sort}")
        for rate in printed:
            contained = round(gross * rate / (100 + rate))
            for tax in (contained - 1, contained, contained + 1):
                if tax in known and tax:
                    of_value[gross].add("contains")
                    of_value[tax].add("contained")


def _compare_cash(cents: Sequence[int], of_value: dict[int, set[str]]) -> None:
    """A total before what was handed over and what was given back."""
    for index, total in enumerate(cents):
        for place in range(index + 1, min(index + 7, len(cents))):
            given = cents[place]
            if given > total > 0 and given - total in cents[place + 1 : place + 4]:
                of_value[total].add("cash")
                of_value[given].add("given")
                of_value[given - total].add("back")


def _compare_runs(money: Sequence[Amount], cents: Sequence[int], of_value: dict[int, set[str]]) -> None:
    """The sum of the last amounts of several lines above."""
    column: dict[int, int] = {}
    for amount, value in zip(money, cents, strict=True):
        column[amount.line] = value
    values = list(column.values())
    sums = list(accumulate(values, initial=0))
    for end, value in enumerate(values):
        for until in (end, end - 1, end - 2):
            # values[start:until] for at least two lines
            for start in range(max(until - 40, 0), until - 1):
                if sums[until] - sums[start] == value and value:
                    of_value[value].add("run" if until == end else "run before")

"""Where the phrases of the vocabulary stand on a page, and which words stand where a label's value would.

Not here: what the value is (see `header`) and which of several labels is right (see `fields`, `totals`).
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass

from invoice_pipelines.intake.documents.text_layer.page.layout import Cell, Line, enclosing, read_lines
from invoice_pipelines.intake.documents.text_layer.page.recognized_words import tidied
from invoice_pipelines.intake.documents.text_layer.page.vocabulary import (
    Meaning,
    Vocabulary,
    key,
    vocabulary_of,
)
from invoice_pipelines.intake.documents.text_layer.page.words import Box, Page, Word

_MOST_WORDS = 7
_LONGEST_TITLE = 4  # words

# Phrases of these groups compete for the same words; columns and amounts are read apart, since "Summe" may be either.
_FAMILY = {"labels": 0, "titles": 0, "amounts": 1, "columns": 2, "other_titles": 3}

# How far a value may be from its label: to the right in points, below in heights of the label.
_FARTHEST_RIGHT = 330.0
_FARTHEST_BELOW = 3.2
_LINES_BELOW = 8


@dataclass(frozen=True, slots=True)
class Label:
    """A phrase of the vocabulary on a page: words `first` to `last` (exclusive) of a cell of a line.

    `ending` is True where a word only ends like a title ("Baurechnung").
    """

    meaning: Meaning
    line: int
    cell: int
    first: int
    last: int
    box: Box
    ending: bool = False

    @property
    def kind(self) -> str:
        return self.meaning.kind


@dataclass(frozen=True, slots=True)
class Place:
    """Words that stand where the value of a label is expected. `likelihood` is 0 to 1: how usual such a place is."""

    words: tuple[Word, ...]
    likelihood: float
    line: int


@dataclass(frozen=True)
class LabelledLines:
    """The lines of a document and, for each of them, the labels of each group from left to right."""

    lines: Sequence[Line]
    labels: Sequence[tuple[Label, ...]]
    amounts: Sequence[tuple[Label, ...]]
    columns: Sequence[tuple[Label, ...]]
    other_titles: Sequence[tuple[Label, ...]]

    def all(self, *kinds: str) -> Iterator[Label]:
        """The labels of these kinds in the order of the document."""
        for labels in self.labels:
            for label in labels:
                if label.meaning.group == "labels" and label.kind in kinds:
                    yield label

    def titles(self) -> list[Label]:
        """The titles of the document, such as "Invoice"."""
        return [label for labels in self.labels for label in labels if label.meaning.group == "titles"]

    def words_of(self, label: Label) -> tuple[Word, ...]:
        """The words that make up the label."""
        return self.lines[label.line].cells[label.cell].words[label.first : label.last]

    def named(self, kind: str) -> bool:
        """Whether any amount is named by words of this kind."""
        return any(label.kind == kind for labels in self.amounts for label in labels)

    def places(self, label: Label) -> Iterator[Place]:
        """Where the value of a label may stand, the most usual place first: right of it, then below it."""
        yield from self.right_of(label)
        yield from self.below(label)

    def right_of(self, label: Label) -> Iterator[Place]:
        """The rest of the label's cell and the next cell to the right, each up to the next label."""
        cells = self.lines[label.line].cells
        starts = {(other.cell, other.first) for other in self.labels[label.line] if other.kind != "dated"}
        rest = _until_label(cells[label.cell], label.last, label.cell, starts)
        # "Račun / Bill" says in another language what the label says.
        said_again = bool(rest) and rest[0].text == "/" and not any(map(str.isdigit, "".join(w.text for w in rest)))
        if any(key(word.text) for word in rest) and not said_again:
            yield Place(rest, 1.0, label.line)
            return
        if (label.cell, label.last + len(rest)) in starts:
            return
        for index in range(label.cell + 1, min(label.cell + 3, len(cells))):
            if cells[index].box[0] - label.box[2] > _FARTHEST_RIGHT:
                return
            words = _until_label(cells[index], 0, index, starts)
            if any(key(word.text) for word in words):
                yield Place(words, 1.0, label.line)
                return
            if (index, len(words)) in starts:
                return

    def below(self, label: Label) -> Iterator[Place]:
        """The cells under the label, until one that begins with a label."""
        line = self.lines[label.line]
        # A label that is a whole cell heads its column; one inside of a sentence heads nothing.
        if label.first > 0 and not self.alone(label):
            return
        height = label.box[3] - label.box[1]
        for number in range(label.line + 1, min(label.line + _LINES_BELOW, len(self.lines))):
            lower = self.lines[number]
            if lower.page != line.page or lower.box[1] - label.box[3] > _FARTHEST_BELOW * height:
                return
            for index, cell in enumerate(lower.cells):
                if cell.box[0] < label.box[2] + 0.3 * height and cell.box[2] > label.box[0] - 0.3 * height:
                    if any(
                        other.cell == index and other.first == 0 and not other.ending for other in self.labels[number]
                    ):
                        return
                    likelihood = 0.85 if abs(cell.box[0] - label.box[0]) < 4 * height else 0.6
                    yield Place(cell.words, likelihood, number)
                    if likelihood > 0.8:
                        return

    def alone(self, label: Label) -> bool:
        """Whether the label is all that its cell holds."""
        cell = self.lines[label.line].cells[label.cell]
        rest = [*cell.words[: label.first], *cell.words[label.last :]]
        return not any(key(word.text) for word in rest)


def labelled_lines(pages: Sequence[Page], vocabulary: Vocabulary | None = None) -> tuple[LabelledLines, Vocabulary]:
    """The lines of these pages with their labels, and the vocabulary that they were looked up in: for a part of a
    document that of the whole, without one that of the languages which these pages are in."""
    pages = tidied(pages)
    vocabulary = vocabulary or vocabulary_of(word.text for page in pages for word in page.words)
    recognized = {page.number for page in pages if page.engine}
    return find_labels(read_lines(pages), vocabulary, recognized), vocabulary


def find_labels(
    lines: Sequence[Line], vocabulary: Vocabulary, recognized: Container[int] = frozenset()
) -> LabelledLines:
    """Every phrase of the vocabulary in these lines. Costs a few look-ups per word. `recognized` are the numbers of
    the pages whose letters may have been misread."""
    families: tuple[list[tuple[Label, ...]], ...] = ([], [], [], [])
    for line in lines:
        found: tuple[list[Label], ...] = ([], [], [], [])
        for index, cell in enumerate(line.cells):
            keys = [key(word.text) for word in cell.words]
            if line.page in recognized:
                keys = [vocabulary.spelled(known) for known in keys]
                if titles := _misread_title(keys, vocabulary):
                    for meaning in titles:
                        whole = Label(meaning, line.number, index, 0, len(cell.words), cell.box)
                        found[_FAMILY[meaning.group]].append(whole)
                    continue
            for label in _find_in_cell(cell, keys, line.number, index, vocabulary):
                found[_FAMILY[label.meaning.group]].append(label)
        for family, of_line in zip(families, found, strict=True):
            family.append(tuple(of_line))
    return LabelledLines(lines, *families)


def _misread_title(keys: Sequence[str], vocabulary: Vocabulary) -> Sequence[Meaning]:
    """The meanings of the title that is all of a cell, with one letter misread; none without."""
    joined = "".join(keys)
    if len(keys) > _LONGEST_TITLE or joined in vocabulary.phrases or joined in vocabulary.languages:
        return ()
    return vocabulary.title_like(joined)


def _find_in_cell(cell: Cell, keys: Sequence[str], line: int, index: int, vocabulary: Vocabulary) -> Iterator[Label]:
    free = [0, 0, 0, 0]  # up to which word each family is taken
    for first, start in enumerate(keys):
        if not start:
            continue
        longest: dict[int, tuple[int, tuple[Meaning, ...]]] = {}
        text = ""
        for last in range(first, min(first + _MOST_WORDS, len(keys))):
            text += keys[last]
            if len(text) > vocabulary.longest:
                break
            if not keys[last]:
                continue
            for meaning in vocabulary.phrases.get(text, ()):
                family = _FAMILY[meaning.group]
                end, meanings = longest.get(family, (0, ()))
                longest[family] = (last + 1, (*meanings, meaning) if end == last + 1 else (meaning,))
        ending = False
        if 0 not in longest:
            for title, meaning in vocabulary.title_endings.items():
                if start.endswith(title):
                    longest[0] = (first + 1, (meaning,))
                    ending = True
        for family, (last, meanings) in longest.items():
            if first >= free[family]:
                free[family] = last
                box = enclosing(word.box for word in cell.words[first:last])
                for meaning in meanings:
                    yield Label(meaning, line, index, first, last, box, ending)


def _until_label(cell: Cell, first: int, index: int, starts: set[tuple[int, int]]) -> tuple[Word, ...]:
    end = next((place for place in range(first, len(cell.words)) if (index, place) in starts), None)
    return cell.words[first:end]

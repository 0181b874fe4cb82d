"""From an annotation of Cloud Vision to words with boxes: breaks, confidence, turned and skewed pages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
from google.cloud.vision_v1 import TextAnnotation
from hypothesis import given, settings
from hypothesis import strategies as st

from invoice_pipelines.intake.documents.ocr.engine import RecognizedPage, RecognizedWord
from invoice_pipelines.intake.documents.ocr.vision.words import turned, words_of
from invoice_pipelines.workshop.sandbox.vision_answers import answer_of
from invoice_pipelines_tests.support.sizes import example_count

WIDTH, HEIGHT = 1000, 1400
SPACE, HYPHEN, LINE_BREAK = 1, 4, 5

Corners = list[tuple[float, float]]


def box(left: float, top: float, right: float, bottom: float) -> Corners:
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def annotation(*paragraphs: Sequence[tuple[str, Corners | None, int]], confidence: float = 0.9) -> Any:
    """An annotation of these paragraphs of words: text, corners, and the break after the last symbol."""
    made = TextAnnotation.pb()()
    page = made.pages.add(width=WIDTH, height=HEIGHT)
    for words in paragraphs:
        paragraph = page.blocks.add().paragraphs.add()
        for text, corners, ends_with in words:
            add_word(paragraph, text, corners, ends_with, confidence)
    return made


def add_word(paragraph: Any, text: str, corners: Corners | None, ends_with: int = 0, confidence: float = 0.9) -> Any:
    word = paragraph.words.add(confidence=confidence)
    for x, y in corners or []:
        word.bounding_box.vertices.add(x=round(x), y=round(y))
    for character in text:
        word.symbols.add(text=character)
    if ends_with:
        word.symbols[-1].property.detected_break.type_ = ends_with
    return word


def read(made: Any) -> list[str]:
    return [word.text for word in words_of(made, WIDTH, HEIGHT)[0]]


ONE, TWO = box(0, 0, 40, 20), box(50, 0, 90, 20)


def test_parts_without_a_blank_between_are_one_word_no_surer_than_its_least_sure_part() -> None:
    made = annotation([("12.345,60", box(100, 100, 200, 120), 0), ("€", box(201, 98, 212, 122), SPACE)])
    add_word(made.pages[0].blocks[0].paragraphs[0], "netto", box(230, 100, 280, 120), LINE_BREAK)
    made.pages[0].blocks[0].paragraphs[0].words[1].confidence = 0.7
    words, turns = words_of(made, WIDTH, HEIGHT)
    assert turns == 0
    assert [(word.text, word.box) for word in words] == [
        ("12.345,60€", (100, 98, 212, 122)),
        ("netto", (230, 100, 280, 120)),
    ]
    assert words[0].confidence == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("paragraphs", "expected"),
    [
        ([], []),
        ([[("eins", ONE, 0)], [("zwei", TWO, 0)]], ["eins", "zwei"]),
        # The hyphen at the end of a line stands on the page.
        ([[("Rech", ONE, HYPHEN), ("nung", TWO, LINE_BREAK)]], ["Rech-", "nung"]),
        ([[("Rech-", ONE, HYPHEN), ("nung", TWO, LINE_BREAK)]], ["Rech-", "nung"]),
        *(([[("eins", ONE, kind), ("zwei", TWO, 0)]], ["eins", "zwei"]) for kind in (SPACE, 2, 3, LINE_BREAK)),
    ],
)
def test_a_word_ends_at_a_break_and_with_its_paragraph(paragraphs: list[Any], expected: list[str]) -> None:
    assert read(annotation(*paragraphs)) == expected


@pytest.mark.parametrize("is_prefix", [False, True])
def test_a_blank_within_a_word_parts_it_at_its_symbols(is_prefix: bool) -> None:
    made = annotation([("abc", box(0, 0, 60, 20), 0)])
    (word,) = made.pages[0].blocks[0].paragraphs[0].words
    for index, symbol in enumerate(word.symbols):
        for x, y in box(index * 20, 0, index * 20 + 20, 20):
            symbol.bounding_box.vertices.add(x=x, y=y)
    mark = word.symbols[1 if is_prefix else 0].property.detected_break
    mark.type_, mark.is_prefix = SPACE, is_prefix
    words, _ = words_of(made, WIDTH, HEIGHT)
    assert [(word.text, word.box) for word in words] == [("a", (0, 0, 20, 20)), ("bc", (20, 0, 60, 20))]


def test_a_break_may_stand_on_the_word_instead_of_its_last_symbol() -> None:
    made = annotation([("eins", ONE, 0), ("zwei", TWO, 0)])
    made.pages[0].blocks[0].paragraphs[0].words[0].property.detected_break.type_ = SPACE
    assert read(made) == ["eins", "zwei"]


def test_where_a_word_has_no_confidence_the_nearest_that_is_known_counts() -> None:
    made = annotation([("ab", ONE, SPACE), ("cd", TWO, SPACE)], confidence=0)
    paragraph = made.pages[0].blocks[0].paragraphs[0]
    by_symbols = paragraph.words[0]
    by_symbols.symbols[0].confidence, by_symbols.symbols[1].confidence = 0.5, 0.75
    assert [word.confidence for word in words_of(made, WIDTH, HEIGHT)[0]] == [0.625, 0.0]
    made.pages[0].confidence = 0.25
    assert words_of(made, WIDTH, HEIGHT)[0][1].confidence == 0.25
    paragraph.confidence = 0.5
    assert words_of(made, WIDTH, HEIGHT)[0][1].confidence == 0.5


@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0, 7.0])
def test_confidence_is_from_0_to_1_whatever_is_sent(value: float) -> None:
    assert 0.0 <= words_of(annotation([("a", ONE, 0)], confidence=value), WIDTH, HEIGHT)[0][0].confidence <= 1.0


def test_a_word_without_a_place_has_that_of_what_it_stands_in() -> None:
    made = annotation([("ab", None, SPACE)])
    assert words_of(made, WIDTH, HEIGHT)[0][0].box == (0, 0, WIDTH, HEIGHT)
    for x, y in box(10, 20, 30, 40):
        made.pages[0].blocks[0].paragraphs[0].bounding_box.vertices.add(x=x, y=y)
    assert words_of(made, WIDTH, HEIGHT)[0][0].box == (10, 20, 30, 40)


@pytest.mark.parametrize(
    ("corners", "turns", "expected"),
    [
        (box(-5, -7, WIDTH + 9, HEIGHT + 9), 0, (0, 0, WIDTH, HEIGHT)),
        # Turned by 180 degrees, corners 2 and 3 are above, 1 and 0 below, as google.cloud.vision.v1.Word draws it.
        (
            [(300, 120), (200, 120), (200, 100), (300, 100)],
            2,
            (WIDTH - 300, HEIGHT - 120, WIDTH - 200, HEIGHT - 100),
        ),
        # The upright page is 1400 x 1000.
        ([(120, 200), (120, 300), (100, 300), (100, 200)], 3, (200, WIDTH - 120, 300, WIDTH - 100)),
    ],
    ids=["beyond the page", "on its head", "downwards"],
)
def test_corners_are_brought_upright_and_to_the_edge_of_the_page(
    corners: Corners, turns: int, expected: tuple[int, ...]
) -> None:
    (word,), found = words_of(annotation([("Kopf", corners, 0)]), WIDTH, HEIGHT)
    assert (found, word.box) == (turns, expected)


def test_most_characters_say_how_the_page_lies() -> None:
    made = annotation([("Rechnung", box(100, 100, 200, 120), SPACE)])
    for row in range(3):
        upwards = [(20.0, 200.0 + row), (20, 180 + row), (40, 180 + row), (40, 200 + row)]
        add_word(made.pages[0].blocks[0].paragraphs[0], "HR", upwards, SPACE)
    assert words_of(made, WIDTH, HEIGHT)[1] == 0


@pytest.mark.parametrize("degrees", [-6.0, 0.7])
@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_words_of_a_skewed_row_are_level(degrees: float, turns: int) -> None:
    angle = math.radians(degrees)
    upright = (WIDTH, HEIGHT) if turns % 2 == 0 else (HEIGHT, WIDTH)
    made = annotation([])
    paragraph = made.pages[0].blocks[0].paragraphs[0]
    for column in range(6):
        corners = []
        for x, y in box(120 + 120 * column, 500, 220 + 120 * column, 520):
            dx, dy = x - upright[0] / 2, y - upright[1] / 2
            skewed = (
                dx * math.cos(angle) - dy * math.sin(angle) + upright[0] / 2,
                dx * math.sin(angle) + dy * math.cos(angle) + upright[1] / 2,
            )
            corners.append(turned(skewed, -turns % 4, *upright))
        add_word(paragraph, "Betrag", corners, SPACE)
    words, found = words_of(made, WIDTH, HEIGHT)
    assert found == turns
    for column, word in enumerate(words):
        assert word.box == pytest.approx((120 + 120 * column, 500, 220 + 120 * column, 520), abs=4)


signs = st.characters(exclude_categories=["C", "Z"], exclude_characters="\u200b")


@st.composite
def pages(draw: st.DrawFn) -> RecognizedPage:
    """Rows of words with blanks between them on a page that lies somehow."""
    words = []
    for row in range(draw(st.integers(1, 6))):
        left = draw(st.integers(10, 60))
        for text in draw(st.lists(st.text(signs, min_size=1, max_size=9), min_size=1, max_size=5)):
            right = left + 14 * len(text) + draw(st.integers(4, 20))
            top = 40 * row + 10
            words.append(RecognizedWord(text, (left, top, right, top + 24), draw(st.floats(0.125, 1.0, width=32))))
            left = right + draw(st.integers(8, 40))
    return RecognizedPage(tuple(words), 1100, 700, draw(st.integers(0, 3)))


@settings(max_examples=example_count(150))
@given(pages())
def test_what_stands_on_a_page_comes_back_from_the_service_however_the_page_lies(page: RecognizedPage) -> None:
    size = (1100, 700) if page.quarter_turns % 2 == 0 else (700, 1100)
    words, turns = words_of(answer_of(page, size).full_text_annotation, *size)
    assert turns == page.quarter_turns
    assert [word.text for word in words] == [word.text for word in page.words]
    for word, original in zip(words, page.words, strict=True):
        assert word.box == pytest.approx(original.box, abs=1.0)
        assert word.confidence == pytest.approx(original.confidence)


corner = st.tuples(st.integers(-(2**31), 2**31 - 1), st.integers(-(2**31), 2**31 - 1))


@settings(max_examples=example_count(150))
@given(
    st.lists(
        st.tuples(st.text(max_size=6), st.lists(corner, max_size=6), st.integers(0, 5), st.floats(width=32)), max_size=8
    )
)
def test_whatever_is_sent_words_have_no_blanks_and_boxes_lie_on_the_page(words: list[Any]) -> None:
    made = annotation([])
    paragraph = made.pages[0].blocks[0].paragraphs[0]
    for text, corners, ends_with, confidence in words:
        add_word(paragraph, text, corners, ends_with if text else 0, confidence)
    found, turns = words_of(made, WIDTH, HEIGHT)
    width, height = (WIDTH, HEIGHT) if turns % 2 == 0 else (HEIGHT, WIDTH)
    for word in found:
        assert word.text
        assert word.text.split() == [word.text]
        assert 0 <= word.box[0] <= word.box[2] <= width
        assert 0 <= word.box[1] <= word.box[3] <= height
        assert 0.0 <= word.confidence <= 1.0
    said = "".join("".join(text.split()) for text, *_ in words)
    assert "".join(word.text for word in found).replace("-", "") == said.replace("-", ""), "no character is lost"

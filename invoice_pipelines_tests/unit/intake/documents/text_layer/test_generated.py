"""No words at all make the reader fail, or take long."""

from __future__ import annotations

import contextlib
import time

from hypothesis import given, settings
from hypothesis import strategies as st

from invoice_pipelines.einvoice.errors import ReadingError
from invoice_pipelines.intake.documents.text_layer import find_fields
from invoice_pipelines.intake.documents.text_layer.page.words import Page, Word
from invoice_pipelines_tests.support.intake.documents.text_layer.drawing import words_of
from invoice_pipelines_tests.support.sizes import example_count
from invoice_pipelines_tests.unit.intake.documents.text_layer.wordings import WORDINGS

LABELS = [
    label
    for wording in WORDINGS.values()
    for label in (*wording.number, *wording.issued, *wording.net, *wording.tax, *wording.gross)
]

fragments = st.one_of(
    st.text(min_size=1, max_size=12).filter(lambda text: bool(text.split())),
    st.sampled_from(LABELS),
    st.sampled_from(
        ["19 %", "1.234,56", "100.00", "DE136695976", "IBAN", "€", "05.06.2018", "Summe", ":", "#", "-", "("]
    ),
)
places = st.floats(min_value=-50, max_value=900, allow_nan=False)


@settings(max_examples=example_count(200))
@given(st.lists(st.tuples(fragments, places, places, st.integers(1, 3)), max_size=60))
def test_no_words_make_the_reader_fail(content: list[tuple[str, float, float, int]]) -> None:
    words = [word for text, left, top, page in content for word in words_of(text, left, top, page)]
    pages = [Page(number, 595, 842, tuple(word for word in words if word.page == number)) for number in (1, 2, 3)]
    # A page of nonsense may be refused, but in no other way than by a ReadingError.
    with contextlib.suppress(ReadingError):
        reading = find_fields(pages)
        assert all(0 <= found.confidence <= 1 for found in reading.provenance.values())


def test_the_cost_grows_with_the_number_of_pages_and_no_faster() -> None:
    def page(number: int) -> Page:
        words = words_of("Rechnung Nr. 17", 60, 20, number)
        for row in range(64):
            words += words_of(
                f"Artikel {row} netto {row},50 19 % {row * 7},00 MwSt {row},95", 40, 40 + 12 * row, number
            )
        return Page(number, 595, 842, tuple(words))

    def seconds(count: int) -> float:
        pages = [page(number) for number in range(1, count + 1)]
        start = time.process_time()
        find_fields(pages)
        return time.process_time() - start

    assert seconds(12) / 12 < 3 * min(seconds(3), seconds(3)) / 3


def test_a_page_made_to_be_slow_is_not() -> None:
    rows = {
        "amounts": "1.234,56 " * 5_000,
        "labels": "Rechnung Nr. Summe MwSt Netto " * 2_000,
        "digits": "1" * 50_000 + " 1.111" * 3_000,
        "groups": "1" + ".111" * 30_000 + "x",
        "capitals": "DE12 " * 5_000 + "A" * 30_000,
    }
    for text in rows.values():
        words = [Word(part, (10.0 + index, 10, 10.5 + index, 20), 1) for index, part in enumerate(text.split())]
        start = time.process_time()
        with contextlib.suppress(ReadingError):
            find_fields([Page(1, 595, 842, tuple(words))])
        assert time.process_time() - start < 5

"""Bad scans of real invoices are read nearly as well as their text layers: one document of each seller of the corpus,
rendered at 200 dpi, made worse, and recognized by the embedded engine.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

import pytest

from invoice_pipelines.intake.documents.text_layer import find_fields, read_text_layer
from invoice_pipelines.intake.documents.text_layer.page.words import Page, Word
from invoice_pipelines.intake.reading import Reading
from invoice_pipelines_tests.support.sizes import only_at_full_size, size
from invoice_pipelines_tests.unit.intake.documents.text_layer.test_corpus import CORPUS, EXPECTED, FIELDS, is_right

pytestmark = [
    pytest.mark.corpus,
    pytest.mark.slow,
    only_at_full_size,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not EXPECTED.exists(), reason="the shared corpus of real documents is not there"),
]
MOST_POINTS_LESS = 0.04
MOST_PAGES = 6


def one_of_each_seller() -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in EXPECTED.read_text(encoding="utf-8").splitlines()]
    chosen: dict[str, dict[str, Any]] = {}
    for row in sorted(rows, key=lambda row: (row["pages"], row["file"])):
        if row["pages"] <= MOST_PAGES:
            chosen.setdefault(row["seller"], row)
    return list(chosen.values())


def recognized(data: bytes, pages: int, seed: int) -> list[Page]:
    """The pages of a PDF as the engine reads them from a bad scan, in points."""
    from invoice_pipelines.intake.documents.limits import Limits
    from invoice_pipelines.intake.documents.ocr.engine import EngineSpec, PageImage, RecognizedPage
    from invoice_pipelines.intake.documents.ocr.engines import open_engine
    from invoice_pipelines.intake.documents.ocr.rendering import render_pages
    from invoice_pipelines_tests.unit.intake.documents.ocr.degrade import as_bad_scan

    engine = open_engine(EngineSpec("rapidocr", threads=2))
    result = []
    for number, picture in enumerate(render_pages(data, range(1, pages + 1), Limits()), start=1):
        scan = PageImage(as_bad_scan(picture.image, seed + number), 200.0)
        (read,) = engine.recognize([scan])
        assert isinstance(read, RecognizedPage)
        points = 72 / 200
        words = []
        for word in read.words:
            left, top, right, bottom = (round(value * points, 2) for value in word.box)
            words.append(Word(word.text, (left, top, right, bottom), number, word.confidence))
        result.append(Page(number, read.width * points, read.height * points, tuple(words), engine="rapidocr"))
    return result


def test_fields_of_bad_scans_are_at_most_four_points_below_those_of_the_text_layer() -> None:
    scores: dict[tuple[str, str], list[bool]] = defaultdict(list)
    sure_and_wrong = []
    for seed, row in enumerate(one_of_each_seller()[: size(4, 1000)]):
        data = (CORPUS / row["file"]).read_bytes()
        readings: dict[str, Reading] = {
            "text": read_text_layer(data),
            "scan": find_fields(recognized(data, row["pages"], 100 * seed)),
        }
        for source, reading in readings.items():
            for field, path in FIELDS.items():
                if not row["in_text"][field]:
                    continue
                right = is_right(field, row, reading)
                scores[source, field].append(right)
                if not right and path in reading.provenance and reading.provenance[path].confidence >= 0.95:
                    sure_and_wrong.append((row["file"], source, field))
    reached = {key: sum(rights) / len(rights) for key, rights in scores.items()}
    print(reached)
    below = {
        field: (reached["text", field], reached["scan", field])
        for field in FIELDS
        if reached["scan", field] < reached["text", field] - MOST_POINTS_LESS
    }
    assert below == {}
    assert sure_and_wrong == []

"""An OCR engine that does as it is told, and documents with and without pages for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext

import pytest

from invoice_pipelines.intake.documents.ocr import recognizer
from invoice_pipelines.intake.documents.ocr.engine import EngineUnavailable, RecognizedPage, RecognizedWord
from invoice_pipelines_tests.integration.defs.conftest import EXAMPLES

SCAN = EXAMPLES / "maple-ridge" / "SCAN_20260309_0931.pdf"
PDF = EXAMPLES / "nordwind-handel" / "Hansekontor_Rechnung_2026-3381.pdf"
NEXT_PDF = EXAMPLES / "harbour-and-hill" / "Invoice LC-20871.pdf"


class OcrEngine:
    """Stands where the engine stands."""

    def __init__(self) -> None:
        self.asked = 0
        self.is_away = False

    def recognize(self, images: Iterator[object]) -> Iterator[RecognizedPage]:
        for _ in images:
            if self.is_away:
                raise EngineUnavailable("The service is down; try later.")
            self.asked += 1
            yield RecognizedPage((RecognizedWord("Rechnung", (10, 10, 90, 30), 0.9),), 1240, 1754)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> OcrEngine:
    engine = OcrEngine()
    monkeypatch.setattr(recognizer, "open_recognizer", lambda *_: nullcontext(engine))
    return engine

"""Holds text recognition for reading files at once, without a database and without keeping anything."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from invoice_pipelines.intake.ocr.engine import EngineSpec
from invoice_pipelines.intake.readers.aids import NO_AIDS, Aids

if TYPE_CHECKING:
    from invoice_pipelines.intake.ocr.engine import PageImage
    from invoice_pipelines.intake.ocr.recognizer import Recognizer
    from invoice_pipelines.intake.readers.text_layer.words import Page


class RecognizersOfThreads:
    """Aids for readers in several threads. Each thread gets a recognizer of one process when its first page needs it;
    all end when the block is left."""

    def __init__(self, spec: EngineSpec | None) -> None:
        self._spec = spec
        self._open = ExitStack()
        self._opening = threading.Lock()
        self._of_thread = threading.local()

    def __enter__(self) -> RecognizersOfThreads:
        return self

    def __exit__(self, *exception: object) -> None:
        self._open.close()

    def aids(self) -> Aids:
        """What a reader in this thread may use."""
        return NO_AIDS if self._spec is None else Aids(recognize=self._recognize)

    def _recognize(self, images: Iterator[tuple[int, PageImage]]) -> Sequence[Page]:
        from invoice_pipelines.intake.ocr.engines import identify
        from invoice_pipelines.intake.recognizing import pages_read_now

        assert self._spec is not None
        return pages_read_now(self._recognizer(self._spec), identify(self._spec))(images)

    def _recognizer(self, spec: EngineSpec) -> Recognizer:
        from invoice_pipelines.intake.ocr.recognizer import open_recognizer

        if not hasattr(self._of_thread, "recognizer"):
            with self._opening:
                self._of_thread.recognizer = self._open.enter_context(open_recognizer(spec, 1))
        recognizer: Recognizer = self._of_thread.recognizer
        return recognizer

"""Text recognition for reading files at once, without a database and without keeping anything.

What the stages recognize is kept page by page: see `recognizing`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from invoice_pipelines.intake.documents.aids import NO_AIDS, Aids
from invoice_pipelines.intake.documents.ocr.engine import EngineSpec

if TYPE_CHECKING:
    from invoice_pipelines.intake.documents.ocr.engine import PageImage
    from invoice_pipelines.intake.documents.ocr.recognizer import Recognizer
    from invoice_pipelines.intake.documents.text_layer.page.words import Page


class SharedRecognizer:
    """Aids for readers in several threads, which share one recognizer.

    It is opened with the first page that needs it, with at most `processes` processes of an embedded engine, and
    closed when the block is left. One for all threads, because all pools of a machine share its places: a pool per
    thread would leave the second thread without one until the first thread has read its last file.
    """

    def __init__(self, spec: EngineSpec | None, processes: int) -> None:
        self._spec = spec
        self._processes = processes
        self._open = ExitStack()
        self._opening = threading.Lock()
        self._recognizer: Recognizer | None = None

    def __enter__(self) -> SharedRecognizer:
        return self

    def __exit__(self, *exception: object) -> None:
        self._open.close()

    def aids(self) -> Aids:
        """What readers may use, in any thread."""
        return NO_AIDS if self._spec is None else Aids(recognize=self._recognize)

    def _recognize(self, images: Iterator[tuple[int, PageImage]]) -> Sequence[Page]:
        from invoice_pipelines.intake.documents.ocr.engines import identify
        from invoice_pipelines.intake.stages.recognizing import pages_read_now

        assert self._spec is not None
        return pages_read_now(self._opened(self._spec), identify(self._spec))(images)

    def _opened(self, spec: EngineSpec) -> Recognizer:
        from invoice_pipelines.intake.documents.ocr.recognizer import open_recognizer

        with self._opening:
            if self._recognizer is None:
                self._recognizer = self._open.enter_context(open_recognizer(spec, self._processes))
            return self._recognizer

"""How pictures of pages get to an engine: an embedded one in processes of its own, a service from here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Protocol

from invoice_pipelines.intake.documents.ocr.engine import Engine, EngineSpec, PageError, PageImage, RecognizedPage

_SENT_AT_ONCE = 16
"""Pictures in one request to a service; Cloud Vision takes no more."""


class Recognizer(Protocol):
    """Reads pictures of pages."""

    def recognize(self, images: Iterable[PageImage]) -> Iterator[RecognizedPage | PageError]:
        """One result per picture, in their order, as they come; takes few pictures ahead. Raises EngineUnavailable."""
        ...


@contextmanager
def open_recognizer(spec: EngineSpec, processes: int) -> Iterator[Recognizer]:
    """The recognizer of an engine, for as long as there are pages. Raises EngineUnavailable."""
    from invoice_pipelines.intake.documents.ocr.engines import engine_class, open_engine
    from invoice_pipelines.intake.documents.ocr.pool import OcrPool

    if engine_class(spec.name).is_service:
        yield _Service(open_engine(spec))
    else:
        with OcrPool(spec, processes) as pool:
            yield pool


class _Service:
    """Sends pictures to a service, and hands on each answer before it sends more."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def recognize(self, images: Iterable[PageImage]) -> Iterator[RecognizedPage | PageError]:
        waiting = iter(images)
        while batch := list(islice(waiting, _SENT_AT_ONCE)):
            yield from self._engine.recognize(batch)

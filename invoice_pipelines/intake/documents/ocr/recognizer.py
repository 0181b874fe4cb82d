"""Sends pictures of pages to an engine: an embedded one has processes of its own, a service is called from here."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import cached_property
from itertools import chain, islice
from threading import Lock

from invoice_pipelines.intake.documents.ocr.engine import (
    Engine,
    EngineIdentity,
    EngineSpec,
    PageError,
    PageImage,
    RecognizedPage,
)
from invoice_pipelines.intake.documents.ocr.engines import engine_class, identify, open_engine
from invoice_pipelines.intake.documents.ocr.pool import OcrPool

_SENT_AT_ONCE = 16
"""Pictures in one request to a service; Cloud Vision takes no more."""


@contextmanager
def open_recognizer(spec: EngineSpec, processes: int) -> Iterator[OcrPool | _Service]:
    """The recognizer of an engine, for as long as there are pages. Raises EngineUnavailable."""
    if engine_class(spec.name).is_service:
        yield _Service(open_engine(spec))
    elif _keeping:
        with _kept_pool(spec, processes) as pool:
            yield pool
    else:
        with OcrPool(spec, processes) as pool:
            yield pool


def keep_engines() -> None:
    """Lets this process, and those that are forked from it, keep the embedded engine they used last for the next time:
    to load one takes longer than to read a page. Its processes end after a while without work, or as soon as somebody
    else on this machine wants their place.
    """
    global _keeping
    _keeping = True


@contextmanager
def _kept_pool(spec: EngineSpec, processes: int) -> Iterator[OcrPool]:
    """A pool that nobody else uses now, and that is kept at the end; another one that was kept ends with it."""
    with _lock:
        found = _kept.pop((spec, processes), None)
    if found is not None and found.owner == os.getpid():
        pool = found
        pool.wake()
    else:
        pool = OcrPool(spec, processes)
    try:
        yield pool
    except BaseException:
        pool.__exit__()
        raise
    rests = pool.rest()
    with _lock:
        others = [each for each in _kept.values() if each.owner == os.getpid()] if rests else [pool]
        if rests:
            _kept.clear()
            _kept[spec, processes] = pool
    for other in others:
        other.__exit__()


_keeping = False
_lock = Lock()
_kept: dict[tuple[EngineSpec, int], OcrPool] = {}
"""At most one. A fork has a copy of it, and must not talk to the processes of its parent."""


class SharedRecognizer(AbstractContextManager["SharedRecognizer"]):
    """An engine that is opened when the first page needs it, with at most `processes` processes of an embedded one.

    To be used as a context manager, or closed. Threads share it, because all pools of a machine share its places: a
    pool per thread would leave the second thread without one until the first thread has read its last file.
    """

    def __init__(self, spec: EngineSpec, processes: int) -> None:
        self._spec = spec
        self._processes = processes
        self._open = ExitStack()
        self._opening = Lock()
        self._recognizer: OcrPool | _Service | None = None

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the engine, where it was opened."""
        self._open.close()

    @cached_property
    def identity(self) -> EngineIdentity:
        """The identity under which its pages are kept. Does not open the engine. Raises EngineUnavailable."""
        return identify(self._spec)

    def recognize(self, images: Iterable[PageImage]) -> Iterator[RecognizedPage | PageError]:
        """One result per picture, in their order. For none, no engine is opened. Raises EngineUnavailable."""
        waiting = iter(images)
        first = next(waiting, None)
        if first is not None:
            yield from self._opened().recognize(chain([first], waiting))

    def _opened(self) -> OcrPool | _Service:
        with self._opening:
            if self._recognizer is None:
                self._recognizer = self._open.enter_context(open_recognizer(self._spec, self._processes))
            return self._recognizer


class _Service:
    """Sends pictures to a service, and hands on each answer before it sends more."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def recognize(self, images: Iterable[PageImage]) -> Iterator[RecognizedPage | PageError]:
        waiting = iter(images)
        while batch := list(islice(waiting, _SENT_AT_ONCE)):
            yield from self._engine.recognize(batch)

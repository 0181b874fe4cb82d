"""Processes that read pages side by side. Each loads the engine once, and none can harm the others.

A process that hangs or dies costs at most the page it was reading. Processes are replaced after some pages, or when
they hold too much memory. All pools of a machine share a limited number of places, so that ten runs at once do not
load the models ten times.
"""

from __future__ import annotations

import fcntl
import os
import signal
import tempfile
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import LifoQueue
from threading import Event

from invoice_pipelines.intake.documents.ocr.engine import (
    EngineSpec,
    EngineUnavailable,
    PageError,
    PageImage,
    RecognizedPage,
)
from invoice_pipelines.processes import Child, ChildEnded

TIMEOUT = "OCR_TIMEOUT"
PROCESS_DIED = "OCR_PROCESS_DIED"

_MODULE = "invoice_pipelines.intake.documents.ocr.pool_process"
_SECONDS_TO_REST = 5.0
_WAITING_PER_PROCESS = 2
"""Pictures taken ahead for each process: 4 MB each."""


@dataclass(frozen=True, slots=True)
class PoolBounds:
    """How long and how much a process may. Memory in bytes, times in seconds."""

    page_seconds: float = 60.0
    """For one page, after which its process is killed."""
    start_seconds: float = 120.0
    """For loading the engine, on a busy machine."""
    pages: int = 200
    """After so many a process is replaced: some engines keep memory for every size of picture they have seen."""
    memory: int = 1_300_000_000
    """A process that holds more after a page is replaced."""
    tries: int = 2
    """How often a page is tried if its process dies."""
    rest_seconds: float = 300.0
    """For how long a process keeps its engine while nobody needs it, where a pool is kept."""


@dataclass(frozen=True, slots=True)
class Places:
    """How many processes there are at once on this machine, over all pools that use the same folder.

    A place is a locked file. The process that has it holds the lock, so that it is free when that process has ended,
    however it did.
    """

    number: int
    folder: Path
    wait_seconds: float = 900.0

    def take(self) -> int | None:
        """The descriptor that holds a place; None while there is none."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for place in range(self.number):
            descriptor = os.open(self.folder / f"place-{place}", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(descriptor)
            else:
                return descriptor
        return None

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Lets processes that rest know that somebody waits for a place."""
        with self._wanted() as descriptor:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            yield

    def is_wanted(self) -> bool:
        """Whether somebody waits for a place."""
        with self._wanted() as descriptor:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return True
            return False

    @contextmanager
    def _wanted(self) -> Iterator[int]:
        self.folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.folder / "wanted", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            yield descriptor
        finally:
            os.close(descriptor)


def places_of_this_machine(number: int) -> Places:
    """Those that all pools of this user share."""
    return Places(number, Path(tempfile.gettempdir()) / f"invoice-pipelines-ocr-{os.getuid()}")


@dataclass(frozen=True, slots=True)
class Rest:
    """Told to a process: nobody needs it for now. It keeps its engine until somebody wants its place, or for so many
    seconds.
    """

    places: Places
    seconds: float

    def begin(self) -> None:
        """Lets this process end by itself, unless `end_rest` is called before."""
        until = time.monotonic() + self.seconds

        def look(*_: object) -> None:
            if time.monotonic() > until or self.places.is_wanted():
                os._exit(0)

        signal.signal(signal.SIGALRM, look)
        signal.setitimer(signal.ITIMER_REAL, _LOOK_SECONDS, _LOOK_SECONDS)


def end_rest() -> None:
    """Lets this process go on, be it at rest or not."""
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)


_LOOK_SECONDS = 0.3
"""How often a process at rest looks whether its place is wanted."""


class OcrPool:
    """Processes with one engine each, to be used as a context manager. They start with the first pages."""

    def __init__(
        self, spec: EngineSpec, processes: int, *, bounds: PoolBounds | None = None, places: Places | None = None
    ) -> None:
        self.owner = os.getpid()
        self._places = places or places_of_this_machine(processes)
        self._closed = Event()
        self._processes = [_Process(spec, bounds or PoolBounds(), self._places) for _ in range(max(processes, 1))]
        # The last one first: page after page is read by the process that has its engine loaded, not by all in turn.
        self._idle: LifoQueue[_Process] = LifoQueue()
        for process in self._processes:
            self._idle.put(process)
        # No queue: each waits for what its process makes of a page. The engine of `work` hands out what is to be read.
        self._threads = ThreadPoolExecutor(len(self._processes), thread_name_prefix="ocr")

    def __enter__(self) -> OcrPool:
        return self

    def __exit__(self, *exception: object) -> None:
        self._closed.set()
        for process in self._processes:
            process.kill()  # all at once, as each takes a while to give back its memory
        for process in self._processes:
            process.close()
        self._threads.shutdown(cancel_futures=True)

    def recognize(self, images: Iterable[PageImage]) -> Iterator[RecognizedPage | PageError]:
        """One result per picture, in their order; few pictures are taken ahead.

        A page that takes too long is an error with code OCR_TIMEOUT, one whose processes died twice is one with
        OCR_PROCESS_DIED, worth another try. Raises EngineUnavailable.
        """
        waiting: deque[Future[RecognizedPage | PageError]] = deque()
        try:
            for image in images:
                waiting.append(self._threads.submit(self._read, image))
                if len(waiting) > (1 + _WAITING_PER_PROCESS) * len(self._processes):
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()

    def rest(self) -> bool:
        """Lets its processes keep their engines while nobody needs them; False where one still reads a page."""
        if self._idle.qsize() < len(self._processes):
            return False
        for process in self._processes:
            process.rest()
        return True

    def wake(self) -> None:
        """Forgets the processes that ended at rest."""
        for process in self._processes:
            process.wake()

    def process_ids(self) -> list[int]:
        """Of those that run now."""
        return [process.pid for process in self._processes if process.pid is not None]

    def most_memory(self) -> int:
        """The most bytes that a process held after a page."""
        return max(process.most_memory for process in self._processes)

    def _read(self, image: PageImage) -> RecognizedPage | PageError:
        process = self._idle_process()
        try:
            return process.read(image)
        finally:
            self._idle.put(process)

    def _idle_process(self) -> _Process:
        """One that runs, or has a place to run in: on a busy machine, those that run do the work of all."""
        process = self._idle.get()
        if process.pid is not None or process.take_place():
            return process
        self._idle.put(process)
        with self._places.waiting():
            return self._waited_for()

    def _waited_for(self) -> _Process:
        end = time.monotonic() + self._places.wait_seconds
        while True:
            process = self._idle.get()
            if process.pid is not None or process.take_place():
                return process
            self._idle.put(process)
            if self._closed.wait(0.1):
                raise EngineUnavailable("The OCR processes were ended.")
            if any(process.pid is not None for process in self._processes):
                end = time.monotonic() + self._places.wait_seconds
            elif time.monotonic() > end:
                raise EngineUnavailable(
                    f"All {self._places.number} OCR processes that this machine may have were busy for "
                    f"{self._places.wait_seconds:.0f} seconds. Try again later, or allow more."
                )


class _Process:
    """A process that is started when it is needed, and started again when it has ended. Used by one thread at once."""

    def __init__(self, spec: EngineSpec, bounds: PoolBounds, places: Places) -> None:
        self.most_memory = 0
        self._spec = spec
        self._bounds = bounds
        self._places = places
        self._child: Child | None = None
        self._place: int | None = None  # taken, and not yet handed on to a process
        self._pages = 0
        self._closed = False

    @property
    def pid(self) -> int | None:
        child = self._child
        return child.pid if child else None

    def take_place(self) -> bool:
        """Whether there is a place to run in."""
        if self._place is None:
            self._place = self._places.take()
        return self._place is not None

    def read(self, image: PageImage) -> RecognizedPage | PageError:
        """Raises EngineUnavailable."""
        picture = image.image
        for _ in range(self._bounds.tries):
            child = self._started()
            try:
                page, problem, memory = child.ask(
                    (picture.mode, picture.size, picture.tobytes(), image.dpi), self._bounds.page_seconds
                )
            except ChildEnded as ended:
                self._end()
                if ended.too_slow:
                    return PageError(
                        TIMEOUT,
                        f"Reading it takes more than {self._bounds.page_seconds:.0f} seconds. Ask for a cleaner copy.",
                        retry=False,
                    )
                continue
            self._pages += 1
            self.most_memory = max(self.most_memory, memory)
            if problem or self._pages >= self._bounds.pages or memory > self._bounds.memory:
                self._end()
            if problem:
                raise EngineUnavailable(problem)
            result: RecognizedPage | PageError = page
            return result
        return PageError(
            PROCESS_DIED,
            f"The OCR process ended {self._bounds.tries} times while reading it; there may be too little memory.",
            retry=True,
        )

    def rest(self) -> None:
        """Lets the process keep its engine while nobody needs it."""
        if self._child is not None:
            try:
                self._child.ask(Rest(self._places, self._bounds.rest_seconds), _SECONDS_TO_REST)
            except ChildEnded:
                self._end()

    def wake(self) -> None:
        """Forgets a process that has ended."""
        if self._child is not None and not self._child.is_usable:
            self._end()

    def kill(self) -> None:
        """Tells the process to end for good, whatever it does; a thread that waits for it gets an error."""
        self._closed = True
        if child := self._child:
            child.kill()

    def close(self) -> None:
        """Waits for the end of a process that was told to."""
        self._end()
        self._leave_place()

    def _started(self) -> Child:
        """A process that has its engine loaded."""
        if self._child is not None and self._child.is_usable:
            return self._child
        self._end()
        code: int | None = None
        for _ in range(self._bounds.tries):
            child = self._start()
            try:
                _, problem, _ = child.ask((self._spec, self._bounds.page_seconds), self._bounds.start_seconds)
            except ChildEnded as ended:
                self._end()
                code = ended.exit_code
                continue
            if problem:
                self._end()
                raise EngineUnavailable(problem)
            return child
        raise EngineUnavailable(
            f"The OCR engine {self._spec.name} does not start: its process ended with {code}. Look whether there is "
            "too little memory."
        )

    def _start(self) -> Child:
        # One that ends left its place a moment ago, and another pool may have been faster.
        if not self.take_place():
            with self._places.waiting():
                while not self._closed and not self.take_place():
                    time.sleep(0.1)
        if self._closed:
            raise EngineUnavailable("The OCR processes were ended.")
        try:
            self._child = child = Child(_MODULE, keep=[] if self._place is None else [self._place])
        finally:
            self._leave_place()  # the process holds it now
        self._pages = 0
        if self._closed:
            self._end()
        return child

    def _leave_place(self) -> None:
        place, self._place = self._place, None
        if place is not None:
            os.close(place)

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.end()

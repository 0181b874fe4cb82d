"""The processes that make documents: several at once, each with a warm renderer, none able to harm the rest.

A process that hangs or dies costs at most the document that it was writing; what it was storing is made again. It is
no fork but a program of its own: it inherits neither threads nor database connections, and it ends when this process
does, however that ends.
"""

from __future__ import annotations

import math
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count, islice
from multiprocessing.connection import Connection, wait

from invoice_pipelines.delivery.documents.writing import Made, NotMade, Stationery, Task
from invoice_pipelines.errors import InvoicePipelinesError

TIMEOUT = "TIMEOUT"
PROCESS_DIED = "PROCESS_DIED"

_MODULE = "invoice_pipelines.delivery.documents.process"
_ENVIRONMENT = {
    "RAYON_NUM_THREADS": "1",  # the pool is what makes use of several cores
    "RUST_BACKTRACE": "0",  # takes seconds where the engine runs out of memory, and says nothing to anybody here
}
_TRIES = 2
"""Of a document whose process dies."""
_STARTS = 3
"""In a row that may fail."""
_IN_A_PROCESS = 8
"""Documents at once: one is written, the others are stored."""
_LOOK_EVERY_SECONDS = 0.5
_SECONDS_TO_END = 5.0


class PoolError(InvoicePipelinesError):
    """No process for making documents can be started; the message says what to look for."""


@dataclass(frozen=True, slots=True)
class PoolBounds:
    """How long and how much a process may. Memory in bytes, times in seconds."""

    document_seconds: float = 60.0
    """For writing one document, and for storing one, after which its process is killed."""
    start_seconds: float = 120.0
    """For loading all that is needed, on a busy machine."""
    memory: int = 1_500_000_000
    """Held after a document, from which a process is started anew."""
    most_memory: int = 4_000_000_000
    """Of addresses, which are more than what is held: a template that wants more ends its process, not the machine."""


class DocumentPool:
    """Processes that make documents, as a context manager. They start with the first task. Not thread safe."""

    def __init__(self, processes: int, bounds: PoolBounds | None = None) -> None:
        self._bounds = bounds or PoolBounds()
        self._processes = [_Process(self._bounds) for _ in range(max(processes, 1))]
        self.owner = os.getpid()

    @property
    def size(self) -> int:
        """How many processes it has at the most."""
        return len(self._processes)

    def __enter__(self) -> DocumentPool:
        return self

    def __exit__(self, *exception: object) -> None:
        self.end()

    def end(self) -> None:
        """Ends all processes; with the next task they start again."""
        for process in self._processes:
            process.say_goodbye()
        for process in self._processes:
            process.end()

    def make(
        self, stationery: Stationery, tasks: Iterable[Task], while_waiting: Callable[[], None] = lambda: None
    ) -> Iterator[tuple[Task, Made | NotMade]]:
        """Makes documents; they come as they are ready. One task is taken ahead.

        A document that takes too long has the code TIMEOUT, one whose processes died twice PROCESS_DIED.
        `while_waiting` is called again and again. Raises PoolError; what is not finished when this is left early is
        thrown away, with its process.
        """
        source = iter(tasks)
        waiting = deque(islice(source, 1))
        died: list[Task] = []
        try:
            while waiting or any(process.is_busy for process in self._processes):
                for process in self._processes:
                    if waiting and process.is_free:
                        process.begin(stationery, waiting.popleft())
                        if not waiting:
                            waiting.extend(islice(source, 1))
                for process in self._answering():
                    for task, answer in process.take():
                        if answer is not None:
                            yield task, answer
                        elif any(task is other for other in died):
                            yield task, _died()
                        else:
                            died.append(task)
                            waiting.appendleft(task)
                while_waiting()
        finally:
            for process in self._processes:
                if process.is_busy:
                    process.end()

    def process_ids(self) -> list[int]:
        """Of those that run now."""
        return [process.pid for process in self._processes if process.pid is not None]

    def most_memory(self) -> int:
        """The most bytes that a process held after a document."""
        return max(process.most_memory for process in self._processes)

    def _answering(self) -> list[_Process]:
        """Processes that have said something, have died, or have had their time; waits a little for the first."""
        for process in self._processes:
            process.start()
        nearest = min(process.deadline for process in self._processes) - time.monotonic()
        ready = wait([process.connection for process in self._processes], min(max(nearest, 0), _LOOK_EVERY_SECONDS))
        now = time.monotonic()
        return [process for process in self._processes if process.connection in ready or process.deadline <= now]


@contextmanager
def warm_pool(processes: int) -> Iterator[DocumentPool]:
    """A pool of so many processes or more that nobody else uses now. It is kept for the next one, as processes take a
    while to start, and ends with this process. Thread safe.
    """
    with _lock:
        usable = [pool for pool in _idle if pool.size >= processes and pool.owner == os.getpid()]
        if usable:
            _idle.remove(usable[0])
    pool = usable[0] if usable else DocumentPool(processes)
    try:
        yield pool
    except BaseException:
        pool.end()
        raise
    with _lock:
        _idle.append(pool)


_lock = threading.Lock()
_idle: list[DocumentPool] = []
"""A fork has a copy of it, and must not talk to the processes of its parent."""


class _Process:
    """A process that is started when it is needed, and started again when it has ended."""

    def __init__(self, bounds: PoolBounds) -> None:
        self.most_memory = 0
        self.deadline = math.inf
        self._bounds = bounds
        self._running: tuple[subprocess.Popen[bytes], Connection] | None = None
        self._is_ready = False
        self._is_worn = False
        self._stationery: tuple[object, ...] = ()
        self._failed_starts = 0
        self._numbers = count(1)
        self._tasks: dict[int, Task] = {}
        self._writing: int | None = None

    @property
    def pid(self) -> int | None:
        return self._running[0].pid if self._running else None

    @property
    def is_busy(self) -> bool:
        return bool(self._tasks)

    @property
    def is_free(self) -> bool:
        """Whether it waits for a document to write; it may have some to store."""
        return self._is_ready and not self._is_worn and self._writing is None and len(self._tasks) < _IN_A_PROCESS

    @property
    def connection(self) -> Connection:
        if self._running is None:
            raise RuntimeError("the process is not running")
        return self._running[1]

    def start(self) -> None:
        """Starts it where it is not running, without waiting for it. Raises PoolError."""
        if self._running is not None:
            return
        if self._failed_starts >= _STARTS:
            raise PoolError(
                "The process that makes documents does not start; look at the log for its last words, and whether "
                "there is enough memory."
            )
        ours, theirs = socket.socketpair()
        # What is sent is taken at once by a process that waits for it. If not, it is not alive.
        for option in (socket.SO_SNDTIMEO, socket.SO_RCVTIMEO):
            ours.setsockopt(socket.SOL_SOCKET, option, struct.pack("@ll", int(self._bounds.start_seconds), 0))
        with theirs:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", _MODULE, str(theirs.fileno())),
                    *(str(self._bounds.document_seconds), str(self._bounds.most_memory)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                env={**os.environ, **_ENVIRONMENT},
            )
        self._running = process, Connection(ours.detach())
        self.deadline = time.monotonic() + self._bounds.start_seconds

    def begin(self, stationery: Stationery, task: Task) -> None:
        """Lets it make a document; an error of sending is found when its answer is taken."""
        self._writing = next(self._numbers)
        self._tasks[self._writing] = task
        self._set_deadline()
        known = (stationery.key, stationery.organization.id, stationery.documents_root)
        with suppress(OSError):
            if self._stationery != known:
                self.connection.send(stationery)
                self._stationery = known
            self.connection.send((self._writing, task))

    def take(self) -> Sequence[tuple[Task, Made | NotMade | None]]:
        """Documents that something came of; with none, its process has died over it."""
        is_late = not self.connection.poll()
        try:
            answer = None if is_late else self.connection.recv()
        except (EOFError, OSError):
            answer = None
        if answer is None:
            return self._give_up(is_late)
        number, said, memory = answer
        self.most_memory = max(self.most_memory, memory)
        self._is_worn = memory > self._bounds.memory
        self._is_ready, self._failed_starts = True, 0
        if number == self._writing:
            self._writing = None
        done = []
        if isinstance(said, Made | NotMade):
            done.append((self._tasks.pop(number), said))
        if self._writing is None:
            self._set_deadline()
        if self._is_worn and not self._tasks:
            self.end()
        return done

    def _give_up(self, is_late: bool) -> Sequence[tuple[Task, Made | NotMade | None]]:
        if not self._is_ready:
            self._failed_starts += 1
        late = _too_long(self._bounds.document_seconds) if is_late else None
        lost = [(task, late if number == self._writing else None) for number, task in self._tasks.items()]
        self.end()
        return lost

    def _set_deadline(self) -> None:
        self.deadline = time.monotonic() + self._bounds.document_seconds if self._tasks else math.inf

    def say_goodbye(self) -> None:
        """Lets it end by itself where it does nothing, so that it leaves nothing behind."""
        if self._is_ready and not self._tasks:
            self.connection.close()

    def end(self) -> None:
        """Ends it, whatever it does."""
        running, self._running = self._running, None
        if running is not None:
            process, connection = running
            connection.close()
            if self._is_ready and not self._tasks:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(_SECONDS_TO_END)
            process.kill()
            process.wait()
        self._is_ready, self._is_worn, self._stationery, self.deadline = False, False, (), math.inf
        self._tasks, self._writing = {}, None


def _too_long(seconds: float) -> NotMade:
    return NotMade(
        TIMEOUT,
        f"Making it takes more than {seconds:.0f} seconds; look at the templates of the organization, or at the "
        "number of its lines.",
    )


def _died() -> NotMade:
    return NotMade(
        PROCESS_DIED,
        f"The process that made it ended {_TRIES} times; there may be too little memory for it.",
        retry=True,
    )

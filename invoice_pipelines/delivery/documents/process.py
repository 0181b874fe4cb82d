"""One process of the pool: it writes one document after the other until nobody asks any more.

Started by `pool`. Storing a document is mostly waiting for the disk, which takes several files as fast as one:
threads do it while the next documents are written. They are no queue: `work` hands out what is to be made. There is no
database connection.
"""

from __future__ import annotations

import resource
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from multiprocessing.connection import Connection

from upath import UPath

from invoice_pipelines.delivery.documents.writing import Made, NotMade, Stationery, Task, Writer, Written
from invoice_pipelines.processes import peak_memory
from invoice_pipelines.storage import StorageError, root_path, store_blob

_STORING_THREADS = 4
_GRACE_SECONDS = 30


def main(descriptor: int, seconds: float, most_memory: int) -> None:
    """Serves the connection with this number. A Stationery replaces the one before; a number with a Task is answered,
    by the number, with "written" once the next one may come, and with what came of it once that is stored.

    `seconds` and `most_memory` (bytes) are what a document may take.
    """
    # Ctrl-C goes to all processes of a terminal; the pool ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (most_memory, resource.getrlimit(resource.RLIMIT_AS)[1]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # an image of this process would hold invoices
    with ThreadPoolExecutor(_STORING_THREADS) as threads, suppress(EOFError, OSError):
        _Server(Connection(descriptor), seconds, threads).serve()


class _Server:
    def __init__(self, connection: Connection, seconds: float, threads: ThreadPoolExecutor) -> None:
        self._connection = connection
        self._seconds = seconds
        self._threads = threads
        self._sending = threading.Lock()

    def serve(self) -> None:
        """Raises EOFError when nobody asks any more."""
        self._send(None, "ready")
        while True:
            order = self._connection.recv()
            if isinstance(order, Stationery):
                stationery, writer, root = order, Writer(order), root_path(order.documents_root)
                continue
            number, task = order
            written = self._written(writer, task)
            if isinstance(written, NotMade):
                self._send(number, written)
            else:
                self._send(number, "written")
                self._threads.submit(self._store, number, written, root, stationery)

    def _written(self, writer: Writer, task: Task) -> Written | NotMade:
        # Whoever asked has given up by then, or is gone: then nothing else would end this process.
        signal.setitimer(signal.ITIMER_REAL, self._seconds + _GRACE_SECONDS)
        try:
            return writer.write(task)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _store(self, number: int, written: Written, root: UPath, stationery: Stationery) -> None:
        answer: Made | NotMade
        try:
            sha256, size = store_blob(root, stationery.organization.id, written.data)
        except StorageError as error:
            answer = NotMade("STORAGE", str(error), retry=True)
        else:
            answer = Made(sha256, size, written.origin)
        with suppress(OSError):  # nobody is there any more
            self._send(number, answer)

    def _send(self, number: int | None, answer: str | Made | NotMade) -> None:
        with self._sending:
            self._connection.send((number, answer, peak_memory()))


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]))

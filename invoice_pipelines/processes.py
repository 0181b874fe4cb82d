"""A child process that answers questions: `Child` on the side that asks, `serve` on the side that answers.

The judge of large invoices, the OCR pool and the reader of PDFs use it. Questions and answers are pickled, each after
its length: both ends are the same installation, and nobody else has the socket.
"""

from __future__ import annotations

import os
import pickle
import resource
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from invoice_pipelines.errors import InvoicePipelinesError

_LENGTH = struct.Struct(">Q")

Receive: TypeAlias = Callable[[], Any]
Send: TypeAlias = Callable[[Any], None]


class ChildEnded(InvoicePipelinesError):
    """A child ended instead of answering. `too_slow`: it was ended because its time was up; else `exit_code` is how the
    process ended, as `subprocess` gives it."""

    def __init__(self, too_slow: bool, exit_code: int | None) -> None:
        super().__init__()
        self.too_slow = too_slow
        self.exit_code = exit_code


class Child:
    """A module that runs as a program of its own and answers one question at a time.

    It is no fork: it inherits neither threads nor connections, only the descriptors of `keep`. One that does not
    answer in time is ended. When whoever asks is interrupted, the answer may still come: it belongs to that question,
    so the child cannot be used for another one.
    """

    def __init__(self, module: str, keep: Sequence[int] = ()) -> None:
        self._owner = os.getpid()
        self._owed = 0  # answers
        self._connection, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(), *keep),
            )
        self.pid = self._process.pid

    @property
    def is_usable(self) -> bool:
        """Whether it runs, owes no answer, and answers to this process: a fork has a copy of its parent's child."""
        return self._owner == os.getpid() and not self._owed and self._process.poll() is None

    def ask(self, question: Any, seconds: float) -> Any:
        """The answer. Raises ChildEnded."""
        self.tell(question, seconds)
        return self.answer(seconds)

    def tell(self, question: Any, seconds: float) -> None:
        """Asks without waiting for the answer. Raises ChildEnded."""
        with self._within(seconds):
            self._owed += 1
            _send(self._connection, question)

    def answer(self, seconds: float) -> Any:
        """The answer to what it was told. Raises ChildEnded."""
        with self._within(seconds):
            answer = _receive(self._connection)
            self._owed -= 1
            return answer

    def kill(self) -> None:
        """Ends it, whatever it does, without waiting for its end; who waits for an answer gets ChildEnded."""
        if self._owner == os.getpid():
            self._process.kill()

    def end(self) -> None:
        """Ends it, whatever it does."""
        self.kill()
        if self._owner == os.getpid():
            self._process.wait()
        with suppress(OSError):
            self._connection.close()

    @contextmanager
    def _within(self, seconds: float) -> Iterator[None]:
        try:
            self._connection.settimeout(seconds)
            yield
        except (EOFError, OSError) as error:
            self.end()
            raise ChildEnded(isinstance(error, TimeoutError), self._process.returncode) from None


def serve(answering: Callable[[Receive, Send], None]) -> None:
    """Lets a program that `Child` started receive questions and send answers until nobody asks any more."""
    # Ctrl-C goes to all processes of a terminal; whoever asks ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with socket.socket(fileno=int(sys.argv[1])) as connection, suppress(EOFError, OSError):
        answering(partial(_receive, connection), partial(_send, connection))


def peak_memory() -> int:
    """The most bytes that this process has held."""
    with suppress(OSError):
        # Not `ru_maxrss`, which on Linux also counts what the process held that started this one.
        for line in Path("/proc/self/status").read_text("ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _send(connection: socket.socket, content: Any) -> None:
    data = pickle.dumps(content, protocol=pickle.HIGHEST_PROTOCOL)
    connection.sendall(_LENGTH.pack(len(data)) + data)


def _receive(connection: socket.socket) -> Any:
    (length,) = _LENGTH.unpack(_read(connection, _LENGTH.size))
    return pickle.loads(_read(connection, length))  # noqa: S301 (only ever from the process at the other end)


def _read(connection: socket.socket, length: int) -> bytes:
    data = bytearray()
    while len(data) < length:
        part = connection.recv(min(length - len(data), 1 << 20))
        if not part:
            raise EOFError
        data += part
    return bytes(data)

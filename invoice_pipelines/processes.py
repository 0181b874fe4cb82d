"""How this process and those that it starts talk: pickled values over a socket, each after its length; and what one of
them held of memory.

What they say is for those who start them: the judge of large invoices, the OCR pool, the renderer of PDF files. Both
ends are the same installation, and nobody else has the socket.
"""

from __future__ import annotations

import pickle
import resource
import socket
import struct
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

_LENGTH = struct.Struct(">Q")


def start_process(module: str, keep: Sequence[int] = ()) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Starts a module as a program, which gets the descriptor of its end of the socket as its argument.

    A program of its own, not a fork: it inherits neither threads nor connections, but only the descriptors of `keep`.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", module, str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=(theirs.fileno(), *keep),
        )
    return process, ours


def end_process(process: subprocess.Popen[bytes], connection: socket.socket) -> None:
    """Ends it, whatever it does."""
    process.kill()
    process.wait()
    with suppress(OSError):
        connection.close()


def send(connection: socket.socket, content: Any) -> None:
    """Sends within the time limit of the connection. Raises OSError (TimeoutError)."""
    data = pickle.dumps(content, protocol=pickle.HIGHEST_PROTOCOL)
    connection.sendall(_LENGTH.pack(len(data)) + data)


def receive(connection: socket.socket) -> Any:
    """Receives what `send` sent. Raises EOFError where the other end is gone, OSError (TimeoutError)."""
    (length,) = _LENGTH.unpack(_read(connection, _LENGTH.size))
    return pickle.loads(_read(connection, length))  # noqa: S301 (only ever from the process at the other end)


def peak_memory() -> int:
    """The most bytes that this process has held."""
    with suppress(OSError):
        # Not `ru_maxrss`, which on Linux also counts what the process held that started this one.
        for line in Path("/proc/self/status").read_text("ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _read(connection: socket.socket, length: int) -> bytes:
    data = bytearray()
    while len(data) < length:
        part = connection.recv(min(length - len(data), 1 << 20))
        if not part:
            raise EOFError
        data += part
    return bytes(data)

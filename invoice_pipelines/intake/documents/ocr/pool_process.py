"""One process of the OCR pool: it loads an engine, then reads page after page until nobody asks any more.

Started by `pool`.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from invoice_pipelines.intake.documents.ocr.engine import (
    EngineSpec,
    EngineUnavailable,
    PageError,
    PageImage,
    RecognizedPage,
)
from invoice_pipelines.processes import peak_memory, receive, send

Kind = Literal["ready", "page", "unavailable"]
Message = tuple[Kind, Any, int]
"""What a process answers: kind; page, error or reason; the memory it holds in bytes."""


def picture_for_sending(image: PageImage) -> tuple[str, tuple[int, int], bytes, float | None]:
    """The picture as plain values."""
    return image.image.mode, image.image.size, image.image.tobytes(), image.dpi


def main(descriptor: int) -> None:
    """Serves the socket with this number; the first thing received is the EngineSpec and the time limit of a page."""
    # Ctrl-C goes to all processes of a terminal; the pool ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=descriptor) as connection, suppress(EOFError, OSError):
        spec, seconds = receive(connection)
        _serve(connection, spec, seconds)


def _serve(connection: socket.socket, spec: EngineSpec, seconds: float) -> None:
    from invoice_pipelines.intake.documents.ocr.engines import open_engine

    try:
        engine = open_engine(spec)
        engine.recognize([])  # loads what reads pages; RapidOCR leaves the models to the first one
        send(connection, ("ready", None, _memory()))
        while True:
            mode, size, pixels, dpi = receive(connection)
            # Whoever asked has given up by then, or is gone: then nothing else would end this process.
            signal.setitimer(signal.ITIMER_REAL, seconds + 30)
            image = PageImage(Image.frombytes(mode, size, pixels), dpi)
            result: RecognizedPage | PageError
            try:
                (result,) = engine.recognize([image])
            except EngineUnavailable:
                raise
            except Exception as error:  # noqa: BLE001 (whatever a library raises for a page is about that page)
                result = PageError(
                    "OCR_FAILED", f"The OCR engine cannot read it ({type(error).__name__}). Scan it again.", retry=False
                )
            signal.setitimer(signal.ITIMER_REAL, 0)
            send(connection, ("page", result, _memory()))
    except EngineUnavailable as error:
        send(connection, ("unavailable", str(error), _memory()))


def _memory() -> int:
    """Bytes that this process holds now, or held at most where that is not known."""
    with suppress(OSError):
        found = re.search(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text())
        if found:
            return int(found[1]) * 1024
    return peak_memory()


if __name__ == "__main__":
    # One thread for each library that would otherwise take one per core, besides those that the engine is given.
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
    main(int(sys.argv[1]))

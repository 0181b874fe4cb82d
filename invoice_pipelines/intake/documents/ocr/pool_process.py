"""One process of the OCR pool: it loads an engine, then reads page after page until nobody asks any more.

Started by `pool`. Each answer is a page or an error, why the engine cannot work, and the memory held in bytes.
"""

from __future__ import annotations

import os
import re
import signal
from contextlib import suppress
from pathlib import Path

from PIL import Image

from invoice_pipelines.intake.documents.ocr.engine import EngineUnavailable, PageError, PageImage, RecognizedPage
from invoice_pipelines.intake.documents.ocr.pool import Rest, end_rest
from invoice_pipelines.processes import Receive, Send, peak_memory, serve


def main(receive: Receive, send: Send) -> None:
    """The first question is the EngineSpec and the time limit of a page; each further one is a picture: mode, size,
    pixels, dots per inch; or a `Rest`."""
    from invoice_pipelines.intake.documents.ocr.engines import open_engine

    spec, seconds = receive()
    try:
        engine = open_engine(spec)
        engine.recognize([])  # loads what reads pages; RapidOCR leaves the models to the first one
        send((None, None, _memory()))
        while True:
            asked = receive()
            end_rest()
            if isinstance(asked, Rest):
                send((None, None, _memory()))
                asked.begin()
                continue
            mode, size, pixels, dpi = asked
            # Whoever asked has given up by then, or is gone: then nothing else would end this process.
            signal.setitimer(signal.ITIMER_REAL, seconds + 30)
            result: RecognizedPage | PageError
            try:
                (result,) = engine.recognize([PageImage(Image.frombytes(mode, size, pixels), dpi)])
            except EngineUnavailable:
                raise
            except Exception as error:  # noqa: BLE001 (whatever a library raises for a page is about that page)
                result = PageError(
                    "OCR_FAILED", f"The OCR engine cannot read it ({type(error).__name__}). Scan it again.", retry=False
                )
            signal.setitimer(signal.ITIMER_REAL, 0)
            send((result, None, _memory()))
    except EngineUnavailable as error:
        send((None, str(error), _memory()))


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
    serve(main)

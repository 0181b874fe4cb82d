"""The process in which PDFium works: what a PDF is made to do, it does here, and it ends with this process.

Told a function of this project and its arguments, it answers with what that returns. Of what a function yields it
answers with the first, and then, told None, with the next. Each answer is a result and a refusal: the code and message
of a ReadingError, or what went wrong in this project. Memory is bounded by the system; time by whoever asks.
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator
from typing import Any

from invoice_pipelines.einvoice.errors import ReadingError
from invoice_pipelines.processes import Receive, Send, serve

_MEMORY = 1_200_000_000
"""Bytes of address space. A page with a picture of 75 megapixels needs a third of it."""


def main(receive: Receive, send: Send) -> None:
    """Answers until nobody asks any more."""
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    result: Any = None
    while True:
        order = receive()
        refusal: tuple[str, str] | str | None = None
        answer = None
        try:
            if order is not None:
                function, arguments = order
                result = None  # closes the document before this one
                result = function(*arguments)
            answer = next(result) if isinstance(result, Iterator) else result
        except ReadingError as error:
            refusal = error.code, error.message
        except MemoryError:
            refusal = "PICTURE_TOO_LARGE", "Drawing the page needs more memory than it may have. Scan it at 300 dpi."
        except Exception as error:  # noqa: BLE001 (a fault of this project, raised where it was asked for)
            refusal = f"{type(error).__name__} while a PDF was read: {error}"
        send((answer, refusal))


if __name__ == "__main__":
    serve(main)

"""The process that judges large invoices for `judge`, one after the other, until nobody asks any more.

The system ends it when a document takes more processor time than it may, or more memory.
"""

from __future__ import annotations

import os
import resource
from typing import Any

from invoice_pipelines.einvoice.errors import ReadingError
from invoice_pipelines.einvoice.rules.judging import judge_here
from invoice_pipelines.einvoice.rules.official.rule_files import RulesDirectoryError
from invoice_pipelines.processes import Receive, Send, peak_memory, serve


def main(receive: Receive, send: Send) -> None:
    """The first message says what a document may take: (seconds of processor time, bytes of memory). Each further one
    is (xml, rules directory, day), answered by ("judged", Judged), ("unreadable", (code, message)), ("without rules",
    message) or ("failed", kind of error), each with the bytes held so far.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # an image of this process would hold invoices
    seconds, memory = receive()
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    send(("ready", None, peak_memory()))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # the last words of SaxonC may quote the invoice
    while True:
        xml, rules_directory, on = receive()
        _allow(seconds)
        answer: tuple[str, Any]
        try:
            answer = ("judged", judge_here(xml, rules_directory, on))
        except ReadingError as error:
            answer = ("unreadable", (error.code, error.message))
        except RulesDirectoryError as error:
            answer = ("without rules", str(error))
        except Exception as error:  # noqa: BLE001 (where memory ends, any library may stumble, in any way)
            answer = ("failed", type(error).__name__)
        send((*answer, peak_memory()))


def _allow(seconds: int) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    until = int(used.ru_utime + used.ru_stime) + 1 + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (until, resource.getrlimit(resource.RLIMIT_CPU)[1]))


if __name__ == "__main__":
    serve(main)

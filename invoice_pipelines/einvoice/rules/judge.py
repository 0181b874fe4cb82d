"""Asks schema and business rules without giving a document more time or memory than it may take.

Nobody can say beforehand what a rule costs on a document that was made to harm. A small document is judged within this
process: what it can cost is little. A large one is judged by a process of its own, which the system ends when it takes
too much. It is started at the first large document, takes about two seconds to be ready, and is kept for the next.
"""

from __future__ import annotations

import atexit
import os
import signal
import socket
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from invoice_pipelines.einvoice.errors import ReadingError
from invoice_pipelines.einvoice.rules.judging import Judged, judge_here
from invoice_pipelines.einvoice.rules.rule_files import RulesDirectoryError
from invoice_pipelines.einvoice.rules.verdict import Rule, Severity, ViolationClass
from invoice_pipelines.errors import InvoicePipelinesError
from invoice_pipelines.processes import end_process, receive, send, start_process

_NOT_JUDGED = Rule(
    "IP-RULES-02",
    Severity.FATAL,
    ViolationClass.BUSINESS_RULE,
    "The document could not be judged {within}, so it cannot count as valid. Ask the sender to split it.",
    "Das Dokument konnte {within} nicht geprüft werden und kann daher nicht als gültig gelten. Den Absender bitten, es "
    "aufzuteilen.",
)

_MODULE = "invoice_pipelines.einvoice.rules.judge_process"
_WALL_SECONDS_PER_CPU_SECOND = 10  # on a machine with much to do
_START_SECONDS = 120.0
_TRIES = 2  # where a process dies without having taken too long, which may have come from outside


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a document may take. Memory in bytes."""

    small: int = 10_000
    """Tags and attributes up to which a document is judged within this process; nearly 200 invoice lines."""
    small_bytes: int = 2_000_000
    """Size up to which it is; attachments (BT-125) count."""
    seconds: int = 60
    """Of processor time. The largest invoice that is read (`Limits.xml_markup`), in order, takes about 10."""
    memory: int = 1_500_000_000
    """That the process may hold. The largest invoice in order takes a third of it."""
    kept_memory: int = 500_000_000
    """Held after a document, up to which the process is kept for the next."""


_BOUNDS = Bounds()


def judge(xml: bytes, rules_directory: Path | None, bounds: Bounds = _BOUNDS) -> Judged:
    """What schema and business rules say of an XML invoice.

    One that takes too long or too much memory is not valid: its only violation is IP-RULES-02, fatal.
    Raises `ReadingError` and `RulesDirectoryError` as `validate` does.
    """
    if len(xml) <= bounds.small_bytes and xml.count(b"<") + xml.count(b"=") <= bounds.small:
        return judge_here(xml, rules_directory)
    with _lock:
        return _judge_apart(xml, rules_directory, bounds)


class _Ended(InvoicePipelinesError):
    """The process has ended; `too_long` says whether because of the time."""

    def __init__(self, too_long: bool) -> None:
        super().__init__()
        self.too_long = too_long


class _Process:
    """The process that judges, with bounds that it was told when it started."""

    def __init__(self, bounds: Bounds) -> None:
        self.owner = os.getpid()
        self.bounds = bounds
        self._process: subprocess.Popen[bytes]
        self._connection: socket.socket
        self._process, self._connection = start_process(_MODULE)
        self._connection.settimeout(_START_SECONDS)
        try:
            self._ask((bounds.seconds, bounds.memory))
        except _Ended:
            raise ChildProcessError(
                "The process that judges large invoices does not start; there may be too little memory on this machine."
            ) from None
        self._connection.settimeout(bounds.seconds * _WALL_SECONDS_PER_CPU_SECOND)

    def judge(self, xml: bytes, rules_directory: Path | None) -> tuple[str, Any, int]:
        """Raises _Ended."""
        return self._ask((xml, rules_directory))

    def end(self) -> None:
        end_process(self._process, self._connection)

    def _ask(self, question: object) -> tuple[str, Any, int]:
        try:
            send(self._connection, question)
            answer: tuple[str, Any, int] = receive(self._connection)
        except TimeoutError:
            self.end()
            raise _Ended(too_long=True) from None
        except (EOFError, OSError):
            self._process.wait()
            self.end()
            raise _Ended(too_long=self._process.returncode == -signal.SIGXCPU) from None
        return answer


_lock = threading.Lock()
_kept: _Process | None = None


def end_judge() -> None:
    """Ends the process that is kept, where there is one; the next large document starts another."""
    global _kept
    process, _kept = _kept, None
    if process is not None and process.owner == os.getpid():  # a fork must leave its parent's process alone
        process.end()


atexit.register(end_judge)


def _judge_apart(xml: bytes, rules_directory: Path | None, bounds: Bounds) -> Judged:
    global _kept
    for _ in range(_TRIES):
        if _kept is None or (_kept.owner, _kept.bounds) != (os.getpid(), bounds):
            end_judge()
            _kept = _Process(bounds)
        try:
            said, what, memory = _kept.judge(xml, rules_directory)
        except _Ended as ended:
            _kept = None
            if ended.too_long:
                return _too_long(bounds)
            continue
        if said == "failed" or memory > bounds.kept_memory:
            end_judge()
        if said == "unreadable":
            raise ReadingError(*what)
        if said == "without rules":
            raise RulesDirectoryError(what)
        return _died(bounds) if said == "failed" else what
    return _died(bounds)


def _too_long(bounds: Bounds) -> Judged:
    english = f"within {bounds.seconds} seconds of processor time"
    return _not_judged(english, f"innerhalb von {bounds.seconds} Sekunden Rechenzeit")


def _died(bounds: Bounds) -> Judged:
    megabytes = bounds.memory // 1_000_000
    return _not_judged(f"with {megabytes:,} MB of memory", f"mit {megabytes} MB Speicher")


def _not_judged(*within: str) -> Judged:
    return Judged((_NOT_JUDGED.broken(within=within),), ())

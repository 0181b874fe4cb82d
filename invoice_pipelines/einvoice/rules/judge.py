"""Asks schema and business rules without giving a document more time or memory than it may take.

Nobody can say beforehand what a rule costs on a document that was made to harm. A small document is judged within this
process: what it can cost is little. A large one is judged by a process of its own, which the system ends when it takes
too much. It is started at the first large document, takes about two seconds to be ready, and is kept for the next.
"""

from __future__ import annotations

import atexit
import signal
import threading
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from invoice_pipelines.einvoice.errors import ReadingError
from invoice_pipelines.einvoice.rules.judging import Judged, judge_here
from invoice_pipelines.einvoice.rules.official.rule_files import RulesDirectoryError
from invoice_pipelines.einvoice.rules.verdict import Rule, Severity, ViolationClass
from invoice_pipelines.processes import Child, ChildEnded

NOT_JUDGED = Rule(
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


def judge(xml: bytes, rules_directory: Path | None, bounds: Bounds = _BOUNDS, *, on: date | None = None) -> Judged:
    """What schema and business rules say of an XML invoice, the latter as of a day (`judging.business_rules`).

    One that takes too long or too much memory is not valid: its only violation is IP-RULES-02, fatal.
    Raises `ReadingError` and `RulesDirectoryError` as `validate` does.
    """
    if len(xml) <= bounds.small_bytes and xml.count(b"<") + xml.count(b"=") <= bounds.small:
        return judge_here(xml, rules_directory, on)
    with _lock:
        return _judge_apart(xml, rules_directory, bounds, on)


_lock = threading.Lock()
_kept: tuple[Child, Bounds] | None = None


def end_judge() -> None:
    """Ends the process that is kept, where there is one; the next large document starts another."""
    global _kept
    kept, _kept = _kept, None
    if kept is not None:
        kept[0].end()


atexit.register(end_judge)


def _started(bounds: Bounds) -> Child:
    """The process that judges within these bounds: the one that is kept, or a new one."""
    global _kept
    if _kept is None or not _kept[0].is_usable or _kept[1] != bounds:
        end_judge()
        _kept = Child(_MODULE), bounds
        try:
            _kept[0].ask((bounds.seconds, bounds.memory), _START_SECONDS)
        except ChildEnded:
            raise ChildProcessError(
                "The process that judges large invoices does not start; there may be too little memory on this machine."
            ) from None
    return _kept[0]


def _judge_apart(xml: bytes, rules_directory: Path | None, bounds: Bounds, on: date | None) -> Judged:
    for _ in range(_TRIES):
        process = _started(bounds)
        try:
            said, what, memory = process.ask((xml, rules_directory, on), bounds.seconds * _WALL_SECONDS_PER_CPU_SECOND)
        except ChildEnded as ended:
            if ended.too_slow or ended.exit_code == -signal.SIGXCPU:
                return _too_long(bounds)
            continue
        if said == "failed" or memory > bounds.kept_memory:
            end_judge()
        if said == "unreadable":
            raise ReadingError(*what)
        if said == "without rules":
            raise RulesDirectoryError(what)
        verdict: Judged = _died(bounds) if said == "failed" else what
        return verdict
    return _died(bounds)


def _too_long(bounds: Bounds) -> Judged:
    english = f"within {bounds.seconds} seconds of processor time"
    return _not_judged(english, f"innerhalb von {bounds.seconds} Sekunden Rechenzeit")


def _died(bounds: Bounds) -> Judged:
    megabytes = bounds.memory // 1_000_000
    return _not_judged(f"with {megabytes:,} MB of memory", f"mit {megabytes} MB Speicher")


def _not_judged(*within: str) -> Judged:
    return Judged((NOT_JUDGED.broken(within=within),), ())

"""How a run tells in the log of Dagster how far it is, whatever its kind of work."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from invoice_pipelines.work import Progress

SECONDS_BETWEEN_LINES = 5.0
"""Every line of the log is kept as an event of the run; steps come several a second."""


def progress_lines(log: logging.Logger, what: str, *, is_due_counted: bool = True) -> Callable[[Progress], None]:
    """Writes a line now and then, and when nothing is left where that `is_due_counted`; `what` are the things that are
    done.
    """
    shown_at = time.monotonic()

    def show(progress: Progress) -> None:
        nonlocal shown_at
        now = time.monotonic()
        if now - shown_at < SECONDS_BETWEEN_LINES and (progress.due or not is_due_counted):
            return
        shown_at = now
        of_all = f" of {progress.done + progress.due}" if is_due_counted else ""
        eta = f", about {progress.eta_seconds:.0f} s left" if progress.eta_seconds else ""
        figures = "".join(f", {number} {name}" for name, number in progress.figures.items() if isinstance(name, str))
        log.info("%s%s %s done, %.1f/s%s%s", progress.done, of_all, what, progress.items_per_second, eta, figures)

    return show

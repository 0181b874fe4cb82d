"""Logs as JSON, an object a line, whatever wrote them: this program, Dagster, Celery, or Python itself.

    {"time": "2026-03-01T09:30:00.125+00:00", "level": "error", "logger": "invoice_pipelines.web", "message": "...",
     "run_id": ..., "organization": ..., "lane": ..., "request_id": ..., "exception": ...}

What is not known is left out.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

FIELDS = ("run_id", "organization", "lane", "request_id")

about: ContextVar[Callable[[], Mapping[str, str | None]] | None] = ContextVar("about", default=None)
"""What a line of this context is about, by `FIELDS`; asked for with each line."""
_of_process: dict[str, str] = {}


def are_wanted() -> bool:
    """Whether the settings ask for JSON. They are not loaded for that: where they are wrong, others say so."""
    return os.environ.get("INVOICE_PIPELINES_LOG_FORMAT", "").strip().lower() == "json"


@contextmanager
def about_run(run_id: str, tags: Mapping[str, str]) -> Iterator[None]:
    """Says of each line that this process writes in the block, in whichever thread, that it is of a run."""
    _of_process.update(_of_run(run_id, tags))
    try:
        yield
    finally:
        _of_process.clear()


class JsonLines(logging.Formatter):
    """Makes an object of each record. Takes what other formatters take, and does nothing with it."""

    def __init__(self, *_: Any, **__: Any) -> None:
        super().__init__()

    def format(self, record: logging.LogRecord) -> str:
        """As `logging` asks for it."""
        of_dagster: Mapping[str, Any] = getattr(record, "dagster_meta", None) or {}
        said: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": of_dagster.get("orig_message") or record.getMessage(),
            **_of_process,
        }
        if of_dagster.get("run_id"):
            said |= _of_run(of_dagster["run_id"], of_dagster.get("job_tags") or {})
        tell = about.get()
        if tell is not None:
            said |= {name: value for name, value in tell().items() if value}
        exception = self._exception(record, of_dagster.get("dagster_event"))
        if exception:
            said["exception"] = exception
        return json.dumps(said, ensure_ascii=False, default=str)

    def _exception(self, record: logging.LogRecord, event: Any) -> str | None:
        if record.exc_info and record.exc_info[0] is not None:
            return self.formatException(record.exc_info)
        error = getattr(getattr(event, "event_specific_data", None), "error", None)
        return str(error.to_string()) if error is not None else record.exc_text or record.stack_info


def write_json(level: int = logging.WARNING) -> None:
    """Lets this process write its log as JSON to its standard error, warnings and what nobody caught included. Lines of
    other libraries only from `level` on.
    """
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, _Handler)]:
        root.removeHandler(handler)
    root.addHandler(_Handler())
    root.setLevel(level)
    logging.getLogger("invoice_pipelines").setLevel(logging.INFO)
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    threading.excepthook = lambda args: _uncaught(args.exc_type, args.exc_value, args.exc_traceback)


class _Handler(logging.StreamHandler[Any]):
    """For what has no handler of its own. Dagster gives one to its loggers, which would write all lines twice."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)
        self.setFormatter(JsonLines())

    def emit(self, record: logging.LogRecord) -> None:
        logger: logging.Logger | None = logging.getLogger(record.name)
        while logger is not None and logger.parent is not None:
            if any(not isinstance(handler, logging.NullHandler) for handler in logger.handlers):
                return
            logger = logger.parent
        super().emit(record)


def _uncaught(kind: type[BaseException], error: BaseException | None, trace: Any) -> None:
    if issubclass(kind, KeyboardInterrupt | SystemExit) or error is None:
        return
    logging.getLogger("uncaught").critical("%s", kind.__name__, exc_info=(kind, error, trace))


def _of_run(run_id: str, tags: Mapping[str, str]) -> dict[str, str]:
    named = {name: tags[name] for name in ("organization", "lane") if tags.get(name)}
    return {"run_id": run_id, **named}

"""Lines of a log in JSON, as the processes of this program write them."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from invoice_pipelines.json_logs import JsonLines
from invoice_pipelines.web.measures import Measures
from invoice_pipelines.web.outermost import Outermost

BEGINS = "from invoice_pipelines.json_logs import *; write_json()\n"


def written_by(code: str) -> list[dict[str, Any]]:
    """What a process logs that runs this."""
    done = subprocess.run([sys.executable, "-c", BEGINS + code], capture_output=True, text=True, check=False)
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_each_line_is_an_object_however_many_the_message_has() -> None:
    first, second = written_by(
        "log = logging.getLogger('invoice_pipelines.x')\nlog.info('a\\nb %s', 'ü')\nlog.debug('no')\n"
        "logging.getLogger('lib').info('no')\nlogging.getLogger('lib').warning('careful')"
    )
    assert (first["level"], first["logger"], first["message"]) == ("info", "invoice_pipelines.x", "a\nb ü")
    assert first["time"].endswith("+00:00")
    assert set(first) == {"time", "level", "logger", "message"}
    assert (second["logger"], second["message"]) == ("lib", "careful")


def test_what_nobody_caught_and_warnings_are_lines_as_well() -> None:
    said = written_by(
        "import warnings; warnings.warn('old')\n"
        "threading.Thread(target=lambda: 1 / 0).start()\n"
        "try:\n    int('x')\nexcept ValueError:\n    logging.getLogger('y').exception('not read')\n"
        "raise LookupError('gone')"
    )
    by_logger = {line["logger"]: line for line in said}
    assert "old" in by_logger["py.warnings"]["message"]
    assert "invalid literal" in by_logger["y"]["exception"]
    assert sorted(line["message"] for line in said if line["logger"] == "uncaught") == [
        "LookupError",
        "ZeroDivisionError",
    ]
    assert all("Traceback" in line["exception"] for line in said if line["logger"] != "py.warnings")


def test_lines_of_a_run_name_it_and_its_organization_in_each_thread() -> None:
    before, within, after = written_by(
        "log = logging.getLogger('x')\nlog.warning('before')\n"
        "with about_run('r-1', {'organization': 'acme', 'lane': 'bulk', 'other': 'z'}):\n"
        "    thread = threading.Thread(target=lambda: log.warning('within')); thread.start(); thread.join()\n"
        "log.warning('after')"
    )
    assert {"run_id": "r-1", "organization": "acme", "lane": "bulk"}.items() <= within.items()
    assert "other" not in within
    assert "run_id" not in before | after


def test_a_logger_with_a_handler_of_its_own_writes_once() -> None:
    (said,) = written_by(
        "handler = logging.StreamHandler()\nhandler.setFormatter(JsonLines())\n"
        "logging.getLogger('dagster').addHandler(handler)\nlogging.getLogger('dagster.daemon').warning('once')"
    )
    assert said["message"] == "once"


def test_an_error_of_a_request_names_it_and_its_organization(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["path_params"] = {"organization": "acme"}  # as the router leaves it
        raise RuntimeError("broken")

    formatter, lines = JsonLines(), []

    def format_and_keep(record: logging.LogRecord) -> str:
        lines.append(formatter.format(record))
        return ""

    caplog.handler.format = format_and_keep  # type: ignore[method-assign]
    answered: list[Any] = []
    scope = {"type": "http", "method": "GET", "path": "/x", "query_string": b"", "headers": []}
    asyncio.run(Outermost(app, Measures())(scope, nothing, keep(answered)))
    (said,) = map(json.loads, lines)
    assert said["organization"] == "acme"
    assert "RuntimeError: broken" in said["exception"]
    assert (b"x-trace-id", said["request_id"].encode()) in answered[0]["headers"]


async def nothing() -> Any:
    return {"type": "http.request"}


def keep(answered: list[Any]) -> Callable[[Any], Any]:
    async def send(message: Any) -> None:
        answered.append(message)

    return send

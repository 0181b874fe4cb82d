"""Commands in processes of their own, forked by one that has loaded the command line: that takes longer than most.

    python -m invoice_pipelines_tests.integration.cli.forked

Reads a JSON object per line: `words`, `environment`, and the files `stdout` and `stderr` are written to. Answers each
with the exit code.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from functools import lru_cache
from pathlib import Path

from invoice_pipelines_tests.conftest import PROJECT


@lru_cache(maxsize=1)
def forked() -> subprocess.Popen[str]:
    """Ends with the process of the tests, when its input does."""
    return subprocess.Popen(
        [sys.executable, "-m", "invoice_pipelines_tests.integration.cli.forked"],
        cwd=PROJECT,
        env={**os.environ, "COLUMNS": "200"},  # which is looked up when the command line is loaded
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def run(home: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs a command in a process of its own, to its end."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("INVOICE_PIPELINES_")}
    environment.update({"DAGSTER_HOME": str(home), "COLUMNS": "200", **variables})
    with tempfile.TemporaryDirectory() as folder:
        output = {name: Path(folder) / name for name in ("stdout", "stderr")}
        request = {"words": words, "environment": environment, **{name: str(path) for name, path in output.items()}}
        server = forked()
        assert server.stdin is not None
        assert server.stdout is not None
        print(json.dumps(request), file=server.stdin, flush=True)
        code = int(server.stdout.readline())
        printed = {name: path.read_text(encoding="utf-8") for name, path in output.items()}
    return subprocess.CompletedProcess(words, code, **printed)


def become(request: dict[str, object]) -> None:
    """Makes this forked process the command."""
    from invoice_pipelines.cli.main import main

    for number, path in enumerate((os.devnull, request["stdout"], request["stderr"])):
        os.dup2(os.open(str(path), os.O_RDWR | os.O_CREAT, 0o600), number)
    os.environ.clear()
    os.environ.update(request["environment"])  # type: ignore[call-overload]
    sys.argv = ["invoice-pipelines", *request["words"]]
    main()
    sys.exit(0)


def serve() -> None:
    from invoice_pipelines.cli.main import COMMANDS, command

    for name in (*COMMANDS, "quickbooks"):
        command(name)
    lines, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    while line := lines.readline():
        child = os.fork()
        if child == 0:
            become(json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), file=answers, flush=True)


if __name__ == "__main__":
    serve()

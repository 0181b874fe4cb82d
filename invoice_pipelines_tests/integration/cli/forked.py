"""A process that has loaded the command line and forks for each command: loading it takes longer than most commands.

    python -m invoice_pipelines_tests.integration.cli.forked

Reads a JSON object per line: `words`, `environment`, and the files `stdout` and `stderr` are written to. Answers each
with the exit code.
"""

from __future__ import annotations

import json
import os
import sys

from invoice_pipelines.cli.main import main


def become(request: dict[str, object]) -> None:
    """Makes this forked process the command."""
    for number, path in enumerate((os.devnull, request["stdout"], request["stderr"])):
        os.dup2(os.open(str(path), os.O_RDWR | os.O_CREAT, 0o600), number)
    os.environ.clear()
    os.environ.update(request["environment"])  # type: ignore[call-overload]
    sys.argv = ["invoice-pipelines", *request["words"]]
    main()
    sys.exit(0)


def serve() -> None:
    lines, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    while line := lines.readline():
        child = os.fork()
        if child == 0:
            become(json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), file=answers, flush=True)


if __name__ == "__main__":
    serve()

"""Programs in processes of their own, forked by one that has the product loaded: to load it takes longer than most run.

    python -m invoice_pipelines_tests.support.programs

Its standard input is a socket. It reads a JSON object per program, which comes with the files that are to be its input,
output and errors, and with a pipe on which it tells the program's process id and, at the end, its exit code.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[2]
COMMAND_LINE = "from invoice_pipelines.cli.main import main; main()"


class Program:
    """`python -c code` with arguments; has what the tests need of `subprocess.Popen`, with pipes of text."""

    def __init__(self, code: str, *arguments: object, environment: Mapping[str, str] | None = None) -> None:
        (stdin, ours), (printed, stdout), (told, tells) = os.pipe(), os.pipe(), os.pipe()
        self._stderr = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - `communicate` closes it
        request = {
            "code": code,
            "arguments": [str(argument) for argument in arguments],
            "environment": dict(os.environ if environment is None else environment),
        }
        files = [stdin, stdout, self._stderr.fileno(), tells]
        socket.send_fds(_forker()[1], [json.dumps(request).encode() + b"\n"], files)
        for file in (stdin, stdout, tells):
            os.close(file)
        self.stdin, self.stdout, self._told = os.fdopen(ours, "w"), os.fdopen(printed), os.fdopen(told)
        self.pid = int(self._told.readline())
        self.returncode: int | None = None

    def wait(self) -> int:
        """The exit code, below zero that of a signal."""
        if self.returncode is None:
            self.returncode = int(self._told.readline())
            self._told.close()
        return self.returncode

    def communicate(self) -> tuple[str, str]:
        """Ends its input and waits; gives what it printed and what it complained about."""
        with suppress(BrokenPipeError):
            self.stdin.close()
        with self.stdout, self._stderr:
            printed = self.stdout.read()
            self.wait()
            self._stderr.seek(0)
            return printed, self._stderr.read()

    def complaints(self) -> str:
        """What it has written to its standard error so far."""
        size = os.fstat(self._stderr.fileno()).st_size
        return os.pread(self._stderr.fileno(), size, 0).decode("utf-8", "replace")

    def kill(self) -> None:
        if self.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)


def begin_together(programs: Sequence[Program]) -> None:
    """Lets programs go on that say when they are ready, and wait for a line then."""
    assert [program.stdout.readline() for program in programs] == ["ready\n"] * len(programs)
    for program in programs:
        program.stdin.write("\n")
        program.stdin.flush()


def run(
    code: str, *arguments: object, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs a program to its end."""
    program = Program(code, *arguments, environment=environment)
    printed, errors = program.communicate()
    return subprocess.CompletedProcess(arguments, program.wait(), printed, errors)


def run_command(home: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs a command of the command line with these settings alone."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("INVOICE_PIPELINES_")}
    return run(
        COMMAND_LINE, *words, environment=environment | {"DAGSTER_HOME": str(home), "COLUMNS": "200"} | variables
    )


@lru_cache(maxsize=1)
def _forker() -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Ends with the process of the tests, when its input does."""
    ours, theirs = socket.socketpair()
    with theirs:
        environment = {**os.environ, "COLUMNS": "200"}  # which is looked up when the command line is loaded
        return subprocess.Popen(
            [sys.executable, "-m", __name__], cwd=PROJECT, env=environment, stdin=theirs.fileno()
        ), ours


def end_forker() -> None:
    """Ends the process that forks, where there is one, so that it can write down what it ran."""
    if _forker.cache_info().currsize:
        process, channel = _forker()
        channel.close()
        process.wait()


def _serve() -> str:
    """Returns in a forked process alone, with the code of its program."""
    main = import_module("invoice_pipelines.cli.main")
    for name in (*main.COMMANDS, "quickbooks"):
        main.command(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(fileno=os.dup(0)) as channel:
        while True:
            line, files, _, _ = socket.recv_fds(channel, 1 << 16, 4)
            if not line:
                sys.exit()
            while not line.endswith(b"\n"):
                line += channel.recv(1 << 16)
            request = json.loads(line)
            if request["arguments"][:1] == ["web"]:
                import_module("invoice_pipelines.web.serving")  # which its command loads when it is run
            if os.fork() == 0:
                break
            for file in files:
                os.close(file)
    return _become(request, files)


def _become(request: dict[str, Any], files: Sequence[int]) -> str:
    """Makes a process below this one the program; this one waits for it."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    *standard, tells = files
    program = os.fork()
    if program:
        for file in standard:
            os.close(file)
        os.write(tells, b"%d\n" % program)
        os.write(tells, b"%d\n" % os.waitstatus_to_exitcode(os.waitpid(program, 0)[1]))
        os._exit(0)
    os.close(tells)
    for number, file in enumerate(standard):
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(request["environment"])
    time.tzset()
    sys.argv = ["invoice-pipelines", *request["arguments"]]
    return str(request["code"])


if __name__ == "__main__":
    exec(_serve(), {"__name__": "__main__"})

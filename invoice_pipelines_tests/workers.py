"""`--workers N`: tests in N processes, which are forked when everything is loaded and collected.

To load and to collect takes a process ten seconds, and each would do it all over again. A worker takes one file after
the other, as what the fixtures of a file make is made once then. This process tells what came of the tests.
"""

from __future__ import annotations

import gc
import os
import signal
import struct
import sys
import traceback
import warnings
from collections.abc import Iterator
from itertools import groupby
from multiprocessing.connection import Connection, Pipe, wait
from types import SimpleNamespace
from typing import Any

import pytest

_NUMBER = struct.Struct("=I")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--workers", type=int, default=0, help="run the tests in so many processes, each file in one")


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Hands the files to workers. None: pytest runs the tests itself, or says why there are none."""
    count = session.config.getoption("workers")
    if not count or session.config.option.collectonly or session.testsfailed or not session.items:
        return None
    files = [list(items) for _, items in groupby(session.items, lambda item: item.path)]
    queue, filled = os.pipe()  # of numbers of files: who reads one has it
    os.write(filled, b"".join(map(_NUMBER.pack, range(len(files)))))
    os.close(filled)
    gc.collect()
    gc.freeze()  # the collector would write to all of these pages, which the workers share
    workers = {}
    for _ in range(min(count, len(files))):
        told, tells = Pipe(duplex=False)
        worker = os.fork()
        if worker == 0:
            told.close()
            _work(session, _taken(files, queue), tells)
        tells.close()
        workers[worker] = told
    try:
        _listen(session, list(workers.values()))
    except BaseException:
        for worker in workers:
            os.kill(worker, signal.SIGINT)
        raise
    finally:
        for worker, told in workers.items():
            told.close()
            os.waitpid(worker, 0)
    return True


def _listen(session: pytest.Session, workers: list[Connection]) -> None:
    """Says here what workers tell, until all of them have ended."""
    hook, running = session.config.hook, dict.fromkeys(workers, "")
    while running:
        for worker in wait(list(running)):
            assert isinstance(worker, Connection)
            try:
                what, given = worker.recv()
            except (EOFError, ConnectionError):
                session.shouldfail = f"a worker died at {running[worker] or 'its beginning'}"
                raise session.Failed(session.shouldfail) from None
            if what == "ended":
                del running[worker]
            elif what == "began":
                running[worker] = given
            elif what == "reported":
                given = hook.pytest_report_from_serializable(config=session.config, data=given)
                hook.pytest_runtest_logreport(report=given)
            elif what == "finished":
                hook.pytest_runtest_logfinish(**given)
            elif what == "warned":
                hook.pytest_warning_recorded.call_historic(kwargs=given)
            else:
                raise RuntimeError(f"a worker broke:\n{given}")
            if session.shouldfail:
                raise session.Failed(session.shouldfail)
            if session.shouldstop:
                raise session.Interrupted(session.shouldstop)


def _taken(files: list[list[pytest.Item]], queue: int) -> Iterator[pytest.Item]:
    """The tests of a worker."""
    while number := os.read(queue, _NUMBER.size):
        yield from files[_NUMBER.unpack(number)[0]]


def _work(session: pytest.Session, items: Iterator[pytest.Item], tells: Connection) -> None:
    """A worker, from beginning to end."""
    config, teller = session.config, _Teller(session.config, tells)
    terminal = config.pluginmanager.unregister(name="terminalreporter")
    assert terminal is not None
    config.pluginmanager.register(SimpleNamespace(_tw=terminal._tw), "terminalreporter")  # plugins ask for its writer
    config.pluginmanager.register(teller)
    capture = config.pluginmanager.getplugin("capturemanager")
    capture.read_global_capture()
    capture.stop_global_capturing()  # of which all workers would have the same files
    capture.start_global_capturing()
    capture.suspend_global_capture()
    try:
        item = next(items, None)
        while item is not None and not session.shouldfail:
            following = next(items, None)
            config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            item = following
        session._setupstate.teardown_exact(None)
        teller.tell("ended")
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to all, and so does the other process
        session._setupstate.teardown_exact(None)
    except BaseException:  # noqa: BLE001 - whatever it is, the other process says so
        teller.tell("broke", traceback.format_exc())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


class _Teller:
    """The plugin of a worker that tells what happens."""

    def __init__(self, config: pytest.Config, tells: Connection) -> None:
        self._config = config
        self._tells = tells

    def tell(self, what: str, given: Any = None) -> None:
        self._tells.send((what, given))

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.tell("began", nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.tell("reported", self._config.hook.pytest_report_to_serializable(config=self._config, report=report))

    def pytest_runtest_logfinish(self, nodeid: str, location: tuple[str, int | None, str]) -> None:
        self.tell("finished", {"nodeid": nodeid, "location": location})

    def pytest_warning_recorded(
        self, warning_message: warnings.WarningMessage, when: str, nodeid: str, location: tuple[str, int, str] | None
    ) -> None:
        told = warnings.WarningMessage(
            str(warning_message.message),
            warning_message.category,
            warning_message.filename,
            warning_message.lineno,
        )
        self.tell("warned", {"warning_message": told, "when": when, "nodeid": nodeid, "location": location})

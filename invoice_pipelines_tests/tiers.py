"""Which tests `make test` runs, and which it leaves to `.ci/run`, so that nobody at a desk waits for minutes.

`thorough.txt` names what is left to CI: a fifth of the tests, which take two thirds of the time. Others run nearly all
of their lines as well. `make tiers` chooses anew, by what each test took and which lines it ran:

    pytest -p invoice_pipelines_tests.tiers --record FOLDER --cov ...     # notes both
    python -m invoice_pipelines_tests.tiers FOLDER                        # writes thorough.txt
"""

from __future__ import annotations

import heapq
import os
import sqlite3
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from coverage import Coverage
from coverage.numbits import numbits_to_nums

THOROUGH = Path(__file__).parent / "thorough.txt"
CHEAP, AT_A_DESK = 0.15, 0.34
"""Of the time of all default tests: what the cheapest ones may take, which all stay, and what all that stay may."""


def function_of(nodeid: str) -> str:
    """A test without its cases, as `thorough.txt` names it."""
    return nodeid.partition("[")[0]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record", type=Path, help="note the time and the lines of each test in this folder")


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Notes what a test takes, its fixtures included, and has its lines counted as its own."""
    if (measured := Coverage.current()) is not None:
        measured.switch_context(function_of(item.nodeid))
    began = time.monotonic()
    yield
    with (item.config.getoption("record") / f"{os.getpid()}.times").open("a") as times:
        times.write(f"{function_of(item.nodeid)}\t{time.monotonic() - began:.4f}\n")


def at_a_desk(seconds: Mapping[str, float], lines: Mapping[str, np.ndarray]) -> set[str]:
    """The tests that stay: the cheapest ones, then those that run the most further lines a second. `lines` are numbers
    of lines, of which a test need have none.
    """
    total = sum(seconds.values())
    stay: set[str] = set()
    run = np.zeros(max((int(own.max()) for own in lines.values() if own.size), default=0) + 1, bool)
    taken: float = 0
    by_price = sorted(seconds, key=lambda test: (seconds[test], test))
    for test in by_price:
        if taken + seconds[test] > CHEAP * total:
            break
        stay.add(test)
        taken += seconds[test]
        run[lines.get(test, [])] = True

    def gain(test: str) -> float:
        return float((~run[lines[test]]).sum() / seconds[test])

    waiting = [(-gain(test), test) for test in by_price if test in lines and test not in stay]
    heapq.heapify(waiting)
    while waiting:
        _, test = heapq.heappop(waiting)
        if waiting and (now := gain(test)) < -waiting[0][0]:
            heapq.heappush(waiting, (-now, test))  # others have run its lines meanwhile
        elif gain(test) and taken + seconds[test] <= AT_A_DESK * total:
            stay.add(test)
            taken += seconds[test]
            run[lines[test]] = True
    return stay


def lines_of_tests(database: Path) -> dict[str, np.ndarray]:
    """The lines that each test runs, as numbers that no two lines of the product share."""
    found: dict[str, list[np.ndarray]] = defaultdict(list)
    with sqlite3.connect(database) as connection:
        rows = connection.execute(
            "select context.context, file_id, numbits from line_bits join context on context.id = context_id"
        )
        for test, file, numbits in rows:
            if test:
                found[test].append(np.array(numbits_to_nums(numbits), np.int64) + file * 10_000)
    return {test: np.unique(np.concatenate(each)) for test, each in found.items()}


def main(folder: Path) -> None:
    """Writes `thorough.txt` from what was noted in a folder, coverage's `data` among it."""
    seconds: dict[str, float] = defaultdict(float)
    for times in folder.glob("*.times"):
        for line in times.read_text().splitlines():
            test, _, taken = line.rpartition("\t")
            seconds[test] += float(taken)
    stay = at_a_desk(seconds, lines_of_tests(folder / "data"))
    THOROUGH.write_text("".join(f"{test}\n" for test in sorted(seconds.keys() - stay)))
    print(f"{len(stay):,} of {len(seconds):,} tests are run by `make test`")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

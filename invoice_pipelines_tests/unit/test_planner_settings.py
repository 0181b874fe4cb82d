"""SQL is written for its reader: the planner is told something only where a test or a bench fails without it.

There is one idiom. Keys come from work.few; each is looked up in a lateral sub-select that cannot be turned around, as
it has an order, a lock or `offset 0`; an order with `enable_sort = off` says which index is meant. Two lists are looked
through once with `enable_nestloop = off`; `enable_seqscan = off` leaves the partial indexes of what is open. What was
locked is changed by its place, `ctid`. Each function that does so names what demands it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from invoice_pipelines.database.schema import PACKAGE

SETTING = re.compile(
    r"\b(offset 0|ctid|plan_cache_mode|(?:join|from)_collapse_limit|geqo|\w+_page_cost|cpu_\w+_cost|jit"
    r"|enable_(?:\w*scan|sort|incremental_sort|\w*join|nestloop|hashagg|material|memoize|presorted_aggregate|gathermerge))\b"
)
IDIOM = {"offset 0", "ctid", "plan_cache_mode", "enable_sort", "enable_nestloop", "enable_seqscan"}
DEMANDED = re.compile(r"demanded by ((?:test_\w+|bench \w+)(?:, (?:test_\w+|bench \w+))*)")
FUNCTION = re.compile(r"(?:^--[^\n]*\n)*^create or replace (?:function|procedure)[^;]*?\$\$.*?\$\$;", re.M | re.S)
WORKSHOP = PACKAGE / "workshop"
TESTS = Path(__file__).parents[1]


def parts() -> Iterator[tuple[str, str]]:
    """Functions of SQL files, what is between them, and queries of modules with the lines before them."""
    for file in sorted(PACKAGE.rglob("*.sql")):
        content = file.read_text("utf-8")
        yield from ((f"{file.name}: {part[:60]}", part) for part in FUNCTION.findall(content))
        yield file.name, FUNCTION.sub("", content)
    for file in sorted(PACKAGE.rglob("*.py")):
        if WORKSHOP not in file.parents:
            content = file.read_text("utf-8")
            lines = content.splitlines() if SETTING.search(content) else []
            for place, line in enumerate(lines):
                if settings_in(line):
                    yield f"{file.name}:{place + 1}", "\n".join(lines[max(0, place - 25) : place + 1])


def settings_in(part: str) -> set[str]:
    return set(SETTING.findall(re.sub(r"--.*|^\s*#.*", "", part, flags=re.M)))


SET = {name: part for name, part in parts() if settings_in(part)}


@pytest.fixture(scope="module")
def written() -> str:
    """All tests."""
    return "\n".join(file.read_text("utf-8") for file in TESTS.rglob("test_*.py"))


@pytest.mark.parametrize("name", SET)
def test_a_planner_setting_is_of_the_idiom_and_names_what_demands_it(name: str, written: str) -> None:
    assert settings_in(SET[name]) <= IDIOM, "another idiom"
    demanded = DEMANDED.search(SET[name])
    assert demanded, "which test fails without it?"
    for demand in demanded[1].split(", "):
        kind, _, bench = demand.partition(" ")
        assert (WORKSHOP / "bench" / bench).exists() if bench else f"def {kind}(" in written, f"no {demand}"

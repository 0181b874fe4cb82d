"""A domain reads another one's views, never its tables: in its SQL files, and in the SQL of its modules."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from invoice_pipelines.database.schema import PACKAGE

MIGRATIONS = PACKAGE / "database" / "migrations" / "versions"
SHARED = {"organizations"}
"""The registry, at whose rows all tables point."""
NO_DOMAINS = {"database", "workshop"}
"""What makes the tables, and what the project is tried and measured with."""
CHANGE_CAPTURE = PACKAGE / "change_capture.sql"

TABLES = {
    name
    for file in MIGRATIONS.glob("0*.py")
    for name in re.findall(r"create table (\w+\.\w+)", file.read_text("utf-8"))
}
SCHEMAS = "|".join(sorted({name.split(".")[0] for name in TABLES}))
NAMES = re.compile(rf"(?<![\w.])(?:{SCHEMAS})\.\w+(?![\w(])")
NAMED = re.compile(rf"(?:(?<![\w.])|(?<=\\n))(?:{SCHEMAS})\.")
"""Found in the source of each module in which NAMES finds anything; to parse all of them takes a second."""


def home(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0]


def strings(file: Path) -> Iterator[str]:
    """All texts of a module but its docstrings, and but what Dagster shows as the place of an asset."""
    content = file.read_text("utf-8")
    if not NAMED.search(content):
        return
    tree = ast.parse(content)
    said = {
        id(part)
        for node in ast.walk(tree)
        for part in (
            [node.value] if isinstance(node, ast.Expr) else
            [v for k, v in zip(node.keys, node.values, strict=True)
             if isinstance(k, ast.Constant) and k.value == "dagster/table_name"] if isinstance(node, ast.Dict) else
            []
        )
    }  # fmt: skip
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said:
            yield node.value


def code(file: Path) -> str:
    return re.sub(r"--.*", "", file.read_text("utf-8"))


@cache
def sql() -> list[tuple[Path, str]]:
    files = [(file, code(file)) for file in sorted(PACKAGE.rglob("*.sql")) if file != CHANGE_CAPTURE]
    modules = [file for file in sorted(PACKAGE.rglob("*.py")) if home(file) not in NO_DOMAINS]
    return files + [(file, said) for file in modules for said in strings(file)]


def test_no_domain_names_a_table_of_another_one():
    assert len(TABLES) > 60
    named = {
        f"{file.relative_to(PACKAGE)}: {table}"
        for file, said in sql()
        for table in TABLES.intersection(NAMES.findall(said))
        if table.split(".")[0] not in SHARED | {home(file)}
    }
    assert named == set()


def test_names_of_tables_and_views_are_never_put_together():
    """As nobody would find them then."""
    cut_off = re.compile(rf"\b(?:from|join|into|update) ({SCHEMAS})\.$")
    apart = {
        str(file.relative_to(PACKAGE))
        for file, said in sql()
        if (found := cut_off.search(said)) and found[1] != home(file)
    }
    assert apart == set()


def test_triggers_on_tables_of_another_domain_stand_in_one_place():
    trigger = re.compile(r"create or replace trigger .*?\bon (\w+)\.\w+.*?execute function (\w+)\.", re.S)
    across = [
        file
        for file in PACKAGE.rglob("*.sql")
        for on, function in trigger.findall(code(file))
        if on not in (function, "public")
    ]
    assert set(across) == {CHANGE_CAPTURE}
    assert len(across) == len(trigger.findall(code(CHANGE_CAPTURE)))

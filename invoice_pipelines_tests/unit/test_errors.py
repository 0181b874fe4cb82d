"""Errors have one root, by which doors know what is meant for people from what is a fault of the program."""

from __future__ import annotations

import ast
import builtins

from invoice_pipelines.errors import InvoicePipelinesError
from invoice_pipelines_tests.conftest import PROJECT

BUILTIN = {name for name, value in vars(builtins).items() if isinstance(value, type) and issubclass(value, Exception)}


def test_every_exception_descends_from_the_root() -> None:
    package = PROJECT / "invoice_pipelines"
    stray = [
        f"{path.relative_to(package)}: {node.name}"
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef) and _is_stray(node)
    ]
    assert stray == []


def _is_stray(node: ast.ClassDef) -> bool:
    bases = {base.id for base in node.bases if isinstance(base, ast.Name)}
    return bool(bases & BUILTIN) and InvoicePipelinesError.__name__ not in (*bases, node.name)

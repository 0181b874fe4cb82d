"""What every error of the project has for programs: a code that is its own, and a message without commands in it."""

from __future__ import annotations

import importlib
import pickle
import pkgutil
import re

import invoice_pipelines
from invoice_pipelines.errors import InvoicePipelinesError


class OddThing(InvoicePipelinesError):
    """An error that names nothing of its own."""


class NamedThing(OddThing):
    """One that does."""

    code = "OTHERWISE_CALLED"


class BelowIt(NamedThing):
    """One below that."""


def test_the_code_is_the_name_of_the_class_unless_it_says_otherwise() -> None:
    assert OddThing("x").code == "ODD_THING"
    assert NamedThing("x").code == "OTHERWISE_CALLED"
    assert BelowIt("x").code == "BELOW_IT"
    assert OddThing("x", code="CLOSER").code == "CLOSER"
    assert OddThing("x").code == "ODD_THING"


def test_an_error_comes_back_whole_from_another_process() -> None:
    error = pickle.loads(pickle.dumps(OddThing("what happened", code="CLOSER", hint="`batch list` shows them")))
    assert (str(error), error.code, error.hint) == ("what happened", "CLOSER", "`batch list` shows them")


def test_codes_of_all_errors_are_in_capitals() -> None:
    for module in pkgutil.walk_packages(invoice_pipelines.__path__, "invoice_pipelines."):
        if module.name.rpartition(".")[2] == "errors":
            importlib.import_module(module.name)
    below = [InvoicePipelinesError]
    for error in below:
        below += error.__subclasses__()
    assert len(below) > 10
    assert [error for error in below if not re.fullmatch("[A-Z][A-Z0-9_]*", error.code)] == []

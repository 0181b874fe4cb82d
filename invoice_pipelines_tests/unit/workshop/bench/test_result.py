"""What a benchmark answers, and how the command line shows it."""

from __future__ import annotations

import json
import sys

import pytest

from invoice_pipelines.cli.main import main
from invoice_pipelines.workshop.bench import benches
from invoice_pipelines.workshop.bench.result import Bar, BenchResult, Case
from invoice_pipelines_tests.support.programs import COMMAND_LINE, run


def result(value: float) -> BenchResult:
    return BenchResult(
        bench="intake",
        cases={"stages": Case([3.0, 1.0, 2.00049], "e-invoices/s", "what it is")},
        ratios={"stages_to_bare": value},
        bars={"stages_to_bare": Bar(value, 0.7)},
        environment={"cpus": 2},
    )


def test_a_bar_holds_from_its_limit_on_and_is_compared_before_it_is_rounded():
    assert Bar(0.7, 0.7).holds
    assert not Bar(0.69999, 0.7).holds
    assert Bar(1.6, 1.6, at_most=True).holds
    assert not Bar(1.60001, 1.6, at_most=True).holds


def test_the_object_has_medians_with_the_number_of_rounds_ratios_and_bars():
    assert result(0.75).as_json() == {
        "bench": "intake",
        "cases": {
            "stages": {
                "median": 2.0,
                "n": 3,
                "unit": "e-invoices/s",
                "values": [3.0, 1.0, 2.0],
                "about": "what it is",
            }
        },
        "ratios": {"stages_to_bare": 0.75},
        "bars": {"stages_to_bare": {"value": 0.75, "limit": 0.7, "holds": True}},
        "environment": {"cpus": 2},
    }


def test_an_unknown_benchmark_is_named_with_those_there_are():
    done = run(COMMAND_LINE, "bench", "speed")
    assert (done.returncode, done.stdout) == (2, "")
    assert "'speed'" in done.stderr
    for name in benches.BENCHES:
        assert name in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(("value", "code"), [(0.75, 0), (0.5, 1)])
@pytest.mark.parametrize("as_json", [True, False])
def test_the_exit_code_says_whether_all_bars_hold(value, code, as_json, monkeypatch, capsys):
    monkeypatch.setattr("invoice_pipelines.workshop.commands.bench.run_bench", lambda name, progress: result(value))
    monkeypatch.setattr(sys, "argv", ["invoice-pipelines", "bench", "intake", *(["--json"] if as_json else [])])
    with pytest.raises(SystemExit) as end:
        main()
    shown = capsys.readouterr().out
    assert end.value.code == code
    if as_json:
        assert json.loads(shown) == result(value).as_json()
    else:
        assert ("does not hold" in shown) == (code == 1)


@pytest.mark.parametrize("name", benches.BENCHES)
def test_each_benchmark_is_found_by_its_name(name):
    assert callable(benches.find_bench(name))

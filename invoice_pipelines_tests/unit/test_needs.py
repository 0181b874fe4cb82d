"""A test that misses what it needs of the machine is skipped at a desk and fails in CI, where nobody reads of skips."""

from __future__ import annotations

import pytest

from invoice_pipelines_tests.support import needs


@pytest.mark.parametrize(("in_ci", "end"), [(False, pytest.skip.Exception), (True, pytest.fail.Exception)])
def test_what_is_lacking_fails_in_ci(monkeypatch: pytest.MonkeyPatch, in_ci: bool, end: type[BaseException]) -> None:
    monkeypatch.setattr(needs, "IN_CI", in_ci)
    with pytest.raises(end, match="root"):
        needs.lack("root is needed")


@pytest.mark.parametrize(("in_ci", "end"), [(False, pytest.skip.Exception), (True, ModuleNotFoundError)])
def test_a_module_that_is_missing_fails_in_ci(
    monkeypatch: pytest.MonkeyPatch, in_ci: bool, end: type[BaseException]
) -> None:
    monkeypatch.setattr(needs, "IN_CI", in_ci)
    with pytest.raises(end):
        needs.need("no_such_module", reason="it is not there")
    assert needs.need("json", reason="it is there").loads("1") == 1

"""The code lists: what they hold, and that the script in the workshop makes the file that is committed."""

from __future__ import annotations

from importlib import resources

import pytest

from invoice_pipelines.einvoice import code_lists
from invoice_pipelines.workshop import code_lists as workshop


def test_the_committed_file_is_what_the_script_makes() -> None:
    committed = resources.files(code_lists).joinpath("code_lists.toml").read_text("utf-8")
    assert workshop.make() == committed


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("currencies", "EUR"),
        ("countries_ubl", "SS"),
        ("countries_cii", "AN"),
        ("units", "C62"),
        ("units", "XBX"),
        ("media_types", "application/pdf"),
        ("exemption_reasons", "VATEX-EU-AE"),
        ("icd_xrechnung", "XR02"),
    ],
)
def test_a_list_has_its_codes(name: str, code: str) -> None:
    assert code in code_lists.codes(name)


def test_each_list_names_the_release_it_was_taken_from() -> None:
    assert all(any(sign.isdigit() for sign in code_lists.release(name)) for name in code_lists.names())

"""The desk speaks German as well as English, and its templates keep to what the browser's policy lets run."""

from __future__ import annotations

import re

from invoice_pipelines.web.pages.rendering import TEMPLATES
from invoice_pipelines_tests.support.desk.texts import german_texts, texts_in_code

_PLACE = re.compile(r"%\((\w+)\)[a-z]|%[a-z]")


def test_each_text_has_one_german_one_and_no_other_is_kept() -> None:
    in_code, (german, twice) = texts_in_code(), german_texts()
    assert {text: files for text, files in in_code.items() if not all(forms(german.get(text, "")))} == {}
    assert [text for text in german if text not in in_code] == []
    assert twice == []


def test_a_german_text_names_the_values_of_the_english_one() -> None:
    german, _ = german_texts()
    for text, said in german.items():
        places = {name for form in forms(text) for name in _PLACE.findall(form)}
        for form in forms(said):
            assert set(_PLACE.findall(form)) <= places, form


def test_templates_have_no_script_or_style_of_their_own() -> None:
    banned = re.compile(r"<style|<script(?![^>]* src=)|\sstyle=|\son[a-z]+=|javascript:|hx-on|hx-vals=.js:|\|\s*safe\b")
    found = {
        (file.name, wrong.group())
        for file in TEMPLATES.rglob("*.html")
        for wrong in banned.finditer(file.read_text("utf-8"))
    }
    assert found == {("components.html", "| safe")}, "icons are our own drawings"


def forms(text: str | tuple[str, ...]) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else text

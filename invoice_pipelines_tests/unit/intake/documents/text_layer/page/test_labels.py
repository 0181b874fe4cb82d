"""The files of labels: complete, without contradictions, and told apart by the language of the document."""

from __future__ import annotations

import pytest

from invoice_pipelines.intake.documents.text_layer.page import vocabulary
from invoice_pipelines.intake.documents.text_layer.page.vocabulary import key, load_vocabulary, vocabulary_of
from invoice_pipelines_tests.unit.intake.documents.text_layer.random_invoices import invoice
from invoice_pipelines_tests.unit.intake.documents.text_layer.wordings import WORDINGS

LANGUAGES = ("cs", "de", "en", "es", "fr", "hr", "it", "nl", "pl", "sv")


def test_all_languages_have_the_same_kinds_of_labels() -> None:
    files = vocabulary._files()
    assert tuple(files) == LANGUAGES
    needed = {
        "labels": {"number", "issue_date", "due_date", "delivery_date", "order_reference", "vat_id", "iban", "buyer"},
        "amounts": {"total", "net", "gross", "tax", "payable", "prepaid", "rounding", "tendered", "change", "exempt"},
        "columns": {"description", "quantity", "unit_price", "net_amount", "tax_rate"},
        "titles": {"380", "381"},
    }
    for language, content in files.items():
        for table, kinds in needed.items():
            assert kinds <= set(content[table]), (language, table)
        assert [len(names) > 0 for names in content["months"]] == [True] * 12


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_phrase_has_one_meaning_in_each_family_of_labels(language: str) -> None:
    content = vocabulary._files()[language]
    for family in (("labels", "titles"), ("amounts",)):
        meanings: dict[str, set[tuple[str, str]]] = {}
        for table in family:
            for kind, texts in content[table].items():
                for text in texts:
                    assert key(text), (language, kind, text)
                    meanings.setdefault(key(text), set()).add((table, kind))
        assert {phrase: kinds for phrase, kinds in meanings.items() if len(kinds) > 1} == {}


@pytest.mark.parametrize("language", WORDINGS)
def test_the_language_of_a_document_decides_which_labels_count(language: str) -> None:
    for seed in range(4):
        words = [word.text for word in invoice(language, seed).pages[0].words]
        found = vocabulary_of(words)
        spoken = {
            meaning.language
            for meanings in found.phrases.values()
            for meaning in meanings
            if meaning.group in ("labels", "amounts")
        }
        assert language in spoken
        assert len(spoken) <= 3


def test_few_words_are_looked_up_in_every_language() -> None:
    assert vocabulary_of(["Total", "12.50"]) is load_vocabulary()

"""Documents are judged by what was learned without their sellers: each once, and then the reader is the shipped one."""

from __future__ import annotations

from invoice_pipelines.intake.documents.text_layer import calibration
from invoice_pipelines.intake.documents.text_layer.ranking import agreement, sellers
from invoice_pipelines.workshop.bench.reading.documents import Document
from invoice_pipelines.workshop.bench.reading.made.made import made_documents
from invoice_pipelines.workshop.training.cross_validation import MadeUp, cross_validated, learned_from
from invoice_pipelines.workshop.training.folds import FOLDS, fold_of

MADE_UP = MadeUp.make(30)


def documents() -> list[Document]:
    return list(made_documents(8, first=50_000))


def test_each_document_is_judged_once_by_what_was_learned_from_other_sellers() -> None:
    found = documents()
    outcomes = list(cross_validated(found, MADE_UP))
    assert sorted(outcome.document.name for outcome in outcomes) == sorted(document.name for document in found)
    assert sum(outcome.values["gross"] is not None for outcome in outcomes) >= len(found) - 2


def test_what_was_learned_counts_within_only() -> None:
    shipped = learned()
    with learned_from(documents(), MADE_UP):
        assert all(one != other for one, other in zip(learned(), shipped, strict=True))
    assert learned() == shipped


def learned() -> list[object]:
    """The model, the weights and the table that the reader asks."""
    loaders = (agreement, "load_model"), (sellers, "load_weights"), (calibration, "load_table")
    return [vars(module)[name]() for module, name in loaders]


def test_all_documents_of_a_seller_are_in_one_fold_and_every_fold_has_some() -> None:
    assert {fold_of(f"seller {number}") for number in range(100)} == set(range(FOLDS))
    assert fold_of("Café Näher") == fold_of("Café Näher")

"""The model of the second reader is whole, fits its features, and always says the same."""

from __future__ import annotations

import json
from pathlib import Path
from time import process_time

import pytest

from invoice_pipelines.intake.documents.text_layer import find_fields
from invoice_pipelines.intake.documents.text_layer.page.labels import labelled_lines
from invoice_pipelines.intake.documents.text_layer.ranking import ranker
from invoice_pipelines.intake.documents.text_layer.ranking.ranker import ModelError, load_model, rank
from invoice_pipelines.intake.documents.text_layer.totals.amounts import find_amounts
from invoice_pipelines.workshop.training.learning import as_file, learn, see
from invoice_pipelines.workshop.training.made import samples
from invoice_pipelines_tests.support.sizes import size

MODEL = Path(ranker.__file__).with_name("totals.model")


def test_the_model_that_is_shipped_loads_and_is_small() -> None:
    assert set(load_model().weights) == set(ranker.ROLES)
    assert MODEL.stat().st_size < 2_000_000


def test_a_damaged_model_is_refused(tmp_path: Path) -> None:
    data = bytearray(MODEL.read_bytes())
    data[-1] ^= 1
    (tmp_path / "damaged").write_bytes(data)
    with pytest.raises(ModelError, match="checksum"):
        load_model(tmp_path / "damaged")
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(ModelError, match="damaged"):
        load_model(tmp_path / "empty")


def test_a_model_of_other_features_is_refused(tmp_path: Path) -> None:
    head, _, body = MODEL.read_bytes().partition(b"\n")
    other = json.dumps(json.loads(head) | {"features": 0}).encode()
    (tmp_path / "other").write_bytes(other + b"\n" + body)
    with pytest.raises(ModelError, match="Train it anew"):
        load_model(tmp_path / "other")


def test_the_same_documents_make_the_same_model_and_the_same_likelihoods() -> None:
    seen = [one for sample in samples(12) if (one := see(sample))]
    assert as_file(learn(seen)) == as_file(learn(seen))
    labelled, _ = labelled_lines(next(samples(1)).pages)
    lines = find_amounts(labelled)
    assert rank(labelled, lines, "gross", load_model()) == rank(labelled, lines, "gross", load_model())


def test_the_total_of_unseen_documents_is_nearly_always_the_likeliest() -> None:
    unseen = list(samples(size(60, 500), first=6_000_000))
    right = 0
    for sample in unseen:
        labelled, _ = labelled_lines(sample.pages)
        right += (
            next(iter(rank(labelled, find_amounts(labelled), "gross", load_model())), None) in sample.totals["gross"]
        )
    assert right / len(unseen) >= 0.95


def test_a_document_without_amounts_has_no_total() -> None:
    labelled, _ = labelled_lines(())
    assert rank(labelled, [], "gross", load_model()) == {}


def test_ranking_takes_a_small_part_of_the_reading() -> None:
    pages = [sample.pages for sample in samples(40)]
    for of_one in pages:
        find_fields(of_one)
    began = process_time()
    for of_one in pages:
        find_fields(of_one)
    reading = process_time() - began
    prepared = [(labelled, find_amounts(labelled)) for of_one in pages for labelled in [labelled_lines(of_one)[0]]]
    began = process_time()
    for labelled, lines in prepared:
        rank(labelled, lines, "gross", load_model())
    # A third of finding the fields; opening the PDF and recognizing words, which take far longer, are not counted.
    assert process_time() - began < reading / 3

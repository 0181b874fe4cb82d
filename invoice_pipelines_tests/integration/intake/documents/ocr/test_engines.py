"""Engines are found by their names in settings: our own, and those that other packages bring."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest
from PIL import Image
from pydantic import ValidationError

from invoice_pipelines.intake.documents.ocr.engine import EngineSpec, EngineUnavailable, PageImage, RecognizedPage
from invoice_pipelines.intake.documents.ocr.engines import engine_spec, identify, open_engine
from invoice_pipelines.intake.documents.ocr.recognizer import open_recognizer
from invoice_pipelines.organizations import (
    OrganizationError,
    OrganizationSettings,
    change_organization,
    find_organization,
)
from invoice_pipelines.registry import OCR_ENGINES
from invoice_pipelines.settings import Settings
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.support.plug_in import install

STAMPS = """
    from invoice_pipelines.intake.documents.ocr.engine import Engine, RecognizedPage, RecognizedWord

    class Stamps(Engine):
        name = "stamps"
        is_service = {is_service}

        def __init__(self, spec):
            self.version, self.options = "1", " ".join(spec.languages)

        def recognize(self, images):
            return [
                RecognizedPage((RecognizedWord("PAID", (1, 2, 30, 4), 0.9),), *image.image.size) for image in images
            ]
"""


@pytest.mark.parametrize("is_service", [False, True])
def test_an_engine_of_another_package_reads_a_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_service: bool
) -> None:
    install(tmp_path, monkeypatch, OCR_ENGINES.group, "stamps", "Stamps", STAMPS.format(is_service=is_service))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # places of its own, which nobody else waits for
    spec = engine_spec(Settings(ocr_engine="stamps", ocr_languages=("fr",)))
    assert spec == EngineSpec("stamps", ("fr",))
    assert identify(spec).label == "stamps 1"
    with open_recognizer(spec, 1) as recognizer:
        (page,) = recognizer.recognize([PageImage(Image.new("L", (400, 300), 255))])
    assert isinstance(page, RecognizedPage)
    assert [word.text for word in page.words] == ["PAID"]
    assert (page.width, page.height) == (400, 300)


def test_an_organization_chooses_it(
    database: TestDatabase, make_organization: Callable[[str], UUID], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_organization("acme")
    install(tmp_path, monkeypatch, OCR_ENGINES.group, "stamps", "Stamps", STAMPS.format(is_service=False))
    change_organization(database.engine, "acme", settings=OrganizationSettings(ocr_engine="stamps"))
    assert engine_spec(Settings(), find_organization(database.engine, "acme")) == EngineSpec("stamps", ("de", "en"))
    monkeypatch.undo()  # the package is taken away: what needs no engine goes on, and what does is told
    acme = find_organization(database.engine, "acme")
    spec = engine_spec(Settings(), acme)
    assert spec is not None
    with pytest.raises(EngineUnavailable, match="no OCR engine called 'stamps'"):
        open_engine(spec)


def test_a_name_that_nobody_registered_is_refused_with_those_that_are_known(
    database: TestDatabase, make_organization: Callable[[str], UUID]
) -> None:
    make_organization("acme")
    known = "There is no OCR engine called 'paddle'. Choose one of: cloud_vision, rapidocr, tesseract"
    with pytest.raises(ValidationError, match=known):
        Settings(ocr_engine="paddle")
    with pytest.raises(OrganizationError, match=known):
        change_organization(database.engine, "acme", settings=OrganizationSettings(ocr_engine="paddle"))
    with pytest.raises(EngineUnavailable, match=known):
        open_engine(EngineSpec("paddle"))

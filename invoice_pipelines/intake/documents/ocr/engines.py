"""Holds which OCR engines there are, and opens one. None ever stands in for another."""

from __future__ import annotations

from invoice_pipelines.intake.documents.ocr.engine import Engine, EngineSpec, EngineUnavailable
from invoice_pipelines.intake.documents.ocr.kept_pages import EngineIdentity

ENGINES = ("rapidocr", "tesseract", "cloud_vision")
"""As they are named in settings."""


def open_engine(spec: EngineSpec) -> Engine:
    """The engine, which loads its models when it is first used. Raises EngineUnavailable: not known, not installed,
    not set up."""
    # Each engine's libraries take a second to load, and one of them may not be installed.
    if spec.name == "rapidocr":
        from invoice_pipelines.intake.documents.ocr.rapidocr import RapidOcrEngine

        return RapidOcrEngine(spec)
    if spec.name == "tesseract":
        from invoice_pipelines.intake.documents.ocr.tesseract import TesseractEngine

        return TesseractEngine(spec)
    if spec.name == "cloud_vision":
        from invoice_pipelines.intake.documents.ocr.vision.cloud_vision import CloudVisionEngine

        return CloudVisionEngine(spec)
    raise EngineUnavailable(f"There is no OCR engine called {spec.name!r}. Choose one of: {', '.join(ENGINES)}.")


def identify(spec: EngineSpec) -> EngineIdentity:
    """What pages read by this engine are known by. No models are loaded. Raises EngineUnavailable."""
    engine = open_engine(spec)
    return EngineIdentity(engine.name, engine.version, engine.options)

"""Which OCR engines there are, and how one is opened. None ever stands in for another.

They are registered as entry points (`registry.OCR_ENGINES`), those of this project in its `pyproject.toml`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from invoice_pipelines.intake.documents.ocr.engine import Engine, EngineIdentity, EngineSpec, EngineUnavailable
from invoice_pipelines.registry import OCR_ENGINES, UnknownName

if TYPE_CHECKING:  # each OCR process would load them at its start
    from invoice_pipelines.organizations import Organization
    from invoice_pipelines.settings import Settings


def engine_spec(settings: Settings, organization: Organization | None = None) -> EngineSpec | None:
    """The OCR engine of an organization: its own choice, else that of the deployment; None where it is switched off."""
    chosen = organization.settings.ocr_engine if organization is not None else None
    name = chosen or settings.ocr_engine
    if name == "none":
        return None
    try:
        return engine_class(name).spec(settings)
    except EngineUnavailable:
        return EngineSpec(name)  # which says so when a page needs it; what needs no engine goes on


def engine_class(name: str) -> type[Engine]:
    """The kind of engine with a name. Raises EngineUnavailable: not known, or its package cannot be loaded."""
    try:
        engine: type[Engine] = OCR_ENGINES.load(name)
    except UnknownName as problem:
        raise EngineUnavailable(str(problem)) from None
    except ImportError as problem:
        raise EngineUnavailable(f"The OCR engine {name} cannot be loaded: {problem}.") from None
    return engine


def open_engine(spec: EngineSpec) -> Engine:
    """The engine, which loads its models when it is first used. Raises EngineUnavailable: not known, not installed,
    not set up."""
    return engine_class(spec.name)(spec)


def identify(spec: EngineSpec) -> EngineIdentity:
    """The identity under which pages read by this engine are kept. Loads no models. Raises EngineUnavailable."""
    engine = open_engine(spec)
    return EngineIdentity(engine.name, engine.version, engine.options)

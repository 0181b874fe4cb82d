"""The interface of OCR engines: pictures of pages in, words with boxes and confidence out. `engines` finds them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, ClassVar

from invoice_pipelines.errors import InvoicePipelinesError

if TYPE_CHECKING:
    from PIL import Image

    from invoice_pipelines.settings import Settings


@dataclass(frozen=True, slots=True)
class PageImage:
    """The picture of one page, of mode L or RGB. `dpi` is what it was rendered or scanned at, where that is known."""

    image: Image.Image
    dpi: float | None = None


@dataclass(frozen=True, slots=True)
class RecognizedWord:
    """Characters without a blank between them. `box` is (left, top, right, bottom) in pixels of the upright page;
    `confidence` is 0 to 1 on the scale of its engine."""

    text: str
    box: tuple[float, float, float, float]
    confidence: float


@dataclass(frozen=True, slots=True)
class RecognizedPage:
    """The result for one page; a blank page has no words.

    `quarter_turns` says how often the picture was turned clockwise by 90 degrees until it was upright; width and
    height are those of the upright page in pixels. `cost_usd` is the price of the page where the engine has one.
    """

    words: tuple[RecognizedWord, ...]
    width: int
    height: int
    quarter_turns: int = 0
    seconds: float = 0.0
    cost_usd: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class PageError:
    """Why a page was not read. With `retry` it is worth another try later; else the picture itself is at fault."""

    code: str
    message: str
    retry: bool


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """Which engine, and how it is set: plain values, so that it can be sent to the process that opens it.

    `languages` are ISO 639-1 codes: models for Tesseract, nothing to RapidOCR. `threads` is what one process of an
    embedded engine uses. An engine with settings of its own has a subclass for them.
    """

    name: str
    languages: tuple[str, ...] = ()
    threads: int = 1


@dataclass(frozen=True, slots=True)
class EngineIdentity:
    """Engine, version and options that a page was read with."""

    name: str
    version: str
    options: str

    @property
    def label(self) -> str:
        """As provenance names it."""
        return f"{self.name} {self.version}"


class EngineUnavailable(InvoicePipelinesError):
    """An engine cannot work at all: not installed, wrong credentials, service down. The message says what to do."""


class Engine(ABC):
    """An OCR engine. It is made from its spec, by which no models are loaded, and used by one thread at a time."""

    name: ClassVar[str]
    """As it stands in settings and in `intake.ocr_page`, and as it is registered."""
    is_service: ClassVar[bool] = False
    """Whether the pages leave this process anyway, many at once; else each engine gets a process of its own."""
    least_read: ClassVar[float] = 0.95
    """The share of the characters of the test picture that it must read right."""
    version: str
    """Of the engine and its models; pages read by another version are read again."""
    options: str
    """All else that changes what is read, as one short text."""

    @abstractmethod
    def __init__(self, spec: EngineSpec) -> None:
        """Raises EngineUnavailable where it is not installed or not set up."""

    @classmethod
    def spec(cls, settings: Settings) -> EngineSpec:
        """How the deployment has set it."""
        return EngineSpec(cls.name, settings.ocr_languages, settings.ocr_threads)

    @abstractmethod
    def recognize(self, images: Sequence[PageImage]) -> list[RecognizedPage | PageError]:
        """One result per picture, in their order. Raises EngineUnavailable; nothing else for a bad picture."""

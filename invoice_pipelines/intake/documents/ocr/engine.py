"""Holds what every OCR engine is: pictures of pages in, words with boxes and confidence out, and a self-check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from PIL import Image


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
    """What an engine read on a page; no words on a blank one.

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

    `languages` are ISO 639-1 codes: hints for Cloud Vision, models for Tesseract, nothing to RapidOCR. `threads` is
    what one process of an embedded engine uses. The rest is for Cloud Vision only: `endpoint` is a host of Google's,
    or insecure://host:port for a local server; None for its default. `parent` is projects/PROJECT/locations/LOCATION.
    `patience_seconds` is how long it is waited for while it is away: well below the lease of the work that asks, or
    another worker would have the same pages read meanwhile.
    """

    name: str
    languages: tuple[str, ...] = ()
    threads: int = 1
    endpoint: str | None = None
    parent: str | None = None
    requests_per_minute: int = 1800
    usd_per_1000_pages: Decimal = Decimal("1.50")
    patience_seconds: float = 180.0


class EngineUnavailable(Exception):
    """An engine cannot work at all: not installed, wrong credentials, service down. The message says what to do."""


class Engine(Protocol):
    """An OCR engine. Engines are used by one thread at a time."""

    name: str
    """As it stands in settings and in `intake.ocr_page`: rapidocr, tesseract, cloud_vision."""
    version: str
    """Of the engine and its models; pages read by another version are read again."""
    options: str
    """All else that changes what is read, as one short text."""

    def recognize(self, images: Sequence[PageImage]) -> list[RecognizedPage | PageError]:
        """One result per picture, in their order. Raises EngineUnavailable; nothing else for a bad picture."""
        ...

    def self_check(self) -> None:
        """Reads a real picture. Raises EngineUnavailable with what is wrong and what to do."""
        ...

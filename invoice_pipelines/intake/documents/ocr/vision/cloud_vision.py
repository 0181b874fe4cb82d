"""The engine Google Cloud Vision: each page gets a result, whatever the service does meanwhile.

A retry carries only the pages that have no answer yet, and is cut in halves where one picture may be what breaks the
request: a page that was answered is never sent again. Only an answer that is lost on the way, or that cannot be told
from others, may be charged twice, as the service knows no request ids. `service` makes the request, `words` the words.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from invoice_pipelines.intake.documents.ocr.engine import (
    Engine,
    EngineUnavailable,
    PageError,
    PageImage,
    RecognizedPage,
)
from invoice_pipelines.intake.documents.ocr.pictures import page_key
from invoice_pipelines.intake.documents.ocr.vision.pictures import (
    PICTURES_PER_REQUEST,
    REQUEST_BYTES,
    Picture,
    encode_picture,
)
from invoice_pipelines.intake.documents.ocr.vision.rate_limit import RateLimit
from invoice_pipelines.intake.documents.ocr.vision.service import (
    RequestFailed,
    RequestRefused,
    ServiceAway,
    VisionService,
    VisionSpec,
    no_access,
    sentence,
)
from invoice_pipelines.intake.documents.ocr.vision.words import words_of
from invoice_pipelines.settings import Settings

PICTURE_REFUSED = "OCR_PICTURE_REFUSED"
NOT_READ = "OCR_NOT_READ"
UNAVAILABLE = "OCR_UNAVAILABLE"
"""The name that the stage has for it as well: such pages wait, however often they were tried."""

_TRIES_OF_A_PICTURE = 4

# google.rpc.Code of a single picture in an answer; any other is worth another try.
_OK = 0
_PICTURE_AT_FAULT = (3, 9, 11)
_NO_ACCESS = {7: "PERMISSION_DENIED", 16: "UNAUTHENTICATED"}


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the service is waited for, in seconds: `total` for one `recognize`, the others for one request."""

    total: float
    request: float = 20.0
    each_picture: float = 2.5
    """Added to the time of a request for each picture."""
    first_pause: float = 1.0
    longest_pause: float = 30.0


class CloudVisionEngine(Engine):
    """Google Cloud Vision by its own client, in requests of at most 16 pages, one after the other."""

    name = "cloud_vision"
    is_service = True

    @classmethod
    def spec(cls, settings: Settings) -> VisionSpec:
        """How the deployment has set it."""
        return VisionSpec(
            cls.name,
            settings.vision_language_hints,
            endpoint=settings.vision_endpoint,
            parent=settings.vision_parent,
            requests_per_minute=settings.vision_requests_per_minute,
            usd_per_1000_pages=settings.vision_usd_per_1000_pages,
            patience_seconds=min(180.0, settings.lease_seconds * 0.6),
        )

    def __init__(self, spec: VisionSpec, patience: Patience | None = None, rate_limit: RateLimit | None = None) -> None:
        self.version = "v1"
        self.options = " ".join(["DOCUMENT_TEXT_DETECTION", *(f"hint={language}" for language in spec.languages)])
        self._service = VisionService(spec, rate_limit)
        self._patience = patience or Patience(total=spec.patience_seconds)
        self._price = spec.usd_per_1000_pages / 1000

    def recognize(self, images: Sequence[PageImage]) -> list[RecognizedPage | PageError]:
        """One result per picture.

        Raises EngineUnavailable where the service answered none of them. What it did answer is paid for and so is
        returned; the others are then errors with code OCR_UNAVAILABLE, worth another try. Equal pages are sent once,
        and the first of them has the price.
        """
        keys = [page_key(image) for image in images]
        distinct = dict(zip(keys, images, strict=True))
        results = dict(zip(distinct, self._recognize_distinct(list(distinct.values())), strict=True))
        paid: set[str] = set()
        return [_paid_once(results[key], key, paid) for key in keys]

    def _recognize_distinct(self, images: Sequence[PageImage]) -> list[RecognizedPage | PageError]:
        call = _Call(self._service, self._patience, self._price, images)
        try:
            call.read_all()
        except EngineUnavailable as problem:
            if not call.answered:
                raise
            rest = PageError(UNAVAILABLE, str(problem), retry=True)
            return [result or rest for result in call.results]
        return [result for result in call.results if result is not None]


def _paid_once(result: RecognizedPage | PageError, key: str, paid: set[str]) -> RecognizedPage | PageError:
    if isinstance(result, RecognizedPage) and key in paid:
        return replace(result, seconds=0.0, cost_usd=Decimal(0))
    paid.add(key)
    return result


class _Call:
    """One `recognize`: what was answered so far, and until when there is time."""

    def __init__(self, service: VisionService, patience: Patience, price: Decimal, images: Sequence[PageImage]) -> None:
        self.results: list[RecognizedPage | PageError | None] = [None] * len(images)
        self.answered = False
        self._service = service
        self._patience = patience
        self._price = price
        self._images = images
        self._deadline = time.monotonic() + patience.total
        self._last_problem = ""
        self._refused_request: RequestRefused | None = None

    def read_all(self) -> None:
        """Gives each picture a result. Raises EngineUnavailable."""
        for batch in self._batches():
            self._read(batch)
        if self._refused_request and not self.answered:
            # Not one request was good enough: that is no fault of the pictures.
            raise EngineUnavailable(f"{self._refused_request} {no_access('INVALID_ARGUMENT')}")

    def _batches(self) -> Iterator[list[Picture]]:
        """As many pictures as fit into a request, encoded as late as possible, as they are large."""
        batch: list[Picture] = []
        room = REQUEST_BYTES
        for index, image in enumerate(self._images):
            picture = encode_picture(index, image.image, {other.size for other in batch})
            if isinstance(picture, PageError):
                self.results[index] = picture
                continue
            if batch and (len(batch) == PICTURES_PER_REQUEST or len(picture.content) > room):
                yield batch
                batch, room = [], REQUEST_BYTES
            batch.append(picture)
            room -= len(picture.content)
        if batch:
            yield batch

    def _read(self, batch: list[Picture]) -> None:
        waiting = deque([batch])
        failures = 0
        while waiting:
            pictures = waiting.popleft()
            contents = [picture.content for picture in pictures]
            seconds = self._patience.request + self._patience.each_picture * len(pictures)
            started = time.monotonic()
            try:
                answers = self._service.annotate(contents, seconds, self._seconds_left())
            except ServiceAway as problem:
                failures += 1
                waiting.append(pictures)
                self._pause(failures, str(problem))
            except RequestFailed as problem:
                failures += 1
                if len(pictures) > 1:
                    waiting.extend(_halves(pictures))
                elif again := self._again(pictures[0], str(problem)):
                    waiting.append(again)
                self._pause(failures, str(problem))
            except RequestRefused as problem:
                if len(pictures) > 1:
                    waiting.extend(_halves(pictures))
                else:
                    self._refused_request = problem
                    self._refuse(pictures[0], str(problem))
            else:
                failures = 0
                unread = self._take(pictures, answers, time.monotonic() - started)
                if unread:
                    waiting.append(unread)
                    self._pause(max(picture.failures for picture in unread), self._last_problem)

    def _take(self, pictures: Sequence[Picture], answers: Sequence[Any], seconds: float) -> list[Picture]:
        """Takes the answers as results; returns the pictures that are to be asked for again."""
        unread: list[Picture] = []
        refusal = None
        by_picture = _assign(pictures, answers)
        for picture in pictures:
            answer = by_picture.get(picture.index)
            if answer is None:
                unread += self._again(picture, "Google Cloud Vision left a page out of its answer.")
            elif answer.error.code == _OK:
                self.results[picture.index] = self._page(picture, answer, seconds / len(pictures))
                self.answered = True
            elif answer.error.code in _PICTURE_AT_FAULT and "language" in answer.error.message.lower():
                # A hint that the service does not know is held against each picture, which has no part in it.
                refusal = f"Google Cloud Vision: {sentence(answer.error.message)} {no_access('INVALID_ARGUMENT')}"
            elif answer.error.code in _PICTURE_AT_FAULT:
                self._refuse(picture, f"Google Cloud Vision: {sentence(answer.error.message)}")
                self.answered = True
            elif answer.error.code in _NO_ACCESS:
                name = _NO_ACCESS[answer.error.code]
                refusal = f"Google Cloud Vision: {name}: {sentence(answer.error.message)} {no_access(name)}"
            else:
                unread += self._again(picture, f"Google Cloud Vision: {sentence(answer.error.message)}")
        if refusal is not None:
            raise EngineUnavailable(refusal)
        return unread

    def _page(self, picture: Picture, answer: Any, seconds: float) -> RecognizedPage:
        width, height = self._images[picture.index].image.size
        words, turns = words_of(answer.full_text_annotation, width, height)
        upright = (width, height) if turns % 2 == 0 else (height, width)
        return RecognizedPage(words, *upright, turns, seconds, self._price)

    def _refuse(self, picture: Picture, problem: str) -> None:
        message = f"The page was refused. {problem}"
        self.results[picture.index] = PageError(PICTURE_REFUSED, message, retry=False)

    def _again(self, picture: Picture, problem: str) -> list[Picture]:
        """The picture, to be asked for again; nothing, and an error as its result, once that was often enough."""
        picture.failures += 1
        self._last_problem = problem
        if picture.failures < _TRIES_OF_A_PICTURE:
            return [picture]
        message = f"The page was tried {picture.failures} times. {problem}"
        self.results[picture.index] = PageError(NOT_READ, message, retry=True)
        return []

    def _pause(self, failures: int, problem: str) -> None:
        """Waits before a retry, longer each time and never exactly as long as others do."""
        self._last_problem = problem
        pause = min(self._patience.first_pause * 2 ** (failures - 1), self._patience.longest_pause)
        time.sleep(min(pause * random.uniform(0.5, 1.0), self._seconds_left()))

    def _seconds_left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise EngineUnavailable(
                f"{self._last_problem or 'Google Cloud Vision is too slow.'} No answer within "
                f"{self._patience.total:.0f} seconds; try again later."
            )
        return left


def _halves(pictures: list[Picture]) -> list[list[Picture]]:
    half = len(pictures) // 2
    return [pictures[:half], pictures[half:]]


def _assign(pictures: Sequence[Picture], answers: Sequence[Any]) -> dict[int, Any]:
    """Answers by the index of their picture.

    They come in the order of the pictures. With fewer answers than pictures nothing says which are missing, and a text
    must never be taken for that of another page. So an answer counts where its size, of which there is no other in the
    request, says whose it is, or where the answers before and behind leave one picture only.
    """
    if len(answers) == len(pictures):
        return {picture.index: answer for picture, answer in zip(pictures, answers, strict=True)}
    by_size: dict[tuple[int, int] | None, int] = {picture.size: place for place, picture in enumerate(pictures)}
    told = [by_size.get(_size(answer)) for answer in answers]
    earliest: list[int] = []
    for place in told:
        earliest.append(place if place is not None else earliest[-1] + 1 if earliest else 0)
    latest: list[int] = []
    for place in reversed(told):
        latest.append(place if place is not None else (latest[-1] if latest else len(pictures)) - 1)
    return {
        pictures[first].index: answer
        for first, last, answer in zip(earliest, reversed(latest), answers, strict=True)
        if first == last
    }


def _size(answer: Any) -> tuple[int, int] | None:
    pages = answer.full_text_annotation.pages
    return (pages[0].width, pages[0].height) if pages else None

"""Google Cloud Vision by its own client over gRPC, against the sandbox in every mood of the service."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from itertools import islice
from pathlib import Path

import pytest
from PIL import Image

from invoice_pipelines.intake.documents.ocr.engine import EngineUnavailable, PageError, PageImage, RecognizedPage
from invoice_pipelines.intake.documents.ocr.vision.cloud_vision import CloudVisionEngine, Patience
from invoice_pipelines.intake.documents.ocr.vision.rate_limit import RateLimit
from invoice_pipelines.intake.documents.ocr.vision.service import VisionSpec
from invoice_pipelines.workshop.sandbox.vision import VisionSandbox, picture_identity
from invoice_pipelines.workshop.sandbox.vision_faults import TRANSIENT, Fault
from invoice_pipelines_tests.integration.workshop.sandbox.pages import page_picture, page_text, recorded, recorded_page

PAGES = 64
SHORT_PATIENCE = Patience(total=8.0, request=0.5, each_picture=0.0, first_pause=0.01, longest_pause=0.05)

Make = Callable[..., CloudVisionEngine]


@pytest.fixture
def sandbox() -> Iterator[VisionSandbox]:
    """A server that knows 64 pages."""
    with VisionSandbox(recorded({number: recorded_page(number) for number in range(PAGES)})) as sandbox:
        yield sandbox


@pytest.fixture
def engine_for(tmp_path: Path) -> Make:
    """Makes engines that are impatient and not held up by a rate limit."""

    def make(
        endpoint: str | None, patience: Patience = SHORT_PATIENCE, per_minute: int = 1_000_000, **options: object
    ) -> CloudVisionEngine:
        spec = replace(VisionSpec("cloud_vision", endpoint=endpoint), **options)
        return CloudVisionEngine(spec, patience, RateLimit("test", per_minute, tmp_path / "rate"))

    return make


def pictures(count: int, first: int = 0) -> list[PageImage]:
    return [page_picture(number) for number in range(first, first + count)]


def texts(result: RecognizedPage | PageError) -> tuple[str, ...]:
    assert isinstance(result, RecognizedPage), result
    return tuple(word.text for word in result.words)


def codes(results: list[RecognizedPage | PageError]) -> Counter[str]:
    return Counter(result.code if isinstance(result, PageError) else "read" for result in results)


def assert_all_read_once(results: list[RecognizedPage | PageError], sandbox: VisionSandbox) -> None:
    assert [texts(result) for result in results] == [page_text(number) for number in range(len(results))]
    assert Counter(sandbox.billed.values()) == {1: len(results)}


def test_pages_are_read_in_their_order_in_requests_of_sixteen(sandbox: VisionSandbox, engine_for: Make) -> None:
    results = engine_for(sandbox.endpoint).recognize(pictures(40))
    assert_all_read_once(results, sandbox)
    assert [request.pictures for request in sandbox.requests] == [16, 16, 8]
    result = results[3]
    assert isinstance(result, RecognizedPage)
    word = result.words[2]
    assert (word.text, word.box) == ("3,60€", (130.0, 20.0, 180.0, 40.0))
    assert word.confidence == pytest.approx(0.75)


def test_one_feature_is_asked_for_and_hints_and_parent_are_passed_on(sandbox: VisionSandbox, engine_for: Make) -> None:
    engine = engine_for(sandbox.endpoint, languages=("de", "fr"), parent="projects/acme/locations/eu")
    engine.recognize(pictures(2))
    for request in sandbox.last_request.requests:
        assert [feature.type_ for feature in request.features] == [11]  # DOCUMENT_TEXT_DETECTION
        assert list(request.image_context.language_hints) == ["de", "fr"]
    assert sandbox.last_request.parent == "projects/acme/locations/eu"
    assert engine.options != engine_for(sandbox.endpoint).options, "hints change what is read"


@pytest.mark.parametrize(
    ("fault", "code"), [(Fault.HALF_BAD, "OCR_PICTURE_REFUSED"), (Fault.HALF_DENIED, "OCR_UNAVAILABLE")]
)
def test_each_page_that_was_answered_is_read_and_has_its_price(
    sandbox: VisionSandbox, engine_for: Make, fault: Fault, code: str
) -> None:
    sandbox.fail(fault)
    results = engine_for(sandbox.endpoint, usd_per_1000_pages=Decimal("1.50")).recognize(pictures(16))
    assert sum(result.cost_usd for result in results if isinstance(result, RecognizedPage)) == Decimal("0.012")
    assert codes(results) == {"read": 8, code: 8}


@pytest.mark.parametrize(("number", "faults"), [(10, []), (3, [Fault.EMPTY])])
def test_an_empty_annotation_is_a_blank_page_and_not_asked_for_again(
    sandbox: VisionSandbox, engine_for: Make, number: int, faults: list[Fault]
) -> None:
    for fault in faults:
        sandbox.fail(fault)
    (result,) = engine_for(sandbox.endpoint).recognize([page_picture(number)])
    assert isinstance(result, RecognizedPage)
    assert texts(result) == ()
    assert (result.width, result.height, result.cost_usd) == (200, 60, Decimal("0.0015"))
    assert len(sandbox.requests) == 1


def test_without_confidence_no_word_is_sure(sandbox: VisionSandbox, engine_for: Make) -> None:
    sandbox.fail(Fault.NO_CONFIDENCE)
    (result,) = engine_for(sandbox.endpoint).recognize(pictures(1))
    assert isinstance(result, RecognizedPage)
    assert texts(result) == page_text(0)
    assert {word.confidence for word in result.words} == {0.0}


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_page_that_lies_on_its_side_comes_upright(engine_for: Make, turns: int) -> None:
    size = (60, 200) if turns % 2 else (200, 60)
    upright = replace(recorded_page(3), quarter_turns=turns)
    with VisionSandbox(lambda image: upright) as sandbox:
        (result,) = engine_for(sandbox.endpoint).recognize([PageImage(Image.new("L", size, "white"))])
    assert isinstance(result, RecognizedPage)
    assert (result.width, result.height, result.quarter_turns) == (200, 60, turns)
    assert [word.box for word in result.words] == [word.box for word in upright.words]


@pytest.mark.parametrize(
    ("fault", "times", "requests"),
    [
        (Fault.RESOURCE_EXHAUSTED, 3, [16, 16, 16, 16]),
        (Fault.UNAVAILABLE, 3, [16, 16, 16, 16]),
        (Fault.DROP, 2, [16, 16, 16]),
        # What may be one picture's fault is asked for in halves.
        (Fault.INTERNAL, 1, [16, 8, 8]),
        (Fault.INTERNAL, 2, [16, 8, 8, 4, 4]),
        (Fault.DEADLINE_EXCEEDED, 1, [16, 8, 8]),
        (Fault.HANG, 1, [16, 8, 8]),
        (Fault.INVALID_ARGUMENT, 1, [16, 8, 8]),
        # Only pictures without an answer are sent again.
        (Fault.HALF_EXHAUSTED, 1, [16, 8]),
        (Fault.HALF_INTERNAL, 2, [16, 8, 4]),
        (Fault.HALF_UNAVAILABLE, 3, [16, 8, 4, 2]),
        (Fault.SHORT, 1, [16, 6]),
        (Fault.SHORT, 2, [16, 6, 2]),
        (Fault.SHORT_IN_THE_MIDDLE, 1, [16, 1]),
    ],
)
def test_after_a_fault_each_page_is_read_and_none_is_billed_twice(
    sandbox: VisionSandbox, engine_for: Make, fault: Fault, times: int, requests: list[int]
) -> None:
    sandbox.fail(fault, times)
    assert_all_read_once(engine_for(sandbox.endpoint).recognize(pictures(16)), sandbox)
    assert [request.pictures for request in sandbox.requests] == requests


def test_a_slow_answer_is_waited_for(sandbox: VisionSandbox, engine_for: Make) -> None:
    sandbox.slow_seconds = 0.2
    sandbox.fail(Fault.SLOW)
    assert_all_read_once(engine_for(sandbox.endpoint).recognize(pictures(16)), sandbox)
    assert len(sandbox.requests) == 1


def test_an_answer_that_is_lost_on_the_way_is_asked_for_again_and_may_cost_twice(
    sandbox: VisionSandbox, engine_for: Make
) -> None:
    sandbox.fail(Fault.LOSE_ANSWER)
    results = engine_for(sandbox.endpoint).recognize(pictures(3))
    assert [texts(result) for result in results] == [page_text(number) for number in range(3)]
    assert set(sandbox.billed.values()) == {2}
    assert sum(result.cost_usd for result in results if isinstance(result, RecognizedPage)) == Decimal("0.0045")


@pytest.mark.parametrize("missing", [0, 1, 8, 9, 10, 11, 15])
def test_no_text_is_taken_for_that_of_another_page_when_an_answer_is_missing(
    sandbox: VisionSandbox, engine_for: Make, missing: int
) -> None:
    sandbox.left_out = [missing]
    sandbox.fail(Fault.SHORT)
    results = engine_for(sandbox.endpoint).recognize(pictures(16))
    assert [texts(result) for result in results] == [page_text(number) for number in range(16)]
    billed_twice = {identity for identity, times in sandbox.billed.items() if times > 1}
    # The answer for a blank page (10) has no size: beside the gap, nothing tells whose it is.
    assert billed_twice == ({picture_identity(page_picture(10).image)} if missing in (9, 11) else set())


def test_a_picture_that_is_always_refused_fails_alone_and_for_good(sandbox: VisionSandbox, engine_for: Make) -> None:
    sandbox.fail(Fault.HALF_BAD, 20)
    results = engine_for(sandbox.endpoint).recognize(pictures(2))
    assert codes(results) == {"OCR_PICTURE_REFUSED": 1, "read": 1}
    assert results[0] == PageError(
        "OCR_PICTURE_REFUSED", "The page was refused. Google Cloud Vision: Bad image data.", retry=False
    )
    assert len(sandbox.requests) == 1


@pytest.mark.parametrize("fault", [Fault.HALF_EXHAUSTED, Fault.HALF_INTERNAL, Fault.HALF_UNAVAILABLE])
def test_a_picture_that_fails_four_times_is_left_for_later(
    sandbox: VisionSandbox, engine_for: Make, fault: Fault
) -> None:
    sandbox.fail(fault, 20)
    results = engine_for(sandbox.endpoint).recognize(pictures(2))
    assert codes(results) == {"OCR_NOT_READ": 1, "read": 1}
    assert isinstance(results[0], PageError)
    assert results[0].retry
    assert [request.pictures for request in sandbox.requests] == [2, 1, 1, 1]


def test_one_picture_on_which_the_service_always_fails_keeps_no_other_from_being_read(engine_for: Make) -> None:
    known = recorded({number: recorded_page(number) for number in range(16)})
    bad = picture_identity(page_picture(5).image)

    def read(image: Image.Image) -> RecognizedPage:
        if picture_identity(image) == bad:
            raise RuntimeError("of the service")
        return known(image)

    with VisionSandbox(read) as sandbox:
        results = engine_for(sandbox.endpoint).recognize(pictures(16))
        assert codes(results) == {"read": 15, "OCR_NOT_READ": 1}
        assert isinstance(results[5], PageError)
        assert results[5].retry
        assert Counter(sandbox.billed.values()) == {1: 15}


@pytest.mark.parametrize(
    ("fault", "advice"),
    [
        (Fault.PERMISSION_DENIED, "enable the Cloud Vision API and billing"),
        (Fault.UNAUTHENTICATED, "GOOGLE_APPLICATION_CREDENTIALS"),
    ],
)
def test_without_access_the_engine_is_unavailable_at_once(
    sandbox: VisionSandbox, engine_for: Make, fault: Fault, advice: str
) -> None:
    sandbox.fail(fault, 100)
    with pytest.raises(EngineUnavailable, match=advice):
        engine_for(sandbox.endpoint).recognize(pictures(40))
    assert len(sandbox.requests) == 1


@pytest.mark.parametrize("fault", [Fault.UNAVAILABLE, Fault.RESOURCE_EXHAUSTED, Fault.HANG, Fault.DROP])
def test_a_service_that_stays_away_makes_the_engine_unavailable_after_its_deadline(
    sandbox: VisionSandbox, engine_for: Make, fault: Fault
) -> None:
    sandbox.fail(fault, 10_000)
    patience = replace(SHORT_PATIENCE, total=0.6, request=0.2)
    with pytest.raises(EngineUnavailable, match="try again later"):
        engine_for(sandbox.endpoint, patience).recognize(pictures(16))
    assert not sandbox.billed


@pytest.mark.parametrize(
    ("hints", "advice"), [((), "INVOICE_PIPELINES_VISION_PARENT"), (("de", "klingon"), "VISION_LANGUAGE_HINTS")]
)
def test_a_request_that_is_never_good_enough_is_no_fault_of_the_pages(
    sandbox: VisionSandbox, engine_for: Make, hints: tuple[str, ...], advice: str
) -> None:
    if not hints:
        sandbox.fail(Fault.INVALID_ARGUMENT, 100)
    with pytest.raises(EngineUnavailable, match=advice):
        engine_for(sandbox.endpoint, languages=hints).recognize(pictures(3))
    assert not sandbox.billed


@pytest.mark.parametrize("fault", [Fault.UNAVAILABLE, Fault.PERMISSION_DENIED])
def test_what_was_answered_before_the_service_failed_is_returned(
    sandbox: VisionSandbox, engine_for: Make, fault: Fault
) -> None:
    sandbox.fail(Fault.NO_CONFIDENCE)  # a request that is answered
    sandbox.fail(fault, 10_000)
    results = engine_for(sandbox.endpoint, replace(SHORT_PATIENCE, total=0.6)).recognize(pictures(40))
    assert codes(results) == {"read": 16, "OCR_UNAVAILABLE": 24}
    assert all(result.retry for result in results if isinstance(result, PageError))
    sandbox.heal()
    rest = [place for place, result in enumerate(results) if isinstance(result, PageError)]
    again = engine_for(sandbox.endpoint).recognize([page_picture(place) for place in rest])
    assert [texts(result) for result in again] == [page_text(place) for place in rest]
    assert Counter(sandbox.billed.values()) == {1: 40}


def test_no_server_there_is_unavailable(engine_for: Make) -> None:
    with pytest.raises(EngineUnavailable, match="UNAVAILABLE"):
        engine_for("insecure://127.0.0.1:1", replace(SHORT_PATIENCE, total=0.5)).recognize(pictures(1))


@pytest.mark.parametrize("endpoint", ["insecure://vision.example.com:80", "http://127.0.0.1:1", "insecure://localhost"])
def test_pages_leave_this_machine_encrypted_only(engine_for: Make, endpoint: str) -> None:
    with pytest.raises(EngineUnavailable, match="INVOICE_PIPELINES_VISION_ENDPOINT"):
        engine_for(endpoint).recognize(pictures(1))


@pytest.mark.parametrize("endpoint", [None, "eu-vision.googleapis.com"])
@pytest.mark.parametrize("credentials", [None, "gone.json", "broken.json"])
def test_without_credentials_the_engine_is_unavailable_and_says_what_to_set(
    engine_for: Make,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    endpoint: str | None,
    credentials: str | None,
) -> None:
    (tmp_path / "broken.json").write_text("{")
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    if credentials:
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / credentials))
    with pytest.raises(EngineUnavailable, match="set GOOGLE_APPLICATION_CREDENTIALS"):
        engine_for(endpoint).recognize(pictures(1))


def test_requests_that_are_too_large_for_the_service_are_cut_until_they_fit(
    sandbox: VisionSandbox, engine_for: Make
) -> None:
    sandbox.request_bytes = 1_200  # less than sixteen of these pictures need
    assert_all_read_once(engine_for(sandbox.endpoint).recognize(pictures(16)), sandbox)
    assert len(sandbox.requests) > 2


def test_a_page_of_too_many_pixels_is_refused_here_and_the_others_are_read(
    sandbox: VisionSandbox, engine_for: Make
) -> None:
    images = pictures(3)
    images[1] = PageImage(Image.new("L", (10_000, 7_501), "white"))
    results = engine_for(sandbox.endpoint).recognize(images)
    assert codes(results) == {"read": 2, "PICTURE_TOO_LARGE": 1}
    assert isinstance(results[1], PageError)
    assert not results[1].retry
    assert "75 megapixels" in results[1].message
    assert [request.pictures for request in sandbox.requests] == [2]


def test_equal_pages_are_sent_and_paid_once(sandbox: VisionSandbox, engine_for: Make) -> None:
    results = engine_for(sandbox.endpoint).recognize([page_picture(number) for number in (4, 7, 4, 4, 7)])
    assert [texts(result) for result in results] == [page_text(number) for number in (4, 7, 4, 4, 7)]
    assert [result.cost_usd for result in results if isinstance(result, RecognizedPage)] == [
        *(Decimal("0.0015"), Decimal("0.0015")),
        *(0, 0, 0),
    ]
    assert Counter(sandbox.billed.values()) == {1: 2}


def test_no_picture_is_no_request(sandbox: VisionSandbox, engine_for: Make) -> None:
    assert engine_for(sandbox.endpoint).recognize([]) == []
    assert sandbox.requests == []


def test_pages_are_sent_no_faster_than_the_rate_limit(sandbox: VisionSandbox, engine_for: Make) -> None:
    engine = engine_for(sandbox.endpoint, per_minute=3_000)  # 16 pages in 0.32 s
    assert_all_read_once(engine.recognize(pictures(64)), sandbox)
    times = [request.at for request in sandbox.requests]
    assert times[-1] - times[0] >= 0.8  # of 0.96 s: on a busy machine the first one arrives late


def test_a_rate_limit_that_is_used_up_for_longer_than_there_is_patience_is_unavailable(
    sandbox: VisionSandbox, engine_for: Make
) -> None:
    engine_for(sandbox.endpoint, per_minute=60).recognize(pictures(16))
    with pytest.raises(EngineUnavailable, match="VISION_REQUESTS_PER_MINUTE"):
        engine_for(sandbox.endpoint, per_minute=60).recognize(pictures(1))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("count", "blank_pages", "faults"),
    [
        (2_000, False, TRANSIENT),
        # A blank page beside a missing answer cannot be known, and is asked for again.
        (500, True, [fault for fault in TRANSIENT if fault not in (Fault.SHORT, Fault.SHORT_IN_THE_MIDDLE)]),
    ],
    ids=["2000 pages, every fault", "500 pages, some blank"],
)
def test_with_faults_at_random_no_page_is_lost_and_none_is_paid_twice(
    engine_for: Make, count: int, blank_pages: bool, faults: list[Fault]
) -> None:
    """As the stage does it: what was answered is kept, what was not is asked for again, in calls of 1 to 48 pages."""
    numbers = list(islice((number for number in itertools.count() if blank_pages or page_text(number)), count))
    dice = random.Random(5)
    kept: dict[int, RecognizedPage] = {}
    with VisionSandbox(recorded({number: recorded_page(number) for number in numbers})) as sandbox:
        # A hang costs its whole time limit, so it is rare.
        sandbox.fail_at_random(
            0.35, seed=5, faults=[fault for fault in faults if fault is not Fault.HANG] * 3 + [Fault.HANG]
        )
        patience = Patience(total=20.0, request=1.5, each_picture=0.0, first_pause=0.01, longest_pause=0.05)
        engine = engine_for(sandbox.endpoint, patience)
        while missing := [number for number in numbers if number not in kept]:
            asked = missing[: dice.randint(1, 48)]
            for number, result in zip(asked, engine.recognize([page_picture(n) for n in asked]), strict=True):
                if isinstance(result, RecognizedPage):
                    kept[number] = result
    assert {number: texts(page) for number, page in kept.items()} == {number: page_text(number) for number in numbers}
    assert len(sandbox.billed) == count
    assert {identity: times for identity, times in sandbox.billed.items() if times != 1} == {}
    assert sum(page.cost_usd for page in kept.values()) == count * Decimal("0.0015")
    assert {request.fault for request in sandbox.requests} == {None, *faults}

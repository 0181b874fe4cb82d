"""The server that stands in for Cloud Vision keeps the limits and the wording of the real one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO
from typing import Any

import grpc
import pytest
import typer
from google.api_core.exceptions import Cancelled, InvalidArgument, ResourceExhausted, ServiceUnavailable
from google.cloud import vision
from google.cloud.vision_v1.services.image_annotator.transports import ImageAnnotatorGrpcTransport
from PIL import Image

from invoice_pipelines.workshop.sandbox.vision import VisionSandbox, picture_identity, serve
from invoice_pipelines.workshop.sandbox.vision_faults import Fault
from invoice_pipelines_tests.integration.workshop.sandbox.pages import page_picture, recorded, recorded_page


@pytest.fixture
def sandbox() -> Iterator[VisionSandbox]:
    """A server that knows 32 pages."""
    with VisionSandbox(recorded({number: recorded_page(number) for number in range(32)})) as sandbox:
        yield sandbox


def client_of(endpoint: str) -> vision.ImageAnnotatorClient:
    options = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
    channel = grpc.insecure_channel(endpoint.removeprefix("insecure://"), options=options)
    return vision.ImageAnnotatorClient(transport=ImageAnnotatorGrpcTransport(channel=channel))


def ask(sandbox: VisionSandbox, contents: list[bytes]) -> list[Any]:
    requests = [
        vision.AnnotateImageRequest(
            image=vision.Image(content=content),
            features=[vision.Feature(type_=vision.Feature.Type.DOCUMENT_TEXT_DETECTION)],
        )
        for content in contents
    ]
    answer = client_of(sandbox.endpoint).batch_annotate_images(requests=requests, retry=None, timeout=20)
    return list(answer.responses)


def png(image: Image.Image) -> bytes:
    packed = BytesIO()
    image.save(packed, "PNG")
    return packed.getvalue()


def page(number: int) -> bytes:
    return png(page_picture(number).image)


def test_an_answer_has_the_structure_of_the_service(sandbox: VisionSandbox) -> None:
    (answer,) = ask(sandbox, [page(3)])
    annotation = answer.full_text_annotation
    assert annotation.text == "Rechnung R-000003 3,60€\n"
    assert (annotation.pages[0].width, annotation.pages[0].height) == (200, 60)
    words = [word for block in annotation.pages[0].blocks for part in block.paragraphs for word in part.words]
    assert ["".join(symbol.text for symbol in word.symbols) for word in words] == ["Rechnung", "R-000003", "3,60", "€"]
    breaks = [word.symbols[-1].property.detected_break.type_.name for word in words]
    assert breaks == ["SPACE", "SPACE", "UNKNOWN", "LINE_BREAK"]


def test_sixteen_pictures_and_no_more(sandbox: VisionSandbox) -> None:
    assert len(ask(sandbox, [page(number) for number in range(16)])) == 16
    with pytest.raises(InvalidArgument, match="Too many images"):
        ask(sandbox, [page(number) for number in range(17)])
    assert sum(sandbox.billed.values()) == 16


def test_a_picture_that_is_none_or_too_large_fails_alone_with_code_3(sandbox: VisionSandbox) -> None:
    too_many_pixels = png(Image.new("1", (10_000, 7_501)))
    answers = ask(sandbox, [page(0), b"no picture", b"", too_many_pixels, page(1)[:60], b"\0" * 20_000_001, page(2)])
    assert [answer.error.code for answer in answers] == [0, 3, 3, 3, 3, 3, 0]
    assert answers[1].error.message == "Bad image data."
    assert answers[3].error.message == "Image too large. Please limit to 75 megapixels."
    assert sum(sandbox.billed.values()) == 2, "what fails costs nothing"


def test_a_request_that_is_too_large_is_refused(sandbox: VisionSandbox) -> None:
    with pytest.raises(InvalidArgument, match="Request payload size exceeds the limit: 41943040 bytes"):
        ask(sandbox, [b"\0" * 15_000_000] * 3)


def test_a_quota_is_kept(sandbox: VisionSandbox) -> None:
    sandbox.pictures_per_minute = 20
    ask(sandbox, [page(number) for number in range(16)])
    with pytest.raises(ResourceExhausted, match="Quota exceeded"):
        ask(sandbox, [page(number) for number in range(16)])
    ask(sandbox, [page(number) for number in range(4)])


def test_each_answer_is_billed_to_its_picture(sandbox: VisionSandbox) -> None:
    ask(sandbox, [page(1), page(2)])
    ask(sandbox, [page(1)])
    identity = picture_identity(page_picture(1).image)
    assert sandbox.billed[identity] == 2
    assert sum(sandbox.billed.values()) == 3


def test_white_rows_below_make_no_other_picture() -> None:
    image = page_picture(7).image
    taller = Image.new("L", (image.width, image.height + 9), "white")
    taller.paste(image)
    assert picture_identity(taller) == picture_identity(image)
    assert picture_identity(image) != picture_identity(page_picture(8).image)


def test_faults_come_in_turn_and_then_no_more(sandbox: VisionSandbox) -> None:
    sandbox.fail(Fault.RESOURCE_EXHAUSTED)
    sandbox.fail(Fault.DROP)
    with pytest.raises(ResourceExhausted):
        ask(sandbox, [page(0)])
    with pytest.raises((ServiceUnavailable, Cancelled)):
        ask(sandbox, [page(0)])
    answers = None
    while answers is None:
        with suppress(ServiceUnavailable):  # a client may find only now that its connection is gone
            answers = ask(sandbox, [page(0)])
    assert len(answers) == 1
    assert [request.fault for request in sandbox.requests] == [Fault.RESOURCE_EXHAUSTED, Fault.DROP, None]


@pytest.mark.slow
def test_it_runs_as_a_program_and_ends_when_told() -> None:
    command = [
        sys.executable,
        "-m",
        "invoice_pipelines.workshop.sandbox.vision",
        "--fault",
        "UNAVAILABLE:2",
        "--fault",
        "drop",
    ]
    # No text is asked for, so the engine is not loaded.
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ}) as program:
        assert program.stdout is not None
        endpoint = program.stdout.readline().strip()
        assert endpoint.startswith("insecure://127.0.0.1:")
        with pytest.raises(ServiceUnavailable, match="currently unavailable"):
            client_of(endpoint).batch_annotate_images(requests=[{}], retry=None, timeout=20)  # type: ignore[list-item]
        program.send_signal(signal.SIGTERM)
        assert program.wait(20) == 0


def test_a_fault_that_there_is_not_is_named() -> None:
    with pytest.raises(typer.BadParameter, match=r"FIRE.*UNAVAILABLE"):
        serve(fault=["FIRE"])

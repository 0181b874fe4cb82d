"""How a page is packed for Cloud Vision."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageChops, ImageDraw

from invoice_pipelines.intake.documents.ocr.engine import PageError
from invoice_pipelines.intake.documents.ocr.vision.pictures import REQUEST_BYTES, Picture, encode_picture


def encoded(image: Image.Image, taken: set[tuple[int, int]] | None = None) -> tuple[Picture, Image.Image]:
    picture = encode_picture(0, image, taken or set())
    assert isinstance(picture, Picture), picture
    return picture, Image.open(BytesIO(picture.content))


def noise(width: int, height: int) -> Image.Image:
    pixels = np.random.default_rng(1).normal(200, 12, (height, width))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def test_a_page_that_was_drawn_is_sent_without_loss() -> None:
    image = Image.new("RGB", (1654, 2339), "white")
    ImageDraw.Draw(image).text((100, 100), "Rechnung 12.345,60", fill="black", font_size=40)
    picture, sent = encoded(image)
    assert sent.format == "PNG"
    assert sent.size == picture.size == image.size
    assert ImageChops.difference(sent.convert("RGB"), image).getbbox() is None


def test_a_noisy_scan_is_sent_as_jpeg() -> None:
    picture, sent = encoded(noise(1654, 2339))
    assert sent.format == "JPEG"
    assert len(picture.content) < 2_000_000


def test_a_large_scan_is_packed_until_it_fits_into_a_request() -> None:
    image = Image.effect_noise((4_000, 3_000), 100)
    picture, sent = encoded(image)
    assert sent.size == (4_000, 3_000)
    assert len(picture.content) <= REQUEST_BYTES


@pytest.mark.parametrize(("mode", "background"), [("L", 255), ("RGB", (255, 255, 255))])
def test_pages_of_one_size_can_be_told_apart_and_nothing_on_them_moves(mode: str, background: object) -> None:
    image = Image.new(mode, (300, 400), "grey")
    sizes: set[tuple[int, int]] = set()
    for extra in range(16):
        picture, sent = encoded(image, sizes)
        assert picture.size == sent.size == (300, 400 + extra)
        assert picture.size not in sizes
        assert ImageChops.difference(sent.crop((0, 0, 300, 400)), image).getbbox() is None
        if extra:
            assert sent.getpixel((10, 400 + extra - 1)) == background
        sizes.add(picture.size)


@pytest.mark.parametrize("size", [(10_000, 7_501), (70_000, 40)])
def test_a_page_that_is_too_large_says_what_to_do(size: tuple[int, int]) -> None:
    error = encode_picture(0, Image.new("L", size, "white"), set())
    assert isinstance(error, PageError)
    assert (error.code, error.retry) == ("PICTURE_TOO_LARGE", False)
    assert "fewer dots per inch" in error.message


@pytest.mark.parametrize("mode", ["1", "P", "RGBA", "CMYK", "I;16"])
def test_other_modes_are_sent_as_well(mode: str) -> None:
    _, sent = encoded(Image.new(mode, (200, 100)))
    assert sent.size == (200, 100)

"""That pictures of every accepted kind become upright grey pages, and others are refused with a reason."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageChops, ImageStat

from invoice_pipelines.einvoice.errors import ReadingError
from invoice_pipelines.intake.documents import Limits
from invoice_pipelines.intake.documents.ocr.engine import PageImage
from invoice_pipelines.intake.documents.ocr.pictures import decode_pictures, is_picture, page_key
from invoice_pipelines_tests.support.intake.documents.ocr import drawn

PAGE = drawn.lines_picture(drawn.INVOICE)


def saved(image: Image.Image, form: str, **options: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def decoded(data: bytes, limits: Limits | None = None) -> list[PageImage]:
    assert is_picture(data)
    return list(decode_pictures(data, limits or Limits()))


def refusal(data: bytes, limits: Limits | None = None) -> ReadingError:
    with pytest.raises(ReadingError) as error:
        list(decode_pictures(data, limits or Limits()))
    assert error.value.message.endswith(".")
    return error.value


def looks_like(image: Image.Image, other: Image.Image) -> bool:
    if image.mode != "L" or image.size != other.size:
        return False
    return ImageStat.Stat(ImageChops.difference(image, other)).mean[0] < 6


def test_every_kind_of_pixel_becomes_grey() -> None:
    transparent = Image.new("RGBA", PAGE.size, (0, 0, 0, 0))
    transparent.putalpha(ImageChops.invert(PAGE))  # black letters on nothing
    palette = transparent.quantize(16)
    deep = Image.fromarray(np.asarray(PAGE).astype(np.uint16) * 257)
    cases = {
        "1-bit": saved(PAGE.convert("1"), "PNG"),
        "grey": saved(PAGE, "PNG"),
        "grey and alpha": saved(transparent.convert("LA"), "PNG"),
        "alpha": saved(transparent, "PNG"),
        "palette with transparency": saved(palette, "PNG"),
        "16-bit": saved(deep, "PNG"),
        "16-bit TIFF": saved(deep, "TIFF"),
        "32-bit": saved(Image.fromarray(np.asarray(PAGE).astype(np.int32) * 65_537), "TIFF"),
        "float": saved(Image.fromarray(np.asarray(PAGE).astype(np.float32) / 255), "TIFF"),
        "CMYK JPEG": saved(PAGE.convert("RGB").convert("CMYK"), "JPEG", quality=90),
        "CMYK TIFF": saved(PAGE.convert("RGB").convert("CMYK"), "TIFF"),
        "colour JPEG": saved(PAGE.convert("RGB"), "JPEG", quality=90),
        "LAB": saved(Image.merge("LAB", (PAGE, *[Image.new("L", PAGE.size, 128)] * 2)), "TIFF"),
        "WebP": saved(PAGE.convert("RGB"), "WEBP", lossless=True),
        "GIF": saved(PAGE, "GIF"),
        "BMP": saved(PAGE.convert("RGB"), "BMP"),
        "HEIC": saved(PAGE.convert("RGB"), "HEIF", quality=90),
        "G4": saved(PAGE.convert("1"), "TIFF", compression="group4"),
        "G3": saved(PAGE.convert("1"), "TIFF", compression="group3"),
    }
    wrong = {}
    for name, data in cases.items():
        pages = decoded(data)
        if len(pages) != 1 or not looks_like(pages[0].image, PAGE):
            wrong[name] = [page.image for page in pages]
    assert wrong == {}


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP", "HEIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_is_turned_as_its_metadata_say(form: str, orientation: int) -> None:
    # What makes an upright page lie as EXIF says that it lies.
    laid = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    upright = PAGE.crop((0, 30, 330, 150))  # small, as encoding takes long
    lying = upright.transpose(laid[orientation]) if orientation in laid else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    (page,) = decoded(saved(lying.convert("RGB"), form, exif=exif.tobytes(), quality=95))
    assert looks_like(page.image, upright)


def test_all_pages_of_a_fax_are_read() -> None:
    pages = [drawn.lines_picture((f"Seite {number}", "Rechnung")).convert("1") for number in range(1, 6)]
    data = saved(pages[0], "TIFF", save_all=True, append_images=pages[1:], compression="group4", dpi=(200, 200))
    found = decoded(data)
    assert [looks_like(page.image, image.convert("L")) for page, image in zip(found, pages, strict=True)] == [True] * 5
    assert {round(page.dpi or 0) for page in found} == {200}


@pytest.mark.parametrize("compression", ["group3", "group4"])
def test_a_fax_with_half_the_lines_gets_square_pixels(compression: str) -> None:
    page = Image.new("L", (1728, 2376), 255)
    page.paste(PAGE, (200, 200))
    fax = page.resize((1728, 1145)).convert("1")
    (found,) = decoded(saved(fax, "TIFF", compression=compression, dpi=(204, 98)))
    assert found.image.size == (1728, round(1145 * 204 / 98))
    assert found.dpi == pytest.approx(204)


def test_a_lying_fax_with_half_the_lines_is_turned_and_gets_square_pixels() -> None:
    fax = Image.new("1", (1728, 1145), 255)
    exif = Image.Exif()
    exif[0x0112] = 6
    (found,) = decoded(saved(fax, "TIFF", compression="group4", dpi=(204, 98), exif=exif))
    assert found.image.size == (round(1145 * 204 / 98), 1728)


def test_small_copies_of_pages_in_a_tiff_are_left_out() -> None:
    small = PAGE.resize((220, 100))
    small.encoderinfo = {"tiffinfo": {254: 1}}
    found = decoded(saved(PAGE, "TIFF", save_all=True, append_images=[small]))
    assert [page.image.size for page in found] == [PAGE.size]


def test_a_photo_of_12_megapixels_is_made_smaller() -> None:
    (page,) = decoded(saved(Image.new("RGB", (4032, 3024), "white"), "JPEG", dpi=(72, 72)))
    width, height = page.image.size
    assert width * height <= 9_010_000
    assert width / height == pytest.approx(4032 / 3024, rel=0.01)
    assert page.dpi is None  # 56 inches wide is no paper: cameras write a number that means nothing


def test_a_till_roll_keeps_its_shape() -> None:
    (page,) = decoded(saved(Image.new("1", (600, 9000), 1), "PNG"))
    assert page.image.size == (600, 9000)


def test_a_picture_that_is_cut_off_is_called_damaged() -> None:
    for form in ("JPEG", "PNG", "TIFF", "WEBP", "HEIF"):
        data = saved(Image.effect_noise((200, 200), 50).convert("RGB"), form)
        assert refusal(data[: len(data) // 2]).code == "PICTURE_DAMAGED"


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded() -> None:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = b"\x89PNG\r\n\x1a\n"
    for width, height in ((8_661, 8_661), (60_000, 60_000), (2_000_000_000, 2_000_000_000)):
        png = head + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)) + chunk(b"IDAT", b"")
        assert refusal(png).code == "PICTURE_TOO_LARGE"
    extended = b"VP8X" + struct.pack("<I", 10) + bytes(4) + (16_000).to_bytes(3, "little") * 2
    assert refusal(b"RIFF" + struct.pack("<I", len(extended) + 4) + b"WEBP" + extended).code == "PICTURE_TOO_LARGE"


def test_an_icon_is_too_small_for_a_page() -> None:
    error = refusal(saved(Image.new("L", (64, 64)), "PNG"))
    assert error.code == "PICTURE_TOO_SMALL"
    assert "64 x 64" in error.message


def test_a_tiff_of_too_many_pages_is_refused_before_the_first_is_given() -> None:
    pages = [Image.new("1", (200, 200), 1)] * 4
    data = saved(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    with pytest.raises(ReadingError) as error:
        next(decode_pictures(data, Limits(picture_pages=3)))
    assert error.value.code == "PICTURE_TOO_MANY_PAGES"
    assert len(decoded(data, Limits(picture_pages=4))) == 4


def test_a_jpeg_of_a_thousand_scans_is_refused() -> None:
    data = saved(PAGE, "JPEG", progressive=True)
    start = data.index(b"\xff\xda")
    end = data.index(b"\xff\xda", start + 2)
    assert refusal(data[:start] + data[start:end] * 1000 + data[end:]).code == "PICTURE_DAMAGED"


@pytest.mark.parametrize(
    "data",
    [b"", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"BM", b"BMW Rechnung", b"RIFF....WAVE", b"8BPS\0\1"],
)
def test_other_files_are_no_pictures(data: bytes) -> None:
    assert not is_picture(data)
    assert refusal(data).code == "PICTURE_DAMAGED"


def test_a_page_is_known_by_its_pixels_alone() -> None:
    (png,) = decoded(saved(PAGE, "PNG", dpi=(300, 300)))
    (tiff,) = decoded(saved(PAGE, "TIFF", compression="tiff_lzw"))
    assert page_key(png) == page_key(tiff)
    changed = PAGE.copy()
    changed.putpixel((0, 0), 254)
    reshaped = PageImage(Image.frombytes("L", (PAGE.height, PAGE.width), PAGE.tobytes()))
    assert len({page_key(png), page_key(PageImage(changed)), page_key(reshaped)}) == 3

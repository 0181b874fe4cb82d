"""Turns uploads that are photos, scans or faxes into pictures of pages: upright by their metadata, grey, of
square pixels, not larger than engines use, and known by their pixels. Nothing is decoded before its size is known.
"""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import Image

from invoice_pipelines.einvoice.errors import ReadingError
from invoice_pipelines.intake.documents.limits import Limits
from invoice_pipelines.intake.documents.ocr.engine import PageImage

pillow_heif.register_heif_opener(thumbnails=False)

# The formats that are accepted. Pillow knows others, some of which it reads by running other programs.
_FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "GIF", "BMP", "HEIF")
_SIGNATURES = (
    *(b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a"),
    *(b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),  # TIFF, of either byte order, with offsets of 32 and 64 bits
)
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")

# An A4 page at 300 dpi. Engines read no more from more.
_MOST_PIXELS = 9_000_000
_LONGEST_SIDE = 20_000
_MOST_SCANS = 100
"""Of a progressive JPEG: 10 are usual, and each is decoded over the whole picture."""
_UNEQUAL = 1.15
"""Ratio of horizontal to vertical resolution from which pixels are not square. Faxes have 2.08 or 1.04."""
_PLAUSIBLE_SIDES = (2.5, 24.0)
"""Inches of the longer side. Cameras write a resolution that means nothing."""
_TIFF_SUBFILE_TYPE = 254
_REDUCED = 1
_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""How to turn a picture upright, by its EXIF orientation."""

Pixels = NDArray[Any]


def is_picture(data: bytes) -> bool:
    """Whether an upload begins as one of the pictures that are read: JPEG, PNG, TIFF, WebP, GIF, BMP, HEIC."""
    return (
        data.startswith(_SIGNATURES)
        or (data.startswith(b"RIFF") and data[8:12] == b"WEBP")
        or (data.startswith(b"BM") and data[6:10] == b"\0\0\0\0")
        or (data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS)
    )


def decode_pictures(data: bytes, limits: Limits) -> Iterator[PageImage]:
    """The pages of a picture: all of a TIFF, the first picture of anything else. One is in memory at a time.

    Raises ReadingError: PICTURE_DAMAGED, PICTURE_TOO_LARGE, PICTURE_TOO_SMALL, PICTURE_TOO_MANY_PAGES.
    """
    _refuse_canvas(data, limits)
    with _readable():
        picture = Image.open(BytesIO(data), formats=_FORMATS)
    with picture:
        for frame in _frames(picture, limits):
            with _readable():
                if frame:
                    picture.seek(frame)
                _refuse_size(picture, data, limits)
                page = _prepared(picture)
            yield page


def page_key(image: PageImage) -> str:
    """The key of a page: SHA-256 of mode, size and pixels."""
    picture = image.image
    digest = hashlib.sha256(f"{picture.mode} {picture.width} {picture.height}\n".encode())
    digest.update(picture.tobytes())
    return digest.hexdigest()


@contextmanager
def _readable() -> Iterator[None]:
    """Turns what Pillow raises into reasons."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except ReadingError:
        raise
    except Image.DecompressionBombError:
        raise ReadingError(
            "PICTURE_TOO_LARGE", "The picture has far too many pixels. Scan the page again at 300 dpi."
        ) from None
    except MemoryError:
        raise ReadingError(
            "PICTURE_TOO_LARGE", "The picture needs more memory than there is. Scan the page again at 300 dpi."
        ) from None
    except Exception:  # noqa: BLE001 (Pillow raises any builtin exception on damaged input)
        raise ReadingError(
            "PICTURE_DAMAGED", "The picture cannot be read. It may be cut off; ask the sender for it again."
        ) from None


def _frames(picture: Image.Image, limits: Limits) -> list[int]:
    """The numbers of the pages, without the thumbnails that some programs put into a TIFF."""
    if picture.format != "TIFF":
        return [0]
    frames: list[int] = []
    with _readable():
        for number in range(2 * limits.picture_pages + 1):
            try:
                picture.seek(number)
            except EOFError:
                break
            if not int(picture.tag_v2.get(_TIFF_SUBFILE_TYPE, 0)) & _REDUCED or not frames:  # type: ignore[attr-defined]
                frames.append(number)
        picture.seek(0)
    if len(frames) > limits.picture_pages:
        raise ReadingError(
            "PICTURE_TOO_MANY_PAGES",
            f"The picture has more than {limits.picture_pages} pages. Split it and send the invoice alone.",
        )
    return frames


def _refuse_canvas(data: bytes, limits: Limits) -> None:
    """Refuses a WebP by its header: its decoder takes the memory for the canvas when it is opened."""
    if data.startswith(b"RIFF") and data[12:16] == b"VP8X" and len(data) >= 30:
        width, height = (1 + int.from_bytes(data[at : at + 3], "little") for at in (24, 27))
        _refuse_pixels(width * height, limits)


def _refuse_size(picture: Image.Image, data: bytes, limits: Limits) -> None:
    _refuse_pixels(picture.width * picture.height, limits)
    if min(picture.size) < limits.picture_side:
        raise ReadingError(
            "PICTURE_TOO_SMALL",
            f"The picture has {picture.width} x {picture.height} pixels, too few for a page. Scan it at 200 dpi.",
        )
    if picture.format == "JPEG" and data.count(b"\xff\xda") > _MOST_SCANS:
        raise ReadingError(
            "PICTURE_DAMAGED",
            "The JPEG has an unusual structure. Save it with another program, or ask the sender for a new copy.",
        )


def _refuse_pixels(pixels: int, limits: Limits) -> None:
    if pixels > limits.picture_pixels:
        raise ReadingError(
            "PICTURE_TOO_LARGE",
            f"The picture has {pixels / 1e6:,.0f} megapixels; at most {limits.picture_pixels / 1e6:,.0f} are read. "
            "Scan the page at 300 dpi.",
        )


def _prepared(picture: Image.Image) -> PageImage:
    """The current page of an open picture as engines take it."""
    orientation = picture.getexif().get(_ORIENTATION, 1)
    horizontal, vertical = _resolution(picture)
    if picture.format == "TIFF" and orientation >= 5:
        horizontal, vertical = vertical, horizontal  # Pillow turns a TIFF, and only that, when it is loaded
    width, height = picture.size
    if horizontal > _UNEQUAL * vertical:
        height = round(height * horizontal / vertical)
    elif vertical > _UNEQUAL * horizontal:
        width = round(width * vertical / horizontal)
    scale = min(math.sqrt(_MOST_PIXELS / (width * height)), _LONGEST_SIDE / max(width, height), 1.0)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    # A JPEG is decoded at a half or a quarter where that is enough, which saves most of time and memory.
    picture.draft("L", size)
    page = _grey(picture)
    if page.size != size:
        page = page.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    if picture.format != "TIFF" and orientation in _TURNS:
        page = page.transpose(_TURNS[orientation])
    dpi = max(horizontal, vertical) * scale
    plausible = dpi > 0 and _PLAUSIBLE_SIDES[0] <= max(page.size) / dpi <= _PLAUSIBLE_SIDES[1]
    return PageImage(page, dpi if plausible else None)


def _resolution(picture: Image.Image) -> tuple[float, float]:
    """Pixels per inch across and down; zeros where the picture does not say. Without a unit only their ratio counts."""
    said = picture.info.get("dpi") or picture.info.get("resolution") or (0, 0)
    try:
        horizontal, vertical = (float(number) for number in said)
    except (TypeError, ValueError, ZeroDivisionError):
        return 0.0, 0.0
    if not (0 < horizontal < 10_000 and 0 < vertical < 10_000) or not 0.2 < horizontal / vertical < 5:
        return 0.0, 0.0
    return horizontal, vertical


def _grey(picture: Image.Image) -> Image.Image:
    """In shades of grey; what is transparent is paper."""
    picture.load()
    if picture.mode == "L" and "transparency" not in picture.info:
        return picture.copy()
    if picture.mode in ("I", "F") or picture.mode.startswith("I;16"):
        return _grey_of_deep(np.asarray(picture))
    if picture.mode == "LAB":
        return picture.getchannel("L")
    if picture.has_transparency_data:
        paper = Image.new("RGBA", picture.size, "white")
        paper.alpha_composite(picture.convert("RGBA"))
        return paper.convert("L")
    return picture.convert("L")


def _grey_of_deep(pixels: Pixels) -> Image.Image:
    """Of 16 or 32 bits per pixel. What whole numbers do not use of their range is not taken for contrast."""
    brightest = float(np.nanmax(pixels)) if pixels.size else 0.0
    if np.issubdtype(pixels.dtype, np.integer):
        brightest = next((top for top in (255.0, 65_535.0) if brightest <= top), brightest)
    scaled = np.nan_to_num(pixels.astype(np.float32) * (255 / brightest if brightest > 0 else 0.0))
    return Image.fromarray(np.clip(scaled, 0, 255).astype(np.uint8))

"""Turns a page into a picture that Google Cloud Vision takes: PNG or JPEG, within its limits.

The limits are those of https://cloud.google.com/vision/quotas. That of a request is stated for JSON; it is kept here as
well, where the bytes are not blown up by base64.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from io import BytesIO
from itertools import count

from PIL import Image

from invoice_pipelines.intake.documents.ocr.engine import PageError

PICTURES_PER_REQUEST = 16
REQUEST_BYTES = 9_500_000
PICTURE_BYTES = 20_000_000
PICTURE_PIXELS = 75_000_000

PICTURE_TOO_LARGE = "PICTURE_TOO_LARGE"

_LOSSLESS_BYTES = REQUEST_BYTES // PICTURES_PER_REQUEST
"""Of a PNG, at the most: sixteen of them fill a request. A page that was drawn has 100 to 300 kB, a noisy scan 3 MB."""
_JPEG_QUALITIES = (92, 80, 65)


@dataclass(slots=True)
class Picture:
    """A page as it is sent: its place among those asked for, its size in pixels with the rows that were added, and how
    often it failed by itself."""

    index: int
    content: bytes
    size: tuple[int, int]
    failures: int = 0


def encode_picture(index: int, image: Image.Image, taken: Collection[tuple[int, int]]) -> Picture | PageError:
    """The picture to send.

    White rows are added below until its size is none of `taken`: an answer says the size of its picture but not which
    picture it is of, and by different sizes those of a request can be told apart.
    """
    width, height = image.size
    height = next(rows for rows in count(height) if (width, rows) not in taken)
    if width * height > PICTURE_PIXELS:
        return _too_large(image, "75 megapixels")
    if image.mode not in ("L", "RGB"):
        image = image.convert("RGB")
    if height > image.height:
        taller = Image.new(image.mode, (width, height), "white")
        taller.paste(image)
        image = taller
    content = b""
    for quality in _JPEG_QUALITIES:
        try:
            content = _bytes(image, "JPEG", quality=quality)
        except OSError:  # a side is longer than JPEG allows
            return _too_large(image, "65,500 pixels a side")
        # What is large as JPEG is noise, which as PNG is larger still and takes twenty times as long.
        if len(content) <= _LOSSLESS_BYTES:
            lossless = _bytes(image, "PNG")
            content = lossless if len(lossless) <= _LOSSLESS_BYTES else content
        if len(content) <= REQUEST_BYTES:
            break
    if len(content) > PICTURE_BYTES:
        return _too_large(image, "20 MB")
    return Picture(index, content, (width, height))


def _bytes(image: Image.Image, kind: str, **options: int) -> bytes:
    packed = BytesIO()
    image.save(packed, kind, **options)
    return packed.getvalue()


def _too_large(image: Image.Image, limit: str) -> PageError:
    return PageError(
        PICTURE_TOO_LARGE,
        f"The page has {image.width} x {image.height} pixels; Google Cloud Vision takes no more than {limit}. "
        "Scan it with fewer dots per inch.",
        retry=False,
    )

"""The bounds within which an upload is read. What lies beyond them is refused with a `ReadingError`.

Uploads come from strangers: every bound is checked before, or while, the resource is used, never afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass

from invoice_pipelines.einvoice.reading.limits import XmlLimits


@dataclass(frozen=True, slots=True)
class Limits(XmlLimits):
    """Bounds for one upload, and for an XML document in it. Sizes are in bytes; all bounds are inclusive."""

    file_bytes: int = 50_000_000
    """Size of the upload as it arrived."""

    pdf_pages: int = 2_000
    """Pages of a PDF."""

    ocr_pages: int = 200
    """Pages of one upload that are recognized. Reading one takes seconds, and may cost money."""

    pdf_attachments: int = 500
    """Files attached to a PDF."""

    pdf_stream_bytes: int = 60_000_000
    """Size of one PDF stream (an attachment, an object stream) after decompression."""

    picture_pixels: int = 75_000_000
    """Pixels of a picture: an A3 page at 600 dpi has 70 million. Also of all pictures on a page of a PDF."""

    picture_side: int = 100
    """Pixels that the shorter side of a picture must have; anything smaller is an icon."""

    picture_pages: int = 200
    """Pages of a picture (TIFF)."""

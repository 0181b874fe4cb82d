"""Small files that would be large where somebody believed them: floods of pixels, bombs of entities, deep nesting."""

from __future__ import annotations

import struct
import zlib
from functools import cache
from io import BytesIO

import pypdf
from pypdf.generic import DecodedStreamObject, DictionaryObject, FloatObject, NameObject, NumberObject, RectangleObject

SIDE = 30_000
"""Pixels of a flood, in each direction."""
_SVG = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="80" height="20"'


@cache
def _black() -> bytes:
    """So many rows of one bit a pixel, as PNG filters them, compressed."""
    row, compressor = bytes(1 + SIDE // 8), zlib.compressobj(9)
    return b"".join([*(compressor.compress(row * 1000) for _ in range(SIDE // 1000)), compressor.flush()])


def png_flood() -> bytes:
    """A PNG of 900 million pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", SIDE, SIDE, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", _black()) + chunk(b"IEND", b"")


def pdf_flood() -> bytes:
    """A PDF whose page is a picture of 900 million pixels."""
    writer = pypdf.PdfWriter()
    page = writer.add_blank_page(595, 842)
    picture = DecodedStreamObject()
    picture.set_data(_black())
    parameters = {"/Predictor": 15, "/Colors": 1, "/BitsPerComponent": 1, "/Columns": SIDE}
    picture.update(
        {
            NameObject("/Type"): NameObject("/XObject"),
            NameObject("/Subtype"): NameObject("/Image"),
            NameObject("/Width"): NumberObject(SIDE),
            NameObject("/Height"): NumberObject(SIDE),
            NameObject("/ColorSpace"): NameObject("/DeviceGray"),
            NameObject("/BitsPerComponent"): NumberObject(1),
            NameObject("/Filter"): NameObject("/FlateDecode"),
            NameObject("/DecodeParms"): DictionaryObject(
                {NameObject(name): NumberObject(value) for name, value in parameters.items()}
            ),
        }
    )
    content = DecodedStreamObject()
    content.set_data(b"q 595 0 0 842 0 0 cm /I Do Q")
    named = DictionaryObject({NameObject("/I"): writer._add_object(picture)})
    page[NameObject("/Resources")] = DictionaryObject({NameObject("/XObject"): named})
    page[NameObject("/Contents")] = writer._add_object(content)
    return _written(writer)


def huge_page(document: bytes, points: int) -> bytes:
    """A document whose first page says that it is so wide and high, in units of an inch."""
    writer = pypdf.PdfWriter(BytesIO(document))
    page = writer.pages[0]
    page[NameObject("/MediaBox")] = RectangleObject((0, 0, points, points))
    page[NameObject("/UserUnit")] = FloatObject(72)
    return _written(writer)


def laughs(root: str = _SVG) -> bytes:
    """A billion laughs: entities of entities."""
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    return f'<!DOCTYPE svg [<!ENTITY e0 "lol">{entities}]>{root}><text>&e9;</text></svg>'.encode()


def deep(root: str = _SVG) -> bytes:
    """A hundred thousand elements, each in the other."""
    return f"{root}>{'<g>' * 100_000}{'</g>' * 100_000}</svg>".encode()


def uses() -> bytes:
    """A picture of 10^11 squares, in 3 kB."""
    groups = "".join(f'<g id="u{n}">{f"""<use xlink:href="#u{n - 1}"/>""" * 10}</g>' for n in range(1, 12))
    return f'{_SVG}><defs><rect id="u0" width="1" height="1"/>{groups}</defs><use xlink:href="#u11"/></svg>'.encode()


def _written(writer: pypdf.PdfWriter) -> bytes:
    buffer = BytesIO()
    writer.write(buffer)
    return buffer.getvalue()

"""Documents that are made to harm, and a way to make a thousand of them out of good ones: the same for a seed."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Iterator
from functools import cache
from io import BytesIO

import pillow_heif

from invoice_pipelines_tests.support.intake.documents import samples
from invoice_pipelines_tests.support.intake.documents.ocr import drawn
from invoice_pipelines_tests.support.intake.documents.text_layer.drawing import draw

pillow_heif.register_heif_opener()

EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$" + rb"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"

_NOT_MEANT_FOR_HERE = (
    EICAR,
    b"MZ\x90\0" + bytes(200),
    b"PK\x03\x04" + bytes(300),
    b"\x7fELF" + bytes(300),
    b"%!PS-Adobe-3.0\n(%pipe%touch /tmp/made-by-a-document) (w) file\n",
    b"#!/bin/sh\ntouch /tmp/made-by-a-document\n",
    b"<html><script src='http://127.0.0.1:9/x.js'></script></html>",
    b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><Invoice>&b;</Invoice>',
    b'<svg xmlns="http://www.w3.org/2000/svg"><image href="http://127.0.0.1:9/a.png"/></svg>',
)


def assembled(objects: list[bytes]) -> bytes:
    """A PDF of these objects, numbered from 1; the first is the catalog."""
    out = b"%PDF-1.7\n"
    offsets = []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n" % number + content + b"\nendobj\n"
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    start = len(out)
    size = len(objects) + 1
    out += b"xref\n0 %d\n0000000000 65535 f \n" % size + table
    return out + b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (size, start)


def stream(dictionary: bytes, data: bytes) -> bytes:
    return b"<<" + dictionary + b"/Length %d>>\nstream\n" % len(data) + data + b"\nendstream"


def pdf_page(
    content: bytes, resources: bytes = b"", box: tuple[int, int] = (595, 842), more: tuple[bytes, ...] = ()
) -> bytes:
    """One page; `more` are objects from number 5 on."""
    return assembled(
        [
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 %d %d]/Contents 4 0 R/Resources<<%s>>>>" % (*box, resources),
            stream(b"/Filter/FlateDecode", zlib.compress(content)),
            *more,
        ]
    )


def pdf_with_bomb(kind: str, width: int, height: int) -> bytes:
    """A page with a picture of so many grey pixels, packed to a thousandth."""
    pixels = samples.packed(b"\xff", (width * height >> 20) + 1)
    head = b"/Width %d/Height %d/BitsPerComponent 8/ColorSpace/DeviceGray" % (width, height)
    bomb = stream(b"/Type/XObject/Subtype/Image" + head + b"/Filter/FlateDecode", pixels)
    place = b"q 500 0 0 500 50 50 cm /I Do Q"
    if kind == "picture":
        return pdf_page(place, b"/XObject<</I 5 0 R>>", more=(bomb,))
    if kind == "mask":
        small = b"/Type/XObject/Subtype/Image/Width 2/Height 2/BitsPerComponent 8/ColorSpace/DeviceGray/SMask 6 0 R"
        return pdf_page(place, b"/XObject<</I 5 0 R>>", more=(stream(small, b"\x80" * 4), bomb))
    if kind == "picture in a form":
        form = b"/Type/XObject/Subtype/Form/BBox[0 0 595 842]/Resources<</XObject<</I 6 0 R>>>>"
        return pdf_page(b"/F Do", b"/XObject<</F 5 0 R>>", more=(stream(form, place), bomb))
    inline = b"q 500 0 0 500 50 50 cm BI /W %d /H %d /BPC 8 /CS /G /F /Fl ID " % (width, height)
    return pdf_page(inline + pixels + b"\nEI Q")


def png_bomb(width: int, height: int) -> bytes:
    """A PNG of so many grey pixels, packed."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    data = samples.packed(b"\xff", (min(width * height, 1 << 28) >> 20) + 1)
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def many_pages(count: int) -> bytes:
    """A PDF of so many pages, all of which are one object."""
    kids = b"3 0 R " * count
    return assembled(
        [
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Kids[" + kids + b"]/Count %d>>" % count,
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>",
        ]
    )


def with_scripts() -> bytes:
    """A PDF that asks its reader to run and to fetch things when it is opened."""
    return assembled(
        [
            b"<</Type/Catalog/Pages 2 0 R/OpenAction<</S/Launch/F(/bin/touch)/Win<</P(/tmp/made-by-a-document)>>>>"
            b"/AA<</O<</S/JavaScript/JS(app.launchURL\\('http://127.0.0.1:9/'\\))>>>>>>",
            b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/AA<</O<</S/URI/URI(http://127.0.0.1:9/)>>>>"
            b"/Annots[<</Type/Annot/Subtype/Link/Rect[0 0 9 9]/A<</S/SubmitForm/F(http://127.0.0.1:9/)>>>>]"
            b"/Contents 4 0 R/Resources<</XObject<</E 5 0 R>>>>>>",
            stream(b"", b"/E Do 100 100 300 300 re f"),
            b"<</Type/XObject/Subtype/Form/BBox[0 0 9 9]/Ref<</F(http://127.0.0.1:9/other.pdf)/Page 0>>"
            b"/Length 0>>\nstream\n\nendstream",
        ]
    )


@cache
def good_documents() -> dict[str, bytes]:
    """One of each kind that is read."""
    picture = drawn.lines_picture(drawn.INVOICE[:3])
    found = {
        "text.pdf": samples.pdf("Invoice RE-1", "Total 119.00 EUR"),
        "hybrid.pdf": samples.with_attachments(samples.pdf("Invoice"), ("factur-x.xml", samples.CII.encode())),
        "empty.pdf": draw([]),
        "cii.xml": samples.CII.encode(),
    }
    for form, mode in (("JPEG", "RGB"), ("PNG", "P"), ("TIFF", "1"), ("WEBP", "RGB"), ("GIF", "L"), ("BMP", "L")):
        buffer = BytesIO()
        picture.convert(mode).save(buffer, form)
        found[f"picture.{form.lower()}"] = buffer.getvalue()
    for form, mode in (("HEIF", "RGB"), ("JPEG", "CMYK"), ("PDF", "L"), ("TIFF", "L")):
        buffer = BytesIO()
        small = picture.resize((330, 156)).convert(mode)
        more = {"save_all": True, "append_images": [small] * 3} if form in ("PDF", "TIFF") else {}
        small.save(buffer, form, **({"compression": "tiff_lzw"} if form == "TIFF" else {}), **more)
        found[f"small-{mode}.{form.lower()}"] = buffer.getvalue()
    return found


def documents(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """That many hostile documents with names that say what was done; the first ones are made by hand."""
    yield from _by_hand()
    chance = random.Random(seed)
    originals = sorted(good_documents().items())
    for number in range(count - len(list(_by_hand()))):
        name, data = originals[number % len(originals)]
        ways = ("cut", "flip", "splice", "overwrite", "joined", "numbers")
        way = ways[(number // len(originals)) % len(ways)]
        yield f"{number} {way} {name}", _spoiled(data, way, chance, originals)


def _by_hand() -> Iterator[tuple[str, bytes]]:
    for number, data in enumerate(_NOT_MEANT_FOR_HERE):
        yield f"foreign {number}", data
        yield f"foreign {number} in a picture", good_documents()["picture.png"] + data
        yield f"foreign {number} before a PDF", data[:900] + b"\n" + good_documents()["text.pdf"]
    yield "scripts", with_scripts()
    yield "10,000 pages", many_pages(10_000)
    yield "2,000 pages", many_pages(2_000)
    for kind in ("picture", "mask", "picture in a form", "inline picture"):
        yield f"PDF bomb: {kind}", pdf_with_bomb(kind, 30_000, 30_000)
    yield "picture bomb", png_bomb(30_000, 30_000)
    yield "picture that says it is huge", png_bomb(2_000_000_000, 2_000_000_000)
    yield "huge page", pdf_page(b"100 100 300 300 re f", box=(200_000_000, 200_000_000))
    yield "content bomb", pdf_page(b"0 0 9 9 re f " * 2_000_000)
    yield (
        "text bomb",
        pdf_page(
            b"BT /F 9 Tf " + b"(aaaaaaaaaa) Tj " * 300_000 + b"ET",
            b"/Font<</F 5 0 R>>",
            more=(b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",),
        ),
    )
    yield (
        "form that draws itself",
        pdf_page(
            b"/F Do",
            b"/XObject<</F 5 0 R>>",
            more=(
                stream(b"/Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</F 5 0 R>>>>", b"/F Do /F Do"),
            ),
        ),
    )
    forms = [
        stream(
            b"/Type/XObject/Subtype/Form/BBox[0 0 595 842]/Resources<</XObject<</F %d 0 R>>>>" % (6 + level),
            b"/F Do " * 10,
        )
        for level in range(9)
    ]
    last = stream(b"/Type/XObject/Subtype/Form/BBox[0 0 595 842]", b"0 0 500 500 re f")
    yield "a billion drawings", pdf_page(b"/F Do", b"/XObject<</F 5 0 R>>", more=(*forms, last))
    yield "PDF and picture at once", good_documents()["picture.gif"] + good_documents()["text.pdf"]
    yield "picture in which a PDF begins", b"GIF89a" + good_documents()["text.pdf"]


def _spoiled(data: bytes, way: str, chance: random.Random, originals: list[tuple[str, bytes]]) -> bytes:
    spoiled = bytearray(data)
    if way == "cut":
        return data[: chance.randrange(1, len(data))]
    if way == "flip":
        for _ in range(chance.choice((1, 4, 40, 400))):
            spoiled[chance.randrange(len(spoiled))] ^= 1 << chance.randrange(8)
    elif way == "splice":
        start, length = chance.randrange(len(data)), chance.choice((1, 7, 100, 3000))
        del spoiled[start : start + length]
    elif way == "overwrite":
        start = chance.randrange(len(data))
        spoiled[start : start + 64] = chance.randbytes(64)
    elif way == "joined":
        _, other = chance.choice(originals)
        cut = chance.randrange(len(data))
        return data[:cut] + other[chance.randrange(len(other)) :]
    else:  # sizes and counts in headers and dictionaries
        for _ in range(3):
            start = chance.randrange(min(len(spoiled), 600))
            spoiled[start : start + 4] = chance.choice((b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"9999", b"\0\0\0\0"))
    return bytes(spoiled)

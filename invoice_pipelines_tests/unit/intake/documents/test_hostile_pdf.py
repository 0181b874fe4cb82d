"""That PDFs made to harm, or harmed on their way, cost neither memory nor time nor the process."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfWriter
from pypdf.generic import (
    ArrayObject,
    DecodedStreamObject,
    DictionaryObject,
    EncodedStreamObject,
    NameObject,
    NumberObject,
    PdfObject,
    TextStringObject,
)

from invoice_pipelines.einvoice.errors import ReadingError
from invoice_pipelines.intake.documents import Limits, read_document
from invoice_pipelines_tests.support.intake.documents import samples
from invoice_pipelines_tests.support.sizes import example_count

PAGE = samples.pdf("Invoice RE-1", "Total 119.00 EUR")
HYBRID = samples.with_attachments(PAGE, ("factur-x.xml", samples.CII.encode()))


def _error(data: bytes, limits: Limits | None = None) -> ReadingError:
    with pytest.raises(ReadingError) as error:
        read_document(data, limits=limits or Limits())
    return error.value


def _bomb(names: list[str], filters: int = 1, name: str = "factur-x.xml", size: int = 1 << 30) -> bytes:
    """A PDF of a few megabytes with an attachment of `size` bytes; each further filter packs it once more."""
    data = samples.packed(b" ", size >> 20)
    for _ in range(filters - 1):
        data = zlib.compress(data)
    stream = EncodedStreamObject()
    stream._data = data
    stream[NameObject("/Filter")] = ArrayObject([NameObject("/FlateDecode")] * filters)
    writer = PdfWriter(clone_from=BytesIO(PAGE))
    specification = samples.embedded_file(writer, name, stream)
    tree = ArrayObject([item for key in names for item in (TextStringObject(key), specification)])
    writer.root_object[NameObject("/Names")] = DictionaryObject(
        {NameObject("/EmbeddedFiles"): DictionaryObject({NameObject("/Names"): tree})}
    )
    return samples.written(writer)


@pytest.mark.skipif(sys.platform != "linux", reason="the peak memory of a process is read from /proc")
@pytest.mark.parametrize("filters", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_a_bomb_is_refused_in_bounded_time_and_memory(filters: int, tmp_path: Path) -> None:
    file = tmp_path / "bomb.pdf"
    file.write_bytes(_bomb(["factur-x.xml"], filters))
    # A process of its own, since the peak of memory is a property of a process.
    program = (
        "import re, sys, time\n"
        "from pathlib import Path\n"
        "from invoice_pipelines.intake.files.read_report import read_report\n"
        "began = time.process_time()\n"
        "report = read_report(Path(sys.argv[1]), 'bomb.pdf')\n"
        "print(report['error'])\n"
        # Not getrusage(), which counts the process it was forked from as well.
        "peak = int(re.search(r'VmHWM:\\s+(\\d+) kB', Path('/proc/self/status').read_text())[1])\n"
        "print(time.process_time() - began, peak // 1024)\n"
    )
    run = subprocess.run([sys.executable, "-c", program, file], capture_output=True, text=True, check=True, timeout=60)
    error, measured = run.stdout.splitlines()
    seconds, megabytes = (float(number) for number in measured.split())
    assert error.startswith("TOO_LARGE: The attachment 'factur-x.xml' unpacks to more than")
    assert seconds < 2
    assert megabytes < 300
    assert run.stderr == ""


def test_a_bomb_beside_the_invoice_is_not_unpacked() -> None:
    writer = PdfWriter(clone_from=BytesIO(_bomb(["a"], name="manual.pdf", size=1 << 27)))
    writer.add_attachment("factur-x.xml", samples.CII.encode())
    began = time.process_time()
    assert read_document(samples.written(writer)).number == "RE-2025/0815"
    assert time.process_time() - began < 1


def test_many_small_bombs_cost_no_more_than_one() -> None:
    data = _bomb(["a"], name="a.xml", size=1 << 26)
    writer = PdfWriter(clone_from=BytesIO(data))
    tree: Any = writer.root_object["/Names"]
    bomb = tree["/EmbeddedFiles"]["/Names"][1]["/EF"]["/F"]
    writer.root_object[NameObject("/AF")] = ArrayObject(
        [samples.embedded_file(writer, f"{n}.xml", bomb.clone(writer, force_duplicate=True)) for n in range(100)]
    )
    began = time.process_time()
    reading = read_document(samples.written(writer))
    assert time.process_time() - began < 4
    assert any("before it are too large" in found.message for found in reading.discrepancies)


def test_too_many_attachments_are_refused() -> None:
    writer = PdfWriter(clone_from=BytesIO(PAGE))
    writer.root_object[NameObject("/AF")] = ArrayObject(
        [samples.embedded_file(writer, f"{n}.xml", DecodedStreamObject()) for n in range(501)]
    )
    assert _error(samples.written(writer)).code == "PDF_TOO_MANY_ATTACHMENTS"


def test_too_many_pages_are_refused() -> None:
    assert _error(samples.pdf("Page", pages=12), Limits(pdf_pages=11)).code == "PDF_TOO_MANY_PAGES"


def test_an_attachment_tree_that_contains_itself_ends() -> None:
    writer = PdfWriter(clone_from=BytesIO(HYBRID))
    node = DictionaryObject()
    reference = writer._add_object(node)
    node[NameObject("/Kids")] = ArrayObject([reference, reference])
    writer.root_object[NameObject("/Names")] = DictionaryObject({NameObject("/EmbeddedFiles"): reference})
    with contextlib.suppress(ReadingError):
        read_document(samples.written(writer))


@pytest.mark.parametrize("key", ["/Names", "/AF", "/Pages", "/Metadata"])
@pytest.mark.parametrize(
    "value", [NumberObject(7), TextStringObject("x"), ArrayObject([NumberObject(1)]), DictionaryObject()]
)
def test_a_catalog_with_values_of_the_wrong_kind_is_read_or_refused(key: str, value: PdfObject) -> None:
    writer = PdfWriter(clone_from=BytesIO(HYBRID))
    writer.root_object[NameObject(key)] = value
    with contextlib.suppress(ReadingError):
        read_document(samples.written(writer))


def test_an_object_that_refers_to_itself_ends() -> None:
    data = HYBRID.replace(b"/Type /Catalog", b"/Type /Catalog /AF 900 0 R", 1) + b"\n900 0 obj\n900 0 R\nendobj\n"
    with contextlib.suppress(ReadingError):
        read_document(data)


@pytest.mark.parametrize(
    "data", [b"%PDF-1.7", b"%PDF-1.7\n%%EOF", HYBRID[: len(HYBRID) // 20], b"%PDF-" + b"\0" * 10_000]
)
def test_a_damaged_pdf_is_called_damaged(data: bytes) -> None:
    assert _error(data).code == "PDF_DAMAGED"


@settings(max_examples=example_count(150))
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 0.1), st.binary(max_size=6)), min_size=1, max_size=6))
def test_a_pdf_with_parts_cut_out_or_overwritten_is_read_or_refused(changes: list[tuple[float, float, bytes]]) -> None:
    data = HYBRID
    for place, length, insertion in changes:
        start = int(place * len(data))
        data = data[:start] + insertion + data[start + int(length * len(data)) :]
    with contextlib.suppress(ReadingError):
        read_document(data)

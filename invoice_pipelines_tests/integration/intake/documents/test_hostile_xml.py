"""That XML made to harm is refused with a reason, at once, and without touching files or network."""

from __future__ import annotations

import contextlib
import socketserver
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from invoice_pipelines.einvoice.errors import ReadingError
from invoice_pipelines.intake.documents import Limits, read_document
from invoice_pipelines_tests.support.intake.documents import samples
from invoice_pipelines_tests.support.sizes import example_count

_UBL_ROOT = '<Invoice xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2">'


def _code(data: bytes, limits: Limits | None = None) -> str:
    with pytest.raises(ReadingError) as error:
        read_document(data, limits=limits or Limits())
    assert "\n" not in error.value.message
    return error.value.code


@pytest.fixture
def requests() -> Iterator[tuple[str, list[str]]]:
    """The address of a local server, and what has been asked of it."""
    seen: list[str] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            seen.append(self.rfile.readline().decode())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/", seen
        server.shutdown()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252", "utf-32"])
@pytest.mark.parametrize("kind", ["entity", "parameter entity", "external subset", "empty"])
def test_a_doctype_is_refused_and_nothing_is_fetched(
    encoding: str, kind: str, requests: tuple[str, list[str]], tmp_path: Path
) -> None:
    address, seen = requests
    secret = tmp_path / "secret"
    secret.write_text("hunter2")
    doctype = {
        "entity": f'<!DOCTYPE Invoice [<!ENTITY f SYSTEM "{secret.as_uri()}"><!ENTITY h SYSTEM "{address}">]>',
        "parameter entity": f'<!DOCTYPE Invoice [<!ENTITY % p SYSTEM "{address}"> %p;]>',
        "external subset": f'<!DOCTYPE Invoice SYSTEM "{address}">',
        "empty": "<!DOCTYPE Invoice>",
    }[kind]
    use = "&f;&h;" if kind == "entity" else ""
    declared = encoding.removesuffix("-sig")
    xml = f'<?xml version="1.0" encoding="{declared}"?>{doctype}{_UBL_ROOT}{use}</Invoice>'
    with pytest.raises(ReadingError) as error:
        read_document(xml.encode(encoding))
    assert error.value.code in {"XML_DOCTYPE", "XML_MALFORMED"} if encoding == "utf-32" else {"XML_DOCTYPE"}
    assert "hunter2" not in error.value.message
    assert seen == []


def test_a_doctype_behind_a_long_comment_is_refused() -> None:
    assert _code(f"<!--{'x' * 3_000_000}--><!DOCTYPE a>{_UBL_ROOT}</Invoice>".encode()) == "XML_DOCTYPE"


def test_prolog_remarks_cost_time_in_proportion_only() -> None:
    began = time.process_time()
    assert _code(b"<!--x-->" * 100_000 + b"<?y?>" * 100_000 + b"<!DOCTYPE a><a/>") == "XML_DOCTYPE"
    assert _code(b"<!--x-->" * 100_000 + b"<?y?>" * 100_000 + b"<!--" + b"-" * 5_000_000) == "XML_MALFORMED"
    assert _code(b"<!-- <!DOCTYPE -->" * 100_000 + b"<a/>") == "NOT_AN_INVOICE"
    assert time.process_time() - began < 1


def test_a_doctype_hidden_by_an_odd_encoding_is_refused() -> None:
    hidden = (
        '<?xml version="1.0" encoding="UTF-7"?><!-- +AC0-->+ADwAIQ-DOCTYPE a [+ADwAIQ-ENTITY b "c">]><a>+ACY-b;</a>'
    )
    assert _code(hidden.encode()) in {"XML_DOCTYPE", "XML_MALFORMED"}


def test_the_word_doctype_inside_a_note_harms_nobody() -> None:
    xml = samples.UBL.replace("No code here.", "<![CDATA[<!DOCTYPE a>]]>")
    assert read_document(xml.encode()).notes[1].text == "<!DOCTYPE a>"


@pytest.mark.parametrize("use", ["<a>&e9;</a>", '<a b="&e9;"/>'])
def test_nested_entities_are_refused_before_they_are_expanded(use: str) -> None:
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    began = time.process_time()
    assert _code(f'<!DOCTYPE a [<!ENTITY e0 "ha">{entities}]>{use}'.encode()) == "XML_DOCTYPE"
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize("depth", [101, 300, 5_000, 100_000])
def test_deep_nesting_is_refused(depth: int) -> None:
    assert _code(b"<a>" * depth + b"</a>" * depth) == "XML_TOO_DEEP"


def test_nesting_up_to_the_limit_is_read() -> None:
    inner = "<a>" * 99 + "</a>" * 99
    assert read_document(f"{_UBL_ROOT}{inner}</Invoice>".encode()).number is None


def test_a_long_attachment_inside_the_xml_is_read() -> None:
    xml = samples.UBL.replace("YTtiCg==", "A" * 12_000_000)
    assert read_document(xml.encode()).supporting_documents[0].file_name == "t.csv"


def test_sizes_beyond_the_limits_are_refused() -> None:
    assert _code(samples.UBL.encode(), Limits(file_bytes=1000)) == "TOO_LARGE"
    assert _code(samples.UBL.encode(), Limits(xml_bytes=1000)) == "TOO_LARGE"
    assert _code(samples.UBL.encode(), Limits(xml_markup=100)) == "TOO_LARGE"


def test_a_flood_of_small_elements_is_refused_before_it_takes_memory() -> None:
    began = time.process_time()
    assert _code(b"<a>" + b"<b/>" * 2_000_000 + b"</a>") == "TOO_LARGE"
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize(
    ("before", "flood"),
    [
        ("<ram:SellerTradeParty>", "<ram:ID>1</ram:ID><ram:GlobalID>2</ram:GlobalID>"),
        ("<ram:IncludedSupplyChainTradeLineItem>", "<ram:IncludedSupplyChainTradeLineItem/>"),
        ("<ram:DueDateDateTime>", "<ram:DueDateDateTime>soon</ram:DueDateDateTime>"),
    ],
)
def test_a_flood_of_one_element_costs_time_in_proportion_only(before: str, flood: str) -> None:
    place = samples.CII.index(before) + (0 if flood.startswith(before[:-1]) else len(before))
    began = time.process_time()
    reading = read_document((samples.CII[:place] + flood * 5_000 + samples.CII[place:]).encode())
    assert time.process_time() - began < 4
    assert len(reading.warnings) <= 101


@pytest.mark.parametrize(
    ("code", "data"),
    [
        *(("EMPTY_FILE", data) for data in (b"", b" \r\n", b"\0" * 4096)),
        *(("UNKNOWN_TYPE", data) for data in (b"PK\x03\x04", b"Dear Sir or Madam", b"{}")),
        *(("NO_OCR_ENGINE", data) for data in (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0")),
        ("XML_MALFORMED", samples.UBL.encode()[:2000]),
        ("XML_MALFORMED", samples.UBL.encode() + b"<again/>"),
        ("XML_MALFORMED", samples.UBL.replace("Köln", "K\xf6ln").encode("latin-1", "replace")),
        ("XML_MALFORMED", b'<?xml version="1.0" encoding="klingon"?><a/>'),
        *(("XML_MALFORMED", data) for data in (b"<a>&nbsp;</a>", b"<a>\x01</a>", b"<p:a/>", b"<", b"\xff\xfe")),
        ("XML_MALFORMED", b"\xef\xbb\xbf"),
    ],
)
def test_what_is_no_whole_document_is_called_what_it_is(code: str, data: bytes) -> None:
    assert _code(data) == code


@settings(max_examples=example_count(300))
@given(
    st.binary(max_size=300), st.sampled_from([b"", b"<", b"<?xml ", b"\xff\xfe", b"\xef\xbb\xbf<a", _UBL_ROOT.encode()])
)
def test_arbitrary_bytes_are_read_or_refused(data: bytes, start: bytes) -> None:
    with contextlib.suppress(ReadingError):
        read_document(start + data)


@settings(max_examples=example_count(300))
@given(
    st.sampled_from([samples.UBL, samples.CII, samples.CREDIT_NOTE, samples.ZUGFERD1]),
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 0.02), st.binary(max_size=4)), min_size=1, max_size=5),
)
def test_a_document_with_parts_cut_out_or_overwritten_is_read_or_refused(
    sample: str, changes: list[tuple[float, float, bytes]]
) -> None:
    data = sample.encode()
    for place, length, insertion in changes:
        start = int(place * len(data))
        data = data[:start] + insertion + data[start + int(length * len(data)) :]
    with contextlib.suppress(ReadingError):
        read_document(data)


@settings(max_examples=example_count(200))
@given(
    st.sampled_from([samples.UBL, samples.CII, samples.CREDIT_NOTE, samples.ZUGFERD1]),
    st.lists(st.tuples(st.floats(0, 0.999), st.text("0123456789.,-+eTZ: <&\n\u00a0é\u202e", max_size=6)), max_size=6),
)
def test_any_value_may_stand_in_any_element(sample: str, changes: list[tuple[float, str]]) -> None:
    parts = sample.split(">")
    for place, text in changes:
        index = int(place * len(parts))
        value, bracket, tag = parts[index].partition("<")
        if value.strip() and bracket:
            parts[index] = text.replace("&", "&amp;").replace("<", "&lt;") + bracket + tag
    reading = read_document(">".join(parts).encode())
    assert reading.raw["root"]


@pytest.mark.parametrize(
    ("declared", "written", "says"),
    [
        ("UTF-16", "utf-8", "declares the encoding UTF-16, but is written in UTF-8"),
        ("UTF-16LE", "latin-1", "declares the encoding UTF-16LE, but is written in another one"),
        ("UTF-32", "utf-8", "declares the encoding UTF-32, but is written in UTF-8"),
        ("UTF-8", "cp1252", "declares the encoding UTF-8, but has bytes that UTF-8 does not have"),
        ("klingon", "utf-8", "declares the encoding 'klingon', which is not known here"),
    ],
)
def test_an_encoding_that_is_not_what_the_document_declares_is_named(declared: str, written: str, says: str) -> None:
    xml = f'<?xml version="1.0" encoding="{declared}"?>{_UBL_ROOT}<a>Müller</a></Invoice>'
    with pytest.raises(ReadingError) as error:
        read_document(xml.encode(written))
    assert error.value.code == "XML_MALFORMED"
    assert says in error.value.message

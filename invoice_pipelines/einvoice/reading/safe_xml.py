"""Parses XML from others, always as hostile input. What the XML means is not known here.

A document type declaration (DOCTYPE) is the door to entity expansion, file disclosure and requests to other hosts,
and no e-invoice syntax needs one. So it is refused before any parser sees the document; only then does libxml2 build
the tree, with entities, DTDs and network switched off as a second door.
"""

from __future__ import annotations

import codecs
import re
from functools import cache

from lxml import etree

from invoice_pipelines.einvoice.errors import ReadingError
from invoice_pipelines.einvoice.reading.limits import XmlLimits
from invoice_pipelines.einvoice.reading.text_lengths import refuse_long_texts

_XML_START = (
    b"<",
    b"\xef\xbb\xbf",  # UTF-8 byte order mark
    b"\xff\xfe",  # UTF-16 or UTF-32, little endian
    b"\xfe\xff",  # UTF-16, big endian
    b"<\x00",  # UTF-16 without a mark
    b"\x00<",
    b"\x00\x00\xfe\xff",  # UTF-32, big endian
    b"\x00\x00\x00<",
    b"\x4c\x6f\xa7\x94",  # EBCDIC "<?xm"
)
BLANKS = b" \t\r\n"
_WIDE = (  # first bytes of encodings of more than one byte, the longer ones first
    (b"\xff\xfe\0\0", "utf-32"),
    (b"\0\0\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
    (b"<\0", "utf-16-le"),
    (b"\0<", "utf-16-be"),
)
_ENCODING = re.compile(rb"<\?xml[^>]*?\sencoding\s*=\s*[\"']([^\"'>]*)")
_TRANSPARENT = re.compile(
    rb"utf-?8|utf-?(16|32)([bl]e)?|(us-)?ascii|iso-?8859-\d+|windows-\d+|cp\d{4}|latin-?\d", re.IGNORECASE
)
# What may stand around a DOCTYPE: blanks, comments, processing instructions and the XML declaration.
_MISC = re.compile(rb"(?:[ \t\r\n]++|<!--.*?-->|<\?.*?\?>)*+", re.DOTALL)
_ROOT_START = re.compile(rb"<[A-Za-z_:\x80-\xff]")


def looks_like_xml(data: bytes) -> bool:
    """Whether the first bytes can begin an XML document in any encoding that XML 1.0 (appendix F) lists."""
    return data.lstrip(BLANKS).startswith(_XML_START)


def parse_xml(data: bytes, limits: XmlLimits) -> etree._Element:
    """Parse a document within the limits and return its root element.

    Comments and processing instructions are kept. Raises `ReadingError`: TOO_LARGE, XML_DOCTYPE, XML_TOO_DEEP,
    XML_MALFORMED, XML_TEXT_TOO_LONG.
    """
    if len(data) > limits.xml_bytes:
        raise ReadingError("TOO_LARGE", f"The XML has {len(data):,} bytes; at most {limits.xml_bytes:,} are accepted.")
    # Every tag has a "<" and every attribute a "=": a cheap bound on the tree before it takes memory.
    if data.count(b"<") + data.count(b"=") > limits.xml_markup:
        raise ReadingError(
            "TOO_LARGE", f"The XML has more than {limits.xml_markup:,} tags and attributes; split the invoice."
        )
    prolog_is_clean = _refuse_doctype(data)
    parser = etree.XMLParser(
        resolve_entities=False,
        load_dtd=False,
        dtd_validation=False,
        no_network=True,
        # libxml2 stops at texts of 10 MB, which an embedded attachment (BT-125) may exceed. Its other guards are
        # against entities, and without a DOCTYPE there are none.
        huge_tree=prolog_is_clean,
    )
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        if "xcessive depth" in str(error):
            raise _too_deep(limits) from None
        fault = _encoding_fault(data) or f"The XML is not well-formed: {_sentence(error)}."
        raise ReadingError("XML_MALFORMED", fault) from None
    except (ValueError, LookupError) as error:  # an encoding that the parser does not know
        raise ReadingError("XML_MALFORMED", f"The XML cannot be decoded: {_sentence(error)}.") from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise _doctype()
    if _has_level(limits.xml_depth + 1)(root):
        raise _too_deep(limits)
    refuse_long_texts(root, data, limits)
    return root


def _refuse_doctype(data: bytes) -> bool:
    """Raise at a DOCTYPE. True if there is none for certain; False if that is libxml2's to judge.

    Walks over what may stand before the root element (XML 1.0, production 22) and looks at nothing else, so that
    the word may stand in a text or a comment. Each byte is looked at once, whatever the sender wrote.
    """
    prolog = _ascii_transparent(data)
    if prolog is None:
        return False
    misc = _MISC.match(prolog)
    start = misc.end() if misc else 0
    rest = prolog[start : start + 9]
    if rest.upper() == b"<!DOCTYPE":
        raise _doctype()
    return _ROOT_START.match(rest) is not None


def _ascii_transparent(data: bytes) -> bytes | None:
    """The document in an encoding whose ASCII characters are single bytes; None where that cannot be had.

    In any other encoding, such as UTF-7 or EBCDIC, libxml2 might see a DOCTYPE where the bytes show none.
    """
    for mark, encoding in _WIDE:
        if data.startswith(mark):
            try:
                data = data.decode(encoding).encode("utf-8")
            except UnicodeError:
                return None
            break
    data = data.removeprefix(b"\xef\xbb\xbf")
    declared = _ENCODING.match(data)
    return data if declared is None or _TRANSPARENT.fullmatch(declared[1]) else None


def _encoding_fault(data: bytes) -> str | None:
    """What is wrong with the encoding that a document declares, as a sentence; None where that is not the fault."""
    declaration = _ENCODING.match(data.removeprefix(b"\xef\xbb\xbf"))
    declared = declaration[1].decode("ascii", "replace")[:40] if declaration else "UTF-8"
    is_utf8 = _decodes(data, "utf-8")
    if re.fullmatch(r"utf-?8", declared, re.IGNORECASE):
        said = "It declares the encoding UTF-8" if declaration else "It declares no encoding, which means UTF-8"
        written = None if is_utf8 else f"{said}, but has bytes that UTF-8 does not have, such as those of Windows-1252"
    elif re.match(r"(utf-?(16|32|7)|ucs-?[24]|iso-10646)", declared, re.IGNORECASE):
        # The declaration could be read byte by byte, which it cannot in the encoding that it names.
        written = f"It declares the encoding {declared}, but is written in {'UTF-8' if is_utf8 else 'another one'}"
    elif not _is_known(declared):
        written = f"It declares the encoding {declared!r}, which is not known here"
    else:
        return None
    if written is None:
        return None
    return f"The XML is not well-formed. {written}. Ask the sender for a file whose declaration is right."


def _decodes(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeError:
        return False
    return True


def _is_known(encoding: str) -> bool:
    try:
        codecs.lookup(encoding)
    except (LookupError, ValueError):
        return False
    return True


@cache
def _has_level(level: int) -> etree.XPath:
    return etree.XPath(f"boolean({'/*' * level})")


def _doctype() -> ReadingError:
    return ReadingError(
        "XML_DOCTYPE",
        "The XML has a document type declaration (DOCTYPE), which is refused because it can pull in foreign content.",
    )


def _too_deep(limits: XmlLimits) -> ReadingError:
    return ReadingError("XML_TOO_DEEP", f"The XML is nested deeper than {limits.xml_depth} elements.")


def _sentence(error: Exception) -> str:
    """The parser's message without its file name, on one line and short enough for a table."""
    text = re.sub(r"\s*\(<string>, line \d+\)$", "", " ".join(str(error).split()))
    return text[:200].rstrip(". ")

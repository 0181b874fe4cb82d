"""How single texts and numbers are written."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from invoice_pipelines.einvoice.model import Invoice
from invoice_pipelines.einvoice.writing.element_writer import ElementWriter, Style
from invoice_pipelines.einvoice.writing.xml_text import clean, escaped, money, number, price


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("  Müller & Söhne\t", "Müller & Söhne"),
        ("a\x00b\x0bc\x1fd", "a b c d"),
        ("one\r\ntwo\rthree\nfour\tfive", "one\ntwo\nthree\nfour\tfive"),
        ("\ud83d \ufffe\uffff", "\ufffd \ufffd\ufffd"),
        ("שלום 🙂", "שלום 🙂"),
        (" \x01\n", ""),
    ],
)
def test_what_xml_forbids_is_replaced(text: str, written: str) -> None:
    assert clean(text) == written
    assert etree.fromstring(f"<a>{escaped(text)}</a>").text == (written or None)


@given(text=st.text(st.characters()))
def test_any_text_is_read_as_it_was_cleaned(text: str) -> None:
    assert (etree.fromstring(f"<a>{escaped(text)}</a>").text or "") == clean(text)
    attribute = etree.fromstring(f'<a b="{escaped("x" + text)}"/>').get("b")
    assert attribute == clean("x" + text).replace("\n", " ").replace("\t", " ")


def test_an_element_without_a_text_is_not_written() -> None:
    out = ElementWriter(Style(), Invoice())
    for text in ("", " \x02\r\n"):
        out.text("around/a", text)
    assert out.written() == ""
    out.text("around/a", "<", end="\n")
    assert out.written() == "\n<around><a>&lt;\n</a></around>"


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("0", "0.00"),
        ("0.00", "0.00"),
        ("1000", "1000.00"),
        ("1E+3", "1000.00"),
        ("-2.50", "-2.50"),
        ("10.500", "10.50"),
        ("10.505", "10.505"),  # never rounded in silence
        ("9999999999989900000.00", "9999999999989900000.00"),
    ],
)
def test_amounts_have_two_decimals(amount: str, text: str) -> None:
    assert money(Decimal(amount)) == text


@pytest.mark.parametrize(
    ("value", "as_number", "as_price"),
    [
        ("2.000", "2", "2.00"),
        ("19.00", "19", "19.00"),
        ("5.50", "5.5", "5.50"),
        ("3.9950", "3.995", "3.995"),
        ("100", "100", "100.00"),
        ("0.000", "0", "0.00"),
        ("999999999.999", "999999999.999", "999999999.999"),
    ],
)
def test_zeros_that_say_nothing_are_left_out(value: str, as_number: str, as_price: str) -> None:
    assert number(Decimal(value)) == as_number
    assert price(Decimal(value)) == as_price

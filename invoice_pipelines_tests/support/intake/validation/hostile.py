"""Invoices that cost more than they look: many lines, long texts, endless numbers. All are made from one small UBL."""

from __future__ import annotations

from invoice_pipelines_tests.support.intake.validation.specimens import UBL

_HEAD, _REST = UBL.split("<cac:InvoiceLine>")
_LINE, _TAIL = _REST.split("</cac:InvoiceLine>")
XRECHNUNG = "urn:cen.eu:en16931:2017#compliant#urn:xeinkauf.de:kosit:xrechnung_3.0"


def with_lines(number: int, unit: str = "C62") -> bytes:
    """An invoice of so many lines, in which all sums tie."""
    head = _HEAD.replace("100.00", f"{100 * number}.00").replace("119.00", f"{119 * number}.00")
    head = head.replace(">19.00", f">{19 * number}.00")
    line = _LINE.replace("C62", unit)
    lines = (
        f"<cac:InvoiceLine>{line.replace('<cbc:ID>1<', f'<cbc:ID>{n}<')}</cac:InvoiceLine>"
        for n in range(1, number + 1)
    )
    return f"{head}{''.join(lines)}{_TAIL}".encode()


def with_empty_lines(number: int) -> bytes:
    """A few bytes for each line, which breaks the schema and nine rules."""
    return (_HEAD + "<cac:InvoiceLine/>" * number + _TAIL).encode()


def with_total(digits: int) -> bytes:
    """A total with VAT of so many digits."""
    return UBL.replace(">119.00</cbc:TaxInclusiveAmount>", f">{'1' * digits}</cbc:TaxInclusiveAmount>").encode()


def with_telephone(text: str) -> bytes:
    """A seller whose contact has this telephone number, under XRechnung."""
    contact = f"<cac:Contact><cbc:Name>A</cbc:Name><cbc:Telephone>{text}</cbc:Telephone></cac:Contact>"
    end = "</cac:PartyLegalEntity>"
    return UBL.replace("urn:cen.eu:en16931:2017", XRECHNUNG).replace(end, end + contact, 1).encode()

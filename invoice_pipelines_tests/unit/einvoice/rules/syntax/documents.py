"""Documents for tests of the syntax rules: fragments, written with the usual prefixes."""

from collections.abc import Sequence

from lxml import etree

from invoice_pipelines.einvoice.rules.engine.asking import Found
from invoice_pipelines.einvoice.rules.engine.names import PREFIXES
from invoice_pipelines.einvoice.rules.engine.walk import Syntax, walk
from invoice_pipelines.einvoice.rules.syntax.asking import ask, states

_NAMESPACES = " ".join(f'xmlns:{prefix}="{uri}"' for uri, prefix in PREFIXES.items())


def asked_of(xml: str | bytes) -> Found:
    """What the syntax rules say of a document."""
    root = etree.fromstring(xml)
    syntax = Syntax.CII if root.tag.endswith("}CrossIndustryInvoice") else Syntax.UBL
    return ask(walk(root, syntax, states(syntax).start))


def document(content: str, name: str = "ubl:Invoice") -> str:
    """A root element of that name with this content."""
    return f"<{name} {_NAMESPACES}>{content}</{name}>"


def inside(path: str, content: str = "{}") -> str:
    """Elements one in the other, with this content in the innermost; with a place for it, if none is given."""
    for name in reversed(path.split("/")):
        content = f"<{name}>{content}</{name}>"
    return content


def cii(*, lines: Sequence[str] = (), agreement: str = "", delivery: str = "", settlement: str = "") -> str:
    """An invoice in CII with lines of this content, and with what is agreed, delivered and settled."""
    parts = [("ram:IncludedSupplyChainTradeLineItem", line) for line in lines]
    parts.append(("ram:ApplicableHeaderTradeAgreement", agreement))
    parts.append(("ram:ApplicableHeaderTradeDelivery", delivery))
    parts.append(("ram:ApplicableHeaderTradeSettlement", settlement))
    trade = "".join(f"<{name}>{content}</{name}>" for name, content in parts)
    return document(
        f"<rsm:SupplyChainTradeTransaction>{trade}</rsm:SupplyChainTradeTransaction>", "rsm:CrossIndustryInvoice"
    )

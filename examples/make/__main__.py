"""Writes all documents of the examples, `expected.json` and `sales_orders.json`: `python -m examples.make [FOLDER]`.

The folder is `examples/` unless another is named. Files of an earlier run that are no longer made are removed from the
inboxes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from examples.make import harbour_and_hill, maple_ridge, nordwind_handel, parties, sales_orders
from examples.make.model import Document, Party

ORGANIZATIONS: dict[str, tuple[Party, str, str]] = {
    "nordwind-handel": (parties.NORDWIND, "Europe/Berlin", "EUR"),
    "harbour-and-hill": (parties.HARBOUR, "Europe/Dublin", "EUR"),
    "maple-ridge": (parties.MAPLE, "America/Toronto", "CAD"),
}


def all_documents() -> dict[str, list[Document]]:
    """The documents of each organization, by its slug."""
    return {
        "nordwind-handel": nordwind_handel.documents(),
        "harbour-and-hill": harbour_and_hill.documents(),
        "maple-ridge": maple_ridge.documents(),
    }


def expected(documents: dict[str, list[Document]]) -> dict[str, Any]:
    """What stands in `expected.json`; examples/README.md explains its fields."""
    return {
        "organizations": [
            {
                "slug": slug,
                "name": party.name,
                "country": party.country,
                "time_zone": time_zone,
                "currency": currency,
                "vat_id": party.vat_id,
                "tax_number": party.tax_number,
                "street": party.street,
                "post_code": party.post_code,
                "city": party.city,
                "region": party.region,
                "iban": party.iban,
                "bic": party.bic,
                "email": party.email,
                "documents": [_outcome(one) for one in sorted(documents[slug], key=lambda one: one.file_name)],
            }
            for slug, (party, time_zone, currency) in ORGANIZATIONS.items()
        ]
    }


def _outcome(document: Document) -> dict[str, Any]:
    invoice = document.invoice
    return {
        "file": document.file_name,
        "kind": document.kind,
        "state": document.state,
        "reason": document.reason,
        "same_as": document.same_as,
        "number": invoice and invoice.number,
        "issue_date": invoice and invoice.issued.isoformat(),
        "seller": invoice and invoice.seller.name,
        "net_amount": invoice and str(invoice.net),
        "tax_amount": invoice and str(invoice.tax),
        "gross_amount": invoice and str(invoice.gross),
        "payable_amount": invoice and str(invoice.payable),
        "currency": invoice and invoice.currency,
    }


def write(folder: Path) -> None:
    documents = all_documents()
    for slug, of_organization in documents.items():
        inbox = folder / slug
        inbox.mkdir(parents=True, exist_ok=True)
        for file in inbox.iterdir():
            file.unlink()
        for document in of_organization:
            with (inbox / document.file_name).open("xb") as opened:
                opened.write(document.content)
    text = json.dumps(expected(documents), ensure_ascii=False, indent=2)
    (folder / "expected.json").write_text(f"{text}\n", encoding="utf-8")
    (folder / "sales_orders.json").write_text(_one_order_per_line(sales_orders.books()), encoding="utf-8")


def _one_order_per_line(books: list[dict[str, Any]]) -> str:
    """As JSON that people can compare: a line for each customer, item and order."""
    parts = []
    for book in books:
        fields = []
        for name, value in book.items():
            if isinstance(value, list):
                rows = ",\n".join(f"   {json.dumps(row, ensure_ascii=False)}" for row in value)
                fields.append(f'  "{name}": [\n{rows}\n  ]')
            else:
                fields.append(f'  "{name}": {json.dumps(value, ensure_ascii=False)}')
        parts.append(" {\n" + ",\n".join(fields) + "\n }")
    return '{"organizations": [\n' + ",\n".join(parts) + "\n]}\n"


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent.parent)

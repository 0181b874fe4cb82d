"""What people type into forms, understood as people of either language write it."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal

from invoice_pipelines.intake.documents.text_layer.page.notation import decimals, parse_amount
from invoice_pipelines.web.pages.languages import Language

_GERMAN_DAY = re.compile(r"([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4})")


def amount_of(written: str) -> Decimal | None:
    """An amount such as 1.190,00 or 1190.00; None for what is none, and for what may be two, such as 1.190."""
    if sum(sign in ".," for sign in written) == 1 and decimals(written) == 3:
        return None
    return parse_amount(written)


def quantity_of(written: str, language: Language) -> Decimal | None:
    """A quantity, with up to three decimals behind the sign that the language has; None for what is none."""
    return parse_amount(written, "," if language.code == "de" else ".")


def day_of(written: str) -> date | None:
    """A day such as 2026-03-31, as browsers send it, or 31.03.2026; None for what is none."""
    found = _GERMAN_DAY.fullmatch(written.strip())
    try:
        if found is not None:
            return date(int(found[3]), int(found[2]), int(found[1]))
        return date.fromisoformat(written.strip())
    except ValueError:
        return None

"""The report of text recognition. Not the work itself: `recognizing` loads the picture libraries."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(slots=True)
class Recognition:
    """What text recognition did: pages read, pages that were known, those that could not be read, and the price.

    `unavailable` says why the engine cannot work, where it cannot: the documents wait for it.
    """

    engine: str
    recognized: int = 0
    known: int = 0
    unreadable: int = 0
    cost_usd: Decimal = Decimal(0)
    seconds: float = 0.0
    unavailable: str | None = None

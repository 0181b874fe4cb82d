"""How commands show received invoices by status: named in one language within a table, in the colours of the statuses.
A terminal shows colours, nothing else does; programs get the codes.
"""

from __future__ import annotations

from collections.abc import Mapping

from rich.text import Text

from invoice_pipelines.cli.language import Language
from invoice_pipelines.cli.output import styled
from invoice_pipelines.intake.states import Status, colour, label


def coloured(status: Status, language: Language = "en") -> Text:
    """The name of a status."""
    return styled(label(status, language), colour(status))


def status_columns(language: Language = "en") -> list[str]:
    """A column for the count of each status."""
    return [f"#{label(status, language).lower()}" for status in Status]


def status_cells(counts: Mapping[Status, int]) -> list[Text]:
    """The counts under these columns; what there is none of has no colour."""
    return [styled(f"{counts[status]:,}", colour(status) if counts[status] else "") for status in Status]

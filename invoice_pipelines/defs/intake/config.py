"""What the configs of the intake's jobs share."""

from uuid import UUID

from invoice_pipelines.defs.sweep import LONGEST_REASON
from invoice_pipelines.intake.received_invoices import IntakeError


def ids_in(field: str, values: list[str]) -> list[UUID]:
    """The ids that a person wrote into a field. Raises IntakeError naming the first that is none."""
    ids = []
    for value in values:
        try:
            ids.append(UUID(value))
        except ValueError:
            raise IntakeError(
                f"{field}: {value[:LONGEST_REASON]!r} is not an id; ids look like 019a2f6e-7c1d-7000-8000-0123456789ab"
            ) from None
    return ids

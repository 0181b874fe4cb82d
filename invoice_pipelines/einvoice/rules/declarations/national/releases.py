"""The releases of rules that stand side by side, and since when each is to be kept. A verdict says which was asked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class Release:
    """A release of a set of rules. `artefacts` is the publication of its test rules that ours agree with."""

    name: str
    valid_from: date
    artefacts: str


RELEASES = {
    release.name: release
    for release in (
        Release("EN 16931 1.3.16", date(2026, 5, 15), "eInvoicing-EN16931 1.3.16"),
        Release("XRechnung 3.0.1", date(2024, 2, 1), "xrechnung-schematron 2.0.2"),
        Release("XRechnung 3.0.2", date(2024, 6, 20), "xrechnung-schematron 2.5.0"),
        Release("Peppol BIS Billing 3.0.19", date(2025, 5, 26), "peppol-bis-invoice-3 3.0.19"),
        Release("Factur-X 1.09.2", date(2026, 9, 1), "Factur-X 1.09.2"),
    )
}

XRECHNUNG_3_0_1 = frozenset(("XRechnung 3.0.1",))
XRECHNUNG_3_0_2 = frozenset(("XRechnung 3.0.2",))

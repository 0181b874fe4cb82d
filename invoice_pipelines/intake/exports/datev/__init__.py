"""DATEV: received invoices as bookings of an EXTF batch (Buchungsstapel), with accounts by rules and a ledger."""

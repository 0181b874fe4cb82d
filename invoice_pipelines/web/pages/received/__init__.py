"""Received invoices: the list with its drop zone, one of them, how the intake goes, and exports."""

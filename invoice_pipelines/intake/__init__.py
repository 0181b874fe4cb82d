"""Received invoices: from a file in an inbox to validated rows and export files."""

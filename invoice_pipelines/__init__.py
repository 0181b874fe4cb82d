"""Invoices end to end, in Dagster and PostgreSQL, per organization."""

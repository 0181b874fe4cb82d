"""The resources of billing: what is on record before an invoice, and issued invoices."""

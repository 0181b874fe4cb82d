"""Billing: sales orders become issued invoices, with numbers that have no gap."""

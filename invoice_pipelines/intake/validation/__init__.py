"""Validates received invoices: official rules (`einvoice.rules`) and this project's own rules make one verdict.

It judges and never corrects: no amount is recomputed, no field filled in.
"""

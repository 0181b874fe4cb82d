"""Invoices changed at random, in ways that break rules: what two implementations of the same rules are compared on."""

"""Delivery: issued invoices become documents that a person reads and a machine books, and messages that go out once.

`einvoice` writes the XML, `rendering` the page, `documents` makes and keeps both in bulk. `sending` works through
messages; what it hands over to is in `channels`.
"""

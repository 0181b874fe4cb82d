"""From an invoice to the bytes of an XML document."""

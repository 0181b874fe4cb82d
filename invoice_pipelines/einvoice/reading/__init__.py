"""From the bytes of an XML document to an invoice: parsed as hostile input, told apart by its root, read by a table."""

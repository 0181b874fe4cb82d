"""Issued invoices as pages: Typst templates, texts in catalogues, and PDF/A-3 with the XML inside."""

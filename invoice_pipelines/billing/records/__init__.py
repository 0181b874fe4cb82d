"""What is on record before an invoice: customers, items, tax rates and sales orders."""

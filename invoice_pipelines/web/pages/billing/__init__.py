"""Pages of billing: sales orders and what becomes of them, issued invoices, customers, and what they owe."""

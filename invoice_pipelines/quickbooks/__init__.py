"""The sync of an organization with its QuickBooks Online company.

Customers and items go both ways, invoices out, payments in, sales orders never. What is sent, what was read and what
could not be brought together is in the schema `quickbooks`; how QuickBooks is spoken to is in `client`.
"""

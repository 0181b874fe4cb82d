"""Issued invoices as the XML of EN 16931: in CII for ZUGFeRD/Factur-X, and in CII and UBL for XRechnung."""

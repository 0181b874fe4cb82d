"""What XRechnung, Peppol BIS Billing and Factur-X ask for beyond EN 16931."""

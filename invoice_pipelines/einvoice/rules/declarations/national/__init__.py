"""What the code lists, XRechnung, Peppol BIS Billing and Factur-X ask for."""

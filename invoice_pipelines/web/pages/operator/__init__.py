"""The operator's page: how the installation and all of its organizations are, and no business record."""

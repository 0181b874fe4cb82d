"""QuickBooks: the connection of an organization with its company, syncs that are asked for, and conflicts."""

"""QuickBooks at the desk: the connection, what is synced and when, and the conflicts that people decide."""

"""Master data and sales orders that come in as CSV files."""

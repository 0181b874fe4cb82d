"""Whether an e-invoice keeps its schema and the official rules. What else it says is judged in `intake`."""

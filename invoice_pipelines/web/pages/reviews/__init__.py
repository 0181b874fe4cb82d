"""The review desk: the queue, one invoice beside its page, and what is decided about it."""

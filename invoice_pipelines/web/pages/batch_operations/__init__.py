"""Batch operations: what was asked for in bulk, how far it is, and what became of each part."""

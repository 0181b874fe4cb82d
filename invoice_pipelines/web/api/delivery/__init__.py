"""The resources of delivery: documents, messages, and whom nothing is sent to."""

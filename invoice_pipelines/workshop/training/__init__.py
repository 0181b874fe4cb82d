"""Makes the model of the second reader: documents to learn from, learning, and what is measured of it."""

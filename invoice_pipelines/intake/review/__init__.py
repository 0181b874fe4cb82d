"""The review lane: what a reading cannot prove waits for a person, who accepts, corrects or rejects it."""

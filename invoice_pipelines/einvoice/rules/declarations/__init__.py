"""The rules themselves: what each demands, of what, in which syntax; and what it says to a person (`texts_*.toml`)."""

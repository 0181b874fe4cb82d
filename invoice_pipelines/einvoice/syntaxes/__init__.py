"""Where the terms of EN 16931 stand in each syntax, told once for reading and writing: `ubl` and `cii`, by `terms`."""
